//! The two client lists: which User-Agents are asymmetric.
//!
//! A list file holds a regular expression a line, case-insensitive and
//! unanchored; empty lines and lines starting with `#` are skipped. White space
//! around a line does not belong to it. Lines are UTF-8, what they are matched
//! with is bytes.

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

/// A line of a list that holds an expression.
struct Line<'t> {
    number: usize,
    expression: &'t str,
}

impl AgentList {
    /// A list that matches nothing.
    pub fn empty() -> Self {
        AgentList { set: RegexSet::empty() }
    }

    /// Compiles the text of a list. A bad line is given to `complain` as
    /// "FILE:LINE: reason" and skipped; the others hold. Where all lines
    /// together need too much memory, the first that fit hold.
    pub fn compile(path: &Path, text: &[u8], complain: &mut dyn FnMut(&str)) -> Self {
        let mut tell = |number: usize, reason: &str| {
            complain(&format!("{}:{number}: {reason}", path.display()));
        };
        let mut lines = expressions(text, &mut tell);
        // Nearly always all lines are good, and one attempt shows it.
        if let Some(set) = compile_set(&lines) {
            return AgentList { set };
        }
        lines.retain(|line| match compile_line(line.expression) {
            Ok(()) => true,
            Err(error) => {
                tell(line.number, &reason(&error));
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
            tell(line.number, "the list is too large; lines from here on do not hold");
        }
        AgentList { set }
    }

    /// True when a User-Agent (or Server) value matches a line.
    pub fn matches(&self, agent: &[u8]) -> bool {
        self.set.is_match(agent)
    }

    /// How many lines hold.
    pub fn len(&self) -> usize {
        self.set.len()
    }

    /// True when nothing can match: no User-Agent need be looked up.
    pub fn is_empty(&self) -> bool {
        self.set.is_empty()
    }
}

fn expressions<'t>(text: &'t [u8], tell: &mut dyn FnMut(usize, &str)) -> Vec<Line<'t>> {
    let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
    let mut lines = Vec::new();
    for (number, line) in (1..).zip(text.split(|byte| *byte == b'\n')) {
        match std::str::from_utf8(line.trim_ascii()) {
            Ok("") => {}
            Ok(comment) if comment.starts_with('#') => {}
            Ok(expression) => lines.push(Line { number, expression }),
            Err(_) if line.trim_ascii_start().starts_with(b"#") => {}
            Err(_) => tell(number, "not UTF-8 text"),
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

/// The reason in one line: a syntax error draws a picture over several.
fn reason(error: &regex::Error) -> String {
    match error {
        regex::Error::CompiledTooBig(_) => "the expression is too large".to_string(),
        other => {
            let text = other.to_string();
            let last = text.lines().map(str::trim).rfind(|line| !line.is_empty());
            last.unwrap_or("bad expression").trim_start_matches("error: ").to_string()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn compile(text: &[u8]) -> (AgentList, Vec<String>) {
        let mut complaints = Vec::new();
        let list = AgentList::compile(Path::new("/etc/x/clients"), text, &mut |line| {
            complaints.push(line.to_string());
        });
        (list, complaints)
    }

    #[test]
    fn lines_are_case_insensitive_and_unanchored() {
        let (list, complaints) = compile(b"cisco-cp79[46]0\n^snom3.0/\n");
        assert!(list.matches(b"Cisco-CP7960G/8.0"));
        assert!(list.matches(b"x CISCO-CP7940 y"));
        assert!(!list.matches(b"Cisco-CP7912/8.0"));
        assert!(list.matches(b"SNOM360/7.3"));
        assert!(!list.matches(b"the snom360/7.3"));
        assert_eq!(complaints, Vec::<String>::new());
    }

    #[test]
    fn comments_empty_lines_and_windows_line_ends_are_skipped() {
        let (list, complaints) = compile(
            b"\xef\xbb\xbf# phones\r\n\r\n  # more, \xe9\r\n  Grandstream \r\n\t\r\nCisco$",
        );
        assert_eq!((list.len(), complaints.len()), (2, 0));
        assert!(list.matches(b"Grandstream"));
        assert!(list.matches(b"My Cisco"));
        assert!(!list.matches(b"# phones"));
        assert!(!list.matches(b""));
    }

    #[test]
    fn a_bad_line_is_named_and_the_others_hold() {
        let (list, complaints) =
            compile(b"Grandstream\n# x\n*bad(\nCisco\nx{1000}{1000}{9}\n\xff\xfe\n(y\n");
        assert_eq!(list.len(), 2);
        assert!(list.matches(b"grandstream bt100") && list.matches(b"cisco"));
        let places: Vec<_> = complaints.iter().map(|c| c.split(": ").next().unwrap()).collect();
        let at = |n| format!("/etc/x/clients:{n}");
        assert_eq!(places, [at(6), at(3), at(5), at(7)]);
        assert!(
            complaints.iter().all(|c| !c.contains('\n') && c.split(": ").nth(1).unwrap().len() > 5)
        );
        assert!(complaints[2].ends_with("the expression is too large"), "{}", complaints[2]);
    }

    #[test]
    fn a_list_that_is_too_large_holds_as_far_as_it_fits() {
        let mut text = Vec::new();
        for n in 0..400 {
            text.extend_from_slice(format!("a{n}[^x]{{900}}z{{900}}\n").as_bytes());
        }
        let (list, complaints) = compile(&text);
        assert!(list.len() > 10 && list.len() < 400, "{}", list.len());
        assert_eq!(complaints.len(), 1);
        let line = format!("/etc/x/clients:{}: ", list.len() + 1);
        assert!(complaints[0].starts_with(&line), "{complaints:?}");
    }

    #[test]
    fn agents_are_bytes() {
        let (list, _) = compile("^caf.+phone\nfoo.bar".as_bytes());
        assert!(list.matches(b"caf\xe9phone"), "Latin-1");
        assert!(list.matches("caf\u{e9}phone".as_bytes()), "UTF-8");
        assert!(list.matches(b"foo\nbar"), "folded");
    }

    #[test]
    fn the_example_lists_compile_whole() {
        for (name, text) in [
            ("sip", include_str!("../examples/config/sip-asymmetrics-clients")),
            ("rtp", include_str!("../examples/config/rtp-asymmetrics-clients")),
        ] {
            let (list, complaints) = compile(text.as_bytes());
            assert_eq!(complaints, Vec::<String>::new(), "{name}");
            assert!(!list.is_empty(), "{name}");
            assert!(!list.matches(b"Grandstream HT802 1.0.3.2"), "{name}: a symmetric phone");
        }
    }
}
