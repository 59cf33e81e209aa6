//! Finding the description in any body. An input is a whole message, or a
//! Content-Type value, NUL, and the body it describes.

use mediaproxy::sip::body::find_sdp;
use mediaproxy::sip::{Message, Source, Transport};

use super::input::before_nul;

pub fn check(bytes: &[u8]) {
    let (content_type, rest) = before_nul(bytes);
    let Some(content_type) = content_type else {
        found(rest);
        return;
    };
    found(&with_type(content_type, rest));
    if !rest.is_empty() {
        wrapped(rest);
    }
}

fn parse(raw: &[u8]) -> Option<Message<'_>> {
    let address = "198.51.100.7:61234".parse().unwrap();
    Message::parse(raw, Source { address, local: None, transport: Transport::Udp }).ok()
}

fn with_type(content_type: &[u8], body: &[u8]) -> Vec<u8> {
    let head = b"INVITE sip:b@example.com SIP/2.0\r\nContent-Type: ";
    let length = format!("\r\nContent-Length: {}\r\n\r\n", body.len());
    [&head[..], content_type, length.as_bytes(), body].concat()
}

/// What is found is a piece of the body, and the same when asked again.
fn found(raw: &[u8]) {
    let Some(message) = parse(raw) else { return };
    let Ok(Some(text)) = find_sdp(&message) else { return };
    assert!(!text.is_empty());
    let body = message.body().expect("a body that holds a description");
    let at = mediaproxy::internals::bytes::offset_in(body, text).expect("a piece of the body");
    assert!(at + text.len() <= body.len());
    assert_eq!(find_sdp(&message), Ok(Some(text)));
    let fresh = parse(raw).unwrap();
    assert_eq!(find_sdp(&fresh), Ok(Some(text)));
}

/// A part that was put in comes out byte for byte, however deep and whatever
/// stands beside it.
fn wrapped(part: &[u8]) {
    if part.windows(2).any(|two| two == b"--") {
        // It might hold a boundary.
        return;
    }
    let mut body = part.to_vec();
    let mut content_type = "application/sdp".to_string();
    for depth in 0..8 {
        let head = format!(
            "preamble\r\n--b{depth}\r\nContent-Type: text/plain\r\n\r\nno part of it\r\n\
             --b{depth}\r\ncontent-type : {content_type}\r\n\r\n"
        );
        let tail = format!("\r\n--b{depth}--\r\nepilogue");
        body = [head.as_bytes(), &body, tail.as_bytes()].concat();
        content_type = format!("multipart/mixed; x=\"y;z\"; boundary=b{depth}");
        let raw = with_type(content_type.as_bytes(), &body);
        let Some(message) = parse(&raw) else { return };
        assert_eq!(find_sdp(&message), Ok(Some(part)), "at depth {depth}");
    }
    // One deeper is too deep.
    let head = format!("--b\r\nContent-Type: {content_type}\r\n\r\n");
    let raw = with_type(b"multipart/mixed;boundary=b", &[head.as_bytes(), &body].concat());
    if let Some(message) = parse(&raw) {
        assert!(find_sdp(&message).is_err());
    }
}
