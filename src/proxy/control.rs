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
#[derive(Debug, Default)]
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
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Request,
    Reply,
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
    /// An extension of libmediaproxy: the To tag of a provisional reply.
    pub(super) early_tag: &'a [u8],
    /// The source of the SIP message.
    pub(super) signaling: IpAddr,
    /// An extension of libmediaproxy: the address family that the receiver of
    /// the SIP message can use.
    pub(super) receiver_family: Option<Family>,
    /// `None` when the SIP message carries no SDP.
    pub(super) media: Option<Vec<Item<'a>>>,
}

/// One media stream of the sender's SDP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Item<'a> {
    pub(super) media: &'a [u8],
    /// `None` for a host name: names are not resolved.
    pub(super) address: Option<IpAddr>,
    /// 0 when the stream is refused or removed.
    pub(super) port: u16,
    /// The direction is not `sendrecv`, or the address is 0.0.0.0.
    pub(super) held: bool,
    /// An extension of libmediaproxy: the sender receives on the port of its
    /// SDP, whichever port it sends from.
    pub(super) asymmetric: bool,
}

/// A `remove`: ends a session.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct RemoveRequest<'a> {
    pub(super) call_id: &'a [u8],
    pub(super) from_tag: &'a [u8],
    pub(super) to_tag: &'a [u8],
}

#[derive(Default)]
struct Headers<'a> {
    kind: &'a [u8],
    call_id: &'a [u8],
    cseq: &'a [u8],
    from_tag: &'a [u8],
    to_tag: &'a [u8],
    early_tag: &'a [u8],
    signaling_ip: &'a [u8],
    address_family: &'a [u8],
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
            b"from_tag" => headers.from_tag = value,
            b"to_tag" => headers.to_tag = value,
            b"early_tag" => headers.early_tag = value,
            b"signaling_ip" => headers.signaling_ip = value,
            b"address_family" => headers.address_family = value,
            b"media" => headers.media = value,
            _ => {}
        }
    }
    if headers.call_id.is_empty() || headers.from_tag.is_empty() {
        return None;
    }
    match command {
        b"update" => headers.update().map(Request::Update),
        b"remove" => Some(Request::Remove(RemoveRequest {
            call_id: headers.call_id,
            from_tag: headers.from_tag,
            to_tag: headers.to_tag,
        })),
        _ => None,
    }
}

impl<'a> Headers<'a> {
    fn update(self) -> Option<UpdateRequest<'a>> {
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
            from_tag: self.from_tag,
            to_tag: self.to_tag,
            early_tag: self.early_tag,
            signaling: address(self.signaling_ip)?,
            receiver_family,
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
    let held = match direction.to_ascii_lowercase().as_slice() {
        b"sendrecv" => false,
        b"sendonly" | b"recvonly" | b"inactive" => true,
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
    Some(Item { media, address: host, port, held, asymmetric })
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
mod tests {
    use super::*;

    const UPDATE: &str = "update\r\ntype: request\r\ndialog_id: \r\ncall_id: c1\r\ncseq: 7\r\n\
        from_uri: alice@example.org\r\nfrom_tag: ft\r\nto_tag: \r\nuser_agent: P: 1\r\n\
        signaling_ip: 192.0.2.20\r\nmedia: audio:10.0.0.20:4000:sendrecv:ice=no";

    fn update(text: &str) -> Option<UpdateRequest<'_>> {
        match parse(text.as_bytes())? {
            Request::Update(update) => Some(update),
            Request::Remove(_) => None,
        }
    }

    fn one(text: &str) -> Option<Item<'_>> {
        items(text.as_bytes())?.first().copied()
    }

    #[test]
    fn remove_and_bodyless_update_work_without_reply() {
        let works =
            |text: &str| parse(text.as_bytes()).map(|request| request.works_without_reply());
        assert_eq!(works(UPDATE), Some(false));
        let (bodyless, _) = UPDATE.split_once("\r\nmedia: ").unwrap();
        assert_eq!(works(bodyless), Some(true));
        assert_eq!(works("remove\r\ncall_id: c1\r\nfrom_tag: ft\r\nto_tag: "), Some(true));
    }

    #[test]
    fn update_is_parsed() {
        let update = update(UPDATE).unwrap();
        assert_eq!((update.kind, update.cseq), (Kind::Request, 7));
        assert_eq!(
            (update.call_id, update.from_tag, update.to_tag),
            (&b"c1"[..], &b"ft"[..], &b""[..])
        );
        assert_eq!(update.signaling, "192.0.2.20".parse::<IpAddr>().unwrap());
        let media = update.media.unwrap();
        assert_eq!(media.len(), 1);
        assert_eq!((media[0].media, media[0].port), (&b"audio"[..], 4_000));
    }

    #[test]
    fn extensions_are_parsed_and_unknown_headers_ignored() {
        let text =
            format!("{UPDATE}:asymmetric=yes:x=y\r\nearly_tag: et\r\naddress_family: IP6\r\nx: y");
        let update = update(&text).unwrap();
        assert_eq!(update.early_tag, b"et");
        assert_eq!(update.receiver_family, Some(Family::V6));
        assert!(update.media.unwrap()[0].asymmetric);
    }

    #[test]
    fn remove_is_parsed() {
        let request = parse(b"remove\r\ncall_id: c\r\nfrom_tag: f\r\nto_tag: t");
        assert_eq!(
            request,
            Some(Request::Remove(RemoveRequest { call_id: b"c", from_tag: b"f", to_tag: b"t" }))
        );
    }

    #[test]
    fn request_with_syntax_error_is_refused() {
        for (from, to) in [
            ("update", "upgrade"),
            ("type: request", "type: query"),
            ("type: request\r\n", ""),
            ("call_id: c1", "call_id: "),
            ("cseq: 7", "cseq: seven"),
            ("cseq: 7", "cseq: +7"),
            ("cseq: 7", "cseq: 4294967296"),
            ("from_tag: ft", "from_tag: "),
            ("signaling_ip: 192.0.2.20", "signaling_ip: "),
            ("signaling_ip: 192.0.2.20", "signaling_ip: phone"),
            ("P: 1", "P\r\n 1"),
            ("call_id: c1", "call_id c1"),
        ] {
            let text = UPDATE.replacen(from, to, 1);
            assert_ne!(text, UPDATE);
            assert_eq!(parse(text.as_bytes()), None, "{to}");
        }
    }

    #[test]
    fn media_items_are_parsed() {
        let item = one("video:[2001:db8::1]:4002:RecvOnly").unwrap();
        assert_eq!(item.address, Some("2001:db8::1".parse().unwrap()));
        assert!(item.held);
        assert!(one("audio:0.0.0.0:4000:sendrecv").unwrap().held);
        assert_eq!(one("audio:media.example.org:4000:sendrecv").unwrap().address, None);
        assert_eq!(one("audio:[::ffff:192.0.2.1]:1:sendrecv"), None);
        assert_eq!(items(b"a:1.2.3.4:0:inactive,b:1.2.3.4:0:inactive").unwrap().len(), 2);
    }

    #[test]
    fn media_item_with_syntax_error_is_refused() {
        for text in [
            "",
            "audio",
            "audio:192.0.2.1",
            "audio:192.0.2.1:4000",
            "audio:192.0.2.1:99999:sendrecv",
            "audio:192.0.2.1:-1:sendrecv",
            "audio:192.0.2.1:4000:sideways",
            "audio:192.0.2.1:4000:sendrecv:asymmetric",
            "audio:2001:db8::1:4000:sendrecv",
            "audio:[2001:db8::1:4000:sendrecv",
            "audio:[192.0.2.1]:4000:sendrecv",
            "audio:192.0.2.999:4000:sendrecv",
            "audio::4000:sendrecv",
            ":192.0.2.1:4000:sendrecv",
            "audio:192.0.2.1:4000:sendrecv,",
        ] {
            assert_eq!(items(text.as_bytes()), None, "{text}");
        }
        let many = vec!["a:192.0.2.1:4000:sendrecv"; 64].join(",");
        assert_eq!(items(many.as_bytes()).unwrap().len(), 64);
        assert_eq!(items(format!("{many},a:192.0.2.1:4000:sendrecv").as_bytes()), None);
    }

    #[test]
    fn framer_splits_requests_for_any_chunk_size() {
        let stream = b"one\r\na: b\r\n\r\n\r\ntwo\r\n\r\nrest";
        for size in 1..=stream.len() {
            let mut framer = Framer::default();
            let mut requests = Vec::new();
            for chunk in stream.chunks(size) {
                framer.push(chunk);
                while let Ok(Some(request)) = framer.next() {
                    requests.push(request.to_vec());
                }
            }
            assert_eq!(requests, [&b"one\r\na: b"[..], b"two"], "chunks of {size}");
        }
    }

    #[test]
    fn framer_refuses_endless_request() {
        let mut framer = Framer::default();
        framer.push(&vec![b'\n'; MAX_REQUEST]);
        assert_eq!(framer.next(), Ok(None));
        framer.push(b"xxxx");
        assert_eq!(framer.next(), Err(TooLong));
        let mut framer = Framer::default();
        framer.push(&vec![b'a'; MAX_REQUEST + 1]);
        framer.push(b"\r\n\r\n");
        assert_eq!(framer.next(), Err(TooLong));
    }

    #[test]
    fn framer_accepts_longest_request_in_any_chunks() {
        let mut stream = vec![b'a'; MAX_REQUEST];
        stream.extend_from_slice(END);
        for last in 0..=END.len() {
            let (chunk, rest) = stream.split_at(stream.len() - last);
            let mut framer = Framer::default();
            framer.push(chunk);
            if last > 0 {
                assert_eq!(framer.next(), Ok(None), "{last} bytes to come");
                framer.push(rest);
            }
            assert_eq!(framer.next(), Ok(stream.get(..MAX_REQUEST)), "the last {last} bytes apart");
        }
    }
}
