//! The relay under load: 200 calls, both ways, 50 packets a second each.
//!
//! `cargo bench --bench relay [-- SECONDS [CALLS]]`: 30 seconds and 200 calls
//! unless told. Every packet is counted; a lost one makes it fail.

use std::process::ExitCode;
use std::time::Duration;

use mediaproxy::proxy::{Config, Proxy};

#[path = "relay/load.rs"]
mod load;

fn main() -> ExitCode {
    let mut numbers = std::env::args().skip(1).filter_map(|argument| argument.parse::<u16>().ok());
    let seconds = numbers.next().unwrap_or(30);
    let calls = numbers.next().unwrap_or(200);
    let directory = std::env::temp_dir().join(format!("mediaproxy-load-{}", std::process::id()));
    let socket = directory.join("s");
    let config = Config::new(&socket, vec!["127.0.0.1".parse().unwrap()], (20_000, 31_999));
    let proxy = Proxy::bind(config).unwrap();
    proxy.start().unwrap();
    let outcome = load::run(&socket, calls.into(), Duration::from_secs(seconds.into()));
    proxy.stop();
    let _ = std::fs::remove_dir_all(&directory);
    println!("calls     {calls}, {seconds} s");
    println!("sent      {}", outcome.sent);
    println!("received  {}", outcome.received);
    println!("lost      {}", outcome.lost());
    println!("wrong     {}", outcome.wrong);
    if let Some(cpu) = outcome.cpu {
        let packets = outcome.received.max(1) as f64;
        println!("CPU       {:.2} us a packet", cpu.as_secs_f64() * 1e6 / packets);
    }
    match outcome.sent > 0 && outcome.received == outcome.sent && outcome.wrong == 0 {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    }
}
