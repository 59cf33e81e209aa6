//! A relay that lives between the steps of its client: no thread, no waiting.

use std::cell::RefCell;
use std::io::{ErrorKind, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use super::super::input::Input;
use crate::directory::Directory;

/// How it answers an `update`.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Behaviour {
    kind: Kind,
    /// Ports are counted from here.
    first_port: u16,
    garbage: Vec<u8>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    /// A port for each stream.
    Obliging,
    Ipv6,
    /// One port less than streams.
    OneLess,
    OneMore,
    /// Every second port is 0.
    Refusing,
    Error,
    Nothing,
    Silent,
    Closing,
    Garbage,
    /// The answer in two halves, the second when asked again.
    Halves,
    /// Bytes behind the answer.
    Surplus,
    /// The first relay of the two fails.
    FirstFails,
}

impl Behaviour {
    pub(super) fn read(input: &mut Input<'_>) -> Self {
        use Kind::*;
        let kind = input.pick(&[
            Obliging, Obliging, Obliging, Ipv6, OneLess, OneMore, Refusing, Error, Nothing, Silent,
            Closing, Garbage, Halves, Surplus, FirstFails,
        ]);
        let first_port = 20_000 + u16::from(input.byte()) * 4;
        let length = if kind == Garbage { usize::from(input.byte()) } else { 0 };
        Behaviour { kind, first_port, garbage: input.bytes(length).to_vec() }
    }

    /// Every stream gets a port, whoever asks and however often.
    pub(super) fn is_good(&self) -> bool {
        matches!(self.kind, Kind::Obliging | Kind::Ipv6 | Kind::Halves)
    }

    /// The same with other ports.
    pub(super) fn elsewhere(&self) -> Self {
        Behaviour { first_port: self.first_port + 2000, ..self.clone() }
    }

    fn answer(&self, streams: usize) -> Vec<u8> {
        let address = if self.kind == Kind::Ipv6 { "2001:db8:9::9" } else { "203.0.113.9" };
        let count = match self.kind {
            Kind::OneLess => streams.saturating_sub(1),
            Kind::OneMore => streams + 1,
            _ => streams,
        };
        let mut line = address.to_string();
        for number in 0..count {
            let refused = self.kind == Kind::Refusing && number % 2 == 1;
            let port = if refused { 0 } else { usize::from(self.first_port) + 4 * number };
            line.push_str(&format!(" {port}"));
        }
        let line = line + "\r\n";
        match self.kind {
            Kind::Error => b"error\r\n".to_vec(),
            Kind::Nothing => b"\r\n".to_vec(),
            Kind::Garbage => self.garbage.clone(),
            Kind::Surplus => [line.as_bytes(), b"surplus"].concat(),
            _ => line.into_bytes(),
        }
    }
}

pub(super) struct Relay {
    listeners: [UnixListener; 2],
    paths: [PathBuf; 2],
    connections: Vec<Connection>,
    _directory: Directory,
}

struct Connection {
    stream: UnixStream,
    first: bool,
    input: Vec<u8>,
    /// The half of an answer that is to come.
    rest: Vec<u8>,
}

impl Relay {
    /// The relay of this thread.
    pub(super) fn with(run: impl FnOnce(&mut Relay)) {
        thread_local! { static RELAY: RefCell<Relay> = RefCell::new(Relay::new()); }
        RELAY.with_borrow_mut(run);
    }

    fn new() -> Self {
        let directory = Directory::new();
        let paths = ["first", "second"].map(|name| directory.path(name));
        let listen = |path: &PathBuf| {
            let listener = UnixListener::bind(path).expect("a socket in the temporary directory");
            listener.set_nonblocking(true).expect("a listener that does not block");
            listener
        };
        let listeners = [listen(&paths[0]), listen(&paths[1])];
        Relay { listeners, paths, connections: Vec::new(), _directory: directory }
    }

    pub(super) fn paths(&self) -> [&Path; 2] {
        [&self.paths[0], &self.paths[1]]
    }

    /// Forgets everything, also connections nobody has taken yet.
    pub(super) fn hang_up(&mut self) {
        self.accept();
        self.connections.clear();
    }

    /// A new rewrite begins: halves of earlier answers never come.
    pub(super) fn start(&mut self) {
        self.connections.iter_mut().for_each(|connection| connection.rest.clear());
    }

    fn accept(&mut self) {
        for (number, listener) in self.listeners.iter().enumerate() {
            while let Ok((stream, _)) = listener.accept() {
                stream.set_nonblocking(true).expect("a stream that does not block");
                let first = number == 0;
                let connection = Connection { stream, first, input: Vec::new(), rest: Vec::new() };
                self.connections.push(connection);
            }
        }
    }

    /// Hears and answers what there is. False when nothing happened.
    pub(super) fn serve(&mut self, behaviour: &Behaviour) -> bool {
        self.accept();
        let mut happened = false;
        self.connections.retain_mut(|connection| {
            let (moved, stays) = connection.serve(behaviour);
            happened |= moved;
            stays
        });
        happened
    }
}

impl Connection {
    /// Whether something happened, and whether the connection stays.
    fn serve(&mut self, behaviour: &Behaviour) -> (bool, bool) {
        if !self.rest.is_empty() {
            let rest = std::mem::take(&mut self.rest);
            return (true, self.stream.write_all(&rest).is_ok());
        }
        let mut buffer = [0; 4096];
        loop {
            match self.stream.read(&mut buffer) {
                Ok(0) => return (false, false),
                Ok(length) => self.input.extend_from_slice(&buffer[..length]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(_) => return (false, false),
            }
        }
        let mut happened = false;
        while let Some(end) = self.input.windows(4).position(|four| four == b"\r\n\r\n") {
            let request: Vec<u8> = self.input.drain(..end + 4).collect();
            let streams = understood(&request[..end]);
            let Some(streams) = streams else {
                if self.stream.write_all(b"removed\r\n").is_err() {
                    return (true, false);
                }
                happened = true;
                continue;
            };
            let fails = behaviour.kind == Kind::FirstFails && self.first;
            match behaviour.kind {
                Kind::Silent => continue,
                Kind::Closing => return (true, false),
                Kind::FirstFails if fails => return (true, false),
                _ => {}
            }
            let mut answer = behaviour.answer(streams);
            if behaviour.kind == Kind::Halves {
                self.rest = answer.split_off(answer.len() / 2);
            }
            if self.stream.write_all(&answer).is_err() {
                return (true, false);
            }
            happened = true;
        }
        (happened, true)
    }
}

/// Checks that a request can be read by anybody; the number of its streams,
/// `None` for a removal.
fn understood(request: &[u8]) -> Option<usize> {
    let text = std::str::from_utf8(request).expect("a request is UTF-8");
    let mut lines = text.split("\r\n");
    let command = lines.next().unwrap();
    let mut streams = 0;
    for line in lines {
        let (name, value) = line.split_once(": ").unwrap_or_else(|| panic!("no header: {line:?}"));
        assert!(name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'), "{line:?}");
        assert!(!value.chars().any(|c| c.is_ascii_control()), "{line:?}");
        if name == "media" {
            streams = value.split(',').count();
            assert!(value.split(',').all(|item| item.split(':').count() >= 5), "{line:?}");
        }
    }
    assert!(streams <= 64);
    match command {
        "update" => Some(streams),
        "remove" => None,
        other => panic!("no command: {other:?}"),
    }
}
