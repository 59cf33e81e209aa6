//! A phone in a home's network. A scenario tells it step by step what to send
//! and what must come.

use std::collections::HashSet;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::time::{Duration, Instant};

use kit::netns::Namespace;
use kit::sip::{Dialog, Sip, response};

/// How it reaches the server.
enum Link {
    Udp {
        hears: UdpSocket,
        sends: UdpSocket,
    },
    Tcp {
        stream: TcpStream,
        pending: Vec<u8>,
    },
    /// Not any more.
    Gone,
}

/// The first media port is so much above the one for SIP.
const MEDIA: u16 = 1000;
/// What must come may take so long on a busy machine.
const PATIENCE: Duration = Duration::from_secs(20);
/// How long one look for a message takes.
const LOOK: Duration = Duration::from_millis(20);
/// Silence that is taken for the end of what comes.
const QUIET: Duration = Duration::from_millis(300);

pub(crate) struct Phone {
    pub(crate) user: &'static str,
    /// The address it believes to have.
    pub(crate) host: String,
    pub(crate) agent: &'static str,
    port: u16,
    transport: &'static str,
    rport: &'static str,
    link: Link,
    server: SocketAddr,
    seen: HashSet<Vec<u8>>,
    /// All that came, in order, repetitions left out.
    pub(crate) heard: Vec<Sip>,
    branches: u32,
    /// It has answered one branch of a fork. A CANCEL that crosses this answer may come
    /// at any time, also behind the ACK.
    pub(crate) answers_in_a_fork: bool,
    /// Three sockets for media, two ports apart.
    media: Vec<UdpSocket>,
}

/// One call as a phone knows it: its dialog, and the Via of its last INVITE,
/// which CANCEL and the ACK of a failure repeat.
#[derive(Clone, Debug, Default)]
pub(crate) struct Call {
    pub(crate) dialog: Dialog,
    invite_via: String,
}

impl Call {
    /// The same call, as the dialog that another response makes.
    pub(crate) fn forked(&self, response: &Sip) -> Call {
        let mut call = self.clone();
        call.dialog.learn(response);
        call
    }

    /// The same call with a branch that no transaction has.
    pub(crate) fn has_another_branch(&mut self) {
        self.invite_via = self.invite_via.replace("z9hG4bK", "z9hG4bKother");
    }
}

impl Phone {
    pub(crate) fn udp(user: &'static str, home: &Namespace, host: &str, server: &str) -> Phone {
        Phone::udp_at(user, home, host, server, 5060)
    }

    /// Another one in the same place.
    pub(crate) fn udp_at(
        user: &'static str,
        home: &Namespace,
        host: &str,
        server: &str,
        port: u16,
    ) -> Phone {
        let hears = home.udp(&socket(host, port));
        let sends = hears.try_clone().expect("the socket again");
        Phone::new(user, home, (host, port), server, Link::Udp { hears, sends })
    }

    /// It hears on 5060 and sends from 5062, and wants replies where it hears.
    pub(crate) fn asymmetric(
        user: &'static str,
        home: &Namespace,
        host: &str,
        server: &str,
    ) -> Phone {
        let link = Link::Udp {
            hears: home.udp(&socket(host, 5060)),
            sends: home.udp(&socket(host, 5062)),
        };
        Phone { rport: "", ..Phone::new(user, home, (host, 5060), server, link) }
    }

    pub(crate) fn tcp(user: &'static str, home: &Namespace, host: &str, server: &str) -> Phone {
        let stream = home.tcp(socket(server, 5060).parse().expect("an address"));
        let link = Link::Tcp { stream, pending: Vec::new() };
        Phone { transport: "TCP", ..Phone::new(user, home, (host, 5060), server, link) }
    }

    fn new(
        user: &'static str,
        home: &Namespace,
        (host, port): (&str, u16),
        server: &str,
        link: Link,
    ) -> Phone {
        match &link {
            Link::Udp { hears, .. } => hears.set_read_timeout(Some(LOOK)),
            Link::Tcp { stream, .. } => stream.set_read_timeout(Some(LOOK)),
            Link::Gone => Ok(()),
        }
        .expect("a timeout");
        Phone {
            user,
            host: host.to_string(),
            agent: "Phone 1.0",
            port,
            transport: "UDP",
            rport: ";rport",
            link,
            server: socket(server, 5060).parse().expect("an address"),
            seen: HashSet::new(),
            heard: Vec::new(),
            branches: 0,
            answers_in_a_fork: false,
            media: [0, 2, 4].map(|above| home.udp(&socket(host, MEDIA + port + above))).into(),
        }
    }

    /// Gives up its ports.
    pub(crate) fn leave(&mut self) {
        self.link = Link::Gone;
        self.media.clear();
    }

    /// Its n-th media socket.
    pub(crate) fn media_socket(&self, number: usize) -> UdpSocket {
        self.media[number].try_clone().expect("the socket again")
    }

    /// The port of its n-th media socket.
    pub(crate) fn media_port(&self, number: usize) -> u16 {
        self.media[number].local_addr().expect("its address").port()
    }

    /// Sends bytes as they are.
    pub(crate) fn send(&mut self, text: &str) {
        match &mut self.link {
            Link::Udp { sends, .. } => {
                sends.send_to(text.as_bytes(), self.server).expect("a message goes out");
            }
            Link::Tcp { stream, .. } => stream.write_all(text.as_bytes()).expect("it goes out"),
            Link::Gone => panic!("{} is gone", self.user),
        }
    }

    /// Reads one message, if one is there soon.
    fn look(&mut self) -> Option<Vec<u8>> {
        let mut buffer = [0; 65_536];
        match &mut self.link {
            Link::Udp { hears, .. } => match hears.recv_from(&mut buffer) {
                Ok((length, from)) => {
                    assert_eq!(from, self.server, "{} hears SIP of a stranger", self.user);
                    Some(buffer[..length].to_vec())
                }
                Err(error) if waits(&error) => None,
                Err(error) => panic!("{}: {error}", self.user),
            },
            Link::Tcp { stream, pending } => {
                match stream.read(&mut buffer) {
                    Ok(0) => panic!("the server closed the connection of {}", self.user),
                    Ok(length) => pending.extend_from_slice(&buffer[..length]),
                    Err(error) if waits(&error) => {}
                    Err(error) => panic!("{}: {error}", self.user),
                }
                whole(pending)
            }
            Link::Gone => panic!("{} is gone", self.user),
        }
    }

    /// The next message that is not a repetition, if one comes in time.
    fn next(&mut self, patience: Duration) -> Option<Sip> {
        let end = Instant::now() + patience;
        while Instant::now() < end {
            let Some(bytes) = self.look() else { continue };
            // Keepalives are no messages.
            if bytes.len() < 12 || !self.seen.insert(bytes.clone()) {
                continue;
            }
            let message = Sip { text: String::from_utf8(bytes).expect("text") };
            self.heard.push(message.clone());
            return Some(message);
        }
        None
    }

    fn hears(&mut self, what: &str, wanted: impl Fn(&Sip) -> bool) -> Sip {
        loop {
            match self.next(PATIENCE) {
                None => panic!("{} waits for {what}", self.user),
                // Only tells that the server is at work.
                Some(message) if message.status() == Some(100) => {}
                Some(message) if wanted(&message) => return message,
                Some(message) if self.answers_in_a_fork && message.method() == "CANCEL" => {
                    self.answer(&message, "481 No Such Transaction", "", "");
                }
                Some(other) => panic!("{} waits for {what} and got {}", self.user, other.text),
            }
        }
    }

    /// This request must come next.
    pub(crate) fn request(&mut self, method: &str) -> Sip {
        self.hears(method, |message| message.method() == method)
    }

    /// This reply must come next.
    pub(crate) fn response(&mut self, status: u16, method: &str) -> Sip {
        self.hears(&format!("{status} to {method}"), |message| {
            message.status() == Some(status) && message.of() == method
        })
    }

    /// A failure reply must come next.
    pub(crate) fn failure(&mut self, method: &str) -> Sip {
        self.hears(&format!("a failure reply to {method}"), |message| {
            message.status() >= Some(300) && message.of() == method
        })
    }

    /// Nothing comes any more.
    pub(crate) fn hears_nothing(&mut self) {
        while let Some(message) = self.next(QUIET) {
            let crossed = self.answers_in_a_fork && message.method() == "CANCEL";
            assert!(crossed, "{} did not expect {}", self.user, message.text);
            self.answer(&message, "481 No Such Transaction", "", "");
        }
    }

    fn via(&mut self) -> String {
        self.branches += 1;
        let at = socket(&self.host, self.port);
        let branch = format!("z9hG4bK{}{}", self.user, self.branches);
        format!("Via: SIP/2.0/{} {at};branch={branch}{}\r\n", self.transport, self.rport)
    }

    fn contact(&self) -> String {
        let transport = if self.transport == "TCP" { ";transport=tcp" } else { "" };
        format!("Contact: <sip:{}@{}{transport}>\r\n", self.user, socket(&self.host, self.port))
    }

    /// A new call to somebody; `id` is its Call-ID.
    pub(crate) fn call(&mut self, callee: &str, id: &str) -> Call {
        let dialog = Dialog {
            call_id: id.to_string(),
            local: format!("<sip:{0}@example.com>;tag=tag-{0}", self.user),
            remote: format!("<sip:{callee}@example.com>"),
            target: format!("sip:{callee}@{}", self.server),
            ..Dialog::default()
        };
        Call { dialog, ..Call::default() }
    }

    /// Registers (RFC 3261 section 10); what the registrar answered.
    pub(crate) fn register(&mut self) -> Sip {
        let mut call = self.call(self.user, &format!("register-{}-{}", self.user, self.port));
        call.dialog.target = format!("sip:{}", self.server);
        self.ask(&mut call, "REGISTER", "Expires: 600\r\n", "");
        self.response(200, "REGISTER")
    }

    /// Registers, and removes another Contact before its own in the same request.
    pub(crate) fn register_and_remove(&mut self, removed: &str) -> Sip {
        let mut call = self.call(self.user, &format!("again-{}-{}", self.user, self.port));
        call.dialog.target = format!("sip:{}", self.server);
        call.dialog.cseq += 1;
        let via = format!("{}Contact: <{removed}>;expires=0\r\n", self.via());
        self.ask_over(&via, &call.dialog, "REGISTER", "Expires: 600\r\n", "");
        self.response(200, "REGISTER")
    }

    /// Registers a Contact with a transport that the server does not have.
    pub(crate) fn register_out_of_reach(&mut self) -> Sip {
        let mut call = self.call(self.user, &format!("sctp-{}", self.user));
        call.dialog.target = format!("sip:{}", self.server);
        call.dialog.cseq += 1;
        let at = socket(&self.host, self.port);
        let contact =
            format!("Contact: <sip:{}@{at};transport=sctp>\r\nExpires: 600\r\n", self.user);
        let via = self.via();
        self.send(&call.dialog.request("REGISTER", &via, &contact, ""));
        self.response(200, "REGISTER")
    }

    /// Sends a request in a call, with a description where `body` is not empty.
    pub(crate) fn ask(&mut self, call: &mut Call, method: &str, more: &str, body: &str) {
        if !matches!(method, "ACK" | "CANCEL") {
            call.dialog.cseq += 1;
        }
        let via = if method == "CANCEL" { call.invite_via.clone() } else { self.via() };
        if method == "INVITE" {
            call.invite_via.clone_from(&via);
        }
        self.ask_over(&via, &call.dialog, method, more, body);
    }

    fn ask_over(&mut self, via: &str, dialog: &Dialog, method: &str, more: &str, body: &str) {
        let contact = match method {
            "ACK" | "BYE" | "CANCEL" => String::new(),
            _ => self.contact(),
        };
        let more = format!("{contact}User-Agent: {}\r\n{more}", self.agent);
        self.send(&dialog.request(method, via, &more, body));
    }

    /// Acknowledges a 2xx; the call is with who sent it from now on.
    pub(crate) fn acknowledge(&mut self, call: &mut Call, ok: &Sip, body: &str) {
        call.dialog.learn(ok);
        self.ask(call, "ACK", "", body);
    }

    /// Acknowledges a failure response (RFC 3261 section 17.1.1.3).
    pub(crate) fn acknowledge_failure(&mut self, call: &Call, response: &Sip) {
        let mut dialog = call.dialog.clone();
        dialog.remote = response.first("To").to_string();
        self.ask_over(&call.invite_via, &dialog, "ACK", "", "");
    }

    /// The call that a request makes for its callee.
    pub(crate) fn called(&mut self, invite: &Sip) -> Call {
        Call { dialog: Dialog::of_callee(invite, &self.tag()), ..Call::default() }
    }

    fn tag(&self) -> String {
        format!("tag-{}-{}", self.user, self.port)
    }

    /// Answers a request, with a description where `body` is not empty.
    pub(crate) fn answer(&mut self, request: &Sip, status: &str, more: &str, body: &str) {
        self.answer_as(&self.tag(), request, status, more, body);
    }

    /// The same under another tag: one of several phones behind a proxy at this
    /// place.
    pub(crate) fn answer_as(
        &mut self,
        tag: &str,
        request: &Sip,
        status: &str,
        more: &str,
        body: &str,
    ) {
        let contact = if request.method() == "INVITE" { self.contact() } else { String::new() };
        let more = format!("{contact}Server: {}\r\n{more}", self.agent);
        self.send(&response(request, status, tag, &more, body));
    }
}

/// The address as a sent-by and as a socket.
fn socket(host: &str, port: u16) -> String {
    if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}

fn waits(error: &std::io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted)
}

/// Takes the first whole message out of a stream.
fn whole(pending: &mut Vec<u8>) -> Option<Vec<u8>> {
    // Keepalives between messages (RFC 5626 section 4.4.1).
    while pending.starts_with(b"\r\n") {
        pending.drain(..2);
    }
    let text = String::from_utf8_lossy(pending).into_owned();
    let (head, _) = text.split_once("\r\n\r\n")?;
    let length = head.lines().find_map(|line| line.strip_prefix("Content-Length: "))?;
    let end = head.len() + 4 + length.trim().parse::<usize>().expect("a length");
    (pending.len() >= end).then(|| pending.drain(..end).collect())
}
