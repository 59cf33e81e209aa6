//! The seed's own module as the judge: its 27 recorded cases go the whole way
//! through a worker, whose relay is a socket that keeps what it is sent and gives
//! the recorded answer. What is sent equals the recorded command byte for byte,
//! and the message ends in the same Contact, the same SDP and the same
//! Content-Length. Where ours differs on purpose,
//! `fixtures/mediaproxy1-differences.tsv` says so and why; it lists no more than
//! what differs.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use kit::directory::Directory;
use kit::json::Json;
use kit::relay::{Link, Relay, Reply};
use mediaproxy::internals::relay::Protocol;
use mediaproxy::sip::Source;
use mediaproxy::sip::{HeaderName, Message, Method, StartLine, Transport, Uri};
use mediaproxy::{Edits, Engine, Level, Log, Options, Settings, Tests, Verdict, Worker};

const RECORDINGS: &str = include_str!("../fixtures/mediaproxy1.jsonl");
const DIFFERENCES: &str = include_str!("../fixtures/mediaproxy1-differences.tsv");

/// Case, field, what the old module did, what we do.
type Difference = (String, String, String, String);

#[test]
fn recordings_end_the_same_over_unix_sockets() {
    every_recording_ends_as_it_did_or_as_listed(Link::Unix);
}

#[test]
fn recordings_end_the_same_over_tcp() {
    every_recording_ends_as_it_did_or_as_listed(Link::Tcp);
}

fn every_recording_ends_as_it_did_or_as_listed(link: Link) {
    let mut listed: Vec<Difference> = Vec::new();
    for row in DIFFERENCES.lines().skip(1) {
        let [case, field, theirs, ours, reason] = row.split('\t').collect::<Vec<_>>()[..] else {
            panic!("five columns: {row:?}");
        };
        assert!(!reason.is_empty(), "a reason: {row:?}");
        listed.push((case.into(), field.into(), theirs.into(), ours.into()));
    }
    let recordings: Vec<Json> = RECORDINGS.lines().map(Json::parse).collect();
    assert_eq!(recordings.len(), 27);
    let mut seen = Vec::new();
    // The messages of one call follow each other.
    for call in recordings.chunk_by(|a, b| call_id(a) == call_id(b)) {
        let mut server = Server::new(link, call, &recordings);
        for recording in call {
            server.compare(recording, &mut seen);
        }
    }
    let unlisted: Vec<_> = seen.iter().filter(|row| !listed.contains(row)).collect();
    assert!(unlisted.is_empty(), "not in the table: {unlisted:#?}");
    let gone: Vec<_> = listed.iter().filter(|row| !seen.contains(row)).collect();
    assert!(gone.is_empty(), "in the table, but no longer so: {gone:#?}");
}

fn call_id(recording: &Json) -> Vec<u8> {
    parse(recording.get("sip_in").bytes(), recording).call_id().unwrap().to_vec()
}

/// What became of the media.
#[derive(Debug, PartialEq)]
enum Outcome {
    /// The message goes on, rewritten or not.
    Forwarded,
    /// The call was refused, or there was nothing to rewrite.
    Refused,
}

/// The answer has more ports than the command has streams.
fn has_surplus_ports(exchange: &Json) -> bool {
    let streams = exchange.get("command").text().split(' ').nth(2).unwrap().split(',').count();
    exchange.get("answer").text().split_whitespace().count() > 1 + streams
}

/// The server that the seed's module ran in, with a relay for one call.
struct Server {
    relay: Relay,
    worker: Worker,
    /// Commands that the relay was sent before the current message.
    sent: usize,
    warnings: Arc<Mutex<Vec<String>>>,
    /// Where bob has registered.
    bob: String,
    _lists: Directory,
}

impl Server {
    fn new(link: Link, call: &[Json], recordings: &[Json]) -> Server {
        let exchanges = call.iter().flat_map(|recording| recording.get("dispatcher").list());
        let answers: VecDeque<String> =
            exchanges.map(|exchange| exchange.get("answer").text().to_string()).collect();
        let answers = Mutex::new(answers);
        let relay = Relay::at(Protocol::MediaProxy1, link, move |_| {
            Reply::Last(answers.lock().unwrap().pop_front().expect("a recorded answer"))
        });
        let lists = Directory::new();
        let list = lists.file("list", "Cisco-Weird.*\n");
        let nobody = "mediaproxy1:/nonexistent/proxydispatcher.sock".to_string();
        let is_reached = call[0].get("name").text() != "noconn1";
        let mut settings = Settings::new();
        for (name, value) in [
            ("relay", &if is_reached { relay.uri() } else { nobody }),
            ("sip_asymmetrics", &list),
            ("rtp_asymmetrics", &list),
            ("relay_timeout", &"20000".to_string()),
            ("relay_try", &"20000".to_string()),
        ] {
            settings.set(name, value).unwrap();
        }
        let warnings = Arc::new(Mutex::new(Vec::new()));
        let kept = warnings.clone();
        let log = Log::new(move |level, line| {
            if level == Level::Warning {
                kept.lock().unwrap().push(line.to_string());
            }
        });
        let worker = Worker::new(Engine::new(settings, log).unwrap()).unwrap();
        let registered = recordings.iter().find(|r| r.get("name").text() == "register").unwrap();
        let bob = contact(&parse(registered.get("sip_out").bytes(), registered));
        let bob = bob.trim_start_matches('<').to_string();
        Server { relay, worker, sent: 0, warnings, bob, _lists: lists }
    }

    /// Does to a message what the recorded script did.
    fn compare(&mut self, recording: &Json, seen: &mut Vec<Difference>) {
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
        let bits = if message.status().is_some() { Some(1) } else { outside_dialog.then_some(3) };
        if let Some(bits) = bits
            && self.is_natted(&message, bits)
        {
            self.worker.fix_contact(&message, &mut edits).unwrap();
        }
        let contact_edits = edits.len();

        // The media.
        self.warnings.lock().unwrap().clear();
        let refused = recording.get("sip_out").bytes().starts_with(b"SIP/2.0 500 ");
        let options = self.options(&message);
        let result = if message.method().unwrap() == Method::Bye {
            self.worker.end_session(&message, &options).map(|()| true)
        } else {
            self.worker.rewrite_sdp(&message, &options, &mut edits)
        };
        let exchanges = recording.get("dispatcher").list();
        let recorded: Vec<_> = exchanges.iter().map(|one| one.get("command").text()).collect();
        let sent = self.relay.wait_for(self.sent + recorded.len()).split_off(self.sent);
        self.sent += sent.len();
        assert_eq!(sent, recorded, "{case}: bytes on the socket");
        let ours_outcome = match &result {
            Ok(true) => Outcome::Forwarded,
            // No offer in it: for the old script a failure, for us an outcome.
            Ok(false) if !refused => Outcome::Forwarded,
            Ok(false) | Err(_) => Outcome::Refused,
        };
        if ours_outcome == Outcome::Refused {
            assert_eq!(edits.len(), contact_edits, "{case}: an error leaves the SDP as it was");
        } else {
            let surplus = exchanges.iter().any(has_surplus_ports);
            let warned = !self.warnings.lock().unwrap().is_empty();
            assert_eq!(warned, surplus, "{case}: more ports than streams is a warning");
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

    fn is_natted(&mut self, message: &Message<'_>, bits: u32) -> bool {
        let mut verdict = Verdict::new();
        let tests = Tests::from_bits(bits).unwrap();
        self.worker.nat_test(message, tests, true, &mut verdict).unwrap();
        verdict.natted()
    }

    /// What the server reported to the module: where the request goes after `lookup`,
    /// and which domains are its own (example.com).
    fn options(&self, message: &Message<'_>) -> Options {
        let is_ours = |uri: Option<&[u8]>| {
            let host = uri.and_then(|uri| Uri::parse(uri).ok()?).map(|uri| uri.host_port);
            host == Some(b"example.com")
        };
        let mut options = Options::default();
        if let StartLine::Request { uri, .. } = message.start_line() {
            let current = if is_ours(Some(uri)) { self.bob.as_bytes() } else { uri };
            options.request_uri = current.to_vec();
            options.to_local = is_ours(Some(current));
        }
        options.from_local = is_ours(message.from_uri().unwrap());
        options
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
