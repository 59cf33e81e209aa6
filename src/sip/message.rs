//! One SIP message: its start line, its headers on demand, its body.

use std::net::SocketAddr;

use crate::error::Result;
use crate::sip::header::{Header, HeaderName};
use crate::sip::{Contact, Uri, Via};

/// The longest message accepted, in bytes.
pub const MAX_MESSAGE: usize = 64 * 1024;
/// The most headers accepted.
pub const MAX_HEADERS: usize = 512;

/// How a message travelled. The numbers are the C interface's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(u32)]
pub enum Transport {
    /// UDP
    #[default]
    Udp = 1,
    /// TCP
    Tcp = 2,
    /// TLS over TCP
    Tls = 3,
    /// SCTP
    Sctp = 4,
    /// WebSocket
    Ws = 5,
    /// WebSocket over TLS
    Wss = 6,
}

/// Where a message came from, and where to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Source {
    /// The sender's address and port as the server's socket saw them.
    pub address: SocketAddr,
    /// The server's own address and port it came in on, if known.
    pub local: Option<SocketAddr>,
    /// How it came.
    pub transport: Transport,
}

/// The methods that matter here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Method {
    Invite,
    Ack,
    Bye,
    Cancel,
    Register,
    Options,
    Prack,
    Update,
    Subscribe,
    Notify,
    Message,
    Info,
    Refer,
    Publish,
    Other,
}

impl Method {
    /// Reads a method name (case-sensitive, RFC 3261 7.1).
    pub fn parse(name: &[u8]) -> Method {
        let _ = name;
        todo!()
    }
}

/// The first line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StartLine<'a> {
    /// `INVITE sip:bob@example.com SIP/2.0`
    Request {
        /// The method.
        method: Method,
        /// The Request-URI as written, untouched.
        uri: &'a [u8],
    },
    /// `SIP/2.0 200 OK`
    Reply {
        /// 100 to 699.
        status: u16,
    },
}

/// A view of one raw message. Making one reads the start line only; headers
/// are found when first asked for and their places remembered, without
/// allocating.
#[derive(Debug)]
pub struct Message<'a> {
    raw: &'a [u8],
    source: Source,
    start_line: StartLine<'a>,
}

/// The CSeq header (RFC 3261 20.16).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CSeq {
    /// The sequence number.
    pub number: u32,
    /// The method; in a reply, that of its request.
    pub method: Method,
}

impl<'a> Message<'a> {
    /// Takes a raw message. Leading empty lines are skipped (RFC 3261 7.5).
    /// `Status::Limit` above 64 KiB, `Status::Syntax` when the first line is
    /// neither a request nor a reply of SIP/2.0.
    pub fn parse(raw: &'a [u8], source: Source) -> Result<Self> {
        let _ = (raw, source);
        todo!()
    }

    /// The bytes that came in.
    pub fn raw(&self) -> &'a [u8] {
        self.raw
    }

    /// Where they came from.
    pub fn source(&self) -> &Source {
        &self.source
    }

    /// The first line.
    pub fn start_line(&self) -> StartLine<'a> {
        self.start_line
    }

    /// The status of a reply; `None` for a request.
    pub fn status(&self) -> Option<u16> {
        match self.start_line {
            StartLine::Reply { status } => Some(status),
            StartLine::Request { .. } => None,
        }
    }

    /// The request's method, or in a reply the CSeq's.
    pub fn method(&self) -> Result<Method> {
        match self.start_line {
            StartLine::Request { method, .. } => Ok(method),
            StartLine::Reply { .. } => Ok(self.cseq()?.method),
        }
    }

    /// The first header of this name, long or compact form; reads no further
    /// than it must. `Status::Limit` beyond 512 headers, `Status::Syntax` on a
    /// header line that cannot be read.
    pub fn header(&self, name: HeaderName) -> Result<Option<Header<'a>>> {
        let _ = name;
        todo!()
    }

    /// All headers of this name, in order.
    pub fn headers(&self, name: HeaderName) -> impl Iterator<Item = Result<Header<'a>>> + '_ {
        let _ = name;
        #[allow(unreachable_code)]
        std::iter::empty()
    }

    /// The topmost Via (comma lists split).
    pub fn top_via(&self) -> Result<Via<'a>> {
        todo!()
    }

    /// The first sip: or sips: Contact, across several headers and comma
    /// lists. `None` when there is none, or only `*` and other schemes.
    pub fn contact(&self) -> Result<Option<Contact<'a>>> {
        todo!()
    }

    /// CSeq; `Status::Syntax` when missing or unreadable.
    pub fn cseq(&self) -> Result<CSeq> {
        todo!()
    }

    /// Call-ID, trimmed; `Status::Syntax` when missing or empty.
    pub fn call_id(&self) -> Result<&'a [u8]> {
        todo!()
    }

    /// The tag parameter of From; empty when there is none.
    pub fn from_tag(&self) -> Result<&'a [u8]> {
        todo!()
    }

    /// The tag parameter of To; empty when there is none.
    pub fn to_tag(&self) -> Result<&'a [u8]> {
        todo!()
    }

    /// The URI of From; `None` when it is missing or unreadable.
    pub fn from_uri(&self) -> Result<Option<&'a [u8]>> {
        todo!()
    }

    /// The URI of To; `None` when it is missing or unreadable.
    pub fn to_uri(&self) -> Result<Option<&'a [u8]>> {
        todo!()
    }

    /// User-Agent, else Server: the value trimmed, possibly folded.
    pub fn user_agent(&self) -> Result<Option<&'a [u8]>> {
        todo!()
    }

    /// The Request-URI parsed; `None` in a reply.
    pub fn request_uri(&self) -> Option<Result<Uri<'a>>> {
        todo!()
    }

    /// The first byte after the empty line that ends the headers; the length
    /// of the message when that line is missing.
    pub fn body_offset(&self) -> Result<usize> {
        todo!()
    }

    /// The body: what Content-Length says, or all the rest where that header
    /// is missing (RFC 3261 18.3). Longer than what is there, or several that
    /// disagree, or unreadable: `Status::Syntax`. Shorter: the rest is not
    /// body.
    pub fn body(&self) -> Result<&'a [u8]> {
        todo!()
    }

    /// The line end this message uses: that of its first line.
    pub fn line_end(&self) -> &'static [u8] {
        b"\r\n"
    }

    /// Where `part`, a piece of this message, starts.
    pub fn offset_of(&self, part: &[u8]) -> Option<usize> {
        crate::text::offset_in(self.raw, part)
    }
}
