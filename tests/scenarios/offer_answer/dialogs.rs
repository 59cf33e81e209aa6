//! A call as its user agents see it. Each knows what it sends: nothing here is
//! found out from messages.

use std::fmt;
use std::ops::Range;

use mediaproxy::internals::relay::Role;
use proptest::prelude::*;

/// One message as it passes the proxy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Sent {
    /// Of a reply.
    pub(crate) status: Option<u16>,
    pub(crate) method: &'static str,
    pub(crate) cseq: u32,
    pub(crate) from: &'static str,
    pub(crate) to: &'static str,
    /// What its description is, and the CSeq of the request whose transaction
    /// began the exchange; `None` without one.
    pub(crate) description: Option<(Role, u32)>,
}

/// Messages in the order they pass.
#[derive(Clone)]
pub(crate) struct Call(Vec<Sent>);

impl Call {
    pub(crate) fn messages(&self) -> &[Sent] {
        &self.0
    }
}

impl fmt::Debug for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Sent { status, method, cseq, from, to, description } in &self.0 {
            let status = status.map(|status| format!("{status} to ")).unwrap_or_default();
            writeln!(f, "{from}->{to}: {status}{cseq} {method} {description:?}")?;
        }
        Ok(())
    }
}

/// Calls of so many moves.
pub(crate) fn call(moves: Range<usize>) -> impl Strategy<Value = Call> {
    let cseq = || {
        prop_oneof![
            4 => 1u32..10,
            1 => 8_180u32..8_200,
            1 => 16_777_200u32..16_777_230,
            1 => (1u32 << 31) - 200..(1 << 31) - 100,
        ]
    };
    let moves = prop::collection::vec(any::<u16>(), moves);
    (any::<bool>(), cseq(), cseq(), moves).prop_map(|(offer, caller, callee, moves)| {
        let mut world = World::new(offer, caller, callee);
        for choice in moves {
            let possible = world.moves();
            if possible.is_empty() {
                break;
            }
            world.play(possible[usize::from(choice) % possible.len()]);
        }
        Call(world.sent.into_iter().map(|(sent, _)| sent).collect())
    })
}

const FORKS: [&str; 3] = ["b1", "b2", "b3"];
/// INVITEs with an offer whose repeated messages are still told apart.
const REMEMBERED: usize = 3;

#[derive(Clone, Copy, Debug)]
enum Move {
    /// A reply comes from a fork that was silent.
    Fork,
    /// The move of one dialog.
    In(usize, Step),
    /// A message sent earlier.
    Repeat(usize),
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Ringing,
    /// 183 with description, not reliable: what the answer is going to be.
    Preview,
    /// 183 with description, to be acknowledged by PRACK.
    Reliable,
    PrackAnswer,
    PrackBare,
    PrackOffer,
    Update(Party),
    Success,
    /// 200 with the description of the 183 once more.
    SuccessAgain,
    Failure,
    Ack,
    Invite(Party, bool),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Party {
    Caller,
    Callee,
}

/// Where the offer/answer exchange of an INVITE is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// The INVITE carried none, and no reply yet.
    Nothing,
    /// The INVITE carried the offer.
    Offered,
    /// A reliable 183 carried it: PRACK answers.
    DueInPrack,
    /// Offer and answer are there.
    Done,
    /// 200 came: ACK is due, with the answer if the 200 carried the offer.
    Ack { answers: bool },
}

#[derive(Clone, Copy, Debug)]
struct Invite {
    by: Party,
    cseq: u32,
    carried: bool,
    stage: Stage,
}

#[derive(Clone, Debug)]
struct Dialog {
    tag: &'static str,
    caller_cseq: u32,
    callee_cseq: u32,
    confirmed: bool,
    over: bool,
    invite: Option<Invite>,
    /// The last INVITE whose reply carried the offer.
    delayed: Option<(Party, u32)>,
}

/// What telling a repeated message again depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Depends {
    /// On nothing but the message.
    Nothing,
    /// On the INVITE that carried an offer: its number in `World::offers`.
    Offer(usize),
    /// On this delayed offer of this dialog.
    Delayed(usize, Party, u32),
}

struct World {
    /// The first INVITE.
    first: Invite,
    callee_cseq: u32,
    dialogs: Vec<Dialog>,
    /// INVITEs that carried an offer: dialog (none for the first one), who, CSeq.
    offers: Vec<(Option<usize>, Party, u32)>,
    sent: Vec<(Sent, Depends)>,
}

impl World {
    fn new(offer: bool, caller_cseq: u32, callee_cseq: u32) -> World {
        let stage = if offer { Stage::Offered } else { Stage::Nothing };
        let first = Invite { by: Party::Caller, cseq: caller_cseq, carried: offer, stage };
        let mut world =
            World { first, callee_cseq, dialogs: Vec::new(), offers: Vec::new(), sent: Vec::new() };
        let mut depends = Depends::Nothing;
        if offer {
            world.offers.push((None, Party::Caller, caller_cseq));
            depends = Depends::Offer(0);
        }
        let description = offer.then_some((Role::Offer, caller_cseq));
        let (method, from, to) = ("INVITE", "a", "");
        let sent = Sent { status: None, method, cseq: caller_cseq, from, to, description };
        world.sent.push((sent, depends));
        world
    }

    fn moves(&self) -> Vec<Move> {
        let mut moves = Vec::new();
        if !self.dialogs.is_empty() && self.dialogs.iter().all(|dialog| dialog.over) {
            return moves;
        }
        let first_is_known = !self.first.carried || self.is_remembered(0);
        if self.dialogs.len() < FORKS.len() && first_is_known {
            moves.push(Move::Fork);
        }
        for (at, dialog) in self.dialogs.iter().enumerate().filter(|(_, dialog)| !dialog.over) {
            // Nobody leaves an INVITE unanswered while others send three.
            let forgotten = dialog.invite.is_some_and(|invite| {
                invite.carried && !self.is_remembered(self.offer_of(at, invite.by, invite.cseq))
            });
            let steps = if forgotten { Vec::new() } else { dialog.steps() };
            moves.extend(steps.into_iter().map(|step| Move::In(at, step)));
        }
        let repeats = self.sent.iter().enumerate().filter(|(_, (sent, depends))| {
            let failure = sent.status.is_some_and(|status| status >= 300);
            !failure && self.can_repeat(*depends)
        });
        // Rare, so that calls do not consist only of repetitions.
        let every = (self.sent.len() / 6).max(1);
        moves.extend(repeats.map(|(at, _)| Move::Repeat(at)).step_by(every));
        moves
    }

    fn is_remembered(&self, offer: usize) -> bool {
        self.offers.len() - offer <= REMEMBERED
    }

    /// The number of the offer that this INVITE of the dialog carried.
    fn offer_of(&self, at: usize, by: Party, cseq: u32) -> usize {
        let same = |offer: &(Option<usize>, Party, u32)| {
            (offer.1, offer.2) == (by, cseq) && offer.0.is_none_or(|dialog| dialog == at)
        };
        self.offers.iter().rposition(same).expect("an INVITE with an offer")
    }

    fn can_repeat(&self, depends: Depends) -> bool {
        match depends {
            Depends::Nothing => true,
            Depends::Offer(offer) => self.is_remembered(offer),
            Depends::Delayed(dialog, by, cseq) => {
                let dialog = &self.dialogs[dialog];
                !dialog.over && dialog.delayed == Some((by, cseq))
            }
        }
    }

    fn play(&mut self, chosen: Move) {
        match chosen {
            Move::Repeat(at) => {
                let again = self.sent[at].clone();
                self.sent.push(again);
            }
            Move::Fork => {
                self.dialogs.push(Dialog {
                    tag: FORKS[self.dialogs.len()],
                    caller_cseq: self.first.cseq,
                    callee_cseq: self.callee_cseq,
                    confirmed: false,
                    over: false,
                    invite: Some(self.first),
                    delayed: None,
                });
                self.step(self.dialogs.len() - 1, Step::Ringing);
            }
            Move::In(dialog, step) => self.step(dialog, step),
        }
    }

    fn step(&mut self, at: usize, step: Step) {
        match step {
            Step::Ringing => self.reply(at, 180, None),
            Step::Preview => self.reply(at, 183, Some(Role::Answer)),
            Step::Reliable => self.describe(at, 183),
            Step::Success => self.describe(at, 200),
            Step::SuccessAgain => {
                self.reply(at, 200, Some(Role::Answer));
                self.stage(at, Stage::Ack { answers: false });
            }
            Step::PrackAnswer => {
                let invite = self.invite(at);
                self.request(at, "PRACK", invite.by, Some((Role::Answer, invite.cseq)));
                self.stage(at, Stage::Done);
            }
            Step::PrackBare => {
                let by = self.invite(at).by;
                self.request(at, "PRACK", by, None);
            }
            Step::PrackOffer => {
                let by = self.invite(at).by;
                self.exchange(at, "PRACK", by);
            }
            Step::Update(by) => self.exchange(at, "UPDATE", by),
            Step::Failure => {
                self.reply(at, 486, None);
                self.dialogs[at].over = !self.dialogs[at].confirmed;
                self.dialogs[at].invite = None;
            }
            Step::Ack => self.ack(at),
            Step::Invite(by, offer) => self.re_invite(at, by, offer),
        }
    }

    fn invite(&self, at: usize) -> Invite {
        self.dialogs[at].invite.expect("an INVITE under way")
    }

    fn stage(&mut self, at: usize, stage: Stage) {
        self.dialogs[at].invite.as_mut().expect("an INVITE under way").stage = stage;
    }

    /// A reply to the INVITE with what it has to say: the answer, the offer, or
    /// nothing when both are there.
    fn describe(&mut self, at: usize, status: u16) {
        let invite = self.invite(at);
        let role = match invite.stage {
            Stage::Offered => Some(Role::Answer),
            Stage::Nothing => Some(Role::Offer),
            _ => None,
        };
        if role == Some(Role::Offer) {
            self.dialogs[at].delayed = Some((invite.by, invite.cseq));
        }
        self.reply(at, status, role);
        let due = role == Some(Role::Offer);
        self.stage(
            at,
            match (status, due) {
                (200, answers) => Stage::Ack { answers },
                (_, true) => Stage::DueInPrack,
                (_, false) => Stage::Done,
            },
        );
    }

    fn ack(&mut self, at: usize) {
        let Invite { by, cseq, stage, .. } = self.invite(at);
        let answers = stage == Stage::Ack { answers: true };
        let (from, to) = self.dialogs[at].tags(by);
        let description = answers.then_some((Role::Answer, cseq));
        let depends = if answers { Depends::Delayed(at, by, cseq) } else { Depends::Nothing };
        let sent = Sent { status: None, method: "ACK", cseq, from, to, description };
        self.sent.push((sent, depends));
        self.dialogs[at].invite = None;
        self.dialogs[at].confirmed = true;
    }

    fn re_invite(&mut self, at: usize, by: Party, offer: bool) {
        let cseq = self.dialogs[at].next_cseq(by);
        let (from, to) = self.dialogs[at].tags(by);
        let mut depends = Depends::Nothing;
        if offer {
            depends = Depends::Offer(self.offers.len());
            self.offers.push((Some(at), by, cseq));
        }
        let description = offer.then_some((Role::Offer, cseq));
        let sent = Sent { status: None, method: "INVITE", cseq, from, to, description };
        self.sent.push((sent, depends));
        let stage = if offer { Stage::Offered } else { Stage::Nothing };
        self.dialogs[at].invite = Some(Invite { by, cseq, carried: offer, stage });
    }

    fn reply(&mut self, at: usize, status: u16, role: Option<Role>) {
        let Invite { by, cseq, .. } = self.invite(at);
        let (from, to) = self.dialogs[at].tags(by);
        let depends = match role {
            None => Depends::Nothing,
            Some(Role::Offer) => Depends::Delayed(at, by, cseq),
            Some(Role::Answer) => Depends::Offer(self.offer_of(at, by, cseq)),
        };
        let description = role.map(|role| (role, cseq));
        let sent = Sent { status: Some(status), method: "INVITE", cseq, from, to, description };
        self.sent.push((sent, depends));
    }

    fn request(
        &mut self,
        at: usize,
        method: &'static str,
        by: Party,
        description: Option<(Role, u32)>,
    ) -> u32 {
        let cseq = self.dialogs[at].next_cseq(by);
        let (from, to) = self.dialogs[at].tags(by);
        let depends = match description {
            Some((Role::Answer, offer)) => Depends::Delayed(at, by, offer),
            _ => Depends::Nothing,
        };
        self.sent.push((Sent { status: None, method, cseq, from, to, description }, depends));
        cseq
    }

    /// An offer in a request and its answer in the 200.
    fn exchange(&mut self, at: usize, method: &'static str, by: Party) {
        let cseq = self.dialogs[at].peek_cseq(by);
        self.request(at, method, by, Some((Role::Offer, cseq)));
        let (from, to) = self.dialogs[at].tags(by);
        let description = Some((Role::Answer, cseq));
        let sent = Sent { status: Some(200), method, cseq, from, to, description };
        self.sent.push((sent, Depends::Nothing));
    }
}

impl Dialog {
    /// Tags of From and To in this party's requests, and in replies to them.
    fn tags(&self, by: Party) -> (&'static str, &'static str) {
        match by {
            Party::Caller => ("a", self.tag),
            Party::Callee => (self.tag, "a"),
        }
    }

    fn peek_cseq(&self, by: Party) -> u32 {
        1 + if by == Party::Caller { self.caller_cseq } else { self.callee_cseq }
    }

    fn next_cseq(&mut self, by: Party) -> u32 {
        let next = self.peek_cseq(by);
        match by {
            Party::Caller => self.caller_cseq = next,
            Party::Callee => self.callee_cseq = next,
        }
        next
    }

    /// What RFC 3261, 3262 and 3311 allow next.
    fn steps(&self) -> Vec<Step> {
        let updates = [Step::Update(Party::Caller), Step::Update(Party::Callee)];
        let Some(invite) = self.invite else {
            let mut steps = updates.to_vec();
            for by in [Party::Caller, Party::Callee] {
                steps.extend([Step::Invite(by, true), Step::Invite(by, false)]);
            }
            return steps;
        };
        match invite.stage {
            Stage::Nothing => vec![Step::Ringing, Step::Reliable, Step::Success, Step::Failure],
            Stage::Offered => {
                let early = [Step::Ringing, Step::Preview, Step::Reliable];
                [&early[..], &[Step::Success, Step::Failure]].concat()
            }
            Stage::DueInPrack => vec![Step::PrackAnswer, Step::Failure],
            Stage::Done => {
                let mut steps = vec![Step::Ringing, Step::PrackBare, Step::PrackOffer];
                steps.extend(updates);
                steps.extend([Step::Success, Step::Failure]);
                steps.extend(invite.carried.then_some(Step::SuccessAgain));
                steps
            }
            Stage::Ack { .. } => vec![Step::Ack],
        }
    }
}
