//! Is the client behind NAT, and where does it really answer? Pure decisions.

pub mod contact;
pub mod networks;
pub mod test;

pub use contact::fix_contact;
pub use networks::Networks;
pub use test::{Endpoint, Evidence, EvidenceHost, Tests, Verdict, test};
