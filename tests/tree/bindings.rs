//! What may stand in the parts of a SIP server's module.

use regex::Regex;

use crate::files::{self, File};

/// The lines of C code: without comments and empty lines.
fn code_lines(file: &File) -> usize {
    let comment = Regex::new(r"(?s)/\*.*?\*/").unwrap();
    comment.replace_all(&file.text, "").lines().filter(|line| !line.trim().is_empty()).count()
}

/// Policy belongs to `bindings/common`, and what servers share in source to
/// `bindings/ser-family`: the next module must not write either again.
#[test]
fn kamailio_part_stays_below_600_lines_of_code() {
    let files = files::all("bindings/kamailio", &["c", "h"]);
    assert!(files.len() > 5, "{} files", files.len());
    let lines: usize = files.iter().map(code_lines).sum();
    assert!(lines < 600, "{lines} lines of code");
}

#[test]
fn common_part_has_no_words_of_one_server() {
    let words = Regex::new(r"nathelper|nat_traversal|modparam|/etc/|sip_msg|kamcmd").unwrap();
    for file in files::all("bindings/common", &["c", "h"]) {
        assert!(!words.is_match(&file.text), "{}: {:?}", file.path, words.find(&file.text));
    }
}

/// A file that includes a server's headers is under that server's licence.
#[test]
fn licence_of_each_part_is_in_its_files() {
    for (folder, licence) in [
        ("bindings/common", "MIT OR Apache-2.0"),
        ("bindings/ser-family", "GPL-2.0-or-later"),
        ("bindings/kamailio", "GPL-2.0-or-later"),
    ] {
        for file in files::all(folder, &["c", "h"]) {
            let header = format!("/* SPDX-License-Identifier: {licence} */\n");
            assert!(file.text.starts_with(&header), "{}", file.path);
        }
    }
}
