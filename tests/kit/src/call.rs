//! One call as its messages: alice (192.168.1.10, behind 198.51.100.1) and bob
//! (10.0.0.2, behind 198.51.100.2).

use mediaproxy::Edits;
use mediaproxy::sip::{Message, Source};
use mediaproxy::{Error, Options, Rewrite, Started, Worker};

use crate::{applied, crlf, udp, with_body};

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

/// A request or reply of a call; `None` for no body. `from` and `to` are tags,
/// an empty one is left out.
pub struct Step {
    start: String,
    cseq: String,
    call_id: String,
    from: &'static str,
    to: &'static str,
    branch: &'static str,
    body: Option<String>,
    pub source: &'static str,
}

impl Step {
    pub fn request(method: &str, cseq: u32, from: &'static str, to: &'static str) -> Step {
        let source = if from.starts_with('a') { ALICE } else { BOB };
        Step {
            start: format!("{method} sip:peer@example.com SIP/2.0"),
            cseq: format!("{cseq} {method}"),
            call_id: "call@x".to_string(),
            from,
            to,
            branch: "z9hG4bK1",
            body: None,
            source,
        }
    }

    pub fn reply(
        status: &str,
        method: &str,
        cseq: u32,
        from: &'static str,
        to: &'static str,
    ) -> Step {
        let source = if from.starts_with('a') { BOB } else { ALICE };
        let request = Step::request(method, cseq, from, to);
        Step { start: format!("SIP/2.0 {status}"), source, ..request }
    }

    pub fn sdp(self, body: String) -> Step {
        Step { body: Some(body), ..self }
    }

    /// The same step of another call than `call@x`.
    pub fn call_id(self, call_id: &str) -> Step {
        Step { call_id: call_id.to_string(), ..self }
    }

    /// The same step with this branch in its Via: in a reply, the branch that the
    /// server has sent the request on.
    pub fn branch(self, branch: &'static str) -> Step {
        Step { branch, ..self }
    }

    pub fn source(&self) -> Source {
        udp(self.source)
    }

    pub fn bytes(&self) -> Vec<u8> {
        let tag = |tag: &str| if tag.is_empty() { String::new() } else { format!(";tag={tag}") };
        let head = format!(
            "{}\nVia: SIP/2.0/UDP 192.168.1.10:5060;branch={}\n\
             From: \"Alice\" <sip:alice@example.com;x=1>{}\nTo: <sip:bob@example.com>{}\n\
             Call-ID: {}\nCSeq: {}\nContact: <sip:alice@192.168.1.10:5060>\n\
             User-Agent: Phone 1.0\nMax-Forwards: 70\n",
            self.start,
            self.branch,
            tag(self.from),
            tag(self.to),
            self.call_id,
            self.cseq
        );
        match &self.body {
            Some(body) => with_body(&head, body),
            None => crlf(&format!("{head}Content-Length: 0\n\n")),
        }
    }

    /// The message with these edits.
    pub fn applied(&self, edits: &Edits) -> String {
        applied(&self.bytes(), self.source(), edits)
    }

    /// Begins to rewrite the message, which must have an SDP.
    pub fn start(&self, worker: &mut Worker, now: u64) -> Box<Rewrite> {
        let raw = self.bytes();
        let message = Message::parse(&raw, self.source()).unwrap();
        match worker.rewrite_start(&message, &Options::default(), now).unwrap() {
            Started::Rewrite(rewrite) => rewrite,
            Started::NoSdp => panic!("no SDP to rewrite"),
        }
    }
}

/// Alice's INVITE.
pub fn invite() -> Step {
    Step::request("INVITE", 1, "a", "").sdp(alice_sdp())
}

/// Alice's INVITE within the dialog with bob.
pub fn reinvite(cseq: u32) -> Step {
    Step::request("INVITE", cseq, "a", "b").sdp(alice_sdp())
}

/// The answer to alice's INVITE in a response with this status, from the branch
/// of this tag.
pub fn answer(status: &str, to: &'static str) -> Step {
    Step::reply(status, "INVITE", 1, "a", to).sdp(bob_sdp())
}

/// Rewrites a message: its new text, or `None` where it has no SDP.
pub fn rewrite_with(
    worker: &mut Worker,
    step: &Step,
    options: &Options,
) -> Result<Option<String>, Error> {
    let raw = step.bytes();
    let message = Message::parse(&raw, step.source()).unwrap();
    let mut edits = Edits::new();
    let rewritten = worker.rewrite_sdp(&message, options, &mut edits);
    if rewritten != Ok(true) {
        assert!(edits.is_empty(), "the message stays as it was");
    }
    Ok(rewritten?.then(|| step.applied(&edits)))
}

/// Rewrites a message that has an SDP: its new text.
pub fn try_rewrite(worker: &mut Worker, step: &Step) -> Result<String, Error> {
    Ok(rewrite_with(worker, step, &Options::default())?.expect("an SDP"))
}

/// Rewrites a message, which must succeed: its new text.
pub fn rewrite(worker: &mut Worker, step: &Step) -> String {
    try_rewrite(worker, step).unwrap()
}

/// Hands a message that terminates a call or a branch to the worker.
pub fn terminate(worker: &mut Worker, step: &Step) -> Result<(), Error> {
    let raw = step.bytes();
    let message = Message::parse(&raw, step.source()).unwrap();
    worker.end_session(&message, &Options::default())
}
