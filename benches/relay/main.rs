//! The relay under load: 200 calls, both ways, 50 packets a second each, and
//! a bare forwarder under the same load for comparison.
//!
//! `cargo bench --bench relay [-- SECONDS [CALLS]]`: 30 seconds and 200 calls
//! unless told. Every packet is counted; one that the proxy loses makes it
//! fail.

use std::process::ExitCode;
use std::time::Duration;

use kit::load;
use kit::proxy::Server;

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
    let server = Server::start(|config| config.ports = (20_000, 31_999));
    let time = Duration::from_secs(seconds.into());
    println!("{calls} calls, {seconds} s");
    let outcome = load::run(server.connect(), calls.into(), time);
    server.proxy.stop();
    report("proxy", &outcome);
    report("bare", &bare::run(calls.into(), time));
    match outcome.sent > 0 && outcome.received == outcome.sent && outcome.wrong == 0 {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    }
}
