use std::path::Path;
use std::sync::{Arc, Mutex};

use super::*;
use crate::relay::RelayUri;
use crate::shared::Shared;

use Outcome::{Answered, LocalFailure, ProtocolError, Refused, TimedOut, Unreachable};

struct Bench {
    shared: Shared,
    relay: Relay,
    slot: Slot,
    lines: Arc<Mutex<Vec<String>>>,
    log: Log,
}

impl Bench {
    fn new() -> Bench {
        let shared = Shared::new(16).unwrap();
        let uri = RelayUri::parse("mediaproxy2:/a", Path::new("/own")).unwrap();
        let slot = shared.health().list(7, &uri.text, 1).unwrap();
        let relay = Relay { uri, identity: 7, slot: Some(slot) };
        let lines = Arc::new(Mutex::new(Vec::new()));
        let to = lines.clone();
        let log = Log::new(move |_, line| to.lock().unwrap().push(line.to_string()));
        Bench { shared, relay, slot, lines, log }
    }

    fn record(&self, purpose: Purpose, outcome: Outcome) {
        let (health, counters) = (self.shared.health(), self.shared.counters());
        let records = Records { health, counters, log: &self.log };
        records.record(&self.relay, outcome, purpose, 1000);
    }

    fn counted(&self) -> [u64; 3] {
        [RelayCounter::Refusals, RelayCounter::Failures, RelayCounter::Deletes]
            .map(|counter| self.shared.health().counted(self.slot, counter))
    }

    fn health(&self) -> RelayHealth {
        self.shared.health().state(Some(self.slot)).health
    }
}

/// The whole table: what each outcome of each purpose makes of a relay that was
/// up and of one that was suspect, and what it counts (refusals, failures,
/// deletes).
#[test]
fn every_outcome_of_every_purpose_has_its_consequences() {
    use Purpose::{Delete, Message, Probe, Unawaited};
    use RelayHealth::{Dead, Suspect, Unreachable as NotReached, Up};
    for (purpose, outcome, from_up, from_suspect, counted) in [
        (Message, Answered, Up, Up, [0, 0, 0]),
        (Message, Refused, Up, Up, [1, 0, 0]),
        (Message, ProtocolError, Up, Suspect, [1, 0, 0]),
        (Message, Unreachable, NotReached, NotReached, [0, 1, 0]),
        (Message, TimedOut, Suspect, Suspect, [0, 1, 0]),
        (Message, LocalFailure, Up, Suspect, [0, 1, 0]),
        (Delete, Answered, Up, Up, [0, 0, 1]),
        (Delete, Refused, Up, Up, [0, 0, 1]),
        (Delete, ProtocolError, Up, Suspect, [0, 0, 0]),
        (Delete, Unreachable, NotReached, NotReached, [0, 0, 0]),
        (Delete, TimedOut, Suspect, Suspect, [0, 0, 0]),
        (Delete, LocalFailure, Up, Suspect, [0, 0, 0]),
        (Unawaited, Answered, Up, Up, [0, 0, 0]),
        (Unawaited, Refused, Up, Up, [0, 0, 0]),
        (Unawaited, ProtocolError, Up, Suspect, [0, 0, 0]),
        (Unawaited, Unreachable, NotReached, NotReached, [0, 0, 0]),
        (Unawaited, TimedOut, Suspect, Suspect, [0, 0, 0]),
        (Unawaited, LocalFailure, Up, Suspect, [0, 0, 0]),
        (Probe, Answered, Up, Up, [0, 0, 0]),
        (Probe, Refused, Dead, Dead, [0, 0, 0]),
        (Probe, ProtocolError, NotReached, NotReached, [0, 0, 0]),
        (Probe, Unreachable, NotReached, NotReached, [0, 0, 0]),
        (Probe, TimedOut, Dead, Dead, [0, 0, 0]),
        (Probe, LocalFailure, Up, Suspect, [0, 0, 0]),
    ] {
        let bench = Bench::new();
        bench.record(purpose, outcome);
        assert_eq!(bench.health(), from_up, "{purpose:?} {outcome:?}");
        assert_eq!(bench.counted(), counted, "{purpose:?} {outcome:?}");
        let bench = Bench::new();
        bench.shared.health().mark_suspect(bench.slot, 500);
        bench.record(purpose, outcome);
        assert_eq!(bench.health(), from_suspect, "{purpose:?} {outcome:?}");
    }
}

#[test]
fn change_of_health_is_logged_and_counted_once() {
    let bench = Bench::new();
    for outcome in [TimedOut, TimedOut, Answered, Answered, Unreachable, Unreachable] {
        bench.record(Purpose::Message, outcome);
    }
    bench.record(Purpose::Probe, Answered);
    bench.record(Purpose::Delete, Unreachable);
    assert_eq!(
        *bench.lines.lock().unwrap(),
        [
            "relay mediaproxy2:/a timed out; not used until a probe succeeds",
            "relay mediaproxy2:/a answers again",
            "relay mediaproxy2:/a unreachable; not used until a probe succeeds",
            "relay mediaproxy2:/a answers again",
            "relay mediaproxy2:/a unreachable; delete requests stay queued",
        ]
    );
    let counters = bench.shared.counters();
    assert_eq!(counters.get(Counter::RelaysFailed), 3);
    assert_eq!(counters.get(Counter::RelaysRecovered), 2);
}

#[test]
fn protocol_is_cleared_by_whatever_is_no_answer() {
    for (outcome, cleared) in [
        (Answered, false),
        (Refused, false),
        (LocalFailure, false),
        (ProtocolError, true),
        (Unreachable, true),
        (TimedOut, true),
    ] {
        for purpose in [Purpose::Message, Purpose::Delete, Purpose::Unawaited, Purpose::Probe] {
            let bench = Bench::new();
            bench.shared.health().set_protocol(bench.slot, 2);
            bench.record(purpose, outcome);
            let left = bench.shared.health().protocol(bench.slot);
            assert_eq!(left, if cleared { 0 } else { 2 }, "{purpose:?} {outcome:?}");
        }
    }
}
