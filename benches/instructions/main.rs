//! How many instructions an operation takes (callgrind: the same on every run,
//! whatever else the machine does), beside its budget and the committed count.
//!
//! ```text
//! cargo bench --bench instructions               the table
//! cargo bench --bench instructions -- --check    fails above the committed counts, and
//!                                                above a budget with their compiler
//! cargo bench --bench instructions -- --write    rewrites them
//! ```
//!
//! Rows whose names end in `_c` go through the C interface, as a server does.
//! `..._rewrite` is the Rust part alone, from the raw message to the new one,
//! with the relay's answer given: nobody is asked. `asked_...` are asked and
//! answered over a socket; `_c` has all that a server pays for a rewrite.
//!
//! Each operation runs `WARM_UP` and then `WARM_UP + TIMES` times, each in a
//! process of its own under callgrind; the difference by `TIMES` is the cost of
//! one, start and warm-up taken out.

mod asked;
mod counts;
mod messages;
mod operations;
mod relays;

use std::process::{Command, ExitCode};

use counts::{Committed, Counts};
use operations::{OPERATIONS, Operation};

const WARM_UP: u64 = 100;
const TIMES: u64 = 500;
/// How far a count may be above the committed one, in per cent.
const TOLERANCE: u64 = 2;
/// The same when another compiler made the program than wrote the counts.
const OTHER_COMPILER: u64 = 15;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments.as_slice() {
        ["--run", name, times] => {
            let operation = OPERATIONS.iter().find(|operation| operation.name == *name);
            let times = times.parse().expect("a number of repetitions");
            (operation.expect("the name of an operation").run)(times);
            ExitCode::SUCCESS
        }
        other => {
            let has = |flag| other.contains(&flag);
            let only = other.iter().copied().find(|argument| !argument.starts_with("--"));
            measure_all(only, has("--check"), has("--write"))
        }
    }
}

fn measure_all(only: Option<&str>, check: bool, write: bool) -> ExitCode {
    let committed = Committed::read();
    let mut counts = Counts::default();
    let mut above = 0;
    let tolerance = match committed.is_of_this_compiler() {
        true => TOLERANCE,
        false => OTHER_COMPILER,
    };
    println!("{:<28} {:>9} {:>9} {:>9}", "instructions", "now", "committed", "budget");
    for operation in OPERATIONS.iter().filter(|operation| only.is_none_or(|o| o == operation.name))
    {
        let count = measure(operation);
        let before = committed.of(operation.name);
        let too_many = before.is_none_or(|before| count > before + before * tolerance / 100);
        let shown = |number: Option<u64>| number.map_or("-".to_string(), |n| n.to_string());
        let over = operation.budget.is_some_and(|budget| count > budget);
        let mark = match (too_many, over) {
            (true, _) => "  above the committed count",
            (false, true) => "  over budget",
            (false, false) => "",
        };
        println!(
            "{:<28} {count:>9} {:>9} {:>9}{mark}",
            operation.name,
            shown(before),
            shown(operation.budget)
        );
        above += u32::from(too_many || over && committed.is_of_this_compiler());
        counts.add(operation.name, count);
    }
    if write {
        counts.write();
        return ExitCode::SUCCESS;
    }
    if check && above > 0 { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

fn measure(operation: &Operation) -> u64 {
    let less = collected(operation.name, WARM_UP);
    let more = collected(operation.name, WARM_UP + TIMES);
    more.saturating_sub(less) / TIMES
}

/// Instructions of a whole process that runs an operation so many times.
fn collected(name: &str, times: u64) -> u64 {
    let program = std::env::current_exe().expect("the path of this program");
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(program)
        .args(["--run", name, &times.to_string()])
        // What the environment holds moves the stack and so the count.
        .env_clear()
        .output()
        .expect("valgrind runs; install the Debian package valgrind");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{name} fails under callgrind:\n{said}");
    let line = said.lines().find_map(|line| line.split_once("Collected : "));
    line.and_then(|(_, count)| count.trim().parse().ok()).expect("callgrind's count")
}
