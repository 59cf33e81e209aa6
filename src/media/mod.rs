//! From SDP to a request for a relay, and from its answer to edits. Pure
//! decisions.

pub mod plan;
pub mod prepare;
pub mod role;
mod stream;

pub use plan::{Plan, plan};
pub use prepare::{CallState, Prepared, prepare};
