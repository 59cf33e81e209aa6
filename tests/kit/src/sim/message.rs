//! SIP messages of the simulated network: numbers instead of texts, written out
//! only where a server hands a message to the library.

use std::fmt::Write;
use std::net::IpAddr;

use super::sdp::Sdp;

/// A node of the network, by its place in the list of nodes.
pub type NodeId = usize;

/// The methods that dialogs are made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    Invite,
    Ack,
    Bye,
    Cancel,
    Prack,
    Update,
}

impl Method {
    pub fn name(self) -> &'static str {
        match self {
            Method::Invite => "INVITE",
            Method::Ack => "ACK",
            Method::Bye => "BYE",
            Method::Cancel => "CANCEL",
            Method::Prack => "PRACK",
            Method::Update => "UPDATE",
        }
    }
}

/// One Via header: the node that added it, with its branch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Via {
    pub node: NodeId,
    pub branch: u64,
}

/// A request or a reply. A tag of 0 is missing (RFC 3261 12.1.1).
#[derive(Clone, Debug)]
pub struct Message {
    /// `None` for a request.
    pub status: Option<u16>,
    pub method: Method,
    pub cseq: u32,
    pub call_id: u32,
    pub from_tag: u32,
    pub to_tag: u32,
    /// The newest is the last.
    pub vias: Vec<Via>,
    /// The nodes that a request still visits; the last one is its target.
    pub route: Vec<NodeId>,
    /// The nodes that want to see the requests of the dialog, first added first.
    pub record_route: Vec<NodeId>,
    /// The phone that sent the message.
    pub contact: NodeId,
    /// The address that the sender's first hop saw: that of its NAT.
    pub origin: Option<IpAddr>,
    pub sdp: Option<Sdp>,
    /// The RSeq of a reliable provisional reply (RFC 3262).
    pub rseq: Option<u32>,
}

impl Message {
    pub fn is_request(&self, method: Method) -> bool {
        self.status.is_none() && self.method == method
    }

    /// True for a reply to INVITE whose status is in the range.
    pub fn is_invite_reply(&self, range: std::ops::RangeInclusive<u16>) -> bool {
        self.method == Method::Invite && self.status.is_some_and(|status| range.contains(&status))
    }

    /// The branch of the top Via, 0 without one.
    pub fn branch(&self) -> u64 {
        self.vias.last().map_or(0, |via| via.branch)
    }

    /// The reply to this request, without SDP.
    pub fn reply(&self, status: u16, to_tag: u32, contact: NodeId) -> Message {
        Message {
            status: Some(status),
            to_tag: if self.to_tag != 0 { self.to_tag } else { to_tag },
            contact,
            origin: None,
            sdp: None,
            rseq: None,
            route: Vec::new(),
            ..self.clone()
        }
    }

    /// The message as bytes.
    pub fn bytes(&self) -> Vec<u8> {
        let mut text = String::with_capacity(1024);
        let name = self.method.name();
        let _ = match self.status {
            Some(status) => write!(text, "SIP/2.0 {status} Status\r\n"),
            None => write!(text, "{name} sip:p{}@sim.example SIP/2.0\r\n", self.contact),
        };
        for via in self.vias.iter().rev() {
            let (node, branch) = (via.node, via.branch);
            let _ = write!(text, "Via: SIP/2.0/UDP n{node}.example;branch=z9hG4bK{branch:x}\r\n");
        }
        for (name, tag) in [("From", self.from_tag), ("To", self.to_tag)] {
            let _ = write!(text, "{name}: <sip:{}@sim.example>", &name[..1]);
            if tag != 0 {
                let _ = write!(text, ";tag=t{tag}");
            }
            text.push_str("\r\n");
        }
        let _ = write!(text, "Call-ID: c{}@sim\r\nCSeq: {} {name}\r\n", self.call_id, self.cseq);
        let _ = write!(text, "Contact: <sip:p{}@n{}.example>\r\n", self.contact, self.contact);
        let body = self.sdp.as_ref().map_or_else(String::new, Sdp::text);
        if !body.is_empty() {
            text.push_str("Content-Type: application/sdp\r\n");
        }
        let _ = write!(text, "Content-Length: {}\r\n\r\n{body}", body.len());
        text.into_bytes()
    }

    /// For the record of a run: what a person reads.
    pub fn summary(&self) -> String {
        let method = self.method.name();
        let mut text = match self.status {
            Some(status) => format!("{status} to {method}"),
            None => method.to_string(),
        };
        let (call, from, to) = (self.call_id, self.from_tag, self.to_tag);
        let _ = write!(text, " c{call} from t{from} to t{to} cseq {}", self.cseq);
        if let Some(sdp) = &self.sdp {
            let _ = write!(text, " [{}]", sdp.summary());
        }
        text
    }
}
