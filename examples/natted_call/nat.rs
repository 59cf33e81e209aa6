//! A NAT as in a home router: the phone behind it has a private address, the
//! world sees the NAT's public one. What the phone sends makes a mapping to a
//! public port; what comes back is let in only from addresses the phone has
//! sent to from that port ("port-restricted"), everything else is dropped.
//!
//! The private side is memory, the public side is real: a UDP socket for each
//! mapping, on a loopback address that stands for the public one.

use std::collections::HashSet;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// A packet that reached a phone.
#[derive(Debug)]
pub(crate) struct Packet {
    /// Who sent it, as the phone sees it.
    pub(crate) from: SocketAddr,
    /// What it holds.
    pub(crate) bytes: Vec<u8>,
    /// When it came.
    pub(crate) at: Instant,
}

/// Which public port a mapping gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ports {
    /// The private one, if it is free.
    Kept,
    /// Any.
    Random,
}

/// Sees each packet that crosses: `true` for outwards, then the public
/// address, and the bytes.
pub(crate) type Watch = Box<dyn Fn(bool, SocketAddr, &[u8]) + Send + Sync>;

/// The NAT.
pub(crate) struct Nat {
    public: Ipv4Addr,
    ports: Ports,
    watch: Watch,
    sockets: Mutex<Vec<Arc<Inner>>>,
    threads: Mutex<Vec<JoinHandle<()>>>,
    stop: AtomicBool,
    /// Packets to addresses no router would carry.
    unroutable: AtomicU64,
    /// Packets from outside that no mapping let in.
    refused: AtomicU64,
    /// A fault: everybody is let in.
    open: AtomicBool,
}

/// One private address and port, and its mapping once there is one.
struct Inner {
    private: SocketAddr,
    inbox: Mutex<Sender<Packet>>,
    mapping: Mutex<Option<Arc<UdpSocket>>>,
    peers: Mutex<HashSet<SocketAddr>>,
    /// Packets that came in from a peer.
    arrived: AtomicU64,
    /// A fault: the next one is lost.
    lose: AtomicBool,
}

impl Nat {
    /// A NAT with a public address.
    pub(crate) fn new(public: Ipv4Addr, ports: Ports, watch: Watch) -> Nat {
        Nat {
            public,
            ports,
            watch,
            sockets: Mutex::default(),
            threads: Mutex::default(),
            stop: AtomicBool::new(false),
            unroutable: AtomicU64::new(0),
            refused: AtomicU64::new(0),
            open: AtomicBool::new(false),
        }
    }

    /// A private socket behind the NAT; what arrives for it comes out here.
    pub(crate) fn socket(&self, private: SocketAddr) -> Receiver<Packet> {
        let (inbox, outbox) = mpsc::channel();
        lock(&self.sockets).push(Arc::new(Inner {
            private,
            inbox: Mutex::new(inbox),
            mapping: Mutex::new(None),
            peers: Mutex::default(),
            arrived: AtomicU64::new(0),
            lose: AtomicBool::new(false),
        }));
        outbox
    }

    /// Sends from a private socket. Packets to private addresses end here, as
    /// they would at the provider's first router.
    pub(crate) fn send(
        self: &Arc<Self>,
        private: SocketAddr,
        to: SocketAddr,
        bytes: &[u8],
    ) -> io::Result<()> {
        let inner = self.inner(private)?;
        let socket = self.mapping(&inner)?;
        let public = socket.local_addr()?;
        (self.watch)(true, public, bytes);
        if !to.ip().is_loopback() {
            self.unroutable.fetch_add(1, Ordering::Relaxed);
            return Ok(());
        }
        lock(&inner.peers).insert(to);
        match socket.send_to(bytes, to) {
            // An ICMP error of an earlier packet is reported here; phones do
            // not see it.
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => Ok(()),
            result => result.map(|_| ()),
        }
    }

    /// The public address and port of a private socket.
    pub(crate) fn public_of(&self, private: SocketAddr) -> Option<SocketAddr> {
        let inner = self.inner(private).ok()?;
        let mapping = lock(&inner.mapping);
        mapping.as_ref().and_then(|socket| socket.local_addr().ok())
    }

    /// How many packets came from outside for this socket and were let in.
    pub(crate) fn arrived(&self, private: SocketAddr) -> u64 {
        self.inner(private).map_or(0, |inner| inner.arrived.load(Ordering::Relaxed))
    }

    /// How many packets from outside were refused.
    pub(crate) fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }

    /// How many packets went to addresses nobody can reach.
    pub(crate) fn unroutable(&self) -> u64 {
        self.unroutable.load(Ordering::Relaxed)
    }

    /// Lets everybody in from now on.
    pub(crate) fn open(&self) {
        self.open.store(true, Ordering::Relaxed);
    }

    /// Loses the next packet for this socket.
    pub(crate) fn lose_one(&self, private: SocketAddr) {
        if let Ok(inner) = self.inner(private) {
            inner.lose.store(true, Ordering::Relaxed);
        }
    }

    /// Ends its threads.
    pub(crate) fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
        for thread in lock(&self.threads).drain(..) {
            // A thread that panicked has printed why.
            let _ = thread.join();
        }
    }

    fn inner(&self, private: SocketAddr) -> io::Result<Arc<Inner>> {
        lock(&self.sockets)
            .iter()
            .find(|inner| inner.private == private)
            .cloned()
            .ok_or_else(|| io::Error::other(format!("no socket {private} behind this NAT")))
    }

    /// The mapping of a private socket, made when there is none.
    fn mapping(self: &Arc<Self>, inner: &Arc<Inner>) -> io::Result<Arc<UdpSocket>> {
        let mut mapping = lock(&inner.mapping);
        if let Some(socket) = &*mapping {
            return Ok(socket.clone());
        }
        let public = IpAddr::V4(self.public);
        let any = || UdpSocket::bind((public, 0));
        let socket = Arc::new(match self.ports {
            Ports::Random => any()?,
            Ports::Kept => UdpSocket::bind((public, inner.private.port())).or_else(|_| any())?,
        });
        socket.set_read_timeout(Some(Duration::from_millis(50)))?;
        *mapping = Some(socket.clone());
        let (nat, inner, reader) = (self.clone(), inner.clone(), socket.clone());
        lock(&self.threads).push(std::thread::spawn(move || nat.receive(&inner, &reader)));
        Ok(socket)
    }

    /// Carries what comes to one mapping inwards.
    fn receive(&self, inner: &Inner, socket: &UdpSocket) {
        let Ok(public) = socket.local_addr() else { return };
        let mut buffer = vec![0; 65_536];
        while !self.stop.load(Ordering::Relaxed) {
            let Ok((length, from)) = socket.recv_from(&mut buffer) else { continue };
            let at = Instant::now();
            let bytes = buffer.get(..length).unwrap_or_default();
            if !lock(&inner.peers).contains(&from) && !self.open.load(Ordering::Relaxed) {
                self.refused.fetch_add(1, Ordering::Relaxed);
                continue;
            }
            inner.arrived.fetch_add(1, Ordering::Relaxed);
            if inner.lose.swap(false, Ordering::Relaxed) {
                continue;
            }
            (self.watch)(false, public, bytes);
            // The phone may be gone already.
            let _ = lock(&inner.inbox).send(Packet { from, bytes: bytes.to_vec(), at });
        }
    }
}

/// Locks; a thread that panicked has told its own story.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
