//! Debian's Kamailio with phones behind real NATs: the stock modules through
//! `mediaproxyd`, and ours with the configurations that are shipped.

mod calls;
mod corpus;
mod differences;
mod dropin;
mod ends;
mod engaged;
mod failing;
mod files;
mod forked;
mod load;
mod makefile;
mod manage;
mod memcheck;
mod module;
mod parameters;
mod phone;
mod repaired;
mod routes;
mod scene;
mod server;
mod stock;
mod values;
