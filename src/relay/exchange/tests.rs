use std::io::{self, ErrorKind};
use std::path::Path;

use super::*;
use crate::relay::{Command, RelayUri, Scope};

const LIMITS: Limits = Limits { since: 1000, until: 1150, enough: 150 };

fn relay(text: &str) -> Arc<Relay> {
    let uri = RelayUri::parse(text, Path::new("/own")).unwrap();
    Arc::new(Relay { uri, identity: 1, slot: None })
}

fn begun(text: &str, facts: Facts) -> Exchange {
    let mut exchange = Exchange::new(Query { call_id: b"c".to_vec(), cseq: 1, ..Query::default() });
    exchange.begin(&relay(text), facts, LIMITS).unwrap();
    assert_eq!(exchange.need(), Need::Connect { fresh: false });
    exchange
}

fn send(exchange: &mut Exchange, reused: bool, owed: usize) {
    exchange.connected(reused, owed);
    assert_eq!(exchange.need(), Need::Send);
    let half = exchange.unsent().len() / 2;
    exchange.sent(half);
    assert_eq!(exchange.need(), Need::Send);
    exchange.sent(exchange.unsent().len());
    assert_eq!(exchange.need(), Need::Receive);
}

fn sent(text: &str) -> Exchange {
    let mut exchange = begun(text, Facts::default());
    send(&mut exchange, false, 0);
    exchange
}

fn ports(exchange: &mut Exchange) -> Vec<u16> {
    assert_eq!(exchange.outcome(), Some(Outcome::Answered));
    match exchange.take_result() {
        Ok(Answer::Ports { ports, .. }) => ports,
        other => panic!("{other:?}"),
    }
}

#[test]
fn answer_in_any_split_is_one_answer() {
    let line = b"203.0.113.5 50000 50002\r\n";
    for cut in 0..line.len() {
        let mut exchange = sent("mediaproxy2:/a");
        exchange.received(&line[..cut]);
        assert_eq!(exchange.need(), Need::Receive);
        exchange.received(&line[cut..]);
        assert!(exchange.is_in_step());
        assert_eq!(ports(&mut exchange), [50000, 50002]);
    }
}

#[test]
fn answers_to_earlier_queries_are_skipped() {
    let mut exchange = begun("mediaproxy2:/a", Facts::default());
    send(&mut exchange, true, 2);
    assert_eq!(exchange.received(b"removed\r\nerr"), 1);
    assert_eq!(exchange.need(), Need::Receive);
    assert_eq!(exchange.received(b"or\r\n10.0.0.1 50004\r\n"), 1);
    assert_eq!(ports(&mut exchange), [50004]);
}

#[test]
fn bytes_behind_the_answer_put_the_connection_out_of_step() {
    let mut exchange = sent("mediaproxy2:/a");
    exchange.received(b"10.0.0.1 50004\r\nsurplus");
    assert!(!exchange.is_in_step());
    assert_eq!(ports(&mut exchange), [50004]);
}

#[test]
fn outcome_follows_from_the_last_event() {
    let over = |event: &dyn Fn(&mut Exchange)| {
        let mut exchange = sent("mediaproxy2:/a");
        event(&mut exchange);
        (exchange.outcome(), exchange.take_result().map_err(|error| error.status()))
    };
    let answer = Err(Status::RelayAnswer);
    for refusal in ["error\r\n", "None\r\n", "\r\n"] {
        let refused = over(&|exchange| assert_eq!(exchange.received(refusal.as_bytes()), 0));
        assert_eq!(refused, (Some(Outcome::Refused), answer.clone()), "{refusal:?}");
    }
    let half = over(&|exchange| {
        exchange.received(b"10.0.0.1 50");
        exchange.closed();
    });
    assert_eq!(half, (Some(Outcome::ProtocolError), answer.clone()));
    assert_eq!(over(&|exchange| exchange.closed()), (Some(Outcome::ProtocolError), answer));
    let timeout = Err(Status::RelayTimeout);
    assert_eq!(over(&|exchange| exchange.timer(1150)), (Some(Outcome::TimedOut), timeout));

    for (kind, outcome) in [
        (ErrorKind::NotFound, Outcome::Unreachable),
        (ErrorKind::ConnectionRefused, Outcome::Unreachable),
        (ErrorKind::WouldBlock, Outcome::LocalFailure),
    ] {
        let mut exchange = begun("mediaproxy2:/a", Facts::default());
        exchange.connect_failed(&io::Error::from(kind));
        assert_eq!(exchange.outcome(), Some(outcome));
        assert_eq!(exchange.take_result().unwrap_err().status(), Status::NoRelay);
    }
    let mut exchange = begun("mediaproxy2:/a", Facts::default());
    exchange.connect_failed(&io::Error::from_raw_os_error(libc::EMFILE));
    assert_eq!(exchange.outcome(), Some(Outcome::LocalFailure), "too many open files");
    let mut exchange = begun("mediaproxy2:/a", Facts::default());
    exchange.connected(false, 0);
    exchange.send_failed(&io::Error::from(ErrorKind::BrokenPipe));
    assert_eq!(exchange.outcome(), Some(Outcome::Unreachable));
}

#[test]
fn reused_connection_that_was_closed_is_replaced_once() {
    let mut exchange = begun("mediaproxy2:/a", Facts::default());
    send(&mut exchange, true, 0);
    exchange.closed();
    assert_eq!(exchange.need(), Need::Connect { fresh: true });
    send(&mut exchange, false, 0);
    exchange.closed();
    assert_eq!(exchange.outcome(), Some(Outcome::ProtocolError));
}

#[test]
fn endless_answer_is_cut_at_64_kib() {
    let mut exchange = sent("mediaproxy2:/a");
    let chunk = [b'x'; 4096];
    for _ in 0..16 {
        exchange.received(&chunk);
        assert_eq!(exchange.need(), Need::Receive);
    }
    exchange.received(&chunk);
    assert_eq!(exchange.outcome(), Some(Outcome::ProtocolError));
}

#[test]
fn protocol_is_found_by_what_the_relay_answers() {
    let mut exchange = sent("mediaproxy:/a");
    assert_eq!(exchange.protocol(), Some(Protocol::MediaProxy2));
    exchange.closed();
    assert_eq!(exchange.need(), Need::Connect { fresh: true }, "it may speak another protocol");
    assert!(exchange.unsent().starts_with(b"request c "));
    send(&mut exchange, false, 0);
    exchange.received(b"10.0.0.1 50000\n");
    assert_eq!(exchange.need(), Need::Receive);
    exchange.closed();
    assert_eq!(exchange.learned_protocol(), Some(Protocol::MediaProxy1));
    assert!(!exchange.is_in_step(), "a connection serves one query");
    assert_eq!(ports(&mut exchange), [50000]);

    let mut exchange = sent("mediaproxy:/a");
    exchange.received(b"10.0.0.1 50000\r\n");
    assert_eq!(exchange.learned_protocol(), Some(Protocol::MediaProxy2));

    let mut refused = sent("mediaproxy:/a");
    refused.received(b"error\r\n");
    assert_eq!(refused.learned_protocol(), None, "a refusal is no positive answer");

    let mut neither = sent("mediaproxy:/a");
    neither.closed();
    send(&mut neither, false, 0);
    neither.closed();
    assert_eq!(neither.outcome(), Some(Outcome::ProtocolError));
    assert_eq!(neither.learned_protocol(), None);
}

/// A relay of the first protocol that hangs up on one message is silent in the
/// second one.
#[test]
fn silence_in_a_guessed_protocol_is_no_timeout() {
    let mut exchange = sent("mediaproxy:/a");
    exchange.closed();
    send(&mut exchange, false, 0);
    exchange.timer(LIMITS.until);
    assert_eq!(exchange.outcome(), Some(Outcome::ProtocolError));
    let error = exchange.take_result().unwrap_err();
    assert_eq!(error.status(), Status::RelayAnswer);
    let facts = Facts { spoken: Some(Protocol::MediaProxy1), ..Facts::default() };
    let mut known = begun("mediaproxy:/a", facts);
    send(&mut known, false, 0);
    known.timer(LIMITS.until);
    assert_eq!(known.outcome(), Some(Outcome::TimedOut));
}

#[test]
fn known_protocol_is_used_at_once_and_no_other_is_tried() {
    let facts = Facts { spoken: Some(Protocol::MediaProxy1), ..Facts::default() };
    let mut exchange = begun("mediaproxy:/a", facts);
    assert!(exchange.unsent().starts_with(b"request c "));
    send(&mut exchange, false, 0);
    exchange.closed();
    assert_eq!(exchange.outcome(), Some(Outcome::ProtocolError));
    let facts = Facts { spoken: Some(Protocol::MediaProxy2), ..Facts::default() };
    let mut exchange = begun("mediaproxy:/a", facts);
    send(&mut exchange, false, 0);
    exchange.closed();
    assert_eq!(exchange.outcome(), Some(Outcome::ProtocolError));
    let fixed = begun("mediaproxy1:/a", facts);
    assert_eq!(fixed.protocol(), Some(Protocol::MediaProxy1));
}

#[test]
fn delete_is_answered_by_a_line_or_by_the_end_of_the_connection() {
    for (text, answer) in [("mediaproxy2:/a", Some(&b"removed\r\n"[..])), ("mediaproxy1:/a", None)]
    {
        let mut exchange = Exchange::new(Query::delete(Scope::Session, b"c", b"f", b""));
        exchange.begin(&relay(text), Facts::default(), LIMITS).unwrap();
        send(&mut exchange, false, 0);
        match answer {
            Some(line) => assert_eq!(exchange.received(line), 0),
            None => exchange.closed(),
        }
        assert_eq!(exchange.query().command, Command::Delete);
        assert_eq!(exchange.take_result(), Ok(Answer::Deleted), "{text}");
    }
}

/// Only the end of the stream ends an answer of MediaProxy 1.x.
#[test]
fn answer_on_a_connection_that_broke_is_no_answer() {
    let mut exchange = sent("mediaproxy1:/a");
    exchange.received(b"10.0.0.1 50");
    exchange.receive_failed();
    assert_eq!(exchange.outcome(), Some(Outcome::ProtocolError));
    let mut delete = Exchange::new(Query::delete(Scope::Session, b"c", b"f", b""));
    delete.begin(&relay("mediaproxy1:/a"), Facts::default(), LIMITS).unwrap();
    send(&mut delete, false, 0);
    delete.receive_failed();
    assert_eq!(delete.outcome(), Some(Outcome::ProtocolError), "perhaps it was not read");
    let mut reused = begun("mediaproxy2:/a", Facts::default());
    send(&mut reused, true, 0);
    reused.receive_failed();
    assert_eq!(reused.need(), Need::Connect { fresh: true });
}

#[test]
fn events_out_of_order_change_nothing() {
    let mut exchange = Exchange::new(Query::delete(Scope::Session, b"c", b"", b""));
    exchange.connected(false, 0);
    exchange.sent(5);
    exchange.received(b"removed\r\n");
    exchange.closed();
    exchange.timer(u64::MAX);
    assert_eq!((exchange.need(), exchange.outcome()), (Need::Nothing, None));
    let mut exchange = begun("mediaproxy2:/a", Facts::default());
    exchange.received(b"removed\r\n");
    exchange.closed();
    exchange.send_failed(&io::Error::from(ErrorKind::BrokenPipe));
    assert_eq!(exchange.need(), Need::Connect { fresh: false });
}
