//! Proxies: stateless, or forking with the transactions of RFC 3261 16. One of
//! them is the server that has the library.

use super::context::{Context, Repeated, derived};
use super::message::{Message, Method, NodeId, Via};
use super::server::{Library, Verb};

/// One branch of a forked INVITE.
#[derive(Debug)]
struct Branch {
    branch: u64,
    request: Message,
    provisional: bool,
    cancelled: bool,
    last: Option<Message>,
}

/// A forked INVITE (RFC 3261 16.7).
#[derive(Debug)]
struct Fork {
    /// The INVITE as it came.
    request: Message,
    branches: Vec<Branch>,
    cancelled: bool,
    success: bool,
    /// The failure reply that went upstream.
    failed: Option<Message>,
    failed_at: u64,
}

/// What to do with a message after the library has changed it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Then {
    /// Fork the INVITE with this branch.
    Fork(u64),
    /// Send a request on.
    Forward,
    /// Send a reply on.
    Reply,
}

#[derive(Debug)]
pub struct Proxy {
    pub id: NodeId,
    /// Where an initial INVITE goes, by the node that it came from; the last
    /// entry, of no node, is for all others.
    pub next: Vec<(Option<NodeId>, Vec<NodeId>)>,
    pub stateful: bool,
    /// The server under test has it.
    pub library: Option<Box<Library>>,
    forks: Vec<Fork>,
}

impl Proxy {
    pub fn new(id: NodeId, next: Vec<(Option<NodeId>, Vec<NodeId>)>, stateful: bool) -> Self {
        Proxy { id, next, stateful, library: None, forks: Vec::new() }
    }

    /// A restart: all transactions and the shared memory are lost.
    pub fn restart(&mut self, now: u64) {
        self.forks.clear();
        if let Some(library) = &mut self.library {
            library.restart(now);
        }
    }

    /// True when a failure reply to an INVITE of the request's sender has gone
    /// upstream by then: from here on the INVITE has failed, whoever answers late.
    /// So have the later requests of the dialogs of that INVITE, which no fork has.
    pub fn has_failed(&self, call: Option<u32>, (tag, cseq): (u32, u32), by: u64) -> bool {
        let Some(call) = call else {
            return self.forks.iter().any(|fork| fork.failed.is_some() && fork.failed_at <= by);
        };
        let of_call = |fork: &&Fork| (call, tag) == (fork.request.call_id, fork.request.from_tag);
        let forks = || self.forks.iter().filter(of_call);
        let initial = forks().any(|fork| fork.request.cseq == cseq);
        forks().any(|fork| {
            let own = fork.request.cseq == cseq || fork.request.cseq < cseq && !initial;
            own && fork.failed.is_some() && fork.failed_at <= by
        })
    }

    /// True when a failure reply to an INVITE of this call has gone upstream since.
    pub fn has_failed_since(&self, call: u32, since: u64) -> bool {
        let failed = |fork: &Fork| fork.failed.is_some() && fork.failed_at >= since;
        self.forks.iter().any(|fork| fork.request.call_id == call && failed(fork))
    }

    fn targets(&self, from: NodeId) -> Vec<NodeId> {
        let entry = self.next.iter().find(|(node, _)| node.is_none_or(|node| node == from));
        entry.map_or_else(Vec::new, |(_, targets)| targets.clone())
    }

    pub fn receive(&mut self, mut message: Message, from: NodeId, context: &mut Context<'_>) {
        if message.status.is_some() {
            return self.on_reply(message, context);
        }
        message.route.remove(0);
        let initial = message.route.is_empty();
        if initial {
            message.route = self.targets(from);
            if message.method == Method::Invite {
                message.record_route.push(self.id);
            }
        }
        let key = message.branch();
        let fork = self.forks.iter().position(|fork| fork.request.branch() == key);
        match (message.method, fork) {
            (Method::Invite, Some(at)) => {
                if let Some(reply) = self.forks[at].failed.clone() {
                    context.reply(reply);
                }
            }
            (Method::Invite, None) if initial && self.stateful => {
                context.reply(message.reply(100, 0, self.id));
                self.forks.push(Fork {
                    request: message.clone(),
                    branches: Vec::new(),
                    cancelled: false,
                    success: false,
                    failed: None,
                    failed_at: 0,
                });
                self.rewrite(message, Then::Fork(key), context);
            }
            (Method::Cancel, Some(at)) => {
                context.reply(message.reply(200, 0, self.id));
                self.end(&message, Verb::End, context);
                self.forks[at].cancelled = true;
                self.cancel_branches(at, context);
            }
            (Method::Ack, Some(at)) if self.forks[at].failed.is_some() => {
                context.stop(Repeated::Failure(key));
            }
            (Method::Cancel | Method::Bye, _) => {
                self.end(&message, Verb::End, context);
                self.forward(message, context);
            }
            _ => self.rewrite(message, Then::Forward, context),
        }
    }

    /// Gives a message to the library, and then does with it what `then` says.
    fn rewrite(&mut self, message: Message, then: Then, context: &mut Context<'_>) {
        let ready = match &mut self.library {
            None => Some((message, true)),
            Some(library) => library.rewrite(message, then, context),
        };
        if let Some((message, done)) = ready {
            self.rewritten(message, then, done, context);
        }
    }

    /// Continues with the rewrites that can be finished. True when there were some.
    pub fn resume(&mut self, context: &mut Context<'_>) -> bool {
        let Some(library) = &mut self.library else { return false };
        let ready = library.resume(context.now);
        let any = !ready.is_empty();
        for (message, then, done) in ready {
            self.rewritten(message, then, done, context);
        }
        any
    }

    fn end(&mut self, message: &Message, verb: Verb, context: &mut Context<'_>) {
        if let Some(library) = &mut self.library {
            library.end(message, verb, context);
        }
    }

    /// The library is done with a message; `done` is false after an error.
    fn rewritten(&mut self, message: Message, then: Then, done: bool, context: &mut Context<'_>) {
        match then {
            Then::Reply => context.reply(message),
            Then::Forward if done || message.method == Method::Ack => {
                self.forward(message, context);
            }
            Then::Forward => {
                let reply = message.reply(503, 0, self.id);
                if message.is_request(Method::Invite) {
                    // Nobody repeats it: the phone repeats its request.
                    self.end(&reply, Verb::End, context);
                }
                context.reply(reply);
            }
            Then::Fork(key) => self.fork(message, key, done, context),
        }
    }

    fn forward(&mut self, mut message: Message, context: &mut Context<'_>) {
        let branch = derived(message.branch(), self.id, 0);
        message.vias.push(Via { node: self.id, branch });
        if let Some(to) = message.route.first() {
            context.send(*to, message);
        }
    }

    fn fork(&mut self, message: Message, key: u64, done: bool, context: &mut Context<'_>) {
        // A restart may have come between.
        let Some(at) = self.forks.iter().position(|fork| fork.request.branch() == key) else {
            return;
        };
        if !done || self.forks[at].cancelled {
            let status = if done { 487 } else { 503 };
            let reply = self.forks[at].request.reply(status, context.ids.number(), self.id);
            return self.fail(at, reply, context);
        }
        for target in message.route.clone() {
            let mut request = message.clone();
            let branch = context.ids.branch();
            request.route = vec![target];
            request.vias.push(Via { node: self.id, branch });
            let (provisional, cancelled) = (false, false);
            let entry =
                Branch { branch, request: request.clone(), provisional, cancelled, last: None };
            self.forks[at].branches.push(entry);
            context.repeat_request(request);
        }
    }

    /// Sends CANCEL to the branches that ring (RFC 3261 16.10, 9.1).
    fn cancel_branches(&mut self, at: usize, context: &mut Context<'_>) {
        for branch in &mut self.forks[at].branches {
            if !branch.provisional || branch.cancelled || branch.last.is_some() {
                continue;
            }
            branch.cancelled = true;
            let mut cancel = branch.request.clone();
            (cancel.method, cancel.sdp) = (Method::Cancel, None);
            let key = Repeated::Request(branch.branch | 1);
            context.out.push(super::context::Out::Repeat(cancel.route[0], cancel, key));
        }
    }

    /// The failure reply that goes upstream.
    fn fail(&mut self, at: usize, reply: Message, context: &mut Context<'_>) {
        if self.forks[at].success || self.forks[at].failed.is_some() {
            return;
        }
        self.end(&reply, Verb::End, context);
        let mut reply = reply;
        reply.vias.clone_from(&self.forks[at].request.vias);
        self.forks[at].failed = Some(reply.clone());
        self.forks[at].failed_at = context.now;
        let key = Repeated::Failure(self.forks[at].request.branch());
        context.repeat_reply(reply, key);
    }

    fn on_reply(&mut self, mut message: Message, context: &mut Context<'_>) {
        let branch = message.branch();
        let position = self.forks.iter().enumerate().find_map(|(at, fork)| {
            Some((at, fork.branches.iter().position(|entry| entry.branch == branch)?))
        });
        let status = message.status.unwrap_or(0);
        if let Some((at, number)) = position {
            if message.method == Method::Cancel {
                return context.stop(Repeated::Request(branch | 1));
            }
            context.stop(Repeated::Request(branch));
            let entry = &mut self.forks[at].branches[number];
            entry.provisional = true;
            if status == 100 {
                if self.forks[at].cancelled || self.forks[at].success {
                    self.cancel_branches(at, context);
                }
                return;
            }
            if status >= 300 {
                return self.on_branch_failure(at, number, message, context);
            }
            if status < 200 && entry.last.is_some() {
                // RFC 3261 16.7: the branch has had its final reply, or its timeout.
                return;
            }
            if status >= 200 {
                entry.last = Some(message.clone());
                self.forks[at].success = true;
            }
            if self.forks[at].cancelled || self.forks[at].success {
                self.cancel_branches(at, context);
            }
            if self.forks[at].failed.is_some() && status < 200 {
                return;
            }
        } else if message.is_invite_reply(300..=699) {
            self.end(&message, Verb::End, context);
            message.vias.pop();
            return context.reply(message);
        }
        if message.method == Method::Bye || message.method == Method::Cancel || status == 100 {
            message.vias.pop();
            return context.reply(message);
        }
        if matches!(message.method, Method::Prack | Method::Update) && status >= 300 {
            message.vias.pop();
            return context.reply(message);
        }
        self.rewrite_reply(message, context);
    }

    /// The library sees a reply with our own Via, as it came.
    fn rewrite_reply(&mut self, mut message: Message, context: &mut Context<'_>) {
        let Some(library) = &mut self.library else {
            message.vias.pop();
            return context.reply(message);
        };
        if let Some((message, _)) = library.rewrite(message, Then::Reply, context) {
            self.rewritten(message, Then::Reply, true, context);
        }
    }

    fn on_branch_failure(
        &mut self,
        at: usize,
        number: usize,
        message: Message,
        context: &mut Context<'_>,
    ) {
        let entry = &mut self.forks[at].branches[number];
        let mut ack = entry.request.clone();
        (ack.method, ack.sdp, ack.to_tag) = (Method::Ack, None, message.to_tag);
        context.send(ack.route[0], ack);
        if entry.last.is_some() {
            return;
        }
        entry.last = Some(message.clone());
        self.end(&message, Verb::EndBranch, context);
        if message.status.is_some_and(|status| status >= 600) {
            self.cancel_branches(at, context);
        }
        let all: Option<Vec<_>> =
            self.forks[at].branches.iter().map(|branch| branch.last.as_ref()).collect();
        let Some(all) = all else { return };
        // RFC 3261 16.7: 6xx first, else the lowest class.
        let rank = |reply: &&Message| match reply.status {
            Some(status) if status >= 600 => 0,
            Some(status) => status,
            None => u16::MAX,
        };
        let best = all.iter().copied().min_by_key(rank).cloned();
        if let Some(best) = best {
            self.fail(at, best, context);
        }
    }

    /// A branch gave no reply in time (RFC 3261 16.8).
    pub fn timed_out(&mut self, message: &Message, context: &mut Context<'_>) {
        if !message.is_request(Method::Invite) {
            return;
        }
        let branch = message.branch();
        let position = self.forks.iter().enumerate().find_map(|(at, fork)| {
            Some((at, fork.branches.iter().position(|entry| entry.branch == branch)?))
        });
        let Some((at, number)) = position else { return };
        if self.forks[at].branches[number].provisional {
            return;
        }
        let reply = message.reply(408, context.ids.number(), self.id);
        self.on_branch_failure(at, number, reply, context);
    }

    /// What a keeper does.
    pub fn tick(&mut self, unsettled: bool, now: u64) {
        if let Some(library) = &mut self.library {
            library.tick(unsettled, now);
        }
    }

    /// What a server does without a message.
    pub fn tidy(&mut self, now: u64) {
        if let Some(library) = &mut self.library {
            library.tidy(now);
        }
    }
}
