//! Any bytes as a session description in an INVITE: read, planned for offer
//! and answer, filled with any relay answer, applied.
//!
//! An input is a description, or `knobs and a relay's answer line`, NUL,
//! description. The knobs are one byte: bits 0-1 relay candidates, bit 2 o=
//! too, bit 3 the loop marker, bit 4 the answer is a body.

use mediaproxy::IceCandidate;
use mediaproxy::Status;
use mediaproxy::internals::edit::{Edits, Verb};
use mediaproxy::internals::media::plan::Rules;
use mediaproxy::internals::media::{Plan, plan};
use mediaproxy::internals::relay::Role;
use mediaproxy::internals::relay::protocol::{Decoded, Protocol};
use mediaproxy::internals::relay::{Answer, Command};
use mediaproxy::nat::fix_contact;
use mediaproxy::sdp::active::for_each_connection;
use mediaproxy::sdp::session::MAX_STREAMS;
use mediaproxy::sdp::{Connection, Session};
use mediaproxy::sip::Message;
use mediaproxy::sip::body::find_sdp;
use mediaproxy::sip::message::MAX_MESSAGE;

use super::edits::holds_for_edits;
use super::input::before_nul;
use crate::rewriting::{invite, source};

const RELAY: &str = "203.0.113.9";

pub fn check(bytes: &[u8]) {
    let (head, sdp) = before_nul(bytes);
    let raw = invite(sdp);
    let Ok(message) = Message::parse(&raw, source()) else { return };
    let Ok(Some(text)) = find_sdp(&message) else {
        assert!(sdp.is_empty() || raw.len() > MAX_MESSAGE);
        return;
    };
    assert_eq!(text, sdp);
    active_connections(text);
    let Ok(session) = Session::parse(text) else { return };
    pieces(&session);
    match head.and_then(|head| head.split_first()) {
        Some((knobs, line)) => {
            if knobs & 16 != 0 {
                filled(&message, &session, *knobs, &Answer::Body(line.to_vec()));
            }
            for protocol in Protocol::ALL {
                for command in [Command::Request, Command::Reply, Command::Delete, Command::Probe] {
                    let decoded = protocol.codec().decode(command, line, true);
                    if let Decoded::Answer { answer, length } = decoded {
                        assert!(length <= line.len());
                        if let Ok(answer) = answer {
                            filled(&message, &session, *knobs, &answer);
                        }
                    }
                }
            }
        }
        None => {
            let ports: Vec<u16> = (0..session.media.len() as u16).map(|n| 50000 + 4 * n).collect();
            let some: Vec<u16> =
                ports.iter().map(|port| if port % 8 == 0 { *port } else { 0 }).collect();
            for (knobs, ip, ports) in
                [(0, RELAY, &ports), (2 | 4 | 8, "2001:db8:9::9", &ports), (1, RELAY, &some)]
            {
                let answer = Answer::Ports {
                    address: ip.parse().unwrap(),
                    ports: ports.clone(),
                    others: Vec::new(),
                };
                filled(&message, &session, knobs, &answer);
            }
        }
    }
}

/// The short way to the addresses finds those that the long way does.
fn active_connections(text: &[u8]) {
    let mut shown = Vec::new();
    let readable = for_each_connection(text, &mut |connection| shown.push(connection));
    let session = Session::parse(text);
    assert_eq!(readable, session.is_ok());
    let Ok(session) = session else { return };
    let mut all = Vec::new();
    for media in session.media.iter().filter(|media| media.port != 0) {
        all.extend(session.connection_of(media));
        all.extend(&media.more_connections);
    }
    assert_eq!(shown, all);
}

/// Every piece lies in the description, streams in order and apart.
fn pieces(session: &Session<'_>) {
    let place =
        |part: &[u8]| mediaproxy::internals::bytes::offset_in(session.text, part).expect("a piece");
    let connection = |found: &Connection<'_>| {
        let line = place(found.line);
        let text = place(found.text);
        assert!(line <= text && text + found.text.len() <= line + found.line.len());
        place(found.network);
        place(found.address);
        place(found.suffix);
    };
    assert!(session.media.len() <= MAX_STREAMS);
    session.connection.iter().for_each(connection);
    session.origin().iter().for_each(connection);
    let mut end = 0;
    for media in &session.media {
        let start = place(media.text);
        assert!(start >= end && media.text.starts_with(b"m="));
        end = start + media.text.len();
        assert_eq!(place(media.head), start);
        assert!(media.text.starts_with(media.head));
        place(media.kind);
        place(media.port_text);
        place(media.transport);
        media.connection.iter().chain(&media.more_connections).for_each(connection);
        let rtcp = media.rtcp.iter().chain(&media.more_rtcp);
        rtcp.filter_map(|rtcp| rtcp.connection.as_ref()).for_each(connection);
        if let Some(first) = media.ice.first_candidate {
            assert!(first.starts_with(b"a=candidate:"));
            place(first);
        }
    }
}

fn filled(message: &Message<'_>, session: &Session<'_>, knobs: u8, answer: &Answer) {
    for role in [Role::Offer, Role::Answer] {
        let rules = Rules {
            role,
            ice_candidate: match knobs & 3 {
                1 => IceCandidate::LowPriority,
                2 => IceCandidate::HighPriority,
                _ => IceCandidate::None,
            },
            rewrite_origin: knobs & 4 != 0,
            loop_marker: knobs & 8 != 0,
            relayed_lines: None,
            has_session: false,
            ours: &|_, _| false,
        };
        let Ok(planned) = plan(message, session, &rules) else { continue };
        requests(&planned, session);
        let mut edits = Edits::new();
        fix_contact(message, false, &mut edits).unwrap();
        let contact = edits.len();
        assert!(contact > 0);
        // An earlier rewrite, which this one replaces.
        edits.push(Verb::RewriteSdp, 0, 0, b"earlier").unwrap();
        let before = edits.clone();
        let mut complaints = 0;
        let outcome = planned.fill(answer, &mut edits, &mut |_| complaints += 1);
        if let Err(error) = outcome {
            assert_eq!(error.status(), Status::RelayAnswer, "{error}");
            assert!(edits.iter().eq(before.iter()), "an error changes nothing");
            continue;
        }
        holds_for_edits(message.raw(), &edits);
        let mut out = Vec::new();
        edits.apply(message, &mut out).expect("edits of its own message");
        if out.len() > MAX_MESSAGE {
            continue;
        }
        let edited = Message::parse(&out, source()).expect("the edited message reads back");
        let body = edited.body().expect("its body is told right");
        if let Answer::Body(body_given) = answer
            && !planned.streams.is_empty()
        {
            assert_eq!(body, body_given);
            continue;
        }
        let after = Session::parse(body).expect("the description reads back");
        if planned.streams.is_empty() {
            assert_eq!(edits.len(), contact, "nothing to ask, nothing to change");
            assert_eq!(body, session.text);
            continue;
        }
        let Answer::Ports { address, ports, .. } = answer else { panic!("{answer:?} was taken") };
        let mut given: Vec<u16> = ports.iter().copied().take(planned.streams.len()).collect();
        given.resize(planned.streams.len(), 0);
        let usable = |port: u16| if port == u16::MAX { 0 } else { port };
        given.iter_mut().for_each(|port| *port = usable(*port));
        crate::promises::check(session, &after, address.to_canonical(), &given);
        assert_eq!(after.loop_marker, session.loop_marker || marked(&rules, &edits, contact));
        passes_again(&edited, &after, &rules, answer);
    }
}

/// The marker is written where any stream is relayed, which is where anything
/// of the description changes.
fn marked(rules: &Rules<'_>, edits: &Edits, contact: usize) -> bool {
    rules.loop_marker && edits.len() > contact
}

/// What the relay is told: every m= line, in order.
fn requests(planned: &Plan, session: &Session<'_>) {
    if planned.streams.is_empty() {
        return;
    }
    assert_eq!(planned.streams.len(), session.media.len());
    for (line, (stream, media)) in planned.streams.iter().zip(&session.media).enumerate() {
        assert_eq!(stream.kind, media.kind);
        assert!(stream.port == 0 || stream.port == media.port && media.relayable());
        assert_eq!(planned.relayed_lines() >> line & 1 != 0, stream.port != 0);
    }
}

/// What is at the relay already stays there.
fn passes_again(message: &Message<'_>, session: &Session<'_>, rules: &Rules<'_>, answer: &Answer) {
    let spiral = Rules { ours: &|_, _| true, ice_candidate: IceCandidate::None, ..*rules };
    let text = |connection: Connection<'_>| connection.host.ip().is_none();
    let names = session.media.iter().any(|m| session.connection_of(m).is_some_and(text));
    let Ok(planned) = plan(message, session, &spiral) else { return };
    let mut edits = Edits::new();
    if !names && planned.fill(answer, &mut edits, &mut |_| {}).is_ok() {
        assert!(edits.is_empty(), "{edits:?}");
    }
}
