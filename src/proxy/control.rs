//! The control protocol of MediaProxy 2 and later, server side: bytes in,
//! requests out.
//!
//! A request is a command line, `name: value` lines, each ended by CRLF, and an
//! empty line. The reply is one line.

use std::net::IpAddr;
use std::ops::Range;
use std::str::FromStr;

use super::family::Family;
use crate::address::canonical;

/// A longer request closes its connection.
pub(super) const MAX_REQUEST: usize = 64 * 1024;
/// The most media streams of a request.
pub(super) const MAX_STREAMS: usize = 64;

/// The end of a request: the end of its last line, and the empty line.
const END: &[u8] = b"\r\n\r\n";

/// Splits the bytes of a connection into requests.
#[derive(Clone, Debug, Default)]
pub(super) struct Framer {
    bytes: Vec<u8>,
    /// The offset of the next request.
    start: usize,
    /// No request end starts before this offset.
    scanned: usize,
}

/// A request is longer than [`MAX_REQUEST`].
#[derive(Debug, PartialEq, Eq)]
pub(super) struct TooLong;

impl Framer {
    /// Appends bytes received from the connection.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.bytes.drain(..self.start);
        self.scanned = self.scanned.saturating_sub(self.start);
        self.start = 0;
        self.bytes.extend_from_slice(bytes);
    }

    /// The next complete request, without its empty line.
    pub(super) fn next(&mut self) -> Result<Option<&[u8]>, TooLong> {
        while self.bytes.get(self.start..).is_some_and(|rest| rest.starts_with(b"\r\n")) {
            self.start += 2;
        }
        let from = self.scanned.max(self.start);
        let found = self.bytes.get(from..).and_then(find_end);
        let Some(end) = found.map(|at| from + at) else {
            self.scanned = self.bytes.len().saturating_sub(END.len() - 1);
            let pending = self.bytes.len().saturating_sub(self.start);
            // All bytes of `END` but the last may be among the pending ones.
            let endless = pending > MAX_REQUEST.saturating_add(END.len() - 1);
            return if endless { Err(TooLong) } else { Ok(None) };
        };
        let request: Range<usize> = self.start..end;
        self.start = end + END.len();
        self.scanned = self.start;
        if request.len() > MAX_REQUEST {
            return Err(TooLong);
        }
        Ok(self.bytes.get(request))
    }
}

/// A request of a SIP server.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Request<'a> {
    /// Creates or changes a session.
    Update(UpdateRequest<'a>),
    /// Ends a session.
    Remove(RemoveRequest<'a>),
}

impl<'a> Request<'a> {
    pub(super) fn call_id(&self) -> &'a [u8] {
        match self {
            Request::Update(update) => update.call_id,
            Request::Remove(remove) => remove.call_id,
        }
    }

    /// True when the request has its effect even if the reply is not read.
    /// False for a request for ports, which are useless without the reply.
    pub(super) fn works_without_reply(&self) -> bool {
        match self {
            Request::Update(update) => update.media.is_none(),
            Request::Remove(_) => true,
        }
    }
}

/// The kind of SIP message an `update` was sent for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Kind {
    Request,
    Reply,
}

/// What the SIP server has stored of the dialog of an `update`. An extension of
/// libmediaproxy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum StoredDialog {
    /// It does not say.
    #[default]
    Unsure,
    /// A 2xx has confirmed it.
    Confirmed,
    /// The server has stored the dialogs of the session, and this is none of them.
    Missing,
}

/// An `update`: creates or changes a session.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct UpdateRequest<'a> {
    pub(super) kind: Kind,
    pub(super) call_id: &'a [u8],
    pub(super) cseq: u32,
    pub(super) from_tag: &'a [u8],
    /// Empty when the dialog has no To tag yet, and in provisional replies.
    pub(super) to_tag: &'a [u8],
    /// An extension of libmediaproxy: the To tag of a provisional reply, empty for a
    /// null tag. `None` from a client that does not give it.
    pub(super) early_tag: Option<&'a [u8]>,
    /// An extension of libmediaproxy: the server branch that a reply came on, as a
    /// number that only the server understands. 0 for none.
    pub(super) branch: u32,
    /// An extension of libmediaproxy: a 2xx whose To tag is null, which is else a
    /// provisional reply.
    pub(super) is_final: bool,
    pub(super) dialog: StoredDialog,
    /// The source of the SIP message.
    pub(super) signaling: IpAddr,
    /// An extension of libmediaproxy: the address family that the receiver of
    /// the SIP message can use.
    pub(super) receiver_family: Option<Family>,
    /// An extension of libmediaproxy: the answer may name streams of another
    /// address than the first one's.
    pub(super) mixed_families: bool,
    /// `None` when the SIP message carries no SDP.
    pub(super) media: Option<Vec<Item<'a>>>,
}

/// One media stream of the sender's SDP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Item<'a> {
    pub(super) media: &'a [u8],
    /// `None` for a host name: names are not resolved.
    pub(super) address: Option<IpAddr>,
    /// 0 when the stream is refused or removed.
    pub(super) port: u16,
    /// The direction is not `sendrecv`, or the address is 0.0.0.0.
    pub(super) held: bool,
    /// The direction is `recvonly`: the side will not send.
    pub(super) receive_only: bool,
    /// An extension of libmediaproxy: the sender receives on the port of its
    /// SDP, whichever port it sends from.
    pub(super) asymmetric: bool,
}

impl Item<'_> {
    /// True for 0.0.0.0 and ::, which put the stream on hold (RFC 3264 section 8.4).
    pub(super) fn is_unspecified(&self) -> bool {
        self.address.is_some_and(|ip| ip.is_unspecified())
    }

    pub(super) fn family(&self) -> Option<Family> {
        self.address.filter(|ip| !ip.is_unspecified()).map(Family::of)
    }
}

/// What a `remove` ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scope {
    /// The session, whatever the To tag is.
    Session,
    /// An extension of libmediaproxy: the dialog with both tags.
    Dialog,
    /// An extension of libmediaproxy: the session unless it is answered.
    Unanswered,
    /// An extension of libmediaproxy: the early dialogs of this server branch, and the
    /// early dialog with both tags.
    Branch(u32),
}

/// A `remove`: ends a session or a dialog.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct RemoveRequest<'a> {
    pub(super) scope: Scope,
    /// An extension of libmediaproxy: the CSeq of the INVITE whose session ends. A later
    /// INVITE's session stays.
    pub(super) cseq: Option<u32>,
    pub(super) call_id: &'a [u8],
    pub(super) from_tag: &'a [u8],
    pub(super) to_tag: &'a [u8],
}

#[derive(Default)]
struct Headers<'a> {
    kind: &'a [u8],
    call_id: &'a [u8],
    cseq: &'a [u8],
    from_tag: Option<&'a [u8]>,
    to_tag: &'a [u8],
    early_tag: Option<&'a [u8]>,
    signaling_ip: &'a [u8],
    address_family: &'a [u8],
    is_final: &'a [u8],
    dialog: &'a [u8],
    mixed_families: &'a [u8],
    scope: &'a [u8],
    branch: &'a [u8],
    media: &'a [u8],
}

/// Parses a request; `None` is answered with `error`.
pub(super) fn parse(request: &[u8]) -> Option<Request<'_>> {
    let mut lines = Lines(Some(request));
    let command = lines.next()?;
    let mut headers = Headers::default();
    for line in lines {
        let at = find(line, *b": ")?;
        let (name, value) = (line.get(..at)?, line.get(at + 2..)?);
        match name {
            b"type" => headers.kind = value,
            b"call_id" => headers.call_id = value,
            b"cseq" => headers.cseq = value,
            b"from_tag" => headers.from_tag = Some(value),
            b"to_tag" => headers.to_tag = value,
            b"early_tag" => headers.early_tag = Some(value),
            b"signaling_ip" => headers.signaling_ip = value,
            b"address_family" => headers.address_family = value,
            b"final" => headers.is_final = value,
            b"dialog" => headers.dialog = value,
            b"mixed_families" => headers.mixed_families = value,
            b"scope" => headers.scope = value,
            b"branch" => headers.branch = value,
            b"media" => headers.media = value,
            _ => {}
        }
    }
    // The null tag of a peer of RFC 2543 is empty (RFC 3261 section 12.1.1).
    let from_tag = headers.from_tag.filter(|_| !headers.call_id.is_empty())?;
    match command {
        b"update" => headers.update(from_tag).map(Request::Update),
        b"remove" => headers.remove(from_tag).map(Request::Remove),
        _ => None,
    }
}

impl<'a> Headers<'a> {
    fn remove(self, from_tag: &'a [u8]) -> Option<RemoveRequest<'a>> {
        let scope = match self.scope {
            b"" => Scope::Session,
            b"dialog" => Scope::Dialog,
            b"unanswered" => Scope::Unanswered,
            b"branch" => Scope::Branch(self.branch()?),
            _ => return None,
        };
        let cseq = if self.cseq.is_empty() { None } else { Some(number(self.cseq)?) };
        Some(RemoveRequest { scope, cseq, call_id: self.call_id, from_tag, to_tag: self.to_tag })
    }

    /// The server branch: up to eight hexadecimal digits; 0 without one.
    fn branch(&self) -> Option<u32> {
        match self.branch {
            b"" => Some(0),
            digits if digits.iter().all(u8::is_ascii_hexdigit) => {
                u32::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
            }
            _ => None,
        }
    }

    fn update(self, from_tag: &'a [u8]) -> Option<UpdateRequest<'a>> {
        let kind = match self.kind {
            b"request" => Kind::Request,
            b"reply" => Kind::Reply,
            _ => return None,
        };
        let receiver_family = match self.address_family {
            b"" => None,
            b"IP4" => Some(Family::V4),
            b"IP6" => Some(Family::V6),
            _ => return None,
        };
        Some(UpdateRequest {
            kind,
            call_id: self.call_id,
            cseq: number(self.cseq)?,
            from_tag,
            to_tag: self.to_tag,
            early_tag: self.early_tag,
            branch: self.branch()?,
            is_final: self.is_final == b"yes",
            dialog: match self.dialog {
                b"confirmed" => StoredDialog::Confirmed,
                b"missing" => StoredDialog::Missing,
                _ => StoredDialog::Unsure,
            },
            signaling: address(self.signaling_ip)?,
            receiver_family,
            mixed_families: self.mixed_families == b"yes",
            media: if self.media.is_empty() { None } else { Some(items(self.media)?) },
        })
    }
}

fn items(value: &[u8]) -> Option<Vec<Item<'_>>> {
    let mut items = Vec::new();
    for text in value.split(|byte| *byte == b',') {
        if items.len() == MAX_STREAMS {
            return None;
        }
        items.push(item(text)?);
    }
    Some(items)
}

/// Parses `type:address:port:direction[:key=value...]`; an IPv6 address is in
/// brackets.
fn item(text: &[u8]) -> Option<Item<'_>> {
    let (media, rest) = cut(text, b':')?;
    let (host, rest) = match rest.strip_prefix(b"[") {
        Some(rest) => {
            let (host, rest) = cut(rest, b']')?;
            (Some(address(host).filter(IpAddr::is_ipv6)?), rest.strip_prefix(b":")?)
        }
        None => {
            let (host, rest) = cut(rest, b':')?;
            (host_address(host)?, rest)
        }
    };
    let mut parts = rest.split(|byte| *byte == b':');
    let port = number(parts.next()?)?;
    let direction = parts.next()?;
    let (held, receive_only) = match direction.to_ascii_lowercase().as_slice() {
        b"sendrecv" => (false, false),
        b"sendonly" | b"inactive" => (true, false),
        b"recvonly" => (true, true),
        _ => return None,
    };
    let mut asymmetric = false;
    for part in parts {
        let (key, value) = cut(part, b'=')?;
        asymmetric |= key == b"asymmetric" && value == b"yes";
    }
    if media.is_empty() {
        return None;
    }
    let held = held || host.is_some_and(|ip| ip.is_unspecified());
    Some(Item { media, address: host, port, held, receive_only, asymmetric })
}

/// `Some(None)` for a host name, `None` for neither an address nor a name.
fn host_address(text: &[u8]) -> Option<Option<IpAddr>> {
    if let Some(ip) = address(text) {
        return Some(Some(ip));
    }
    let name = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._".contains(byte);
    let letter = text.iter().any(u8::is_ascii_alphabetic);
    (letter && text.iter().all(name)).then_some(None)
}

fn address(text: &[u8]) -> Option<IpAddr> {
    parsed::<IpAddr>(text).map(canonical)
}

fn number<T: FromStr>(text: &[u8]) -> Option<T> {
    if text.iter().all(u8::is_ascii_digit) { parsed(text) } else { None }
}

fn parsed<T: FromStr>(text: &[u8]) -> Option<T> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

fn cut(text: &[u8], byte: u8) -> Option<(&[u8], &[u8])> {
    let at = memchr::memchr(byte, text)?;
    Some((text.get(..at)?, text.get(at + 1..)?))
}

/// The first offset of these two bytes. Lines are so short that the setup of a
/// substring search would cost more than the search.
fn find(text: &[u8], [first, second]: [u8; 2]) -> Option<usize> {
    memchr::memchr_iter(first, text).find(|at| text.get(at + 1) == Some(&second))
}

/// The offset of the first [`END`].
fn find_end(text: &[u8]) -> Option<usize> {
    memchr::memchr_iter(b'\n', text)
        .filter_map(|at| (at + 1).checked_sub(END.len()))
        .find(|&start| text.get(start..start + END.len()) == Some(END))
}

/// Lines ended by CRLF.
struct Lines<'a>(Option<&'a [u8]>);

impl<'a> Iterator for Lines<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let rest = self.0?;
        let Some(at) = find(rest, *b"\r\n") else {
            return self.0.take();
        };
        self.0 = rest.get(at + 2..);
        rest.get(..at)
    }
}

#[cfg(test)]
mod tests;
