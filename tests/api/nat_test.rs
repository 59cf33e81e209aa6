//! `nat_test`, row by row and sentence by sentence: bytes in, verdict out.

use kit::{crlf, udp, with_body};
use mediaproxy::Status;
use mediaproxy::nat::{Context, test_with_lookup};
use mediaproxy::nat::{EvidenceHost, Networks, Tests, Verdict, test};
use mediaproxy::sip::{Message, Source, Transport};

/// What a test is asked with, beside the message.
struct Around {
    private: Networks,
    local: Networks,
    asymmetric: bool,
}

fn seed() -> Around {
    Around { private: Networks::rfc1918(), local: Networks::default(), asymmetric: false }
}

fn judge(raw: &[u8], source: Source, context: &Around, tests: Tests) -> Verdict {
    let message = Message::parse(raw, source).unwrap();
    let context = Context {
        private: &context.private,
        local: &context.local,
        sip_asymmetric: context.asymmetric,
    };
    let mut verdict = Verdict::new();
    test(&message, &context, tests, false, &mut verdict).unwrap();
    verdict
}

fn matched(raw: &[u8], source: &str, tests: Tests) -> bool {
    judge(raw, udp(source), &seed(), tests).natted()
}

fn evidence(verdict: &Verdict) -> Vec<String> {
    let mut lines = Vec::new();
    for evidence in verdict.evidence() {
        let mut line = Vec::new();
        verdict.explain(evidence, &mut line);
        lines.push(String::from_utf8(line).unwrap());
    }
    lines
}

fn register(via: &str, contact: &str) -> Vec<u8> {
    crlf(&format!(
        "REGISTER sip:example.com SIP/2.0\nVia: {via};branch=z9hG4bK1\nFrom: <sip:a@example.com>;tag=a\n\
         To: <sip:a@example.com>\nCall-ID: c\nCSeq: 1 REGISTER\nContact: {contact}\nContent-Length: 0\n\n"
    ))
}

fn via(host: &str) -> Vec<u8> {
    register(&format!("SIP/2.0/UDP {host}"), "<sip:a@198.51.100.1:5060>")
}

fn contact(host: &str) -> Vec<u8> {
    register("SIP/2.0/UDP 198.51.100.1:5060", &format!("<sip:a@{host}>"))
}

fn invite(body: &str) -> Vec<u8> {
    let head = "INVITE sip:b@example.com SIP/2.0\nVia: SIP/2.0/UDP 198.51.100.1:5060;branch=z9hG4bK1\n\
                From: <sip:a@example.com>;tag=a\nTo: <sip:b@example.com>\nCall-ID: c\nCSeq: 1 INVITE\n\
                Contact: <sip:a@198.51.100.1:5060>\n";
    with_body(head, body)
}

fn reply(contact: &str) -> Vec<u8> {
    crlf(&format!(
        "SIP/2.0 200 OK\nVia: SIP/2.0/UDP 10.9.9.9:5060;branch=z9hG4bKserver\n\
         Via: SIP/2.0/UDP 192.168.1.10:5060;branch=z9hG4bK1\nFrom: <sip:a@example.com>;tag=a\n\
         To: <sip:b@example.com>;tag=b\nCall-ID: c\nCSeq: 1 INVITE\nContact: {contact}\nContent-Length: 0\n\n"
    ))
}

const PUBLIC: &str = "198.51.100.1:5060";

#[test]
fn private_contact_is_an_rfc_1918_address_in_contact() {
    for (host, is) in [
        ("10.0.0.0:5060", true),
        ("10.255.255.255", true),
        ("172.15.255.255", false),
        ("172.16.0.0", true),
        ("172.31.255.255", true),
        ("172.32.0.0", false),
        ("192.167.255.255", false),
        ("192.168.0.1:1024", true),
        ("192.169.0.1", false),
        ("100.64.0.1", false),
        ("127.0.0.1", false),
        ("[::ffff:192.168.1.1]", true),
        ("[2001:db8::1]", false),
        ("phone.example.com", false),
        ("10.example.com", false),
    ] {
        assert_eq!(matched(&contact(host), PUBLIC, Tests::PRIVATE_CONTACT), is, "{host}");
    }
}

#[test]
fn source_address_compares_ip_and_port_with_the_top_via() {
    for (host, source, is) in [
        ("198.51.100.1:5060", "198.51.100.1:5060", false),
        ("198.51.100.1", "198.51.100.1:5060", false),
        ("198.51.100.1", "198.51.100.1:5061", true),
        ("198.51.100.1:5070", "198.51.100.1:5060", true),
        ("198.51.100.2:5060", "198.51.100.1:5060", true),
        ("[2001:DB8::1]:5060", "[2001:db8:0::1]:5060", false),
        ("[::ffff:198.51.100.1]:5060", "198.51.100.1:5060", false),
        ("phone.example.com:5060", "198.51.100.1:5060", true),
    ] {
        assert_eq!(matched(&via(host), source, Tests::SOURCE_ADDRESS), is, "{host} {source}");
    }
}

#[test]
fn via_without_port_means_5061_on_tls() {
    let raw = register("SIP/2.0/TLS 198.51.100.1", "<sip:a@198.51.100.1>");
    assert!(!matched(&raw, "198.51.100.1:5061", Tests::SOURCE_ADDRESS));
    assert!(matched(&raw, "198.51.100.1:5060", Tests::SOURCE_ADDRESS));
}

#[test]
fn sip_asymmetric_phones_port_is_not_compared() {
    let context = Around { asymmetric: true, ..seed() };
    let test = |host: &str| {
        judge(&via(host), udp("198.51.100.1:49152"), &context, Tests::SOURCE_ADDRESS).natted()
    };
    assert!(!test("198.51.100.1:5060"), "public and asymmetric: not behind NAT");
    assert!(test("192.168.1.10:5060"), "asymmetric behind NAT with port forwarding");
}

#[test]
fn in_a_reply_the_contact_is_compared_instead_of_the_servers_own_via() {
    let test = |contact: &str| matched(&reply(contact), PUBLIC, Tests::SOURCE_ADDRESS);
    assert!(!test("<sip:b@198.51.100.1:5060>"));
    assert!(!test("<sip:b@198.51.100.1>"));
    assert!(test("<sip:b@198.51.100.1:5070>"));
    assert!(test("<sip:b@10.0.0.2:5060>"));
}

#[test]
fn private_via_looks_at_the_top_via_only_and_never_in_a_reply() {
    assert!(matched(&via("192.168.1.10:5060"), PUBLIC, Tests::PRIVATE_VIA));
    assert!(!matched(&via("198.51.100.1, SIP/2.0/UDP 10.0.0.1"), PUBLIC, Tests::PRIVATE_VIA));
    assert!(!matched(&reply("<sip:b@198.51.100.1>"), PUBLIC, Tests::PRIVATE_VIA));
}

#[test]
fn private_sdp_is_a_private_connection_address_of_a_stream_that_is_on() {
    let body = |session: &str, streams: &str| {
        invite(&format!("v=0\no=- 1 1 IN IP4 10.1.1.1\ns=-\n{session}t=0 0\n{streams}"))
    };
    let private = "c=IN IP4 192.168.1.10\n";
    let public = "c=IN IP4 198.51.100.1\n";
    let on = "m=audio 4000 RTP/AVP 0\n";
    for (raw, is) in [
        (body(private, on), true),
        (body(public, on), false),
        (body(private, "m=audio 4000 RTP/AVP 0\nc=IN IP4 198.51.100.1\n"), false),
        (body(public, "m=audio 4000 RTP/AVP 0\nc=IN IP4 10.0.0.1\n"), true),
        (body(private, "m=audio 0 RTP/AVP 0\n"), false),
        (body("c=IN IP4 0.0.0.0\n", on), false),
        (body(private, ""), false),
        (body("c=IN IP4 phone.example.com\n", on), false),
    ] {
        let text = String::from_utf8_lossy(&raw).into_owned();
        assert_eq!(matched(&raw, PUBLIC, Tests::PRIVATE_SDP), is, "{text}");
    }
}

#[test]
fn source_sdp_is_a_connection_address_other_than_the_source() {
    let body = |ip: &str, port: u16| {
        invite(&format!(
            "v=0\no=- 1 1 IN IP4 1.1.1.1\ns=-\nc=IN IP4 {ip}\nt=0 0\nm=audio {port} RTP/AVP 0\n"
        ))
    };
    assert!(matched(&body("198.51.100.9", 4000), PUBLIC, Tests::SOURCE_SDP));
    assert!(!matched(&body("198.51.100.1", 4000), PUBLIC, Tests::SOURCE_SDP));
    assert!(!matched(&body("198.51.100.9", 0), PUBLIC, Tests::SOURCE_SDP));
    assert!(!matched(&body("0.0.0.0", 4000), PUBLIC, Tests::SOURCE_SDP));
}

#[test]
fn source_port_compares_the_port_with_the_top_via_alone() {
    assert!(matched(&via("198.51.100.9:5070"), PUBLIC, Tests::SOURCE_PORT));
    assert!(!matched(&via("198.51.100.9:5060"), PUBLIC, Tests::SOURCE_PORT));
    assert!(!matched(&via("198.51.100.9"), PUBLIC, Tests::SOURCE_PORT));
}

#[test]
fn source_contact_compares_the_ip_with_the_contact_host_alone() {
    assert!(matched(&contact("198.51.100.9:5060"), PUBLIC, Tests::SOURCE_CONTACT));
    assert!(!matched(&contact("198.51.100.1:9"), PUBLIC, Tests::SOURCE_CONTACT));
    assert!(matched(&contact("phone.example.com"), PUBLIC, Tests::SOURCE_CONTACT));
}

#[test]
fn contact_port_compares_the_port_with_the_contacts() {
    assert!(matched(&contact("198.51.100.1:5070"), PUBLIC, Tests::CONTACT_PORT));
    assert!(!matched(&contact("198.51.100.9:5060"), PUBLIC, Tests::CONTACT_PORT));
    assert!(!matched(&contact("198.51.100.9"), PUBLIC, Tests::CONTACT_PORT));
    let sips = register("SIP/2.0/TLS 198.51.100.1", "<sips:a@198.51.100.1>");
    assert!(!matched(&sips, "198.51.100.1:5061", Tests::CONTACT_PORT));
}

#[test]
fn private_source_looks_at_the_source_itself() {
    assert!(matched(&via("198.51.100.1"), "192.168.7.7:5060", Tests::PRIVATE_SOURCE));
    assert!(!matched(&via("192.168.7.7"), PUBLIC, Tests::PRIVATE_SOURCE));
}

#[test]
fn websocket_is_how_the_message_came() {
    for (transport, is) in [
        (Transport::Udp, false),
        (Transport::Tcp, false),
        (Transport::Tls, false),
        (Transport::Sctp, false),
        (Transport::Ws, true),
        (Transport::Wss, true),
    ] {
        let source = Source { transport, ..udp(PUBLIC) };
        let verdict = judge(&via("198.51.100.1"), source, &seed(), Tests::WEBSOCKET);
        assert_eq!(verdict.natted(), is, "{transport:?}");
    }
}

#[test]
fn tests_are_ored_and_each_match_has_its_evidence() {
    let raw = register("SIP/2.0/UDP 192.168.1.10:5060", "<sip:a@192.168.1.10:5060>");
    let tests = Tests::PRIVATE_CONTACT | Tests::SOURCE_ADDRESS | Tests::PRIVATE_VIA;
    let verdict = judge(&raw, udp("203.0.113.5:61234"), &seed(), tests);
    assert_eq!((verdict.tested(), verdict.matched()), (tests, tests));
    let mut lines = evidence(&verdict);
    lines.sort();
    assert_eq!(
        lines,
        [
            "private_contact: Contact 192.168.1.10:5060 is private",
            "private_via: Via 192.168.1.10:5060 is private",
            "source_address: Via 192.168.1.10:5060, came from 203.0.113.5:61234",
        ]
    );
}

#[test]
fn it_stops_at_the_first_match_only_on_request() {
    let raw = register("SIP/2.0/UDP 192.168.1.10:5060", "<sip:a@192.168.1.10:5060>");
    let message = Message::parse(&raw, udp(PUBLIC)).unwrap();
    let context = seed();
    let context =
        Context { private: &context.private, local: &context.local, sip_asymmetric: false };
    let tests = Tests::PRIVATE_CONTACT | Tests::PRIVATE_VIA;
    let mut verdict = Verdict::new();
    test(&message, &context, tests, true, &mut verdict).unwrap();
    assert_eq!(verdict.evidence().len(), 1);
    assert_ne!(verdict.tested(), tests);
}

#[test]
fn host_name_in_via_is_evidence_by_its_name() {
    let verdict = judge(&via("phone.invalid"), udp(PUBLIC), &seed(), Tests::SOURCE_ADDRESS);
    assert_eq!(
        evidence(&verdict),
        ["source_address: Via phone.invalid:5060, came from 198.51.100.1:5060"]
    );
}

#[test]
fn private_networks_may_be_any_list() {
    let context = Around { private: Networks::parse("rfc6598, 203.0.113.0/24").unwrap(), ..seed() };
    let test =
        |host: &str| judge(&contact(host), udp(PUBLIC), &context, Tests::PRIVATE_CONTACT).natted();
    assert!(test("100.64.0.1") && test("203.0.113.200"));
    assert!(!test("192.168.1.1"));
}

#[test]
fn source_in_local_networks_is_never_found_natted() {
    let context = Around { local: Networks::parse("198.51.100.0/24").unwrap(), ..seed() };
    let raw = register("SIP/2.0/UDP 192.168.1.10:5060", "<sip:a@192.168.1.10:5060>");
    assert!(!judge(&raw, udp(PUBLIC), &context, Tests::ALL).natted());
    assert!(judge(&raw, udp("203.0.113.1:5060"), &context, Tests::ALL).natted());
}

#[test]
fn broken_body_never_fails_a_header_test() {
    let raw = invite("v=0\nm=audio nonsense\nm=\n");
    let verdict = judge(&raw, udp(PUBLIC), &seed(), Tests::ALL);
    assert!(!verdict.natted(), "{:?}", evidence(&verdict));
    let raw = crlf(
        "INVITE sip:b@example.com SIP/2.0\nVia: SIP/2.0/UDP 192.168.1.1\nContent-Length: 999\n\nv=0\n",
    );
    assert!(judge(&raw, udp(PUBLIC), &seed(), Tests::ALL).natted());
}

#[test]
fn contacts_that_name_no_host_do_not_match() {
    for contact in ["*", "<tel:+1234>", "\"sip:a@10.0.0.1\" <tel:+1>"] {
        let raw = register("SIP/2.0/UDP 198.51.100.1", contact);
        let tests = Tests::PRIVATE_CONTACT | Tests::SOURCE_CONTACT | Tests::CONTACT_PORT;
        assert!(!matched(&raw, PUBLIC, tests), "{contact}");
    }
}

#[test]
fn via_that_cannot_be_read_is_an_error_that_names_it() {
    let raw = crlf("OPTIONS sip:b@example.com SIP/2.0\nCall-ID: c\n\n");
    let message = Message::parse(&raw, udp(PUBLIC)).unwrap();
    let context = seed();
    let context =
        Context { private: &context.private, local: &context.local, sip_asymmetric: false };
    let mut verdict = Verdict::new();
    let error = test(&message, &context, Tests::PRIVATE_VIA, false, &mut verdict).unwrap_err();
    assert_eq!(error.status(), Status::Syntax);
    assert!(error.text().contains("Via"), "{error}");
    assert_eq!(verdict.tested().bits(), 0);
}

#[test]
fn phones_of_the_seeds_second_section() {
    let tests = Tests::PRIVATE_CONTACT | Tests::SOURCE_ADDRESS;
    let natted = |via: &str, contact: &str, source: &str, asymmetric: bool| {
        let raw = register(&format!("SIP/2.0/UDP {via}"), &format!("<sip:a@{contact}>"));
        judge(&raw, udp(source), &Around { asymmetric, ..seed() }, tests).natted()
    };
    // Symmetric, behind NAT.
    assert!(natted("192.168.1.10:5060", "192.168.1.10:5060", "203.0.113.5:61234", false));
    // Symmetric, public.
    assert!(!natted("203.0.113.5:5060", "203.0.113.5:5060", "203.0.113.5:5060", false));
    // Found the NAT's public address by itself, but not its port.
    assert!(natted("203.0.113.5:5060", "203.0.113.5:5060", "203.0.113.5:61234", false));
    // Found both: it needs nothing.
    assert!(!natted("203.0.113.5:61234", "203.0.113.5:61234", "203.0.113.5:61234", false));
    // Asymmetric, public: sends from another port than it listens on.
    assert!(!natted("203.0.113.5:5060", "203.0.113.5:5060", "203.0.113.5:32768", true));
    // Asymmetric, behind NAT with port forwarding.
    assert!(natted("192.168.1.10:5060", "192.168.1.10:5060", "203.0.113.5:32768", true));
}

/// The bits that match, of those asked for.
fn bits(raw: &[u8], source: &str, flags: u32) -> u32 {
    judge(raw, udp(source), &seed(), Tests::from_bits(flags).unwrap()).matched().bits()
}

fn register_with(contact: &str) -> Vec<u8> {
    register("SIP/2.0/UDP 198.51.100.1:5060", contact)
}

#[test]
fn private_contact_is_found_in_every_form_of_contact() {
    for contact in [
        "sip:alice@192.168.1.10:5062;expires=60",
        "\"Alice, <Home>; \\\" \" <sips:192.168.1.10;transport=tcp>;q=0.5",
        "<tel:+3120>, <sip:192.168.1.10>",
        "*, sip:192.168.1.10",
        "Alice\r\n <sip:alice@192.168.1.10>",
        "<tel:1>\r\nm \t: <sip:192.168.1.10>",
    ] {
        assert!(matched(&register_with(contact), PUBLIC, Tests::PRIVATE_CONTACT), "{contact}");
    }
    assert!(matched(&reply("<sip:b@10.0.0.2>"), PUBLIC, Tests::PRIVATE_CONTACT), "in a reply too");
}

#[test]
fn only_the_first_sip_contact_is_tested() {
    let raw = register_with("<sip:a@198.51.100.1>, <sip:a@192.168.1.10:9>");
    assert_eq!(bits(&raw, PUBLIC, 1 | 256 | 512), 0);
}

#[test]
fn phone_behind_nat_is_found_by_each_test_of_the_seed_alone() {
    let raw = register("SIP/2.0/UDP 192.168.1.10:5060", "<sip:a@192.168.1.10:5060>");
    for one in [1, 2, 4] {
        assert_eq!(bits(&raw, "203.0.113.5:61234", one), one);
    }
}

#[test]
fn only_source_address_forgives_an_asymmetric_phone_its_port() {
    let context = Around { asymmetric: true, ..seed() };
    let tests = Tests::SOURCE_ADDRESS | Tests::SOURCE_PORT | Tests::CONTACT_PORT;
    let verdict = judge(&contact("198.51.100.1:5060"), udp("198.51.100.1:51000"), &context, tests);
    assert_eq!(verdict.matched(), Tests::SOURCE_PORT | Tests::CONTACT_PORT);
}

#[test]
fn in_a_reply_ports_follow_the_same_rules() {
    let sips = reply("<sips:b@198.51.100.1>");
    assert!(!matched(&sips, "198.51.100.1:5061", Tests::SOURCE_ADDRESS));
    let moved = reply("<sip:b@198.51.100.1>");
    assert!(matched(&moved, "198.51.100.1:61234", Tests::SOURCE_ADDRESS));
    let context = Around { asymmetric: true, ..seed() };
    let test = |source| judge(&moved, udp(source), &context, Tests::SOURCE_ADDRESS).natted();
    assert!(!test("198.51.100.1:61234"));
    assert!(
        !matched(&moved, "198.51.100.1:61234", Tests::SOURCE_PORT),
        "whose Via is the server's"
    );
    let without = String::from_utf8(moved).unwrap().replace("Contact:", "Subject:");
    assert!(!matched(without.as_bytes(), "198.51.100.9:5060", Tests::SOURCE_ADDRESS));
}

#[test]
fn via_is_read_with_all_the_white_space_it_may_have() {
    let raw = register("SIP  /   2.0\r\n /UDP\r\n    192.168.1.10 : 5070 ", "<sip:a@198.51.100.1>");
    assert_eq!(bits(&raw, "192.168.1.10:5070", 2 | 4 | 16), 4);
}

#[test]
fn dual_stack_socket_changes_nothing() {
    let raw = contact("198.51.100.1:5060");
    assert_eq!(bits(&raw, "[::ffff:198.51.100.1]:5060", 1 | 2 | 4 | 16 | 256 | 512 | 1024), 0);
    assert!(matched(&raw, "[::ffff:10.0.0.1]:5060", Tests::PRIVATE_SOURCE));
}

#[test]
fn contact_over_tls_means_5061() {
    let raw = contact("198.51.100.1;transport=tls");
    assert!(!matched(&raw, "198.51.100.1:5061", Tests::CONTACT_PORT));
    assert!(matched(&raw, "198.51.100.1:5060", Tests::CONTACT_PORT));
}

#[test]
fn private_sdp_reads_every_stream() {
    let body =
        |streams: &str| invite(&format!("v=0\no=- 1 1 IN IP4 1.1.1.1\ns=-\nt=0 0\n{streams}"));
    let public = "m=audio 4000 RTP/AVP 0\nc=IN IP4 198.51.100.1\n";
    for (second, found) in [
        ("m=video 4002 RTP/AVP 34\nc=IN IP4 192.168.1.10\n", 8 | 2048),
        ("m=video 0 RTP/AVP 34\nc=IN IP4 192.168.1.10\n", 0),
        ("m=video 4002 RTP/AVP 34\nc=IN IP4 0.0.0.0\n", 0),
        ("m=video 4002 RTP/AVP 34\n", 0),
        ("m=video 4002 RTP/AVP 34\nc=IN IP4 phone.example.com\n", 2048),
        ("m=video 4002 RTP/AVP 34\nc=IN IP6 ::ffff:198.51.100.1\n", 0),
        ("m=audio 9 PSTN -\nc=PSTN E164 +4989\n", 0),
        ("m=audio 9 PSTN -\nc=PSTN E164 10.0.0.1\n", 0),
    ] {
        let raw = body(&format!("{public}{second}"));
        assert_eq!(bits(&raw, PUBLIC, 8 | 2048), found, "{second}");
    }
    assert_eq!(bits(&register_with("<sip:a@b>"), PUBLIC, 8 | 2048), 0, "no description");
}

#[test]
fn evidence_is_in_the_order_of_bits_and_printable() {
    let raw = register("SIP/2.0/UDP 192.168.1.10:5060", "<sip:a@192.168.1.10:5060>");
    let source = Source { transport: Transport::Ws, ..udp("203.0.113.5:61234") };
    assert_eq!(
        evidence(&judge(&raw, source, &seed(), Tests::ALL)),
        [
            "private_contact: Contact 192.168.1.10:5060 is private",
            "source_address: Via 192.168.1.10:5060, came from 203.0.113.5:61234",
            "private_via: Via 192.168.1.10:5060 is private",
            "source_port: Via 192.168.1.10:5060, came from 203.0.113.5:61234",
            "source_contact: Contact 192.168.1.10:5060, came from 203.0.113.5:61234",
            "contact_port: Contact 192.168.1.10:5060, came from 203.0.113.5:61234",
            "websocket: source 203.0.113.5:61234 uses WebSocket",
        ]
    );
    let raw =
        invite("v=0\no=- 1 1 IN IP4 1.1.1.1\ns=-\nc=IN IP4 10.0.0.1\nt=0 0\nm=audio 4 RTP/AVP 0\n");
    assert_eq!(
        evidence(&judge(&raw, udp("[2001:db8::1]:5060"), &seed(), Tests::ALL)),
        [
            "source_address: Via 198.51.100.1:5060, came from [2001:db8::1]:5060",
            "private_sdp: c= 10.0.0.1 is private",
            "source_contact: Contact 198.51.100.1:5060, came from [2001:db8::1]:5060",
            "source_sdp: c= 10.0.0.1, came from 2001:db8::1",
        ]
    );
    let raw = via("a\u{e9}b.example.com");
    let lines = evidence(&judge(&raw, udp(PUBLIC), &seed(), Tests::SOURCE_ADDRESS));
    assert!(lines[0].contains("Via a??b.example.com:5060"), "{lines:?}");
}

#[test]
fn long_names_are_cut_in_the_evidence() {
    let long = "x".repeat(300);
    let raw = register(&format!("SIP/2.0/UDP {long}"), &format!("<sip:{long}>"));
    let tests = Tests::SOURCE_ADDRESS | Tests::SOURCE_CONTACT;
    let verdict = judge(&raw, udp(PUBLIC), &seed(), tests);
    assert_eq!(verdict.evidence().len(), 2);
    for evidence in verdict.evidence() {
        let EvidenceHost::Name { start, len } = evidence.found.host else { panic!("a name") };
        assert_eq!(verdict.name(start, len), &long.as_bytes()[..255]);
    }
}

#[test]
fn verdict_used_again_has_nothing_of_the_earlier_message() {
    let (private, local) = (Networks::rfc1918(), Networks::default());
    let context = Context { private: &private, local: &local, sip_asymmetric: false };
    let mut verdict = Verdict::new();
    let mut judge = |raw: &[u8]| {
        let message = Message::parse(raw, udp(PUBLIC)).unwrap();
        let outcome = test(&message, &context, Tests::ALL, false, &mut verdict);
        (outcome.is_ok(), verdict.matched().bits(), verdict.evidence().len())
    };
    let natted = register("SIP/2.0/UDP phone.local", "<sip:a@10.0.0.1>");
    assert_eq!(judge(&natted), (true, 1 | 2 | 256, 3));
    assert_eq!(judge(&contact("198.51.100.1")), (true, 0, 0));
    let unreadable = register("SIP/2.0/UDP 192.168.1.1", "<sip:a@10.0.0.1:x>");
    assert_eq!(judge(&unreadable), (false, 0, 0));
}

#[test]
fn client_list_is_searched_only_when_the_verdict_depends_on_it() {
    let (private, local) = (Networks::rfc1918(), Networks::default());
    let flags_of = |source: &str, bits: u32| {
        let count = std::cell::Cell::new(0);
        let asymmetric = || {
            count.set(count.get() + 1);
            Ok(false)
        };
        let raw = contact("198.51.100.1:5060");
        let message = Message::parse(&raw, udp(source)).unwrap();
        let tests = Tests::from_bits(bits).unwrap();
        let mut verdict = Verdict::new();
        test_with_lookup(&message, &private, &local, asymmetric, tests, false, &mut verdict)
            .unwrap();
        count.get()
    };
    assert_eq!(flags_of("198.51.100.1:5060", 7), 0, "nothing differs");
    assert_eq!(flags_of("198.51.100.2:5061", 7), 0, "the address differs already");
    assert_eq!(flags_of("198.51.100.1:5061", 7), 1, "only the port differs");
    assert_eq!(flags_of("198.51.100.1:5061", 1 | 4 | 16), 0, "nobody compares both");
}

#[test]
fn header_that_cannot_be_read_fails_only_the_tests_that_need_it() {
    let bad_via = via("198.51.100.1:port");
    let bad_contact = register_with("\"Alice <sip:a@198.51.100.1>");
    let context = seed();
    let context =
        Context { private: &context.private, local: &context.local, sip_asymmetric: false };
    let outcome = |raw: &[u8], bits: u32| {
        let message = Message::parse(raw, udp(PUBLIC)).unwrap();
        let tests = Tests::from_bits(bits).unwrap();
        let outcome = test(&message, &context, tests, false, &mut Verdict::new());
        outcome.map_err(|error| error.status())
    };
    for bits in [2, 4, 16] {
        assert_eq!(outcome(&bad_via, bits), Err(Status::Syntax));
        assert_eq!(outcome(&bad_contact, bits), Ok(()));
    }
    for bits in [1, 256, 512] {
        assert_eq!(outcome(&bad_contact, bits), Err(Status::Syntax));
        assert_eq!(outcome(&bad_via, bits), Ok(()));
    }
}
