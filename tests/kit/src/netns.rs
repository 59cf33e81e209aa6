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
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::os::fd::AsRawFd;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

/// Where both phones are.
pub const PHONE: &str = "192.168.1.10";
/// Where the server is, from both.
pub const SERVER: &str = "203.0.113.1";
/// The same two over IPv6, which no NAT changes, for the phone of the first
/// home.
pub const PHONE6: &str = "2001:db8:1::10";
pub const SERVER6: &str = "2001:db8:5::1";

/// How a NAT chooses the outer port.
#[derive(Clone, Copy, Debug)]
enum Mapping {
    Kept,
    Random,
}

/// What distinguishes the two homes.
pub struct Home {
    mapping: Mapping,
    pub nat: &'static str,
    gateway: &'static str,
}

pub const HOMES: [Home; 2] = [
    Home { mapping: Mapping::Kept, nat: "203.0.113.5", gateway: "203.0.113.1" },
    Home { mapping: Mapping::Random, nat: "198.51.100.7", gateway: "198.51.100.1" },
];

/// One network namespace.
#[derive(Debug)]
pub struct Namespace(String);

impl Namespace {
    /// A command that runs in it.
    pub fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.0]).arg(program);
        command
    }

    /// Does something in it and comes back with what that gave.
    fn inside<T: Send + 'static>(&self, what: impl FnOnce() -> T + Send + 'static) -> T {
        let file = File::open(PathBuf::from("/run/netns").join(&self.0)).expect("the namespace");
        // A thread of its own: it stays where it moves to.
        let moved = move || {
            // SAFETY: takes no pointers; the descriptor is open.
            let moved = unsafe { libc::setns(file.as_raw_fd(), libc::CLONE_NEWNET) };
            assert_eq!(moved, 0, "setns: {}", std::io::Error::last_os_error());
            what()
        };
        std::thread::spawn(moved).join().expect("the thread in the namespace")
    }

    /// A socket in it, which every thread may use.
    pub fn udp(&self, address: &str) -> UdpSocket {
        let address: SocketAddr = address.parse().expect("an address");
        self.inside(move || UdpSocket::bind(address).expect("a socket in the namespace"))
    }

    /// A connection out of it.
    pub fn tcp(&self, to: SocketAddr) -> TcpStream {
        self.inside(move || TcpStream::connect(to).expect("a connection out of the namespace"))
    }

    fn nft(&self, rules: &str) -> Result<(), String> {
        run(self.command("nft").arg(rules))
    }
}

/// Both homes and the server.
#[derive(Debug)]
pub struct Network {
    pub server: Namespace,
    /// Behind the NAT that keeps ports, and behind the one that does not.
    pub phones: [Namespace; 2],
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
        // What one home sends another one would come by here.
        let own = HOMES.map(|home| home.gateway).join(", ");
        network.server.nft(&format!(
            "table inet watch {{\nchain in {{\ntype filter hook prerouting priority raw;\n\
             iifname \"home*\" ip daddr != {{ {own} }} counter\n\
             iifname \"home*\" ip6 daddr != {{ {SERVER6}, fe80::/10, ff00::/8 }} counter\n}}\n}}\n"
        ))?;
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
             policy accept;\noifname \"outside\" meta l4proto {{ tcp, udp }} masquerade{to};\n}}\n}}\n"
        );
        let forward = "echo 1 >/proc/sys/net/ipv4/ip_forward && exec nft \"$0\"";
        run(self.nats[at].command("sh").args(["-c", forward, &rules]))
    }

    /// How many packets a phone sent elsewhere than to the server.
    pub fn strays(&self) -> u64 {
        let mut list = self.server.command("nft");
        let said = list.args(["list", "table", "inet", "watch"]).output().expect("nft runs");
        let said = String::from_utf8_lossy(&said.stdout).into_owned();
        let counts: Vec<u64> = said
            .split("counter packets ")
            .skip(1)
            .map(|rest| rest.split(' ').next().and_then(|count| count.parse().ok()))
            .map(|count| count.expect("a count"))
            .collect();
        assert_eq!(counts.len(), 2, "a counter each for IPv4 and IPv6: {said}");
        counts.iter().sum()
    }

    /// What comes to these ports of a home's NAT goes on to its phone.
    pub fn forward_ports(&self, home: usize, ports: &str) {
        let rules = format!(
            "table ip forwarded {{\nchain pre {{\ntype nat hook prerouting priority dstnat;\n\
             iifname \"outside\" udp dport {{ {ports} }} dnat to {PHONE};\n}}\n}}\n"
        );
        self.nats[home].nft(&rules).expect("forwarded ports");
    }

    /// Gives the first home and the server IPv6, without NAT; the reason when
    /// this system has none.
    pub fn add_ipv6(&self) -> Result<(), String> {
        let [phone, _] = &self.phones;
        let [nat, _] = &self.nats;
        for (namespace, device, address) in [
            (phone, "eth0", PHONE6),
            (nat, "inside", "2001:db8:1::1"),
            (nat, "outside", "2001:db8:5::5"),
            (&self.server, "home0", SERVER6),
        ] {
            let address = format!("{address}/64");
            ip(&["-n", &namespace.0, "addr", "add", &address, "dev", device, "nodad"])?;
        }
        let forward = "echo 1 >/proc/sys/net/ipv6/conf/all/forwarding";
        run(nat.command("sh").args(["-c", forward]))?;
        ip(&["-n", &phone.0, "-6", "route", "add", "default", "via", "2001:db8:1::1"])?;
        let home = "2001:db8:1::/64";
        ip(&["-n", &self.server.0, "-6", "route", "add", home, "via", "2001:db8:5::5"])
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
pub fn in_network(test: &str, run: impl FnOnce(&Network)) {
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
