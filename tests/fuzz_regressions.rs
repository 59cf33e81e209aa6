//! The inputs that once upset a fuzz target, and the seeds the targets start
//! from, through the same functions as the targets in `fuzz/`.

#[allow(unreachable_pub)]
#[path = "../fuzz/checks/mod.rs"]
mod checks;

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::{Path, PathBuf};

/// The files in a directory below `fuzz/`; none where it is missing.
fn inputs(kind: &str, target: &str) -> Vec<PathBuf> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz").join(kind).join(target);
    let Ok(entries) = fs::read_dir(directory) else { return Vec::new() };
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

fn run(kind: &str) -> usize {
    let mut count = 0;
    for (target, check) in checks::ALL {
        for file in inputs(kind, target) {
            let bytes = fs::read(&file).unwrap();
            if let Err(panic) = catch_unwind(AssertUnwindSafe(|| check(&bytes))) {
                println!("in {}", file.display());
                resume_unwind(panic);
            }
            count += 1;
        }
    }
    count
}

#[test]
fn what_once_upset_a_target_does_so_no_more() {
    println!("{} inputs", run("regressions"));
}

#[test]
fn every_target_has_seeds_and_takes_them() {
    for (target, _) in checks::ALL {
        assert!(!inputs("seeds", target).is_empty(), "{target} has no seeds");
    }
    println!("{} seeds", run("seeds"));
}
