//! What is done for a call besides its message: choosing a relay, and the call
//! table.

use std::sync::Arc;

use mediaproxy::Engine;
use mediaproxy::Log;
use mediaproxy::Settings;
use mediaproxy::internals::hash::hash;
use mediaproxy::internals::shared::calls::history::OfferAnswerUpdate;
use mediaproxy::internals::shared::calls::{BranchState, CallKey, CallUpdate};

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

fn known_call(engine: &Engine) -> (CallKey, CallUpdate) {
    let key = engine.calls().key(CALL_ID.as_bytes(), FROM_TAG, TO_TAG);
    let offer_answer = OfferAnswerUpdate { offered: Some(1), ..OfferAnswerUpdate::default() };
    let media = Some(("198.51.100.7".parse().expect("an address"), 50_000, 50_002));
    let event = CallUpdate { relay: 7, branch: Some(BranchState::Answered), offer_answer, media };
    assert!(engine.calls().record(key, &event, 100));
    (key, event)
}

/// The keyed hashes of a message's Call-ID and tags.
pub(crate) fn key(times: u64) {
    let engine = engine(1);
    let (known, _) = known_call(&engine);
    let calls = engine.calls();
    for _ in 0..times {
        assert_eq!(calls.key(CALL_ID.as_bytes(), FROM_TAG, TO_TAG), known);
    }
}

/// Which relay a known call is on.
pub(crate) fn look_up(times: u64) {
    let engine = engine(1);
    let (key, event) = known_call(&engine);
    let calls = engine.calls();
    for _ in 0..times {
        assert_eq!(calls.relay(std::hint::black_box(key)), Some(event.relay));
    }
}

/// A repeated message of a known call: relay, branch, CSeq, media.
pub(crate) fn record(times: u64) {
    let engine = engine(1);
    let (key, event) = known_call(&engine);
    let calls = engine.calls();
    for n in 0..times {
        let seconds = 100 + (n as u32 & 1023);
        assert!(calls.record(key, &event, seconds));
    }
}
