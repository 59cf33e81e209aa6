//! A query to a relay and its answer, independent of the protocol.

use std::borrow::Cow;
use std::net::IpAddr;

use crate::bytes;
use crate::error::Result;
use crate::sdp::Direction;
use crate::shared::calls::StoredDialog;
use crate::shared::deletes::{Delete, Scope};
use crate::sip::Message;

/// The command of a query.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Command {
    /// Allocate ports for the streams of a SIP request.
    #[default]
    Request,
    /// Allocate ports for the streams of a SIP reply.
    Reply,
    /// Delete the call.
    Delete,
    /// Answer, to show that the relay works. The Call-ID is random, so that it is
    /// the Call-ID of no call.
    Probe,
}

/// One query to a relay. Owns its bytes. A value may be folded as in the message;
/// the codec unfolds it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Query {
    /// The command.
    pub command: Command,
    /// The call's Call-ID.
    pub call_id: Vec<u8>,
    /// The CSeq of the offer that the SDP belongs to.
    pub cseq: u32,
    /// The tag of From.
    pub from_tag: Vec<u8>,
    /// The tag of To; empty when the message has none.
    pub to_tag: Vec<u8>,
    /// The To tag is null, not missing: a peer of RFC 2543 in an existing dialog
    /// (RFC 3261 12.1.1).
    pub null_to_tag: bool,
    /// What the call table has of the message's dialog; sent to relays with the capability
    /// `branch_delete`.
    pub dialog: StoredDialog,
    /// What a `Delete` deletes.
    pub scope: Scope,
    /// The CSeq of the INVITE whose session a `Delete` deletes: see [`Delete::cseq`].
    pub ended_cseq: Option<u32>,
    /// The hash of the server branch that a reply came on, or of [`Scope::Branch`]; 0
    /// for none.
    pub branch: u32,
    /// The message is a provisional reply (1xx).
    pub provisional: bool,
    /// The current Request-URI; empty in replies.
    pub request_uri: Vec<u8>,
    /// The caller's domain is the server's own.
    pub from_local: bool,
    /// The domain of the Request-URI is the server's own.
    pub to_local: bool,
    /// The URI of From without `sip:`, up to the first `;`; empty when the header
    /// cannot be parsed.
    pub from_uri: Vec<u8>,
    /// The URI of To, in the form of `from_uri`.
    pub to_uri: Vec<u8>,
    /// The value of User-Agent, else of Server; empty when the message has neither.
    pub user_agent: Vec<u8>,
    /// The phone's signalling address.
    pub signaling_ip: Option<IpAddr>,
    /// The address that the message goes to next; sent to relays with the
    /// capability `ipv6`.
    pub receiver: Option<IpAddr>,
    /// The server's dialog id; may be empty.
    pub dialog_id: Vec<u8>,
    /// The relay that the script wants from the dispatcher; may be empty.
    pub media_relay: Vec<u8>,
    /// The phone is RTP-asymmetric.
    pub asymmetric: bool,
    /// The streams; empty for `Delete`, `Probe` and a reply without SDP.
    pub streams: Vec<Stream>,
}

impl Query {
    /// A query about the call of `message`. The caller adds the streams, the
    /// options and `asymmetric`. `Status::Syntax` when Call-ID or CSeq is missing.
    pub fn about(message: &Message<'_>) -> Result<Self> {
        let mut query = Query::default();
        query.renew(message, message.cseq()?.number)?;
        Ok(query)
    }

    /// Fills this query from `message`, as [`Query::about`] does, and keeps its
    /// memory. `cseq` is the CSeq of the offer.
    pub fn renew(&mut self, message: &Message<'_>, cseq: u32) -> Result<()> {
        let status = message.status();
        self.command = if status.is_some() { Command::Reply } else { Command::Request };
        self.provisional = status.is_some_and(|status| status < 200);
        self.cseq = cseq;
        copy(message.call_id()?, &mut self.call_id);
        copy(message.from_tag()?, &mut self.from_tag);
        copy(message.to_tag()?, &mut self.to_tag);
        (self.null_to_tag, self.scope) = (false, Scope::Session);
        (self.ended_cseq, self.branch, self.dialog) = (None, 0, StoredDialog::Unsure);
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

    /// A probe. `call_id` is the Call-ID of no call.
    pub fn probe(call_id: &[u8]) -> Self {
        Query { command: Command::Probe, ..Query::delete(Scope::Session, call_id, b"probe", b"") }
    }

    /// The query of a delete.
    pub fn of_delete(delete: &Delete) -> Self {
        Query {
            ended_cseq: delete.cseq,
            branch: delete.branch,
            ..Query::delete(delete.scope, &delete.call_id, &delete.from_tag, &delete.to_tag)
        }
    }

    /// A delete. Without the capability `branch_delete` it deletes the whole call.
    pub fn delete(scope: Scope, call_id: &[u8], from_tag: &[u8], to_tag: &[u8]) -> Self {
        Query {
            command: Command::Delete,
            scope,
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

/// A URI in the form of relay protocols: without `sip:`, up to the first `;`.
fn shortened(uri: &[u8]) -> &[u8] {
    let rest = match uri.get(..4) {
        Some(scheme) if scheme.eq_ignore_ascii_case(b"sip:") => uri.get(4..).unwrap_or_default(),
        _ => uri,
    };
    let end = bytes::find(b';', rest).unwrap_or(rest.len());
    rest.get(..end).unwrap_or_default()
}

/// The answer of a relay.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The ports for the streams. There may be fewer ports than streams.
    Ports {
        /// The relay's media address.
        address: IpAddr,
        /// The RTP port of each stream, 0 for a stream with port 0. RTCP uses the
        /// next higher port.
        ports: Vec<u16>,
        /// The streams whose relay address is another one: the index in `ports`,
        /// in ascending order, and the address. Usually none.
        others: Vec<(usize, IpAddr)>,
    },
    /// A whole new SDP.
    Body(Vec<u8>),
    /// The relay has no such call any more (answer to `Delete`).
    Deleted,
    /// The relay works (answer to `Probe`).
    Alive,
}

/// The role of an SDP in the offer/answer exchange (RFC 3264).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Role {
    /// An offer. It may be sent to another relay when one fails.
    #[default]
    Offer,
    /// An answer. It must be sent to the relay that has the offer.
    Answer,
}

/// One stream of a query. A query has all m= lines of its SDP in their order, so
/// that a line has the same number in offer and answer (RFC 3264 6).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stream {
    /// The media type: `audio`, `video`, ...
    pub kind: Cow<'static, [u8]>,
    /// The address of the stream's c= line or of the session's; 0.0.0.0 without
    /// one, which is valid only for a stream with port 0.
    pub address: StreamAddress,
    /// The port. 0 also for a line that is not relayed: of another transport, or on
    /// a multicast address.
    pub port: u16,
    /// The direction attribute.
    pub direction: Direction,
    /// Relay candidates are inserted for the stream.
    pub ice: bool,
}

/// The address of a stream, from its c= line.
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
    /// None are inserted.
    #[default]
    None,
    /// Inserted with a priority below the phone's candidates: used when no other
    /// candidate works.
    LowPriority,
    /// Inserted with the highest priority that RFC 8445 allows and the phone does not
    /// use: type preference 126, as the phone's own addresses have.
    HighPriority,
}

impl IceCandidate {
    /// Parses `none`, `low-priority` or `high-priority`, in upper or lower case.
    pub fn parse(text: &str) -> Option<Self> {
        let names = [
            ("none", IceCandidate::None),
            ("low-priority", IceCandidate::LowPriority),
            ("high-priority", IceCandidate::HighPriority),
        ];
        let found = names.into_iter().find(|(name, _)| name.eq_ignore_ascii_case(text));
        found.map(|(_, candidate)| candidate)
    }
}
