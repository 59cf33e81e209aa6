//! What the shared library shows to the dynamic linker.

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;

use crate::compile::{have_tool, library_directory};

fn output(tool: &str, arguments: &[&str]) -> String {
    let library = library_directory().join("libmediaproxy.so");
    let output = Command::new(tool).args(arguments).arg(library).output().expect("the tool runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text")
}

/// The lines of a committed list, without comments.
fn committed(name: &str) -> BTreeSet<String> {
    let path = kit::root().join("c-tests").join(name);
    let text = fs::read_to_string(&path).expect("a committed list");
    text.lines().filter(|line| !line.starts_with('#')).map(String::from).collect()
}

#[test]
fn exported_symbols_are_the_committed_ones() {
    if !have_tool("nm", kit::here!()) {
        return;
    }
    let exported: BTreeSet<String> = output("nm", &["-D", "--defined-only"])
        .lines()
        .filter_map(|line| line.split_whitespace().last().map(String::from))
        .collect();
    assert_eq!(exported, committed("symbols.txt"));
}

/// Without the feature `capi` a Rust program has none of the C functions.
#[test]
fn c_functions_are_behind_the_feature_capi() {
    let lib = fs::read_to_string(kit::root().join("src/lib.rs")).expect("src/lib.rs");
    assert!(lib.contains("#[cfg(feature = \"capi\")]\nmod capi;"));
    let mut folders = vec![kit::root().join("src")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("a folder of src") {
            let path = entry.expect("an entry").path();
            if path.is_dir() && !path.ends_with("capi") {
                folders.push(path);
            } else if path.is_file() {
                let source = fs::read_to_string(&path).expect("a source");
                let exports = source.contains("no_mangle") || source.contains("export_name");
                assert!(!exports, "{} exports a C function", path.display());
            }
        }
    }
}

#[test]
fn exported_symbols_are_the_headers_functions() {
    let header = fs::read_to_string(kit::root().join("include/mediaproxy.h")).expect("the header");
    for symbol in committed("symbols.txt") {
        assert!(header.contains(&format!("{symbol}(")), "{symbol} is not in the header");
    }
}

#[test]
fn soname_has_the_major_version_and_unloading_is_off() {
    if !have_tool("readelf", kit::here!()) {
        return;
    }
    let dynamic = output("readelf", &["-d", "-W"]);
    let soname = concat!("soname: [libmediaproxy.so.", env!("CARGO_PKG_VERSION_MAJOR"), "]");
    assert!(dynamic.contains(soname), "{dynamic}");
    assert!(dynamic.contains("NODELETE"), "{dynamic}");
}

#[test]
fn it_needs_no_other_library_than_the_committed_ones() {
    if !have_tool("readelf", kit::here!()) {
        return;
    }
    let dynamic = output("readelf", &["-d", "-W"]);
    let needed: BTreeSet<String> = dynamic
        .lines()
        .filter(|line| line.contains("(NEEDED)"))
        .filter_map(|line| Some(line.split_once('[')?.1.split_once(']')?.0.to_string()))
        .collect();
    assert!(needed.contains("libc.so.6"), "{dynamic}");
    let allowed = committed("needed.txt");
    let more: Vec<_> = needed.difference(&allowed).collect();
    assert!(more.is_empty(), "new dependencies: {more:?}");
}
