//! Kamailio with our module and `examples/config/kamailio.cfg`, in a process
//! group of its own. What it decided is in its log.

use std::fs::{self, File};
use std::net::SocketAddr;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use crate::compile;
use crate::server::{Counters, PATIENCE, START_PATIENCE, Told};

/// An address of its own: another server may have the usual one.
const ADDRESS: &str = "127.0.4.1";

/// The running server; killed when dropped before [`Kamailio::quit`].
pub(crate) struct Kamailio {
    pub(crate) address: SocketAddr,
    child: Child,
    directory: PathBuf,
}

impl Drop for Kamailio {
    fn drop(&mut self) {
        // After quit it has ended, and its number may be another's.
        if self.child.try_wait().is_ok_and(|status| status.is_none()) {
            self.signal(libc::SIGKILL, true);
            let _ = self.child.wait();
        }
        let _ = fs::remove_dir_all(&self.directory);
    }
}

impl Kamailio {
    /// Builds the module and starts the server; also the command that did it.
    pub(crate) fn start() -> Result<(Kamailio, String), String> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let directory = std::env::temp_dir().join(format!("natted_call-{}", std::process::id()));
        fs::create_dir_all(&directory)
            .map_err(|error| format!("cannot make {}: {error}", directory.display()))?;
        let module = module(root)?;
        let answer = run(Command::new("kamailio").arg("-v"))?;
        let answer = String::from_utf8_lossy(&answer.stdout).into_owned();
        if !answer.starts_with("version: kamailio") {
            return Err("kamailio -v says nothing of its version".to_string());
        }
        let stock = format!("/usr/lib/{}-linux-gnu/kamailio/modules", std::env::consts::ARCH);
        let log = File::create(directory.join("log")).map_err(|error| error.to_string())?;
        let control = directory.join("control");
        let mut command = Command::new("kamailio");
        command
            .args(["-DD", "-E", "-L", &format!("{}:{stock}", module.display()), "-Y"])
            .arg(&directory)
            .args(["-A", &format!("ADDRESS={ADDRESS}")])
            .args(["-A", &format!("CONTROL=\"unix:{}\"", control.display())])
            .args(["-A", "SIP_ASYMMETRICS=\"\"", "-A", "RTP_ASYMMETRICS=\"\"", "-f"])
            .arg(root.join("examples/config/kamailio.cfg"));
        let quoted = |word: &std::ffi::OsStr| match word.to_string_lossy() {
            word if word.contains('"') => format!("'{word}'"),
            word => word.into_owned(),
        };
        let words: Vec<String> = command.get_args().map(quoted).collect();
        let line = format!("kamailio {}", words.join(" "));
        let child = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .process_group(0)
            .spawn()
            .map_err(|error| format!("cannot start kamailio: {error}"))?;
        let address = SocketAddr::new(ADDRESS.parse().map_err(|_| "no address")?, 5060);
        let mut kamailio = Kamailio { address, child, directory };
        let end = Instant::now() + START_PATIENCE;
        while kamailio.counters().is_err() {
            let ended = kamailio.child.try_wait().is_ok_and(|status| status.is_some());
            if ended || Instant::now() > end {
                return Err(format!(
                    "{line}\n{}kamailio does not start",
                    kamailio.log().join("\n")
                ));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok((kamailio, line))
    }

    /// The relay's counters, named as the C proxy names them.
    pub(crate) fn counters(&mut self) -> Result<Counters, String> {
        let control = format!("unix:{}", self.directory.join("control").display());
        let answer = run(Command::new("kamcmd").args(["-s", &control, "mediaproxy.stats"]))?;
        let answer = String::from_utf8_lossy(&answer.stdout).into_owned();
        let named = |line: &str| {
            let (name, value) = line.trim().split_once(": ")?;
            let name = match name.strip_prefix("embedded_")? {
                "ports" => "open_ports",
                other => other,
            };
            Some((name.to_string(), value.parse().ok()?))
        };
        let counters: Counters = answer.lines().filter_map(named).collect();
        if counters.is_empty() {
            return Err(format!("kamcmd mediaproxy.stats: {answer}"));
        }
        Ok(counters)
    }

    /// Ends it and gives what it logged; the error is how it failed.
    pub(crate) fn quit(mut self) -> (Told, Result<(), String>) {
        let log = self.log();
        let ended = self.end();
        let told = Told { log, ..Told::default() };
        (told, ended)
    }

    fn end(&mut self) -> Result<(), String> {
        self.signal(libc::SIGTERM, false);
        // Its own TCP process misses the signal once in a hundred times; then
        // all get another one.
        let again = Instant::now() + PATIENCE;
        let end = again + PATIENCE;
        loop {
            if Instant::now() > again {
                self.signal(libc::SIGTERM, true);
            }
            match self.child.try_wait() {
                Ok(Some(status)) if status.success() => return Ok(()),
                Ok(Some(status)) => return Err(format!("kamailio ended with {status}")),
                Ok(None) if Instant::now() < end => std::thread::sleep(Duration::from_millis(20)),
                Ok(None) => return Err("timeout: kamailio does not end".to_string()),
                Err(error) => return Err(format!("cannot wait for kamailio: {error}")),
            }
        }
    }

    /// Signals the first process, or its whole group.
    fn signal(&self, signal: libc::c_int, group: bool) {
        let Ok(pid) = libc::pid_t::try_from(self.child.id()) else { return };
        // Neither everybody nor the first process of the machine.
        if pid > 1 {
            // SAFETY: takes no pointers; our own child, not waited for yet, which
            // leads its group.
            unsafe { libc::kill(if group { -pid } else { pid }, signal) };
        }
    }

    fn log(&self) -> Vec<String> {
        let bytes = fs::read(self.directory.join("log")).unwrap_or_default();
        String::from_utf8_lossy(&bytes).lines().map(str::to_string).collect()
    }
}

/// Builds the module against the library that was built with this example; the
/// directory it is in.
fn module(root: &Path) -> Result<PathBuf, String> {
    let library = compile::library()?;
    let profile = library.parent().unwrap_or(root);
    let out = profile.join("kamailio");
    let target = profile.ancestors().find(|path| path.ends_with("target"));
    let mut make = Command::new("make");
    if let Some(target) = target {
        make.env("CARGO_TARGET_DIR", target);
    }
    make.arg("-C")
        .arg(root.join("bindings/kamailio"))
        .arg(format!("LIBRARY={}", library.display()))
        .arg(format!("OUT={}", out.display()));
    let answer = run(&mut make)?;
    if !answer.status.success() {
        return Err(format!("{}the module is not built", String::from_utf8_lossy(&answer.stderr)));
    }
    Ok(out)
}

fn run(command: &mut Command) -> Result<Output, String> {
    command.output().map_err(|error| format!("{command:?}: {error}"))
}
