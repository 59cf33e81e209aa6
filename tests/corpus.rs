//! Messages and descriptions that nobody on this project wrote. The corpus lies
//! outside the tree; without it these tests skip.

mod common;
#[path = "common/promises.rs"]
mod promises;
#[path = "common/rewriting.rs"]
mod rewriting;

#[path = "corpus/files.rs"]
mod files;
#[path = "corpus/journey.rs"]
mod journey;
#[path = "corpus/oracle.rs"]
mod oracle;
#[path = "corpus/rfc4475.rs"]
mod rfc4475;
#[path = "corpus/rfc5118.rs"]
mod rfc5118;
#[path = "corpus/sdp.rs"]
mod sdp;
#[path = "corpus/sip.rs"]
mod sip;
#[path = "corpus/tally.rs"]
mod tally;
#[path = "corpus/torture.rs"]
mod torture;
