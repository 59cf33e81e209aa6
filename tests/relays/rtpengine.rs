//! A real relay that speaks MediaProxy 1.x over TCP: `rtpengine --listen-tcp` of
//! Debian. It serves calls of one stream.

use std::io::ErrorKind;
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::process::Command;
use std::time::Duration;

use kit::audio::packet;
use kit::call::{Step, answer, audio, invite, rewrite, terminate};
use kit::running::{Running, directory, wait_for};
use kit::worker;
use mediaproxy::Worker;
use mediaproxy::internals::relay::Protocol;

/// One rtpengine, and where it takes commands; `None`, and a SKIP line, where it
/// is not installed.
fn rtpengine(test: &str, ports: [u16; 2]) -> Option<(Running, SocketAddr)> {
    if let Err(error) = Command::new("rtpengine").arg("--version").output() {
        println!("SKIP rtpengine::{test}: rtpengine: {error}");
        return None;
    }
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut command = Command::new("rtpengine");
    command.args(["--config-file=none", "--table=-1", "--foreground", "--log-stderr"]);
    command.args(["--interface=127.0.0.1", "--num-threads=1", "--delete-delay=0"]);
    command.arg(format!("--listen-tcp={free}"));
    command.args([format!("--port-min={}", ports[0]), format!("--port-max={}", ports[1])]);
    let running = Running::start(&mut command, directory("rtpengine", test).join("output"));
    wait_for("rtpengine", || TcpStream::connect(free).ok());
    Some((running, free))
}

/// A phone with one socket for RTP.
struct Phone {
    rtp: UdpSocket,
    ssrc: u32,
}

impl Phone {
    fn new(ssrc: u32) -> Phone {
        let rtp = UdpSocket::bind("127.0.0.1:0").unwrap();
        rtp.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
        Phone { rtp, ssrc }
    }

    fn sdp(&self) -> String {
        audio("127.0.0.1", self.rtp.local_addr().unwrap().port())
    }

    fn send(&self, to: SocketAddr, sequence: u32) {
        self.rtp.send_to(&packet(self.ssrc, sequence), to).unwrap();
    }

    /// The next packet: its SSRC, and where it came from.
    fn receive(&self) -> Option<(u32, SocketAddr)> {
        let mut buffer = [0; 1500];
        match self.rtp.recv_from(&mut buffer) {
            Ok((length, from)) => {
                assert!(length > 12, "an RTP packet");
                Some((u32::from_be_bytes(buffer[8..12].try_into().unwrap()), from))
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => None,
            Err(error) => panic!("{error}"),
        }
    }
}

/// Where the SDP of a message says that audio is received.
fn media(message: &str) -> SocketAddr {
    let field = |start: &str| {
        let line = message.lines().find_map(|line| line.strip_prefix(start)).expect(start);
        line.split(' ').next().unwrap().to_string()
    };
    format!("{}:{}", field("c=IN IP4 "), field("m=audio ")).parse().unwrap()
}

/// Sends audio both ways, `count` packets; how many arrived at alice and at bob.
/// They come from ports of the relay alone; to bob not from the port that he
/// sends to, for this relay takes the callee with a tag for another one than the
/// callee without.
fn talk(call: &Call, first: u32, count: u32) -> [usize; 2] {
    let Call { alice, bob, for_alice, for_bob, ports } = call;
    let mut arrived = [0, 0];
    for sequence in first..first + count {
        alice.send(*for_alice, sequence);
        bob.send(*for_bob, sequence);
        for (at, (phone, other)) in [(alice, bob), (bob, alice)].into_iter().enumerate() {
            if let Some((ssrc, from)) = phone.receive() {
                assert_eq!(ssrc, other.ssrc);
                assert!(is_at_relay(from, ports), "{from}");
                arrived[at] += 1;
            }
        }
    }
    arrived
}

struct Call {
    alice: Phone,
    bob: Phone,
    /// Where each of them sends to.
    for_alice: SocketAddr,
    for_bob: SocketAddr,
    /// The first and the last port of the relay.
    ports: [u16; 2],
}

fn is_at_relay(address: SocketAddr, ports: &[u16; 2]) -> bool {
    address.ip().is_loopback() && (ports[0]..=ports[1]).contains(&address.port())
}

/// The same message from this host.
fn step(mut step: Step) -> Step {
    step.source = "127.0.0.1:5070";
    step
}

fn call_with_audio_both_ways(worker: &mut Worker, ports: [u16; 2]) {
    let (alice, bob) = (Phone::new(0xa11ce), Phone::new(0xb0b));
    let for_bob = media(&rewrite(worker, &step(invite().sdp(alice.sdp()))));
    let for_alice = media(&rewrite(worker, &step(answer("200 OK", "b").sdp(bob.sdp()))));
    assert!(is_at_relay(for_bob, &ports) && is_at_relay(for_alice, &ports));
    assert_ne!(for_bob.port(), for_alice.port());
    let call = Call { alice, bob, for_alice, for_bob, ports };
    let arrived = talk(&call, 0, 30);
    assert!(arrived.iter().all(|count| *count >= 25), "{arrived:?}");
    terminate(worker, &step(Step::request("BYE", 2, "a", "b"))).unwrap();
    let mut sequence = 30;
    wait_for("the end of the session", || {
        sequence += 1;
        (talk(&call, sequence, 1) == [0, 0]).then_some(())
    });
}

#[test]
fn rtpengine_relays_a_call_of_mediaproxy1() {
    let ports = [43_000, 43_039];
    let Some((running, address)) = rtpengine("rtpengine_relays_a_call_of_mediaproxy1", ports)
    else {
        return;
    };
    let mut worker = worker(&[("relay", &format!("mediaproxy1:tcp:{address}"))]);
    call_with_audio_both_ways(&mut worker, ports);
    assert!(!running.said().contains("Segmentation"), "{}", running.said());
}

#[test]
fn rtpengine_is_found_to_speak_mediaproxy1() {
    let ports = [43_040, 43_079];
    let Some((_running, address)) = rtpengine("rtpengine_is_found_to_speak_mediaproxy1", ports)
    else {
        return;
    };
    let mut worker = worker(&[("relay", &format!("mediaproxy:tcp:{address}"))]);
    call_with_audio_both_ways(&mut worker, ports);
    let health = worker.engine().health();
    let slot = health.slots().next().expect("one relay");
    assert_eq!(Protocol::from_number(health.protocol(slot)), Some(Protocol::MediaProxy1));
}
