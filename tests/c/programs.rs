//! The C programs in `c-tests/`: built every way a C program may be, and run.

mod memory;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use crate::compile::{self, EVERY_WAY, Language, Library};

/// The library a program needs.
fn libraries_of(name: &str) -> &'static Path {
    static DEFAULT: OnceLock<PathBuf> = OnceLock::new();
    static PANICKING: OnceLock<PathBuf> = OnceLock::new();
    if name == "poison" {
        PANICKING.get_or_init(compile::panicking_library)
    } else {
        DEFAULT.get_or_init(compile::library_directory)
    }
}

fn build(purpose: &str, name: &str, way: (Language, Library)) -> PathBuf {
    compile::build(purpose, &format!("c-tests/{name}.c"), way, libraries_of(name))
}

/// The ways a program may be built: bindings/common is C and no C++.
fn ways_of(name: &str) -> Vec<(Language, Library)> {
    let is_possible = |way: &(Language, Library)| name != "module" || way.0 == Language::C99;
    EVERY_WAY.into_iter().filter(is_possible).collect()
}

fn every_way(name: &str) {
    for way in ways_of(name) {
        let program = build("run", name, way);
        let out = program.parent().expect("the program's directory");
        compile::must_run(&mut Command::new(&program), out);
    }
}

const PROGRAMS: [&str; 12] = [
    "call",
    "call_rules",
    "every_function",
    "every_status",
    "fork_workers",
    "full_table",
    "keeper",
    "module",
    "new_free_cycles",
    "nonblocking",
    "null_everywhere",
    "poison",
];

#[test]
fn whole_call_through_a_relay_in_the_same_process() {
    every_way("call");
}

#[test]
fn calls_end_as_the_rules_say() {
    every_way("call_rules");
}

#[test]
fn full_call_table_keeps_the_calls_that_are_stored() {
    every_way("full_table");
}

#[test]
fn every_function_does_what_its_comment_says() {
    every_way("every_function");
}

#[test]
fn every_status_can_be_provoked() {
    every_way("every_status");
}

#[test]
fn workers_of_many_processes_serve_one_call() {
    every_way("fork_workers");
}

#[test]
fn lists_that_change_are_seen_by_all_workers_with_and_without_a_keeper() {
    // Side by side, for it is waiting that takes its time.
    let arguments = ["notify", "poll", "nobody", "notify"];
    std::thread::scope(|scope| {
        for (way, argument) in EVERY_WAY.into_iter().zip(arguments) {
            scope.spawn(move || {
                let program = build("run", "keeper", way);
                let out = program.parent().expect("the program's directory");
                compile::must_run(Command::new(&program).arg(argument), out);
            });
        }
    });
}

#[test]
fn handles_made_and_freed_leave_nothing_behind() {
    every_way("new_free_cycles");
}

#[test]
fn rewrite_runs_beside_a_poll_loop() {
    every_way("nonblocking");
}

/// The common part of a SIP server's module, driven by a fake server.
#[test]
fn module_common_part_with_fake_server() {
    every_way("module");
}

#[test]
fn null_is_an_error_everywhere() {
    every_way("null_everywhere");
}

#[test]
fn panic_poisons_and_prints_nothing_on_stderr() {
    every_way("poison");
}

/// The names `mp_...` that stand before a parenthesis outside comments.
fn calls_in(text: &str) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for line in text.lines().filter(|line| !line.trim_start().starts_with("//")) {
        for (at, _) in line.match_indices("mp_") {
            let (before, rest) = line.split_at(at);
            let length =
                rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len());
            let whole = !before.ends_with(|c: char| c.is_ascii_alphanumeric() || c == '_');
            if whole && rest[length..].starts_with('(') {
                names.insert(rest[..length].to_string());
            }
        }
    }
    names
}

fn read(path: &str) -> String {
    fs::read_to_string(kit::root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The header without comments.
fn declarations() -> String {
    let header = read("include/mediaproxy.h");
    let (_, code) = header.split_once("#ifndef MEDIAPROXY_H").expect("the include guard");
    code.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
}

#[test]
fn every_function_of_the_header_is_called() {
    let declared = calls_in(&declarations());
    assert!(declared.len() > 50, "the header was not understood: {declared:?}");
    let mut called = calls_in(&read("c-tests/every_function.c"));
    called.extend(calls_in(&read("c-tests/check.h")));
    let missing: Vec<_> = declared.difference(&called).collect();
    assert!(missing.is_empty(), "every_function.c does not call {missing:?}");
}

#[test]
fn every_function_that_takes_a_pointer_is_given_null() {
    let given = read("c-tests/null_everywhere.c");
    // What takes no pointer, only texts by value or numbers.
    let without = [
        "mp_status_name",
        "mp_version",
        "mp_test_name",
        "mp_now",
        "mp_relay_health_name",
        "mp_relay_admin_state_name",
        "mp_statistics_count",
        "mp_statistics_name",
        "mp_statistics_help",
        "mp_statistics_kind",
        "mp_proxy_counters_count",
        "mp_proxy_counters_name",
        "mp_proxy_counters_help",
        "mp_proxy_counters_kind",
    ];
    for name in calls_in(&declarations()) {
        let constructor = name.ends_with("_new")
            && !["mp_engine_new", "mp_worker_new", "mp_keeper_new", "mp_proxy_new"]
                .contains(&name.as_str());
        if !constructor && !without.contains(&name.as_str()) {
            assert!(given.contains(&format!("{name}(")), "null_everywhere.c leaves out {name}");
        }
    }
}

#[test]
fn every_status_of_the_header_is_provoked_or_excused() {
    let declarations = declarations();
    let (_, rest) = declarations.split_once("enum mp_status").expect("the enumeration");
    let (list, _) = rest.split_once("};").expect("its end");
    let declared: BTreeSet<&str> = list
        .lines()
        .filter_map(|line| line.trim().split_once(" = ").map(|(name, _)| name))
        .collect();
    assert_eq!(declared.len(), 19);

    let program = read("c-tests/every_status.c");
    let provoked: BTreeSet<&str> = program
        .split("PROVOKE(")
        .skip(1)
        .filter_map(|rest| rest.split_once(',').map(|(name, _)| name))
        .collect();
    let excuses = read("c-tests/unprovoked-statuses.txt");
    let excused: BTreeSet<&str> = excuses
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.split_once(char::is_whitespace))
        .filter(|(_, reason)| !reason.trim().is_empty())
        .map(|(name, _)| name)
        .collect();
    for name in &declared {
        let (is_provoked, is_excused) = (provoked.contains(name), excused.contains(name));
        assert!(is_provoked != is_excused, "{name}: provoked {is_provoked}, excused {is_excused}");
    }
}
