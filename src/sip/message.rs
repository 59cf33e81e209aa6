//! One SIP message: its start line, its headers, its body.

mod headers;
mod sender;

use std::cell::OnceCell;

use self::headers::Headers;
use self::sender::Sender;
use super::from_to::FromTo;
use super::header::{Header, HeaderName};
use crate::bytes;
use crate::error::{Error, Result};
use crate::sip::{CSeq, Contact, Source, Uri, Via};

pub use self::headers::MAX_HEADERS;
pub(crate) use self::sender::SenderContact;
pub use super::start_line::{Method, StartLine};

/// The longest message accepted, in bytes.
pub const MAX_MESSAGE: usize = 64 * 1024;

/// A view of one raw message. [`Message::parse`] reads only the start line;
/// headers are found on first use, and their offsets are kept without
/// allocating.
#[derive(Debug)]
pub struct Message<'a> {
    raw: &'a [u8],
    source: Source,
    start_line: StartLine<'a>,
    line_end: &'static [u8],
    headers: Headers<'a>,
    /// The sender's Contact after its first use.
    sender: Sender<'a>,
    /// From and To after their first use.
    from_to: [OnceCell<Option<FromTo<'a>>>; 2],
    /// The body after its first use.
    body: OnceCell<&'a [u8]>,
}

impl<'a> Message<'a> {
    /// Makes a view of a raw message. Leading empty lines are skipped (RFC 3261
    /// 7.5).
    ///
    /// # Errors
    /// `Status::Limit` above 64 KiB, `Status::Syntax` when the first line is
    /// neither a request nor a reply of SIP/2.0.
    pub fn parse(raw: &'a [u8], source: Source) -> Result<Self> {
        if raw.len() > MAX_MESSAGE {
            return Err(Error::limit("the message is longer than 64 KiB"));
        }
        let start = raw.iter().position(|b| !matches!(b, b'\r' | b'\n')).unwrap_or(raw.len());
        let rest = raw.get(start..).unwrap_or_default();
        let length = bytes::find(b'\n', rest).unwrap_or(rest.len());
        let line = rest.get(..length).unwrap_or_default();
        let Some(start_line) = StartLine::parse(line) else {
            return Err(Error::syntax(
                "the first line is neither a request nor a reply of SIP/2.0",
            ));
        };
        let bare = length < rest.len() && line.last() != Some(&b'\r');
        let next = start.saturating_add(length).saturating_add(1).min(raw.len());
        Ok(Message {
            raw,
            source,
            start_line,
            line_end: if bare { b"\n" } else { b"\r\n" },
            headers: Headers::new(raw, next),
            sender: Sender::default(),
            from_to: Default::default(),
            body: OnceCell::new(),
        })
    }

    /// The bytes of the message.
    pub fn raw(&self) -> &'a [u8] {
        self.raw
    }

    /// The source of the message.
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

    /// The method of a request; in a reply, the method of its CSeq.
    pub fn method(&self) -> Result<Method> {
        match self.start_line {
            StartLine::Request { method, .. } => Ok(method),
            StartLine::Reply { .. } => Ok(self.cseq()?.method),
        }
    }

    /// True for the messages that terminate a session or a part of it: a BYE or
    /// CANCEL request, and a failure reply (300 to 699) to an INVITE. False for a
    /// reply whose CSeq cannot be parsed.
    pub fn terminates(&self) -> bool {
        match self.start_line {
            StartLine::Request { method, .. } => matches!(method, Method::Bye | Method::Cancel),
            StartLine::Reply { status } => {
                status >= 300 && self.cseq().is_ok_and(|cseq| cseq.method == Method::Invite)
            }
        }
    }

    /// The first header of this name, in long or compact form. Reads only up to
    /// that header. A line that is not a header is skipped, as SIP servers do.
    ///
    /// # Errors
    /// `Status::Limit` beyond 512 headers; `Status::Syntax` when a line starts
    /// with this name but has no colon after it.
    pub fn header(&self, name: HeaderName) -> Result<Option<Header<'a>>> {
        self.headers.first(name)
    }

    /// All headers of this name, in order.
    pub fn headers(&self, name: HeaderName) -> impl Iterator<Item = Result<Header<'a>>> + '_ {
        self.headers.all(name)
    }

    /// The topmost Via (comma lists split). `Status::Syntax` when it is missing
    /// or unreadable.
    pub fn top_via(&self) -> Result<Via<'a>> {
        match self.header(HeaderName::Via)? {
            Some(header) => Via::parse(header.value),
            None => Err(Error::syntax("no Via header")),
        }
    }

    /// The branch of the topmost Via (RFC 3261 8.1.1.7); empty when it has none.
    pub(crate) fn top_branch(&self) -> &'a [u8] {
        let header = self.header(HeaderName::Via).ok().flatten();
        header.map_or(b"", |header| Via::branch_of(header.value))
    }

    /// The first sip: or sips: Contact, across several headers and comma
    /// lists. `None` when there is none, or only `*` and other schemes.
    /// `Status::Syntax` when a value before it cannot be parsed.
    pub fn contact(&self) -> Result<Option<Contact<'a>>> {
        self.contacts().next().transpose()
    }

    /// All sip: and sips: Contacts in order, across several headers and comma
    /// lists. Ends after the first value that cannot be parsed.
    pub fn contacts(&self) -> impl Iterator<Item = Result<Contact<'a>>> + '_ {
        let mut headers = self.headers(HeaderName::Contact);
        let mut list = None;
        let mut failed = false;
        std::iter::from_fn(move || {
            if failed {
                return None;
            }
            let mut next = || {
                loop {
                    if let Some(contact) = Contact::next_in(&mut list)? {
                        return Ok(Some(contact));
                    }
                    match headers.next() {
                        Some(header) => list = Some(header?.value),
                        None => return Ok(None),
                    }
                }
            };
            let found = next();
            failed = found.is_err();
            found.transpose()
        })
    }

    /// The values of a header that [`HeaderName`] does not have, in order. `name` is
    /// the long name; the header has no compact form.
    pub(crate) fn other_headers<'m>(
        &'m self,
        name: &'m [u8],
    ) -> impl Iterator<Item = Result<&'a [u8]>> + 'm {
        self.headers.others(name)
    }

    /// CSeq; `Status::Syntax` when missing or unreadable.
    pub fn cseq(&self) -> Result<CSeq> {
        let Some(header) = self.header(HeaderName::CSeq)? else {
            return Err(Error::syntax("no CSeq header"));
        };
        CSeq::parse(header.value)
    }

    /// Call-ID, trimmed; `Status::Syntax` when missing or empty.
    pub fn call_id(&self) -> Result<&'a [u8]> {
        match self.header(HeaderName::CallId)? {
            Some(header) if !header.value.is_empty() => Ok(header.value),
            _ => Err(Error::syntax("no Call-ID header, or an empty one")),
        }
    }

    /// The tag parameter of From; empty when there is none.
    pub fn from_tag(&self) -> Result<&'a [u8]> {
        self.tag(HeaderName::From)
    }

    /// The tag parameter of To; empty when there is none.
    pub fn to_tag(&self) -> Result<&'a [u8]> {
        self.tag(HeaderName::To)
    }

    /// The URI of From; `None` when it is missing or unreadable.
    pub fn from_uri(&self) -> Result<Option<&'a [u8]>> {
        self.uri_of(HeaderName::From)
    }

    /// The URI of To; `None` when it is missing or unreadable.
    pub fn to_uri(&self) -> Result<Option<&'a [u8]>> {
        self.uri_of(HeaderName::To)
    }

    fn tag(&self, name: HeaderName) -> Result<&'a [u8]> {
        Ok(self.name_addr_of(name)?.map_or(b"", |value| value.tag))
    }

    fn uri_of(&self, name: HeaderName) -> Result<Option<&'a [u8]>> {
        Ok(self.name_addr_of(name)?.map(|value| value.uri).filter(|uri| !uri.is_empty()))
    }

    /// From or To; `None` when it is missing or unreadable.
    fn name_addr_of(&self, name: HeaderName) -> Result<Option<FromTo<'a>>> {
        let [from, to] = &self.from_to;
        let cell = if name == HeaderName::From { from } else { to };
        if let Some(value) = cell.get() {
            return Ok(*value);
        }
        let header = self.header(name)?;
        let value = header.and_then(|header| FromTo::parse(header.value));
        Ok(*cell.get_or_init(|| value))
    }

    /// User-Agent, else Server: the value trimmed, possibly folded.
    pub fn user_agent(&self) -> Result<Option<&'a [u8]>> {
        let value_of =
            |header: Option<Header<'a>>| header.map(|h| h.value).filter(|v| !v.is_empty());
        match value_of(self.header(HeaderName::UserAgent)?) {
            Some(agent) => Ok(Some(agent)),
            None => Ok(value_of(self.header(HeaderName::Server)?)),
        }
    }

    /// The Request-URI parsed; `None` in a reply. `Status::Syntax` also for a
    /// scheme other than sip and sips.
    pub fn request_uri(&self) -> Option<Result<Uri<'a>>> {
        let StartLine::Request { uri, .. } = self.start_line else { return None };
        let other = || Error::syntax("the Request-URI is not a sip: or sips: URI");
        Some(Uri::parse(uri).and_then(|uri| uri.ok_or_else(other)))
    }

    /// The first byte after the empty line that ends the headers; the length
    /// of the message when that line is missing.
    pub fn body_offset(&self) -> Result<usize> {
        self.headers.end()
    }

    /// True when the headers read so far contain this offset; reads no further.
    pub(crate) fn is_known_header(&self, offset: usize) -> bool {
        self.headers.are_known_at(offset)
    }

    /// True when an empty line ends the headers; without it there is no body.
    pub(crate) fn has_body_part(&self) -> Result<bool> {
        self.headers.end_properly()
    }

    /// The body: as many bytes as Content-Length says, or all bytes after the
    /// headers when that header is missing (RFC 3261 18.3). Bytes beyond
    /// Content-Length are not part of the body.
    ///
    /// # Errors
    /// `Status::Syntax` when Content-Length is not a number, is larger than the
    /// rest of the message, or occurs several times with different values.
    pub fn body(&self) -> Result<&'a [u8]> {
        if let Some(body) = self.body.get() {
            return Ok(body);
        }
        let body = self.find_body()?;
        Ok(self.body.get_or_init(|| body))
    }

    fn find_body(&self) -> Result<&'a [u8]> {
        let rest = self.raw.get(self.body_offset()?..).unwrap_or_default();
        let length_of = |header: Header<'_>| {
            let error = || Error::syntax("Content-Length: expected a number");
            bytes::number(header.value).ok_or_else(error)
        };
        let Some(first) = self.header(HeaderName::ContentLength)? else { return Ok(rest) };
        let length = length_of(first)?;
        if !self.headers.is_single(HeaderName::ContentLength) {
            for header in self.headers(HeaderName::ContentLength) {
                if length_of(header?)? != length {
                    return Err(Error::syntax(
                        "Content-Length: several headers with different values",
                    ));
                }
            }
        }
        let body = usize::try_from(length).ok().and_then(|length| rest.get(..length));
        body.ok_or_else(|| Error::syntax("Content-Length: larger than the rest of the message"))
    }

    /// The line end this message uses: that of its first line.
    pub fn line_end(&self) -> &'static [u8] {
        self.line_end
    }

    /// The offset of `part`, a slice of this message; `None` for other slices.
    pub fn offset_of(&self, part: &[u8]) -> Option<usize> {
        bytes::offset_in(self.raw, part)
    }
}
