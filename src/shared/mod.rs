//! One block of memory for all processes of a server: made before the fork,
//! anonymous, shared, nothing in it but atomic words. No lock can be held in
//! it, so a process may die at any point.

pub mod block;
pub mod calls;
pub mod counters;
pub mod deletes;
pub mod health;
pub mod layout;
pub mod process;
#[cfg(test)]
mod test_children;

pub use block::Block;
pub use calls::{CallKey, Calls, Life};
pub use counters::{Counter, Counters};
pub use deletes::{Delete, Deletes};
pub use health::Health;
pub use layout::{Generation, Shared};
pub use process::ProcessMark;
