use super::*;
use crate::shared::Shared;
use crate::shared::test_children::children;

fn shared() -> Shared {
    Shared::new(16).unwrap()
}

#[test]
fn suspect_relay_is_not_used_until_probe_is_answered() {
    let shared = shared();
    let health = shared.health();
    let slot = health.list(77, "embedded", 1).unwrap();
    assert!(health.is_available(slot) && health.state(Some(slot)).takes_calls());
    assert!(!health.claim_probe(slot, 5_000), "nothing to probe");
    assert!(health.mark_suspect(slot, 5_000));
    assert!(!health.mark_suspect(slot, 5_001), "reported once");
    let state = health.state(Some(slot));
    assert_eq!((state.health, state.next_probe), (RelayHealth::Suspect, 5_000));
    assert!(!health.is_available(slot) && !state.is_usable());
    assert!(health.claim_probe(slot, 5_000), "probed at once");
    assert!(!health.claim_probe(slot, 14_999), "by one process, and then not again");
    assert!(health.mark_dead(slot, 5_100));
    assert_eq!(health.state(Some(slot)).next_probe, 15_100);
    assert_eq!(health.since(slot), 5_100);
    assert!(health.claim_probe(slot, 15_100));
    assert!(!health.mark_dead(slot, 15_200), "known");
    assert_eq!(health.state(Some(slot)).next_probe, 25_100, "by the claim");
    assert!(health.mark_alive(slot, 15_300));
    assert!(!health.mark_alive(slot, 15_301));
    assert!(health.is_available(slot));
}

#[test]
fn trial_is_claimed_by_one_message_at_a_time() {
    let shared = shared();
    let health = shared.health();
    let slot = health.list(77, "embedded", 1).unwrap();
    health.mark_suspect(slot, 5_000);
    assert!(!health.claim_trial(slot, 5_999));
    assert!(health.trial_due(slot, 6_000) && health.claim_trial(slot, 6_000));
    assert!(!health.claim_trial(slot, 6_000), "by one");
    assert!(!health.mark_suspect(slot, 6_400), "known");
    assert!(!health.claim_trial(slot, 15_999));
    assert!(health.claim_trial(slot, 16_000), "and then every ten seconds");
    assert!(health.claim_probe(slot, 25_001), "a keeper that starts probes");
    assert!(!health.claim_trial(slot, 35_001), "and then no trial is due");
}

#[test]
fn unreachable_relay_is_probed_each_second() {
    let shared = shared();
    let health = shared.health();
    let slot = health.list(77, "embedded", 1).unwrap();
    assert!(health.mark_unreachable(slot, 5_000));
    assert!(!health.mark_unreachable(slot, 5_001));
    assert!(!health.state(Some(slot)).is_usable() && !health.is_available(slot));
    assert!(!health.claim_trial(slot, 5_999));
    assert!(health.claim_trial(slot, 6_000) && !health.claim_trial(slot, 6_000));
    assert!(health.claim_trial(slot, 7_000));
    assert_eq!(health.state(Some(slot)).health, RelayHealth::Unreachable);
    assert!(health.claim_probe(slot, 7_001));
    assert!(!health.claim_probe(slot, 8_000));
    assert!(health.claim_probe(slot, 8_001));
    assert!(health.mark_suspect(slot, 8_010), "it is there again, and silent");
    assert_eq!(health.state(Some(slot)).health, RelayHealth::Suspect);
    assert!(health.mark_unreachable(slot, 8_020));
    assert!(health.mark_alive(slot, 8_030));
}

#[test]
fn admin_state_is_independent_of_health() {
    let shared = shared();
    let health = shared.health();
    let slot = health.list(77, "embedded", 1).unwrap();
    assert!(health.set_admin_state(slot, AdminState::Draining));
    let state = health.state(Some(slot));
    assert!(state.is_usable() && !state.takes_calls() && !health.is_available(slot));
    health.mark_suspect(slot, 5_000);
    health.mark_alive(slot, 5_001);
    assert_eq!(health.state(Some(slot)).admin_state, AdminState::Draining);
    health.set_admin_state(slot, AdminState::Disabled);
    assert!(!health.state(Some(slot)).is_usable());
    health.mark_suspect(slot, 6_000);
    assert!(!health.claim_probe(slot, 7_000), "a disabled relay is not probed");
    health.set_admin_state(slot, AdminState::Enabled);
    assert!(health.claim_probe(slot, 7_000));
}

#[test]
fn slot_is_kept_while_its_relay_is_listed() {
    let shared = shared();
    let health = shared.health();
    let slots = RELAY_SLOTS as u32;
    // As many as a window holds, all beginning at one place.
    let identities: Vec<u32> = (0..WINDOW as u32).map(|n| 1 + 2 * (10 + n * slots)).collect();
    let listed: Vec<_> =
        identities.iter().map(|&i| health.list(i, "embedded", 100).unwrap()).collect();
    health.set_admin_state(listed[3], AdminState::Draining);
    health.mark_suspect(listed[4], 1);
    health.count(listed[3], RelayCounter::Calls);
    let one_more = 1 + 2 * (10 + 999 * slots);
    assert_eq!(health.list(one_more, "embedded", 160), None, "all were listed a minute ago");
    assert!(health.state(None).takes_calls(), "one without a slot counts as up");
    for (at, &identity) in identities.iter().enumerate() {
        if at != 3 {
            assert_eq!(health.list(identity, "embedded", 161), Some(listed[at]), "the same slot");
        }
    }
    let new = health.list(one_more, "embedded", 161).unwrap();
    assert_eq!(new.at, listed[3].at, "of the one that nobody lists any more");
    assert!(health.is_available(new), "with a new admin state");
    assert_eq!(health.counted(new, RelayCounter::Calls), 0);
    assert!(
        !health.set_admin_state(listed[3], AdminState::Disabled),
        "who still holds the slot harms nobody"
    );
    assert!(health.is_available(new));
    assert!(!health.is_available(listed[4]));
}

#[test]
fn state_of_previous_owner_is_ignored() {
    let shared = shared();
    let health = shared.health();
    let slot = health.list(0x1234_5677, "embedded", 1).unwrap();
    health.set_admin_state(slot, AdminState::Disabled);
    let other = Slot { identity: 0x7654_3211, ..slot };
    assert!(health.state(Some(other)).takes_calls());
}

#[test]
fn probe_and_report_are_done_by_one_process() {
    let shared = shared();
    let health = shared.health();
    let slot = health.list(77, "embedded", 1).unwrap();
    for round in 1..200u64 {
        let now = round * 1_000_000;
        let (reports, probes) = (health.word(9, 8).unwrap(), health.word(9, 9).unwrap());
        reports.store(0, Ordering::SeqCst);
        probes.store(0, Ordering::SeqCst);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    reports.fetch_add(u64::from(health.mark_suspect(slot, now)), Ordering::SeqCst);
                    probes.fetch_add(u64::from(health.claim_probe(slot, now)), Ordering::SeqCst);
                });
            }
        });
        assert_eq!(reports.load(Ordering::SeqCst), 1);
        assert_eq!(probes.load(Ordering::SeqCst), 1);
        assert!(health.mark_alive(slot, now + 1));
    }
}

#[test]
fn slot_is_the_same_in_processes_that_list_at_once() {
    for round in 0..30u32 {
        let shared = shared();
        let health = shared.health();
        // Half of the window is free, half may be taken over.
        for n in 0..WINDOW as u32 / 2 {
            health.list(1 + 2 * (10 + n * RELAY_SLOTS as u32), "embedded", 1).unwrap();
        }
        let identity = 1 + 2 * (10 + (1_000 + round) * RELAY_SLOTS as u32);
        children(4, |_| {
            for _ in 0..50 {
                health.list(identity, "embedded", 100);
            }
        });
        let copies = health.window(identity).filter(|&at| health.identity(at) == identity);
        assert_eq!(copies.count(), 1);
    }
}

#[test]
fn name_is_kept_when_relay_is_no_longer_listed() {
    let shared = shared();
    let health = shared.health();
    let name = format!("mediaproxy2:/{};ipv6=yes", "x".repeat(106));
    let slot = health.list(77, &name, 1).unwrap();
    assert_eq!(health.name(slot), Some(name.clone()));
    health.list(79, "embedded", 1).unwrap();
    assert_eq!(health.slot(77).and_then(|slot| health.name(slot)), Some(name));
    assert_eq!(health.slots().map(Slot::identity).collect::<Vec<_>>(), [77, 79]);
    assert_eq!(health.name(Slot { identity: 79, ..slot }), None);
    // Half of another name.
    health.word(slot.at, NAME).unwrap().store(0, Ordering::SeqCst);
    assert_eq!(health.name(slot), None);
}
