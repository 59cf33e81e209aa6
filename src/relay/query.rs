//! A request to a relay and its answer, before any protocol's spelling.

use std::borrow::Cow;
use std::net::IpAddr;

use crate::bytes;
use crate::error::Result;
use crate::sdp::Direction;
use crate::sip::Message;

/// What the relay is asked to do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Command {
    /// Give ports for the streams of a request.
    #[default]
    Request,
    /// Give ports for the streams of a reply.
    Reply,
    /// Forget the call.
    Remove,
    /// Show that it answers. The Call-ID is one that nobody can guess.
    Probe,
}

/// One question to a relay; owns its bytes. Values may be folded as they stand
/// in their message: what spells them out unfolds them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Query {
    /// What to do.
    pub command: Command,
    /// Call-ID
    pub call_id: Vec<u8>,
    /// The CSeq of the offer this belongs to.
    pub cseq: u32,
    /// The tag of From.
    pub from_tag: Vec<u8>,
    /// The tag of To; empty before it is known.
    pub to_tag: Vec<u8>,
    /// The message is a provisional reply (1xx).
    pub provisional: bool,
    /// The current Request-URI; empty in replies.
    pub request_uri: Vec<u8>,
    /// The caller's domain is the server's own.
    pub from_local: bool,
    /// The domain of the Request-URI is the server's own.
    pub to_local: bool,
    /// From's URI without `sip:`, cut at the first `;`; empty when unreadable.
    pub from_uri: Vec<u8>,
    /// The URI of To, with the same rules.
    pub to_uri: Vec<u8>,
    /// User-Agent, else Server; empty when neither is there.
    pub user_agent: Vec<u8>,
    /// Where the phone signals from.
    pub signaling_ip: Option<IpAddr>,
    /// Where the message goes, for relays that understand it.
    pub receiver: Option<IpAddr>,
    /// The server's dialog id; may be empty.
    pub dialog_id: Vec<u8>,
    /// The wanted relay; may be empty.
    pub media_relay: Vec<u8>,
    /// The phone is RTP-asymmetric.
    pub asymmetric: bool,
    /// The streams; empty for `Remove` and for a bodyless reply.
    pub streams: Vec<Stream>,
}

impl Query {
    /// A question about the call `message` belongs to; streams, CSeq of the
    /// offer, options and what the lists say are left for the caller.
    /// `Status::Syntax` when Call-ID or CSeq is missing.
    pub fn about(message: &Message<'_>) -> Result<Self> {
        let mut query = Query::default();
        query.renew(message, message.cseq()?.number)?;
        Ok(query)
    }

    /// The same in the memory of an earlier one, with the CSeq of the offer.
    pub fn renew(&mut self, message: &Message<'_>, cseq: u32) -> Result<()> {
        let status = message.status();
        self.command = if status.is_some() { Command::Reply } else { Command::Request };
        self.provisional = status.is_some_and(|status| status < 200);
        self.cseq = cseq;
        copy(message.call_id()?, &mut self.call_id);
        copy(message.from_tag()?, &mut self.from_tag);
        copy(message.to_tag()?, &mut self.to_tag);
        self.request_uri.clear();
        (self.from_local, self.to_local) = (false, false);
        copy(shortened(message.from_uri()?.unwrap_or_default()), &mut self.from_uri);
        copy(shortened(message.to_uri()?.unwrap_or_default()), &mut self.to_uri);
        copy(message.user_agent()?.unwrap_or_default(), &mut self.user_agent);
        self.signaling_ip = Some(message.source().address.ip().to_canonical());
        self.receiver = None;
        self.dialog_id.clear();
        self.media_relay.clear();
        self.asymmetric = false;
        self.streams.clear();
        Ok(())
    }

    /// A probe; `call_id` names a call that does not exist.
    pub fn probe(call_id: &[u8]) -> Self {
        Query { command: Command::Probe, ..Query::removal(call_id, b"probe", b"") }
    }

    /// The removal of a call, by its identifiers alone.
    pub fn removal(call_id: &[u8], from_tag: &[u8], to_tag: &[u8]) -> Self {
        Query {
            command: Command::Remove,
            call_id: call_id.to_vec(),
            from_tag: from_tag.to_vec(),
            to_tag: to_tag.to_vec(),
            ..Query::default()
        }
    }
}

fn copy(value: &[u8], to: &mut Vec<u8>) {
    to.clear();
    to.extend_from_slice(value);
}

/// A URI as relays want it: without `sip:`, up to the first `;`.
fn shortened(uri: &[u8]) -> &[u8] {
    let rest = match uri.get(..4) {
        Some(scheme) if scheme.eq_ignore_ascii_case(b"sip:") => uri.get(4..).unwrap_or_default(),
        _ => uri,
    };
    let end = bytes::find(b';', rest).unwrap_or(rest.len());
    rest.get(..end).unwrap_or_default()
}

/// What a relay answered to a query for ports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Its address, and a port per stream (0: the stream is off). May be fewer
    /// ports than streams.
    Ports {
        /// The relay's media address.
        address: IpAddr,
        /// The RTP ports; RTCP is one above.
        ports: Vec<u16>,
    },
    /// A whole new session description.
    Body(Vec<u8>),
    /// The call is gone (answer to `Remove`).
    Removed,
    /// The relay works (answer to `Probe`).
    Alive,
}

/// What an SDP is in the offer/answer exchange (RFC 3264).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Role {
    /// It proposes; another relay may be asked when one fails.
    #[default]
    Offer,
    /// It answers: it must go to the relay that has the offer.
    Answer,
}

/// One stream as the relay is told of it: m= lines of a relayable transport,
/// port-0 ones too, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stream {
    /// `audio`, `video`, ...
    pub kind: Cow<'static, [u8]>,
    /// The address in the c= line that holds; 0.0.0.0 where none does, which
    /// only a stream that is off may have.
    pub address: StreamAddress,
    /// The port; 0 when the stream is off, or goes to a group address, which
    /// no relay can serve.
    pub port: u16,
    /// The direction.
    pub direction: Direction,
    /// The stream gets relay candidates.
    pub ice: bool,
}

/// Where a stream is, as its description says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StreamAddress {
    /// A literal address.
    Ip(IpAddr),
    /// A name, as written.
    Name(Vec<u8>),
}

/// Relay candidates for ICE streams (setting and option `ice_candidate`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum IceCandidate {
    /// None is inserted.
    #[default]
    None,
    /// Inserted with type preference 0: used when nothing else works.
    LowPriority,
    /// Inserted with type preference 130: preferred to the phone's own.
    HighPriority,
}

impl IceCandidate {
    /// Reads `none`, `low-priority` or `high-priority`, in any case.
    pub fn parse(text: &str) -> Option<Self> {
        let known = [
            ("none", IceCandidate::None),
            ("low-priority", IceCandidate::LowPriority),
            ("high-priority", IceCandidate::HighPriority),
        ];
        let said = known.into_iter().find(|(name, _)| name.eq_ignore_ascii_case(text));
        said.map(|(_, candidate)| candidate)
    }
}
