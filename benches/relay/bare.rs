//! The least a relay can do: wait, receive, send. It knows where everybody is
//! and believes everything. What the proxy costs beyond it is the price of
//! learning, counting and refusing.

use std::net::{SocketAddr, UdpSocket};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use kit::load::{self, Outcome, Phone};

/// The name of its thread.
const NAME: &str = "bare";

fn bind(address: &str) -> UdpSocket {
    let socket = UdpSocket::bind(address).unwrap();
    socket.set_nonblocking(true).unwrap();
    socket
}

/// Talks for `time` in `calls` calls through a bare forwarder.
pub(crate) fn run(calls: usize, time: Duration) -> Outcome {
    let mut phones: Vec<Phone> = Vec::new();
    let mut relay: Vec<(UdpSocket, SocketAddr)> = Vec::new();
    for number in 0..u32::try_from(calls * 2).unwrap() {
        let address = if number % 2 == 0 { "127.0.0.2:0" } else { "127.0.0.3:0" };
        let (socket, own) = (bind(address), bind("127.0.0.1:0"));
        let at = socket.local_addr().unwrap();
        let relay_at = own.local_addr().unwrap();
        phones.push(Phone { socket, relay: relay_at, number, peer: number ^ 1 });
        relay.push((own, at));
    }
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        let forwarder = thread::Builder::new().name(NAME.to_string());
        forwarder.spawn_scoped(scope, || forward(&relay, &stop)).unwrap();
        let outcome = load::talk(&phones, NAME, time);
        stop.store(true, Ordering::SeqCst);
        outcome
    })
}

fn forward(relay: &[(UdpSocket, SocketAddr)], stop: &AtomicBool) {
    // SAFETY: takes no pointers; what it returns is owned by nobody else.
    let epoll = unsafe { OwnedFd::from_raw_fd(libc::epoll_create1(libc::EPOLL_CLOEXEC)) };
    for (index, (socket, _)) in relay.iter().enumerate() {
        let mut event = libc::epoll_event { events: libc::EPOLLIN as u32, u64: index as u64 };
        let (epoll, socket) = (epoll.as_raw_fd(), socket.as_raw_fd());
        // SAFETY: `event` lives through the call.
        let added = unsafe { libc::epoll_ctl(epoll, libc::EPOLL_CTL_ADD, socket, &mut event) };
        assert_eq!(added, 0);
    }
    let mut events = [libc::epoll_event { events: 0, u64: 0 }; 256];
    let mut buffer = [0; 2_048];
    while !stop.load(Ordering::Relaxed) {
        // SAFETY: there is room for 256 events.
        let ready = unsafe { libc::epoll_wait(epoll.as_raw_fd(), events.as_mut_ptr(), 256, 100) };
        for event in events.iter().take(usize::try_from(ready).unwrap_or(0)) {
            let index = usize::try_from(event.u64).unwrap();
            if let Ok(length) = relay[index].0.recv(&mut buffer) {
                let (from, to) = (&relay[index ^ 1].0, relay[index ^ 1].1);
                from.send_to(&buffer[..length], to).unwrap();
            }
        }
    }
}
