//! Messages made to be slow to read, in any size.

use std::fmt::Write;

use kit::rewriting::{invite, with_body};

/// One kind of hostile message.
pub(crate) struct Shape {
    pub(crate) name: &'static str,
    /// The message of a size.
    pub(crate) make: fn(usize) -> Vec<u8>,
    /// The smaller of the two sizes that are compared; the other is its double
    /// and within the library's bounds.
    pub(crate) size: usize,
}

const fn shape(name: &'static str, size: usize, make: fn(usize) -> Vec<u8>) -> Shape {
    Shape { name, make, size }
}

pub(crate) const SHAPES: [Shape; 38] = [
    shape("many headers", 240, |n| head(&"X-Header: value\r\n".repeat(n))),
    shape("many Vias", 240, |n| head(&"Via: SIP/2.0/UDP 10.0.0.1;branch=z9hG4bK1\r\n".repeat(n))),
    shape("many Contacts of another scheme", 240, |n| head(&"Contact: <tel:+31>\r\n".repeat(n))),
    shape("many headers of one letter", 240, |n| head(&"m: *\r\n".repeat(n))),
    shape("many Content-Lengths", 240, |n| {
        let sdp = audio();
        let length = format!("Content-Length: {}\r\n", sdp.len());
        with_body(&format!("{}Content-Type: application/sdp\r\n", length.repeat(n)), sdp.as_bytes())
    }),
    shape("a long folded header", 4_000, |n| {
        head(&format!("Subject: a\r\n{}", " b\r\n".repeat(n)))
    }),
    shape("a long folded User-Agent", 4_000, |n| {
        head(&format!("User-Agent: a\r\n{}", " \r\n".repeat(n)))
    }),
    shape("a long folded Contact", 4_000, |n| {
        contact(&format!("\"a\"{} <sip:a@10.0.0.1>", "\r\n ".repeat(n)))
    }),
    shape("a header of spaces", 15_000, |n| head(&format!("Contact:{}x\r\n", " ".repeat(n)))),
    shape("a header without colon", 15_000, |n| head(&format!("C{}\r\n", "o".repeat(n)))),
    shape("many Contacts in a list", 2_000, |n| contact(&"<tel:+31>,".repeat(n))),
    shape("many stars in a list", 6_000, |n| contact(&"*,".repeat(n))),
    shape("many Contacts without brackets", 2_000, |n| contact(&"tel:+31;x=1,".repeat(n))),
    shape("many empty Contacts", 12_000, |n| contact(&",".repeat(n))),
    shape("many quoted names", 1_000, |n| contact(&"\"<,\\\"\" <tel:1>;x=\"<,;\",".repeat(n))),
    shape("quotes that do not end", 6_000, |n| {
        contact(&format!("<sip:a@10.0.0.1>;x=\"{}", "\\\"".repeat(n)))
    }),
    shape("many quoted strings", 6_000, |n| {
        contact(&format!("{}<sip:a@10.0.0.1>", "\"\"".repeat(n)))
    }),
    shape("many parameters of a URI", 6_000, |n| {
        contact(&format!("<sip:a@10.0.0.1{};maddr=10.0.0.2>", ";a".repeat(n)))
    }),
    shape("many parameters of a tag", 6_000, |n| {
        let whole = String::from_utf8(head("")).unwrap();
        whole.replace(";tag=a", &format!("{};tag=a", ";x".repeat(n))).into_bytes()
    }),
    shape("colons where a host should be", 12_000, |n| {
        contact(&format!("<sip:a@{}>", ":".repeat(n)))
    }),
    shape("a port of zeros", 12_000, |n| contact(&format!("<sip:a@10.0.0.1:{}1>", "0".repeat(n)))),
    shape("many at signs", 12_000, |n| contact(&format!("<sip:{}>", "@".repeat(n)))),
    shape("empty lines before the message", 12_000, |n| {
        let mut raw = b"\r\n".repeat(n);
        raw.extend_from_slice(&invite(audio().as_bytes()));
        raw
    }),
    shape("many m= lines", 32, |n| invite(&streams(n, ""))),
    shape("many m= lines with all that is rewritten", 32, |n| {
        let lines = "c=IN IP4 10.0.0.1\r\na=rtcp:4001 IN IP4 10.0.0.1\r\na=ice-ufrag:u\r\n\
                     a=ice-pwd:p\r\na=candidate:1 2 UDP 1 10.0.0.1 4000 typ host\r\n";
        invite(&streams(n, lines))
    }),
    shape("many m= lines that keep their address", 32, |n| {
        let mut sdp = streams(1, "");
        sdp.extend_from_slice("m=x 1 TCP/X 0\r\n".repeat(n - 1).as_bytes());
        invite(&sdp)
    }),
    shape("many c= lines", 1_200, |n| invite(&streams(1, &"c=IN IP4 10.0.0.1\r\n".repeat(n)))),
    shape("many candidates", 500, |n| {
        let line = "a=candidate:1 1 UDP 2130706431 10.0.0.1 4000 typ host\r\n";
        invite(&streams(1, &format!("a=ice-ufrag:u\r\na=ice-pwd:p\r\n{}", line.repeat(n))))
    }),
    shape("many a=rtcp lines", 1_000, |n| {
        invite(&streams(1, &"a=rtcp:4001 IN IP4 10.0.0.1\r\n".repeat(n)))
    }),
    shape("many a=rtcp lines that cannot be read", 1_500, |n| {
        invite(&streams(1, &"a=rtcp:x 4000\r\n".repeat(n)))
    }),
    shape("many bundled m= lines at ports of their own", 32, |n| {
        let mut sdp = String::from("c=IN IP4 10.0.0.1\r\na=group:BUNDLE");
        (0..n).for_each(|mid| write!(sdp, " {mid}").unwrap());
        sdp.push_str("\r\n");
        for mid in 0..n {
            write!(sdp, "m=audio {} RTP/AVP 0\r\na=mid:{mid}\r\n", 4000 + 2 * mid).unwrap();
        }
        invite(sdp.as_bytes())
    }),
    shape("many groups", 400, |n| {
        let mut sdp = "a=group:BUNDLE a b c d e f g h i j k l m n o p q r s t u\r\n".repeat(n);
        sdp.push_str("c=IN IP4 10.0.0.1\r\n");
        sdp.push_str(&"m=audio 4000 RTP/AVP 0\r\na=mid:z\r\n".repeat(64));
        invite(sdp.as_bytes())
    }),
    shape("a long group", 10_000, |n| {
        let mut sdp = format!("a=group:BUNDLE{}\r\nc=IN IP4 10.0.0.1\r\n", " a".repeat(n));
        sdp.push_str(&"m=audio 4000 RTP/AVP 0\r\na=mid:z\r\n".repeat(64));
        invite(sdp.as_bytes())
    }),
    shape("empty lines in a description", 15_000, |n| invite(&streams(1, &"\n".repeat(n)))),
    shape("multiparts as deep as may be, each with many parts", 200, nested),
    shape("lines that look like a boundary", 3_000, |n| {
        mixed("b", &format!("--b\r\n\r\n{}--b--", "--bb\r\n".repeat(n)))
    }),
    shape("lines that start like a long boundary", 7_000, |n| {
        mixed(&"-".repeat(n), &format!("{}\r\n", "-".repeat(60)).repeat(n / 60))
    }),
    shape("a Content-Type of many parameters", 5_000, |n| {
        let kind = format!("multipart/mixed{};boundary=b", ";\"\"".repeat(n));
        with_body(&format!("Content-Type: {kind}\r\n"), b"--b\r\n\r\nx\r\n--b--")
    }),
];

/// An INVITE with these headers and one stream.
fn head(headers: &str) -> Vec<u8> {
    with_body(&format!("{headers}Content-Type: application/sdp\r\n"), audio().as_bytes())
}

/// An INVITE whose first Contact is this.
fn contact(value: &str) -> Vec<u8> {
    let whole = String::from_utf8(head("")).unwrap();
    let (before, after) = whole.split_once("Contact: ").unwrap();
    let rest = after.split_once("\r\n").unwrap().1;
    format!("{before}Contact: {value}\r\n{rest}").into_bytes()
}

fn audio() -> String {
    String::from_utf8(streams(1, "")).unwrap()
}

/// A description of so many streams, each with these lines.
fn streams(count: usize, lines: &str) -> Vec<u8> {
    let mut sdp = String::from("v=0\r\no=- 1 1 IN IP4 10.0.0.1\r\nc=IN IP4 10.0.0.1\r\n");
    for index in 0..count {
        write!(sdp, "m=audio {} RTP/AVP 0\r\n{lines}", 4000 + 2 * index).unwrap();
    }
    sdp.into_bytes()
}

fn mixed(boundary: &str, body: &str) -> Vec<u8> {
    with_body(&format!("Content-Type: multipart/mixed;boundary={boundary}\r\n"), body.as_bytes())
}

/// Eight levels; in each, so many parts before the one that holds the next.
fn nested(parts: usize) -> Vec<u8> {
    let mut body = String::from("text");
    for level in (0..8).rev() {
        let boundary = format!("level{level}");
        let mut outer = format!("--{boundary}\r\n\r\n\r\n").repeat(parts);
        let kind = if level == 7 {
            "text/plain".into()
        } else {
            format!("multipart/mixed;boundary=level{}", level + 1)
        };
        write!(outer, "--{boundary}\r\nContent-Type: {kind}\r\n\r\n{body}\r\n--{boundary}--\r\n")
            .unwrap();
        body = outer;
    }
    mixed("level0", &body)
}
