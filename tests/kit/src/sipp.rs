//! Phones: sipp with our own scenarios, each in its namespace.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use crate::netns::{Namespace, PHONE, SERVER};
use crate::running::{Running, wait_for};

/// One run of a scenario.
#[derive(Debug)]
pub struct Phone {
    running: Running,
    scenario: String,
    log: PathBuf,
    errors: PathBuf,
}

impl Phone {
    /// Starts `tests/fixtures/sipp/SCENARIO.xml` in a namespace.
    pub fn start(namespace: &Namespace, directory: &Path, scenario: &str, more: &[&str]) -> Phone {
        let file = |kind: &str| directory.join(format!("{scenario}.{kind}"));
        let mut sipp = namespace.command("sipp");
        sipp.current_dir(directory)
            .arg(format!("{SERVER}:5060"))
            .arg("-sf")
            .arg(crate::root().join(format!("tests/fixtures/sipp/{scenario}.xml")))
            .args(["-i", PHONE, "-p", "5060", "-key", "audio", "4000"])
            .args(["-timeout", "60s", "-timeout_error", "-nostdin"])
            // Nothing is lost here, and sipp trips over a call that comes twice.
            .arg("-nr")
            .args(["-trace_logs", "-log_file"])
            .arg(file("log"))
            .args(["-trace_err", "-error_file"])
            .arg(file("errors"))
            .args(["-trace_msg", "-message_file"])
            .arg(file("messages"))
            .args(more);
        Phone {
            running: Running::start(&mut sipp, file("screen")),
            scenario: scenario.to_string(),
            log: file("log"),
            errors: file("errors"),
        }
    }

    fn said(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Where it was told to send its media.
    pub fn media(&self) -> SocketAddr {
        wait_for("a session description", || media(&self.said()).next().map(|(_, address)| address))
    }

    /// True when it has come to its end, well or not.
    pub fn has_ended(&mut self) -> bool {
        self.running.ended().is_some()
    }

    /// Has one that serves calls without end stop after those it has; what it
    /// logged.
    pub fn stops(mut self) -> String {
        self.running.signal(libc::SIGUSR1);
        self.running.end();
        self.said()
    }

    /// Waits for its end: every step of its scenario must have gone well. What
    /// it logged.
    pub fn succeeds(mut self) -> String {
        let status = self.running.end();
        let errors = fs::read_to_string(&self.errors).unwrap_or_default();
        assert!(status.success(), "{}: {status}\n{errors}\n{}", self.scenario, self.running.said());
        self.said()
    }
}

/// The calls of a log, by Call-ID, with the address of media in each of their
/// session descriptions, as these came.
pub fn media(log: &str) -> impl Iterator<Item = (&str, SocketAddr)> {
    log.lines().filter_map(|line| {
        let (address, call) = line.strip_prefix("media ")?.split_once(' ')?;
        Some((call.trim(), address.parse().ok()?))
    })
}
