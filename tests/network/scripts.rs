//! Calls written as scripts, from the plainest one to those that were wrong once.

use kit::sim::{Script, run_recorded};

/// Runs a script; what happened is in the error.
#[track_caller]
fn holds(text: &str) {
    let script: Script = text.parse().unwrap();
    let outcome = run_recorded(&script);
    let record = outcome.record.join("\n");
    assert!(outcome.faults.is_empty(), "{record}\n\n{script}\n{}", outcome.faults.join("\n"));
}

const PLAIN: &str = "
    a calls
    wait 100
    b rings
    wait 100
    b answers
    wait 3000
    a hangs-up
    wait 5000
";

#[test]
fn plain_call_through_proxies() {
    for topology in ["direct", "stateful", "fork", "fork3", "downstream", "both", "proxies"] {
        holds(&format!("topology {topology}\n{PLAIN}"));
    }
    holds(&format!("topology chain\nrelays 2\n{PLAIN}"));
}
