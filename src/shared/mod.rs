//! One block of memory for all processes of a server: made before the fork,
//! anonymous, shared, nothing in it but atomic words. No lock can be held in
//! it, so a process may die at any point.

pub mod block;
pub mod calls;
pub mod process;

pub use block::Block;
pub use calls::{CallKey, Calls, Life};
pub use process::ProcessMark;
