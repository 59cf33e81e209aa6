//! What became of the files, counted folder by folder, and compared with the
//! counts that are committed: a parser that refuses everything, or nothing,
//! does not pass for a good one.

use std::collections::BTreeMap;
use std::fmt::Write;

/// The variable that writes the file again instead of comparing it.
const REWRITE: &str = "MEDIAPROXY_WRITE_COUNTS";

/// Counts of outcomes, by folder and verb.
#[derive(Default)]
pub(crate) struct Tally(BTreeMap<(String, &'static str), BTreeMap<String, usize>>);

impl Tally {
    pub(crate) fn count(&mut self, folder: &str, verb: &'static str, outcome: &str) {
        let outcomes = self.0.entry((folder.to_string(), verb)).or_default();
        *outcomes.entry(outcome.to_string()).or_default() += 1;
    }

    /// A line for each folder and verb: `folder TAB verb TAB outcome=count ...`.
    fn text(&self) -> String {
        let mut text = String::new();
        for ((folder, verb), outcomes) in &self.0 {
            let counts: Vec<String> =
                outcomes.iter().map(|(outcome, count)| format!("{outcome}={count}")).collect();
            writeln!(text, "{folder}\t{verb}\t{}", counts.join(" ")).unwrap();
        }
        text
    }

    /// Compares with the committed file of this name, or writes it.
    pub(crate) fn compare(&self, file: &str) {
        let path = kit::root().join("tests/fixtures").join(file);
        let found = self.text();
        if std::env::var_os(REWRITE).is_some() {
            std::fs::write(&path, &found).unwrap();
        }
        let committed = std::fs::read_to_string(&path).unwrap_or_default();
        let lines = |text: &str| text.lines().map(str::to_string).collect::<Vec<_>>();
        let (committed, found) = (lines(&committed), lines(&found));
        let mut differences = String::new();
        for line in committed.iter().filter(|line| !found.contains(line)) {
            writeln!(differences, "- {line}").unwrap();
        }
        for line in found.iter().filter(|line| !committed.contains(line)) {
            writeln!(differences, "+ {line}").unwrap();
        }
        assert!(
            differences.is_empty(),
            "{file} says otherwise (- committed, + found now; {REWRITE}=1 rewrites it):\n\
             {differences}"
        );
    }
}
