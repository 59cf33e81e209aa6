//! SDP that a message announces and that cannot be read: an error, never a message
//! without SDP, and the message as it was.

use kit::call;
use kit::rewriting::parse;
use kit::{cases, udp};
use mediaproxy::sdp::Session;
use mediaproxy::sip::Message;
use mediaproxy::sip::body::find_sdp;
use mediaproxy::{Edits, Options, Status};
use proptest::prelude::*;

/// An INVITE with these further headers and this body, byte for byte.
fn invite(headers: &str, body: &str) -> Vec<u8> {
    let head = "INVITE sip:bob@example.com SIP/2.0\r\n\
        Via: SIP/2.0/UDP 192.168.1.10:5060;branch=z9hG4bK1\r\nAccept: application/sdp\r\n\
        From: <sip:alice@example.com>;tag=a\r\nTo: <sip:bob@example.com>\r\nCall-ID: 1\r\n\
        CSeq: 1 INVITE\r\nContact: <sip:alice@192.168.1.10>\r\n";
    format!("{head}{headers}\r\n{body}").into_bytes()
}

fn phone_sdp() -> String {
    call::alice_sdp().replace('\n', "\r\n")
}

/// The SDP that is found and read, or the status.
fn found(raw: &[u8]) -> Result<Option<String>, Status> {
    let message = parse(raw);
    let found = find_sdp(&message).map_err(|error| error.status())?;
    if let Some(sdp) = found {
        Session::parse(sdp).map_err(|error| error.status())?;
    }
    Ok(found.map(|sdp| String::from_utf8(sdp.to_vec()).unwrap()))
}

/// Checks that a rewrite is an error and makes no edit, also after an earlier one.
#[track_caller]
fn refused(raw: &[u8]) {
    let text = String::from_utf8_lossy(raw);
    let mut worker = kit::worker(&[]);
    let message = Message::parse(raw, udp("203.0.113.5:61234")).unwrap();
    let mut edits = Edits::new();
    let error = worker.rewrite_sdp(&message, &Options::default(), &mut edits).expect_err(&text);
    assert_eq!(error.status(), Status::Syntax, "{text}");
    assert!(edits.is_empty(), "{text}");
    assert_eq!(found(raw), Err(Status::Syntax), "{text}");
}

fn length(body: &str) -> String {
    format!("Content-Length: {}\r\n", body.len())
}

const SDP: &str = "Content-Type: application/sdp\r\n";
const MIXED: &str = "Content-Type: multipart/mixed;boundary=b\r\n";

/// A multipart with a text and SDP under these part headers.
fn multipart(part_headers: &str) -> String {
    let sdp = phone_sdp();
    format!(
        "--b\r\nContent-Type: text/plain\r\n\r\nhello\r\n\
         --b\r\nContent-Type: application/sdp\r\n{part_headers}\r\n{sdp}\r\n--b--\r\n"
    )
}

/// Spellings of the headers of a whole body.
const CODINGS: [(&str, bool); 12] = [
    ("Content-Encoding: identity\r\n", true),
    ("e:IDENTITY\r\n", true),
    ("Content-Encoding: identity , identity\r\n", true),
    ("Content-Encoding:\r\n", true),
    ("Content-Encoding: gzip\r\n", false),
    ("e: gzip\r\n", false),
    ("E\t:\r\n deflate\r\n", false),
    ("CONTENT-ENCODING: x-gzip\r\n", false),
    ("Content-Encoding: identity, gzip\r\n", false),
    ("Content-Encoding: identity\r\ne: gzip\r\n", false),
    ("Content-Encoding: identityx\r\n", false),
    ("Content-Encoding: \"identity\"\r\n", false),
];

#[test]
fn content_encoding_other_than_identity_is_refused_where_sdp_is_announced() {
    for (coding, readable) in CODINGS {
        let sdp = phone_sdp();
        for (content_type, body) in
            [(SDP, &sdp), ("c: Application / SDP;x=y\r\n", &sdp), (MIXED, &multipart(""))]
        {
            for headers in [format!("{coding}{content_type}"), format!("{content_type}{coding}")] {
                let raw = invite(&format!("{headers}{}", length(body)), body);
                match readable {
                    true => assert!(found(&raw).unwrap().is_some(), "{headers}"),
                    false => refused(&raw),
                }
            }
        }
        // Nothing is announced.
        for content_type in ["Content-Type: text/plain\r\n", ""] {
            let raw = invite(&format!("{coding}{content_type}"), "hello");
            assert_eq!(found(&raw), Ok(None), "{coding}");
        }
        let raw = invite(&format!("{coding}{SDP}Content-Length: 0\r\n"), "");
        assert_eq!(found(&raw), Ok(None), "{coding}: a body of no bytes is not encoded");
    }
}

#[test]
fn encoded_part_of_a_multipart_is_refused_when_it_is_the_sdp() {
    for (headers, readable) in [
        ("Content-Encoding: gzip\r\n", false),
        ("content-encoding:\r\n x\r\n", false),
        ("Content-Encoding: identity\r\n", true),
        ("Content-Transfer-Encoding: base64\r\n", false),
        ("Content-Transfer-Encoding: Quoted-Printable\r\n", false),
        ("Content-Transfer-Encoding: 8BIT\r\n", true),
        ("Content-Transfer-Encoding: binary\r\n", true),
        ("content-transfer-encoding:7bit\r\n", true),
        // MIME has no compact names.
        ("e: gzip\r\n", true),
    ] {
        let body = multipart(headers);
        let raw = invite(&format!("{MIXED}{}", length(&body)), &body);
        match readable {
            true => assert_eq!(found(&raw).unwrap().as_deref(), Some(&*phone_sdp()), "{headers}"),
            false => refused(&raw),
        }
        // Another part may be encoded.
        let body = body.replace(
            "Content-Type: text/plain\r\n",
            "Content-Type: text/plain\r\nContent-Encoding: gzip\r\n",
        );
        let raw = invite(&format!("{MIXED}{}", length(&body)), &body);
        assert_eq!(found(&raw).is_ok(), readable, "{headers}");
    }
}

/// What a Content-Type is to find_sdp.
#[derive(Clone, Copy, PartialEq)]
enum Found {
    Sdp,
    Nothing,
    Refused,
}

const CONTENT_TYPES: [(&[&str], Found); 22] = [
    (&["application/sdp"], Found::Sdp),
    (&["application/sdp", "Application/SDP"], Found::Sdp),
    (&["application/sdp", "text/plain"], Found::Sdp),
    (&["application/sdp", "multipart/mixed;boundary=b"], Found::Sdp),
    // No parameter follows the type.
    (&["application/sdp charset=utf-8"], Found::Sdp),
    (&["application / sdp, text/plain"], Found::Sdp),
    (&["application/sdp(comment)"], Found::Sdp),
    (&["application/sdp\0"], Found::Sdp),
    // Two types, of which one is SDP.
    (&["text/plain", "application/sdp"], Found::Refused),
    (&["text/plain", "text/html", "application / SDP;x=y"], Found::Refused),
    (&["text/plain", "multipart/mixed;boundary=b"], Found::Refused),
    (&["text/plain, application/sdp"], Found::Refused),
    (&["text/plain application/sdp"], Found::Refused),
    (&["\"application/sdp\""], Found::Refused),
    (&["<application/sdp>"], Found::Refused),
    // No SDP.
    (&["text/plain"], Found::Nothing),
    (&["text/plain", "text/html"], Found::Nothing),
    (&["text/plain;x=\"application/sdp\""], Found::Nothing),
    (&["application/sdpng"], Found::Nothing),
    (&["application/sdp+xml"], Found::Nothing),
    (&["application/trickle-ice-sdpfrag"], Found::Nothing),
    (&["xapplication/sdp-x"], Found::Nothing),
];

#[test]
fn content_type_that_may_be_sdp_is_read_or_refused() {
    for (types, expected) in CONTENT_TYPES {
        let sdp = phone_sdp();
        let name = ["Content-Type: ", "c:", "CONTENT-TYPE :\r\n "];
        let headers: String =
            types.iter().zip(name).map(|(value, name)| format!("{name}{value}\r\n")).collect();
        let whole = invite(&format!("{headers}{}", length(&sdp)), &sdp);
        // In a part of a multipart; MIME has no compact names.
        let part: String = types.iter().map(|value| format!("Content-Type: {value}\r\n")).collect();
        let body = multipart("").replace("Content-Type: application/sdp\r\n", &part);
        let part = invite(&format!("{MIXED}{}", length(&body)), &body);
        for raw in [whole, part] {
            match expected {
                Found::Sdp => assert_eq!(found(&raw).unwrap(), Some(sdp.clone()), "{types:?}"),
                Found::Nothing => assert_eq!(found(&raw), Ok(None), "{types:?}"),
                Found::Refused => refused(&raw),
            }
        }
        // Not announced as the session's, or without a body: nothing to refuse.
        let raw = invite(&format!("{headers}Content-Disposition: render\r\n"), &sdp);
        let early = [Ok(None), Err(Status::Syntax)].contains(&found(&raw));
        assert!(early, "{types:?}");
        assert_eq!(found(&invite(&format!("{headers}Content-Length: 0\r\n"), "")), Ok(None));
    }
}

#[test]
fn transfer_encoding_as_in_mail_is_refused() {
    let encoded = "dj0wDQpvPS0gMSAxIElOIElQNCAxOTIuMTY4LjEuMTANCg==";
    refused(&invite(&format!("{SDP}Content-Transfer-Encoding: base64\r\n"), encoded));
    let raw = invite(&format!("{SDP}Content-Transfer-Encoding: base64\r\n"), &phone_sdp());
    assert!(found(&raw).unwrap().is_some(), "it is not encoded");
}

#[test]
fn line_that_ends_in_cr_alone_is_refused_wherever_it_is_in_the_sdp() {
    let sdp = format!("{}a=sendrecv\r\na=ptime:20\r\n", phone_sdp());
    let ends: Vec<_> = sdp.match_indices("\r\n").map(|(at, _)| at).collect();
    let cut = |ends: &[usize]| {
        let mut sdp = sdp.clone();
        for at in ends.iter().rev() {
            sdp.remove(at + 1);
        }
        sdp
    };
    let (last, inner) = ends.split_last().unwrap();
    let mut bodies: Vec<_> = inner.iter().map(|at| cut(&[*at])).collect();
    bodies.extend([cut(inner), cut(&ends), cut(&ends[1..]), cut(&ends[..1])]);
    // Ends in the wrong order begin each line with CR.
    bodies.push(sdp.replace("\r\n", "\n\r"));
    for body in bodies {
        refused(&invite(&format!("{SDP}{}", length(&body)), &body));
        refused(&invite(SDP, &body));
        refused(&invite("", &body));
        let mixed = multipart("").replace(&phone_sdp(), &body);
        refused(&invite(&format!("{MIXED}{}", length(&mixed)), &mixed));
    }
    // All of these are read: the last line has no end, lines end in LF or in two CR.
    for body in [cut(&[*last]), sdp.replace("\r\n", "\n"), sdp.replace("\r\n", "\r\r\n")] {
        let raw = invite(&format!("{SDP}{}", length(&body)), &body);
        assert_eq!(found(&raw).unwrap(), Some(body));
    }
}

#[test]
fn cr_alone_in_a_multipart_or_in_the_headers_hides_no_sdp() {
    let body = multipart("").replace("\r\n", "\r");
    refused(&invite(MIXED, &body));
    let body = multipart("").replacen("\r\n--b\r\n", "\r--b\r\n", 1);
    refused(&invite(MIXED, &body));
    let sdp = phone_sdp();
    for headers in [
        "Content-Type: application/sdp\rContent-Length: 9\r\n",
        "Subject: x\rContent-Type: multipart/mixed;boundary=b\r\n",
        // The empty line is hidden too.
        "Content-Type: application/sdp\r\n\r",
        "c: application/sdp\rX: y\r",
    ] {
        let body = if headers.contains("multipart") { multipart("") } else { sdp.clone() };
        refused(&invite(headers, &body));
    }
    let cut = String::from_utf8(invite(SDP, "")).unwrap();
    for end in ["", "\r\n", "\n"] {
        refused(format!("{}{end}", cut.trim_end()).as_bytes());
    }
    let empty = format!("{}\r\nContent-Length: 0\r\n", cut.trim_end());
    assert_eq!(found(empty.as_bytes()), Ok(None));
    // CR in a binary part that has nothing to do with SDP.
    let binary = "--b\r\nContent-Type: application/isup\r\n\r\n\x01\r\x02\r\n--b--\r\n";
    assert_eq!(found(&invite(MIXED, binary)), Ok(None));
    assert_eq!(found(&invite("Content-Type: application/isup\r\n", "\x01\r\x02")), Ok(None));
}

#[test]
fn message_of_lines_that_end_in_cr_alone_is_no_message() {
    let request = String::from_utf8(invite(SDP, &phone_sdp())).unwrap();
    let reply = request.replacen("INVITE sip:bob@example.com SIP/2.0", "SIP/2.0 200 OK", 1);
    for text in [request, reply] {
        for cr in [text.replace("\r\n", "\r"), text.replacen("\r\n", "\r", 1)] {
            let error = Message::parse(cr.as_bytes(), udp("203.0.113.5:5060")).unwrap_err();
            assert_eq!(error.status(), Status::Syntax);
        }
        // Only the start line ends properly: no header can be read.
        let mut cr = text.replace("\r\n", "\r");
        cr.insert(cr.find('\r').unwrap() + 1, '\n');
        let mut worker = kit::worker(&[]);
        let message = Message::parse(cr.as_bytes(), udp("203.0.113.5:5060")).unwrap();
        let error = worker.rewrite_sdp(&message, &Options::default(), &mut Edits::new());
        assert_eq!(error.unwrap_err().status(), Status::Syntax);
    }
}

#[test]
fn body_that_goes_on_beyond_content_length_is_refused_at_every_length() {
    let sdp = phone_sdp();
    for (headers, body) in [(SDP, sdp.clone()), (MIXED, multipart(""))] {
        // The end may lack white space.
        let whole = body.trim_end().len();
        for length in 0..whole {
            refused(&invite(&format!("{headers}Content-Length: {length}\r\n"), &body));
        }
        for length in whole..=body.len() {
            let raw = invite(&format!("{headers}Content-Length: {length}\r\n"), &body);
            assert!(found(&raw).unwrap().is_some(), "{length}");
        }
        for length in [body.len() + 1, body.len() + 100, 65_535] {
            refused(&invite(&format!("l: {length}\r\n{headers}"), &body));
        }
    }
    // Without a Content-Type: nothing is announced when the body is empty.
    refused(&invite("Content-Length: 20\r\n", &sdp));
    assert_eq!(found(&invite("Content-Length: 0\r\n", &sdp)), Ok(None));
    let text = "Content-Type: text/plain\r\nContent-Length: 3\r\n";
    assert_eq!(found(&invite(text, "hello")), Ok(None));
}

/// Bytes that may come after a body in a datagram.
const BEYOND: [&str; 8] = [
    "",
    "\r\n",
    "\r\n\r\n",
    "\0\0\0\0",
    " \t\n",
    "\0",
    "INVITE sip:bob@example.com SIP/2.0\r\nVia: SIP/2.0/UDP a\r\n\r\nv=0\r\n",
    "SIP/2.0 200 OK\r\nContent-Type: application/sdp\r\n\r\nv=0\r\n",
];

#[test]
fn bytes_after_the_body_are_neither_touched_nor_counted() {
    let sdp = phone_sdp();
    for (headers, body) in [
        (SDP, sdp.clone()),
        (SDP, sdp.trim_end().to_string()),
        (MIXED, multipart("")),
        (MIXED, multipart("").trim_end().to_string()),
        ("", sdp.clone()),
    ] {
        let raw = |beyond: &str| {
            invite(&format!("{headers}{}", length(&body)), &format!("{body}{beyond}"))
        };
        let rewritten = |raw: &[u8]| {
            let (_relay, mut worker) = kit::relay_and_worker();
            let source = udp("203.0.113.5:61234");
            let message = Message::parse(raw, source).unwrap();
            let mut edits = Edits::new();
            assert_eq!(worker.rewrite_sdp(&message, &Options::default(), &mut edits), Ok(true));
            worker.fix_contact(&message, &mut edits).unwrap();
            let list: Vec<_> = edits.iter().map(|edit| (edit.offset, edit.remove)).collect();
            let mut out = Vec::new();
            edits.apply(&message, &mut out).unwrap();
            (list, out)
        };
        let (edits, plain) = rewritten(&raw(""));
        assert!(!edits.is_empty());
        for beyond in BEYOND {
            let (same, out) = rewritten(&raw(beyond));
            assert_eq!(same, edits, "{beyond:?}");
            // The relay gives each call other ports of the same length.
            let (head, tail) = out.split_at(plain.len());
            assert_eq!(tail, beyond.as_bytes(), "{beyond:?}");
            let length_of = |raw: &[u8]| parse(raw).body().unwrap().len();
            assert_eq!(length_of(&out), length_of(head), "{beyond:?}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(cases(512)))]

    /// Whatever comes after the body, what is found is the body's, or an error.
    #[test]
    fn body_ends_where_content_length_says(beyond in "[ -~\r\n\0]{0,24}", cut in 0..40usize) {
        let sdp = phone_sdp();
        let length = sdp.len() - cut.min(sdp.len());
        let body = format!("{sdp}{beyond}");
        let raw = invite(&format!("{SDP}Content-Length: {length}\r\n"), &body);
        match found(&raw) {
            Ok(None) => prop_assert_eq!(length, 0),
            Ok(Some(found)) => {
                prop_assert_eq!(&found, &sdp[..length]);
                prop_assert!(cut <= 2, "the SDP goes on");
            }
            Err(status) => prop_assert_eq!(status, Status::Syntax),
        }
    }
}
