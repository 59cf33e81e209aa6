//! What each fuzz target does with its bytes, and what must hold for any
//! bytes. The targets in `fuzz/fuzz_targets/` and the
//! test `tests/api/fuzz_regressions.rs` run the same functions.

pub mod agents;
pub mod call;
pub mod codecs;
pub mod control;
pub mod edits;
pub mod input;
pub mod message;
pub mod multipart;
pub mod network;
pub mod relays;
pub mod sdp;

/// Panics where something does not hold.
pub type Check = fn(&[u8]);

/// Every target, by its name.
pub const ALL: [(&str, Check); 10] = [
    ("agents", agents::check),
    ("call", call::check),
    ("codecs", codecs::check),
    ("control", control::check),
    ("edits", edits::check),
    ("message", message::check),
    ("multipart", multipart::check),
    ("network", network::check),
    ("relays", relays::check),
    ("sdp", sdp::check),
];
