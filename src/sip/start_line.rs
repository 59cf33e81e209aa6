//! The first line of a message (RFC 3261 7.1, 7.2).

use crate::bytes;

/// The request methods that the library distinguishes.
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
    /// Parses a method name (case-sensitive, RFC 3261 7.1).
    pub fn parse(name: &[u8]) -> Method {
        match name {
            b"INVITE" => Method::Invite,
            b"ACK" => Method::Ack,
            b"BYE" => Method::Bye,
            b"CANCEL" => Method::Cancel,
            b"REGISTER" => Method::Register,
            b"OPTIONS" => Method::Options,
            b"PRACK" => Method::Prack,
            b"UPDATE" => Method::Update,
            b"SUBSCRIBE" => Method::Subscribe,
            b"NOTIFY" => Method::Notify,
            b"MESSAGE" => Method::Message,
            b"INFO" => Method::Info,
            b"REFER" => Method::Refer,
            b"PUBLISH" => Method::Publish,
            _ => Method::Other,
        }
    }
}

/// The first line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StartLine<'a> {
    /// `INVITE sip:bob@example.com SIP/2.0`
    Request {
        /// The method.
        method: Method,
        /// The Request-URI as written.
        uri: &'a [u8],
    },
    /// `SIP/2.0 200 OK`
    Reply {
        /// 100 to 699.
        status: u16,
    },
}

const VERSION: &[u8] = b"SIP/2.0";

/// True for `SIP/2.0`, in upper or lower case (RFC 3261 7.1).
fn is_version(word: &[u8]) -> bool {
    word == VERSION || (word.len() == VERSION.len() && word.eq_ignore_ascii_case(VERSION))
}

impl<'a> StartLine<'a> {
    /// Parses the line without its line feed; `None` when it is neither a request
    /// line nor a status line of SIP/2.0. Additional white space, a missing reason
    /// phrase and white space in the URI are accepted: whether to serve such a
    /// message is the server's decision.
    #[inline]
    pub(crate) fn parse(line: &'a [u8]) -> Option<Self> {
        // Fast path.
        if let Some(request) = line.strip_suffix(b" SIP/2.0\r")
            && let Some(blank) = request.iter().position(|b| *b == b' ')
            && let Some((word, [b' ', uri @ ..])) = request.split_at_checked(blank)
            && let ([first, ..], [.., last]) = (uri, uri)
            && !bytes::is_space(*first)
            && !bytes::is_space(*last)
            && let method @ (Method::Invite | Method::Ack | Method::Bye | Method::Register) =
                Method::parse(word)
        {
            return Some(StartLine::Request { method, uri });
        }
        Self::parse_general(line)
    }

    #[inline(never)]
    fn parse_general(line: &'a [u8]) -> Option<Self> {
        let line = bytes::trim(line);
        // A line that ends in CR alone.
        if bytes::find(b'\r', line).is_some() {
            return None;
        }
        let blank = line.iter().position(|b| *b == b' ')?;
        let (word, rest) = line.split_at_checked(blank)?;
        if is_version(word) {
            let rest = bytes::trim(rest);
            let digits = rest.get(..3)?;
            let apart = rest.get(3).is_none_or(|b| bytes::is_space(*b));
            let status = bytes::port(digits).filter(|n| (100..=699).contains(n) && apart)?;
            return Some(StartLine::Reply { status });
        }
        let (uri, version) = rest.split_at_checked(rest.len().checked_sub(VERSION.len())?)?;
        let uri = uri.strip_suffix(b" ").map(bytes::trim).filter(|uri| !uri.is_empty())?;
        is_version(version).then(|| StartLine::Request { method: Method::parse(word), uri })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn request_lines_are_parsed() {
        let request = |line: &'static str| match StartLine::parse(line.as_bytes()) {
            Some(StartLine::Request { method, uri }) => Some((method, uri)),
            _ => None,
        };
        let uri = &b"sip:bob@example.com"[..];
        assert_eq!(request("INVITE sip:bob@example.com SIP/2.0"), Some((Method::Invite, uri)));
        assert_eq!(request("OPTIONS sip:bob@example.com SIP/2.0  "), Some((Method::Options, uri)));
        assert_eq!(request("invite  sip:bob@example.com  sip/2.0"), Some((Method::Other, uri)));
        assert_eq!(
            request("INVITE sip:user@example.com; lr SIP/2.0"),
            Some((Method::Invite, &b"sip:user@example.com; lr"[..]))
        );
        for bad in [
            "",
            "INVITE",
            "INVITE sip:a",
            "INVITE  SIP/2.0",
            "OPTIONS sip:a SIP/7.0",
            "GET / HTTP/1.1",
            "INVITE sip:a SIP/2.0\rVia: b SIP/2.0",
        ] {
            assert_eq!(StartLine::parse(bad.as_bytes()), None, "{bad}");
        }
    }

    #[test]
    fn status_lines_are_parsed() {
        let status = |line: &str| match StartLine::parse(line.as_bytes()) {
            Some(StartLine::Reply { status }) => Some(status),
            _ => None,
        };
        assert_eq!(status("SIP/2.0 200 OK"), Some(200));
        assert_eq!(status("SIP/2.0 180"), Some(180));
        assert_eq!(status("SIP/2.0 100 "), Some(100));
        for bad in [
            "SIP/2.0",
            "SIP/2.0 OK",
            "SIP/2.0 4294967301 x",
            "SIP/2.0 99 x",
            "SIP/2.0 700 x",
            "SIP/2.0 2000",
            "SIP/2.0 200 OK\rVia: a\r",
        ] {
            assert_eq!(status(bad), None, "{bad}");
        }
    }
}
