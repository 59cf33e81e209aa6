//! Requests and media items, well and badly formed.

use super::*;

const UPDATE: &str = "update\r\ntype: request\r\ndialog_id: \r\ncall_id: c1\r\ncseq: 7\r\n\
    from_uri: alice@example.org\r\nfrom_tag: ft\r\nto_tag: \r\nuser_agent: P: 1\r\n\
    signaling_ip: 192.0.2.20\r\nmedia: audio:10.0.0.20:4000:sendrecv:ice=no";

fn update(text: &str) -> Option<UpdateRequest<'_>> {
    match parse(text.as_bytes())? {
        Request::Update(update) => Some(update),
        Request::Remove(_) => None,
    }
}

fn one(text: &str) -> Option<Item<'_>> {
    items(text.as_bytes())?.first().copied()
}

#[test]
fn remove_and_bodyless_update_work_without_reply() {
    let works = |text: &str| parse(text.as_bytes()).map(|request| request.works_without_reply());
    assert_eq!(works(UPDATE), Some(false));
    let (bodyless, _) = UPDATE.split_once("\r\nmedia: ").unwrap();
    assert_eq!(works(bodyless), Some(true));
    assert_eq!(works("remove\r\ncall_id: c1\r\nfrom_tag: ft\r\nto_tag: "), Some(true));
}

#[test]
fn update_is_parsed() {
    let update = update(UPDATE).unwrap();
    assert_eq!((update.kind, update.cseq), (Kind::Request, 7));
    assert_eq!(
        (update.call_id, update.from_tag, update.to_tag),
        (&b"c1"[..], &b"ft"[..], &b""[..])
    );
    assert_eq!(update.signaling, "192.0.2.20".parse::<IpAddr>().unwrap());
    let media = update.media.unwrap();
    assert_eq!(media.len(), 1);
    assert_eq!((media[0].media, media[0].port), (&b"audio"[..], 4_000));
}

#[test]
fn extensions_are_parsed_and_unknown_headers_ignored() {
    let text = format!(
        "{UPDATE}:asymmetric=yes:x=y\r\nearly_tag: et\r\nbranch: 1f\r\naddress_family: IP6\r\nx: y"
    );
    let update = update(&text).unwrap();
    assert_eq!((update.early_tag, update.branch), (Some(&b"et"[..]), 0x1f));
    assert_eq!(update.receiver_family, Some(Family::V6));
    assert!(update.media.unwrap()[0].asymmetric);
}

#[test]
fn remove_is_parsed() {
    let request = parse(b"remove\r\ncall_id: c\r\nfrom_tag: f\r\nto_tag: t");
    assert_eq!(
        request,
        Some(Request::Remove(RemoveRequest {
            scope: Scope::Session,
            cseq: None,
            call_id: b"c",
            from_tag: b"f",
            to_tag: b"t"
        }))
    );
    let scope = |scope: &str| match parse(
        format!("remove\r\ncall_id: c\r\nfrom_tag: \r\nscope: {scope}").as_bytes(),
    ) {
        Some(Request::Remove(remove)) => Some(remove.scope),
        _ => None,
    };
    assert_eq!(scope("dialog"), Some(Scope::Dialog));
    assert_eq!(scope("unanswered"), Some(Scope::Unanswered));
    assert_eq!(scope("everything"), None);
    assert_eq!(scope("branch\r\nbranch: 00C0ffee"), Some(Scope::Branch(0xc0_ffee)));
    assert_eq!(scope("branch"), Some(Scope::Branch(0)));
    for bad in ["branch\r\nbranch: x", "branch\r\nbranch: 100000000", "branch\r\nbranch: +1"] {
        assert_eq!(scope(bad), None, "{bad}");
    }
    let cseq =
        |line: &str| match parse(format!("remove\r\ncall_id: c\r\nfrom_tag: f{line}").as_bytes()) {
            Some(Request::Remove(remove)) => Some(remove.cseq),
            _ => None,
        };
    assert_eq!(cseq(""), Some(None));
    assert_eq!(cseq("\r\ncseq: 0"), Some(Some(0)));
    assert_eq!(cseq("\r\ncseq: 4294967295"), Some(Some(u32::MAX)));
    assert_eq!((cseq("\r\ncseq: 4294967296"), cseq("\r\ncseq: -1")), (None, None));
}

#[test]
fn request_with_syntax_error_is_refused() {
    for (from, to) in [
        ("update", "upgrade"),
        ("type: request", "type: query"),
        ("type: request\r\n", ""),
        ("call_id: c1", "call_id: "),
        ("cseq: 7", "cseq: seven"),
        ("cseq: 7", "cseq: +7"),
        ("cseq: 7", "cseq: 4294967296"),
        ("from_tag: ft\r\n", ""),
        ("signaling_ip: 192.0.2.20", "signaling_ip: "),
        ("signaling_ip: 192.0.2.20", "signaling_ip: phone"),
        ("P: 1", "P\r\n 1"),
        ("call_id: c1", "call_id c1"),
    ] {
        let text = UPDATE.replacen(from, to, 1);
        assert_ne!(text, UPDATE);
        assert_eq!(parse(text.as_bytes()), None, "{to}");
    }
}

#[test]
fn media_items_are_parsed() {
    let item = one("video:[2001:db8::1]:4002:RecvOnly").unwrap();
    assert_eq!(item.address, Some("2001:db8::1".parse().unwrap()));
    assert!(item.held);
    assert!(one("audio:0.0.0.0:4000:sendrecv").unwrap().held);
    assert_eq!(one("audio:media.example.org:4000:sendrecv").unwrap().address, None);
    assert_eq!(one("audio:[::ffff:192.0.2.1]:1:sendrecv"), None);
    assert_eq!(items(b"a:1.2.3.4:0:inactive,b:1.2.3.4:0:inactive").unwrap().len(), 2);
}

#[test]
fn media_item_with_syntax_error_is_refused() {
    for text in [
        "",
        "audio",
        "audio:192.0.2.1",
        "audio:192.0.2.1:4000",
        "audio:192.0.2.1:99999:sendrecv",
        "audio:192.0.2.1:-1:sendrecv",
        "audio:192.0.2.1:4000:sideways",
        "audio:192.0.2.1:4000:sendrecv:asymmetric",
        "audio:2001:db8::1:4000:sendrecv",
        "audio:[2001:db8::1:4000:sendrecv",
        "audio:[192.0.2.1]:4000:sendrecv",
        "audio:192.0.2.999:4000:sendrecv",
        "audio::4000:sendrecv",
        ":192.0.2.1:4000:sendrecv",
        "audio:192.0.2.1:4000:sendrecv,",
    ] {
        assert_eq!(items(text.as_bytes()), None, "{text}");
    }
    let many = vec!["a:192.0.2.1:4000:sendrecv"; 64].join(",");
    assert_eq!(items(many.as_bytes()).unwrap().len(), 64);
    assert_eq!(items(format!("{many},a:192.0.2.1:4000:sendrecv").as_bytes()), None);
}

#[test]
fn framer_splits_requests_for_any_chunk_size() {
    let stream = b"one\r\na: b\r\n\r\n\r\ntwo\r\n\r\nrest";
    for size in 1..=stream.len() {
        let mut framer = Framer::default();
        let mut requests = Vec::new();
        for chunk in stream.chunks(size) {
            framer.push(chunk);
            while let Ok(Some(request)) = framer.next() {
                requests.push(request.to_vec());
            }
        }
        assert_eq!(requests, [&b"one\r\na: b"[..], b"two"], "chunks of {size}");
    }
}

#[test]
fn framer_refuses_endless_request() {
    let mut framer = Framer::default();
    framer.push(&vec![b'\n'; MAX_REQUEST]);
    assert_eq!(framer.next(), Ok(None));
    framer.push(b"xxxx");
    assert_eq!(framer.next(), Err(TooLong));
    let mut framer = Framer::default();
    framer.push(&vec![b'a'; MAX_REQUEST + 1]);
    framer.push(b"\r\n\r\n");
    assert_eq!(framer.next(), Err(TooLong));
}

#[test]
fn framer_accepts_longest_request_in_any_chunks() {
    let mut stream = vec![b'a'; MAX_REQUEST];
    stream.extend_from_slice(END);
    for last in 0..=END.len() {
        let (chunk, rest) = stream.split_at(stream.len() - last);
        let mut framer = Framer::default();
        framer.push(chunk);
        if last > 0 {
            assert_eq!(framer.next(), Ok(None), "{last} bytes to come");
            framer.push(rest);
        }
        assert_eq!(framer.next(), Ok(stream.get(..MAX_REQUEST)), "the last {last} bytes apart");
    }
}
