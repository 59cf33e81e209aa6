use std::io::{self, ErrorKind};
use std::path::Path;

use super::*;
use crate::relay::{Need, Outcome, RelayUri};

fn relay(text: &str) -> Arc<Relay> {
    let uri = RelayUri::parse(text, Path::new("/own")).unwrap();
    let identity = u32::from(text.as_bytes()[text.len() - 1]);
    Arc::new(Relay { uri, identity, slot: None })
}

fn request(role: Role, times: Times) -> Request {
    let mut request = Request::default();
    *request.renew(role, times) = Query { call_id: b"c".to_vec(), cseq: 1, ..Query::default() };
    assert_eq!(request.action(), Action::Done, "not started");
    request.start(1000);
    assert_eq!(request.action(), Action::Choose);
    request
}

/// A request that is sent to its first relay.
fn sent(role: Role) -> Request {
    let mut request = request(role, Times { total: 400, each: Some(150) });
    send(&mut request, "mediaproxy2:/a", 1000);
    request
}

fn choose(request: &mut Request, name: &str, now: u64) {
    request.chosen(&relay(name), Facts::default(), true, now);
    assert_eq!(request.action(), Action::Exchange);
}

fn send(request: &mut Request, name: &str, now: u64) {
    choose(request, name, now);
    let exchange = request.exchange_mut();
    exchange.connected(false, 0);
    exchange.sent(exchange.unsent().len());
    assert_eq!(exchange.need(), Need::Receive);
}

fn timer(request: &mut Request, now: u64) -> Action {
    request.exchange_mut().timer(now);
    request.exchange_over(now);
    request.action()
}

fn failure(request: &mut Request) -> Error {
    assert_eq!(request.action(), Action::Done);
    request.take_result().unwrap_err()
}

#[test]
fn offer_goes_to_the_next_relay_when_one_fails() {
    let refused = |exchange: &mut Exchange| assert_eq!(exchange.received(b"error\r\n"), 0);
    let closed = |exchange: &mut Exchange| exchange.closed();
    for (event, outcome) in
        [(&refused as &dyn Fn(&mut Exchange), Outcome::Refused), (&closed, Outcome::ProtocolError)]
    {
        let mut request = sent(Role::Offer);
        event(request.exchange_mut());
        assert_eq!(request.exchange().outcome(), Some(outcome));
        request.exchange_over(1010);
        assert_eq!(request.action(), Action::Choose);
        assert_eq!(request.tried(), [u32::from(b'a')]);
        choose(&mut request, "mediaproxy2:/b", 1010);
        assert_eq!(request.exchange().deadline(), 1160);
    }
    for kind in [ErrorKind::NotFound, ErrorKind::ConnectionRefused] {
        let mut request = request(Role::Offer, Times { total: 400, each: Some(150) });
        choose(&mut request, "mediaproxy2:/a", 1000);
        request.exchange_mut().connect_failed(&io::Error::from(kind));
        request.exchange_over(1000);
        assert_eq!(request.action(), Action::Choose);
    }
}

#[test]
fn refusal_by_the_relay_of_the_call_is_final() {
    let own = Some(u32::from(b'a'));
    let refused = |exchange: &mut Exchange| assert_eq!(exchange.received(b"error\r\n"), 0);
    let cases =
        [(own, true, Action::Done), (own, false, Action::Choose), (Some(7), true, Action::Choose)];
    for (bound, refuses, then) in cases {
        let mut request = sent(Role::Offer);
        bound.into_iter().for_each(|relay| request.bind(relay));
        match refuses {
            true => refused(request.exchange_mut()),
            false => request.exchange_mut().closed(),
        }
        request.exchange_over(1010);
        assert_eq!(request.action(), then);
    }
    for (refuses, then) in [(true, Action::Done), (false, Action::Choose)] {
        let mut request = sent(Role::Offer);
        request.bind_to_any();
        match refuses {
            true => refused(request.exchange_mut()),
            false => request.exchange_mut().closed(),
        }
        request.exchange_over(1010);
        assert_eq!(request.action(), then);
    }
    let mut request = sent(Role::Offer);
    request.bind(u32::from(b'a'));
    request.renew(Role::Offer, Times { total: 400, each: Some(150) });
    request.start(1000);
    send(&mut request, "mediaproxy2:/a", 1000);
    refused(request.exchange_mut());
    request.exchange_over(1010);
    assert_eq!(request.action(), Action::Choose, "renewed for another message");
}

#[test]
fn answer_goes_to_no_other_relay() {
    let mut request = sent(Role::Answer);
    request.exchange_mut().closed();
    request.exchange_over(1010);
    let error = failure(&mut request);
    assert_eq!(error.status(), Status::RelayAnswer);
    assert!(error.text().contains("mediaproxy2:/a"), "{error}");
}

#[test]
fn silence_costs_one_try_and_then_the_whole_time_at_most() {
    let mut request = sent(Role::Offer);
    assert_eq!(timer(&mut request, 1149), Action::Exchange);
    assert_eq!(timer(&mut request, 1150), Action::Choose);
    assert_eq!(request.exchange().outcome(), Some(Outcome::TimedOut));
    send(&mut request, "mediaproxy2:/b", 1150);
    assert_eq!(timer(&mut request, 1300), Action::Choose);
    send(&mut request, "mediaproxy2:/c", 1300);
    assert_eq!(timer(&mut request, 1400), Action::Done);
    assert_eq!(
        request.exchange().outcome(),
        Some(Outcome::LocalFailure),
        "100 ms of silence say nothing about the relay"
    );
    let error = failure(&mut request);
    assert_eq!(error.status(), Status::RelayTimeout);
    for relay in ["/a", "/b", "/c"] {
        assert!(error.text().contains(relay), "{error}");
    }
}

#[test]
fn dispatcher_without_a_set_time_leaves_some_for_another_relay() {
    let times = Times { total: 400, each: None };
    let until = |dispatcher, others, now| times.limits(dispatcher, others, 400, now).until;
    assert_eq!(until(true, false, 0), 400);
    assert_eq!(until(true, true, 0), 250);
    assert_eq!(until(false, true, 0), 150);
    assert_eq!(until(true, true, 250), 400);
    let set = Times { each: Some(400), ..times };
    assert_eq!(set.limits(true, true, 400, 0).until, 400, "as set");
}

#[test]
fn no_relay_left_gives_the_failures_or_the_reason() {
    let mut first = request(Role::Offer, Times { total: 400, each: None });
    first.none_left("all dead".to_string());
    let error = failure(&mut first);
    assert_eq!((error.status(), error.text()), (Status::NoRelay, "all dead"));
    let mut second = sent(Role::Offer);
    second.exchange_mut().closed();
    second.exchange_over(1010);
    second.none_left("all dead".to_string());
    let error = failure(&mut second);
    assert_eq!(error.status(), Status::RelayAnswer);
    assert!(error.text().contains("mediaproxy2:/a: closed"), "{error}");
}

#[test]
fn relay_that_does_not_support_the_query_is_skipped() {
    use crate::relay::{Stream, StreamAddress};
    use crate::sdp::Direction;
    let mut request = Request::default();
    let query = request.renew(Role::Offer, Times { total: 400, each: None });
    query.streams.push(Stream {
        kind: b"audio"[..].into(),
        address: StreamAddress::Ip("2001:db8::1".parse().unwrap()),
        port: 4000,
        direction: Direction::SendRecv,
        ice: false,
    });
    request.start(1000);
    request.chosen(&relay("mediaproxy2:/a"), Facts::default(), true, 1000);
    assert_eq!(request.action(), Action::Choose);
    assert_eq!(request.exchange().outcome(), None, "its health does not change");
    request.chosen(&relay("mediaproxy2:/b;ipv6=yes"), Facts::default(), true, 1000);
    assert_eq!(request.action(), Action::Exchange);
}

#[test]
fn events_out_of_order_change_nothing() {
    let mut request = Request::default();
    request.chosen(&relay("mediaproxy2:/a"), Facts::default(), true, 0);
    request.none_left("none".to_string());
    request.exchange_over(0);
    assert_eq!(request.action(), Action::Done);
    assert_eq!(request.take_result().unwrap_err().status(), Status::Argument);
    let mut request = sent(Role::Offer);
    request.exchange_over(1000);
    assert_eq!(request.action(), Action::Exchange, "the exchange is not over");
    request.none_left("none".to_string());
    assert_eq!(request.action(), Action::Exchange);
}
