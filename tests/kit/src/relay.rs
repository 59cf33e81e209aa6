//! A stand-in relay for the faults and orders of events that real ones cannot
//! be made to show: it answers by script and keeps the requests. It speaks
//! either version of MediaProxy, on a Unix socket or over TCP.

mod stream;

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use mediaproxy::internals::relay::{ConnectionUse, Protocol};

use crate::directory::Directory;
pub use stream::Backlog;
use stream::{Address, Listener, Stream};

/// What to do with one request. A relay of MediaProxy 1.x closes the connection
/// behind its answer.
pub enum Reply {
    /// Write this, whole.
    Say(String),
    /// Write these one after the other, with a breath between them.
    Pieces(Vec<String>),
    /// Write this and close the connection.
    Last(String),
    /// Write this and stay silent; never close.
    Part(String),
    /// Write so many bytes again and again, no line end among them, with a
    /// pause between them, until the other side closes.
    Endless(usize, Duration),
    /// Close the connection.
    Close,
    /// Stay silent.
    Silence,
}

/// How a relay is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Link {
    /// A Unix socket.
    Unix,
    /// TCP on 127.0.0.1.
    Tcp,
}

impl Link {
    pub const ALL: [Link; 2] = [Link::Unix, Link::Tcp];
}

/// Answers a request in the protocol that it came in.
type Script = dyn Fn(Protocol, &str) -> Reply + Send + Sync;

/// What a relay does, shared with its threads.
struct Shared {
    script: Box<Script>,
    protocol: Mutex<Protocol>,
    requests: Mutex<Vec<String>>,
    /// Its open connections, by number.
    streams: Mutex<BTreeMap<usize, Stream>>,
    connections: AtomicUsize,
    mode: Mutex<Mode>,
}

/// What it does with new connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    Serving,
    /// Closes them.
    Closing,
    /// Leaves them in the backlog.
    Ignoring,
    /// Has closed its socket.
    Gone,
}

/// A relay at an address of its own.
pub struct Relay {
    address: Address,
    path: PathBuf,
    shared: Arc<Shared>,
    /// Another handle of its socket, and the thread that accepts; `None` when it
    /// is gone.
    listener: Mutex<Option<(Listener, JoinHandle<()>)>>,
    _directory: Directory,
}

impl Relay {
    /// Answers every request for ports with 203.0.113.9 and ports from 50000 in
    /// steps of four, every delete as its protocol does. MediaProxy 2 on a Unix
    /// socket.
    pub fn answering() -> Relay {
        Relay::answering_at(Protocol::MediaProxy2, Link::Unix)
    }

    /// The same in any protocol, at any kind of address.
    pub fn answering_at(protocol: Protocol, link: Link) -> Relay {
        Relay::new(protocol, link, usual_reply)
    }

    /// The same on this socket.
    pub fn answering_on(protocol: Protocol, listener: TcpListener) -> Relay {
        let directory = Directory::new();
        Relay::on(
            Listener::Tcp(listener),
            directory.path("relay"),
            directory,
            protocol,
            usual_reply,
        )
    }

    /// Speaks MediaProxy 2 on a Unix socket; answers as `script` says.
    pub fn scripted(script: impl Fn(&str) -> Reply + Send + Sync + 'static) -> Relay {
        Relay::at(Protocol::MediaProxy2, Link::Unix, script)
    }

    /// The same in any protocol, at any kind of address.
    pub fn at(
        protocol: Protocol,
        link: Link,
        script: impl Fn(&str) -> Reply + Send + Sync + 'static,
    ) -> Relay {
        Relay::new(protocol, link, move |_, request| script(request))
    }

    fn new(
        protocol: Protocol,
        link: Link,
        script: impl Fn(Protocol, &str) -> Reply + Send + Sync + 'static,
    ) -> Relay {
        let directory = Directory::new();
        let path = directory.path("relay");
        let listener = match link {
            Link::Unix => Listener::Unix(UnixListener::bind(&path).unwrap()),
            Link::Tcp => Listener::Tcp(TcpListener::bind("127.0.0.1:0").unwrap()),
        };
        Relay::on(listener, path, directory, protocol, script)
    }

    fn on(
        listener: Listener,
        path: PathBuf,
        directory: Directory,
        protocol: Protocol,
        script: impl Fn(Protocol, &str) -> Reply + Send + Sync + 'static,
    ) -> Relay {
        let address = listener.address(&path);
        let shared = Arc::new(Shared {
            script: Box::new(script),
            protocol: Mutex::new(protocol),
            requests: Mutex::default(),
            streams: Mutex::default(),
            connections: AtomicUsize::new(0),
            mode: Mutex::new(Mode::Serving),
        });
        let backlog = listener.again();
        let here = shared.clone();
        let accepting = thread::spawn(move || {
            while let Ok(stream) = listener.accept() {
                let mode = || *here.mode.lock().unwrap();
                while mode() == Mode::Ignoring {
                    thread::sleep(Duration::from_millis(5));
                }
                match mode() {
                    Mode::Gone => return,
                    Mode::Closing => continue,
                    Mode::Serving | Mode::Ignoring => {}
                }
                let number = here.connections.fetch_add(1, Ordering::SeqCst);
                here.streams.lock().unwrap().insert(number, stream.again());
                let here = here.clone();
                thread::spawn(move || {
                    let protocol = *here.protocol.lock().unwrap();
                    serve(&stream, protocol, &here);
                    // A forked child may hold a copy of it.
                    stream.close();
                    here.streams.lock().unwrap().remove(&number);
                });
            }
        });
        Relay {
            address,
            path,
            shared,
            listener: Mutex::new(Some((backlog, accepting))),
            _directory: directory,
        }
    }

    /// The setting that names it and its protocol.
    pub fn uri(&self) -> String {
        let scheme = match *self.shared.protocol.lock().unwrap() {
            Protocol::MediaProxy1 => "mediaproxy1",
            Protocol::MediaProxy2 => "mediaproxy2",
        };
        format!("{scheme}:{}", self.address)
    }

    /// The setting that names it and leaves the protocol open.
    pub fn open_uri(&self) -> String {
        format!("mediaproxy:{}", self.address)
    }

    /// Its Unix socket.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        let address: SocketAddr =
            self.address.to_string().trim_start_matches("tcp:").parse().expect("a relay on TCP");
        address.port()
    }

    /// All requests so far.
    pub fn requests(&self) -> Vec<String> {
        self.shared.requests.lock().unwrap().clone()
    }

    /// How many connections were made to it.
    pub fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::SeqCst)
    }

    /// Closes all its connections, as a relay that restarts; from now on it
    /// speaks this protocol.
    pub fn restart_as(&self, protocol: Protocol) {
        *self.shared.protocol.lock().unwrap() = protocol;
        self.close_connections();
    }

    fn close_connections(&self) {
        for stream in self.shared.streams.lock().unwrap().values() {
            stream.close();
        }
    }

    fn change(&self, mode: Mode) {
        *self.shared.mode.lock().unwrap() = mode;
        self.close_connections();
    }

    /// Closes all connections, new ones too.
    pub fn close_at_once(&self) {
        self.change(Mode::Closing);
    }

    /// Serves again what it ignored or closed.
    pub fn serve_again(&self) {
        *self.shared.mode.lock().unwrap() = Mode::Serving;
    }

    /// Closes its connections and its socket.
    pub fn kill(&self) {
        self.change(Mode::Gone);
        if let Some((listener, accepting)) = self.listener.lock().unwrap().take() {
            drop(listener);
            // The thread that accepts sees it when somebody connects.
            self.address.connect();
            let _ = accepting.join();
        }
        let _ = std::fs::remove_file(&self.path);
    }

    /// Closes its connections and accepts none: they fill the backlog. Those who
    /// connect now must wait, as long as the value that it returns lives.
    pub fn fill_backlog(&self) -> Backlog {
        self.change(Mode::Ignoring);
        let listener = self.listener.lock().unwrap();
        let (listener, _) = listener.as_ref().expect("a relay that listens");
        listener.fill(&self.address)
    }

    /// Waits (5 s at most) until `count` requests came; all requests.
    pub fn wait_for(&self, count: usize) -> Vec<String> {
        for _ in 0..500 {
            let requests = self.requests();
            if requests.len() >= count {
                return requests;
            }
            thread::sleep(Duration::from_millis(10));
        }
        panic!("the relay got {} requests, not {count}", self.requests().len());
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.kill();
    }
}

/// What a relay of this protocol answers when nothing is wrong.
pub fn usual_reply(protocol: Protocol, request: &str) -> Reply {
    let (line_end, items) = match protocol {
        Protocol::MediaProxy2 if request.starts_with("remove") => {
            return Reply::Say("removed\r\n".into());
        }
        Protocol::MediaProxy2 => ("\r\n", request.lines().find_map(|l| l.strip_prefix("media: "))),
        Protocol::MediaProxy1 => {
            let mut words = request.split(' ');
            match words.next() {
                Some("request" | "lookup") => ("\n", words.nth(1)),
                _ => return Reply::Close,
            }
        }
    };
    let items = items.map_or(0, |items| items.split(',').count());
    let ports: Vec<String> = (0..items).map(|n| (50000 + 4 * n).to_string()).collect();
    Reply::Say(format!("203.0.113.9 {}{line_end}", ports.join(" ")))
}

fn serve(mut stream: &Stream, protocol: Protocol, shared: &Shared) {
    let request_end = match protocol {
        Protocol::MediaProxy1 => "\n",
        Protocol::MediaProxy2 => "\r\n\r\n",
    };
    let one_query = protocol.codec().capabilities().connection == ConnectionUse::OneQuery;
    let mut input = String::new();
    let mut buffer = [0u8; 4096];
    loop {
        while let Some(end) = input.find(request_end) {
            // What follows a single query would be seen behind it.
            let end = if one_query { input.len() } else { end + request_end.len() };
            let request: String = input.drain(..end).collect();
            shared.requests.lock().unwrap().push(request.clone());
            match (shared.script)(protocol, &request) {
                Reply::Say(answer) => {
                    let _ = stream.write_all(answer.as_bytes());
                    if one_query {
                        return;
                    }
                }
                Reply::Pieces(pieces) => {
                    for piece in pieces {
                        let _ = stream.write_all(piece.as_bytes());
                        thread::sleep(Duration::from_millis(2));
                    }
                    if one_query {
                        return;
                    }
                }
                Reply::Last(answer) => {
                    let _ = stream.write_all(answer.as_bytes());
                    return;
                }
                Reply::Part(answer) => {
                    let _ = stream.write_all(answer.as_bytes());
                }
                Reply::Endless(length, pause) => {
                    while stream.write_all(&vec![b'x'; length]).is_ok() {
                        thread::sleep(pause);
                    }
                    return;
                }
                Reply::Close => return,
                Reply::Silence => {}
            }
        }
        match stream.read(&mut buffer) {
            Ok(0) | Err(_) => return,
            Ok(length) => input.push_str(&String::from_utf8_lossy(&buffer[..length])),
        }
    }
}

/// The value of a header of a request.
pub fn header<'r>(request: &'r str, name: &str) -> &'r str {
    let prefix = format!("{name}: ");
    request.lines().find_map(|line| line.strip_prefix(&prefix)).unwrap_or("(none)")
}
