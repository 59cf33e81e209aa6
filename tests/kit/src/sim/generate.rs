//! Scripts made from a seed or from bytes.

use super::b2bua::{Edit, Manner};
use super::choices::Choices;
use super::dialog::Change;
use super::message::Method;
use super::nat::NatKind;
use super::phone::Keeps;
use super::relays::Power;
use super::script::{GENERATED, Script, Setup, Step, TOPOLOGIES};
use super::sdp::Kind;

/// A long script: one to three calls, each with up to twelve exchanges.
pub fn script(choices: &mut Choices<'_>, seed: u64) -> Script {
    let mut setup = setup(choices, seed);
    let phones = TOPOLOGIES.iter().find(|(name, _)| *name == setup.topology).map_or(2, |t| t.1);
    let mut maker = Maker { choices, phones: phones as u8, setup: &setup, steps: Vec::new() };
    for _ in 0..1 + maker.choices.below(6) / 3 {
        maker.call();
    }
    let steps = maker.steps;
    // A dispatcher cannot tell the callees of a fork apart.
    setup.dispatcher = phones == 2 && choices.once_in(8);
    if setup.dispatcher {
        // Its deletes do not name their INVITE: a slow one ends the next try.
        setup.relay_delay = 0;
    }
    Script { setup, steps }
}

fn setup(choices: &mut Choices<'_>, seed: u64) -> Setup {
    let nat = |choices: &mut Choices<'_>| {
        choices.once_in(3).then(|| choices.below(NatKind::NAMED.len() as u64) as usize)
    };
    let topology = choices.of(&TOPOLOGIES[..GENERATED]).0;
    let edit = choices.of(&[Edit::Nothing, Edit::Nothing, Edit::DropsFirst, Edit::AddsFirst]);
    let loss = choices.of(&[0, 0, 0, 10]);
    Setup {
        topology,
        relays: choices.of(&[1, 1, 2]),
        dispatcher: false,
        workers: choices.of(&[1, 1, 2, 3]),
        latency: choices.of(&[0, 10, 40]),
        relay_delay: choices.of(&[0, 0, 3, 10]),
        loss,
        seed,
        nats: [nat(choices), nat(choices), nat(choices), nat(choices)],
        streams: match choices.below(8) {
            0..4 => vec![Kind::Audio],
            4 | 5 => vec![Kind::Audio, Kind::Video],
            6 => vec![Kind::Messages, Kind::Audio],
            _ => vec![Kind::Video, Kind::Messages, Kind::Audio],
        },
        manner: Manner {
            same_call_id: choices.once_in(2),
            same_tags: choices.once_in(3),
            media: edit == Edit::Nothing && choices.once_in(3) && loss == 0,
            edit,
        },
        keeps: choices.of(&[Keeps::First, Keeps::Newest, Keeps::Both]),
        elsewhere: if choices.once_in(12) { 2 } else { 0 },
        without_tags: if choices.once_in(12) { 1 + choices.below(2) as u8 } else { 0 },
    }
}

struct Maker<'m, 'b> {
    choices: &'m mut Choices<'b>,
    phones: u8,
    setup: &'m Setup,
    steps: Vec<Step>,
}

impl Maker<'_, '_> {
    fn wait(&mut self) {
        let milliseconds = self.choices.of(&[0, 0, 5, 60, 300, 1_000, 3_000, 3_000, 9_000]);
        if milliseconds > 0 {
            self.steps.push(Step::Wait { milliseconds });
        }
    }

    fn callee(&mut self) -> u8 {
        1 + self.choices.below(u64::from(self.phones) - 1) as u8
    }

    fn call(&mut self) {
        let delayed = self.choices.once_in(6);
        self.steps.push(Step::Calls { phone: 0, delayed });
        self.wait();
        for _ in 0..self.choices.below(5) {
            self.early();
            self.wait();
        }
        if self.choices.once_in(6) {
            let status = self.choices.of(&[486, 603, 488, 404]);
            let phone = self.callee();
            self.steps.push(Step::Refuses { phone, status });
        } else if !self.choices.once_in(8) {
            let phone = self.callee();
            let without_sdp = self.choices.once_in(2);
            self.steps.push(Step::Answers { phone, without_sdp });
        }
        self.wait();
        for _ in 0..self.choices.below(9) {
            if self.choices.is_over() {
                return;
            }
            self.exchange();
            self.wait();
        }
        if !self.choices.once_in(4) {
            let phone = if self.choices.once_in(2) { self.callee() } else { 0 };
            self.steps.push(Step::HangsUp { phone });
            self.wait();
        }
    }

    fn early(&mut self) {
        let phone = self.callee();
        let step = match self.choices.below(12) {
            0..3 => Step::Rings { phone, with_sdp: false, reliable: false },
            3 | 4 => Step::Rings { phone, with_sdp: true, reliable: false },
            5 | 6 => Step::Rings { phone, with_sdp: true, reliable: true },
            7 => Step::Refuses { phone, status: self.choices.of(&[486, 603, 407, 503]) },
            8 => self.offer(Method::Update, 0),
            9 => self.offer(Method::Update, phone),
            10 => {
                let lines = self.choices.of(&[1, 2, 0x81, 0x82]);
                Step::RefusesLines { phone, lines }
            }
            _ if self.choices.once_in(2) => Step::Cancels { phone: 0 },
            _ => Step::Answers { phone, without_sdp: false },
        };
        self.steps.push(step);
    }

    fn offer(&mut self, method: Method, phone: u8) -> Step {
        let change = self.choices.of(&[
            Change::Same,
            Change::Hold,
            Change::HoldZero,
            Change::Resume,
            Change::Ports,
            Change::Ports,
            Change::Back,
            Change::Second,
            Change::Delayed,
        ]);
        Step::Offers { phone, method, change }
    }

    fn exchange(&mut self) {
        let phone = if self.choices.once_in(2) { self.callee() } else { 0 };
        let step = match self.choices.below(16) {
            0..8 => self.offer(Method::Invite, phone),
            8 | 9 => self.offer(Method::Update, phone),
            10 | 11 => Step::WillRefuse { phone, count: 1 },
            12 => Step::RefusesLines { phone, lines: self.choices.of(&[0, 1, 2, 0x82]) },
            13 => Step::Silence { milliseconds: self.choices.of(&[5_000, 61_000, 70_000]) },
            14 if self.choices.once_in(3) => Step::Restarts { server: self.choices.below(2) as u8 },
            15 if self.choices.once_in(3) => {
                let relay = self.choices.below(self.setup.relays as u64) as u8;
                let power = self.choices.of(&[Power::Dead, Power::Frozen]);
                self.steps.push(Step::Relay { relay, power });
                self.wait();
                Step::Relay { relay, power: Power::Runs }
            }
            _ => Step::Answers { phone, without_sdp: false },
        };
        self.steps.push(step);
    }
}

/// The exchanges of short dialogs: what either side may do.
const SHORT: [(Method, Change, bool); 7] = [
    (Method::Invite, Change::Same, false),
    (Method::Invite, Change::Hold, false),
    (Method::Invite, Change::Ports, true),
    (Method::Invite, Change::Ports, false),
    (Method::Invite, Change::Back, false),
    (Method::Invite, Change::Delayed, false),
    (Method::Update, Change::Resume, false),
];

/// The number of short dialogs of three exchanges: each exchange is of either
/// side, and comes at once or 3 s after the one before.
pub const SHORT_DIALOGS: u64 = (2 * SHORT.len() as u64).pow(3) * 4;

/// One of the [`SHORT_DIALOGS`]. Two exchanges at once are a glare when they are
/// of different sides.
pub fn short_dialog(number: u64) -> Script {
    let kinds = 2 * SHORT.len() as u64;
    let mut rest = number;
    let mut next = |bound: u64| {
        let digit = rest % bound;
        rest /= bound;
        digit
    };
    let pauses = next(4);
    // What the exchanges do not depend on varies with the number.
    let topology = ["direct", "stateful", "proxies", "direct"][(number / 4 % 4) as usize];
    let mut setup = Setup { topology, latency: 10, ..Setup::default() };
    setup.nats = [None, (number / 16 % 2 == 1).then_some(3), None, None];
    setup.workers = 1 + (number / 32 % 2) as usize;
    let mut steps = vec![
        Step::Calls { phone: 0, delayed: number % 7 == 3 },
        Step::Wait { milliseconds: 100 },
        Step::Answers { phone: 1, without_sdp: false },
        Step::Wait { milliseconds: 3_000 },
    ];
    for exchange in 0..3 {
        let kind = next(kinds);
        let phone = (kind % 2) as u8;
        let (method, change, refused) = SHORT[(kind / 2) as usize];
        if refused {
            steps.push(Step::WillRefuse { phone: 1 - phone, count: 1 });
        }
        steps.push(Step::Offers { phone, method, change });
        if exchange == 2 || pauses >> exchange & 1 == 1 {
            steps.push(Step::Wait { milliseconds: 3_000 });
        }
    }
    steps.push(Step::HangsUp { phone: (number % 2) as u8 });
    Script { setup, steps }
}
