//! Which code of `src/` may do what.

use regex::Regex;

use crate::files::{self, File};

/// Files of `src/` outside `folders` whose code matches `pattern`.
fn outside(folders: &[&str], pattern: &str) -> Vec<String> {
    let pattern = Regex::new(pattern).unwrap();
    let inside = |file: &File| folders.iter().any(|folder| file.path.starts_with(folder));
    let mut found = Vec::new();
    for file in files::sources().iter().filter(|file| !inside(file)) {
        for (number, line) in file.without_tests().lines().enumerate() {
            let code = line.split("//").next().unwrap_or_default();
            if pattern.is_match(code) {
                found.push(format!("{}:{}: {}", file.path, number + 1, line.trim()));
            }
        }
    }
    found
}

#[test]
fn system_calls_are_only_in_sys_shared_and_capi() {
    assert_eq!(outside(&["src/sys/", "src/shared/", "src/capi/"], r"\blibc::"), [""; 0]);
}

#[test]
fn unsafe_code_is_only_in_sys_shared_and_capi() {
    assert_eq!(outside(&["src/sys/", "src/shared/", "src/capi/"], r"\bunsafe\b"), [""; 0]);
}

#[test]
fn sockets_are_only_in_sys_link_and_proxy() {
    let folders = ["src/sys/", "src/relay/link/", "src/proxy/"];
    let sockets =
        r"\b(Unix(Stream|Listener|Datagram)|Tcp(Stream|Listener)|UdpSocket)\b|\bsys::(unix|tcp)::";
    assert_eq!(outside(&folders, sockets), [""; 0]);
}

/// Requests are encoded for workers and keeper in one place, so that each
/// protocol knows all about resending, framing and versions.
#[test]
fn encode_of_relay_protocols_has_one_caller() {
    let calls = outside(&["src/relay/protocol/"], r"\.encode\(|mediaproxy[12]::");
    let calls: Vec<_> = calls.iter().filter(|call| !call.contains("self.encode(")).collect();
    assert!(
        matches!(&calls[..], [call] if call.starts_with("src/relay/exchange.rs:")),
        "{calls:?}"
    );
}

#[test]
fn paths_of_one_sip_server_are_not_in_the_library() {
    assert_eq!(outside(&[], "/etc/(kamailio|opensips)"), [""; 0]);
}

#[test]
fn unfinished_code_is_nowhere() {
    let marks =
        Regex::new(&[r"\bTO", r"DO\b|\bFIX", r"ME\b|#\[ig", r"nore|\bto", r"do!\("].concat());
    let marks = marks.unwrap();
    for folder in ["src", "tests", "benches", "examples", "bindings", "c-tests", "fuzz", "include"]
    {
        for file in files::all(folder, &["rs", "c", "h", "sh", "md"]) {
            assert!(!marks.is_match(&file.text), "{}", file.path);
        }
    }
}

/// A Rust program sees what `lib.rs` exports on purpose; tests use `internals`.
#[test]
fn public_modules_are_those_of_the_documented_surface() {
    let lib = &files::all("src/lib.rs", &["rs"])[0];
    let public = Regex::new(r"(?m)^pub mod (\w+)").unwrap();
    let found: Vec<_> = public.captures_iter(&lib.text).map(|found| found[1].to_string()).collect();
    assert_eq!(found, ["nat", "proxy", "sdp", "sip", "statistics", "internals"]);
}

/// Tests share code through `tests/kit/`, and unused code is deleted.
#[test]
fn path_attributes_and_allowed_dead_code_are_nowhere() {
    let attributes = Regex::new(r"#!?\[(path|allow\(dead_code)").unwrap();
    for folder in ["src", "tests", "benches", "examples", "fuzz"] {
        for file in files::all(folder, &["rs"]) {
            let found = attributes.find(&file.text);
            assert!(found.is_none(), "{}: {found:?}", file.path);
        }
    }
}
