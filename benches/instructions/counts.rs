//! The committed counts: `counts.txt` beside this file.

use std::fmt::Write;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

fn path() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("benches/instructions/counts.txt")
}

/// The compiler's own name and version: another one counts otherwise.
fn compiler() -> String {
    let output = Command::new("rustc").arg("--version").output();
    output.map(|said| String::from_utf8_lossy(&said.stdout).trim().to_string()).unwrap_or_default()
}

/// What is committed.
pub(crate) struct Committed {
    text: String,
}

impl Committed {
    pub(crate) fn read() -> Self {
        Committed { text: fs::read_to_string(path()).unwrap_or_default() }
    }

    /// The count of an operation.
    pub(crate) fn of(&self, name: &str) -> Option<u64> {
        let value = |line: &str| line.split_once('\t').filter(|(n, _)| *n == name)?.1.parse().ok();
        self.text.lines().find_map(value)
    }

    pub(crate) fn is_of_this_compiler(&self) -> bool {
        self.text.lines().next() == Some(&format!("# {}", compiler()))
    }
}

/// What was measured now.
#[derive(Default)]
pub(crate) struct Counts {
    lines: String,
}

impl Counts {
    pub(crate) fn add(&mut self, name: &str, count: u64) {
        let _ = writeln!(self.lines, "{name}\t{count}");
    }

    pub(crate) fn write(&self) {
        let text = format!("# {}\n{}", compiler(), self.lines);
        fs::write(path(), text).expect("counts.txt can be written");
    }
}
