//! Input that means harm, or does it unmeant: what crashed, hung or misled
//! other servers, and what would make a parser slow.

mod common;
#[path = "common/rewriting.rs"]
mod rewriting;

#[path = "hostile/broke_others.rs"]
mod broke_others;
#[path = "hostile/linear_time.rs"]
mod linear_time;
#[path = "hostile/shapes.rs"]
mod shapes;
