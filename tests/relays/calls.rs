//! Calls of any Call-ID, and what became of their descriptions.

use mediaproxy::Options;
use mediaproxy::internals::hash::hash;
use mediaproxy::{Error, Worker};

use kit::call::{Step, answer, terminate};

pub(crate) fn ok(to: &'static str) -> Step {
    answer("200 OK", to)
}

pub(crate) fn bye() -> Step {
    Step::request("BYE", 9, "a", "b")
}

/// The reply that ends a call which nobody has answered.
pub(crate) fn failure() -> Step {
    Step::reply("480 Temporarily Unavailable", "INVITE", 1, "a", "b")
}

/// The address that media goes to after the rewrite.
pub(crate) fn rewrite(worker: &mut Worker, call_id: &str, step: Step) -> Result<String, Error> {
    rewrite_with(worker, call_id, step, &Options::default())
}

pub(crate) fn rewrite_with(
    worker: &mut Worker,
    call_id: &str,
    step: Step,
    options: &Options,
) -> Result<String, Error> {
    let text = kit::call::rewrite_with(worker, &step.call_id(call_id), options)?.expect("an SDP");
    let line = text.lines().find(|line| line.starts_with("c=IN IP4 ")).unwrap();
    Ok(line["c=IN IP4 ".len()..].to_string())
}

pub(crate) fn end(worker: &mut Worker, call_id: &str, step: Step) {
    terminate(worker, &step.call_id(call_id)).unwrap();
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
