//! The built-in proxy server as a daemon.
fn main() {}
