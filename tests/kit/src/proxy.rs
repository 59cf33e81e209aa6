//! A proxy, its control connection and phones, for the media scenarios.

use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use mediaproxy::proxy::{Config, Proxy, Statistics};

use crate::directory::Directory;

/// How long something that must come may take on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(10);
/// How long nothing must come: on loopback a packet needs microseconds.
pub const QUIET: Duration = Duration::from_millis(150);

/// Where a proxy of this directory listens: in one that it makes.
pub fn socket(directory: &Directory) -> PathBuf {
    directory.path("run/s")
}

pub fn config(directory: &Directory) -> Config {
    let address = "127.0.0.1".parse().unwrap();
    Config::new(socket(directory), vec![address], (24_000, 29_999))
}

/// A proxy that serves, and a connection to it.
pub struct Server {
    pub proxy: Proxy,
    pub control: Control,
    directory: Directory,
}

impl Server {
    pub fn start(change: impl FnOnce(&mut Config)) -> Server {
        let directory = Directory::new();
        let mut config = config(&directory);
        change(&mut config);
        let proxy = Proxy::bind(config).unwrap();
        proxy.start().unwrap();
        let control = Control::connect(&socket(&directory));
        Server { proxy, control, directory }
    }

    /// Another connection to it.
    pub fn connect(&self) -> UnixStream {
        UnixStream::connect(socket(&self.directory)).unwrap()
    }

    /// The counters once they are as expected; the last ones seen otherwise.
    pub fn settled(&self, expected: impl Fn(&Statistics) -> bool) -> Statistics {
        let end = Instant::now() + PATIENCE;
        loop {
            let statistics = self.proxy.statistics();
            if expected(&statistics) || Instant::now() > end {
                return statistics;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

/// A control connection, as a SIP server has it.
pub struct Control(UnixStream);

impl Control {
    pub fn connect(socket: &Path) -> Control {
        let stream = UnixStream::connect(socket).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Control(stream)
    }

    pub fn ask(&mut self, request: &str) -> String {
        ask(&mut self.0, request)
    }

    /// Tells of a message with one stream: where the other side sends to.
    pub fn tell(&mut self, message: &Message) -> SocketAddr {
        let line = self.ask(&message.text());
        let (address, port) = line.split_once(' ').unwrap_or_else(|| panic!("{line}"));
        SocketAddr::new(address.parse().unwrap(), port.parse().unwrap())
    }

    pub fn remove(&mut self) -> String {
        self.ask("remove\r\ncall_id: call\r\nfrom_tag: ft\r\nto_tag: tt\r\n\r\n")
    }
}

/// Sends a request over a control connection; the line of the answer.
pub fn ask(stream: &mut UnixStream, request: &str) -> String {
    stream.write_all(request.as_bytes()).unwrap();
    let mut line = Vec::new();
    while !line.ends_with(b"\r\n") {
        let mut chunk = [0; 1_024];
        let length = stream.read(&mut chunk).unwrap();
        assert!(length > 0, "the proxy closed the connection");
        line.extend_from_slice(&chunk[..length]);
    }
    String::from_utf8(line).unwrap().trim_end().to_string()
}

/// A SIP message with a session description.
#[derive(Clone)]
pub struct Message {
    kind: &'static str,
    call_id: &'static str,
    cseq: u32,
    from_tag: &'static str,
    to_tag: &'static str,
    signaling: IpAddr,
    described: SocketAddr,
    direction: &'static str,
    /// Further parts of the media item.
    more: &'static str,
    /// Further headers.
    headers: &'static str,
}

impl Message {
    /// The caller's offer.
    pub fn offer(phone: &Phone) -> Message {
        Message {
            kind: "request",
            call_id: "call",
            cseq: 1,
            from_tag: "ft",
            to_tag: "",
            signaling: phone.at().ip(),
            described: phone.at(),
            direction: "sendrecv",
            more: "",
            headers: "",
        }
    }

    /// The callee's answer.
    pub fn answer(phone: &Phone) -> Message {
        Message { kind: "reply", to_tag: "tt", ..Message::offer(phone) }
    }

    pub fn cseq(self, cseq: u32) -> Message {
        Message { cseq, ..self }
    }

    pub fn tagged(self, to_tag: &'static str) -> Message {
        Message { to_tag, ..self }
    }

    /// In another leg than `call` of tag `ft`.
    pub fn leg(self, call_id: &'static str, from_tag: &'static str) -> Message {
        Message { call_id, from_tag, ..self }
    }

    pub fn describing(self, at: &str) -> Message {
        Message { described: at.parse().unwrap(), ..self }
    }

    pub fn direction(self, direction: &'static str) -> Message {
        Message { direction, ..self }
    }

    pub fn asymmetric(self) -> Message {
        Message { more: ":asymmetric=yes", ..self }
    }

    pub fn header(self, headers: &'static str) -> Message {
        Message { headers, ..self }
    }

    fn text(&self) -> String {
        let Message { kind, call_id, cseq, from_tag, to_tag, .. } = self;
        let Message { signaling, described, direction, more, headers, .. } = self;
        format!(
            "update\r\ntype: {kind}\r\ncall_id: {call_id}\r\ncseq: {cseq}\r\n\
             from_tag: {from_tag}\r\nto_tag: {to_tag}\r\nsignaling_ip: {signaling}\r\n{headers}\
             media: audio:{described}:{direction}{more}\r\n\r\n"
        )
    }
}

/// A phone's ports: an even one for RTP and the next for RTCP.
pub struct Phone {
    pub rtp: UdpSocket,
    pub rtcp: UdpSocket,
}

impl Phone {
    pub fn new(ip: &str) -> Phone {
        let ip: IpAddr = ip.parse().unwrap();
        loop {
            let rtp = UdpSocket::bind((ip, 0)).unwrap();
            let port = rtp.local_addr().unwrap().port();
            if port % 2 == 1 {
                continue;
            }
            if let Ok(rtcp) = UdpSocket::bind((ip, port + 1)) {
                return Phone { rtp, rtcp };
            }
        }
    }

    pub fn at(&self) -> SocketAddr {
        self.rtp.local_addr().unwrap()
    }
}

pub fn rtcp(rtp: SocketAddr) -> SocketAddr {
    SocketAddr::new(rtp.ip(), rtp.port() + 1)
}

pub fn send(from: &UdpSocket, to: SocketAddr, packet: &str) {
    from.send_to(packet.as_bytes(), to).unwrap();
}

/// Receives one packet, which must come from `from`.
pub fn receive(at: &UdpSocket, from: SocketAddr) -> String {
    at.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut buffer = vec![0; 65_536];
    let (length, source) = at.recv_from(&mut buffer).expect("a packet");
    assert_eq!(source, from);
    String::from_utf8(buffer[..length].to_vec()).unwrap()
}

pub fn receives_nothing(at: &UdpSocket) {
    at.set_read_timeout(Some(QUIET)).unwrap();
    let mut buffer = [0; 2_048];
    match at.recv_from(&mut buffer) {
        Ok((length, from)) => {
            panic!("{} from {from}", String::from_utf8_lossy(&buffer[..length]))
        }
        Err(error) => assert_eq!(error.kind(), ErrorKind::WouldBlock),
    }
}

/// Two phones in a call, and the ports of the proxy they send to.
pub struct Call {
    pub caller: Phone,
    pub callee: Phone,
    pub for_caller: SocketAddr,
    pub for_callee: SocketAddr,
}

impl Call {
    /// A call whose phones have not sent yet.
    pub fn new(control: &mut Control) -> Call {
        let (caller, callee) = (Phone::new("127.0.0.2"), Phone::new("127.0.0.3"));
        let for_callee = control.tell(&Message::offer(&caller));
        let for_caller = control.tell(&Message::answer(&callee));
        Call { caller, callee, for_caller, for_callee }
    }

    /// One packet each way arrives: both sides are locked then.
    pub fn talk(&self) {
        send(&self.caller.rtp, self.for_caller, "hello");
        assert_eq!(receive(&self.callee.rtp, self.for_callee), "hello");
        send(&self.callee.rtp, self.for_callee, "world");
        assert_eq!(receive(&self.caller.rtp, self.for_caller), "world");
    }
}
