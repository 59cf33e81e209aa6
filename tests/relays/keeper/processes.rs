//! The processes of a test: workers that take orders, a keeper, a relay. Each
//! may be killed or frozen at any moment.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::os::fd::AsRawFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use mediaproxy::{Engine, Keeper, Worker};

use crate::calls::failure;
use kit::call::{Step, alice_sdp, answer, invite, terminate, try_rewrite};
use kit::children::Child;
use kit::directory::Directory;
use kit::engine;

/// A socket for a relay, its URI, and an engine with these settings that uses
/// it. The directory goes with its value.
pub(crate) fn socket_and_engine(
    settings: &[(&str, &str)],
) -> (Directory, PathBuf, String, Arc<Engine>) {
    let directory = Directory::new();
    let socket = directory.path("relay.sock");
    let uri = format!("mediaproxy2:{}", socket.display());
    let mut all = vec![("relay", &*uri)];
    all.extend(settings);
    let engine = engine(&all);
    (directory, socket, uri, engine)
}

/// A keeper in a process of its own.
pub(crate) fn keeper(engine: &Arc<Engine>) -> Child {
    Child::run(|| Keeper::new(engine.clone()).unwrap().run().unwrap())
}

/// A worker process that does what it is told.
pub(crate) struct Hand {
    process: Child,
    orders: BufReader<UnixStream>,
}

impl Hand {
    pub(crate) fn new(engine: &Arc<Engine>) -> Hand {
        Hand::after(engine, || {})
    }

    /// One that first does `what` in its process.
    pub(crate) fn after(engine: &Arc<Engine>, what: impl FnOnce()) -> Hand {
        let (ours, its) = UnixStream::pair().unwrap();
        let process = Child::run(|| {
            what();
            let mut worker = Worker::new(engine.clone()).unwrap();
            let mut orders = BufReader::new(its.try_clone().unwrap());
            let mut line = String::new();
            while orders.read_line(&mut line).unwrap() > 0 {
                let answer = obey(&mut worker, line.trim());
                writeln!(&its, "{answer}").unwrap();
                line.clear();
            }
        });
        Hand { process, orders: BufReader::new(ours) }
    }

    /// Has it take a message ("offer 7", "retry 7", "answer 7", "fail 7", "bye 7"): the lowest port
    /// it gave, 0 for a bye; or what went wrong.
    pub(crate) fn take(&mut self, order: &str) -> Result<u16, String> {
        let mut answer = String::new();
        writeln!(self.orders.get_ref(), "{order}").unwrap();
        self.orders.read_line(&mut answer).unwrap();
        let answer = answer.trim();
        answer.parse().map_err(|_| answer.to_string())
    }

    pub(crate) fn kill(self) {
        drop(self.process);
    }

    pub(crate) fn pid(&self) -> u32 {
        self.process.pid()
    }
}

/// What a worker makes of an order.
pub(crate) fn obey(worker: &mut Worker, order: &str) -> String {
    let (kind, call) = order.split_once(' ').unwrap();
    let step = match kind {
        "offer" => invite(),
        "retry" => Step::request("INVITE", 3, "a", "").sdp(alice_sdp()),
        "answer" => answer("200 OK", "b"),
        "fail" => failure(),
        _ => Step::request("BYE", 2, "a", "b"),
    };
    let step = step.call_id(&format!("call-{call}@x"));
    let done = match kind {
        "bye" | "fail" => terminate(worker, &step).map(|()| "0".to_string()),
        _ => try_rewrite(worker, &step).map(|text| {
            let media = text.split("\r\nm=audio ").nth(1).expect("a stream");
            media.split(' ').next().unwrap_or_default().to_string()
        }),
    };
    done.unwrap_or_else(|error| error.to_string())
}

/// A relay in a process of its own: it gives the port it was made with and
/// writes down what it is asked.
pub(crate) struct Relay {
    process: Child,
    log: PathBuf,
}

/// One thing a relay was asked, as it writes it down.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) command: String,
    pub(crate) call_id: String,
    /// The process that opened the connection.
    pub(crate) pid: u32,
    /// Which of the relay's connections it came over.
    pub(crate) connection: u32,
    /// A stream was said to be of an asymmetric phone.
    pub(crate) asymmetric: bool,
}

impl Request {
    fn read(line: &str) -> Option<Request> {
        let mut words = line.split(' ');
        let mut word = || words.next();
        Some(Request {
            command: word()?.to_string(),
            call_id: word()?.to_string(),
            pid: word()?.parse().ok()?,
            connection: word()?.parse().ok()?,
            asymmetric: word()?.parse().ok()?,
        })
    }

    fn write(&self, mut log: &File) {
        let Request { command, call_id, pid, connection, asymmetric } = self;
        let line = format!("{command} {call_id} {pid} {connection} {asymmetric}\n");
        log.write_all(line.as_bytes()).unwrap();
    }
}

impl Relay {
    /// Listens at `socket`, whatever was there before.
    pub(crate) fn new(socket: &Path, port: u16) -> Relay {
        let log = socket.with_extension("log");
        let _ = fs::remove_file(socket);
        let listener = UnixListener::bind(socket).unwrap();
        let path = log.clone();
        let process = Child::run(move || {
            let log = File::options().create(true).append(true).open(path).unwrap();
            for (connection, stream) in (0..).zip(listener.incoming().flatten()) {
                let log = log.try_clone().unwrap();
                std::thread::spawn(move || serve(&stream, connection, &log, port));
            }
        });
        Relay { process, log }
    }

    pub(crate) fn freeze(&self) {
        self.process.freeze();
    }

    pub(crate) fn thaw(&self) {
        self.process.signal(libc::SIGCONT);
    }

    /// All that relays at this socket were asked.
    pub(crate) fn log(&self) -> Vec<Request> {
        let log = fs::read_to_string(&self.log).unwrap_or_default();
        log.lines().filter_map(Request::read).collect()
    }

    /// How often a relay at this socket was asked to `command` about `call`.
    pub(crate) fn requests(&self, command: &str, call: u32) -> usize {
        let call_id = format!("call-{call}@x");
        let log = self.log();
        log.iter()
            .filter(|requests| requests.command == command && requests.call_id == call_id)
            .count()
    }

    /// The Call-IDs of the probes and who sent them.
    pub(crate) fn probes(&self) -> Vec<Request> {
        let is_probe = |requests: &Request| {
            requests.command == "remove" && requests.call_id.starts_with("probe-")
        };
        self.log().into_iter().filter(is_probe).collect()
    }
}

/// The process that connected.
fn peer(stream: &UnixStream) -> u32 {
    let mut who = libc::ucred { pid: 0, uid: 0, gid: 0 };
    let mut length = size_of::<libc::ucred>() as libc::socklen_t;
    // SAFETY: writes one ucred of ours, whose length is given.
    let result = unsafe {
        libc::getsockopt(
            stream.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_PEERCRED,
            (&raw mut who).cast(),
            &mut length,
        )
    };
    assert_eq!(result, 0);
    u32::try_from(who.pid).unwrap()
}

fn serve(stream: &UnixStream, connection: u32, log: &File, port: u16) {
    let pid = peer(stream);
    let mut lines = BufReader::new(stream).lines().map_while(Result::ok);
    while let Some(command) = lines.next() {
        let (mut call_id, mut asymmetric) = (String::new(), false);
        for header in lines.by_ref().take_while(|line| !line.is_empty()) {
            if let Some(id) = header.strip_prefix("call_id: ") {
                call_id = id.to_string();
            }
            asymmetric |= header.starts_with("media: ") && header.contains(":asymmetric=yes");
        }
        let requests = Request { command, call_id, pid, connection, asymmetric };
        requests.write(log);
        let answer = match requests.command.as_str() {
            "remove" if requests.call_id.starts_with("call-") => "removed\r\n".into(),
            "remove" => "error\r\n".into(),
            _ => format!("203.0.113.9 {port}\r\n"),
        };
        let _ = (&mut &*stream).write_all(answer.as_bytes());
    }
}

/// The time a promise has, and what a busy machine may add to it.
pub(crate) fn within(promised: Duration, what: &str, mut holds: impl FnMut() -> bool) {
    let end = Instant::now() + promised + Duration::from_millis(2500);
    while !holds() {
        assert!(Instant::now() < end, "not in time: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}
