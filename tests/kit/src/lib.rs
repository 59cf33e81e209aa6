//! What the tests, benches, fuzz targets and examples share: messages, stand-in
//! relays, phones, running programs, network namespaces, child processes and
//! the rules that every rewrite keeps.

pub mod audio;
pub mod c;
pub mod call;
pub mod children;
pub mod corpus;
pub mod daemon;
pub mod directory;
pub mod fuzz;
pub mod json;
pub mod keeper;
pub mod load;
pub mod netns;
pub mod oracle;
pub mod promises;
pub mod proxy;
pub mod relay;
pub mod rewriting;
pub mod running;
pub mod sim;
pub mod sip;
pub mod sipp;

mod place;

pub use place::{here_of, profile_directory, program, root, target_tmp};

use std::net::SocketAddr;
use std::sync::Arc;

use mediaproxy::Edits;
use mediaproxy::Log;
use mediaproxy::Settings;
use mediaproxy::sip::{Message, Source, Transport};
use mediaproxy::{Engine, Worker};

/// A source on UDP.
pub fn udp(address: &str) -> Source {
    let address: SocketAddr = address.parse().unwrap();
    Source { address, local: None, transport: Transport::Udp }
}

/// A message whose lines end in CRLF, from text with bare line ends.
pub fn crlf(text: &str) -> Vec<u8> {
    text.replace("\r\n", "\n").replace('\n', "\r\n").into_bytes()
}

/// Headers and body put together, with the right Content-Length.
pub fn with_body(head: &str, body: &str) -> Vec<u8> {
    let body = crlf(body);
    let mut message = crlf(head.trim_end());
    message.extend_from_slice(
        format!("\r\nContent-Type: application/sdp\r\nContent-Length: {}\r\n\r\n", body.len())
            .as_bytes(),
    );
    message.extend_from_slice(&body);
    message
}

/// A worker of its own engine, with these settings and no client lists.
pub fn worker(settings: &[(&str, &str)]) -> Worker {
    Worker::new(engine(settings)).unwrap()
}

/// A relay that serves every request, and a worker that uses it.
pub fn relay_and_worker() -> (relay::Relay, Worker) {
    let relay = relay::Relay::answering();
    let worker = worker(&[("relay", &relay.uri())]);
    (relay, worker)
}

/// An engine with these settings and no client lists.
pub fn engine(settings: &[(&str, &str)]) -> Arc<Engine> {
    let mut all = Settings::new();
    for (name, value) in [("sip_asymmetrics", ""), ("rtp_asymmetrics", ""), ("max_calls", "256")] {
        all.set(name, value).unwrap();
    }
    for (name, value) in settings {
        all.set(name, value).unwrap();
    }
    Engine::new(all, Log::none()).unwrap()
}

/// Applies edits and shows the result as text.
pub fn applied(raw: &[u8], source: Source, edits: &Edits) -> String {
    let message = Message::parse(raw, source).unwrap();
    let mut out = Vec::new();
    edits.apply(&message, &mut out).unwrap();
    String::from_utf8_lossy(&out).into_owned()
}

/// How many cases a property tries that is slower or faster than most.
/// `PROPTEST_CASES` scales the number, as it does the usual 256.
pub fn cases(usual: u32) -> u32 {
    let wanted = std::env::var("PROPTEST_CASES").ok().and_then(|number| number.parse().ok());
    let cases = u64::from(usual) * wanted.unwrap_or(256u64) / 256;
    u32::try_from(cases).unwrap_or(u32::MAX).max(1)
}
