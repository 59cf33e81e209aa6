//! Words that were given up for those of the RFCs and of SIP servers: not in
//! the C header, not in log lines and errors, not in the names of statistics
//! and management commands. Some connectives are not used anywhere.

use std::sync::LazyLock;

use regex::Regex;

use crate::files::{self, File};
use crate::literals;

/// Words with no right use in what users read, and the words that replace them.
const GIVEN_UP: [(&str, &str); 18] = [
    (r"asks?|asked|asking", "request, send"),
    (r"tells?|told|telling", "report, send"),
    (r"said|heard", "report, receive"),
    (r"untold|deliver(s|ed|ing|y)?", "queued, sent"),
    (r"away", "unreachable"),
    (r"condition", "health"),
    (r"judge[ds]?|judging", "outcome, verdict"),
    (r"hastens?|overdue", "probe_now, trial"),
    (r"remember(s|ed)?|forg[eo]ts?|forgotten", "store, evict, delete"),
    (r"life", "state"),
    (r"descriptions?", "SDP"),
    (r"part(y|ies)", "caller, callee, From, To"),
    (r"look(s|ed|ing)?", "fingerprint, stat, search"),
    (r"lines? holds?|before holds?|do not hold", "loaded N patterns, keeping the previous"),
    (r"notices?|now and then", "event, log record, periodically"),
    (r"ends (of|it|told|taken|queued|waiting)|(queued|its) ends", "delete, terminate"),
    (r"takes? no change", "cannot add lump to the message"),
    (r"without memory", "call state not stored"),
];

/// Words that are right in a sentence, but not in the name of a function, a
/// member, a statistic or a management command.
const NOT_IN_NAMES: &[&str] = &[
    "end", "ends", "order", "known", "memory", "follow", "followed", "print", "due", "line",
    "lines",
];

/// Names given by the specification.
const NAMES: [&str; 4] = ["mp_end_session", "mp_end_call", "mpm_end_call", "mpm_end_media_session"];

/// What may stand there in spite of [`GIVEN_UP`], and why.
const ALLOWED: [(&str, &str); 5] = [
    ("third party", "an attacker, not a header"),
    ("interface description", "a block of a pcapng file"),
    ("session description", "the words of RFC 8866"),
    ("look(s|ed|ing)? up", "a search by key"),
    ("mem::forget", "a function of the standard library"),
];

/// Words that no text of the tree uses, comments included.
const NOWHERE: &str = r"hence|lest|anew|likewise|for want of|to be had|all the same";

fn words(alternatives: &str) -> Regex {
    Regex::new(&format!(r"(?i)\b({alternatives})\b")).unwrap()
}

/// Each given-up word in `text`, with the words around it.
fn given_up(text: &str) -> Vec<String> {
    static PATTERNS: LazyLock<(Regex, Vec<(Regex, &str)>)> = LazyLock::new(|| {
        let allowed = ALLOWED.map(|(words, _)| words).join("|");
        let given_up = GIVEN_UP.map(|(word, better)| (words(word), better));
        (words(&allowed), given_up.to_vec())
    });
    let (allowed, given_up) = &*PATTERNS;
    let text = plain(text);
    let text = allowed.replace_all(&text, "");
    let found = given_up.iter().flat_map(|(word, better)| {
        let near = near(&text, word);
        near.into_iter().map(move |near| format!("{near} -> {better}"))
    });
    found.collect()
}

/// Identifiers as words, and text over several lines as one.
fn plain(text: &str) -> String {
    let text = text.replace("///", " ").replace("//", " ").replace(['_', '*', '`'], " ");
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn near(text: &str, pattern: &Regex) -> Vec<String> {
    let around = |from: usize, to: usize| {
        let before: Vec<char> = text[..from].chars().rev().take(40).collect();
        let before: String = before.into_iter().rev().collect();
        let found_and_after: String = text[from..].chars().take(to - from + 40).collect();
        format!("...{before}{found_and_after}...")
    };
    pattern.find_iter(text).map(|found| around(found.start(), found.end())).collect()
}

/// The files below `folders`, without this list of words.
fn checked(folders: &[&str], extensions: &[&str]) -> Vec<File> {
    let mut files: Vec<File> =
        folders.iter().flat_map(|path| files::all(path, extensions)).collect();
    files.retain(|file| file.path != "tests/tree/words.rs");
    assert!(!files.is_empty());
    files
}

/// The C interface, the contract of the modules with its names of commands, the
/// names of statistics and settings, the manuals and the example scripts.
#[test]
fn interfaces_and_manuals_have_no_given_up_word() {
    let mut files = checked(&["include", "bindings/common"], &["h"]);
    files.extend(checked(&["."], &["md"]));
    files.extend(checked(&["examples/config"], &["cfg"]));
    assert_none(files.iter().flat_map(|file| {
        given_up(&file.text).into_iter().map(|near| format!("{}: {near}", file.path))
    }));
}

#[test]
fn names_of_the_interfaces_have_no_given_up_word() {
    let code = Regex::new(r"(?s)/\*.*?\*/|//[^\n]*").unwrap();
    let name = Regex::new(r"[A-Za-z]\w*").unwrap();
    let mut found = Vec::new();
    for file in checked(&["include", "bindings/common"], &["h"]) {
        let code = code.replace_all(&file.text, "");
        for name in name.find_iter(&code).map(|name| name.as_str()) {
            let given_up = |word: &str| NOT_IN_NAMES.contains(&word.to_lowercase().as_str());
            if !NAMES.contains(&name) && name.split('_').any(given_up) {
                found.push(format!("{}: {name}", file.path));
            }
        }
    }
    assert_none(found.into_iter());
}

/// Where a given-up word is right in a name: TCP delivers segments.
const RIGHT_IN_NAMES: [&str; 1] = ["src/bin/"];

/// Names, comments and texts, also those of unit tests.
#[test]
fn source_of_the_library_has_no_given_up_word() {
    let mut files = checked(&["src"], &["rs"]);
    files.retain(|file| !RIGHT_IN_NAMES.iter().any(|path| file.path.starts_with(path)));
    assert_none(files.iter().flat_map(|file| {
        given_up(&file.text).into_iter().map(|near| format!("{}: {near}", file.path))
    }));
}

/// Comments, also those of unit tests.
#[test]
fn comments_of_the_library_have_no_given_up_word() {
    let comment = Regex::new(r"(?m)(?:^|\s)//[/!]?(?: (.*))?$").unwrap();
    assert_none(checked(&["src"], &["rs"]).iter().flat_map(|file| {
        let lines: Vec<_> = comment
            .captures_iter(&file.text)
            .map(|found| found.get(1).map_or("", |text| text.as_str()))
            .collect();
        let found = given_up(&lines.join(" "));
        found.into_iter().map(|near| format!("{}: {near}", file.path)).collect::<Vec<_>>()
    }));
}

#[test]
fn log_and_error_texts_have_no_given_up_word() {
    let mut files = checked(&["src", "bindings", "examples"], &["rs", "c", "h"]);
    files.retain(|file| !file.is_test());
    assert_none(files.iter().flat_map(|file| {
        let literals = literals::of(file.without_tests());
        let found = literals.into_iter().flat_map(|literal| given_up(&literal));
        found.map(|near| format!("{}: {near}", file.path))
    }));
}

#[test]
fn obscure_connectives_are_nowhere() {
    let pattern = words(NOWHERE);
    let files = checked(&["."], &["rs", "c", "h", "md", "cfg", "sh", "toml"]);
    assert_none(files.iter().flat_map(|file| {
        let found = near(&plain(&file.text), &pattern);
        found.into_iter().map(|near| format!("{}: {near}", file.path))
    }));
}

fn assert_none(found: impl Iterator<Item = String>) {
    let found: Vec<_> = found.collect();
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn given_up_words_are_found_in_identifiers_and_over_line_ends() {
    assert_eq!(given_up("MP_RELAY_AWAY").len(), 1);
    assert_eq!(given_up("/// comes now\n/// and then").len(), 1, "a line end is a space");
    assert_eq!(given_up("a third party looked up"), [""; 0]);
}
