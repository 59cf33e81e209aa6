//! The little SIP and SDP that a phone of the tests needs. No line of the
//! library is used: the phones judge what it made.

use std::fmt::Write;
use std::net::{IpAddr, SocketAddr};

/// A message as a phone reads it.
#[derive(Clone, Debug)]
pub struct Sip {
    pub text: String,
}

impl Sip {
    /// Reads a message; `None` when it is no text or has no end of headers.
    pub fn parse(bytes: &[u8]) -> Option<Sip> {
        let text = String::from_utf8(bytes.to_vec()).ok()?;
        let (head, _) = text.split_once("\r\n\r\n")?;
        head.split("\r\n").skip(1).all(|line| line.contains(':')).then_some(Sip { text })
    }

    pub fn start(&self) -> &str {
        self.text.lines().next().unwrap_or_default()
    }

    fn head(&self) -> &str {
        self.text.split_once("\r\n\r\n").map_or(self.text.as_str(), |(head, _)| head)
    }

    pub fn body(&self) -> &str {
        self.text.split_once("\r\n\r\n").map_or("", |(_, body)| body)
    }

    /// All values of a header, in order.
    pub fn all<'s, 'n>(&'s self, name: &'n str) -> impl Iterator<Item = &'s str> + use<'s, 'n> {
        let fields = self.head().lines().skip(1).filter_map(|line| line.split_once(':'));
        fields.filter(move |(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
    }

    /// The first value of a header; empty when there is none.
    pub fn first<'s>(&'s self, name: &str) -> &'s str {
        self.all(name).next().unwrap_or_default()
    }

    /// `INVITE`; `SIP/2.0` for a response.
    pub fn method(&self) -> &str {
        self.start().split(' ').next().unwrap_or_default()
    }

    /// The status of a response.
    pub fn status(&self) -> Option<u16> {
        self.start().strip_prefix("SIP/2.0 ")?.split(' ').next()?.parse().ok()
    }

    /// The method in CSeq.
    pub fn of(&self) -> &str {
        self.first("CSeq").split(' ').nth(1).unwrap_or_default()
    }

    /// What it is, in a word or two: `INVITE`, `200 OK`.
    pub fn title(&self) -> &str {
        self.start().strip_prefix("SIP/2.0 ").unwrap_or(self.method())
    }

    /// The title, with a word about the SDP it carries.
    pub fn label(&self) -> String {
        let body = self.body();
        let direction = ["sendonly", "recvonly", "inactive"]
            .into_iter()
            .find(|direction| body.contains(&format!("a={direction}\r\n")));
        match (body.is_empty(), direction) {
            (true, _) => self.title().to_string(),
            (false, None) => format!("{} (SDP)", self.title()),
            (false, Some(direction)) => format!("{} ({direction})", self.title()),
        }
    }

    /// The address and port in Contact.
    pub fn contact(&self) -> SocketAddr {
        let contact = self.first("Contact");
        address_of(uri_of(contact)).unwrap_or_else(|| panic!("no address and port: {contact}"))
    }

    /// Where each stream of its description is to be sent.
    pub fn streams(&self) -> Vec<SocketAddr> {
        streams(self.body())
    }

    /// Where its first stream is to be sent.
    pub fn media(&self) -> SocketAddr {
        *self.streams().first().unwrap_or_else(|| panic!("no stream in {}", self.text))
    }
}

/// The URI between angle brackets.
pub fn uri_of(value: &str) -> &str {
    value.split_once('<').and_then(|(_, rest)| rest.split_once('>')).map_or(value, |(uri, _)| uri)
}

/// The address and port of `sip:user@192.0.2.1:5060;...`.
pub fn address_of(uri: &str) -> Option<SocketAddr> {
    let host = uri.split_once('@').map_or(uri, |(_, host)| host);
    host.split(';').next()?.parse().ok()
}

/// What a phone knows of a dialog (RFC 3261 section 12).
#[derive(Clone, Debug, Default)]
pub struct Dialog {
    pub call_id: String,
    /// Its own From or To, and that of its peer.
    pub local: String,
    pub remote: String,
    pub target: String,
    pub routes: Vec<String>,
    pub cseq: u32,
}

impl Dialog {
    /// What the caller learns from a response that makes a dialog.
    pub fn learn(&mut self, response: &Sip) {
        self.remote = response.first("To").to_string();
        self.target = uri_of(response.first("Contact")).to_string();
        // The route set is the Record-Route of the response, reversed (12.1.2);
        // it stays for the dialog.
        if self.routes.is_empty() {
            self.routes = response.all("Record-Route").map(str::to_string).collect();
            self.routes.reverse();
        }
    }

    /// The dialog that a request makes for its callee, whose tag is `tag` where
    /// To has none.
    pub fn of_callee(invite: &Sip, tag: &str) -> Dialog {
        Dialog {
            call_id: invite.first("Call-ID").to_string(),
            local: tagged(invite.first("To"), tag),
            remote: invite.first("From").to_string(),
            target: uri_of(invite.first("Contact")).to_string(),
            routes: invite.all("Record-Route").map(str::to_string).collect(),
            cseq: 0,
        }
    }

    /// A request in it: `via` and `more` are whole header lines.
    pub fn request(&self, method: &str, via: &str, more: &str, body: &str) -> String {
        let routes: String =
            self.routes.iter().map(|route| format!("Route: {route}\r\n")).collect();
        let Dialog { call_id, local, remote, target, cseq, .. } = self;
        format!(
            "{method} {target} SIP/2.0\r\n{via}Max-Forwards: 70\r\n{routes}From: {local}\r\n\
             To: {remote}\r\nCall-ID: {call_id}\r\nCSeq: {cseq} {method}\r\n{more}{}",
            tail(body)
        )
    }
}

/// A response to a request, with `tag` in To where it has none: `more` is whole
/// header lines.
pub fn response(request: &Sip, status: &str, tag: &str, more: &str, body: &str) -> String {
    let mut text = format!("SIP/2.0 {status}\r\n");
    for name in ["Via", "Record-Route"] {
        for value in request.all(name) {
            let _ = write!(text, "{name}: {value}\r\n");
        }
    }
    let [from, call_id, cseq] = ["From", "Call-ID", "CSeq"].map(|name| request.first(name));
    let to = tagged(request.first("To"), tag);
    let tail = tail(body);
    text + &format!(
        "From: {from}\r\nTo: {to}\r\nCall-ID: {call_id}\r\nCSeq: {cseq}\r\n{more}{tail}"
    )
}

/// A To value with this tag, unless it has one; no tag where that is empty.
fn tagged(to: &str, tag: &str) -> String {
    match to.contains(";tag=") || tag.is_empty() {
        true => to.to_string(),
        false => format!("{to};tag={tag}"),
    }
}

/// The end of the headers, and the body.
fn tail(body: &str) -> String {
    let kind = if body.is_empty() { "" } else { "Content-Type: application/sdp\r\n" };
    format!("{kind}Content-Length: {}\r\n\r\n{body}", body.len())
}

/// Where each stream of a description is to be sent: its own c= or the
/// session's (RFC 8866 section 5.7).
pub fn streams(description: &str) -> Vec<SocketAddr> {
    let mut session: Option<IpAddr> = None;
    let mut found: Vec<(Option<IpAddr>, u16)> = Vec::new();
    for line in description.lines() {
        if let Some(connection) = line.strip_prefix("c=IN ") {
            let address = connection.split(' ').nth(1).and_then(|address| address.parse().ok());
            match found.last_mut() {
                Some((own, _)) => *own = address,
                None => session = address,
            }
        } else if let Some(media) = line.strip_prefix("m=") {
            let port = media.split(' ').nth(1).and_then(|port| port.parse().ok());
            found.push((session, port.expect("a port")));
        }
    }
    let address = |own: Option<IpAddr>| own.expect("a connection address");
    found.into_iter().map(|(own, port)| SocketAddr::new(address(own), port)).collect()
}

/// A description: `version` of the session, its address, and what follows.
pub fn describe(address: &str, version: u32, media: &[&str]) -> String {
    let family = if address.contains(':') { "IP6" } else { "IP4" };
    let mut text = format!(
        "v=0\r\no=- 3724394400 {version} IN {family} {address}\r\ns=-\r\n\
         c=IN {family} {address}\r\nt=0 0\r\n"
    );
    for line in media {
        let _ = write!(text, "{line}\r\n");
    }
    text
}
