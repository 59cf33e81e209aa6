//! The C boundary: `include/mediaproxy.h`. It only translates: pointers to
//! references, panics to `MP_ERR_PANIC`, [`crate::Error`] to a number and a
//! text. Each file is one handle and one group of the header; its `//!` comment
//! is the heading of the group. Every export uses the wrapper `boundary!`.
//!
//! The doc comments of the exported items become the header's comments
//! (`tests/c/header.rs`), so they address C programmers. The contract at the top
//! of that header makes every call safe: a pointer is NULL or what the comment
//! says, and lives as long as the comment says.

// One contract for all, see above.
#![allow(clippy::missing_safety_doc)]

#[macro_use]
mod boundary;

mod buffer;
mod values;

pub mod address;
pub mod clock;
pub mod config;
pub mod edits;
pub mod engine;
pub mod error;
pub mod keeper;
pub mod log;
pub mod message;
pub mod options;
pub mod proxy;
pub mod relay;
pub mod request;
pub mod statistics;
pub mod status;
pub mod text;
pub mod verdict;
pub mod version;
pub mod worker;

#[cfg(test)]
mod tests;
