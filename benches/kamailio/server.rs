//! A Kamailio under callgrind, a relay, and who sends it calls.

use std::fs;
use std::net::{SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

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

/// A program that is killed with this.
struct Program(Child);

impl Drop for Program {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Server {
    /// The instructions within `receive_msg` for so many calls, through a
    /// route that does what is defined.
    pub(crate) fn count(modules: &Modules, defines: &[&str], calls: usize) -> u64 {
        let directory = std::env::temp_dir().join(format!("mp-cost-{}", std::process::id()));
        let _ = fs::remove_dir_all(&directory);
        fs::create_dir_all(&directory).expect("a directory");
        let socket = directory.join("d");
        let _relay = Program(
            Command::new(env!("CARGO_BIN_EXE_mediaproxyd"))
                .args(["--address", "127.0.0.1", "--ports", "36000-39999", "--socket"])
                .arg(&socket)
                .stdin(Stdio::null())
                .spawn()
                .expect("mediaproxyd"),
        );
        while !socket.exists() {
            std::thread::sleep(Duration::from_millis(10));
        }
        let address = free_address();
        let mut kamailio = kamailio(modules, defines, &directory, &socket, address);
        let mut server = Server::reached(address);
        server.carry(calls);
        // SAFETY: takes no pointers; our own child, which was not waited for.
        unsafe { libc::kill(kamailio.0.id() as libc::pid_t, libc::SIGTERM) };
        let status = kamailio.0.wait().expect("its end");
        let said = fs::read_to_string(directory.join("said")).unwrap_or_default();
        assert!(status.success(), "kamailio ended with {status}:\n{said}");
        assert!(!said.contains("ERROR"), "{said}");
        let total = profiles(&directory);
        let _ = fs::remove_dir_all(&directory);
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
    directory: &Path,
    dispatcher: &Path,
    address: SocketAddr,
) -> Program {
    let stock = format!("/usr/lib/{}-linux-gnu/kamailio/modules", std::env::consts::ARCH);
    let (path, whose) = match modules {
        Modules::Ours(ours) => (format!("{}:{stock}", ours.display()), "OURS"),
        Modules::Stock => (stock, "STOCK"),
    };
    let said = fs::File::create(directory.join("said")).expect("a file");
    let mut command = Command::new("valgrind");
    command
        .current_dir(directory)
        .args(["--tool=callgrind", "--collect-atstart=no", "--toggle-collect=receive_msg"])
        .arg("--callgrind-out-file=profile.%p")
        // The allocator whose cost does not depend on what happened before.
        .args(["kamailio", "-DD", "-E", "-x", "fm", "-X", "fm", "-Y"])
        .arg(directory)
        .arg("-L")
        .arg(path)
        .arg("-f")
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/kamailio/kamailio.cfg"))
        .args(["-A", &format!("ADDRESS={address}")])
        .args(["-A", &format!("DISPATCHER=\"{}\"", dispatcher.display())])
        .args(["-A", whose]);
    for define in defines {
        command.args(["-A", define]);
    }
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(said);
    Program(command.spawn().expect("valgrind; install the Debian package"))
}

/// What all processes of the server counted.
fn profiles(directory: &Path) -> u64 {
    let files = fs::read_dir(directory).expect("the directory").flatten();
    files
        .filter(|file| file.file_name().to_string_lossy().starts_with("profile."))
        .filter_map(|file| fs::read_to_string(file.path()).ok())
        .filter_map(|profile| {
            let line = profile.lines().find_map(|line| line.strip_prefix("totals: "))?;
            line.trim().parse::<u64>().ok()
        })
        .sum()
}
