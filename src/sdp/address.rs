//! Network addresses of c=, o= and a=rtcp lines: `IN IP4 192.0.2.1`.

use crate::address::{Host, dotted_quad, parse_host};
use crate::bytes::{is_space, offset_in, trim_end};

/// A network address in SDP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Connection<'a> {
    /// The network type as written: `IN`, or one without IP addresses (`PSTN`,
    /// RFC 7195).
    pub network: &'a [u8],
    /// From the address type to the end of the address, the part an edit
    /// replaces: `IP4 192.0.2.1`, without a TTL or count after `/`. Where more words
    /// follow, which is invalid (RFC 8866 5.7), all of them belong to it.
    pub text: &'a [u8],
    /// The address as written.
    pub address: &'a [u8],
    /// What is kept behind `text`: `/127`, or empty.
    pub suffix: &'a [u8],
    /// The address or host name, parsed.
    pub host: Host<'a>,
    /// The whole line without its line end.
    pub line: &'a [u8],
}

impl<'a> Connection<'a> {
    /// Parses network type, address type and address at the start of `value`,
    /// which is part of `line`; `None` when one of the three is missing. Words that follow
    /// them are of no use, but they may be addresses: they belong to `text`.
    ///
    /// `like` is one before it in the SDP, if any: most lines of SDP have the same address,
    /// which is not read again.
    pub(crate) fn parse(
        value: &'a [u8],
        line: &'a [u8],
        like: Option<&Connection<'a>>,
    ) -> Option<Self> {
        // Fast path.
        if let Some((network, [b' ', text @ ..])) = value.split_at_checked(2)
            && network == b"IN"
            && let Some(address) = text.strip_prefix(b"IP4 ")
            && let Some(host) = whole_address(address, like)
        {
            let suffix = address.get(address.len()..).unwrap_or_default();
            return Some(Connection { network, text, address, suffix, host, line });
        }
        let mut words = words(value);
        let network = words.next()?;
        let address_type = words.next()?;
        let word = words.next()?;
        let slash = word.iter().position(|byte| *byte == b'/').unwrap_or(word.len());
        let (address, mut suffix) = word.split_at_checked(slash)?;
        let start = offset_in(value, address_type)?;
        let mut text = value.get(start..offset_in(value, suffix)?)?;
        if words.next().is_some() {
            text = trim_end(value.get(start..)?);
            suffix = text.get(text.len()..).unwrap_or_default();
        }
        Some(Connection { network, text, address, suffix, host: parse_host(address), line })
    }

    /// True for the address type `IP6`.
    pub fn is_ipv6(&self) -> bool {
        self.text.get(..3).is_some_and(|kind| kind.eq_ignore_ascii_case(b"IP6"))
            && self.text.get(3).is_some_and(|byte| is_space(*byte))
    }

    /// What follows the address in `text`: a TTL or count and more words. Usually empty.
    pub(crate) fn more_words(&self) -> &'a [u8] {
        let start = offset_in(self.text, self.address).unwrap_or(self.text.len());
        self.text.get(start.saturating_add(self.address.len())..).unwrap_or_default()
    }

    /// True for the network type `IN`, the only one with IP addresses.
    pub fn is_internet(&self) -> bool {
        self.network.eq_ignore_ascii_case(b"IN")
    }

    /// True for 0.0.0.0 and `::`, the old form of hold (RFC 3264 8.4).
    pub fn is_unspecified(&self) -> bool {
        self.host.ip().is_some_and(|ip| ip.is_unspecified())
    }

    /// True for a multicast address, which is not relayed.
    pub fn is_multicast(&self) -> bool {
        self.host.ip().is_some_and(|ip| ip.is_multicast())
    }
}

/// The host, where `text` is an IPv4 address, or the address of `like`, and nothing else.
fn whole_address<'a>(text: &'a [u8], like: Option<&Connection<'a>>) -> Option<Host<'a>> {
    match like.filter(|like| like.address == text && !text.is_empty()) {
        Some(like) => Some(like.host),
        None => match dotted_quad(text)? {
            (ip, []) => Some(Host::Ip(ip.into())),
            _ => None,
        },
    }
}

/// The words of a line, separated by any number of spaces or tabs.
pub(crate) fn words(text: &[u8]) -> Words<'_> {
    Words(text)
}

/// See [`words`].
pub(crate) struct Words<'a>(&'a [u8]);

impl<'a> Iterator for Words<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let start = self.0.iter().position(|byte| !is_space(*byte))?;
        let (_, rest) = self.0.split_at_checked(start)?;
        let end = rest.iter().position(|byte| is_space(*byte)).unwrap_or(rest.len());
        let (word, rest) = rest.split_at_checked(end)?;
        self.0 = rest;
        Some(word)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(value: &[u8]) -> Option<Connection<'_>> {
        Connection::parse(value, value, None)
    }

    #[test]
    fn address_like_the_one_before_is_read_as_without_it() {
        let values: [&[u8]; 14] = [
            b"IN IP4 192.0.2.1",
            b"IN IP4 192.0.2.10",
            b"IN IP4 192.0.2.1/127",
            b"IN IP4 192.0.2.1 x",
            b"IN IP4  192.0.2.1",
            b"IN IP4 ",
            b"IN IP4 /127",
            b"IN IP4",
            b"IN IP6 2001:db8::1",
            b"IN IP4 2001:db8::1",
            b"IN IP4 host",
            b"IN IP4 host ",
            b"PSTN E164 1",
            b"in ip4 192.0.2.1",
        ];
        for before in values.iter().filter_map(|value| read(value)) {
            for value in values {
                let found = Connection::parse(value, value, Some(&before));
                assert_eq!(found, read(value));
                assert!(found.is_none_or(|found| offset_in(value, found.suffix).is_some()));
            }
        }
    }

    #[test]
    fn text_spans_address_type_and_address() {
        let found = read(b"IN IP4 192.0.2.1").unwrap();
        assert_eq!(found.text, b"IP4 192.0.2.1");
        assert_eq!(found.address, b"192.0.2.1");
        assert_eq!(found.host, Host::Ip("192.0.2.1".parse().unwrap()));
        assert!(found.is_internet());
    }

    #[test]
    fn ttl_is_not_part_of_address() {
        let found = read(b"IN IP4 224.2.1.1/127/3").unwrap();
        assert_eq!(found.text, b"IP4 224.2.1.1");
        assert_eq!(found.suffix, b"/127/3");
        assert!(found.is_multicast());
    }

    #[test]
    fn more_words_are_part_of_text() {
        for more in [" 192.0.2.2", "/127 192.0.2.2", " x\t192.0.2.2 y"] {
            let line = format!("IN IP4 192.0.2.1{more} ");
            let found = read(line.as_bytes()).unwrap();
            assert_eq!(found.text, format!("IP4 192.0.2.1{more}").as_bytes());
            assert_eq!((found.more_words(), found.suffix), (more.as_bytes(), &b""[..]));
            assert_eq!(found.host, Host::Ip("192.0.2.1".parse().unwrap()));
        }
        assert_eq!(read(b"IN IP4 192.0.2.1/127 ").unwrap().more_words(), b"");
        assert_eq!(read(b"IN IP4 192.0.2.1").unwrap().more_words(), b"");
    }

    #[test]
    fn text_keeps_white_space_inside() {
        assert_eq!(read(b" IN  IP4\t192.0.2.1 ").unwrap().text, b"IP4\t192.0.2.1");
    }

    #[test]
    fn is_unspecified_in_both_families() {
        assert!(read(b"IN IP4 0.0.0.0").unwrap().is_unspecified());
        assert!(read(b"IN IP6 ::").unwrap().is_unspecified());
        assert!(!read(b"IN IP4 0.0.0.1").unwrap().is_unspecified());
    }

    #[test]
    fn address_that_is_no_ip_is_a_name() {
        assert_eq!(read(b"IN IP4 None").unwrap().host, Host::Name(b"None"));
        assert_eq!(read(b"IN IP6 [[2001:db8::1]]").unwrap().host, Host::Name(b"[[2001:db8::1]]"));
    }

    #[test]
    fn connection_with_missing_word_is_none() {
        assert_eq!(read(b"IN IP4"), None);
        assert_eq!(read(b"IN IP4 "), None);
        assert_eq!(read(b""), None);
    }

    #[test]
    fn address_of_slash_only_is_an_empty_name() {
        let found = read(b"IN IP4 /127").unwrap();
        assert_eq!(found.host, Host::Name(b""));
        assert_eq!(found.text, b"IP4 ");
    }
}
