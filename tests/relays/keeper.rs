//! A server of many processes: what its keeper does for all of them, and what
//! stays right when any of them is killed.

mod apart;
mod deletes;
mod idle;
mod processes;
mod relays_file;
mod storm;
mod watching;
