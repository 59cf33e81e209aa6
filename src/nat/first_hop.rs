//! Whether a message comes from the phone itself, not through another proxy.

use crate::address::Host;
use crate::error::Result;
use crate::sip::parameters::find_unquoted;
use crate::sip::{Contact, HeaderName, Message, Method, Uri, Via};

/// True when no proxy stands between the sender of the message and the server, as
/// far as the message shows.
///
/// A request has one Via for each hop: the phone wrote the only one (RFC 3261 8.1.1.7,
/// 16.6). In a reply the Vias are those of the request, from the server on towards the
/// caller: each proxy behind the server has removed its own (16.7). Such a proxy shows
/// only by its Record-Route, which the phone has copied (12.1.1) and which then comes
/// before the server's. A reply to REGISTER comes from a registrar, and so does Path
/// (RFC 3327 5.3).
///
/// # Errors
/// `Status::Syntax` when a request has no Via, or when in a reply CSeq, the top Via or
/// Record-Route cannot be parsed.
pub fn is_first_hop(message: &Message<'_>) -> Result<bool> {
    if message.status().is_none() {
        message.top_via()?;
        return Ok(count_vias(message)? == 1);
    }
    if message.method()? == Method::Register || message.other_headers(b"Path").next().is_some() {
        return Ok(false);
    }
    let routes = Routes::read(message)?;
    let Some(top) = routes.top else { return Ok(true) };
    let via = message.top_via()?;
    if is_ours(message, &via, &top) {
        return Ok(true);
    }
    if let (Host::Ip(_), Host::Ip(_)) = (top.host, via.host) {
        return Ok(false);
    }
    // The server may call itself by a name here and by an address there. Each proxy
    // from the caller to the server has added one Via, so that no more routes than
    // these are its and theirs.
    Ok(routes.count < count_vias(message)?)
}

/// True when the topmost Record-Route is the server's own: its sent-by in the top Via,
/// or the address that received the reply.
fn is_ours(message: &Message<'_>, via: &Via<'_>, top: &Uri<'_>) -> bool {
    let port = |port: u16| top.port.is_none_or(|written| written == port);
    let same_host = match (top.host, via.host) {
        (Host::Name(one), Host::Name(other)) => one.eq_ignore_ascii_case(other),
        (one, other) => one == other,
    };
    let local = || {
        let local = message.source().local;
        local.is_some_and(|at| top.host == Host::Ip(at.ip().to_canonical()) && port(at.port()))
    };
    same_host && port(via.port_or_default()) || local()
}

/// The number of Via values, in all headers and comma lists.
fn count_vias(message: &Message<'_>) -> Result<usize> {
    message
        .headers(HeaderName::Via)
        .try_fold(0, |count: usize, header| Ok(count.saturating_add(elements(header?.value))))
}

/// The number of elements of a comma list.
fn elements(list: &[u8]) -> usize {
    let mut count = 1usize;
    let mut rest = list;
    while let Some(after) = find_unquoted(rest, b',').and_then(|at| rest.get(at + 1..)) {
        count = count.saturating_add(1);
        rest = after;
    }
    count
}

/// The Record-Route values of a reply.
#[derive(Default)]
struct Routes<'a> {
    top: Option<Uri<'a>>,
    /// The proxies they name. A proxy between two interfaces may write two values
    /// (RFC 5658 5); Kamailio and OpenSIPS mark them with the parameter `r2`.
    count: usize,
}

impl<'a> Routes<'a> {
    fn read(message: &Message<'a>) -> Result<Self> {
        let mut routes = Routes::default();
        let mut doubled = 0usize;
        for value in message.other_headers(b"Record-Route") {
            let mut list = Some(value?);
            while let Some(route) = Contact::next_in(&mut list)? {
                routes.top.get_or_insert(route.uri);
                routes.count = routes.count.saturating_add(1);
                doubled += usize::from(route.uri.parameter(b"r2").is_some());
            }
        }
        routes.count = routes.count.saturating_sub(doubled / 2);
        Ok(routes)
    }
}
