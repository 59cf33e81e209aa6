//! Input that means harm, or does it unmeant: what crashed, hung or misled
//! other servers, and what would make a parser slow.

mod broke_others;
mod linear_time;
mod shapes;
