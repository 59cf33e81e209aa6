//! Debian's Kamailio, and the relays beside it.

use std::fs;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use crate::memcheck;
use kit::running::{Running, socket_path, wait_for};

/// Where Debian keeps its modules.
pub(crate) fn stock_modules() -> PathBuf {
    Path::new("/usr/lib").join(format!("{}-linux-gnu/kamailio/modules", std::env::consts::ARCH))
}

/// A running server, with all of its processes.
#[derive(Debug)]
pub(crate) struct Kamailio {
    running: Running,
    control: PathBuf,
    /// All its processes are gone: their numbers may be others'.
    over: bool,
    /// Where memcheck writes, if it looks on.
    memcheck: Option<PathBuf>,
}

impl Kamailio {
    /// Starts it with a configuration; `kamailio` is the command, perhaps in
    /// some namespace or below some other program.
    pub(crate) fn start(
        mut kamailio: Command,
        directory: &Path,
        configuration: &Path,
        modules: &[PathBuf],
        defines: &[(&str, String)],
    ) -> Kamailio {
        let control = socket_path("control");
        arguments(&mut kamailio, directory, configuration, modules, defines, &control);
        let memcheck = memcheck::is_under(&kamailio).then(|| directory.to_path_buf());
        if memcheck.is_some() {
            kamailio.args(memcheck::PATIENCE);
        }
        // All its processes die with this test.
        kamailio.process_group(0);
        let mut running = Running::start(&mut kamailio, directory.join("kamailio"));
        wait_for("the control socket of kamailio", || {
            if let Some(status) = running.ended() {
                panic!("kamailio ended with {status}:\n{}", running.said());
            }
            rpc(&control, &["core.version"]).ok()
        });
        Kamailio { running, control, over: false, memcheck }
    }

    /// What an RPC says; the reason when it fails.
    pub(crate) fn rpc(&self, words: &[&str]) -> Result<String, String> {
        rpc(&self.control, words)
    }

    pub(crate) fn said(&self) -> String {
        self.running.said()
    }

    pub(crate) fn says(&self, text: &str) {
        self.running.says(text);
    }

    /// The pids of its children whose description starts like this.
    pub(crate) fn processes(&self, description: &str) -> Vec<libc::pid_t> {
        let said = self.rpc(&["core.psx"]).expect("the processes");
        let mut found = Vec::new();
        let mut pid = 0;
        for line in said.lines().map(str::trim) {
            if let Some(number) = line.strip_prefix("PID: ") {
                pid = number.parse().expect("a pid");
            }
            let names = line.strip_prefix("DSC: ");
            if names.is_some_and(|name| name.starts_with(description)) {
                found.push(pid);
            }
        }
        found
    }

    pub(crate) fn pid(&self) -> libc::pid_t {
        self.running.pid()
    }

    /// Ends it as an operator does; what it said. All its processes are gone
    /// then.
    ///
    /// Once in a hundred times Kamailio waits for its own TCP process, which
    /// missed the signal, with no module loaded as well; it gets another one.
    /// Those of our module must have gone before.
    pub(crate) fn stop(mut self) -> String {
        let own = self.processes("MediaProxy");
        self.running.signal(libc::SIGTERM);
        let late = Instant::now() + Duration::from_secs(10);
        while self.running.ended().is_none() && Instant::now() < late {
            std::thread::sleep(Duration::from_millis(5));
        }
        if self.running.ended().is_none() {
            // One that has ended but was not waited for has no command line.
            let lives = |pid: &libc::pid_t| {
                fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|line| !line.is_empty())
            };
            let left: Vec<_> = own.into_iter().filter(lives).collect();
            assert!(left.is_empty(), "{left:?} go on without the server:\n{}", self.said());
            self.running.signal_group(libc::SIGTERM);
        }
        let status = self.running.end();
        let said = self.said();
        assert!(status.success(), "{status}:\n{said}");
        let group = self.pid();
        // SAFETY: takes no pointers; asks whether the group still has members.
        let left = unsafe { libc::kill(-group, 0) };
        assert_eq!(left, -1, "processes of kamailio are left:\n{said}");
        self.over = true;
        if let Some(directory) = &self.memcheck {
            memcheck::found_nothing(directory);
        }
        said
    }
}

impl Drop for Kamailio {
    fn drop(&mut self) {
        if !self.over {
            self.running.kill_group();
        }
        // It is killed and cannot do it itself.
        let _ = fs::remove_file(&self.control);
    }
}

fn arguments(
    kamailio: &mut Command,
    directory: &Path,
    configuration: &Path,
    modules: &[PathBuf],
    defines: &[(&str, String)],
    control: &Path,
) {
    let modules: Vec<_> = modules.iter().map(|path| path.display().to_string()).collect();
    kamailio
        .current_dir(directory)
        .args(["-DD", "-E", "-m", "32", "-M", "8", "-Y"])
        .arg(directory)
        .arg("-L")
        .arg(modules.join(":"))
        .arg("-f")
        .arg(configuration)
        .arg("-A")
        .arg(format!("CONTROL=\"unix:{}\"", control.display()));
    for (name, value) in defines {
        kamailio.arg("-A").arg(if value.is_empty() {
            name.to_string()
        } else {
            format!("{name}={value}")
        });
    }
}

fn rpc(control: &Path, words: &[&str]) -> Result<String, String> {
    let said = Command::new("kamcmd")
        .arg("-s")
        .arg(format!("unix:{}", control.display()))
        .args(words)
        .output()
        .expect("kamcmd runs");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (out, errors) = (text(&said.stdout), text(&said.stderr));
    match said.status.success() && !out.starts_with("error:") {
        true => Ok(out),
        false => Err(out + &errors),
    }
}
