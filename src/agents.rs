//! The two client lists: the User-Agents of asymmetric phones.
//!
//! A list file has a regular expression per line, case-insensitive and unanchored.
//! Empty lines and lines that start with `#` are skipped, and white space around a
//! line is removed. Lines are UTF-8; they are matched with bytes.

mod file;

use std::path::Path;

use regex::bytes::{RegexBuilder, RegexSet, RegexSetBuilder};

pub use file::{AgentFile, AgentFiles, Reading};

/// The most memory one compiled line may take, in bytes, in a list that does not
/// compile as a whole.
const MAX_LINE_PROGRAM: usize = 256 * 1024;
/// The most memory a compiled list may take, in bytes.
const MAX_LIST_PROGRAM: usize = 16 * 1024 * 1024;

/// One list, compiled into one `RegexSet`.
#[derive(Clone, Debug)]
pub struct AgentList {
    set: RegexSet,
}

/// A line of a list with an expression.
struct Line<'t> {
    number: usize,
    expression: &'t str,
}

impl AgentList {
    /// A list that matches nothing.
    pub fn empty() -> Self {
        AgentList { set: RegexSet::empty() }
    }

    /// Compiles the text of a list. An invalid line is reported to `warn` as
    /// "FILE:LINE: reason" and skipped. When all lines together need too much
    /// memory, only the first ones that fit are used.
    pub fn compile(path: &Path, text: &[u8], warn: &mut dyn FnMut(&str)) -> Self {
        let mut report = |number: usize, reason: &str| {
            warn(&format!("{}:{number}: {reason}", path.display()));
        };
        let mut lines = expressions(text, &mut report);
        // Nearly always all lines are valid, and the first attempt succeeds.
        if let Some(set) = compile_set(&lines) {
            return AgentList { set };
        }
        lines.retain(|line| match compile_line(line.expression) {
            Ok(()) => true,
            Err(error) => {
                report(line.number, &reason(&error));
                false
            }
        });
        if let Some(set) = compile_set(&lines) {
            return AgentList { set };
        }
        let fitting = |count: usize| lines.get(..count).and_then(compile_set);
        let (mut good, mut bad) = (0, lines.len());
        let mut set = RegexSet::empty();
        while bad.saturating_sub(good) > 1 {
            let middle = good.midpoint(bad);
            match fitting(middle) {
                Some(larger) => (good, set) = (middle, larger),
                None => bad = middle,
            }
        }
        if let Some(line) = lines.get(good) {
            report(line.number, "list too large; this line and the following ones are ignored");
        }
        AgentList { set }
    }

    /// True when a User-Agent (or Server) value matches a line.
    pub fn matches(&self, agent: &[u8]) -> bool {
        self.set.is_match(agent)
    }

    /// The number of patterns.
    pub fn len(&self) -> usize {
        self.set.len()
    }

    /// True when the list has no pattern, so that no User-Agent can match.
    pub fn is_empty(&self) -> bool {
        self.set.is_empty()
    }
}

fn expressions<'t>(text: &'t [u8], report: &mut dyn FnMut(usize, &str)) -> Vec<Line<'t>> {
    let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
    let mut lines = Vec::new();
    for (number, line) in (1..).zip(text.split(|byte| *byte == b'\n')) {
        match std::str::from_utf8(line.trim_ascii()) {
            Ok("") => {}
            Ok(comment) if comment.starts_with('#') => {}
            Ok(expression) => lines.push(Line { number, expression }),
            Err(_) if line.trim_ascii_start().starts_with(b"#") => {}
            Err(_) => report(number, "not UTF-8 text"),
        }
    }
    lines
}

fn compile_set(lines: &[Line<'_>]) -> Option<RegexSet> {
    RegexSetBuilder::new(lines.iter().map(|line| line.expression))
        .case_insensitive(true)
        .unicode(false)
        .dot_matches_new_line(true)
        .size_limit(MAX_LIST_PROGRAM)
        .build()
        .ok()
}

fn compile_line(expression: &str) -> std::result::Result<(), regex::Error> {
    RegexBuilder::new(expression)
        .case_insensitive(true)
        .unicode(false)
        .dot_matches_new_line(true)
        .size_limit(MAX_LINE_PROGRAM)
        .build()
        .map(drop)
}

/// The reason in one line: the text of a syntax error has several, to show the
/// position.
fn reason(error: &regex::Error) -> String {
    match error {
        regex::Error::CompiledTooBig(_) => "the expression is too large".to_string(),
        other => {
            let text = other.to_string();
            let last = text.lines().map(str::trim).rfind(|line| !line.is_empty());
            last.unwrap_or("invalid expression").trim_start_matches("error: ").to_string()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn compile(text: &[u8]) -> (AgentList, Vec<String>) {
        let mut warnings = Vec::new();
        let list = AgentList::compile(Path::new("/etc/x/clients"), text, &mut |line| {
            warnings.push(line.to_string());
        });
        (list, warnings)
    }

    #[test]
    fn patterns_are_case_insensitive_and_unanchored() {
        let (list, warnings) = compile(b"cisco-cp79[46]0\n^snom3.0/\n");
        assert!(list.matches(b"Cisco-CP7960G/8.0"));
        assert!(list.matches(b"x CISCO-CP7940 y"));
        assert!(!list.matches(b"Cisco-CP7912/8.0"));
        assert!(list.matches(b"SNOM360/7.3"));
        assert!(!list.matches(b"the snom360/7.3"));
        assert_eq!(warnings, Vec::<String>::new());
    }

    #[test]
    fn comments_empty_lines_and_windows_line_ends_are_skipped() {
        let (list, warnings) = compile(
            b"\xef\xbb\xbf# phones\r\n\r\n  # more, \xe9\r\n  Grandstream \r\n\t\r\nCisco$",
        );
        assert_eq!((list.len(), warnings.len()), (2, 0));
        assert!(list.matches(b"Grandstream"));
        assert!(list.matches(b"My Cisco"));
        assert!(!list.matches(b"# phones"));
        assert!(!list.matches(b""));
    }

    #[test]
    fn compile_reports_and_skips_invalid_lines() {
        let (list, warnings) =
            compile(b"Grandstream\n# x\n*bad(\nCisco\nx{1000}{1000}{9}\n\xff\xfe\n(y\n");
        assert_eq!(list.len(), 2);
        assert!(list.matches(b"grandstream bt100") && list.matches(b"cisco"));
        let places: Vec<_> = warnings.iter().map(|c| c.split(": ").next().unwrap()).collect();
        let at = |n| format!("/etc/x/clients:{n}");
        assert_eq!(places, [at(6), at(3), at(5), at(7)]);
        assert!(
            warnings.iter().all(|c| !c.contains('\n') && c.split(": ").nth(1).unwrap().len() > 5)
        );
        assert!(warnings[2].ends_with("the expression is too large"), "{}", warnings[2]);
    }

    #[test]
    fn compile_uses_the_first_lines_of_a_list_that_is_too_large() {
        let mut text = Vec::new();
        for n in 0..400 {
            text.extend_from_slice(format!("a{n}[^x]{{900}}z{{900}}\n").as_bytes());
        }
        let (list, warnings) = compile(&text);
        assert!(list.len() > 10 && list.len() < 400, "{}", list.len());
        assert_eq!(warnings.len(), 1);
        let line = format!("/etc/x/clients:{}: ", list.len() + 1);
        assert!(warnings[0].starts_with(&line), "{warnings:?}");
    }

    #[test]
    fn matches_compares_bytes() {
        let (list, _) = compile("^caf.+phone\nfoo.bar".as_bytes());
        assert!(list.matches(b"caf\xe9phone"), "Latin-1");
        assert!(list.matches("caf\u{e9}phone".as_bytes()), "UTF-8");
        assert!(list.matches(b"foo\nbar"), "folded");
    }

    #[test]
    fn example_lists_compile_without_warning() {
        for (name, text) in [
            ("sip", include_str!("../examples/config/sip-asymmetrics-clients")),
            ("rtp", include_str!("../examples/config/rtp-asymmetrics-clients")),
        ] {
            let (list, warnings) = compile(text.as_bytes());
            assert_eq!(warnings, Vec::<String>::new(), "{name}");
            assert!(!list.is_empty(), "{name}");
            assert!(!list.matches(b"Grandstream HT802 1.0.3.2"), "{name}: a symmetric phone");
        }
    }
}
