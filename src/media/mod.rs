//! From a session description to a relay's request, and from its answer to
//! edits. Pure decisions.

pub mod plan;
pub mod prepare;
pub mod role;
mod stream;

pub use plan::{Plan, plan};
pub use prepare::{CallState, Prepared, prepare};
