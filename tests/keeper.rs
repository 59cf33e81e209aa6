//! A server of many processes: what its keeper does for all of them, and what
//! stays right when any of them is killed.

mod common;

#[path = "keeper/apart.rs"]
mod apart;
#[path = "keeper/deletes.rs"]
mod deletes;
#[path = "keeper/processes.rs"]
mod processes;
#[path = "keeper/relays_file.rs"]
mod relays_file;
#[path = "keeper/storm.rs"]
mod storm;
#[path = "keeper/watching.rs"]
mod watching;
