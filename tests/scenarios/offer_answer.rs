//! Offer or answer over whole calls: random dialogs after RFC 3261, 3262, 3264
//! and 3311 (RFC 6337 lists what they allow together), forked, with messages
//! repeated at any time. What each description is, the dialog knows; the call
//! table and `media::role` must find it out.

mod dialogs;

use std::collections::hash_map::RandomState;

use dialogs::{Call, Sent, call};
use kit::call::{Step, alice_sdp};
use kit::cases;
use kit::relay::header;
use kit::relay_and_worker;
use mediaproxy::Edits;
use mediaproxy::internals::media::role;
use mediaproxy::internals::shared::calls::{
    CallMessage, CallUpdate, EndScope, Recorded, RelayPorts, table_words,
};
use mediaproxy::internals::shared::{Block, Calls};
use mediaproxy::sip::{Message, Method};
use mediaproxy::{Options, RoleOption, ScopeOption};
use proptest::prelude::*;

fn method(name: &str) -> Method {
    match name {
        "INVITE" => Method::Invite,
        "ACK" => Method::Ack,
        "PRACK" => Method::Prack,
        "UPDATE" => Method::Update,
        other => panic!("{other}"),
    }
}

/// What the library does with one message, without a relay.
fn judge(calls: &Calls<'_>, sent: &Sent) -> Option<(mediaproxy::internals::relay::Role, u32)> {
    let key = calls.key(b"call@x", sent.from.as_bytes(), sent.to.as_bytes());
    let Sent { status, cseq, .. } = *sent;
    let message = CallMessage { key, method: method(sent.method), status, cseq, branch: 0 };
    let leg = calls.look_up(&message, 100);
    if status.is_some_and(|status| status >= 300) {
        calls.terminate(&message, EndScope::Branch, true, 100);
        return None;
    }
    if sent.description.is_none() {
        calls.begin(&message, 100);
        calls.reply_without_sdp(&message, 100);
        return None;
    }
    let known = leg.offer_answer();
    let decision = role::decide(status.is_some(), message.method, cseq, &known, RoleOption::Auto);
    let update = CallUpdate {
        relay: 7,
        offer_answer: decision.update,
        media: RelayPorts::default(),
        relayed_lines: None,
    };
    let ticket = calls.begin(&message, 100);
    let recorded = calls.record(&message, ticket, &update, 100);
    assert!(matches!(recorded, Recorded::Stored { .. }));
    Some((decision.role, decision.cseq))
}

fn config(usual: u32) -> ProptestConfig {
    ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(cases(usual)) }
}

proptest! {
    #![proptest_config(config(1000))]
    #[test]
    fn sdp_has_the_role_the_dialog_gives_it(call in call(1..60)) {
        let block = Block::new(table_words(16).unwrap()).unwrap();
        let hash = RandomState::new();
        let calls = Calls::new(block.words(), &hash);
        for (at, sent) in call.messages().iter().enumerate() {
            prop_assert_eq!(judge(&calls, sent), sent.description, "message {}: {:?}", at, sent);
        }
    }
}

proptest! {
    #![proptest_config(config(24))]
    /// The same through a worker: the CSeq, direction and tags the relay hears.
    #[test]
    fn relay_requests_have_the_cseq_of_the_offer(call in call(1..40)) {
        let (relay, mut worker) = relay_and_worker();
        for (at, sent) in call.messages().iter().enumerate() {
            let before = asked(&relay.requests()).len();
            let step = step(sent);
            let raw = step.bytes();
            let message = Message::parse(&raw, step.source()).unwrap();
            if sent.status.is_some_and(|status| status >= 300) {
                let options = Options { scope: ScopeOption::Branch, ..Options::default() };
                worker.end_session(&message, &options).unwrap();
                continue;
            }
            let told = worker.rewrite_sdp(&message, &Options::default(), &mut Edits::new()).unwrap();
            prop_assert_eq!(told, sent.description.is_some());
            let Some((_, cseq)) = sent.description else { continue };
            // A repeated message may get the ports that are stored, without a request.
            let repeated = call.messages().iter().take(at).any(|earlier| earlier == sent);
            let requests = relay.requests();
            let requests = asked(&requests);
            if repeated && requests.len() == before {
                continue;
            }
            prop_assert_eq!(requests.len(), before + 1);
            let request = requests.last().unwrap();
            let kind = if sent.status.is_some() { "reply" } else { "request" };
            prop_assert_eq!(header(request, "type"), kind);
            prop_assert_eq!(header(request, "cseq"), cseq.to_string());
            prop_assert_eq!(header(request, "from_tag"), sent.from);
            let early = sent.status.is_some_and(|status| status < 200);
            prop_assert_eq!(header(request, "to_tag"), if early { "" } else { sent.to });
        }
    }
}

/// The requests that ask for ports. The worker has waited for their answers, but
/// not for those to its reports of replies without SDP.
fn asked(requests: &[String]) -> Vec<&String> {
    requests.iter().filter(|request| request.contains("\nmedia: ")).collect()
}

fn step(sent: &Sent) -> Step {
    let step = match sent.status {
        Some(status) => {
            Step::reply(&format!("{status} Reason"), sent.method, sent.cseq, sent.from, sent.to)
        }
        None => Step::request(sent.method, sent.cseq, sent.from, sent.to),
    };
    if sent.description.is_some() { step.sdp(alice_sdp()) } else { step }
}

/// The generator is worth something only if it gets everywhere.
#[test]
fn dialogs_go_everywhere() {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;
    let mut runner = TestRunner::deterministic();
    let mut seen = std::collections::BTreeSet::new();
    for _ in 0..300 {
        let call: Call = call(30..60).new_tree(&mut runner).unwrap().current();
        for sent in call.messages() {
            let side = if sent.from == "a" { "caller" } else { "callee" };
            let role =
                sent.description.map(|(role, cseq)| (format!("{role:?}"), cseq == sent.cseq));
            seen.insert(format!(
                "{side} {:?} {} {role:?}",
                sent.status.map(|s| s / 100),
                sent.method
            ));
        }
        seen.extend(call.messages().iter().map(|sent| format!("fork {}", sent.to)));
    }
    let seen: Vec<_> = seen.into_iter().collect();
    insist(
        &seen,
        &[
            "caller None INVITE Some((\"Offer\", true))",
            "caller None INVITE None",
            "caller Some(1) INVITE None",
            "caller Some(1) INVITE Some((\"Answer\", true))",
            "caller Some(1) INVITE Some((\"Offer\", true))",
            "caller Some(2) INVITE None",
            "caller Some(2) INVITE Some((\"Answer\", true))",
            "caller Some(2) INVITE Some((\"Offer\", true))",
            "caller None ACK None",
            "caller None ACK Some((\"Answer\", true))",
            "caller None PRACK Some((\"Answer\", false))",
            "caller None PRACK Some((\"Offer\", true))",
            "caller None PRACK None",
            "caller Some(2) PRACK Some((\"Answer\", true))",
            "caller None UPDATE Some((\"Offer\", true))",
            "caller Some(2) UPDATE Some((\"Answer\", true))",
            "callee None INVITE Some((\"Offer\", true))",
            "callee None INVITE None",
            "callee Some(2) INVITE Some((\"Offer\", true))",
            "callee Some(2) INVITE Some((\"Answer\", true))",
            "callee None ACK Some((\"Answer\", true))",
            "callee None PRACK Some((\"Answer\", false))",
            "callee None PRACK Some((\"Offer\", true))",
            "callee None UPDATE Some((\"Offer\", true))",
            "caller Some(4) INVITE None",
            "fork b1",
            "fork b2",
            "fork b3",
        ],
    );
}

fn insist(seen: &[String], wanted: &[&str]) {
    for wanted in wanted {
        assert!(seen.iter().any(|seen| seen == wanted), "{wanted} is not in {seen:#?}");
    }
}
