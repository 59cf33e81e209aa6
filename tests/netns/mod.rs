//! Two homes behind real NATs and a server on the outside, in network
//! namespaces that are made for one test and gone after it.
//!
//! ```text
//!  phone 192.168.1.10 -- NAT 203.0.113.5, keeps ports   --+
//!                                                         +-- server 203.0.113.1
//!  phone 192.168.1.10 -- NAT 198.51.100.7, random ports --+          198.51.100.1
//! ```
//!
//! Both phones have the same address, as phones at home do. Root makes the
//! namespaces with `ip netns`; an ordinary user does so inside a user
//! namespace, in which the test program runs again.

use std::fs::File;
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::AsRawFd;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

/// Where both phones are.
pub(crate) const PHONE: &str = "192.168.1.10";
/// Where the server is, from both.
pub(crate) const SERVER: &str = "203.0.113.1";

/// How a NAT chooses the outer port.
#[derive(Clone, Copy, Debug)]
enum Mapping {
    Kept,
    Random,
}

/// What distinguishes the two homes.
struct Home {
    mapping: Mapping,
    nat: &'static str,
    gateway: &'static str,
}

const HOMES: [Home; 2] = [
    Home { mapping: Mapping::Kept, nat: "203.0.113.5", gateway: "203.0.113.1" },
    Home { mapping: Mapping::Random, nat: "198.51.100.7", gateway: "198.51.100.1" },
];

/// One network namespace.
#[derive(Debug)]
pub(crate) struct Namespace(String);

impl Namespace {
    /// A command that runs in it.
    pub(crate) fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.0]).arg(program);
        command
    }

    /// A socket in it, which every thread may use.
    pub(crate) fn udp(&self, address: &str) -> UdpSocket {
        let file = File::open(PathBuf::from("/run/netns").join(&self.0)).expect("the namespace");
        let address: SocketAddr = address.parse().expect("an address");
        // A thread of its own: it stays where it moves to.
        let bind = move || {
            // SAFETY: takes no pointers; the descriptor is open.
            let moved = unsafe { libc::setns(file.as_raw_fd(), libc::CLONE_NEWNET) };
            assert_eq!(moved, 0, "setns: {}", std::io::Error::last_os_error());
            UdpSocket::bind(address).expect("a socket in the namespace")
        };
        std::thread::spawn(bind).join().expect("the thread that binds")
    }
}

/// Both homes and the server.
#[derive(Debug)]
pub(crate) struct Network {
    pub(crate) server: Namespace,
    /// Behind the NAT that keeps ports, and behind the one that does not.
    pub(crate) phones: [Namespace; 2],
    nats: [Namespace; 2],
}

impl Network {
    /// Makes it; the reason when this system does not let us.
    fn new() -> Result<Network, String> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = |role| Namespace(format!("mp-{}-{number}-{role}", std::process::id()));
        // From here on dropping it removes what there is.
        let network = Network {
            server: name("server"),
            phones: [name("phone0"), name("phone1")],
            nats: [name("nat0"), name("nat1")],
        };
        for namespace in network.namespaces() {
            ip(&["netns", "add", &namespace.0])?;
            ip(&["-n", &namespace.0, "link", "set", "lo", "up"])?;
        }
        for (at, home) in HOMES.iter().enumerate() {
            network.connect(at, home)?;
        }
        Ok(network)
    }

    fn namespaces(&self) -> impl Iterator<Item = &Namespace> {
        std::iter::once(&self.server).chain(&self.phones).chain(&self.nats)
    }

    fn connect(&self, at: usize, home: &Home) -> Result<(), String> {
        let (phone, nat, server) = (&self.phones[at].0, &self.nats[at].0, &self.server.0);
        let outside = format!("home{at}");
        link(phone, "eth0", nat, "inside")?;
        link(nat, "outside", server, &outside)?;
        for (namespace, device, address) in [
            (phone, "eth0", PHONE),
            (nat, "inside", "192.168.1.1"),
            (nat, "outside", home.nat),
            (server, outside.as_str(), home.gateway),
        ] {
            ip(&["-n", namespace, "addr", "add", &format!("{address}/24"), "dev", device])?;
            ip(&["-n", namespace, "link", "set", device, "up"])?;
        }
        ip(&["-n", phone, "route", "add", "default", "via", "192.168.1.1"])?;
        ip(&["-n", nat, "route", "add", "default", "via", home.gateway])?;
        let to = match home.mapping {
            Mapping::Kept => "",
            Mapping::Random => " to :20000-20999 random",
        };
        let rules = format!(
            "table ip nat {{\nchain post {{\ntype nat hook postrouting priority srcnat;\n\
             policy accept;\noifname \"outside\" ip protocol udp masquerade{to};\n}}\n}}\n"
        );
        let forward = "echo 1 >/proc/sys/net/ipv4/ip_forward && exec nft \"$0\"";
        run(self.nats[at].command("sh").args(["-c", forward, &rules]))
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        for namespace in self.namespaces() {
            // Whoever still lives in it would keep it alive.
            if let Ok(found) = Command::new("ip").args(["netns", "pids", &namespace.0]).output() {
                for pid in String::from_utf8_lossy(&found.stdout).split_whitespace() {
                    let pid = pid.parse().unwrap_or(0);
                    if pid > 1 {
                        // SAFETY: takes no pointers; a process in our namespace.
                        unsafe { libc::kill(pid, libc::SIGKILL) };
                    }
                }
            }
            let _ = Command::new("ip")
                .args(["netns", "delete", &namespace.0])
                .stderr(Stdio::null())
                .status();
        }
    }
}

/// Two ends of a cable.
fn link(left: &str, device: &str, right: &str, peer: &str) -> Result<(), String> {
    ip(&[
        "link", "add", device, "netns", left, "type", "veth", "peer", "name", peer, "netns", right,
    ])
}

fn ip(arguments: &[&str]) -> Result<(), String> {
    run(Command::new("ip").args(arguments))
}

fn run(command: &mut Command) -> Result<(), String> {
    let said = command.output().map_err(|error| format!("{command:?}: {error}"))?;
    match said.status.success() {
        true => Ok(()),
        false => Err(format!("{command:?}: {}", String::from_utf8_lossy(&said.stderr).trim())),
    }
}

/// A private mount namespace with a /run of its own, where `ip netns` keeps
/// its names.
const OWN_RUN: &str = "mount -t tmpfs tmpfs /run && exec \"$0\" \"$@\"";

fn unshared() -> Command {
    let mut command = Command::new("unshare");
    command.args(["--user", "--map-root-user", "--net", "--mount", "sh", "-c", OWN_RUN]);
    command
}

/// Runs a test (by its whole name) in a network of its own; prints a SKIP line
/// where the system does not let us make one.
pub(crate) fn in_network(test: &str, run: impl FnOnce(&Network)) {
    // SAFETY: takes nothing, cannot fail.
    if unsafe { libc::geteuid() } == 0 {
        match Network::new() {
            Ok(network) => run(&network),
            Err(reason) => println!("SKIP {test}: no network namespaces: {reason}"),
        }
        return;
    }
    let probe = unshared().args(["ip", "netns", "add", "probe"]).output();
    match probe {
        Ok(said) if said.status.success() => {}
        Ok(said) => {
            let reason = String::from_utf8_lossy(&said.stderr).replace('\n', " ");
            println!("SKIP {test}: no user namespaces: {reason}");
            return;
        }
        Err(error) => {
            println!("SKIP {test}: unshare: {error}");
            return;
        }
    }
    let program = std::env::current_exe().expect("the path of this test");
    let said = unshared()
        .arg(program)
        .args(["--exact", test, "--nocapture"])
        .output()
        .expect("the test runs again");
    print!("{}", String::from_utf8_lossy(&said.stdout));
    assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stderr));
}
