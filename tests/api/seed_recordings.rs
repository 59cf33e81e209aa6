//! The seed's own module as the judge: its 27 recorded cases, run through the
//! same steps, end in the same Contact, the same session description and the
//! same Content-Length, and the relay is told the same streams. Where we mean
//! to differ, `fixtures/mediaproxy1-differences.tsv` says so and why; it lists
//! no more than what differs.

use std::path::Path;

use kit::json::Json;
use mediaproxy::Edits;
use mediaproxy::IceCandidate;
use mediaproxy::internals::agents::AgentList;
use mediaproxy::internals::media::plan::Rules;
use mediaproxy::internals::media::{Plan, plan};
use mediaproxy::internals::relay::Answer;
use mediaproxy::internals::relay::Command;
use mediaproxy::internals::relay::protocol::{Decoded, Protocol};
use mediaproxy::internals::relay::{Role, StreamAddress};
use mediaproxy::nat::{Context, Networks, Tests, Verdict, fix_contact};
use mediaproxy::sdp::Session;
use mediaproxy::sip::body::find_sdp;
use mediaproxy::sip::message::Source;
use mediaproxy::sip::{HeaderName, Message, Transport};
use mediaproxy::{Error, Status};

const RECORDINGS: &str = include_str!("../fixtures/mediaproxy1.jsonl");
const DIFFERENCES: &str = include_str!("../fixtures/mediaproxy1-differences.tsv");

/// Case, field, what the old module did, what we do.
type Difference = (String, String, String, String);

#[test]
fn recordings_have_the_same_outcome_or_a_listed_one() {
    let mut listed: Vec<Difference> = Vec::new();
    for row in DIFFERENCES.lines().skip(1) {
        let [case, field, theirs, ours, reason] = row.split('\t').collect::<Vec<_>>()[..] else {
            panic!("five columns: {row:?}");
        };
        assert!(!reason.is_empty(), "a reason: {row:?}");
        listed.push((case.into(), field.into(), theirs.into(), ours.into()));
    }
    let mut seen = Vec::new();
    let mut count = 0;
    for line in RECORDINGS.lines() {
        compare(&Json::parse(line), &mut seen);
        count += 1;
    }
    assert_eq!(count, 27);
    let unlisted: Vec<_> = seen.iter().filter(|row| !listed.contains(row)).collect();
    assert!(unlisted.is_empty(), "not in the table: {unlisted:#?}");
    let gone: Vec<_> = listed.iter().filter(|row| !seen.contains(row)).collect();
    assert!(gone.is_empty(), "in the table, but no longer so: {gone:#?}");
}

/// What became of the media.
#[derive(Debug, PartialEq)]
enum Outcome {
    /// The message goes on, rewritten or not.
    Forwarded,
    /// The call was refused, or there was nothing to rewrite.
    Refused,
}

fn compare(recording: &Json, seen: &mut Vec<Difference>) {
    let case = recording.get("name").text();
    let mut differ = |field: &str, theirs: &str, ours: &str| {
        if theirs != ours {
            seen.push((case.into(), field.into(), theirs.into(), ours.into()));
        }
    };
    let theirs = parse(recording.get("sip_out").bytes(), recording);
    let raw = recording.get("sip_in").bytes();
    let message = parse(raw, recording);
    let mut edits = Edits::new();

    // The Contact: the client is tested, and repaired when behind NAT.
    let outside_dialog = message.to_tag().unwrap().is_empty();
    let asks = if message.status().is_some() { Some(1) } else { outside_dialog.then_some(3) };
    if let Some(bits) = asks
        && natted(&message, bits)
    {
        fix_contact(&message, asymmetric(&message), &mut edits).unwrap();
    }
    let contact_edits = edits.len();

    // The media.
    let refused = recording.get("sip_out").bytes().starts_with(b"SIP/2.0 500 ");
    let requests = recording.get("dispatcher").list();
    let requests =
        if message.method().unwrap() == mediaproxy::sip::Method::Bye { &[] } else { requests };
    let their_streams = requests.first().map_or("", |exchange| {
        exchange.get("command").text().split(' ').nth(2).expect("a media list")
    });
    let mut our_streams = String::new();
    let result = plan_media(&message).and_then(|plan| {
        our_streams = media_list(&plan);
        if plan.streams.is_empty() {
            return Ok(());
        }
        let exchange = requests.first().expect("a recorded answer");
        let answer = match Protocol::MediaProxy1.codec().decode(
            Command::Request,
            exchange.get("answer").bytes(),
            true,
        ) {
            Decoded::Answer { answer, .. } => answer?,
            garbage => return Err(Error::new(Status::RelayAnswer, format!("{garbage:?}"))),
        };
        let mut complaints = 0;
        plan.fill(&answer, &mut edits, &mut |_| complaints += 1)?;
        let Answer::Ports { ports, .. } = answer else { panic!("{case}: {answer:?}") };
        assert_eq!(complaints > 0, ports.len() > plan.streams.len(), "{case}");
        Ok(())
    });
    differ("streams", their_streams, &our_streams);
    let ours_outcome = match &result {
        Ok(()) => Outcome::Forwarded,
        // No offer in it: for the old script a failure, for us an outcome.
        Err(error) if error.status() == Status::NoSdp && !refused => Outcome::Forwarded,
        Err(_) => Outcome::Refused,
    };
    if ours_outcome == Outcome::Refused {
        assert_eq!(edits.len(), contact_edits, "{case}: an error leaves the description as it was");
    }
    let theirs_outcome = if refused { Outcome::Refused } else { Outcome::Forwarded };
    differ("outcome", &format!("{theirs_outcome:?}"), &format!("{ours_outcome:?}"));
    if refused {
        return;
    }

    // What goes on.
    let mut out = Vec::new();
    edits.apply(&message, &mut out).unwrap();
    let ours = parse(&out, recording);
    differ("Contact", &contact(&theirs), &contact(&ours));
    if ours_outcome == Outcome::Forwarded {
        let length = |message: &Message<'_>| header(message, HeaderName::ContentLength);
        differ("Content-Length", &length(&theirs), &length(&ours));
        let (theirs, ours) = differing_lines(theirs.body().unwrap(), ours.body().unwrap());
        differ("SDP", &theirs, &ours);
    }
}

fn parse<'a>(raw: &'a [u8], recording: &Json) -> Message<'a> {
    let source = Source {
        address: recording.get("source").text().parse().unwrap(),
        local: None,
        transport: Transport::Udp,
    };
    Message::parse(raw, source).unwrap()
}

/// The clients `Cisco-Weird.*` were in both lists.
fn asymmetric(message: &Message<'_>) -> bool {
    let list =
        AgentList::compile(Path::new("list"), b"Cisco-Weird.*\n", &mut |line| panic!("{line}"));
    message.user_agent().unwrap().is_some_and(|agent| list.matches(agent))
}

fn natted(message: &Message<'_>, bits: u32) -> bool {
    let context = Context {
        private: &Networks::rfc1918(),
        local: &Networks::default(),
        sip_asymmetric: asymmetric(message),
    };
    let mut verdict = Verdict::new();
    let tests = Tests::from_bits(bits).unwrap();
    mediaproxy::nat::test(message, &context, tests, true, &mut verdict).unwrap();
    verdict.natted()
}

fn plan_media(message: &Message<'_>) -> Result<Plan, Error> {
    let text = find_sdp(message)?.ok_or_else(|| Error::new(Status::NoSdp, "no description"))?;
    let rules = Rules {
        role: if message.status().is_some() { Role::Answer } else { Role::Offer },
        ice_candidate: IceCandidate::None,
        rewrite_origin: false,
        loop_marker: false,
        ours: &|_| false,
    };
    plan(message, &Session::parse(text)?, &rules)
}

/// The streams as the old protocol spells them.
fn media_list(plan: &Plan) -> String {
    let spell = |stream: &mediaproxy::internals::relay::Stream| {
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        let address = |address: &StreamAddress| match address {
            StreamAddress::Ip(ip) => ip.to_string(),
            StreamAddress::Name(name) => text(name),
        };
        format!("{}:{}:{}", address(&stream.address), stream.port, text(&stream.kind))
    };
    plan.streams.iter().map(spell).collect::<Vec<_>>().join(",")
}

fn header(message: &Message<'_>, name: HeaderName) -> String {
    let value = message.header(name).unwrap().map_or(&b""[..], |header| header.value);
    String::from_utf8(value.to_vec()).unwrap()
}

/// The Contact's URI; a registrar adds parameters of its own behind it.
fn contact(message: &Message<'_>) -> String {
    let value = header(message, HeaderName::Contact);
    value.split('>').next().unwrap_or_default().to_string()
}

/// The lines in which two descriptions differ.
fn differing_lines(theirs: &[u8], ours: &[u8]) -> (String, String) {
    let lines = |text: &[u8]| -> Vec<String> {
        String::from_utf8(text.to_vec()).unwrap().split("\r\n").map(str::to_string).collect()
    };
    let (theirs, ours) = (lines(theirs), lines(ours));
    if theirs.len() != ours.len() {
        return (theirs.join(" "), ours.join(" "));
    }
    let (theirs, ours): (Vec<_>, Vec<_>) =
        theirs.into_iter().zip(ours).filter(|(theirs, ours)| theirs != ours).unzip();
    (theirs.join(" "), ours.join(" "))
}
