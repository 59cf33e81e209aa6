//! `minimal_server` and the relays beside it as running programs.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use crate::compile::{self, Language, Library};
use kit::running;

/// The compiled server.
pub(crate) fn minimal_server() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        let source = "examples/minimal_server/minimal_server.c";
        let way = (Language::C99, Library::Static);
        compile::build("run", source, way, &compile::library_directory())
    })
}

/// A directory of one test.
pub(crate) fn directory(test: &str) -> PathBuf {
    running::directory("minimal_server", test)
}

/// The files of a directory whose names start like this.
pub(crate) fn files(directory: &Path, start: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).expect("a directory");
    let paths = entries.map(|entry| entry.expect("an entry").path());
    let named = |path: &PathBuf| {
        path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(start))
    };
    paths.filter(named).collect()
}

/// The longest turn of an event loop, in microseconds, over all processes.
pub(crate) fn longest_turn(said: &str) -> u64 {
    let turns = said.lines().filter_map(|line| line.split_once(" turns, the longest "));
    let times = turns.map(|(_, time)| time.trim_end_matches(" us").parse().expect("a time"));
    times.max().expect("the server tells of its turns")
}

/// How long each relayed INVITE waited for its relay, in milliseconds.
pub(crate) fn waits(said: &str) -> Vec<u64> {
    let relayed = said.lines().filter(|line| line.contains("] INVITE of call "));
    let times = relayed.filter_map(|line| {
        line.split_once(" through the relay (")?.1.strip_suffix(" ms)")?.parse().ok()
    });
    times.collect()
}
