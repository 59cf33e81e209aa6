//! `minimal_server` on the loopback device, with phones that say exactly what a
//! test wants: what it answers itself, in which order, and after a process died.

use std::net::{SocketAddr, UdpSocket};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use super::program::{directory, minimal_server};
use kit::relay::{Relay, Reply};
use kit::running::{PATIENCE, Running, wait_for};

/// A server and where it is.
struct Server {
    running: Running,
    at: SocketAddr,
}

impl Server {
    fn start(test: &str, arguments: &[&str]) -> Server {
        let output = directory(test).join("server");
        let mut command = Command::new(minimal_server());
        // A setting of its own relay, which it has where no other is given.
        if !arguments.contains(&"--relay") {
            command.args(["--set", "proxy_ports=20000-20999"]);
        }
        command.args(arguments).arg("127.0.0.1:0");
        let running = Running::start(&mut command, output);
        let at = wait_for("its address", || {
            let said = running.said();
            let (_, address) = said.lines().find_map(|line| line.split_once("listening on "))?;
            address.parse().ok()
        });
        Server { running, at }
    }

    /// The process ids of its children.
    fn children(&self) -> Vec<libc::pid_t> {
        let pid = self.running.pid();
        let path = format!("/proc/{pid}/task/{pid}/children");
        let text = std::fs::read_to_string(Path::new(&path)).expect("its children");
        text.split_whitespace().map(|pid| pid.parse().expect("a process id")).collect()
    }
}

/// A phone on an address of its own.
struct Phone {
    socket: UdpSocket,
    user: &'static str,
    server: SocketAddr,
}

impl Phone {
    fn new(user: &'static str, address: &str, server: &Server) -> Phone {
        let socket = UdpSocket::bind(format!("{address}:0")).expect("a socket");
        socket.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        Phone { socket, user, server: server.at }
    }

    fn at(&self) -> SocketAddr {
        self.socket.local_addr().expect("its address")
    }

    /// Sends lines; `Via` is added, and `Content-Length` with the body.
    fn say(&self, first: &str, branch: &str, headers: &str, body: &str) {
        let text = format!(
            "{first}\nVia: SIP/2.0/UDP {};branch=z9hG4bK{branch};rport\n{headers}\
             Content-Length: {}\n\n",
            self.at(),
            body.len(),
        );
        let text = text.replace('\n', "\r\n") + body;
        self.socket.send_to(text.as_bytes(), self.server).expect("a message goes out");
    }

    fn request(&self, method: &str, uri: &str, to: &str, cseq: u32, more: &str) {
        let headers = self.headers(method, to, cseq, more);
        let branch = format!("{method}{cseq}");
        self.say(&format!("{method} {uri} SIP/2.0"), &branch, &headers, "");
    }

    fn headers(&self, method: &str, to: &str, cseq: u32, more: &str) -> String {
        format!(
            "Max-Forwards: 70\nFrom: <sip:{0}@x>;tag={0}\nTo: {to}\nCall-ID: call-of-{0}\n\
             CSeq: {cseq} {method}\n{more}",
            self.user
        )
    }

    fn register(&self, cseq: u32, contact: &str) -> String {
        let uri = format!("sip:{}", self.server);
        let to = format!("<sip:{}@x>", self.user);
        self.request("REGISTER", &uri, &to, cseq, contact);
        self.hear()
    }

    /// INVITE or CANCEL of one call.
    fn invite(&self, method: &str, to: &str) {
        let description = "v=0\r\no=- 1 1 IN IP4 10.0.0.1\r\ns=-\r\nc=IN IP4 10.0.0.1\r\n\
            t=0 0\r\nm=audio 4000 RTP/AVP 8\r\n";
        let (more, body) = match method {
            "INVITE" => ("Contact: <sip:a@10.0.0.1>\nContent-Type: application/sdp\n", description),
            _ => ("", ""),
        };
        let headers = self.headers(method, &format!("<sip:{to}@x>"), 1, more);
        self.say(&format!("{method} sip:{to}@{} SIP/2.0", self.server), "1", &headers, body);
    }

    /// Replies to a request with a failure, under the phone's own tag.
    fn refuse(&self, status: &str, request: &str) {
        let mut lines = vec![format!("SIP/2.0 {status}")];
        lines.extend(request.lines().filter(|line| line.starts_with("Via:")).map(str::to_string));
        lines.extend(["From", "Call-ID", "CSeq"].map(|name| line(request, name).to_string()));
        lines.push(format!("{};tag={}", line(request, "To"), self.user));
        let text = lines.join("\r\n") + "\r\nContent-Length: 0\r\n\r\n";
        self.socket.send_to(text.as_bytes(), self.server).expect("a message goes out");
    }

    fn hear(&self) -> String {
        let mut buffer = [0; 65_536];
        let (length, from) = self.socket.recv_from(&mut buffer).expect("a message");
        assert_eq!(from, self.server);
        String::from_utf8_lossy(&buffer[..length]).into_owned()
    }

    fn hears_nothing(&self) {
        let quiet = Duration::from_millis(200);
        self.socket.set_read_timeout(Some(quiet)).expect("a timeout");
        let mut buffer = [0; 65_536];
        if let Ok(length) = self.socket.recv(&mut buffer) {
            panic!("unexpected: {}", String::from_utf8_lossy(&buffer[..length]));
        }
        self.socket.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    }

    fn hears(&self, start: &str) -> String {
        let heard = self.hear();
        assert!(heard.starts_with(start), "not {start}: {heard}");
        heard
    }
}

fn line<'m>(message: &'m str, name: &str) -> &'m str {
    message.lines().find(|line| line.starts_with(name)).unwrap_or("(none)")
}

#[test]
fn registrar_adds_renews_and_removes() {
    let server = Server::start("registrar", &[]);
    let alice = Phone::new("alice", "127.0.0.2", &server);
    let at = alice.at();
    let contact = "Contact: \"A, l\" <sip:alice@192.168.1.10>;q=0.5;expires=60\nExpires: 900\n";
    let said = alice.register(1, contact);
    assert!(said.starts_with("SIP/2.0 200 OK\r\n"), "{said}");
    let kept = line(&said, "Contact:");
    let (uri, left) = kept.split_once(";expires=").expect("how long it holds");
    assert_eq!(uri, format!("Contact: <sip:alice@{at}>"), "the repaired one");
    assert!((58..=60).contains(&left.parse::<u32>().expect("seconds")), "the Contact's: {left}");
    // Asking alone changes nothing.
    assert!(line(&alice.register(2, ""), "Contact:").contains(&at.to_string()));
    // Somebody else's end is not this one's.
    let other = "m: <sip:alice@10.9.9.9;transport=udp>;expires=0\n";
    assert!(alice.register(3, other).contains("Contact:"), "compact, and not the one that is kept");
    let ended = alice.register(4, "Contact: <sip:alice@192.168.1.10>\nExpires: 0\n");
    assert!(ended.starts_with("SIP/2.0 200") && !ended.contains("Contact:"), "{ended}");
    assert!(alice.register(5, "Contact: <sip:alice@192.168.1.10>\n").contains("expires=3600"));
    assert!(!alice.register(6, "Contact: *\nExpires: 0\n").contains("Contact:"));
    server.running.stop();
}

#[test]
fn what_the_server_answers_itself() {
    let server = Server::start("answers", &[]);
    let alice = Phone::new("alice", "127.0.0.2", &server);
    let own = format!("sip:{}", server.at);
    alice.request("OPTIONS", &own, &format!("<{own}>"), 1, "");
    alice.hears("SIP/2.0 200 OK");
    alice.request("OPTIONS", "sip:nobody@x", "<sip:nobody@x>", 2, "");
    let said = alice.hears("SIP/2.0 404 Not Found");
    assert!(line(&said, "To:").contains(";tag="), "{said}");
    let at = alice.at();
    let via = format!("Via: SIP/2.0/UDP {at};branch=z9hG4bKOPTIONS2;rport={}", at.port());
    assert_eq!(line(&said, "Via:"), format!("{via};received={}", at.ip()));
    let headers = alice.headers("OPTIONS", "<sip:alice@x>", 3, "");
    let last = headers.replace("Max-Forwards: 70", "Max-Forwards: 0");
    alice.say("OPTIONS sip:alice@x SIP/2.0", "3", &last, "");
    alice.hears("SIP/2.0 483 Too Many Hops");
    // Keepalives, half a message, no message.
    for bytes in
        [&b"\r\n\r\n"[..], b"\0\0\0\0", b"OPTIONS sip:x SIP/2.0\r\nVia: ", b"\r\nx\r\n\r\n"]
    {
        alice.socket.send_to(bytes, server.at).expect("a datagram goes out");
    }
    alice.hears_nothing();
    server.running.stop();
}

#[test]
fn without_a_relay_a_call_is_refused_and_all_else_goes_on() {
    let server = Server::start("no_relay", &["--relay", "mediaproxy2:/nonexistent/relay"]);
    let alice = Phone::new("alice", "127.0.0.2", &server);
    let bob = Phone::new("bob", "127.0.0.3", &server);
    bob.register(1, "Contact: <sip:bob@192.168.1.10>\n");
    alice.invite("INVITE", "bob");
    let said = alice.hears("SIP/2.0 503 Service Unavailable");
    let to = line(&said, "To: ").trim_start_matches("To: ").to_string();
    alice.request("ACK", "sip:bob@x", &to, 1, "");
    bob.hears_nothing();
    server.running.says("No such file");
    alice.request("MESSAGE", "sip:bob@x", "<sip:bob@x>", 2, "");
    let got = bob.hears(&format!("MESSAGE sip:bob@{} SIP/2.0", bob.at()));
    assert_eq!(line(&got, "Max-Forwards"), "Max-Forwards: 69");
    server.running.stop();
}

#[test]
fn cancel_never_overtakes_its_invite() {
    let slow = Relay::scripted(|_| {
        std::thread::sleep(Duration::from_millis(100));
        Reply::Say("127.0.0.1 50000\r\n".into())
    });
    let server = Server::start("cancel", &["--relay", &slow.uri(), "--workers", "2"]);
    let alice = Phone::new("alice", "127.0.0.2", &server);
    let bob = Phone::new("bob", "127.0.0.3", &server);
    bob.register(1, "Contact: <sip:bob@192.168.1.10>\n");
    alice.invite("INVITE", "bob");
    alice.invite("INVITE", "bob"); // again: dropped, the first is under way
    alice.invite("CANCEL", "bob");
    let invite = bob.hears("INVITE ");
    let cancel = bob.hears("CANCEL ");
    bob.hears_nothing();
    assert!(invite.contains("m=audio 50000 "), "{invite}");
    assert_eq!(line(&invite, "Record-Route"), format!("Record-Route: <sip:{};lr>", server.at));
    assert_eq!(line(&invite, "Via"), line(&cancel, "Via"), "one transaction");
    // RFC 3261 9.1: the final reply ends the call, not the CANCEL.
    assert_eq!(slow.requests().len(), 1, "the INVITE has no final reply yet");
    bob.refuse("487 Request Terminated", &invite);
    assert!(slow.wait_for(2)[1].starts_with("remove"), "the call is over");
    server.running.stop();
}

#[test]
fn processes_that_die_are_replaced_and_registrations_live_on() {
    let server = Server::start("die", &["--workers", "3"]);
    let alice = Phone::new("alice", "127.0.0.2", &server);
    let bob = Phone::new("bob", "127.0.0.3", &server);
    bob.register(1, "Contact: <sip:bob@192.168.1.10>\n");
    // Not so soon after their start that it looks like a fault of theirs.
    std::thread::sleep(Duration::from_millis(1100));
    let before = server.children();
    assert_eq!(before.len(), 4);
    for &child in &before {
        // SAFETY: takes no pointers; a process of the server this test started.
        unsafe { libc::kill(child, libc::SIGKILL) };
    }
    wait_for("four new processes", || {
        let now = server.children();
        (now.len() == 4 && now.iter().all(|child| !before.contains(child))).then_some(())
    });
    alice.invite("INVITE", "bob");
    let got = bob.hears("INVITE ");
    assert!(got.contains("c=IN IP4 127.0.0.1\r\n"), "{got}");
    server.running.stop();
}

#[test]
fn wrong_command_line_is_explained() {
    for (arguments, reason) in [
        (&["--workers", "0", "127.0.0.1:0"][..], "not a number of workers"),
        (&["--set", "x=y", "127.0.0.1:0"], "no setting is called"),
        (&["--set", "relay_timeout", "127.0.0.1:0"], "NAME=VALUE"),
        (&["--relay", "nonsense", "127.0.0.1:0"], "is not accepted"),
        (&["example.com:5060"], "Invalid argument"),
        (&["0.0.0.0:0"], "the address that phones reach"),
        (&["192.0.2.1:5060"], "Cannot assign"),
        (&[], "one is needed"),
        (&["--nonsense"], "nonsense"),
    ] {
        let said = Command::new(minimal_server())
            .args(arguments)
            .stdin(Stdio::null())
            .output()
            .expect("the server runs");
        let text = String::from_utf8_lossy(&said.stderr).into_owned();
        assert!(!said.status.success() && text.contains(reason), "{arguments:?}: {text}");
        assert!(said.stdout.is_empty(), "{arguments:?}");
    }
    let said = Command::new(minimal_server()).arg("--help").output().expect("the server runs");
    assert!(said.status.success() && said.stdout.starts_with(b"Usage: minimal_server"));
}
