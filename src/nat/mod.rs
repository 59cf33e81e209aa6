//! Is the client behind NAT, and where does it really answer? Pure decisions.

pub mod contact;
pub mod networks;
pub mod test;
mod test_set;
mod verdict;

pub use contact::fix_contact;
pub use networks::Networks;
pub use test::{Surroundings, test, test_asking};
pub use test_set::Tests;
pub use verdict::{Endpoint, Evidence, EvidenceHost, Verdict};
