//! Servers of several processes and several relays: which relay a call goes to,
//! what a relay can do wrong, what the keeper does for all processes, and what
//! stays right when any of them is killed. Whoever forks takes
//! [`kit::children::alone`] first.

mod affinity;
mod calls;
mod choosing;
mod daemon;
mod deletes;
mod end_meets_rewrite;
mod failing;
mod faults;
mod keeper;
mod protocols;
mod proxy_fork;
mod rtpengine;
mod seed_recordings;
mod statistics;
mod tcp;
