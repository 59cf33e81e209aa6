//! Is the client behind NAT, and where does it really answer? Pure decisions.

pub mod contact;
mod flags;
pub mod networks;
pub mod run;
mod verdict;

pub use contact::fix_contact;
pub use flags::Tests;
pub use networks::Networks;
pub use run::{Surroundings, test, test_asking};
pub use verdict::{Endpoint, Evidence, EvidenceHost, Verdict};
