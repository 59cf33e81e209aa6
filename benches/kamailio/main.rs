//! What the module costs a real Kamailio, beside its own modules mediaproxy and
//! nat_traversal: the same server, messages and relay (`mediaproxyd`).
//!
//! `cargo bench --bench kamailio`: a table of instructions a call. Needs
//! kamailio and valgrind, and what `make -C bindings/kamailio` needs.
//!
//! The server runs under callgrind, which counts within `receive_msg` only. An
//! INVITE and its 200 OK come N and 2 N times, so what is done once falls out;
//! what is left, less the same with a route that does nothing, is the cost of
//! the functions. The server has parsed all headers before, as any script makes
//! it do. Nothing is sent on, so the changes are made as lumps and not
//! assembled, which the server does for both alike.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

mod server;

use server::{Modules, Server};

/// Calls in the shorter of the two runs.
const CALLS: usize = 50;
/// What share of the stock modules' instructions ours may take.
const GOAL: f64 = 1.0 / 3.0;

/// What is measured: what the route does, and without what it is compared.
struct Operation {
    name: &'static str,
    does: &'static [&'static str],
    without: &'static [&'static str],
}

const OPERATIONS: [Operation; 4] = [
    Operation { name: "client_nat_test(\"7\")", does: &["NAT_TEST"], without: &[] },
    Operation {
        name: "client_nat_test + fix_contact",
        does: &["NAT_TEST", "FIX_CONTACT"],
        without: &[],
    },
    Operation { name: "use_media_proxy, INVITE", does: &["OFFER"], without: &[] },
    Operation { name: "use_media_proxy, 200 OK", does: &["OFFER", "ANSWER"], without: &["OFFER"] },
];

fn main() -> ExitCode {
    // `cargo test --benches` runs this too, and wants no measurement.
    if std::env::args().any(|argument| argument == "--test") {
        return ExitCode::SUCCESS;
    }
    let ours = match build() {
        Ok(path) => path,
        Err(reason) => {
            eprintln!("{reason}");
            return ExitCode::FAILURE;
        }
    };
    println!("{:32} {:>10} {:>10} {:>7}", "instructions a call", "ours", "stock", "ratio");
    let mut costs = Costs { ours: Modules::Ours(ours), known: Vec::new() };
    let mut over = false;
    for operation in &OPERATIONS {
        let [ours, stock] = [true, false].map(|ours| costs.of(operation, ours));
        let ratio = ours / stock;
        over |= ratio > GOAL;
        println!("{:32} {ours:>10.0} {stock:>10.0} {ratio:>7.3}", operation.name);
    }
    println!("goal: a ratio of {GOAL:.3}{}", if over { ", missed" } else { "" });
    ExitCode::SUCCESS
}

/// Builds our module as its users do; the directory it is in.
fn build() -> Result<PathBuf, String> {
    let made = Command::new("make")
        .arg("-C")
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("bindings/kamailio"))
        .output()
        .map_err(|error| format!("make: {error}"))?;
    if !made.status.success() {
        return Err(String::from_utf8_lossy(&made.stderr).into_owned());
    }
    let program = std::env::current_exe().map_err(|error| error.to_string())?;
    let target = program.ancestors().nth(3).ok_or("the target directory is not known")?;
    Ok(target.join("kamailio"))
}

/// Counts that were made, of which operations share some.
struct Costs {
    ours: Modules,
    known: Vec<(Vec<&'static str>, bool, f64)>,
}

impl Costs {
    fn of(&mut self, operation: &Operation, ours: bool) -> f64 {
        self.route(operation.does, ours) - self.route(operation.without, ours)
    }

    /// The instructions of a call through a route that does this.
    fn route(&mut self, does: &[&'static str], ours: bool) -> f64 {
        let known = self.known.iter().find(|(did, whose, _)| did == does && *whose == ours);
        if let Some((_, _, cost)) = known {
            return *cost;
        }
        let modules = if ours { &self.ours } else { &Modules::Stock };
        let [once, twice] = [CALLS, 2 * CALLS].map(|calls| Server::count(modules, does, calls));
        let cost = (twice as f64 - once as f64) / CALLS as f64;
        self.known.push((does.to_vec(), ours, cost));
        cost
    }
}
