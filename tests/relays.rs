//! Servers of several processes and several relays: which relay a call goes to,
//! which stay out of it, and what is known of them everywhere.

mod common;

#[path = "relays/affinity.rs"]
mod affinity;
#[path = "relays/calls.rs"]
mod calls;
#[path = "relays/choosing.rs"]
mod choosing;
#[path = "relays/daemon.rs"]
mod daemon;
#[path = "relays/failing.rs"]
mod failing;
#[path = "relays/statistics.rs"]
mod statistics;
