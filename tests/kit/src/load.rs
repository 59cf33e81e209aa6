//! Calls through a proxy: every packet numbered, sent at its time, counted.

use std::fmt::Write as _;
use std::net::{SocketAddr, UdpSocket};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::audio::packet;
use crate::proxy::ask;

/// Time between two packets of a phone.
const INTERVAL: Duration = Duration::from_millis(20);

/// What became of the packets.
#[derive(Clone, Copy, Debug, Default)]
pub struct Outcome {
    pub sent: u64,
    pub received: u64,
    /// Received, but not the next one of its stream, or not as it was sent.
    pub wrong: u64,
    /// CPU time of the relay's thread, where the system tells.
    pub cpu: Option<Duration>,
}

impl Outcome {
    pub fn lost(&self) -> u64 {
        self.sent.saturating_sub(self.received)
    }
}

/// One end of a call.
pub struct Phone {
    pub socket: UdpSocket,
    pub relay: SocketAddr,
    pub number: u32,
    pub peer: u32,
}

/// Tells the proxy about one side of a call; the port for the other side.
fn signal(control: &mut UnixStream, kind: &str, call: usize, phone: &UdpSocket) -> SocketAddr {
    let at = phone.local_addr().unwrap();
    let mut request = String::new();
    let to_tag = if kind == "reply" { "tt" } else { "" };
    write!(
        request,
        "update\r\ntype: {kind}\r\ncall_id: load-{call}\r\ncseq: 1\r\nfrom_tag: ft\r\n\
         to_tag: {to_tag}\r\nsignaling_ip: {}\r\nmedia: audio:{}:{}:sendrecv\r\n\r\n",
        at.ip(),
        at.ip(),
        at.port()
    )
    .unwrap();
    let line = ask(control, &request);
    let (address, port) = line.split_once(' ').expect("an address and a port");
    SocketAddr::new(address.parse().unwrap(), port.parse().unwrap())
}

fn phones(control: &mut UnixStream, calls: usize) -> Vec<Phone> {
    let mut phones = Vec::new();
    for call in 0..calls {
        let [caller, callee] = ["127.0.0.2:0", "127.0.0.3:0"].map(|at| {
            let socket = UdpSocket::bind(at).unwrap();
            socket.set_nonblocking(true).unwrap();
            socket
        });
        let for_callee = signal(control, "request", call, &caller);
        let for_caller = signal(control, "reply", call, &callee);
        let number = u32::try_from(call * 2).unwrap();
        phones.push(Phone { socket: caller, relay: for_caller, number, peer: number + 1 });
        phones.push(Phone { socket: callee, relay: for_callee, number: number + 1, peer: number });
    }
    phones
}

/// Reads what has come for a phone; `next` is the number it waits for.
fn drain(phone: &Phone, next: &mut u32, outcome: &mut Outcome) {
    let mut buffer = [0; 2_048];
    while let Ok(length) = phone.socket.recv(&mut buffer) {
        outcome.received += 1;
        if buffer[..length] == packet(phone.peer, *next) {
            *next += 1;
        } else {
            outcome.wrong += 1;
        }
    }
}

/// CPU time the thread of this name has used.
pub fn cpu(name: &str) -> Option<Duration> {
    let tasks = std::fs::read_dir("/proc/self/task").ok()?;
    let mut paths = tasks.filter_map(|task| Some(task.ok()?.path()));
    let wanted = |path: &std::path::PathBuf| {
        std::fs::read_to_string(path.join("comm")).is_ok_and(|comm| comm.trim() == name)
    };
    let statistics = std::fs::read_to_string(paths.find(wanted)?.join("schedstat")).ok()?;
    Some(Duration::from_nanos(statistics.split(' ').next()?.parse().ok()?))
}

/// Makes `calls` calls through the proxy at the other end of `control` and
/// talks for `time`.
pub fn run(mut control: UnixStream, calls: usize, time: Duration) -> Outcome {
    talk(&phones(&mut control, calls), "mediaproxy", time)
}

/// Talks both ways at 50 packets a second for `time`; the relay's thread has
/// a name.
pub fn talk(phones: &[Phone], relay: &str, time: Duration) -> Outcome {
    let rounds = u32::try_from(time.as_millis() / INTERVAL.as_millis()).unwrap();
    let done = AtomicBool::new(false);
    let cpu_before = cpu(relay);
    let mut outcome = thread::scope(|scope| {
        let receiver = scope.spawn(|| {
            let mut outcome = Outcome::default();
            let mut next = vec![0; phones.len()];
            let mut last = false;
            loop {
                for (phone, next) in phones.iter().zip(&mut next) {
                    drain(phone, next, &mut outcome);
                }
                if last {
                    return outcome;
                }
                last = done.load(Ordering::SeqCst);
                thread::sleep(Duration::from_millis(5));
            }
        });
        let start = Instant::now();
        let step = INTERVAL / u32::try_from(phones.len()).unwrap();
        let mut sent = 0;
        for round in 0..rounds {
            for (phone, turn) in phones.iter().zip(0u32..) {
                let due = start + INTERVAL * round + step * turn;
                let early = due.saturating_duration_since(Instant::now());
                // Shorter sleeps cost more than they spread.
                if early > Duration::from_millis(1) {
                    thread::sleep(early);
                }
                let packet = packet(phone.number, round);
                phone.socket.send_to(&packet, phone.relay).unwrap();
                sent += 1;
            }
        }
        // What is on its way arrives within microseconds; the machine may be
        // busy, though.
        thread::sleep(Duration::from_millis(500));
        done.store(true, Ordering::SeqCst);
        Outcome { sent, ..receiver.join().unwrap() }
    });
    // A thread that had no name yet had used nothing yet.
    let before = cpu_before.unwrap_or_default();
    outcome.cpu = cpu(relay).map(|after| after.saturating_sub(before));
    outcome
}
