//! The simulated network, with a script made from the bytes.

use crate::sim::choices::Choices;
use crate::sim::generate;
use crate::sim::run;

pub fn check(bytes: &[u8]) {
    let seed = 1 + u64::from(bytes.first().copied().unwrap_or(0));
    let script = generate::script(&mut Choices::Bytes(bytes), seed);
    let outcome = run(&script);
    assert!(outcome.faults.is_empty(), "{script}\n{}", outcome.faults.join("\n"));
}
