//! The server under valgrind's memcheck, all processes, where
//! `MEDIAPROXY_MEMCHECK` is set. What it finds counts when our module is among
//! those who called.

use std::fs;
use std::path::Path;
use std::process::Command;

use kit::netns::Namespace;

const VALGRIND: &str = "valgrind";

fn wanted() -> bool {
    std::env::var_os("MEDIAPROXY_MEMCHECK").is_some()
}

/// The command that starts the server.
pub(crate) fn kamailio(server: &Namespace, directory: &Path) -> Command {
    if !wanted() {
        return server.command("kamailio");
    }
    let mut command = server.command(VALGRIND);
    command
        .args(["--quiet", "--trace-children=yes", "--num-callers=40", "--fullpath-after="])
        .arg(format!("--log-file={}/memcheck.%p", directory.display()))
        .arg("kamailio");
    command
}

/// Everything is slow there, the relay too.
pub(crate) const PATIENCE: [&str; 4] = ["-A", "RELAY_TRY=9000", "-A", "RELAY_TIMEOUT=9000"];

/// True when this is what starts a server under memcheck.
pub(crate) fn is_under(command: &Command) -> bool {
    command.get_args().any(|argument| argument == VALGRIND)
}

/// A function of the library or of the module is in the stack: by its name, by
/// the file it is in, or by the module it is loaded from.
pub(crate) fn is_ours(error: &str) -> bool {
    ["mediaproxy", "mpm_", "family_", "/bindings/"].iter().any(|sign| error.contains(sign))
}

/// No error in which a function of ours took part.
pub(crate) fn found_nothing(directory: &Path) {
    let mut logs = 0;
    for entry in fs::read_dir(directory).expect("a directory") {
        let path = entry.expect("an entry").path();
        if !path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("memcheck.")) {
            continue;
        }
        logs += 1;
        let log = fs::read_to_string(&path).expect("a log");
        // Errors are separated by empty lines, behind the number of the process.
        let mut error = String::new();
        for line in log.lines().chain(std::iter::once("==0== ")) {
            if line.trim_end().ends_with("==") {
                assert!(!is_ours(&error), "{}:\n{error}", path.display());
                error.clear();
            } else {
                error.push_str(line);
                error.push('\n');
            }
        }
    }
    assert!(logs > 5, "a log of each process: {logs}");
}
