//! What is measured: the messages beside this directory, and grown ones.

/// A 1.2 kB INVITE of a phone behind NAT: private Via, Contact and SDP, one
/// audio stream.
pub(crate) const INVITE: &[u8] = include_bytes!("../invite.sip");
/// An offer of five streams with ICE.
pub(crate) const ICE5: &[u8] = include_bytes!("../ice5.sip");
/// A description inside multipart/mixed.
pub(crate) const MULTIPART: &[u8] = include_bytes!("../multipart.sip");
/// A REGISTER.
pub(crate) const REGISTER: &[u8] = include_bytes!("../register.sip");
/// The 200 to the INVITE.
pub(crate) const OK: &[u8] = include_bytes!("../ok.sip");

/// The INVITE with `more` headers that nobody asks for, above Contact.
pub(crate) fn with_headers(more: usize) -> Vec<u8> {
    let text = String::from_utf8(INVITE.to_vec()).expect("the INVITE is text");
    let (before, after) = text.split_once("Contact:").expect("its Contact");
    let header = "X-Route-Statistics: 17;leg=a;codec=G722;quality=4.21\r\n";
    format!("{before}{}Contact:{after}", header.repeat(more)).into_bytes()
}

/// The INVITE with so many streams.
pub(crate) fn with_streams(streams: usize) -> Vec<u8> {
    let text = String::from_utf8(INVITE.to_vec()).expect("the INVITE is text");
    let (head, body) = text.split_once("\r\n\r\n").expect("its body");
    let (session, stream) = body.split_once("m=").expect("its stream");
    let body = format!("{session}{}", format!("m={stream}").repeat(streams));
    let lines = head.lines().map(|line| match line.starts_with("Content-Length:") {
        true => format!("Content-Length: {}\r\n", body.len()),
        false => format!("{line}\r\n"),
    });
    format!("{}\r\n{body}", lines.collect::<String>()).into_bytes()
}
