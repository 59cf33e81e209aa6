//! MediaProxy 1.x ("proxydispatcher"): one connection for each command. The client
//! sends one line. The answer is all that the relay sends before it closes.

use std::net::IpAddr;

use super::{Codec, Decoded, or, parse_ports, push_token, takes_the_call};
use crate::address::{Host, push_ip};
use crate::bytes;
use crate::error::Result;
use crate::relay::{Answer, Capabilities, Command, ConnectionUse};
use crate::relay::{Query, Scope, Stream, StreamAddress};
use crate::sip::Uri;

/// The codec.
#[derive(Debug)]
pub struct MediaProxy1;

impl Codec for MediaProxy1 {
    fn name(&self) -> &'static str {
        "MediaProxy 1.x"
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            ipv6: true,
            branch_delete: false,
            bodyless_200: false,
            early_tag: false,
            provisional_reports: false,
            mixed_families: false,
            null_tags: true,
            delete_answered: false,
            dispatcher: true,
            connection: ConnectionUse::OneQuery,
        }
    }

    fn built_in_capabilities(&self) -> Capabilities {
        Capabilities { dispatcher: false, ..self.capabilities() }
    }

    /// Calls are known by their Call-ID alone: a delete for one dialog takes the
    /// whole call. `Status::RelayAnswer` for the scope `Unanswered`.
    fn encode(&self, query: &Query, _: &Capabilities, out: &mut Vec<u8>) -> Result<()> {
        out.clear();
        match query.command {
            Command::Probe => out.extend_from_slice(b"version\n"),
            Command::Delete if matches!(query.scope, Scope::Unanswered | Scope::Branch) => {
                return Err(takes_the_call());
            }
            Command::Delete => {
                out.extend_from_slice(b"delete ");
                push_word(out, &query.call_id, b"");
                out.extend_from_slice(b" info=\n");
            }
            Command::Request | Command::Reply => push_media_command(out, query),
        }
        Ok(())
    }

    /// A relay that closes without an answer has read a delete, or a command that
    /// it does not support: it is alive. A request for ports needs an answer.
    fn decode(&self, command: Command, input: &[u8], closed: bool) -> Decoded {
        if !closed {
            return Decoded::Incomplete;
        }
        let answer = match command {
            Command::Delete => Ok(Answer::Deleted),
            Command::Probe => Ok(Answer::Alive),
            Command::Request | Command::Reply if input.is_empty() => return Decoded::Garbage,
            Command::Request | Command::Reply => parse_ports(bytes::trim(input)),
        };
        Decoded::Answer { answer, length: input.len() }
    }
}

/// Appends a `request` or a `lookup` command.
fn push_media_command(out: &mut Vec<u8>, query: &Query) {
    let is_request = query.command == Command::Request;
    out.extend_from_slice(if is_request { b"request " } else { b"lookup " });
    push_word(out, &query.call_id, b"");
    out.push(b' ');
    for (index, stream) in query.streams.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        push_stream(out, stream);
    }
    out.push(b' ');
    if let Some(ip) = query.signaling_ip {
        push_ip(ip, out);
    }
    push_domain(out, &query.from_uri, locality(query.from_local));
    if is_request {
        push_domain(out, shortened(&query.request_uri), locality(query.to_local));
    } else {
        push_domain(out, &query.to_uri, b"unknown");
    }
    out.push(b' ');
    // "=" starts an encoded byte in this word.
    push_word(out, or(&query.user_agent, b"unknown-agent"), b"=");
    out.extend_from_slice(b" info=");
    for (name, value) in [
        (&b"from:"[..], &query.from_uri),
        (b",to:", &query.to_uri),
        (b",fromtag:", &query.from_tag),
        (b",totag:", &query.to_tag),
    ] {
        out.extend_from_slice(name);
        push_word(out, value, b",");
    }
    if query.asymmetric {
        out.extend_from_slice(b",asymmetric");
    }
    out.push(b'\n');
}

fn locality(local: bool) -> &'static [u8] {
    if local { b"local" } else { b"remote" }
}

/// Appends `192.0.2.1:4000:audio`. An IPv6 address has no brackets: the relay
/// splits at the last two colons.
fn push_stream(out: &mut Vec<u8>, stream: &Stream) {
    match &stream.address {
        StreamAddress::Ip(ip) => push_ip(*ip, out),
        StreamAddress::Name(name) => push_token(out, name),
    }
    out.push(b':');
    bytes::push_number(stream.port.into(), out);
    out.push(b':');
    push_token(out, &stream.kind);
}

/// Appends the host of a URI without scheme, and `owner`. A URI whose host cannot
/// be parsed is `unknown remote`.
fn push_domain(out: &mut Vec<u8>, uri: &[u8], owner: &[u8]) {
    let uri = [b"sip:", uri].concat();
    out.push(b' ');
    match Uri::parse(&uri) {
        Ok(Some(Uri { host: Host::Ip(IpAddr::V6(ip)), .. })) => push_ip(ip.into(), out),
        Ok(Some(Uri { host: Host::Ip(ip), .. })) => push_ip(ip, out),
        Ok(Some(Uri { host: Host::Name(name), .. })) => push_word(out, name, b""),
        _ => return out.extend_from_slice(b"unknown remote"),
    }
    out.push(b' ');
    out.extend_from_slice(owner);
}

/// A URI without `sip:`.
fn shortened(uri: &[u8]) -> &[u8] {
    match uri.split_at_checked(4) {
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case(b"sip:") => rest,
        _ => uri,
    }
}

/// Appends a value as one word: unfolded, with `=XX` for each byte that would end
/// the word, or that is in `others`.
fn push_word(out: &mut Vec<u8>, value: &[u8], others: &[u8]) {
    let mut unfolded = Vec::with_capacity(value.len());
    bytes::unfold(value, &mut unfolded);
    for byte in unfolded {
        if matches!(byte, b'!'..=b'~') && !others.contains(&byte) {
            out.push(byte);
        } else {
            out.extend_from_slice(format!("={byte:02X}").as_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Status;
    use crate::sdp::Direction;

    fn query() -> Query {
        Query {
            command: Command::Request,
            call_id: b"c1@192.168.1.10".to_vec(),
            from_tag: b"ta1".to_vec(),
            from_uri: b"alice@example.com".to_vec(),
            to_uri: b"bob@example.com".to_vec(),
            user_agent: b"Phone 1 (x=y)".to_vec(),
            signaling_ip: Some("127.0.0.1".parse().unwrap()),
            request_uri: b"sip:bob@10.0.0.2:5060;ob".to_vec(),
            from_local: true,
            streams: vec![Stream {
                kind: b"audio"[..].into(),
                address: StreamAddress::Ip("192.168.1.10".parse().unwrap()),
                port: 40000,
                direction: Direction::SendRecv,
                ice: false,
            }],
            ..Query::default()
        }
    }

    fn encoded(query: &Query) -> String {
        let mut out = Vec::new();
        MediaProxy1.encode(query, &MediaProxy1.capabilities(), &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn request_and_lookup_are_one_line_each() {
        assert_eq!(
            encoded(&query()),
            "request c1@192.168.1.10 192.168.1.10:40000:audio 127.0.0.1 example.com local \
             10.0.0.2 remote Phone=201=20(x=3Dy) \
             info=from:alice@example.com,to:bob@example.com,fromtag:ta1,totag:\n"
        );
        let reply =
            Query { command: Command::Reply, to_tag: b"tb".to_vec(), asymmetric: true, ..query() };
        assert_eq!(
            encoded(&reply),
            "lookup c1@192.168.1.10 192.168.1.10:40000:audio 127.0.0.1 example.com local \
             example.com unknown Phone=201=20(x=3Dy) \
             info=from:alice@example.com,to:bob@example.com,fromtag:ta1,totag:tb,asymmetric\n"
        );
    }

    #[test]
    fn line_with_port_0_keeps_its_place() {
        let mut query = query();
        let stream = query.streams[0].clone();
        for (kind, port) in [("message", 0), ("video", 40004)] {
            let kind = kind.as_bytes().to_vec().into();
            query.streams.push(Stream { kind, port, ..stream.clone() });
        }
        assert!(encoded(&query).starts_with(
            "request c1@192.168.1.10 192.168.1.10:40000:audio,192.168.1.10:0:message,\
             192.168.1.10:40004:video 127.0.0.1 "
        ));
        let answer = b"203.0.113.5 50000 0 50004\n";
        assert!(matches!(
            MediaProxy1.decode(Command::Request, answer, true),
            Decoded::Answer { answer: Ok(Answer::Ports { ports, .. }), .. }
                if ports == [50000, 0, 50004]
        ));
    }

    #[test]
    fn delete_of_an_unanswered_call_is_not_sent() {
        let mut out = Vec::new();
        for (scope, sent) in [
            (Scope::Session, true),
            (Scope::Dialog, true),
            (Scope::Unanswered, false),
            (Scope::Branch, false),
        ] {
            let delete = Query::delete(scope, b"c", b"f", b"t");
            let encoded = MediaProxy1.encode(&delete, &MediaProxy1.capabilities(), &mut out);
            assert_eq!(encoded.is_ok(), sent, "{scope:?}");
            assert_eq!(out == b"delete c info=\n", sent, "{scope:?}");
        }
    }

    #[test]
    fn values_cannot_end_their_word_or_the_line() {
        let mut odd = query();
        odd.call_id = b"a b\r\n delete\nx\xe9=".to_vec();
        odd.from_tag = b"t,asymmetric".to_vec();
        odd.user_agent = b"A\r\n B".to_vec();
        let text = encoded(&odd);
        assert_eq!(text.matches('\n').count(), 1, "{text}");
        assert!(text.starts_with("request a=20b=20delete"), "{text}");
        assert!(text.contains("fromtag:t=2Casymmetric,"), "{text}");
        assert_eq!(text.split(' ').count(), 10, "{text}");
    }

    #[test]
    fn domain_that_cannot_be_parsed_is_unknown() {
        let mut tel = query();
        tel.from_uri = b"tel:+123".to_vec();
        assert!(encoded(&tel).contains(" 127.0.0.1 unknown remote 10.0.0.2 remote "));
        tel.from_uri = b"anonymous.invalid".to_vec();
        tel.request_uri = b"SIP:[2001:db8::1]:5060".to_vec();
        assert!(encoded(&tel).contains(" anonymous.invalid local 2001:db8::1 remote "));
    }

    #[test]
    fn answer_ends_with_the_stream() {
        let decode = |command, input: &[u8], closed| MediaProxy1.decode(command, input, closed);
        let ports = b"203.0.113.5 50000 50002\n";
        assert_eq!(decode(Command::Request, ports, false), Decoded::Incomplete);
        let answer = Answer::Ports {
            address: "203.0.113.5".parse().unwrap(),
            ports: vec![50000, 50002],
            others: Vec::new(),
        };
        assert_eq!(
            decode(Command::Request, ports, true),
            Decoded::Answer { answer: Ok(answer), length: ports.len() }
        );
        assert_eq!(decode(Command::Reply, b"", true), Decoded::Garbage);
        assert!(matches!(
            decode(Command::Request, b"error\n", true),
            Decoded::Answer { answer: Err(error), .. } if error.status() == Status::RelayAnswer
        ));
        for (command, answer) in
            [(Command::Delete, Answer::Deleted), (Command::Probe, Answer::Alive)]
        {
            assert_eq!(decode(command, b"", false), Decoded::Incomplete);
            assert_eq!(
                decode(command, b"", true),
                Decoded::Answer { answer: Ok(answer), length: 0 }
            );
        }
    }
}
