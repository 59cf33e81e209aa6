//! The inputs that once upset a fuzz target, and the seeds the targets start
//! from, through the same functions as the targets in `fuzz/`.

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::PathBuf;

use kit::fuzz;

/// The files in a directory below `fuzz/`; none where it is missing.
fn inputs(kind: &str, target: &str) -> Vec<PathBuf> {
    let directory = kit::root().join("fuzz").join(kind).join(target);
    let Ok(entries) = fs::read_dir(directory) else { return Vec::new() };
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

fn run(kind: &str) -> usize {
    let mut count = 0;
    for (target, check) in fuzz::ALL {
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

/// The names in a directory below `fuzz/`, in order.
fn names_in(directory: &str) -> Vec<String> {
    let directory = kit::root().join("fuzz").join(directory);
    let entries = fs::read_dir(&directory).unwrap_or_else(|e| panic!("{directory:?}: {e}"));
    let name = |entry: std::io::Result<fs::DirEntry>| entry.unwrap().file_name();
    let mut names: Vec<String> = entries.map(|e| name(e).into_string().unwrap()).collect();
    names.sort();
    names
}

fn is_target(name: &str) -> bool {
    fuzz::ALL.iter().any(|(target, _)| *target == name)
}

#[test]
fn fuzz_targets_are_all_listed() {
    let targets: Vec<String> = fuzz::ALL.iter().map(|(target, _)| format!("{target}.rs")).collect();
    assert_eq!(names_in("fuzz_targets"), targets);
}

#[test]
fn fuzz_regressions_pass() {
    let folders = names_in("regressions");
    assert!(!folders.is_empty(), "no inputs");
    for folder in folders {
        assert!(is_target(&folder), "fuzz/regressions/{folder} is of no target");
        assert!(!inputs("regressions", &folder).is_empty(), "fuzz/regressions/{folder} is empty");
    }
    println!("{} inputs", run("regressions"));
}

#[test]
fn every_target_has_seeds_and_takes_them() {
    for folder in names_in("seeds") {
        assert!(is_target(&folder), "fuzz/seeds/{folder} is of no target");
    }
    for (target, _) in fuzz::ALL {
        assert!(!inputs("seeds", target).is_empty(), "{target} has no seeds");
    }
    println!("{} seeds", run("seeds"));
}
