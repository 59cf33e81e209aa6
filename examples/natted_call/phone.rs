//! A phone: it believes in its private address, or in what it was told of its
//! public one, and writes that into its messages.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use kit::sip::{Dialog, Sip, response};

use crate::nat::{Nat, Packet};
use crate::text::{self, MediaAddress};

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
    sdp_version: u32,
    media: Option<MediaAddress>,
    branches: u32,
}

impl Phone {
    /// Sets a phone up behind its NAT.
    pub(crate) fn new(setup: Setup, nat: Arc<Nat>, proxy: SocketAddr) -> Phone {
        let at = |port| nat.socket(SocketAddr::new(IpAddr::V4(setup.private), port));
        let (sip, rtp, rtcp) = (at(5060), at(setup.rtp_port), at(setup.rtp_port + 1));
        Phone {
            setup,
            nat,
            rtp,
            rtcp,
            sip,
            proxy,
            dialog: Dialog::default(),
            sdp_version: 0,
            media: None,
            branches: 0,
        }
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
        self.media.ok_or_else(|| format!("phone {name} got no address to send media to"))
    }

    /// Registers with the proxy (RFC 3261 section 10).
    pub(crate) fn register(&mut self) -> Result<(), String> {
        let user = self.setup.user;
        let address = format!("<sip:{user}@example.com>");
        self.dialog = Dialog {
            call_id: format!("register-{user}"),
            local: format!("{address};tag=r{user}"),
            remote: address,
            target: "sip:example.com".to_string(),
            cseq: 1,
            ..Dialog::default()
        };
        self.send_request("REGISTER", "Expires: 3600\r\n", "")?;
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
        self.send_request("INVITE", "", &sdp)
    }

    /// Takes the answer to an INVITE and acknowledges it.
    pub(crate) fn acknowledge(&mut self, answer: &Sip) -> Result<(), String> {
        self.read_media(answer)?;
        self.dialog.learn(answer);
        self.send_request("ACK", "", "")
    }

    /// Hangs up.
    pub(crate) fn bye(&mut self) -> Result<(), String> {
        self.dialog.cseq += 1;
        self.send_request("BYE", "", "")
    }

    /// Waits for a request.
    pub(crate) fn request(&mut self, method: &str) -> Result<Sip, String> {
        let message = self.next(method)?;
        if message.status().is_some() || message.method() != method {
            let name = self.setup.name;
            return Err(format!("phone {name} waits for {method} and got \"{}\"", message.start()));
        }
        if method == "INVITE" {
            self.read_media(&message)?;
            let cseq = self.dialog.cseq;
            self.dialog = Dialog { cseq, ..Dialog::of_callee(&message, &self.tag()) };
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
                message.start()
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
        let is_trying = status.starts_with("100");
        let tag = if is_trying { String::new() } else { self.tag() };
        let contact = match !is_trying && request.method() == "INVITE" {
            true => self.contact(),
            false => String::new(),
        };
        let body = direction.map(|direction| self.describe(direction)).unwrap_or_default();
        let more = format!("{contact}Server: {}\r\n", self.setup.agent);
        self.send(&response(request, status, &tag, &more, &body))
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
        self.sdp_version += 1;
        let setup = &self.setup;
        text::describe(setup.written, setup.rtp_port, self.sdp_version, direction)
    }

    fn contact(&self) -> String {
        format!("Contact: <sip:{}@{}:5060>\r\n", self.setup.user, self.setup.written)
    }

    fn tag(&self) -> String {
        format!("t{}", self.setup.user)
    }

    /// Stores where an SDP says that the other side receives media.
    fn read_media(&mut self, message: &Sip) -> Result<(), String> {
        let media = text::media_address(message.body());
        self.media = Some(media.ok_or_else(|| {
            format!("phone {} cannot read the SDP of \"{}\"", self.setup.name, message.start())
        })?);
        Ok(())
    }

    /// Sends a request in its dialog; `more` is whole header lines.
    fn send_request(&mut self, method: &str, more: &str, body: &str) -> Result<(), String> {
        self.branches += 1;
        let Setup { user, written, agent, .. } = &self.setup;
        let contact = match method {
            "ACK" | "BYE" => String::new(),
            _ => self.contact(),
        };
        let branch = self.branches;
        let via = format!("Via: SIP/2.0/UDP {written}:5060;branch=z9hG4bK{user}{branch};rport\r\n");
        let more = format!("{more}{contact}User-Agent: {agent}\r\n");
        self.send(&self.dialog.request(method, &via, &more, body))
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
