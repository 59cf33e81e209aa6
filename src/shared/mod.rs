//! The shared block: one anonymous mapping, made before the fork and shared by all
//! processes of a server. It consists of atomic words and has no locks, so a
//! process may die at any point.

pub mod block;
pub mod calls;
pub mod counters;
pub mod deletes;
pub mod generations;
pub mod health;
pub mod layout;
pub mod lease;
#[cfg(test)]
mod test_children;

pub use block::Block;
pub use calls::{CallKey, CallMessage, Calls};
pub use counters::{Counter, Counters};
pub use deletes::{Delete, Deletes};
pub use generations::Generation;
pub use health::HealthTable;
pub use layout::Shared;
pub use lease::Lease;
