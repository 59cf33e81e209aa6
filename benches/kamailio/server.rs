//! A Kamailio under callgrind, a relay, and who sends it calls.

use std::fs;
use std::net::{SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use kit::daemon::Daemon;
use kit::directory::Directory;
use kit::running::Running;

const INVITE: &str = include_str!("../invite.sip");
const ANSWER: &str = include_str!("../ok.sip");
/// The Call-ID of both.
const CALL_ID: &str = "84516N2Q3ZTk1YTdlMmI0ZGY1NjQ0ODhhMWY5MGM3";

/// Whose functions are called.
pub(crate) enum Modules {
    /// Those in this directory.
    Ours(PathBuf),
    Stock,
}

pub(crate) struct Server {
    client: UdpSocket,
    asked: usize,
}

impl Server {
    /// The instructions within `receive_msg` for so many calls, through a
    /// route that does what is defined.
    pub(crate) fn count(modules: &Modules, defines: &[&str], calls: usize) -> u64 {
        let directory = Directory::new();
        let (socket, output) = (directory.path("d"), directory.path("relay"));
        let _relay = Daemon::start(&["127.0.0.1"], "36000-39999", &socket, output);
        let address = free_address();
        let kamailio = kamailio(modules, defines, &directory, &socket, address);
        let mut server = Server::reached(address);
        server.carry(calls);
        let said = kamailio.stop();
        assert!(!said.contains("ERROR"), "{said}");
        let total = profiles(&directory);
        assert!(total > 0, "callgrind has counted nothing:\n{said}");
        total
    }

    /// Waits until the server answers.
    fn reached(address: SocketAddr) -> Server {
        let client = UdpSocket::bind("127.0.0.1:0").expect("a socket");
        client.connect(address).expect("an address");
        client.set_read_timeout(Some(Duration::from_millis(200))).expect("a timeout");
        let mut server = Server { client, asked: 0 };
        for _ in 0..300 {
            if server.done() {
                // What came before once too often is answered as well.
                let mut late = [0; 2048];
                while server.client.recv(&mut late).is_ok() {}
                server.client.set_read_timeout(Some(Duration::from_secs(60))).expect("a timeout");
                return server;
            }
            // Until it listens the answer is a refusal, at once.
            std::thread::sleep(Duration::from_millis(200));
        }
        panic!("kamailio does not answer");
    }

    /// Asks for an answer: true when it came, and with it all before is done.
    fn done(&mut self) -> bool {
        self.asked += 1;
        let from = self.client.local_addr().expect("its address");
        let request = format!(
            "OPTIONS sip:a@example.com SIP/2.0\r\n\
             Via: SIP/2.0/UDP {from};branch=z9hG4bK{number:08}\r\n\
             From: <sip:a@example.com>;tag=1\r\n\
             To: <sip:a@example.com>\r\n\
             Call-ID: options{number:08}\r\n\
             CSeq: 1 OPTIONS\r\n\
             Content-Length: 0\r\n\r\n",
            number = self.asked
        );
        let mut answer = [0; 2048];
        self.client.send(request.as_bytes()).is_ok() && self.client.recv(&mut answer).is_ok()
    }

    fn carry(&mut self, calls: usize) {
        for call in 0..calls {
            let call_id = format!("{call:08}{}", &CALL_ID[8..]);
            for message in [INVITE, ANSWER] {
                let message = message.replace(CALL_ID, &call_id);
                self.client.send(message.as_bytes()).expect("room for it");
                assert!(self.done(), "kamailio does not answer any more");
            }
        }
    }
}

fn free_address() -> SocketAddr {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    socket.local_addr().expect("its address")
}

fn kamailio(
    modules: &Modules,
    defines: &[&str],
    directory: &Directory,
    dispatcher: &Path,
    address: SocketAddr,
) -> Running {
    let stock = format!("/usr/lib/{}-linux-gnu/kamailio/modules", std::env::consts::ARCH);
    let (path, whose) = match modules {
        Modules::Ours(ours) => (format!("{}:{stock}", ours.display()), "OURS"),
        Modules::Stock => (stock, "STOCK"),
    };
    let mut command = Command::new("valgrind");
    command
        .current_dir(directory.path(""))
        .args(["--tool=callgrind", "--collect-atstart=no", "--toggle-collect=receive_msg"])
        .arg("--callgrind-out-file=profile.%p")
        // The allocator whose cost does not depend on what happened before.
        .args(["kamailio", "-DD", "-E", "-x", "fm", "-X", "fm", "-Y"])
        .arg(directory.path(""))
        .arg("-L")
        .arg(path)
        .arg("-f")
        .arg(kit::root().join("benches/kamailio/kamailio.cfg"))
        .args(["-A", &format!("ADDRESS={address}")])
        .args(["-A", &format!("DISPATCHER=\"{}\"", dispatcher.display())])
        .args(["-A", whose]);
    for define in defines {
        command.args(["-A", define]);
    }
    Running::start(&mut command, directory.path("said"))
}

/// What all processes of the server counted.
fn profiles(directory: &Directory) -> u64 {
    let files = fs::read_dir(directory.path("")).expect("the directory").flatten();
    files
        .filter(|file| file.file_name().to_string_lossy().starts_with("profile."))
        .filter_map(|file| fs::read_to_string(file.path()).ok())
        .filter_map(|profile| {
            let line = profile.lines().find_map(|line| line.strip_prefix("totals: "))?;
            line.trim().parse::<u64>().ok()
        })
        .sum()
}
