//! `mediaproxyd` as a program that runs beside a test.

use std::fs;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::netns::Namespace;
use crate::program;
use crate::running::{Running, socket_path, wait_for};

/// One `mediaproxyd`. It is killed with this value, and its socket removed.
#[derive(Debug)]
pub struct Daemon {
    pub running: Running,
    pub path: PathBuf,
    /// The first of its ports.
    first: u16,
    command: Command,
    output: PathBuf,
}

impl Daemon {
    /// Relays at these addresses with the ports `FIRST-LAST`, and listens at
    /// `path`.
    pub fn start(addresses: &[&str], ports: &str, path: &Path, output: PathBuf) -> Daemon {
        Daemon::run(Command::new(program("mediaproxyd")), addresses, ports, path, output)
    }

    /// The same in the namespace of servers, which has one for each `number`:
    /// the first has ports from 20000 on, the next ones a thousand further.
    pub fn start_in(
        server: &Namespace,
        directory: &Path,
        number: u16,
        addresses: &[&str],
    ) -> Daemon {
        let first = 20_000 + 1000 * number;
        let ports = format!("{first}-{}", first + 999);
        let output = directory.join(format!("relay{number}"));
        let command = server.command(program("mediaproxyd"));
        Daemon::run(command, addresses, &ports, &socket_path("relay"), output)
    }

    fn run(
        mut command: Command,
        addresses: &[&str],
        ports: &str,
        path: &Path,
        output: PathBuf,
    ) -> Daemon {
        command.args(addresses.iter().flat_map(|address| ["--address", *address]));
        command.args(["--ports", ports, "--socket"]).arg(path);
        let running = Running::start(&mut command, output.clone());
        let (first, _) = ports.split_once('-').expect("FIRST-LAST");
        let first = first.parse().expect("a port");
        let daemon = Daemon { running, path: path.to_path_buf(), first, command, output };
        daemon.listens();
        daemon
    }

    fn listens(&self) {
        wait_for("the relay's socket", || UnixStream::connect(&self.path).ok());
    }

    /// Another one in place of one that was killed.
    pub fn start_again(&mut self) {
        self.running.end();
        let _ = fs::remove_file(&self.path);
        let output = self.output.with_extension("again");
        self.running = Running::start(&mut self.command, output);
        self.listens();
    }

    /// How many ports of its first thousand it has open.
    pub fn open_ports(&self) -> usize {
        let table = format!("/proc/{}/net/udp", self.running.pid());
        let table = fs::read_to_string(table).expect("the sockets of its namespace");
        let port = |line: &str| {
            let (_, port) = line.split_whitespace().nth(1)?.split_once(':')?;
            u16::from_str_radix(port, 16).ok()
        };
        table.lines().filter_map(port).filter(|port| port / 1000 == self.first / 1000).count()
    }

    /// The setting that names it.
    pub fn uri(&self) -> String {
        format!("mediaproxy2:{};ipv6=yes", self.path.display())
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // It is killed and cannot do it itself.
        let _ = fs::remove_file(&self.path);
    }
}
