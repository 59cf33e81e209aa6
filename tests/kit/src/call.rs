//! One call as its messages: alice (192.168.1.10, behind 198.51.100.1) and bob
//! (10.0.0.2, behind 198.51.100.2).

use crate::{crlf, udp, with_body};
use mediaproxy::sip::Source;

/// Where alice's messages come from.
pub const ALICE: &str = "198.51.100.1:61000";
/// Where bob's messages come from.
pub const BOB: &str = "198.51.100.2:62000";

/// A description with one audio stream.
pub fn audio(ip: &str, port: u16) -> String {
    format!("v=0\no=- 1 1 IN IP4 {ip}\ns=-\nc=IN IP4 {ip}\nt=0 0\nm=audio {port} RTP/AVP 0\n")
}

/// Alice's description.
pub fn alice_sdp() -> String {
    audio("192.168.1.10", 40000)
}

/// Bob's description.
pub fn bob_sdp() -> String {
    audio("10.0.0.2", 30000)
}

/// A request or reply of the call `call@x`; `None` for no body. `from` and
/// `to` are tags, an empty one is left out.
pub struct Step {
    pub start: &'static str,
    pub cseq: &'static str,
    pub from: &'static str,
    pub to: &'static str,
    pub body: Option<String>,
    pub source: &'static str,
}

impl Step {
    pub fn request(method: &str, cseq: u32, from: &'static str, to: &'static str) -> Step {
        let start = format!("{method} sip:peer@example.com SIP/2.0").leak();
        let cseq = format!("{cseq} {method}").leak();
        let source = if from.starts_with('a') { ALICE } else { BOB };
        Step { start, cseq, from, to, body: None, source }
    }

    pub fn reply(
        status: &str,
        method: &str,
        cseq: u32,
        from: &'static str,
        to: &'static str,
    ) -> Step {
        let start = format!("SIP/2.0 {status}").leak();
        let cseq = format!("{cseq} {method}").leak();
        let source = if from.starts_with('a') { BOB } else { ALICE };
        Step { start, cseq, from, to, body: None, source }
    }

    pub fn sdp(mut self, body: String) -> Step {
        self.body = Some(body);
        self
    }

    pub fn source(&self) -> Source {
        udp(self.source)
    }

    pub fn bytes(&self) -> Vec<u8> {
        let tag = |tag: &str| if tag.is_empty() { String::new() } else { format!(";tag={tag}") };
        let head = format!(
            "{}\nVia: SIP/2.0/UDP 192.168.1.10:5060;branch=z9hG4bK1\n\
             From: \"Alice\" <sip:alice@example.com;x=1>{}\nTo: <sip:bob@example.com>{}\n\
             Call-ID: call@x\nCSeq: {}\nContact: <sip:alice@192.168.1.10:5060>\n\
             User-Agent: Phone 1.0\nMax-Forwards: 70\n",
            self.start,
            tag(self.from),
            tag(self.to),
            self.cseq
        );
        match &self.body {
            Some(body) => with_body(&head, body),
            None => crlf(&format!("{head}Content-Length: 0\n\n")),
        }
    }
}
