//! MediaProxy 2 and later: the text protocol of AG Projects' media-dispatcher and
//! of the built-in relay. A query is a command line and header lines with CRLF,
//! ended by an empty line. The answer is one line.

use std::io::Write;
use std::net::IpAddr;

use super::{Codec, Decoded, NULL_TAG, or, parse_ports, push_token, takes_the_call, unusable};
use crate::address;
use crate::bytes;
use crate::error::{Error, Result, Status};
use crate::relay::{Answer, Capabilities, Command, ConnectionUse};
use crate::relay::{Query, Scope, Stream, StreamAddress};
use crate::sdp::Direction;
use crate::shared::calls::StoredDialog;

/// The room for a query, in bytes; nearly every query fits.
const ROOM: usize = 1024;

/// The codec.
#[derive(Debug)]
pub struct MediaProxy2;

impl Codec for MediaProxy2 {
    fn name(&self) -> &'static str {
        "MediaProxy 2+"
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            ipv6: false,
            branch_delete: false,
            bodyless_200: true,
            early_tag: true,
            provisional_reports: false,
            mixed_families: false,
            null_tags: false,
            delete_answered: true,
            dispatcher: true,
            connection: ConnectionUse::Kept,
        }
    }

    fn built_in_capabilities(&self) -> Capabilities {
        Capabilities {
            ipv6: true,
            branch_delete: true,
            provisional_reports: true,
            mixed_families: true,
            null_tags: true,
            dispatcher: false,
            ..self.capabilities()
        }
    }

    /// Relays with the capability `ipv6` accept IPv6 addresses in brackets and the
    /// header `address_family`. For other relays an IPv6 stream is an error, and
    /// without the capability `branch_delete` the scopes `Unanswered` and `Branch` as well.
    fn encode(&self, query: &Query, capabilities: &Capabilities, out: &mut Vec<u8>) -> Result<()> {
        out.clear();
        let null_tag: &[u8] = if capabilities.null_tags { b"" } else { NULL_TAG };
        let from_tag = or(&query.from_tag, null_tag);
        // A final reply without To tag comes from a peer whose tag is null.
        let is_final = query.command == Command::Reply && !query.provisional;
        let null_to_tag = query.null_to_tag || is_final && query.to_tag.is_empty();
        let to_tag = if null_to_tag { null_tag } else { &query.to_tag };
        if matches!(query.command, Command::Delete | Command::Probe) {
            let scope: &[u8] = match query.scope {
                Scope::Dialog if capabilities.branch_delete => b"scope: dialog\r\n",
                Scope::Unanswered if capabilities.branch_delete => b"scope: unanswered\r\n",
                Scope::Branch if capabilities.branch_delete => b"scope: branch\r\n",
                Scope::Unanswered | Scope::Branch => return Err(takes_the_call()),
                Scope::Session | Scope::Dialog => b"",
            };
            header(out, b"remove\r\ncall_id: ", &query.call_id);
            header(out, b"from_tag: ", from_tag);
            header(out, b"to_tag: ", to_tag);
            out.extend_from_slice(scope);
            if capabilities.branch_delete {
                if let Some(cseq) = query.ended_cseq {
                    out.extend_from_slice(b"cseq: ");
                    bytes::push_number(cseq, out);
                    out.extend_from_slice(b"\r\n");
                }
                push_branch(out, query.branch);
            }
            out.extend_from_slice(b"\r\n");
            return Ok(());
        }
        // At most one allocation for nearly every query.
        out.reserve(ROOM);
        // For a dispatcher a To tag means that the early dialog is confirmed.
        let (early_tag, to_tag): (&[u8], &[u8]) =
            if query.provisional { (to_tag, b"") } else { (b"", to_tag) };
        let kind: &[u8] = if query.command == Command::Request { b"request" } else { b"reply" };
        header(out, b"update\r\ntype: ", kind);
        header(out, b"dialog_id: ", &query.dialog_id);
        header(out, b"call_id: ", &query.call_id);
        out.extend_from_slice(b"cseq: ");
        bytes::push_number(query.cseq, out);
        header(out, b"\r\nfrom_uri: ", or(&query.from_uri, b"unknown"));
        header(out, b"to_uri: ", or(&query.to_uri, b"unknown"));
        header(out, b"from_tag: ", from_tag);
        header(out, b"to_tag: ", to_tag);
        header(out, b"user_agent: ", or(&query.user_agent, b"unknown agent"));
        out.extend_from_slice(b"signaling_ip: ");
        if let Some(ip) = query.signaling_ip {
            address::push_ip(ip, out);
        }
        header(out, b"\r\nmedia_relay: ", &query.media_relay);
        if !early_tag.is_empty() || query.provisional && capabilities.null_tags {
            // An empty one is the null tag of a peer of RFC 2543.
            header(out, b"early_tag: ", early_tag);
        }
        if capabilities.branch_delete {
            push_branch(out, query.branch);
            out.extend_from_slice(match query.dialog {
                StoredDialog::Unsure => b"",
                StoredDialog::Confirmed => b"dialog: confirmed\r\n",
                StoredDialog::Missing => b"dialog: missing\r\n",
            });
        }
        if is_final && to_tag.is_empty() {
            // Otherwise it would be a provisional reply.
            out.extend_from_slice(b"final: yes\r\n");
        }
        if let Some(receiver) = query.receiver.filter(|_| capabilities.ipv6) {
            header(out, b"address_family: ", if receiver.is_ipv6() { b"IP6" } else { b"IP4" });
        }
        if !query.streams.is_empty() {
            out.extend_from_slice(match capabilities.mixed_families {
                true => b"mixed_families: yes\r\nmedia: ",
                false => b"media: ",
            });
            for (index, stream) in query.streams.iter().enumerate() {
                if index > 0 {
                    out.push(b',');
                }
                item(out, query, stream, capabilities.ipv6)?;
            }
            out.extend_from_slice(b"\r\n");
        }
        out.extend_from_slice(b"\r\n");
        Ok(())
    }

    fn decode(&self, command: Command, input: &[u8], _closed: bool) -> Decoded {
        let Some(end) = memchr::memchr(b'\n', input) else { return Decoded::Incomplete };
        let line = bytes::trim(input.get(..end).unwrap_or_default());
        let answer = match (command, line) {
            (Command::Probe, b"error" | b"removed") => Ok(Answer::Alive),
            (Command::Probe, _) => Err(unusable(line, "not an answer to a probe")),
            (Command::Delete, b"error") | (_, b"removed") => Ok(Answer::Deleted),
            _ => parse_ports(line),
        };
        Decoded::Answer { answer, length: end.saturating_add(1) }
    }
}

/// Appends one stream: `audio:192.0.2.1:4000:sendrecv:ice=no`.
fn item(out: &mut Vec<u8>, query: &Query, stream: &Stream, ipv6: bool) -> Result<()> {
    push_token(out, &stream.kind);
    out.push(b':');
    match &stream.address {
        // A line that is not relayed may have any address.
        StreamAddress::Ip(IpAddr::V6(_)) if !ipv6 && stream.port == 0 => {
            out.extend_from_slice(b"0.0.0.0");
        }
        StreamAddress::Ip(IpAddr::V6(ip)) if !ipv6 => {
            return Err(Error::new(
                Status::RelayAnswer,
                format!(
                    "this relay accepts no IPv6 stream ({ip}); if it does, add ;ipv6=yes to it"
                ),
            ));
        }
        StreamAddress::Ip(ip) => address::push_uri_host(*ip, out),
        StreamAddress::Name(name) => push_token(out, name),
    }
    out.push(b':');
    bytes::push_number(stream.port.into(), out);
    out.extend_from_slice(match stream.direction {
        Direction::SendRecv => b":sendrecv",
        Direction::SendOnly => b":sendonly",
        Direction::RecvOnly => b":recvonly",
        Direction::Inactive => b":inactive",
    });
    out.extend_from_slice(if stream.ice { b":ice=yes" } else { b":ice=no" });
    if query.asymmetric {
        out.extend_from_slice(b":asymmetric=yes");
    }
    Ok(())
}

/// Appends the hash of a server branch, unless it is 0.
fn push_branch(out: &mut Vec<u8>, branch: u32) {
    if branch != 0 {
        // Writing into a vector does not fail.
        let _ = write!(out, "branch: {branch:08x}\r\n");
    }
}

/// Appends a header line. `name` may start with the end of the line before.
#[inline]
fn header(out: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    out.extend_from_slice(name);
    // Without an early exit the compiler can compare many bytes in one step.
    let plain = value.iter().fold(true, |plain, byte| plain & matches!(byte, b' '..=b'~'));
    if plain {
        out.extend_from_slice(value);
    } else {
        push_escaped(out, value);
    }
    out.extend_from_slice(b"\r\n");
}

/// Appends a value unfolded, with a space for each control character and `%XX` for
/// each byte that is not UTF-8: the relay closes the connection after a line that
/// is not UTF-8. Different identifiers stay different.
#[cold]
fn push_escaped(out: &mut Vec<u8>, value: &[u8]) {
    let mut unfolded = Vec::with_capacity(value.len());
    bytes::unfold(value, &mut unfolded);
    for chunk in unfolded.utf8_chunks() {
        out.extend(chunk.valid().bytes().map(|b| if b < 0x20 || b == 0x7f { b' ' } else { b }));
        for byte in chunk.invalid() {
            out.extend_from_slice(format!("%{byte:02X}").as_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stream(address: &str, port: u16) -> Stream {
        Stream {
            kind: b"audio"[..].into(),
            address: match address.parse() {
                Ok(ip) => StreamAddress::Ip(ip),
                Err(_) => StreamAddress::Name(address.into()),
            },
            port,
            direction: Direction::SendRecv,
            ice: false,
        }
    }

    fn query(streams: Vec<Stream>) -> Query {
        Query {
            command: Command::Request,
            call_id: b"basic@x".to_vec(),
            cseq: 1,
            from_tag: b"ft".to_vec(),
            to_tag: Vec::new(),
            null_to_tag: false,
            dialog: StoredDialog::Unsure,
            scope: Scope::Session,
            ended_cseq: None,
            branch: 0,
            provisional: false,
            request_uri: Vec::new(),
            from_local: false,
            to_local: false,
            from_uri: b"alice@example.org".to_vec(),
            to_uri: b"bob@example.org".to_vec(),
            user_agent: b"Phone 1.0".to_vec(),
            signaling_ip: Some("10.77.0.20".parse().unwrap()),
            receiver: None,
            dialog_id: b"4711:1234".to_vec(),
            media_relay: Vec::new(),
            asymmetric: false,
            streams,
        }
    }

    /// The capabilities of a dispatcher, or of the built-in relay.
    fn capabilities(built_in: bool) -> Capabilities {
        if built_in { MediaProxy2.built_in_capabilities() } else { MediaProxy2.capabilities() }
    }

    fn encoded(query: &Query, built_in: bool) -> String {
        let mut out = Vec::new();
        MediaProxy2.encode(query, &capabilities(built_in), &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn offer_is_an_update_with_all_headers() {
        assert_eq!(
            encoded(&query(vec![stream("10.77.0.20", 4000)]), false),
            "update\r\ntype: request\r\ndialog_id: 4711:1234\r\ncall_id: basic@x\r\ncseq: 1\r\n\
             from_uri: alice@example.org\r\nto_uri: bob@example.org\r\nfrom_tag: ft\r\nto_tag: \r\n\
             user_agent: Phone 1.0\r\nsignaling_ip: 10.77.0.20\r\nmedia_relay: \r\n\
             media: audio:10.77.0.20:4000:sendrecv:ice=no\r\n\r\n"
        );
    }

    #[test]
    fn remove_has_the_call_id_and_the_tags() {
        let mut query = query(Vec::new());
        query.command = Command::Delete;
        query.to_tag = b"tt".to_vec();
        assert_eq!(
            encoded(&query, false),
            "remove\r\ncall_id: basic@x\r\nfrom_tag: ft\r\nto_tag: tt\r\n\r\n"
        );
    }

    #[test]
    fn remove_has_its_scope_only_for_the_built_in_relay() {
        let remove = "remove\r\ncall_id: c\r\nfrom_tag: f\r\nto_tag: t\r\n";
        for (scope, line) in [
            (Scope::Session, ""),
            (Scope::Dialog, "scope: dialog\r\n"),
            (Scope::Unanswered, "scope: unanswered\r\ncseq: 17\r\n"),
            (Scope::Branch, "scope: branch\r\nbranch: 00c0ffee\r\n"),
        ] {
            let ended_cseq = (scope == Scope::Unanswered).then_some(17);
            let branch = if scope == Scope::Branch { 0xc0_ffee } else { 0 };
            let delete = Query { ended_cseq, branch, ..Query::delete(scope, b"c", b"f", b"t") };
            assert_eq!(encoded(&delete, true), format!("{remove}{line}\r\n"), "{scope:?}");
            let mut out = Vec::new();
            match MediaProxy2.encode(&delete, &capabilities(false), &mut out) {
                Ok(()) => {
                    assert_eq!(String::from_utf8(out).unwrap(), format!("{remove}\r\n"));
                    assert!(matches!(scope, Scope::Session | Scope::Dialog), "{scope:?}");
                }
                Err(error) => {
                    assert_eq!(error.status(), Status::RelayAnswer);
                    // It would end an answered call.
                    assert!(matches!(scope, Scope::Unanswered | Scope::Branch), "{scope:?}");
                }
            }
        }
        // A dispatcher knows no CSeq of a delete.
        let delete =
            Query { ended_cseq: Some(3), ..Query::delete(Scope::Session, b"c", b"f", b"t") };
        assert_eq!(encoded(&delete, true), format!("{remove}cseq: 3\r\n\r\n"));
        assert_eq!(encoded(&delete, false), format!("{remove}\r\n"));
    }

    #[test]
    fn branch_of_a_reply_is_sent_to_the_built_in_relay() {
        let mut query = query(Vec::new());
        query.command = Command::Reply;
        query.provisional = true;
        query.to_tag = b"tt".to_vec();
        query.branch = 0x1f;
        assert!(encoded(&query, true).contains("early_tag: tt\r\nbranch: 0000001f\r\n"));
        assert!(!encoded(&query, false).contains("branch"));
    }

    #[test]
    fn stored_dialog_is_sent_to_the_built_in_relay() {
        let mut query = query(Vec::new());
        for (dialog, line) in [
            (StoredDialog::Unsure, None),
            (StoredDialog::Confirmed, Some("\r\ndialog: confirmed\r\n")),
            (StoredDialog::Missing, Some("\r\ndialog: missing\r\n")),
        ] {
            query.dialog = dialog;
            assert!(!encoded(&query, false).contains("dialog: "), "{dialog:?}");
            let text = encoded(&query, true);
            assert!(line.is_none_or(|line| text.contains(line)), "{dialog:?}");
            assert_eq!(text.contains("\r\ndialog: "), line.is_some(), "{dialog:?}");
        }
    }

    /// RFC 3261 12.1.1: the tag of a peer of RFC 2543 is null.
    #[test]
    fn null_tag_is_a_word_for_a_dispatcher() {
        let mut query = query(Vec::new());
        query.from_tag.clear();
        query.null_to_tag = true;
        for command in [Command::Request, Command::Reply, Command::Delete] {
            query.command = command;
            let text = encoded(&query, false);
            assert!(text.contains("\r\nfrom_tag: null\r\nto_tag: null\r\n"), "{text}");
            let text = encoded(&query, true);
            assert!(text.contains("\r\nfrom_tag: \r\nto_tag: \r\n"), "{text}");
        }
        query.null_to_tag = false;
        query.to_tag.clear();
        query.command = Command::Reply;
        let text = encoded(&query, false);
        assert!(text.contains("\r\nto_tag: null\r\n"), "a 200 without To tag: {text}");
        let text = encoded(&query, true);
        assert!(text.contains("\r\nto_tag: \r\n") && text.contains("\r\nfinal: yes\r\n"), "{text}");
        query.command = Command::Request;
        let text = encoded(&query, false);
        assert!(text.contains("\r\nto_tag: \r\n"), "the first INVITE has no To tag: {text}");
    }

    #[test]
    fn missing_values_are_unknown() {
        let mut query = query(Vec::new());
        query.from_uri.clear();
        query.user_agent.clear();
        let text = encoded(&query, false);
        assert!(text.contains("\r\nfrom_uri: unknown\r\n"), "{text}");
        assert!(text.contains("\r\nuser_agent: unknown agent\r\n"), "{text}");
        assert!(!text.contains("media:"), "a bodyless reply has no media header: {text}");
    }

    #[test]
    fn latin_1_or_folded_user_agent_is_escaped() {
        let mut query = query(Vec::new());
        query.user_agent = b"Caf\xe9\r\nmedia: x".to_vec();
        let text = encoded(&query, false);
        assert!(text.contains("user_agent: Caf%E9 media: x\r\n"), "{text}");
    }

    #[test]
    fn media_item_has_no_separator_from_its_values() {
        let mut odd = stream("host,name:1", 7);
        odd.kind = b"au:dio,".to_vec().into();
        assert!(encoded(&query(vec![odd]), false).contains("media: au_dio_:host_name_1:7:"));
    }

    #[test]
    fn address_family_of_the_receiver_is_sent_to_relays_with_ipv6() {
        let mut query = query(vec![stream("10.77.0.20", 4000)]);
        for (receiver, line) in
            [("2001:db8::7", "address_family: IP6\r\n"), ("192.0.2.7", "address_family: IP4\r\n")]
        {
            query.receiver = Some(receiver.parse().unwrap());
            assert!(encoded(&query, true).contains(line));
            assert!(!encoded(&query, false).contains("address_family"));
        }
    }

    #[test]
    fn ipv6_is_sent_in_brackets_and_only_to_relays_with_ipv6() {
        let query = query(vec![stream("2001:db8::1", 4000)]);
        assert!(encoded(&query, true).contains("audio:[2001:db8::1]:4000:sendrecv"));
        let error = MediaProxy2.encode(&query, &capabilities(false), &mut Vec::new()).unwrap_err();
        assert!(error.text().contains("ipv6=yes"));
    }

    #[test]
    fn relay_with_mixed_families_may_answer_with_both() {
        let query = query(vec![stream("10.77.0.20", 4000)]);
        let mixed = Capabilities { mixed_families: true, ..capabilities(true) };
        let mut out = Vec::new();
        MediaProxy2.encode(&query, &mixed, &mut out).unwrap();
        assert!(out.windows(30).any(|line| line == b"\r\nmixed_families: yes\r\nmedia: "));
        let alike = Capabilities { mixed_families: false, ..mixed };
        MediaProxy2.encode(&query, &alike, &mut out).unwrap();
        assert!(!out.windows(14).any(|word| word == b"mixed_families"));
    }

    #[test]
    fn ipv6_line_with_port_0_does_not_need_ipv6() {
        let query = query(vec![stream("10.77.0.20", 4000), stream("2001:db8::1", 0)]);
        let text = encoded(&query, false);
        assert!(text.contains(",audio:0.0.0.0:0:sendrecv:ice=no\r\n"), "{text}");
        assert!(encoded(&query, true).contains(",audio:[2001:db8::1]:0:sendrecv:ice=no\r\n"));
    }

    #[test]
    fn asymmetric_phone_and_early_tag_are_sent_as_extensions() {
        let mut query = query(vec![stream("10.77.0.20", 4000)]);
        query.asymmetric = true;
        query.to_tag = b"tt".to_vec();
        query.provisional = true;
        let text = encoded(&query, false);
        assert!(text.contains("ice=no:asymmetric=yes\r\n"), "{text}");
        assert!(text.contains("to_tag: \r\n") && text.contains("early_tag: tt\r\n"), "{text}");
    }

    #[test]
    fn answer_is_one_line_and_its_meaning_depends_on_the_command() {
        let decode = |command, input: &[u8]| MediaProxy2.decode(command, input, false);
        assert_eq!(decode(Command::Request, b"10.0.0.1 50000\r"), Decoded::Incomplete);
        let ports = || Answer::Ports {
            address: "10.0.0.1".parse().unwrap(),
            ports: vec![50000],
            others: Vec::new(),
        };
        for command in [Command::Request, Command::Reply] {
            assert_eq!(
                decode(command, b"10.0.0.1 50000\r\nrest"),
                Decoded::Answer { answer: Ok(ports()), length: 16 }
            );
        }
        let answer = |command, input: &[u8]| match decode(command, input) {
            Decoded::Answer { answer, .. } => answer.map_err(|error| error.status()),
            other => panic!("{other:?}"),
        };
        assert_eq!(answer(Command::Delete, b"removed\r\n"), Ok(Answer::Deleted));
        assert_eq!(answer(Command::Delete, b"error\r\n"), Ok(Answer::Deleted), "unknown call");
        assert_eq!(answer(Command::Request, b"error\r\n"), Err(Status::RelayAnswer));
        assert_eq!(answer(Command::Probe, b"error\r\n"), Ok(Answer::Alive));
        assert_eq!(answer(Command::Probe, b"hello\r\n"), Err(Status::RelayAnswer));
    }
}
