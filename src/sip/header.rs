//! Finding headers: names, compact forms (RFC 3261 7.3.3), folding (7.3.1).

/// The headers this library reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
#[allow(missing_docs)]
pub enum HeaderName {
    Via,
    Contact,
    From,
    To,
    CallId,
    CSeq,
    UserAgent,
    Server,
    ContentType,
    ContentLength,
    ContentDisposition,
}

impl HeaderName {
    /// The name as RFC 3261 writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            HeaderName::Via => "Via",
            HeaderName::Contact => "Contact",
            HeaderName::From => "From",
            HeaderName::To => "To",
            HeaderName::CallId => "Call-ID",
            HeaderName::CSeq => "CSeq",
            HeaderName::UserAgent => "User-Agent",
            HeaderName::Server => "Server",
            HeaderName::ContentType => "Content-Type",
            HeaderName::ContentLength => "Content-Length",
            HeaderName::ContentDisposition => "Content-Disposition",
        }
    }

    /// Recognises a name, long or compact, in any case.
    pub fn parse(name: &[u8]) -> Option<HeaderName> {
        let _ = name;
        todo!()
    }
}

/// One header field of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header<'a> {
    /// Which it is.
    pub name: HeaderName,
    /// The value without surrounding white space; a folded one keeps its line
    /// ends inside. A subslice of the message.
    pub value: &'a [u8],
}
