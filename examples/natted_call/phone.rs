//! A phone: it believes in its private address, or in what it was told of its
//! public one, and writes that into its messages.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use crate::nat::{Nat, Packet};
use crate::text::{self, MediaAddress, Sip, tag_of, uri_of};

/// A step that takes longer has failed.
pub(crate) const STEP_TIMEOUT: Duration = Duration::from_secs(2);

/// Where a phone is and what it thinks of itself.
pub(crate) struct Setup {
    /// `A` or `B`.
    pub(crate) name: &'static str,
    /// The user part of its address.
    pub(crate) user: &'static str,
    /// Its User-Agent.
    pub(crate) agent: &'static str,
    /// Its address in its own network.
    pub(crate) private: Ipv4Addr,
    /// The address it writes into Via, Contact and SDP.
    pub(crate) written: Ipv4Addr,
    /// Its first media port.
    pub(crate) rtp_port: u16,
}

/// One call as a phone knows it (RFC 3261 section 12).
#[derive(Default)]
struct Dialog {
    call_id: String,
    local: String,
    remote: String,
    target: String,
    routes: Vec<String>,
    cseq: u32,
    sdp_version: u32,
    media: Option<MediaAddress>,
}

/// A phone behind a NAT.
pub(crate) struct Phone {
    /// Where it is.
    pub(crate) setup: Setup,
    /// The NAT before it.
    pub(crate) nat: Arc<Nat>,
    /// What came to its RTP port.
    pub(crate) rtp: Receiver<Packet>,
    /// What came to its RTCP port.
    pub(crate) rtcp: Receiver<Packet>,
    sip: Receiver<Packet>,
    proxy: SocketAddr,
    dialog: Dialog,
    branches: u32,
}

impl Phone {
    /// Sets a phone up behind its NAT.
    pub(crate) fn new(setup: Setup, nat: Arc<Nat>, proxy: SocketAddr) -> Phone {
        let at = |port| nat.socket(SocketAddr::new(IpAddr::V4(setup.private), port));
        let (sip, rtp, rtcp) = (at(5060), at(setup.rtp_port), at(setup.rtp_port + 1));
        Phone { setup, nat, rtp, rtcp, sip, proxy, dialog: Dialog::default(), branches: 0 }
    }

    /// Its own address for SIP, behind the NAT.
    pub(crate) fn sip_socket(&self) -> SocketAddr {
        SocketAddr::new(IpAddr::V4(self.setup.private), 5060)
    }

    /// Its own address for RTP, behind the NAT.
    pub(crate) fn rtp_socket(&self) -> SocketAddr {
        SocketAddr::new(IpAddr::V4(self.setup.private), self.setup.rtp_port)
    }

    /// Its own address for RTCP, behind the NAT.
    pub(crate) fn rtcp_socket(&self) -> SocketAddr {
        SocketAddr::new(IpAddr::V4(self.setup.private), self.setup.rtp_port + 1)
    }

    /// Where the other side's description told it to send media.
    pub(crate) fn media(&self) -> Result<MediaAddress, String> {
        let name = self.setup.name;
        self.dialog.media.ok_or_else(|| format!("phone {name} was not told where to send media"))
    }

    /// Registers with the proxy (RFC 3261 section 10).
    pub(crate) fn register(&mut self) -> Result<(), String> {
        let user = self.setup.user;
        let head = format!(
            "From: <sip:{user}@example.com>;tag=r{user}\r\nTo: <sip:{user}@example.com>\r\n\
             Call-ID: register-{user}\r\nCSeq: 1 REGISTER\r\nExpires: 3600\r\n"
        );
        self.send_request("REGISTER", "sip:example.com", &head, "")?;
        self.reply("REGISTER", 200).map(|_| ())
    }

    /// Calls `callee`.
    pub(crate) fn invite(&mut self, callee: &str) -> Result<(), String> {
        let user = self.setup.user;
        self.dialog = Dialog {
            call_id: format!("call-{}@{}", std::process::id(), self.setup.private),
            local: format!("<sip:{user}@example.com>;tag=t{user}"),
            remote: format!("<sip:{callee}@example.com>"),
            target: format!("sip:{callee}@example.com"),
            ..Dialog::default()
        };
        self.reinvite("sendrecv")
    }

    /// Sends an INVITE in its dialog, with a new offer.
    pub(crate) fn reinvite(&mut self, direction: &str) -> Result<(), String> {
        self.dialog.cseq += 1;
        let sdp = self.describe(direction);
        self.in_dialog("INVITE", &sdp)
    }

    /// Takes the answer to an INVITE and acknowledges it.
    pub(crate) fn acknowledge(&mut self, answer: &Sip) -> Result<(), String> {
        self.learn(answer)?;
        self.dialog.remote = answer.first("To").to_string();
        // The route set is the Record-Route of the reply, reversed (12.1.2).
        if self.dialog.routes.is_empty() {
            self.dialog.routes = answer.all("Record-Route").map(str::to_string).collect();
            self.dialog.routes.reverse();
        }
        self.in_dialog("ACK", "")
    }

    /// Hangs up.
    pub(crate) fn bye(&mut self) -> Result<(), String> {
        self.dialog.cseq += 1;
        self.in_dialog("BYE", "")
    }

    /// Waits for a request.
    pub(crate) fn request(&mut self, method: &str) -> Result<Sip, String> {
        let message = self.next(method)?;
        if message.status().is_some() || message.title() != method {
            let name = self.setup.name;
            return Err(format!("phone {name} waits for {method} and got \"{}\"", message.start));
        }
        if method == "INVITE" {
            let user = self.setup.user;
            self.learn(&message)?;
            self.dialog.call_id = message.first("Call-ID").to_string();
            self.dialog.local = match tag_of(message.first("To")) {
                "" => format!("{};tag=t{user}", message.first("To")),
                _ => message.first("To").to_string(),
            };
            self.dialog.remote = message.first("From").to_string();
            self.dialog.routes = message.all("Record-Route").map(str::to_string).collect();
        }
        Ok(message)
    }

    /// Waits for a reply of this status to its request.
    pub(crate) fn reply(&mut self, method: &str, status: u16) -> Result<Sip, String> {
        let mut message = self.next(&format!("{status} to {method}"))?;
        // It only tells that the server is at work.
        while message.status() == Some(100) && status != 100 {
            message = self.next(&format!("{status} to {method}"))?;
        }
        if message.status() != Some(status) || !message.first("CSeq").ends_with(method) {
            let name = self.setup.name;
            return Err(format!(
                "phone {name} waits for {status} to {method} and got \"{}\"",
                message.start
            ));
        }
        Ok(message)
    }

    /// Answers a request; with a description where `direction` is given.
    pub(crate) fn answer(
        &mut self,
        request: &Sip,
        status: &str,
        direction: Option<&str>,
    ) -> Result<(), String> {
        let mut head = format!("SIP/2.0 {status}\r\n");
        for name in ["Via", "Record-Route"] {
            for value in request.all(name) {
                head.push_str(&format!("{name}: {value}\r\n"));
            }
        }
        let to = if status.starts_with("100") { request.first("To") } else { &self.dialog.local };
        head.push_str(&format!(
            "From: {}\r\nTo: {to}\r\nCall-ID: {}\r\nCSeq: {}\r\n",
            request.first("From"),
            request.first("Call-ID"),
            request.first("CSeq"),
        ));
        if !status.starts_with("100") && request.title() == "INVITE" {
            head.push_str(&self.contact());
        }
        let body = direction.map(|direction| self.describe(direction)).unwrap_or_default();
        let message = format!("{head}{}", self.tail("Server", &body));
        self.send(&message)
    }

    /// Sends one packet from a private port.
    pub(crate) fn send_media(
        &self,
        from: SocketAddr,
        to: SocketAddr,
        bytes: &[u8],
    ) -> Result<(), String> {
        let name = self.setup.name;
        self.nat.send(from, to, bytes).map_err(|e| format!("phone {name} cannot send: {e}"))
    }

    fn describe(&mut self, direction: &str) -> String {
        self.dialog.sdp_version += 1;
        let setup = &self.setup;
        text::describe(setup.written, setup.rtp_port, self.dialog.sdp_version, direction)
    }

    fn contact(&self) -> String {
        format!("Contact: <sip:{}@{}:5060>\r\n", self.setup.user, self.setup.written)
    }

    /// Remembers what a message with a description tells about the other side.
    fn learn(&mut self, message: &Sip) -> Result<(), String> {
        self.dialog.target = uri_of(message.first("Contact")).to_string();
        let media = text::media_address(&message.body);
        self.dialog.media = Some(media.ok_or_else(|| {
            format!("phone {} cannot read the SDP of \"{}\"", self.setup.name, message.start)
        })?);
        Ok(())
    }

    fn in_dialog(&mut self, method: &str, body: &str) -> Result<(), String> {
        let dialog = &self.dialog;
        let mut head = String::new();
        for route in &dialog.routes {
            head.push_str(&format!("Route: {route}\r\n"));
        }
        head.push_str(&format!(
            "From: {}\r\nTo: {}\r\nCall-ID: {}\r\nCSeq: {} {method}\r\n",
            dialog.local, dialog.remote, dialog.call_id, dialog.cseq
        ));
        let target = dialog.target.clone();
        self.send_request(method, &target, &head, body)
    }

    fn send_request(
        &mut self,
        method: &str,
        uri: &str,
        head: &str,
        body: &str,
    ) -> Result<(), String> {
        self.branches += 1;
        let Setup { user, written, .. } = &self.setup;
        let contact = match method {
            "ACK" | "BYE" => String::new(),
            _ => self.contact(),
        };
        let message = format!(
            "{method} {uri} SIP/2.0\r\n\
             Via: SIP/2.0/UDP {written}:5060;branch=z9hG4bK{user}{};rport\r\n\
             Max-Forwards: 70\r\n{head}{contact}{}",
            self.branches,
            self.tail("User-Agent", body),
        );
        self.send(&message)
    }

    fn tail(&self, agent: &str, body: &str) -> String {
        let kind = if body.is_empty() { "" } else { "Content-Type: application/sdp\r\n" };
        let length = body.len();
        let name = self.setup.agent;
        format!("{agent}: {name}\r\n{kind}Content-Length: {length}\r\n\r\n{body}")
    }

    fn send(&self, message: &str) -> Result<(), String> {
        self.send_media(self.sip_socket(), self.proxy, message.as_bytes())
    }

    /// The next message from the proxy; what keeps its NAT open is none.
    fn next(&self, what: &str) -> Result<Sip, String> {
        let name = self.setup.name;
        loop {
            let packet = self.sip.recv_timeout(STEP_TIMEOUT).map_err(|error| match error {
                RecvTimeoutError::Timeout => format!("timeout: phone {name} waits for {what}"),
                RecvTimeoutError::Disconnected => format!("the NAT of phone {name} is gone"),
            })?;
            if packet.from != self.proxy {
                return Err(format!("phone {name} got SIP from {} and not the proxy", packet.from));
            }
            if packet.bytes.iter().all(|byte| matches!(byte, 0 | b'\r' | b'\n')) {
                continue;
            }
            return Sip::parse(&packet.bytes)
                .ok_or_else(|| format!("phone {name} got a message it cannot read"));
        }
    }
}
