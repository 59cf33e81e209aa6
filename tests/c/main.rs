//! What C programmers get: the header, the libraries, the programs in
//! `c-tests/` and the examples.

mod compile;
mod examples;
mod header;
mod minimal_server;
mod programs;
mod symbols;
