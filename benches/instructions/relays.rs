//! What is done for a call besides its message: choosing a relay, and the call
//! table.

use std::sync::Arc;

use mediaproxy::Engine;
use mediaproxy::Log;
use mediaproxy::Settings;
use mediaproxy::internals::hash::hash;
use mediaproxy::internals::shared::calls::history::OfferAnswerUpdate;
use mediaproxy::internals::shared::calls::{
    CallKey, CallMessage, CallUpdate, Recorded, RelayPorts, Ticket,
};
use mediaproxy::sip::Method;

const CALL_ID: &str = "3848276298220188511@atlanta.example.com";
const FROM_TAG: &[u8] = b"9fxced76sl";
const TO_TAG: &[u8] = b"8321234356";

fn engine(relays: u32) -> Arc<Engine> {
    let line = |n| format!("mediaproxy2:/run/relay-{n}.sock;weight={}", n % 4 + 1);
    engine_with((0..relays).map(line))
}

/// An engine without client lists.
pub(crate) fn engine_with(relays: impl IntoIterator<Item = String>) -> Arc<Engine> {
    let mut settings = Settings::new();
    for name in ["sip_asymmetrics", "rtp_asymmetrics"] {
        settings.set(name, "").expect("no list");
    }
    for relay in relays {
        settings.set("relay", &relay).expect("a relay");
    }
    Engine::new(settings, Log::none()).expect("an engine")
}

/// The relay of a new call, its Call-ID hashed, each time another; of 100
/// relays `dead` do not answer.
pub(crate) fn choose(times: u64, dead: usize) {
    let engine = engine(100);
    let (list, health) = (engine.relays(), engine.health());
    let pool = list.pool("", b"", b"").expect("the unnamed set");
    for relay in list.relays().take(dead) {
        assert!(health.mark_suspect(relay.slot.expect("a slot"), 1));
    }
    let mut call_id = CALL_ID.as_bytes().to_vec();
    for n in 0..times {
        call_id[..8].copy_from_slice(&n.to_le_bytes());
        let usable = |relay: &mediaproxy::internals::relay::Relay| {
            relay.slot.is_some_and(|slot| health.is_available(slot))
        };
        assert!(list.choose(pool, hash(&call_id), usable).is_some());
    }
}

fn known_key(engine: &Engine) -> CallKey {
    engine.calls().key(CALL_ID.as_bytes(), FROM_TAG, TO_TAG)
}

/// A call whose INVITE is stored, and its answer, which is not.
fn called(engine: &Engine) -> (CallMessage, CallUpdate) {
    let calls = engine.calls();
    let key = calls.key(CALL_ID.as_bytes(), FROM_TAG, b"");
    let invite = CallMessage { method: Method::Invite, cseq: 1, ..CallMessage::command(key) };
    let offer_answer = OfferAnswerUpdate { offered: Some(1), ..OfferAnswerUpdate::default() };
    let mut media = RelayPorts::default();
    media.set(0, "198.51.100.7:50000".parse().expect("an address"));
    let offer = CallUpdate { relay: 7, offer_answer, media, relayed_lines: Some(1) };
    let ticket = calls.begin(&invite, 100);
    assert!(matches!(calls.record(&invite, ticket, &offer, 100), Recorded::Stored { .. }));
    let answer = CallMessage { key: known_key(engine), status: Some(200), ..invite };
    let offer_answer = OfferAnswerUpdate::default();
    (answer, CallUpdate { offer_answer, relayed_lines: None, ..offer })
}

/// A call whose INVITE and answer are stored: a message of its dialog.
fn known_call(engine: &Engine) -> (CallMessage, CallUpdate) {
    let (answer, update) = called(engine);
    let calls = engine.calls();
    let recorded = calls.record(&answer, calls.begin(&answer, 100), &update, 100);
    assert!(matches!(recorded, Recorded::Stored { .. }));
    (answer, update)
}

/// The keyed hashes of a message's Call-ID and tags.
pub(crate) fn key(times: u64) {
    let engine = engine(1);
    let known = known_key(&engine);
    let calls = engine.calls();
    for _ in 0..times {
        assert_eq!(calls.key(CALL_ID.as_bytes(), FROM_TAG, TO_TAG), known);
    }
}

/// Which relay a known call is on.
pub(crate) fn look_up(times: u64) {
    look_up_of(known_call, times);
}

/// The same for the first reply of a callee, which makes its dialog.
pub(crate) fn first_reply(times: u64) {
    look_up_of(called, times);
}

fn look_up_of(stored: fn(&Engine) -> (CallMessage, CallUpdate), times: u64) {
    let engine = engine(1);
    let (message, update) = stored(&engine);
    let calls = engine.calls();
    for _ in 0..times {
        let leg = calls.look_up(std::hint::black_box(&message), 101);
        assert_eq!(leg.relay(), Some(update.relay));
    }
}

/// A repeated answer of a known call: relay, dialog, media.
pub(crate) fn record(times: u64) {
    let engine = engine(1);
    let (message, update) = known_call(&engine);
    let calls = engine.calls();
    let ticket = calls.begin(&message, 100);
    for n in 0..times {
        let seconds = 100 + (n as u32 & 1023);
        let recorded = calls.record(&message, ticket, &update, seconds);
        assert!(matches!(recorded, Recorded::Stored { .. }));
    }
}

/// INVITEs that start calls. Always as many keys, so that only the times count.
fn invites(engine: &Engine) -> Vec<CallMessage> {
    let key = |n: u32| engine.calls().key(&n.to_be_bytes(), FROM_TAG, b"");
    let invite = |key| CallMessage { method: Method::Invite, cseq: 1, ..CallMessage::command(key) };
    (0..2_000).map(key).map(invite).collect()
}

/// The INVITE of a new call, before the request to its relay.
pub(crate) fn begin(times: u64) {
    let engine = engine(1);
    let (calls, invites) = (engine.calls(), invites(&engine));
    for invite in invites.iter().take(times as usize) {
        assert_ne!(calls.begin(std::hint::black_box(invite), 100), Ticket::default());
    }
}

/// A message of an unknown call, in a table that has been full.
pub(crate) fn miss(times: u64) {
    let mut settings = Settings::new();
    for (name, value) in [("sip_asymmetrics", ""), ("rtp_asymmetrics", ""), ("max_calls", "256")] {
        settings.set(name, value).expect("a setting");
    }
    let engine = Engine::new(settings, Log::none()).expect("an engine");
    let (calls, invites) = (engine.calls(), invites(&engine));
    for invite in &invites {
        calls.begin(invite, 100);
    }
    let message = CallMessage::command(known_key(&engine));
    for _ in 0..times {
        let leg = calls.look_up(std::hint::black_box(&message), 1_000);
        assert_eq!(leg.relay(), None);
    }
}
