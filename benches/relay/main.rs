//! The relay under load: 200 calls, both ways, 50 packets a second each, and
//! a bare forwarder under the same load for comparison.
//!
//! `cargo bench --bench relay [-- SECONDS [CALLS]]`: 30 seconds and 200 calls
//! unless told. Every packet is counted; one that the proxy loses makes it
//! fail.

use std::process::ExitCode;
use std::time::Duration;

use kit::load;
use mediaproxy::proxy::{Config, Proxy};

mod bare;

fn report(relay: &str, outcome: &load::Outcome) {
    let (sent, received) = (outcome.sent, outcome.received);
    println!("{relay:5} sent {sent}, received {received}, lost {}", outcome.lost());
    println!("{relay:5} wrong or out of order {}", outcome.wrong);
    if let Some(cpu) = outcome.cpu {
        let each = cpu.as_secs_f64() * 1e6 / received.max(1) as f64;
        println!("{relay:5} CPU {each:.2} us a packet");
    }
}

fn main() -> ExitCode {
    let mut numbers = std::env::args().skip(1).filter_map(|argument| argument.parse::<u16>().ok());
    let seconds = numbers.next().unwrap_or(30);
    let calls = numbers.next().unwrap_or(200);
    let directory = std::env::temp_dir().join(format!("mediaproxy-load-{}", std::process::id()));
    let socket = directory.join("s");
    let config = Config::new(&socket, vec!["127.0.0.1".parse().unwrap()], (20_000, 31_999));
    let proxy = Proxy::bind(config).unwrap();
    proxy.start().unwrap();
    let time = Duration::from_secs(seconds.into());
    println!("{calls} calls, {seconds} s");
    let outcome = load::run(&socket, calls.into(), time);
    proxy.stop();
    let _ = std::fs::remove_dir_all(&directory);
    report("proxy", &outcome);
    report("bare", &bare::run(calls.into(), time));
    match outcome.sent > 0 && outcome.received == outcome.sent && outcome.wrong == 0 {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    }
}
