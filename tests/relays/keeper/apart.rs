//! What no two processes of a server have in common: connections, and the names
//! of what they ask.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use mediaproxy::Worker;
use mediaproxy::now;

use super::processes::{Hand, Relay, keeper, obey, socket_and_engine, within};
use kit::children::alone;

#[test]
fn each_process_has_its_own_relay_connections() {
    const OURS: u32 = 100;
    let _alone = alone();
    let (_directory, socket, _, engine) = socket_and_engine(&[]);
    let relay = Relay::new(&socket, 50000);
    // Before the fork: a connection is open, and idle.
    let mut here = Worker::new(engine.clone()).unwrap();
    assert_eq!(obey(&mut here, &format!("offer {OURS}")), "50000");
    let mut hands: Vec<Hand> = (0..8).map(|_| Hand::new(&engine)).collect();
    for kind in ["offer", "answer"] {
        for (call, hand) in hands.iter_mut().enumerate() {
            assert_eq!(hand.take(&format!("{kind} {call}")), Ok(50000));
        }
    }
    assert_eq!(obey(&mut here, &format!("answer {OURS}")), "50000");

    let (mut by_process, mut by_connection) = (BTreeMap::new(), BTreeMap::new());
    for requests in relay.log() {
        let calls: &mut BTreeSet<_> = by_process.entry(requests.pid).or_default();
        calls.insert(requests.call_id.clone());
        let calls: &mut Vec<_> = by_connection.entry(requests.connection).or_default();
        calls.push((requests.pid, requests.call_id));
    }
    let pids = hands.iter().map(Hand::pid).zip(0..).chain([(std::process::id(), OURS)]);
    let expected: BTreeMap<u32, BTreeSet<String>> =
        pids.map(|(pid, call)| (pid, [format!("call-{call}@x")].into())).collect();
    assert_eq!(expected.len(), 9);
    assert_eq!(by_process, expected);
    assert_eq!(by_connection.len(), 9, "{by_connection:?}");
    for requests in by_connection.values() {
        assert!(
            requests.len() == 2 && requests[0] == requests[1],
            "offer and answer: {requests:?}"
        );
    }
}

#[test]
fn probes_of_two_keepers_have_different_names() {
    let _alone = alone();
    let (_directory, socket, uri, engine) = socket_and_engine(&[]);
    let relay = Relay::new(&socket, 50000);
    let health = engine.health();
    let slot = health.slot(engine.calls().identity(&uri)).unwrap();
    // The same memory is forked each time.
    for _ in 0..2 {
        let keeper = keeper(&engine);
        health.mark_suspect(slot, now());
        within(Duration::from_secs(5), "it probes", || {
            relay.probes().iter().any(|probe| probe.pid == keeper.pid())
        });
    }
    let probes = relay.probes();
    let names: BTreeSet<_> = probes.iter().map(|probe| &probe.call_id).collect();
    assert_eq!(names.len(), probes.len(), "{probes:?}");
}
