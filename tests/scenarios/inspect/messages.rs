//! The messages of the captures: a phone behind NAT, one that is not, and
//! their server.

/// A message of `headers` (a line each, indented as here) and `body`, with
/// CRLF line ends and its Content-Length.
fn message(headers: &str, body: &str) -> Vec<u8> {
    let lines = |text: &str| {
        let trimmed = text.trim().lines().map(|line| line.trim().to_owned() + "\r\n");
        trimmed.collect::<String>()
    };
    let body = if body.is_empty() { String::new() } else { lines(body) };
    let head = lines(headers);
    format!("{head}Content-Length: {}\r\n\r\n{body}", body.len()).into_bytes()
}

/// The phone with the address `phone` calls, behind a router that nobody told
/// it of.
pub(crate) fn invite(phone: &str, transport: &str) -> Vec<u8> {
    message(
        &format!(
            "INVITE sip:bob@example.com SIP/2.0
             Via: SIP/2.0/{transport} {phone}:5060;branch=z9hG4bK-1;rport
             Max-Forwards: 70
             From: \"Alice Müller\" <sip:alice@example.com>;tag=a1
             To: <sip:bob@example.com>
             Call-ID: call-1@{phone}
             CSeq: 1 INVITE
             Contact: \"Alice\" <sip:alice@{phone}:5060;transport={transport};ob>;expires=60
             User-Agent: Tin Can 1.0
             Content-Type: application/sdp"
        ),
        &offer(phone),
    )
}

fn offer(phone: &str) -> String {
    format!(
        "v=0
         o=alice 1 1 IN IP4 {phone}
         s=c=IN IP4 {phone}
         c=IN IP4 {phone}
         t=0 0
         m=audio 4000 RTP/AVP 0 101
         a=rtcp:4001 IN IP4 {phone}
         a=rtpmap:101 telephone-event/8000
         m=video 4002 RTP/AVP 31
         c=IN IP4 {phone}
         m=audio 0 RTP/AVP 8
         m=message 9 TCP/MSRP *"
    )
}

/// Bob answers; the server at 203.0.113.1 hands his answer on.
pub(crate) fn ok() -> Vec<u8> {
    message(
        "SIP/2.0 200 OK
         Via: SIP/2.0/UDP 192.168.1.10:5060;branch=z9hG4bK-1;rport=61234;received=198.51.100.7
         From: \"Alice Müller\" <sip:alice@example.com>;tag=a1
         To: <sip:bob@example.com>;tag=b1
         Call-ID: call-1@192.168.1.10
         CSeq: 1 INVITE
         Contact: <sip:bob@10.0.0.8:5062>
         Content-Type: application/sdp",
        "v=0
         o=bob 7 7 IN IP4 10.0.0.8
         s=-
         c=IN IP4 10.0.0.8
         t=0 0
         m=audio 30000 RTP/AVP 0",
    )
}

/// A phone that knows its public address registers.
pub(crate) fn register(phone: &str, transport: &str) -> Vec<u8> {
    message(
        &format!(
            "REGISTER sip:example.com SIP/2.0
             Via: SIP/2.0/{transport} {phone};branch=z9hG4bK-2
             From: <sip:carol@example.com>;tag=c1
             To: <sip:carol@example.com>
             Call-ID: register-1@{phone}
             CSeq: 1 REGISTER
             Contact: <sip:carol@{phone}>"
        ),
        "",
    )
}

/// A request without a body from `phone`.
pub(crate) fn request(method: &str, phone: &str) -> Vec<u8> {
    message(
        &format!(
            "{method} sip:bob@example.com SIP/2.0
             Via: SIP/2.0/TCP {phone}:5060;branch=z9hG4bK-3
             From: <sip:alice@example.com>;tag=a1
             To: <sip:bob@example.com>;tag=b1
             Call-ID: call-1@{phone}
             CSeq: 1 {method}"
        ),
        "",
    )
}

/// An INVITE whose Via, Contact and description cannot be read.
pub(crate) fn broken() -> Vec<u8> {
    message(
        "INVITE sip:bob@example.com SIP/2.0
         Via: SIP/2.0/UDP
         From: <sip:mallory@example.com>;tag=m1
         To: <sip:bob@example.com>
         Call-ID: \u{1b}[2Jbroken
         CSeq: 1 INVITE
         Contact: <sip:mallory@[::1
         Content-Type: application/sdp",
        "v=0
         c=IN IP4 192.168.1.10
         m=audio 123456 RTP/AVP 0",
    )
}
