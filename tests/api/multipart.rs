//! Where in a body the session description lies.

use kit::rewriting::{Case, body_of, parse, with_body};
use mediaproxy::Status;
use mediaproxy::sip::body::{MAX_DEPTH, find_sdp};

const SDP: &str = "v=0\r\nc=IN IP4 10.0.0.1\r\nm=audio 4 RTP/AVP 0";

fn found(headers: &str, body: &str) -> Option<String> {
    let raw = with_body(headers, body.as_bytes());
    let found = find_sdp(&parse(&raw)).unwrap();
    found.map(|sdp| String::from_utf8(sdp.to_vec()).unwrap())
}

fn failed(headers: &str, body: &str) -> Status {
    find_sdp(&parse(&with_body(headers, body.as_bytes()))).unwrap_err().status()
}

const MIXED: &str = "Content-Type: multipart/mixed;boundary=b\r\n";

fn part(headers: &str, content: &str) -> String {
    format!("--b\r\n{headers}\r\n{content}\r\n")
}

const SDP_PART: &str = "Content-Type: application/sdp\r\n";

#[test]
fn alone_in_any_case_with_parameters() {
    for content_type in [
        "Content-Type: application/sdp",
        "Content-Type: Application/SDP;charset=x",
        "content-type:APPLICATION/sdp ; a=\"b;c\"",
        "Content-Type: application / sdp",
        "c: application/sdp",
        "Content-Type:\r\n application/sdp",
        "C:\tapplication/sdp\r\n\t;x=y",
    ] {
        assert_eq!(
            found(&format!("{content_type}\r\n"), SDP).as_deref(),
            Some(SDP),
            "{content_type}"
        );
    }
}

#[test]
fn another_type_is_none() {
    for content_type in
        ["text/plain", "application/sdpx", "application", "xapplication/sdp", "", "/", "sdp", ";"]
    {
        assert_eq!(
            found(&format!("Content-Type: {content_type}\r\n"), SDP),
            None,
            "{content_type}"
        );
    }
}

#[test]
fn no_body_is_none() {
    assert_eq!(found("", ""), None);
    assert_eq!(found("Content-Type: application/sdp\r\n", ""), None);
    assert_eq!(found(MIXED, ""), None);
}

#[test]
fn body_without_type_is_taken_when_it_starts_like_one() {
    assert_eq!(found("", SDP).as_deref(), Some(SDP));
    assert_eq!(found("", "hello"), None);
    assert_eq!(found("", "--b\r\nv=0"), None);
}

#[test]
fn message_with_another_disposition_is_none() {
    let with = |disposition: &str| {
        let headers = format!("{SDP_PART}Content-Disposition: {disposition}\r\n");
        found(&headers, SDP)
    };
    assert_eq!(with("early-session"), None);
    assert_eq!(with("render;handling=optional"), None);
    assert_eq!(with("session").as_deref(), Some(SDP));
    assert_eq!(with("Session ;handling=optional").as_deref(), Some(SDP));
}

#[test]
fn sdp_may_be_any_part() {
    let body = part("Content-Type: application/isup\r\n", "\x01\x02")
        + &part(SDP_PART, SDP)
        + &part(SDP_PART, "v=0\r\nm=video 6 RTP/AVP 31")
        + "--b--\r\n";
    assert_eq!(found(MIXED, &body).as_deref(), Some(SDP));
}

#[test]
fn preamble_and_epilogue_are_no_parts() {
    let preamble = format!("{SDP_PART}\r\n{SDP}\r\n");
    let none =
        preamble.clone() + &part("Content-Type: text/plain\r\n", "x") + "--b--\r\n" + &preamble;
    assert_eq!(found(MIXED, &none), None);
    let after_close = "--b--\r\n".to_string() + &part(SDP_PART, SDP);
    assert_eq!(found(MIXED, &after_close), None);
    let some = preamble + &part(SDP_PART, "v=0") + "--b--";
    assert_eq!(found(MIXED, &some).as_deref(), Some("v=0"));
}

#[test]
fn boundaries_quoted_folded_and_in_any_case_of_name() {
    let body = "--a b;c=d\r\nContent-Type: application/sdp\r\n\r\nv=0\r\n--a b;c=d--";
    for content_type in [
        "multipart/mixed;boundary=\"a b;c=d\"",
        "Multipart/Related; type=\"x;boundary=no\" ; BOUNDARY = \"a b;c=d\"; x=y",
        "multipart/mixed;\r\n boundary=\"a b;c=d\"",
    ] {
        let found = found(&format!("Content-Type: {content_type}\r\n"), body);
        assert_eq!(found.as_deref(), Some("v=0"), "{content_type}");
    }
}

#[test]
fn escaped_quote_does_not_end_a_quoted_string() {
    let found = found(
        "Content-Type: multipart/mixed;x=\"\\\";boundary=no\";boundary=yes\r\n",
        "--yes\r\nContent-Type: application/sdp\r\n\r\nv=0\r\n--yes--",
    );
    assert_eq!(found.as_deref(), Some("v=0"));
}

#[test]
fn boundary_that_begins_another_is_not_it() {
    let body = "--b\r\nContent-Type: text/plain\r\n\r\n--bb\r\n--b b\r\n".to_string()
        + &part(SDP_PART, SDP)
        + "--b--";
    assert_eq!(found(MIXED, &body).as_deref(), Some(SDP));
}

#[test]
fn padding_behind_a_boundary() {
    let body = format!("--b \t\r\n{SDP_PART}\r\n{SDP}\r\n--b--");
    assert_eq!(found(MIXED, &body).as_deref(), Some(SDP));
}

#[test]
fn bare_line_feeds() {
    let body = (part("Content-Type: text/plain\r\n", "x") + &part(SDP_PART, SDP) + "--b--\r\n")
        .replace("\r\n", "\n");
    assert_eq!(found(MIXED, &body), Some(SDP.replace("\r\n", "\n")));
}

#[test]
fn no_closing_boundary() {
    let body = format!("--b\r\n{SDP_PART}\r\n{SDP}");
    assert_eq!(found(MIXED, &body).as_deref(), Some(SDP));
}

#[test]
fn multipart_cut_anywhere_has_at_most_the_start_of_the_sdp() {
    let body = part("Content-Type: text/plain\r\n", "x") + &part(SDP_PART, SDP) + "--b--\r\n";
    for end in 0..body.len() {
        if let Some(found) = found(MIXED, &body[..end]) {
            let common = found.bytes().zip(SDP.bytes()).all(|(a, b)| a == b);
            assert!(common && !found.is_empty(), "{end}: {found:?}");
        }
    }
    for cut in ["--b", "--b\r\n", "--", "--b--", "--b\r\nContent-Type: application/sdp"] {
        assert_eq!(found(MIXED, cut), None, "{cut:?}");
    }
}

#[test]
fn part_without_type_is_text() {
    assert_eq!(found(MIXED, &(part("", SDP) + "--b--")), None);
    assert_eq!(found(MIXED, &(part("Content-ID: <x>\r\n", SDP) + "--b--")), None);
}

#[test]
fn parts_have_no_compact_names_but_folded_headers() {
    assert_eq!(found(MIXED, &(part("c: application/sdp\r\n", SDP) + "--b--")), None);
    let folded = "Content-ID: <x>\r\nCONTENT-TYPE:\r\n\tapplication/sdp\r\n ;x=y\r\nX: y\r\n";
    assert_eq!(found(MIXED, &(part(folded, SDP) + "--b--")).as_deref(), Some(SDP));
}

#[test]
fn part_with_another_disposition_is_passed_over() {
    let early = format!("{SDP_PART}Content-Disposition: early-session;handling=required\r\n");
    let session = format!("{SDP_PART}Content-Disposition: session;handling=optional\r\n");
    let body = part(&early, "v=1") + &part(&session, SDP) + "--b--";
    assert_eq!(found(MIXED, &body).as_deref(), Some(SDP));
    assert_eq!(found(MIXED, &(part(&early, "v=1") + "--b--")), None);
}

/// `depth` multiparts around a description.
fn nested(depth: usize) -> (String, String) {
    let mut content_type = "application/sdp".to_string();
    let mut body = SDP.to_string();
    for level in 0..depth {
        body = format!(
            "--b{level}\r\nContent-Type: text/plain\r\n\r\nx\r\n\
             --b{level}\r\nContent-Type: {content_type}\r\n\r\n{body}\r\n--b{level}--\r\n"
        );
        content_type = format!("multipart/mixed;boundary=b{level}");
    }
    (format!("Content-Type: {content_type}\r\n"), body)
}

#[test]
fn nested_as_deep_as_allowed_and_no_deeper() {
    for depth in 0..=MAX_DEPTH {
        let (headers, body) = nested(depth);
        assert_eq!(found(&headers, &body).as_deref(), Some(SDP), "{depth}");
    }
    let (headers, body) = nested(MAX_DEPTH + 1);
    assert_eq!(failed(&headers, &body), Status::Limit);
}

#[test]
fn multipart_without_boundary_cannot_be_read() {
    for content_type in [
        "multipart/mixed",
        "multipart/mixed;",
        "multipart/mixed;boundary",
        "multipart/mixed;boundary=",
        "multipart/mixed;boundary=\"\"",
    ] {
        let headers = format!("Content-Type: {content_type}\r\n");
        assert_eq!(failed(&headers, "--b\r\n"), Status::Syntax, "{content_type}");
    }
}

#[test]
fn rewrite_touches_nothing_but_the_part() {
    let around = |sdp: &str| {
        "preamble\r\n".to_string()
            + &part("Content-Type: text/plain\r\n", "c=IN IP4 10.0.0.1")
            + &part(SDP_PART, sdp)
            + &part(SDP_PART, SDP)
            + "--b--\r\nepilogue"
    };
    let raw = with_body(MIXED, around(SDP).as_bytes());
    let (out, _) = Case::offer("203.0.113.9", &[50000]).run(&raw).unwrap();
    let sdp = "v=0\r\nc=IN IP4 203.0.113.9\r\nm=audio 50000 RTP/AVP 0";
    assert_eq!(body_of(&out), around(sdp));
}
