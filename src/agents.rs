//! The two client lists: which User-Agents are asymmetric.
//!
//! A list file holds a regular expression a line, case-insensitive and
//! unanchored; empty lines and lines starting with `#` are skipped.

use std::path::Path;

use crate::error::Result;

/// The longest list file, in bytes.
pub const MAX_LIST: u64 = 1024 * 1024;

/// One list, compiled into one `RegexSet`.
#[derive(Clone, Debug)]
pub struct AgentList {
    set: regex::bytes::RegexSet,
}

impl AgentList {
    /// A list that matches nothing.
    pub fn empty() -> Self {
        AgentList { set: regex::bytes::RegexSet::empty() }
    }

    /// Compiles the text of a list. A bad line is given to `complain` as
    /// "FILE:LINE: reason" and skipped; the others hold.
    pub fn compile(path: &Path, text: &[u8], complain: &mut dyn FnMut(&str)) -> Self {
        let _ = (path, text, complain);
        todo!()
    }

    /// Reads and compiles a file. A missing file is an empty list; one that
    /// cannot be read or is longer than 1 MiB is an error that names it.
    pub fn load(path: &Path, complain: &mut dyn FnMut(&str)) -> Result<Self> {
        let _ = (path, complain);
        todo!()
    }

    /// True when it matches nothing.
    pub fn is_empty(&self) -> bool {
        self.set.is_empty()
    }

    /// True when a User-Agent (or Server) value matches a line.
    pub fn matches(&self, agent: &[u8]) -> bool {
        self.set.is_match(agent)
    }
}
