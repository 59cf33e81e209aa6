//! A rewrite from bytes to bytes, with the relay's answer given.

use std::net::{IpAddr, SocketAddr};

use mediaproxy::Edits;
use mediaproxy::IceCandidate;
use mediaproxy::internals::media::plan::Rules;
use mediaproxy::internals::media::{Plan, plan};
use mediaproxy::internals::relay::{Answer, Role, Stream};
use mediaproxy::sdp::Session;
use mediaproxy::sip::Source;
use mediaproxy::sip::body::find_sdp;
use mediaproxy::sip::{Message, Transport};
use mediaproxy::{Error, Status};

/// How one rewrite goes.
#[derive(Debug)]
pub struct Case {
    pub role: Role,
    pub ice: IceCandidate,
    pub rewrite_origin: bool,
    pub loop_marker: bool,
    /// The m= lines that the offer relayed, if known.
    pub relayed_lines: Option<u64>,
    pub has_session: bool,
    /// Addresses that are already at the relay.
    pub ours: Vec<SocketAddr>,
    pub answer: Answer,
}

impl Case {
    /// An offer, answered with `address` and `ports`.
    pub fn offer(address: &str, ports: &[u16]) -> Case {
        Case {
            role: Role::Offer,
            ice: IceCandidate::None,
            rewrite_origin: false,
            loop_marker: false,
            relayed_lines: None,
            has_session: false,
            ours: Vec::new(),
            answer: ports_answer(address, ports),
        }
    }

    /// An answer, answered with `address` and `ports`.
    pub fn answer(address: &str, ports: &[u16]) -> Case {
        Case { role: Role::Answer, ..Case::offer(address, ports) }
    }

    pub fn plan(&self, message: &Message<'_>) -> Result<Plan, Error> {
        let text = find_sdp(message)?.ok_or_else(|| Error::new(Status::NoSdp, "no SDP"))?;
        let session = Session::parse(text)?;
        let rules = Rules {
            role: self.role,
            ice_candidate: self.ice,
            rewrite_origin: self.rewrite_origin,
            loop_marker: self.loop_marker,
            relayed_lines: self.relayed_lines,
            has_session: self.has_session,
            ours: &|_, address| self.ours.contains(&address),
        };
        plan(message, &session, &rules)
    }

    /// What the relay is asked for about the SDP.
    pub fn streams(&self, sdp: &str) -> Vec<Stream> {
        self.plan(&parse(&invite(sdp.as_bytes()))).unwrap().streams
    }

    /// Plans, fills and applies; also what was complained about.
    pub fn run(&self, raw: &[u8]) -> Result<(Vec<u8>, Vec<String>), Error> {
        let message = parse(raw);
        let plan = self.plan(&message)?;
        let mut edits = Edits::new();
        let mut complaints: Vec<String> = plan.unserved().map(String::from).into_iter().collect();
        plan.fill(&self.answer, &mut edits, &mut |text| complaints.push(text.to_string()))?;
        let mut out = Vec::new();
        edits.apply(&message, &mut out)?;
        Ok((out, complaints))
    }

    /// The description that comes out for the description `sdp`; no complaint.
    pub fn sdp(&self, sdp: &str) -> String {
        let (out, complaints) = self.run(&invite(sdp.as_bytes())).unwrap();
        assert!(complaints.is_empty(), "{complaints:?}");
        body_of(&out)
    }

    /// The error for the description `sdp`, which must leave no edit.
    pub fn error(&self, sdp: &str) -> Error {
        let raw = invite(sdp.as_bytes());
        let message = parse(&raw);
        let plan = match self.plan(&message) {
            Ok(plan) => plan,
            Err(error) => return error,
        };
        let mut edits = Edits::new();
        let error = plan.fill(&self.answer, &mut edits, &mut |_| {}).unwrap_err();
        assert!(edits.is_empty(), "an error leaves the message as it was");
        error
    }
}

/// The rules of a rewrite of this role, with no option set.
pub fn rules(role: Role) -> Rules<'static> {
    Rules {
        role,
        ice_candidate: IceCandidate::None,
        rewrite_origin: false,
        loop_marker: false,
        relayed_lines: None,
        has_session: false,
        ours: &|_, _| false,
    }
}

pub fn ports_answer(address: &str, ports: &[u16]) -> Answer {
    Answer::Ports {
        address: address.parse::<IpAddr>().unwrap(),
        ports: ports.to_vec(),
        others: Vec::new(),
    }
}

pub fn source() -> Source {
    Source {
        address: "198.51.100.7:61234".parse().unwrap(),
        local: None,
        transport: Transport::Udp,
    }
}

pub fn parse(raw: &[u8]) -> Message<'_> {
    Message::parse(raw, source()).unwrap()
}

/// An INVITE that carries `sdp`.
pub fn invite(sdp: &[u8]) -> Vec<u8> {
    with_body("Content-Type: application/sdp\r\n", sdp)
}

/// An INVITE with these lines above Content-Length, and this body.
pub fn with_body(headers: &str, body: &[u8]) -> Vec<u8> {
    let mut raw = format!(
        "INVITE sip:bob@example.com SIP/2.0\r\n\
         Via: SIP/2.0/UDP 192.168.1.10:5060;branch=z9hG4bK1;rport\r\n\
         From: <sip:alice@example.com>;tag=a\r\n\
         To: <sip:bob@example.com>\r\n\
         Call-ID: c1\r\n\
         CSeq: 1 INVITE\r\n\
         Contact: <sip:alice@192.168.1.10:5060>\r\n\
         {headers}Content-Length: {}\r\n\r\n",
        body.len()
    )
    .into_bytes();
    raw.extend_from_slice(body);
    raw
}

/// The body of a message, which Content-Length must tell right.
pub fn body_of(raw: &[u8]) -> String {
    let message = parse(raw);
    let body = message.body().unwrap();
    assert_eq!(message.body_offset().unwrap() + body.len(), raw.len(), "Content-Length is right");
    String::from_utf8_lossy(body).into_owned()
}

/// Lines joined with CRLF, the last one ended too.
pub fn lines(lines: &[&str]) -> String {
    lines.iter().map(|line| format!("{line}\r\n")).collect()
}
