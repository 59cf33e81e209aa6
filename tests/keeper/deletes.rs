//! Ends that their relay could not be told of when they came.

use std::time::Duration;

use super::common::engine;
use super::processes::{Directory, Hand, Relay, alone, keeper, within};

const PROMISED: Duration = Duration::from_secs(5);

#[test]
fn an_end_reaches_a_relay_that_is_back_though_who_queued_it_was_killed() {
    let _alone = alone();
    let directory = Directory::new();
    let socket = directory.path("relay.sock");
    let engine = engine(&[("relay", &format!("mediaproxy2:{}", socket.display()))]);
    let _keeper = keeper(&engine);
    let (mut first, mut second) = (Hand::new(&engine), Hand::new(&engine));
    let relay = Relay::new(&socket, 50000);
    for call in 0..40 {
        assert_eq!(first.take(&format!("offer {call}")), Ok(50000));
        assert_eq!(second.take(&format!("answer {call}")), Ok(50000));
    }
    drop(relay);
    for call in 0..40 {
        assert_eq!(first.take(&format!("bye {call}")), Ok(0));
    }
    first.kill();
    second.kill();
    assert_eq!(engine.deletes().len(), 40);
    let relay = Relay::new(&socket, 50000);
    within(PROMISED, "the ends are delivered", || {
        (0..40).all(|call| relay.asked("remove", call) > 0)
    });
    within(PROMISED, "the queue is empty", || engine.deletes().is_empty());
    for call in 0..40 {
        assert_eq!(relay.asked("remove", call), 1);
    }
}

#[test]
fn a_relay_that_was_frozen_gets_the_ends_it_missed() {
    let _alone = alone();
    let directory = Directory::new();
    let socket = directory.path("relay.sock");
    let uri = format!("mediaproxy2:{}", socket.display());
    let engine = engine(&[("relay", &uri), ("relay_timeout", "300"), ("relay_try", "300")]);
    let _keeper = keeper(&engine);
    let mut hand = Hand::new(&engine);
    let relay = Relay::new(&socket, 50000);
    assert_eq!(hand.take("offer 1"), Ok(50000));
    relay.freeze();
    assert!(hand.take("offer 2").unwrap_err().contains("did not answer"));
    assert_eq!(hand.take("bye 1"), Ok(0));
    hand.kill();
    // Long enough to be found dead by a probe too.
    std::thread::sleep(Duration::from_millis(2500));
    assert_eq!(engine.deletes().len(), 1);
    relay.thaw();
    within(PROMISED, "the end is delivered", || relay.asked("remove", 1) > 0);
}

#[test]
fn a_new_offer_cancels_the_end_of_its_call() {
    let _alone = alone();
    let directory = Directory::new();
    let socket = directory.path("relay.sock");
    let engine = engine(&[("relay", &format!("mediaproxy2:{}", socket.display()))]);
    let _keeper = keeper(&engine);
    let mut hand = Hand::new(&engine);
    let relay = Relay::new(&socket, 50000);
    assert_eq!(hand.take("offer 1"), Ok(50000));
    assert_eq!(hand.take("offer 2"), Ok(50000));
    drop(relay);
    assert_eq!(hand.take("bye 1"), Ok(0));
    assert_eq!(hand.take("bye 2"), Ok(0));
    assert!(hand.take("offer 1").is_err(), "nobody is there");
    hand.kill();
    let relay = Relay::new(&socket, 50000);
    within(PROMISED, "the other end is delivered", || relay.asked("remove", 2) > 0);
    within(PROMISED, "the queue is empty", || engine.deletes().is_empty());
    assert_eq!(relay.asked("remove", 1), 0, "the call was offered again");
}

#[test]
fn another_keeper_goes_on_where_one_was_killed() {
    let _alone = alone();
    let directory = Directory::new();
    let socket = directory.path("relay.sock");
    let engine = engine(&[("relay", &format!("mediaproxy2:{}", socket.display()))]);
    let first = keeper(&engine);
    let mut hand = Hand::new(&engine);
    let relay = Relay::new(&socket, 50000);
    assert_eq!(hand.take("offer 1"), Ok(50000));
    drop(relay);
    assert_eq!(hand.take("bye 1"), Ok(0));
    hand.kill();
    let lease = || engine.shared().lease().holder(mediaproxy::worker::now());
    within(Duration::from_secs(1), "the first works", || lease().is_some());
    let holder = lease();
    drop(first);
    let _second = keeper(&engine);
    within(Duration::from_millis(600), "the second works", || {
        lease().is_some_and(|pid| Some(pid) != holder)
    });
    let relay = Relay::new(&socket, 50000);
    within(PROMISED, "the end is delivered", || relay.asked("remove", 1) > 0);
}
