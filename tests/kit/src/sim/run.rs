//! Runs a script and judges it.

use std::net::SocketAddr;

use super::context::Context;
use super::context::TIMEOUT;
use super::judge::is_ours;
use super::message::NodeId;
use super::phone::Phone;
use super::relays::Power;
use super::script::{Script, Step};
use super::sdp::EndId;
use super::topology::first_hop;
use super::world::{Node, World};

/// A relay ends a session that is silent for 90 s: phones are not silent longer
/// than this (milliseconds).
const MAX_SILENCE: u64 = 75_000;
/// A relay ends an unanswered session after 300 s, and a server gives up a pending
/// INVITE after 6 minutes.
const UNANSWERED: u64 = 400_000;

/// A relay ends a session on hold after two hours.
const HOLD: u64 = 7_300_000;

/// The result of a run.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// What went wrong; empty when nothing did. The run stops at the first fault.
    pub faults: Vec<String>,
    /// Calls that phones have made.
    pub calls: u64,
    /// What happened, of a recorded run.
    pub record: Vec<String>,
}

/// Runs a script.
pub fn run(script: &Script) -> Outcome {
    Run::new(script, false).finish(script)
}

/// Runs a script and keeps what happened, for a person.
pub fn run_recorded(script: &Script) -> Outcome {
    Run::new(script, true).finish(script)
}

struct Run {
    world: World,
    /// Every end with every address that it was given.
    given: Vec<(EndId, SocketAddr)>,
    faults: Vec<String>,
    calls: u64,
    /// When phones sent media last.
    sent_at: u64,
    /// When the given addresses are looked at again.
    changed_at: u64,
}

impl Run {
    fn new(script: &Script, recording: bool) -> Self {
        let world = World::new(&script.setup, recording);
        let sent_at = world.now;
        Run { world, given: Vec::new(), faults: Vec::new(), calls: 0, changed_at: 0, sent_at }
    }

    fn finish(mut self, script: &Script) -> Outcome {
        for step in &script.steps {
            if self.faults.is_empty() {
                self.world.log(|| format!("-- {step}"));
                self.step(*step);
            }
        }
        if self.faults.is_empty() {
            self.end();
        }
        Outcome { faults: self.faults, calls: self.calls, record: self.world.record }
    }

    fn with(&mut self, phone: u8, act: impl FnOnce(&mut Phone, &mut Context<'_>)) {
        self.world.act(NodeId::from(phone), |node, context| {
            if let Node::Phone(phone) = node {
                act(phone, context);
            }
        });
        self.pass(0, true);
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Calls { phone, delayed } => {
                if phone != 0 {
                    return;
                }
                self.calls += 1;
                let first = first_hop(&self.world);
                self.with(phone, |phone, context| phone.call(first, delayed, context));
            }
            Step::Rings { phone, with_sdp, reliable } => {
                self.with(phone, |phone, context| phone.ring(with_sdp, reliable, context));
            }
            Step::Answers { phone, without_sdp } => {
                self.with(phone, |phone, context| phone.answer(without_sdp, context));
            }
            Step::Refuses { phone, status } => {
                self.with(phone, |phone, context| phone.refuse(status, context));
            }
            Step::Cancels { phone } => self.with(phone, Phone::cancel),
            Step::HangsUp { phone } => self.with(phone, Phone::hang_up),
            Step::Offers { phone, method, change } => {
                self.with(phone, |phone, context| phone.offer(method, change, context));
            }
            Step::WillRefuse { phone, count } => {
                self.with(phone, |phone, _| phone.refuses = u32::from(count));
            }
            Step::RefusesLines { phone, lines } => {
                self.with(phone, |phone, _| phone.refused_lines = lines);
            }
            Step::Listens { phone } => self.with(phone, |phone, _| phone.listens = true),
            Step::Relay { relay, power } => {
                let mut relays = self.world.relays.get();
                let before = relays.power(usize::from(relay));
                relays.set_power(usize::from(relay), power);
                drop(relays);
                if power != Power::Drops && before.is_some_and(|before| before != power) {
                    self.world.disturbed = true;
                    self.world.disturbed_at = self.world.now;
                }
            }
            Step::Restarts { server } => {
                self.world.restart(server);
            }
            Step::Breaks { server } => {
                let library = self.world.server(server).and_then(|proxy| proxy.library.as_mut());
                if let Some(library) = library {
                    library.broken = true;
                }
            }
            Step::Mirrors { phone } => self.with(phone, |phone, _| phone.mirrors = true),
            Step::Wait { milliseconds } => self.pass(u64::from(milliseconds), true),
            Step::Silence { milliseconds } => self.pass(u64::from(milliseconds), false),
        }
    }

    /// Lets time pass. Media is checked as soon as two phones have agreed, and
    /// when all is quiet.
    fn pass(&mut self, milliseconds: u64, media: bool) {
        let until = self.world.now + milliseconds;
        loop {
            let silence = if media { 20_000 } else { MAX_SILENCE };
            let slice = until.min((self.sent_at + silence).max(self.world.now));
            if self.world.run(slice) {
                self.world.agreed.clear();
                self.agreed();
                if !self.faults.is_empty() {
                    return;
                }
                continue;
            }
            if self.world.now >= until {
                break;
            }
            self.sent_at = self.world.now;
            self.world.send_media();
        }
        self.library_faults();
        if milliseconds > 0 && media && self.faults.is_empty() && self.world.is_quiet() {
            self.agreed();
            if self.world.now >= self.changed_at + 3_000 && self.faults.is_empty() {
                let given = std::mem::take(&mut self.given);
                self.faults = self.world.check_forbidden(&given);
                self.given = given;
            }
        }
    }

    fn agreed(&mut self) {
        self.library_faults();
        // A report to a relay may be under way: then media is checked when all is
        // quiet.
        if self.world.relays.get().next().is_none() {
            self.faults.extend(self.world.check_required());
            self.faults.extend(self.world.check_under_way());
        } else {
            // A phone sends at once, and what it sends opens its NAT.
            self.world.send_media();
        }
        self.faults.extend(self.world.check_shown());
        for given in self.world.given() {
            // What is sent to a phone itself is no matter of a relay.
            if is_ours(given.1.ip()) && !self.given.contains(&given) {
                self.given.push(given);
                self.changed_at = self.world.now;
            }
        }
    }

    fn library_faults(&mut self) {
        let mut errors = Vec::new();
        for proxy in self.world.proxies() {
            let Some(library) = &mut proxy.library else { continue };
            self.faults.append(&mut library.faults);
            errors.append(&mut library.errors);
        }
        for error in errors {
            let excused = self.world.is_excused(&error)
                || error.ended && self.world.has_ended(&error)
                || self.world.is_old(&error)
                || self.world.is_behind_bye(&error)
                || self.world.is_revived(&error)
                || self.world.is_tried_again(&error)
                || self.world.is_late_answer(&error);
            if excused {
                self.world.excused.extend(error.ends);
            } else {
                self.faults.push(format!("rewrite failed: {}", error.text));
            }
        }
    }

    /// Hangs up everything, and checks that nothing is left.
    fn end(&mut self) {
        self.world.log(|| "-- all hang up".to_string());
        let count = self.world.relays.get().count();
        for relay in 0..count {
            self.world.relays.get().set_power(relay, Power::Runs);
        }
        // A call that is under way may be answered after the first round.
        for _ in 0..8 {
            for phone in 0..self.world.phones().count() {
                self.with(phone as u8, Phone::hang_up_all);
            }
            self.pass(TIMEOUT / 2, false);
            if self.world.is_quiet() && self.is_over() {
                break;
            }
        }
        self.pass(TIMEOUT + 3_000, false);
        let timed_out = |phone: &Phone| phone.calls.iter().any(|calling| calling.timed_out);
        if self.world.disturbed || self.world.phones().any(timed_out) {
            // What a server or a relay did not hear ends by its timeout.
            self.pass(UNANSWERED, false);
        }
        let mut left = self.world.check_left();
        for _ in 0..5 {
            if left.is_empty() {
                break;
            }
            // A queued delete is sent by the keeper, or with the next message.
            self.world.tidy();
            self.pass(1_000, false);
            left = self.world.check_left();
        }
        if !left.is_empty() && (self.world.disturbed_at > 0 || !self.world.revived.is_empty()) {
            // A call that has left a failed relay is on hold there, and nobody ends one
            // that began again behind its BYE.
            self.pass(HOLD, false);
            left = self.world.check_left();
        }
        self.library_faults();
        if self.faults.is_empty() {
            self.faults = left;
        }
        if self.faults.is_empty() {
            let given = std::mem::take(&mut self.given);
            self.faults = self.world.check_forbidden(&given);
        }
    }

    fn is_over(&self) -> bool {
        self.world.phones().all(|phone| {
            phone.dialogs.iter().all(|dialog| !dialog.is_live())
                && phone.calls.iter().all(|calling| calling.done)
        })
    }
}
