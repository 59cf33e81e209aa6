//! Any bytes as a client list. An input is a list, or a User-Agent, NUL and a
//! list.

use std::path::Path;

use mediaproxy::internals::agents::AgentList;
use regex::bytes::RegexBuilder;

use super::input::before_nul;

const FILE: &str = "/etc/clients";

pub fn check(bytes: &[u8]) {
    let (agent, list) = before_nul(bytes);
    let agent = agent.unwrap_or(b"Grandstream HT802 1.0.3.2");
    let mut complaints = Vec::new();
    let compiled = AgentList::compile(Path::new(FILE), list, &mut |line| {
        complaints.push(line.to_string());
    });
    let lines = list.split(|byte| *byte == b'\n').count();
    let mut bad = Vec::new();
    for complaint in &complaints {
        let (place, reason) = complaint.split_once(": ").expect("a place and a reason");
        let number = place.strip_prefix(FILE).and_then(|rest| rest.strip_prefix(':'));
        let number: usize = number.expect("the file").parse().expect("a line number");
        assert!((1..=lines).contains(&number), "{complaint}");
        assert!(!reason.is_empty() && !reason.contains('\n'), "{complaint}");
        bad.push(number);
    }
    assert!(compiled.len() + bad.len() <= lines);
    let by_list = compiled.matches(agent);
    assert!(!by_list || !compiled.is_empty(), "an empty list matches nothing");
    assert_eq!(by_list, compiled.matches(agent), "asking again");
    if list.len() <= 400 && !complaints.iter().any(|line| line.contains("too large")) {
        assert_eq!(by_list, line_by_line(list, agent, &bad), "{complaints:?}");
    }
}

/// The same, without a set: is there a good line that matches alone?
fn line_by_line(list: &[u8], agent: &[u8], bad: &[usize]) -> bool {
    let list = list.strip_prefix(b"\xef\xbb\xbf").unwrap_or(list);
    (1..).zip(list.split(|byte| *byte == b'\n')).any(|(number, line)| {
        let line = line.trim_ascii();
        if bad.contains(&number) || line.is_empty() || line.starts_with(b"#") {
            return false;
        }
        let text = std::str::from_utf8(line).expect("a good line is UTF-8");
        RegexBuilder::new(text)
            .case_insensitive(true)
            .unicode(false)
            .dot_matches_new_line(true)
            // A list that holds is at most as large.
            .size_limit(16 * 1024 * 1024)
            .build()
            .expect("a good line is an expression")
            .is_match(agent)
    })
}
