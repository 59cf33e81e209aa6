//! Checks on what the library made of each message, with its own readers.

use std::net::SocketAddr;

use mediaproxy::sdp::Session;
use mediaproxy::sip::Source;
use mediaproxy::sip::body;
use mediaproxy::sip::{Message, Transport};

use crate::server::Record;
use kit::sip::Sip;

/// Lines the library may touch; every other line must be as it came.
const MAY_CHANGE: [&str; 7] =
    ["Contact:", "Content-Length:", "c=IN ", "m=", "a=rtcp:", "a=candidate:", "a=nortpproxy:"];

/// What is wrong with a message after its edits, if something is.
pub(crate) fn edited(record: &Record) -> Vec<String> {
    let (Some(edited), Some(from)) = (&record.edited, record.from) else { return Vec::new() };
    let label = Sip::parse(&record.received).map_or("?".to_string(), |message| message.label());
    let mut faults = Vec::new();
    let mut say = |text: String| faults.push(format!("#{} {label}: {text}", record.number));
    if let Err(why) = parses(edited, from, &record.received) {
        say(format!("the rewritten message does not parse back: {why}"));
    }
    if let Some(line) = foreign_change(&record.received, edited) {
        say(format!("a line was changed that must stay: {line}"));
    }
    faults
}

/// Reads the whole message back: first line, what identifies it, Contact, and
/// a description with as many streams as before.
fn parses(edited: &[u8], from: SocketAddr, before: &[u8]) -> Result<(), String> {
    let text = |error: mediaproxy::Error| error.text().to_string();
    let source = Source { address: from, local: None, transport: Transport::Udp };
    let message = Message::parse(edited, source).map_err(text)?;
    message.top_via().map_err(text)?;
    message.cseq().map_err(text)?;
    message.call_id().map_err(text)?;
    message.contact().map_err(text)?;
    let body = message.body().map_err(text)?;
    if message.body_offset().map_err(text)? + body.len() != edited.len() {
        return Err("Content-Length is not the length of the body".to_string());
    }
    let streams = |message: &Message<'_>| match body::find_sdp(message)? {
        Some(sdp) => Session::parse(sdp).map(|session| session.media.len()),
        None => Ok(0),
    };
    let original = Message::parse(before, source).map_err(text)?;
    match (streams(&original).map_err(text)?, streams(&message).map_err(text)?) {
        (old, new) if old != new => Err(format!("{new} streams where there were {old}")),
        _ => Ok(()),
    }
}

/// A line of the original that is gone although no edit may touch it.
fn foreign_change(before: &[u8], after: &[u8]) -> Option<String> {
    let lines = |bytes: &[u8]| -> Vec<String> {
        String::from_utf8_lossy(bytes)
            .split("\r\n")
            .filter(|line| !MAY_CHANGE.iter().any(|start| line.starts_with(start)))
            .map(str::to_string)
            .collect()
    };
    let (before, after) = (lines(before), lines(after));
    let first = before.iter().zip(&after).find(|(old, new)| old != new);
    let longer = || before.get(after.len()).or_else(|| after.get(before.len()));
    first.map(|(old, _)| old).or_else(longer).cloned()
}
