//! NAT tests and the fix of Contact. Pure decisions over a message.

pub mod contact;
mod first_hop;
mod flags;
pub mod networks;
pub mod run;
mod verdict;

pub use contact::fix_contact;
pub use first_hop::is_first_hop;
pub use flags::Tests;
pub use networks::Networks;
pub use run::{Context, test, test_with_lookup};
pub use verdict::{Endpoint, Evidence, EvidenceHost, Verdict};
