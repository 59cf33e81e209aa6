//! A stand-in relay for the faults and orders of events that real ones cannot
//! be made to show: it answers by script and keeps what it was asked.

use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use crate::directory::Directory;

/// What to do with one request.
pub enum Reply {
    /// Write this, whole.
    Say(String),
    /// Write these one after the other, with a breath between them.
    Pieces(Vec<String>),
    /// Write this and close the connection.
    Last(String),
    /// Write so many bytes again and again, no line end among them, with a
    /// pause between them, until the other side closes.
    Endless(usize, Duration),
    /// Close the connection.
    Close,
    /// Stay silent.
    Silence,
}

/// A relay on a Unix socket of its own.
pub struct Relay {
    path: PathBuf,
    requests: Arc<Mutex<Vec<String>>>,
    gone: Arc<AtomicBool>,
    _directory: Directory,
}

impl Relay {
    /// Answers every `update` with 203.0.113.9 and ports from 50000 in steps
    /// of four, every `remove` with `removed`.
    pub fn answering() -> Relay {
        Relay::scripted(|request| {
            if request.starts_with("remove") {
                return Reply::Say("removed\r\n".into());
            }
            let items = request
                .lines()
                .find_map(|line| line.strip_prefix("media: "))
                .map_or(0, |items| items.split(',').count());
            let ports: Vec<String> = (0..items).map(|n| (50000 + 4 * n).to_string()).collect();
            Reply::Say(format!("203.0.113.9 {}\r\n", ports.join(" ")))
        })
    }

    /// Answers as `script` says.
    pub fn scripted(script: impl Fn(&str) -> Reply + Send + Sync + 'static) -> Relay {
        let directory = Directory::new();
        let path = directory.path("relay");
        let listener = UnixListener::bind(&path).unwrap();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let gone = Arc::new(AtomicBool::new(false));
        let (script, kept, left) = (Arc::new(script), requests.clone(), gone.clone());
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if left.load(Ordering::SeqCst) {
                    return;
                }
                let (script, kept) = (script.clone(), kept.clone());
                thread::spawn(move || {
                    serve(&stream, &*script, &kept);
                    // A forked child may hold a copy of it.
                    let _ = stream.shutdown(Shutdown::Both);
                });
            }
        });
        Relay { path, requests, gone, _directory: directory }
    }

    /// The setting that names it.
    pub fn uri(&self) -> String {
        format!("mediaproxy2:{}", self.path.display())
    }

    /// Its socket.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Everything it was asked so far.
    pub fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }

    /// Waits (5 s at most) until it was asked `count` times; what it was asked.
    pub fn wait_for(&self, count: usize) -> Vec<String> {
        for _ in 0..500 {
            let requests = self.requests();
            if requests.len() >= count {
                return requests;
            }
            thread::sleep(Duration::from_millis(10));
        }
        panic!("the relay was asked {} times, not {count}", self.requests().len());
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        // The listening thread looks when somebody connects.
        self.gone.store(true, Ordering::SeqCst);
        let _ = UnixStream::connect(&self.path);
    }
}

fn serve(mut stream: &UnixStream, script: &dyn Fn(&str) -> Reply, requests: &Mutex<Vec<String>>) {
    let mut input = String::new();
    let mut buffer = [0u8; 4096];
    loop {
        while let Some(end) = input.find("\r\n\r\n") {
            let request: String = input.drain(..end + 4).collect();
            requests.lock().unwrap().push(request.clone());
            match script(&request) {
                Reply::Say(answer) => {
                    let _ = stream.write_all(answer.as_bytes());
                }
                Reply::Pieces(pieces) => {
                    for piece in pieces {
                        let _ = stream.write_all(piece.as_bytes());
                        thread::sleep(Duration::from_millis(2));
                    }
                }
                Reply::Last(answer) => {
                    let _ = stream.write_all(answer.as_bytes());
                    return;
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

/// The value of a header in what a relay was asked.
pub fn header<'r>(request: &'r str, name: &str) -> &'r str {
    let prefix = format!("{name}: ");
    request.lines().find_map(|line| line.strip_prefix(&prefix)).unwrap_or("(none)")
}
