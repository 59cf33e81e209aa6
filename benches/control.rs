//! What asking a relay costs: the control round trip over a persistent Unix
//! stream, beside a bare echo of as many bytes on the same kind of socket.
//!
//! `cargo bench --bench control [-- TRIPS]`: 50,000 round trips of each kind
//! unless told, in turns of 50, so that all of them meet the same machine. A
//! line gives the time of a round trip in the fastest tenth of the turns (what
//! else the machine does only adds to it), and how it compares with the echo's:
//!
//! - `echo`: bytes out, bytes back; who waits does so in epoll or poll.
//! - `proxy`: the same client asks the built-in proxy to renew a session.
//! - `worker`: `rewrite_sdp` on an INVITE, answered by a bare server with a
//!   line that never changes.
//! - `both`: `rewrite_sdp` on the INVITE, answered by the built-in proxy.
//!
//! What a rewrite does to the message, without a relay, is not a part of the
//! round trip: it is measured (`alone`) and taken off. The bare client does it
//! too, for a machine that was busy in between wakes a process later than one
//! that was not.

use std::cell::RefCell;
use std::io::{Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::time::{Duration, Instant};

use kit::directory::Directory;
use mediaproxy::Edits;
use mediaproxy::Options;
use mediaproxy::Worker;
use mediaproxy::internals::media;
use mediaproxy::internals::relay::Role;
use mediaproxy::internals::relay::protocol::{Decoded, Protocol};
use mediaproxy::internals::relay::{Command, Query};
use mediaproxy::proxy::{Config, Proxy};
use mediaproxy::sdp::Session;
use mediaproxy::sip::body;
use mediaproxy::sip::{Message, Source};

/// Round trips of one turn.
const TURN: u32 = 50;
/// So many times an echo's may a round trip cost.
const GOAL: f64 = 1.2;

const INVITE: &[u8] = include_bytes!("invite.sip");
const ANSWER: &[u8] = b"127.0.0.1 20000\r\n";

/// What a bare server makes of what it reads: the bytes to send.
type Respond = fn(&[u8]) -> &[u8];

/// Serves one connection after the other, waiting in epoll as the proxy does.
fn serve(path: &Path, respond: Respond) {
    let listener = UnixListener::bind(path).expect("a socket to listen on");
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            converse(stream, respond);
        }
    });
}

fn converse(mut stream: UnixStream, respond: Respond) {
    stream.set_nonblocking(true).expect("a stream that does not wait");
    // SAFETY: takes no pointers.
    let epoll = unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) };
    let mut event = libc::epoll_event { events: libc::EPOLLIN as u32, u64: 0 };
    // SAFETY: `event` lives through the call.
    unsafe { libc::epoll_ctl(epoll, libc::EPOLL_CTL_ADD, stream.as_raw_fd(), &mut event) };
    let mut buffer = [0; 8192];
    loop {
        // SAFETY: there is room for one event.
        unsafe { libc::epoll_wait(epoll, &mut event, 1, -1) };
        match stream.read(&mut buffer) {
            Ok(0) | Err(_) => break,
            Ok(length) => stream.write_all(respond(&buffer[..length])).expect("room for it"),
        }
    }
    // SAFETY: takes no pointers; nobody else has it.
    unsafe { libc::close(epoll) };
}

/// A bare client: sends, waits in poll as the worker does, reads until the end
/// it waits for.
struct Client {
    stream: UnixStream,
    request: Vec<u8>,
    answer: usize,
}

impl Client {
    fn new(path: &Path, request: &[u8]) -> Client {
        let stream = UnixStream::connect(path).expect("the server");
        stream.set_nonblocking(true).expect("a stream that does not wait");
        Client { stream, request: request.to_vec(), answer: 0 }
    }

    fn trip(&mut self) {
        self.stream.write_all(&self.request).expect("room for it");
        let mut buffer = [0; 8192];
        let mut length = 0;
        while !buffer[..length].ends_with(b"\n") || length < self.answer {
            let mut wait =
                libc::pollfd { fd: self.stream.as_raw_fd(), events: libc::POLLIN, revents: 0 };
            // SAFETY: one pollfd of ours.
            unsafe { libc::poll(&mut wait, 1, 400) };
            length += self.stream.read(&mut buffer[length..]).expect("an answer");
        }
    }
}

/// A worker that rewrites one INVITE again and again.
struct Server {
    worker: Worker,
    edits: Edits,
}

impl Server {
    fn new(path: &Path) -> Server {
        let worker = kit::worker(&[("relay", &format!("mediaproxy2:{}", path.display()))]);
        Server { worker, edits: Edits::new() }
    }

    fn trip(&mut self, source: Source) {
        let message = Message::parse(INVITE, source).expect("an INVITE");
        let rewritten = self.worker.rewrite_sdp(&message, &Options::default(), &mut self.edits);
        assert!(rewritten.expect("a relay's answer"));
    }
}

/// What a rewrite does without a relay.
#[derive(Default)]
struct Alone {
    edits: Edits,
    request: Vec<u8>,
}

impl Alone {
    fn run(&mut self, source: Source) {
        let message = Message::parse(INVITE, source).expect("an INVITE");
        let rules = kit::rewriting::rules(Role::Offer);
        let description = body::find_sdp(&message).expect("a body").expect("a description");
        let session = Session::parse(description).expect("a session");
        let plan = media::plan(&message, &session, &rules).expect("a plan");
        let mut query = Query::about(&message).expect("a query");
        query.streams.clone_from(&plan.streams);
        let codec = Protocol::MediaProxy2.codec();
        let capabilities = codec.capabilities();
        codec.encode(&query, &capabilities, &mut self.request).expect("a request");
        let decoded = codec.decode(Command::Request, ANSWER, false);
        let Decoded::Answer { answer: Ok(answer), .. } = decoded else { panic!("{decoded:?}") };
        plan.fill(&answer, &mut self.edits, &mut |line| panic!("{line}")).expect("edits");
    }
}

/// One kind of round trip and what its turns took.
struct Kind<'k> {
    name: &'static str,
    trip: Box<dyn FnMut() + 'k>,
    turns: Vec<Duration>,
}

impl<'k> Kind<'k> {
    fn new(name: &'static str, trip: impl FnMut() + 'k) -> Kind<'k> {
        Kind { name, trip: Box::new(trip), turns: Vec::new() }
    }

    fn turn(&mut self) {
        let start = Instant::now();
        for _ in 0..TURN {
            (self.trip)();
        }
        self.turns.push(start.elapsed());
    }

    /// Microseconds of a round trip in the slowest of the fastest tenth.
    fn time(&mut self) -> f64 {
        self.turns.sort();
        self.turns[self.turns.len() / 10].as_secs_f64() * 1e6 / f64::from(TURN)
    }
}

fn main() {
    let trips = std::env::args().skip(1).find_map(|argument| argument.parse::<u32>().ok());
    let turns = trips.unwrap_or(50_000).div_ceil(TURN);
    let directory = Directory::new();
    let [echo, fixed, own] = ["echo", "fixed", "own"].map(|name| directory.path(name));
    serve(&echo, |bytes| bytes);
    serve(&fixed, |_| ANSWER);
    let address = "127.0.0.1".parse().expect("an address");
    let proxy = Proxy::bind(Config::new(&own, vec![address], (20_000, 29_999))).expect("a proxy");
    proxy.start().expect("the proxy's thread");

    let request =
        b"update\r\ntype: request\r\ndialog_id: \r\ncall_id: bench@control\r\ncseq: 1\r\n\
        from_uri: alice@example.com\r\nto_uri: bob@example.com\r\nfrom_tag: a\r\nto_tag: \r\n\
        user_agent: Phone 1.0\r\nsignaling_ip: 198.51.100.7\r\nmedia_relay: \r\n\
        media: audio:192.168.1.10:4000:sendrecv:ice=no\r\n\r\n";
    let source = kit::udp("198.51.100.7:1024");
    let rewrite = RefCell::new(Alone::default());
    let mut bare = Client::new(&echo, request);
    bare.answer = request.len();
    let mut asking = Client::new(&own, request);
    let (mut worker, mut both) = (Server::new(&fixed), Server::new(&own));
    let mut kinds = [
        Kind::new("alone", || rewrite.borrow_mut().run(source)),
        Kind::new("echo", || {
            rewrite.borrow_mut().run(source);
            bare.trip();
        }),
        Kind::new("proxy", || {
            rewrite.borrow_mut().run(source);
            asking.trip();
        }),
        Kind::new("worker", || worker.trip(source)),
        Kind::new("both", || both.trip(source)),
    ];
    for kind in &mut kinds {
        kind.turn();
        kind.turns.clear();
    }
    for _ in 0..turns {
        kinds.iter_mut().for_each(Kind::turn);
    }
    println!("{} round trips of each kind", turns * TURN);
    let [alone, times @ ..] = kinds.each_mut().map(Kind::time);
    println!("alone  {alone:6.2} us, taken off the others");
    let [echo, ..] = times;
    for (kind, time) in kinds.iter().skip(1).zip(times) {
        let (time, echo) = (time - alone, echo - alone);
        println!("{:6} {time:6.2} us, {:.2} times an echo", kind.name, time / echo);
    }
    println!("the goal is {GOAL} times an echo");
    proxy.stop();
}
