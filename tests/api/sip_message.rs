//! Messages as they come: what is read of them, and what is not minded.

use kit::fuzz::message::getters;
use kit::udp;
use mediaproxy::Status;
use mediaproxy::internals::address::Host;
use mediaproxy::sip::message::{MAX_HEADERS, MAX_MESSAGE};
use mediaproxy::sip::{HeaderName, Message, Method, StartLine, Transport};
use proptest::prelude::*;

fn read(raw: &str) -> Message<'_> {
    Message::parse(raw.as_bytes(), udp("203.0.113.5:5060")).unwrap()
}

fn refused(raw: &[u8]) -> Status {
    Message::parse(raw, udp("203.0.113.5:5060")).map(drop).unwrap_err().status()
}

/// A request with these header lines and this body.
fn info(headers: &str, body: &str) -> String {
    format!("INFO sip:a SIP/2.0\r\n{headers}\r\n{body}")
}

fn values(message: &Message<'_>, name: HeaderName) -> Vec<String> {
    let text = |value: &[u8]| String::from_utf8_lossy(value).into_owned();
    message.headers(name).map(|header| text(header.unwrap().value)).collect()
}

#[test]
fn request_and_a_reply() {
    let message = read("INVITE sip:bob@example.com:5070 SIP/2.0\r\nCSeq: 7 ACK\r\n\r\n");
    let uri = &b"sip:bob@example.com:5070"[..];
    assert_eq!(message.start_line(), StartLine::Request { method: Method::Invite, uri });
    assert_eq!(message.method(), Ok(Method::Invite));
    assert_eq!(message.status(), None);
    assert_eq!(message.request_uri().unwrap().unwrap().port, Some(5070));

    let message = read("SIP/2.0 183 Session Progress\r\nCSeq: 7\r\n\tINVITE\r\n\r\n");
    assert_eq!(message.status(), Some(183));
    assert_eq!(message.method(), Ok(Method::Invite));
    assert_eq!(message.cseq().unwrap().number, 7);
    assert!(message.request_uri().is_none());
}

/// RFC 3261 9, 12.3, 15: only these messages can end a call.
#[test]
fn bye_cancel_and_failure_replies_to_invite_terminate() {
    for method in ["INVITE", "BYE", "CANCEL", "UPDATE", "PRACK", "ACK", "OPTIONS", "REGISTER"] {
        let request = format!("{method} sip:a SIP/2.0\r\nCSeq: 1 {method}\r\n\r\n");
        assert_eq!(read(&request).terminates(), matches!(method, "BYE" | "CANCEL"), "{method}");
        for status in [100, 180, 199, 200, 299, 300, 407, 486, 603, 699] {
            let reply = format!("SIP/2.0 {status} x\r\nCSeq: 1 {method}\r\n\r\n");
            let wanted = method == "INVITE" && status >= 300;
            assert_eq!(read(&reply).terminates(), wanted, "{status} to {method}");
        }
    }
    assert!(!read("SIP/2.0 486 Busy\r\nCSeq: x\r\n\r\n").terminates());
}

#[test]
fn what_is_no_sip_is_refused() {
    for raw in [
        "",
        "\r\n\r\n",
        "\0\0\0\0",
        "GET / HTTP/1.1\r\n\r\n",
        "INVITE sip:a SIP/3.0\r\n",
        "INVITE sip:alan@jasomi.com\r\n",
    ] {
        assert_eq!(refused(raw.as_bytes()), Status::Syntax, "{raw:?}");
    }
    let mut long = info("", "").into_bytes();
    long.resize(MAX_MESSAGE, b'x');
    assert!(Message::parse(&long, udp("203.0.113.5:5060")).is_ok());
    long.push(b'x');
    assert_eq!(refused(&long), Status::Limit);
}

#[test]
fn leading_empty_lines_and_bare_line_feeds() {
    let message = read("\r\n\n\r\nINFO sip:a SIP/2.0\nVia: SIP/2.0/UDP a\nl: 2\n\nxyz");
    assert_eq!(message.line_end(), b"\n");
    assert_eq!(message.top_via().unwrap().host, Host::Name(b"a"));
    assert_eq!(message.body(), Ok(&b"xy"[..]));
    assert_eq!(read(&info("", "")).line_end(), b"\r\n");
    assert_eq!(read("INFO sip:a SIP/2.0").line_end(), b"\r\n");
}

#[test]
fn headers_in_every_form() {
    let raw = info(
        "TO :\r\n sip:vivekg@chair-dnrc.example.com ;   tag    = 1918181833n\r\n\
         from   : \"J Rosenberg \\\\\\\"\"       <sip:jdrosen@example.com>\r\n  ;\r\n  tag = 98asjd8\r\n\
         cseq: 0009\r\n  INFO\r\n\
         Via  : SIP  /   2.0\r\n /UDP\r\n    192.0.2.2;branch=390skdjuw\r\n\
         s :\r\n\
         i:\tc1@h \r\n\
         v:  SIP  / 2.0  / TCP     spindle.example.com   ;\r\n  branch  =   z9hG4bK9ikj8\r\n\
         m:\"Quoted string \\\"\\\"\" <sip:jdrosen@example.com:5070> ; newparam =\r\n      newvalue ;\r\n  q = 0.33\r\n",
        "",
    );
    let message = read(&raw);
    let contact = message.contact().unwrap().unwrap();
    assert_eq!((contact.uri.user, contact.uri.port), (&b"jdrosen"[..], Some(5070)));
    assert!(contact.bracketed && contact.parameters.starts_with(b"; newparam"));
    let via = message.top_via().unwrap();
    assert_eq!((via.transport, via.port), (Some(Transport::Udp), None));
    assert_eq!(via.host, Host::Ip("192.0.2.2".parse().unwrap()));
    assert_eq!(message.from_tag(), Ok(&b"98asjd8"[..]));
    assert_eq!(message.to_tag(), Ok(&b"1918181833n"[..]));
    assert_eq!(message.from_uri(), Ok(Some(&b"sip:jdrosen@example.com"[..])));
    assert_eq!(message.to_uri(), Ok(Some(&b"sip:vivekg@chair-dnrc.example.com"[..])));
    assert_eq!(message.call_id(), Ok(&b"c1@h"[..]));
    assert_eq!(message.cseq().unwrap().method, Method::Info);
    assert_eq!(values(&message, HeaderName::Via).len(), 2);
}

#[test]
fn order_of_questions_does_not_change_the_answers() {
    let names =
        [HeaderName::Server, HeaderName::Via, HeaderName::ContentLength, HeaderName::Contact];
    let raw = info("v: 1\r\nContact: 2\r\nVia: 3\r\nl: 4\r\nServer: 5\r\nm: 6\r\nv: 7\r\n", "body");
    let expected = [vec!["5"], vec!["1", "3", "7"], vec!["4"], vec!["2", "6"]];
    for turn in 0..names.len() {
        let message = read(&raw);
        for step in 0..names.len() * 2 {
            let index = (turn + step) % names.len();
            assert_eq!(values(&message, names[index]), expected[index]);
            let first = message.header(names[index]).unwrap().unwrap().value;
            assert_eq!(first, expected[index][0].as_bytes());
        }
        assert_eq!(message.header(HeaderName::To), Ok(None));
    }
}

#[test]
fn lines_that_are_no_headers_are_passed_over() {
    let raw = info(
        "Foobar roobar\r\n: x\r\n folded first\r\n\x01\0\r\nm audio\r\nContact: <sip:a@b>\r\n",
        "",
    );
    assert!(read(&raw).contact().unwrap().is_some());
}

#[test]
fn header_name_without_colon_is_an_error_when_it_is_read() {
    let raw = info("Contact <sip:a@b>\r\nVia: SIP/2.0/UDP a\r\nContact: <sip:c@d>\r\n", "");
    let message = read(&raw);
    assert!(message.top_via().is_ok());
    let error = message.contact().unwrap_err();
    assert_eq!(error.status(), Status::Syntax);
    assert!(error.text().contains("Contact"), "{}", error.text());
}

#[test]
fn headers_after_the_wanted_one_are_not_read() {
    // The 513th header is an error, but only for who gets there.
    let many = format!("Via: SIP/2.0/UDP a\r\n{}", "X: 1\r\n".repeat(MAX_HEADERS));
    let raw = info(&many, "");
    let message = read(&raw);
    assert!(message.top_via().is_ok());
    for _ in 0..2 {
        assert_eq!(message.contact().unwrap_err().status(), Status::Limit);
        assert_eq!(message.body().unwrap_err().status(), Status::Limit);
        assert_eq!(message.headers(HeaderName::Via).filter(Result::is_err).count(), 1);
        assert!(message.top_via().is_ok());
    }
    let raw = info(&"X: 1\r\n".repeat(MAX_HEADERS), "body");
    assert_eq!(read(&raw).body(), Ok(&b"body"[..]));
}

#[test]
fn user_agent_else_server() {
    let agent = |headers: &str| {
        let raw = info(headers, "");
        read(&raw).user_agent().unwrap().map(|v| String::from_utf8(v.to_vec()).unwrap())
    };
    assert_eq!(
        agent("Server: s\r\nUser-Agent: Phone\r\n 1.0 \r\n").as_deref(),
        Some("Phone\r\n 1.0")
    );
    assert_eq!(agent("Server: s 1\r\n").as_deref(), Some("s 1"));
    assert_eq!(agent("User-Agent:\r\nServer: s\r\n").as_deref(), Some("s"));
    assert_eq!(agent("User-Agent:  \r\n"), None);
    assert_eq!(agent(""), None);
}

#[test]
fn contacts_across_headers_and_lists() {
    let contact = |headers: &str| {
        let raw = info(headers, "");
        let contact = read(&raw).contact().unwrap();
        contact.map(|contact| String::from_utf8(contact.uri.host_port.to_vec()).unwrap())
    };
    assert_eq!(contact("Contact: *\r\nm: <tel:1>, <sip:a@b:1>\r\n").as_deref(), Some("b:1"));
    assert_eq!(
        contact("Contact:\r\nContact: , ,sip:[2001:db8::1]\r\n").as_deref(),
        Some("[2001:db8::1]")
    );
    assert_eq!(contact("Contact : <sip:192.0.2.1>\r\n").as_deref(), Some("192.0.2.1"));
    assert_eq!(contact("Contact: *\r\n"), None);
    assert_eq!(contact(""), None);
}

#[test]
fn missing_headers() {
    let raw = info("Call-ID: \r\nCSeq: x INFO\r\n", "");
    let message = read(&raw);
    for status in [
        message.top_via().map(drop),
        message.call_id().map(drop),
        message.cseq().map(drop),
        read("INFO sip:a SIP/2.0\r\n\r\n").cseq().map(drop),
        read(&info("CSeq: 1\r\n", "")).cseq().map(drop),
        read(&info("CSeq: 4294967296 INFO\r\n", "")).cseq().map(drop),
    ] {
        assert_eq!(status.unwrap_err().status(), Status::Syntax);
    }
    assert_eq!(message.from_tag(), Ok(&b""[..]));
    assert_eq!(message.to_uri(), Ok(None));
    let raw = info("From: \"never ends\r\nTo: <sip:a@b>\r\n", "");
    assert_eq!(read(&raw).from_uri(), Ok(None));
    assert_eq!(read(&raw).from_tag(), Ok(&b""[..]));
    assert_eq!(read(&raw).to_tag(), Ok(&b""[..]));
    assert!(read("INFO tel:1 SIP/2.0\r\n\r\n").request_uri().unwrap().is_err());
}

#[test]
fn body_has_the_length_of_content_length() {
    let body = |headers: &str| {
        let raw = info(headers, "0123456789");
        let body = read(&raw).body().map(|body| String::from_utf8(body.to_vec()).unwrap());
        body.map_err(|error| error.status())
    };
    assert_eq!(body("").as_deref(), Ok("0123456789"));
    assert_eq!(body("Content-Length: 10\r\n").as_deref(), Ok("0123456789"));
    assert_eq!(body("l :\r\n 4\r\n").as_deref(), Ok("0123"), "the rest is not body");
    assert_eq!(body("l: 0\r\n").as_deref(), Ok(""));
    assert_eq!(body("l: 4\r\nX: y\r\nContent-Length: 04\r\n").as_deref(), Ok("0123"));
    for bad in
        ["l: 11\r\n", "l: -1\r\n", "l: x\r\n", "l:\r\n", "l: 4\r\nl: 5\r\n", "l: 99999999999\r\n"]
    {
        assert_eq!(body(bad), Err(Status::Syntax), "{bad}");
    }
}

#[test]
fn broken_body_is_nobody_elses_error() {
    let raw = info("l: 99\r\nVia: SIP/2.0/UDP a\r\nContact: <sip:a@b>\r\n", "short");
    let message = read(&raw);
    assert!(message.body().is_err());
    assert!(message.top_via().is_ok() && message.contact().is_ok());
    assert_eq!(message.body_offset(), Ok(raw.len() - 5));
}

#[test]
fn headers_that_never_end() {
    for raw in
        ["INFO sip:a SIP/2.0\r\nVia: SIP/2.0/UDP a", "INFO sip:a SIP/2.0\r\nVia: SIP/2.0/UDP a\r\n"]
    {
        let message = read(raw);
        assert!(message.top_via().is_ok());
        assert_eq!(message.body_offset(), Ok(raw.len()));
        assert_eq!(message.body(), Ok(&b""[..]));
    }
    assert_eq!(read("INFO sip:a SIP/2.0").body_offset(), Ok(18));
}

#[test]
fn pieces_know_their_place() {
    let raw = info("Contact: <sip:a@b:1>\r\n", "");
    let message = read(&raw);
    let contact = message.contact().unwrap().unwrap();
    assert_eq!(message.offset_of(contact.uri.host_port), raw.find("b:1"));
    assert_eq!(message.offset_of(b"b:1"), None, "not a piece of it");
}

/// Pieces that make up messages, and what breaks them.
fn fragment() -> impl Strategy<Value = Vec<u8>> {
    let known = prop::sample::select(vec![
        "Via: SIP/2.0/UDP ",
        "v:",
        "Contact",
        "m",
        ": ",
        "<sip:",
        "a@",
        "10.0.0.1",
        "[2001:db8::1]",
        ":5060",
        ">",
        ";",
        ",",
        "\"",
        "\\",
        "tag=",
        "\r\n",
        "\n",
        "\r\n ",
        "\t",
        "\r\n\r\n",
        "l: 4\r\n",
        "CSeq: 1 INFO",
        "From",
        "To: ",
        "*",
        "sips:",
        "?",
        "=",
        "@",
        "Content-Length",
        "User-Agent: x",
        "\0",
        "\r",
        " ",
    ]);
    prop_oneof![
        8 => known.prop_map(|text| text.as_bytes().to_vec()),
        1 => prop::collection::vec(any::<u8>(), 1..6),
    ]
}

proptest! {
    #[test]
    fn parser_takes_any_bytes(fragments in prop::collection::vec(fragment(), 0..60)) {
        let raw = [b"INFO sip:a SIP/2.0\r\n", &fragments.concat()[..]].concat();
        getters(&Message::parse(&raw, udp("203.0.113.5:5060")).unwrap());
        if let Ok(message) = Message::parse(&fragments.concat(), udp("203.0.113.5:5060")) {
            getters(&message);
        }
    }
}
