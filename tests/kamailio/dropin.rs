//! A configuration written for the stock modules, run with them and with ours,
//! against one `mediaproxyd`: what the phones get is compared field by field.
//! Each difference is in `fixtures/kamailio/dropin-differences.tsv`, with its
//! reason, and all that is there is seen.

use std::collections::{BTreeMap, BTreeSet};

use regex::Regex;

use crate::differences::Table;
use crate::scene::{Module, Scene, audio_of, audio_towards, negotiate, stock_server, with_module};
use kit::daemon::Daemon;
use kit::netns::{Network, SERVER};
use kit::sip::{Sip, describe};

const DIFFERENCES: &str = include_str!("../fixtures/kamailio/dropin-differences.tsv");

/// Offers and answers of one call each: the lines after t=.
const DESCRIPTIONS: [(&str, &[&str], &[&str]); 9] = [
    (
        "audio and video",
        &["m=audio 6060 RTP/AVP 8", "m=video 6062 RTP/AVP 96"],
        &["m=audio 6060 RTP/AVP 8", "m=video 0 RTP/AVP 96"],
    ),
    (
        "addresses of streams",
        &["m=audio 6060 RTP/AVP 8", "c=IN IP4 192.168.1.10", "m=video 6062 RTP/AVP 96"],
        &["m=audio 6060 RTP/AVP 8", "c=IN IP4 192.168.1.10", "m=video 6062 RTP/AVP 96"],
    ),
    (
        "a=rtcp",
        &["m=audio 6060 RTP/AVP 8", "a=rtcp:6061", "a=sendrecv"],
        &["m=audio 6060 RTP/AVP 8", "a=rtcp:6061 IN IP4 192.168.1.10", "a=sendrecv"],
    ),
    (
        "a stream that nobody relays",
        &["m=audio 6060 RTP/AVP 8", "m=message 2855 TCP/MSRP *"],
        &["m=audio 6060 RTP/AVP 8", "m=message 0 TCP/MSRP *"],
    ),
    (
        "ICE",
        &[
            "a=ice-ufrag:8hhY",
            "a=ice-pwd:asd88fgpdd777uzjYhagZg",
            "m=audio 6060 RTP/AVP 8",
            "a=candidate:H1 1 UDP 2130706431 192.168.1.10 6060 typ host",
            "a=candidate:H1 2 UDP 2130706430 192.168.1.10 6061 typ host",
        ],
        &["m=audio 6060 RTP/AVP 8"],
    ),
    ("fax", &["m=image 6060 udptl t38"], &["m=image 6060 udptl t38"]),
    (
        "secure audio with its keys",
        &["m=audio 6060 RTP/SAVP 8", "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:d0RmdmcmVCspeEc3"],
        &["m=audio 6060 RTP/SAVP 8", "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:NzB4d1BINUAvLEw6"],
    ),
    (
        "two streams, the first off",
        &["m=audio 0 RTP/AVP 8", "m=audio 6062 RTP/AVP 8"],
        &["m=audio 0 RTP/AVP 8", "m=audio 6062 RTP/AVP 8"],
    ),
    (
        "two ports of a stream",
        &["m=video 6060/2 RTP/AVP 96", "a=rtpmap:96 H264/90000"],
        &["m=video 6060/2 RTP/AVP 96", "a=rtpmap:96 H264/90000"],
    ),
];

/// What phones do, the same each time.
fn play(scene: &mut Scene<'_>) {
    scene.register();
    // A call with hold, resumption and the other one's re-INVITE.
    let mut call = scene.answered("plain@x");
    scene.reinvite(&mut call.caller, 2, "sendonly", "recvonly");
    scene.reinvite(&mut call.caller, 3, "sendrecv", "sendrecv");
    let offer = audio_towards(&scene.bob, 2, "inactive");
    scene.bob.ask(&mut call.callee, "INVITE", "", &offer);
    let invite = scene.alice.request("INVITE");
    let answer = audio_towards(&scene.alice, 4, "inactive");
    scene.alice.answer(&invite, "200 OK", "", &answer);
    let ok = scene.bob.response(200, "INVITE");
    scene.bob.acknowledge(&mut call.callee, &ok, "");
    scene.alice.request("ACK");
    scene.hang_up(&mut call.caller);

    for (name, offer, answer) in DESCRIPTIONS {
        let id = format!("{}@x", name.replace(' ', "-"));
        let offer = describe(&scene.alice.host, 1, offer);
        let answer = describe(&scene.bob.host, 1, answer);
        let mut call = scene.alice.call("bob", &id);
        scene.alice.ask(&mut call, "INVITE", "", &offer);
        let invite = scene.bob.request("INVITE");
        scene.bob.answer(&invite, "183 Session Progress", "", &answer);
        scene.alice.response(183, "INVITE");
        scene.bob.answer(&invite, "200 OK", "", &answer);
        let ok = scene.alice.response(200, "INVITE");
        scene.alice.acknowledge(&mut call, &ok, "");
        scene.bob.request("ACK");
        scene.hang_up(&mut call);
    }

    // Old hold, with the address that says nobody is there (RFC 2543).
    let mut call = scene.answered("zero@x");
    let offer = audio_of(&scene.alice, 2).replace("c=IN IP4 192.168.1.10", "c=IN IP4 0.0.0.0");
    let answer = audio_of(&scene.bob, 2);
    negotiate(&mut scene.alice, &mut call.caller, &mut scene.bob, &offer, &answer);
    scene.hang_up(&mut call.caller);

    // The offer in the 200.
    let mut call = scene.alice.call("bob", "delayed@x");
    scene.delayed(&mut call);
    scene.hang_up(&mut call);

    // Nobody takes it.
    scene.busy("busy@x");

    scene.cancelled("cancel@x");

    // No call at all.
    let mut call = scene.alice.call("bob", "message@x");
    scene.alice.ask(&mut call, "MESSAGE", "", "");
    let message = scene.bob.request("MESSAGE");
    scene.bob.answer(&message, "200 OK", "", "");
    scene.alice.response(200, "MESSAGE");
    scene.alice.hears_nothing();
    scene.bob.hears_nothing();
}

/// Names in the place of what is another value each time: ports that a relay or
/// a NAT gives, and what the server makes up.
struct Names {
    made_up: Vec<(Regex, &'static str)>,
    ports: Regex,
    /// By call.
    known: BTreeMap<String, BTreeMap<String, String>>,
}

impl Names {
    fn new() -> Names {
        let regex = |text: &str| Regex::new(text).expect("an expression");
        Names {
            made_up: vec![
                (regex(r"branch=z9hG4bK[0-9a-f]{1,8}\.[^;,\s]*"), "branch=OWN"),
                (regex(r"did=[^;>]*"), "did=DIALOG"),
                (regex(r"(To:.*;tag=)[0-9a-f]+(-[0-9a-f.]+|\.[0-9a-f]+)"), "${1}OWN"),
                (regex(r"expires=[0-9]+"), "expires=LEFT"),
                (regex(r"198\.51\.100\.7:2[0-9]{4}"), "NAT:PORT"),
                (regex(r"rport=2[0-9]{4}"), "rport=PORT"),
            ],
            ports: regex(r"\b(2[0-9]{4})\b"),
            known: BTreeMap::new(),
        }
    }

    fn replace(&mut self, message: &Sip) -> String {
        let mut text = message.text.clone();
        for (expression, name) in &self.made_up {
            text = expression.replace_all(&text, *name).into_owned();
        }
        let known = self.known.entry(message.first("Call-ID").to_string()).or_default();
        let named = self.ports.replace_all(&text, |found: &regex::Captures<'_>| {
            let next = format!("PORT{}", known.len());
            known.entry(found[1].to_string()).or_insert(next).clone()
        });
        named.into_owned()
    }
}

/// The fields of a message: header lines by name, body lines by their kind. What
/// comes more than once is one field.
fn fields(message: &str) -> BTreeMap<String, String> {
    let mut fields: BTreeMap<String, String> = BTreeMap::new();
    let (head, body) = message.split_once("\r\n\r\n").unwrap_or((message, ""));
    let mut add = |name: String, value: &str| {
        let field = fields.entry(name).or_default();
        field.push_str(if field.is_empty() { "" } else { " | " });
        field.push_str(value);
    };
    for (index, line) in head.lines().enumerate() {
        match line.split_once(": ") {
            Some((name, value)) if index > 0 => add(name.to_string(), value),
            _ => add("start".to_string(), line),
        }
    }
    for line in body.lines() {
        let name = match line.split_once('=') {
            Some(("a", value)) => format!("a={}", value.split(':').next().unwrap_or_default()),
            Some((name, _)) => format!("{name}="),
            None => "body".to_string(),
        };
        add(name, line);
    }
    fields
}

/// `CALL of METHOD or STATUS to WHOM`, as a row of the table names it.
fn label(message: &Sip, to: &str) -> String {
    let call = message.first("Call-ID").trim_end_matches("@x");
    match message.status() {
        Some(status) => format!("{call}: {status} to {} for {to}", message.of()),
        None => format!("{call}: {} for {to}", message.method()),
    }
}

type Messages = Vec<(String, BTreeMap<String, String>)>;

/// All that both phones got.
fn heard(
    network: &Network,
    directory: &std::path::Path,
    relay: &Daemon,
    module: Module,
    defines: &[&str],
) -> Messages {
    let directory = directory.join(format!("{module:?}"));
    std::fs::create_dir_all(&directory).expect("a directory");
    let server = stock_server(network, &directory, module, relay, defines);
    let mut scene = Scene::new(network, server, Vec::new());
    play(&mut scene);
    let mut names = Names::new();
    let mut messages = Messages::new();
    // In the order of the calls, not of their arrival.
    for phone in [&scene.bob, &scene.alice] {
        for message in &phone.heard {
            let text = names.replace(message);
            messages.push((label(message, phone.user), fields(&text)));
        }
    }
    let said = scene.server.stop();
    if module == Module::Ours {
        // nat_traversal has functions of the same names.
        assert!(said.contains("our module found source_address"), "{said}");
        assert!(!said.contains("our module found <null>"), "{said}");
    }
    messages
}

fn compare(kind: &str, theirs: &Messages, ours: &Messages, table: &mut Table) {
    let labels = |messages: &Messages| -> Vec<String> {
        messages.iter().map(|(label, _)| label.clone()).collect()
    };
    assert_eq!(labels(theirs), labels(ours), "the same messages come to the phones");
    let none = String::from("(none)");
    for ((label, theirs), (_, ours)) in theirs.iter().zip(ours) {
        let names: BTreeSet<&String> = theirs.keys().chain(ours.keys()).collect();
        for name in names {
            let (their, our) = (theirs.get(name).unwrap_or(&none), ours.get(name).unwrap_or(&none));
            if their != our {
                table.differs(&format!("{kind}: {label}"), name, their, our);
            }
        }
    }
    println!("{kind}: {} messages compared", ours.len());
}

#[test]
fn what_phones_get_is_the_same_or_explained() {
    with_module(kit::here!(), |network, directory| {
        let mut table = Table::read(DIFFERENCES);
        for (kind, defines) in [("script", &[][..]), ("dialog", &["WITH_ENGAGE"])] {
            let directory = directory.join(kind);
            std::fs::create_dir_all(&directory).expect("a directory");
            let relay = Daemon::start_in(&network.server, &directory, 0, &[SERVER]);
            let [theirs, ours] = [Module::Stock, Module::Ours]
                .map(|module| heard(network, &directory, &relay, module, defines));
            compare(kind, &theirs, &ours, &mut table);
        }
        table.explains_all();
    });
}
