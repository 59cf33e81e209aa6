use std::path::Path;

use super::*;
use crate::relay::Command;

fn relay(text: &str, identity: u32) -> Arc<Relay> {
    let uri = RelayUri::parse(text, Path::new("/own")).unwrap();
    Arc::new(Relay { uri, identity, slot: None })
}

fn request_for(role: Role, times: Times) -> Request {
    Request::new(Query::removal(b"c", b"", b""), role, times)
}

fn request(role: Role) -> Request {
    let query = Query { command: Command::Request, cseq: 1, ..Query::removal(b"c", b"", b"") };
    Request::new(query, role, Times { total: 400, each: Some(150) })
}

const FRESH: Event<'_> = Event::Connected { reused: false, owed: 0 };

fn choose(request: &mut Request, name: &str, now: u64) -> Action {
    let relay = relay(name, u32::from(name.as_bytes()[name.len() - 1]));
    request.step(Event::Chosen { relay: &relay, others: true }, now)
}

fn started(role: Role) -> Request {
    let mut request = request(role);
    assert_eq!(request.step(Event::Start, 1000), Action::Choose);
    let connect = Action::Connect { fresh: false };
    assert_eq!(choose(&mut request, "mediaproxy:/a", 1000), connect);
    assert_eq!(request.step(FRESH, 1000), Action::Send);
    assert!(request.outgoing().starts_with(b"update\r\n"));
    assert_eq!(request.step(Event::Sent, 1000), Action::Read);
    request
}

fn found(request: &mut Request) -> Option<Found> {
    request.take_found().map(|(_, found)| found)
}

fn ports(action: &Action) -> Vec<u16> {
    match action {
        Action::Done(Ok(Answer::Ports { ports, .. })) => ports.clone(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_answer_in_any_split_is_one_answer() {
    let line = b"203.0.113.5 50000 50002\r\n";
    for cut in 0..line.len() {
        let mut request = started(Role::Offer);
        assert_eq!(request.step(Event::Data(&line[..cut]), 1001), Action::Read);
        assert_eq!(ports(&request.step(Event::Data(&line[cut..]), 1002)), [50000, 50002]);
        assert!(request.in_step());
    }
}

#[test]
fn answers_owed_to_earlier_requests_are_not_taken_for_this_ones() {
    let mut request = request(Role::Offer);
    request.step(Event::Start, 0);
    choose(&mut request, "mediaproxy:/a", 0);
    request.step(Event::Connected { reused: true, owed: 2 }, 0);
    request.step(Event::Sent, 0);
    assert_eq!(request.step(Event::Data(b"removed\r\nerr"), 1), Action::Read);
    let action = request.step(Event::Data(b"or\r\n10.0.0.1 50004\r\n"), 2);
    assert_eq!(ports(&action), [50004]);
}

#[test]
fn bytes_after_the_answer_put_the_connection_out_of_step() {
    let mut request = started(Role::Offer);
    request.step(Event::Data(b"10.0.0.1 50004\r\nsurplus"), 1001);
    assert!(!request.in_step());
}

#[test]
fn an_offer_goes_to_the_next_relay_when_one_fails() {
    for (event, health) in [
        (Event::Failed("no such file"), Found::Away),
        (Event::Hindered("too many open files"), Found::Odd),
        (Event::Closed, Found::Odd),
        (Event::Data(b"error\r\n"), Found::Refused),
        (Event::Data(b"None\r\n"), Found::Refused),
        (Event::Data(b"\r\n"), Found::Refused),
    ] {
        let mut request = started(Role::Offer);
        assert_eq!(request.step(event, 1010), Action::Choose, "{event:?}");
        assert_eq!(found(&mut request), Some(health), "{event:?}");
        assert_eq!(found(&mut request), None, "told once");
        assert_eq!(request.tried(), [u32::from(b'a')]);
        let connect = Action::Connect { fresh: false };
        assert_eq!(choose(&mut request, "mediaproxy:/b", 1010), connect);
        assert_eq!(request.deadline(), 1160);
    }
}

#[test]
fn an_answer_goes_to_no_other_relay() {
    let mut request = started(Role::Answer);
    let Action::Done(Err(error)) = request.step(Event::Closed, 1010) else { panic!() };
    assert_eq!(error.status(), Status::RelayAnswer);
    assert!(error.text().contains("mediaproxy:/a"), "{error}");
}

#[test]
fn silence_costs_one_try_and_then_the_whole_budget_at_most() {
    let mut request = started(Role::Offer);
    assert_eq!(request.step(Event::Timer, 1149), Action::Read);
    assert_eq!(request.step(Event::Timer, 1150), Action::Choose);
    assert_eq!(found(&mut request), Some(Found::Silent));
    choose(&mut request, "mediaproxy:/b", 1150);
    request.step(FRESH, 1150);
    request.step(Event::Sent, 1150);
    assert_eq!(request.step(Event::Timer, 1300), Action::Choose);
    choose(&mut request, "mediaproxy:/c", 1300);
    request.step(FRESH, 1300);
    request.step(Event::Sent, 1300);
    let Action::Done(Err(error)) = request.step(Event::Timer, 1400) else { panic!() };
    assert_eq!(error.status(), Status::RelayTimeout);
    for relay in ["/a", "/b", "/c"] {
        assert!(error.text().contains(relay), "{error}");
    }
    assert_eq!(found(&mut request), Some(Found::Odd), "100 ms of silence say little");
}

#[test]
fn where_no_time_is_set_a_silent_dispatcher_leaves_some_for_another() {
    let times = Times { total: 400, each: None };
    let until =
        |name: &str, others: bool, now: u64| times.until(&relay(name, 1).uri, others, 400, now);
    assert_eq!(until("mediaproxy:/a", false, 0), 400);
    assert_eq!(until("mediaproxy:/a", true, 0), 250);
    assert_eq!(until("mediaproxy:/a;ipv6=yes", true, 0), 150);
    assert_eq!(until("mediaproxy:/a", true, 250), 400);
    let set = Times { each: Some(400), ..times };
    assert_eq!(set.until(&relay("mediaproxy:/a", 1).uri, true, 400, 0), 400, "as set");
}

#[test]
fn where_no_relay_is_left_the_failures_are_told_else_the_reason() {
    let mut request = request_for(Role::Offer, Times { total: 400, each: None });
    request.step(Event::Start, 0);
    let Action::Done(Err(error)) = request.step(Event::NoneLeft("all dead"), 1) else { panic!() };
    assert_eq!((error.status(), error.text()), (Status::NoRelay, "all dead"));
    let mut request = started(Role::Offer);
    request.step(Event::Closed, 1010);
    let Action::Done(Err(error)) = request.step(Event::NoneLeft("all dead"), 1010) else {
        panic!()
    };
    assert_eq!(error.status(), Status::RelayAnswer);
    assert!(error.text().contains("mediaproxy:/a: closed"), "{error}");
}

#[test]
fn a_reused_connection_that_was_closed_is_tried_afresh_once() {
    let mut request = request(Role::Answer);
    request.step(Event::Start, 0);
    choose(&mut request, "mediaproxy:/a", 0);
    request.step(Event::Connected { reused: true, owed: 0 }, 0);
    request.step(Event::Sent, 0);
    assert_eq!(request.step(Event::Closed, 1), Action::Connect { fresh: true });
    request.step(FRESH, 1);
    request.step(Event::Sent, 1);
    assert!(matches!(request.step(Event::Closed, 1), Action::Done(Err(_))));
}

#[test]
fn a_never_ending_answer_is_cut_at_64_kib() {
    let mut request = started(Role::Answer);
    let chunk = [b'x'; 4096];
    for _ in 0..16 {
        assert_eq!(request.step(Event::Data(&chunk), 1001), Action::Read);
    }
    assert!(matches!(request.step(Event::Data(&chunk), 1001), Action::Done(Err(_))));
}
