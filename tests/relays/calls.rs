//! Calls of any Call-ID, and what became of their descriptions.

use mediaproxy::Edits;
use mediaproxy::Options;
use mediaproxy::internals::hash::hash;
use mediaproxy::sip::Message;
use mediaproxy::{Error, Worker};

use kit::applied;
use kit::call::{Step, alice_sdp, bob_sdp};

pub(crate) fn invite() -> Step {
    Step::request("INVITE", 1, "a", "").sdp(alice_sdp())
}

pub(crate) fn ok(to: &'static str) -> Step {
    Step::reply("200 OK", "INVITE", 1, "a", to).sdp(bob_sdp())
}

pub(crate) fn re_invite(cseq: u32) -> Step {
    Step::request("INVITE", cseq, "a", "b").sdp(alice_sdp())
}

pub(crate) fn bye() -> Step {
    Step::request("BYE", 9, "a", "b")
}

/// The message with this Call-ID.
fn bytes(step: &Step, call_id: &str) -> Vec<u8> {
    let raw = String::from_utf8(step.bytes()).unwrap();
    raw.replace("call@x", call_id).into_bytes()
}

/// The address that media goes to after the rewrite.
pub(crate) fn rewrite(worker: &mut Worker, call_id: &str, step: &Step) -> Result<String, Error> {
    rewrite_with(worker, call_id, step, &Options::default())
}

pub(crate) fn rewrite_with(
    worker: &mut Worker,
    call_id: &str,
    step: &Step,
    options: &Options,
) -> Result<String, Error> {
    let raw = bytes(step, call_id);
    let message = Message::parse(&raw, step.source()).unwrap();
    let mut edits = Edits::new();
    worker.rewrite_sdp(&message, options, &mut edits)?;
    let text = applied(&raw, step.source(), &edits);
    let line = text.lines().find(|line| line.starts_with("c=IN IP4 ")).unwrap();
    Ok(line["c=IN IP4 ".len()..].to_string())
}

pub(crate) fn end(worker: &mut Worker, call_id: &str, step: &Step) {
    let raw = bytes(step, call_id);
    let message = Message::parse(&raw, step.source()).unwrap();
    worker.end_session(&message, &Options::default()).unwrap();
}

/// Call-IDs whose calls the choice gives to this relay, while all are up.
pub(crate) fn ids_of<'w>(worker: &'w Worker, uri: &'w str) -> impl Iterator<Item = String> + 'w {
    let list = worker.relays();
    let pool = list.pool("", b"", b"").unwrap();
    (0..).map(|n| format!("call-{n}@example.com")).filter(move |id| {
        let relay = list.choose(pool, hash(id.as_bytes()), |_| true);
        relay.is_some_and(|relay| relay.uri.text == uri)
    })
}
