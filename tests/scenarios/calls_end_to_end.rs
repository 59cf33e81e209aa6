//! Calls from SIP message to media: a worker, the built-in relay and phones on
//! loopback addresses. The flows are those of forking proxies and of B2BUAs.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use mediaproxy::proxy::Proxy;
use mediaproxy::sip::Message;
use mediaproxy::{Options, ScopeOption, Worker};

use kit::call::{self, Step, audio};
use kit::directory::Directory;
use kit::proxy::{PATIENCE, Phone, send};

/// A server with a relay on the same machine.
struct Scene {
    proxy: Proxy,
    worker: Worker,
    directory: Directory,
}

impl Scene {
    fn new() -> Scene {
        Scene::on(&["127.0.0.1"])
    }

    /// With a relay that has these addresses.
    fn on(addresses: &[&str]) -> Scene {
        let directory = Directory::new();
        let mut config = kit::proxy::config(&directory);
        config.addresses = addresses.iter().map(|ip| ip.parse().unwrap()).collect();
        let proxy = Proxy::bind(config).unwrap();
        proxy.start().unwrap();
        let worker = worker(&directory);
        Scene { proxy, worker, directory }
    }

    /// The SIP server restarts; the relay goes on.
    fn restart(&mut self) {
        self.worker = worker(&self.directory);
    }

    /// Rewrites a message that came from `ip` and carries `sdp`: the address that
    /// its receiver sends media to.
    fn message(&mut self, step: Step, ip: &'static str, sdp: &Sdp) -> SocketAddr {
        let step = from(step, ip).sdp(audio(&sdp.0.ip().to_string(), sdp.0.port()));
        let text = call::rewrite(&mut self.worker, &step);
        let value = |start: &str| {
            let line = text.lines().find(|line| line.starts_with(start)).expect("the line");
            line[start.len()..].split(' ').next().expect("a word").to_string()
        };
        SocketAddr::new(value("c=IN IP4 ").parse().unwrap(), value("m=audio ").parse().unwrap())
    }

    /// A message without SDP.
    fn bare(&mut self, step: Step, ip: &'static str) {
        let text = call::rewrite_with(&mut self.worker, &from(step, ip), &Options::default());
        assert_eq!(text.unwrap(), None);
    }

    fn end(&mut self, step: Step) {
        call::terminate(&mut self.worker, &step).unwrap();
    }

    fn end_branch(&mut self, step: Step) {
        let options = Options { scope: ScopeOption::Branch, ..Options::default() };
        let raw = step.bytes();
        let message = Message::parse(&raw, step.source()).unwrap();
        self.worker.end_session(&message, &options).unwrap();
    }

    /// Waits until the relay has so many sessions.
    fn sessions(&self, wanted: u64) {
        let end = Instant::now() + PATIENCE;
        while self.proxy.statistics().sessions != wanted {
            assert!(Instant::now() < end, "{:?}", self.proxy.statistics());
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// The relay still has so many sessions after all that was sent to it.
    fn still(&self, wanted: u64) {
        std::thread::sleep(Duration::from_millis(60));
        assert_eq!(self.proxy.statistics().sessions, wanted);
    }
}

/// What an SDP names.
struct Sdp(SocketAddr);

impl From<&Phone> for Sdp {
    fn from(phone: &Phone) -> Sdp {
        Sdp(phone.at())
    }
}

fn worker(directory: &Directory) -> Worker {
    let relay = format!("mediaproxy2:{};ipv6=yes", kit::proxy::socket(directory).display());
    let patience = [("relay_timeout", "9000"), ("relay_try", "9000")];
    kit::worker(&[("relay", &relay), patience[0], patience[1]])
}

fn from(mut step: Step, ip: &'static str) -> Step {
    step.source = ip;
    step
}

/// The phones hear each other after a few packets, without a pause.
fn talk(a: &Phone, to_a: SocketAddr, b: &Phone, to_b: SocketAddr) {
    let mut buffer = [0; 100];
    for phone in [a, b] {
        phone.rtp.set_read_timeout(Some(Duration::from_millis(1))).unwrap();
        while phone.rtp.recv(&mut buffer).is_ok() {}
        phone.rtp.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
    }
    let (mut a_hears, mut b_hears) = (false, false);
    for _ in 0..8 {
        send(&a.rtp, to_a, "from a");
        send(&b.rtp, to_b, "from b");
        b_hears |= b.rtp.recv(&mut buffer).is_ok_and(|length| &buffer[..length] == b"from a");
        a_hears |= a.rtp.recv(&mut buffer).is_ok_and(|length| &buffer[..length] == b"from b");
    }
    assert!(a_hears && b_hears, "a hears b: {a_hears}, b hears a: {b_hears}");
}

/// Two lines on addresses of two families: each is relayed in its own.
#[test]
fn lines_of_two_families_are_relayed_each_in_its_family() {
    if std::net::UdpSocket::bind("[::1]:0").is_err() {
        println!("SKIP {}: no IPv6 on this machine", kit::here!());
        return;
    }
    let mut scene = Scene::on(&["127.0.0.1", "::1"]);
    let phones = |ip: &str| [Phone::new(ip), Phone::new("::1")];
    let (alice, bob) = (phones("127.0.0.2"), phones("127.0.0.3"));
    let mut shown = |step: Step, ip, [audio, video]: &[Phone; 2]| {
        let [audio, video] = [audio.at(), video.at()];
        let sdp = kit::call::audio(&audio.ip().to_string(), audio.port())
            + &format!("m=video {} RTP/AVP 96\nc=IN IP6 {}\n", video.port(), video.ip());
        let text = call::rewrite(&mut scene.worker, &from(step, ip).sdp(sdp));
        let words = |start: &str| -> Vec<String> {
            let lines = text.lines().filter_map(|line| line.strip_prefix(start));
            lines.map(|line| line.split(' ').next().unwrap().to_string()).collect()
        };
        let (ip4, ip6) = (words("c=IN IP4 "), words("c=IN IP6 "));
        assert_eq!((&ip4[..], &ip6[..]), (&["127.0.0.1".into()][..], &["::1".into()][..]));
        let at = |ip: &String, kind: &str| {
            SocketAddr::new(ip.parse().unwrap(), words(kind)[0].parse().unwrap())
        };
        [at(&ip4[0], "m=audio "), at(&ip6[0], "m=video ")]
    };
    let to_alice = shown(invite("a", 1), A, &alice);
    let to_bob = shown(reply("200 OK", 1, "a", "b"), B, &bob);
    for line in 0..2 {
        talk(&alice[line], to_bob[line], &bob[line], to_alice[line]);
    }
}

const A: &str = "127.0.0.2:5060";
const B: &str = "127.0.0.3:5060";
const C: &str = "127.0.0.4:5060";
/// A B2BUA or application server.
const SERVER: &str = "127.0.0.5:5080";

fn phones() -> (Phone, Phone) {
    (Phone::new("127.0.0.2"), Phone::new("127.0.0.3"))
}

fn invite(from: &'static str, cseq: u32) -> Step {
    Step::request("INVITE", cseq, from, "")
}

fn reply(status: &str, cseq: u32, from: &'static str, to: &'static str) -> Step {
    Step::reply(status, "INVITE", cseq, from, to)
}

/// A B2BUA passes the SDP on as it is: the two sessions of the relay point at each
/// other.
fn bypass(id: [&'static str; 2], tags: [&'static str; 2], cseq: u32) {
    let mut scene = Scene::new();
    let (a, b) = phones();
    let [first, second] = id;
    let [caller, server] = tags;
    let seen = scene.message(invite(caller, 1).call_id(first), A, &(&a).into());
    let for_b = scene.message(invite(server, cseq).call_id(second), SERVER, &Sdp(seen));
    let answer = reply("200 OK", cseq, server, "tb").call_id(second);
    let seen = scene.message(answer, B, &(&b).into());
    let answer = reply("200 OK", 1, caller, "ta").call_id(first);
    let for_a = scene.message(answer, SERVER, &Sdp(seen));
    talk(&a, for_a, &b, for_b);
    scene.end(Step::request("BYE", 2, caller, "ta").call_id(first));
    scene.end(Step::request("BYE", cseq + 1, server, "tb").call_id(second));
    scene.sessions(0);
}

#[test]
fn b2bua_with_bypassed_media_and_a_new_call_id() {
    bypass(["one", "two"], ["a", "s"], 1);
}

#[test]
fn b2bua_with_bypassed_media_and_the_same_call_id() {
    bypass(["one", "one"], ["a", "s"], 1);
    bypass(["one", "one"], ["a", "s"], 101);
}

#[test]
fn spiral_with_the_same_tags() {
    bypass(["one", "one"], ["a", "a"], 1);
}

#[test]
fn b2bua_with_its_own_media_and_the_same_call_id() {
    let mut scene = Scene::new();
    let (a, b) = phones();
    let (left, right) = (Phone::new("127.0.0.5"), Phone::new("127.0.0.5"));
    let for_left = scene.message(invite("a", 1), A, &(&a).into());
    let for_b = scene.message(invite("s", 1), SERVER, &(&right).into());
    let for_right = scene.message(reply("200 OK", 1, "s", "tb"), B, &(&b).into());
    let for_a = scene.message(reply("200 OK", 1, "a", "ta"), SERVER, &(&left).into());
    talk(&a, for_a, &left, for_left);
    talk(&right, for_right, &b, for_b);
    scene.sessions(2);
    scene.end(Step::request("BYE", 2, "a", "ta"));
    scene.sessions(1);
    talk(&right, for_right, &b, for_b);
    scene.end(Step::request("BYE", 2, "s", "tb"));
    scene.sessions(0);
}

#[test]
fn fork_with_a_fast_busy_has_audio() {
    for rings_first in [true, false] {
        let mut scene = Scene::new();
        let (a, b) = phones();
        let for_b = scene.message(invite("a", 1), A, &(&a).into());
        if rings_first {
            scene.bare(reply("180 Ringing", 1, "a", "t2").branch("z9hG4bKb"), B);
        }
        scene.end_branch(reply("486 Busy Here", 1, "a", "t1").branch("z9hG4bKa"));
        scene.still(1);
        scene.bare(reply("180 Ringing", 1, "a", "t2").branch("z9hG4bKb"), B);
        let answer = reply("200 OK", 1, "a", "t2").branch("z9hG4bKb");
        let for_a = scene.message(answer, B, &(&b).into());
        talk(&a, for_a, &b, for_b);
        scene.end(Step::request("BYE", 2, "a", "t2"));
        scene.sessions(0);
    }
}

#[test]
fn downstream_fork_that_fails_leaves_no_session() {
    for tag in ["t1", "t2", "t9"] {
        let mut scene = Scene::new();
        let (a, b) = phones();
        scene.message(invite("a", 1), A, &(&a).into());
        scene.message(reply("183 Session Progress", 1, "a", "t1"), B, &(&b).into());
        scene.bare(reply("180 Ringing", 1, "a", "t2"), C);
        scene.end(reply("480 Temporarily Unavailable", 1, "a", tag));
        scene.sessions(0);
    }
}

#[test]
fn reinvite_refused_after_a_restart_keeps_audio() {
    let mut scene = Scene::new();
    let (a, b) = phones();
    let for_b = scene.message(invite("a", 1), A, &(&a).into());
    let for_a = scene.message(reply("200 OK", 1, "a", "b"), B, &(&b).into());
    talk(&a, for_a, &b, for_b);
    scene.restart();
    talk(&a, for_a, &b, for_b);
    scene.message(Step::request("INVITE", 2, "a", "b"), A, &(&a).into());
    scene.end(reply("488 Not Acceptable Here", 2, "a", "b"));
    scene.still(1);
    talk(&a, for_a, &b, for_b);
    scene.end(Step::request("BYE", 3, "b", "a"));
    scene.sessions(0);
}

#[test]
fn update_on_one_fork_and_the_answer_of_another_have_audio() {
    let mut scene = Scene::new();
    let (a, b) = phones();
    let c = Phone::new("127.0.0.4");
    let for_b = scene.message(invite("a", 1), A, &(&a).into());
    let for_a = scene.message(reply("183 Session Progress", 1, "a", "t1"), B, &(&b).into());
    scene.message(Step::request("UPDATE", 3, "a", "t1"), A, &(&a).into());
    scene.message(Step::reply("200 OK", "UPDATE", 3, "a", "t1"), B, &(&b).into());
    talk(&a, for_a, &b, for_b);
    scene.bare(reply("180 Ringing", 1, "a", "t2"), C);
    let for_a = scene.message(reply("200 OK", 1, "a", "t2"), C, &(&c).into());
    assert_eq!(for_a.ip().to_string(), "127.0.0.1", "the phone's own address is not shown");
    talk(&a, for_a, &c, for_b);
    scene.end(Step::request("BYE", 4, "a", "t2"));
    scene.sessions(0);
}

/// An offer's line between audio and video, and how its answer refuses it.
const REFUSED: [[&str; 2]; 6] = [
    ["m=application 20002 UDP/BFCP *", "m=application 0 UDP/BFCP *"],
    ["m=application 20002 UDP/BFCP *", "m=application 0 TCP/BFCP *"],
    ["m=application 20002 UDP/DTLS/SCTP webrtc-datachannel", "m=application 0 DTLS/SCTP 5000"],
    ["m=image 20002 udptl t38", "m=image 0 TCP t38"],
    ["m=application 20002 TCP/MSRP *", "m=application 0 RTP/AVP 0"],
    ["m=application 20002 RTP/AVP 100", "m=application 0 * "],
];

#[test]
fn line_refused_with_any_transport_leaves_audio_and_video() {
    for [offered, refused] in REFUSED {
        let mut scene = Scene::new();
        let phones = |ip: &str| [Phone::new(ip), Phone::new(ip)];
        let (alice, bob) = (phones("127.0.0.2"), phones("127.0.0.3"));
        let mut shown = |step: Step, ip, [audio, video]: &[Phone; 2], middle: &str| {
            let sdp = call::audio(&audio.at().ip().to_string(), audio.at().port())
                + &format!("{middle}\nm=video {} RTP/AVP 96\n", video.at().port());
            let text = call::rewrite(&mut scene.worker, &from(step, ip).sdp(sdp));
            assert!(text.contains("c=IN IP4 127.0.0.1\r\n"), "{text}");
            let at = |kind: &str| {
                let line = text.lines().find_map(|line| line.strip_prefix(kind)).expect("the line");
                let port = line.split(' ').next().unwrap().parse().expect("a port");
                SocketAddr::new("127.0.0.1".parse().unwrap(), port)
            };
            [at("m=audio "), at("m=video ")]
        };
        let to_alice = shown(invite("a", 1), A, &alice, offered);
        let to_bob = shown(reply("200 OK", 1, "a", "b"), B, &bob, refused);
        for line in 0..2 {
            talk(&alice[line], to_bob[line], &bob[line], to_alice[line]);
        }
    }
}

/// A browser that has no candidates yet, or none of the relay's kind (RFC 8840 4.1.1).
#[test]
fn trickle_ice_offer_stays_as_it_is() {
    let candidates = "a=candidate:1 1 udp 2122260223 5f3c1a2b-1111-2222-3333-444455556666.local \
                      54321 typ host\na=candidate:2 1 tcp 1518280447 10.0.0.5 9 typ host \
                      tcptype active\n";
    for candidates in ["", candidates] {
        let mut scene = Scene::new();
        let sdp = format!(
            "v=0\no=- 1 1 IN IP4 127.0.0.2\ns=-\nt=0 0\na=ice-options:trickle\n\
             m=audio 9 UDP/TLS/RTP/SAVPF 111\nc=IN IP4 0.0.0.0\na=rtcp:9 IN IP4 0.0.0.0\n\
             a=ice-ufrag:abcd\na=ice-pwd:abcdabcdabcdabcdabcdab\n{candidates}a=rtcp-mux\n"
        );
        let step = from(invite("a", 1), A).sdp(sdp);
        let text = call::rewrite(&mut scene.worker, &step);
        assert_eq!(text.as_bytes(), step.bytes());
        scene.still(0);
    }
}

/// The phone whose early SDP is the answer confirms it with a 200 without SDP.
#[test]
fn answer_without_sdp_chooses_its_early_dialog() {
    let mut scene = Scene::new();
    let (a, b) = phones();
    let c = Phone::new("127.0.0.4");
    let for_b = scene.message(invite("a", 1), A, &(&a).into());
    scene.message(reply("183 Session Progress", 1, "a", "t1"), B, &(&b).into());
    let for_a = scene.message(reply("183 Session Progress", 1, "a", "t2"), C, &(&c).into());
    scene.bare(reply("200 OK", 1, "a", "t1"), B);
    scene.still(1);
    talk(&a, for_a, &b, for_b);
    scene.end(Step::request("BYE", 4, "a", "t1"));
    scene.sessions(0);
}
