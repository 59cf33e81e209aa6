//! Messages and descriptions that nobody on this project wrote. The corpus lies
//! outside the tree; without it these tests skip.

mod journey;
mod rfc4475;
mod rfc5118;
mod sip;
mod tally;
mod torture;
