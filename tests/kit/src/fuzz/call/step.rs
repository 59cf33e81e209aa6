//! What happens next to a server: the messages of a few calls.

use std::net::SocketAddr;

use super::super::input::Input;
use super::relay::Behaviour;

pub(super) struct Step<'b> {
    pub(super) act: Act<'b>,
    pub(super) source: SocketAddr,
    pub(super) behaviour: Behaviour,
    /// See `options` in the parent.
    pub(super) options: u8,
}

pub(super) enum Act<'b> {
    Message(Vec<u8>),
    /// The last rewritten message comes back.
    Spiral,
    Time(u64),
    EndByIds(&'b [u8], &'b [u8], &'b [u8]),
}

/// Start lines, and the method of their CSeq.
const LINES: [(&str, &str); 16] = [
    ("INVITE sip:bob@example.com SIP/2.0", "INVITE"),
    ("SIP/2.0 200 OK", "INVITE"),
    ("SIP/2.0 183 Session Progress", "INVITE"),
    ("ACK sip:bob@example.com SIP/2.0", "ACK"),
    ("BYE sip:bob@example.com SIP/2.0", "BYE"),
    ("CANCEL sip:bob@example.com SIP/2.0", "CANCEL"),
    ("SIP/2.0 486 Busy Here", "INVITE"),
    ("PRACK sip:bob@example.com SIP/2.0", "PRACK"),
    ("SIP/2.0 200 OK", "PRACK"),
    ("UPDATE sip:bob@example.com SIP/2.0", "UPDATE"),
    ("SIP/2.0 200 OK", "UPDATE"),
    ("SIP/2.0 100 Trying", "INVITE"),
    ("SIP/2.0 302 Moved", "INVITE"),
    ("REGISTER sip:example.com SIP/2.0", "REGISTER"),
    ("SIP/2.0 200 OK", "BYE"),
    ("SIP/2.0 491 Request Pending", "UPDATE"),
];

/// The lines of descriptions below their session level.
const STREAMS: [&str; 12] = [
    "",
    "m=audio 4000 RTP/AVP 0\r\n",
    "m=audio 4000 RTP/AVP 0\r\nm=video 4002 RTP/AVP 31\r\n",
    "m=audio 0 RTP/AVP 0\r\nm=image 4004 udptl t38\r\n",
    "m=audio 4000 RTP/AVP 0\r\na=sendonly\r\n",
    "m=audio 4000 RTP/AVP 0\r\nc=IN IP4 0.0.0.0\r\n",
    "m=message 7394 TCP/MSRP *\r\nm=audio 4000/2 RTP/SAVP 0\r\na=rtcp:4009 IN IP4 192.168.1.11\r\n",
    "m=audio 4000 RTP/AVP 0\r\nc=IN IP6 2001:db8::7\r\na=rtcp-mux\r\na=rtcp:4000\r\n",
    "m=audio 4000 RTP/AVP 0\r\na=ice-ufrag:x\r\na=ice-pwd:y\r\n\
     a=candidate:1 1 UDP 2130706431 192.168.1.10 4000 typ host\r\n\
     a=candidate:1 2 UDP 2130706430 192.168.1.10 4001 typ host\r\n",
    "a=group:BUNDLE 1 2\r\nm=audio 4000 UDP/TLS/RTP/SAVPF 0\r\na=mid:1\r\n\
     m=video 4000 UDP/TLS/RTP/SAVPF 96\r\na=mid:2\r\n",
    "m=audio 4000 RTP/AVP 0\r\nc=IN IP4 phone.example.com\r\n",
    "m=audio 4000 RTP/AVP 0\r\nc=IN IP4 233.252.0.1/127\r\nm=audio 4002 RTP/AVP 0\r\n",
];

const TAGS: [&str; 5] = ["", "b", "c", "d", "e"];

impl<'b> Step<'b> {
    /// A byte of what happens (low four bits: a line of `LINES`; 0x50 the
    /// message comes as it is written here; 0x60 a spiral, 0x70 time, 0x40 an
    /// end by ids), one of options, one of source, the relay's behaviour, and
    /// what the act needs.
    pub(super) fn read(input: &mut Input<'b>) -> Self {
        let kind = input.byte();
        let options = input.byte();
        let source = input.pick(&["198.51.100.7:5060", "192.168.1.10:4000", "[2001:db8::7]:5060"]);
        let source = source.parse().unwrap();
        let behaviour = Behaviour::read(input);
        let act = match kind & 0xf0 {
            0x40 => Act::EndByIds(ids(input), ids(input), ids(input)),
            0x50 => {
                let length = usize::from(input.word()) % 4096;
                Act::Message(input.bytes(length).to_vec())
            }
            0x60 => Act::Spiral,
            0x70 => Act::Time(u64::from(input.word()) * 17),
            _ => Act::Message(message(usize::from(kind & 0xf), input)),
        };
        Step { act, source, behaviour, options }
    }
}

fn ids<'b>(input: &mut Input<'b>) -> &'b [u8] {
    let length = usize::from(input.byte()) % 16;
    input.bytes(length)
}

/// A message of one of three calls.
fn message(line: usize, input: &mut Input<'_>) -> Vec<u8> {
    let (line, method) = LINES[line];
    let dialog = input.byte();
    let call = dialog & 3;
    let callee = TAGS[usize::from(dialog >> 2 & 7) % TAGS.len()];
    // A request from the callee's side has its tag in From.
    let (from, to) = if dialog & 0x20 != 0 { (callee, "a") } else { ("a", callee) };
    let tag = |tag: &str| if tag.is_empty() { String::new() } else { format!(";tag={tag}") };
    let cseq = input.byte() % 8;
    let body = body(input);
    let mut text = format!(
        "{line}\r\nVia: SIP/2.0/UDP 192.168.1.10:4000;branch=z9hG4bK{cseq}\r\n\
         From: <sip:alice@example.com>{}\r\nTo: <sip:bob@example.com>{}\r\nCall-ID: call{call}\r\n\
         CSeq: {cseq} {method}\r\nContact: <sip:x@192.168.1.10:4000>\r\n\
         User-Agent: Phone\x1f\r\n caf\u{e9}\r\n",
        tag(from),
        tag(to),
    );
    if !body.is_empty() {
        text.push_str("Content-Type: application/sdp\r\n");
    }
    text.push_str(&format!("Content-Length: {}\r\n\r\n{body}", body.len()));
    text.into_bytes()
}

/// A description, or nothing.
fn body(input: &mut Input<'_>) -> String {
    let choice = input.byte();
    let streams = STREAMS[usize::from(choice & 0xf) % STREAMS.len()];
    if streams.is_empty() {
        return String::new();
    }
    let line_end = if choice & 0x10 != 0 { "\n" } else { "\r\n" };
    let address = if choice & 0x20 != 0 { "IN IP6 fd00::10" } else { "IN IP4 192.168.1.10" };
    let text = format!("v=0\r\no=- 1 1 {address}\r\ns=-\r\nc={address}\r\nt=0 0\r\n{streams}");
    let text = text.replace("\r\n", line_end);
    if choice & 0x40 != 0 { text.trim_end().to_string() } else { text }
}
