//! `fix_contact`, sentence by sentence: bytes in, Contact out.

use kit::{applied, crlf, udp};
use mediaproxy::Status;
use mediaproxy::internals::edit::{Edit, Edits, Verb};
use mediaproxy::nat::fix_contact;
use mediaproxy::sip::Message;

fn message(start: &str, contact: &str) -> Vec<u8> {
    let cseq =
        if start.starts_with("SIP/2.0") { "INVITE" } else { start.split(' ').next().unwrap() };
    crlf(&format!(
        "{start}\nVia: SIP/2.0/UDP 192.168.1.10:5060;branch=z9hG4bK1\nFrom: <sip:a@example.com>;tag=a\n\
         To: <sip:b@example.com>\nCall-ID: c\nCSeq: 1 {cseq}\n{contact}\nContent-Length: 0\n\n"
    ))
}

const REGISTER: &str = "REGISTER sip:example.com SIP/2.0";

/// The header lines after the fix, from the message's own start to the end.
fn fixed(raw: &[u8], source: &str, asymmetric: bool) -> String {
    let parsed = Message::parse(raw, udp(source)).unwrap();
    let mut edits = Edits::new();
    fix_contact(&parsed, asymmetric, &mut edits).unwrap();
    applied(raw, udp(source), &edits)
}

/// What the Contact header(s) become.
fn contact_from(contact: &str, source: &str, asymmetric: bool) -> String {
    let text = fixed(&message(REGISTER, contact), source, asymmetric);
    let (_, rest) = text.split_once("CSeq: 1 REGISTER\r\n").unwrap();
    rest.split_once("\r\nContent-Length").unwrap().0.to_string()
}

fn contact(contact: &str) -> String {
    contact_from(contact, "203.0.113.5:61234", false)
}

#[test]
fn host_and_port_become_the_source_and_everything_else_stays() {
    for (before, after) in [
        (
            "Contact: \"A, <b>\" <sip:a:pw@192.168.1.10:5060;transport=udp?x=y>;expires=60;q=0.5",
            "Contact: \"A, <b>\" <sip:a:pw@203.0.113.5:61234;transport=udp?x=y>;expires=60;q=0.5",
        ),
        ("Contact: <sip:192.168.1.10>", "Contact: <sip:203.0.113.5:61234>"),
        ("m:sip:a@192.168.1.10;expires=5", "m:sip:a@203.0.113.5:61234;expires=5"),
        ("Contact: Alice <sips:a@phone.local>", "Contact: Alice <sips:a@203.0.113.5:61234>"),
        ("Contact : <sip:a@[2001:db8::1]:5070>", "Contact : <sip:a@203.0.113.5:61234>"),
        ("CONTACT:\r\n <sip:a@10.0.0.1\r\n >", "CONTACT:\r\n <sip:a@203.0.113.5:61234\r\n >"),
    ] {
        assert_eq!(contact(before), after);
    }
}

#[test]
fn ipv6_source_stands_in_brackets() {
    assert_eq!(
        contact_from("Contact: <sip:a@[fd00::1]:5060>", "[2001:db8::7]:61234", false),
        "Contact: <sip:a@[2001:db8::7]:61234>"
    );
    assert_eq!(
        contact_from("Contact: <sip:a@10.0.0.1>", "[::ffff:203.0.113.5]:61234", false),
        "Contact: <sip:a@203.0.113.5:61234>",
        "an IPv4-mapped source is IPv4"
    );
}

#[test]
fn maddr_goes() {
    assert_eq!(
        contact("Contact: <sip:a@192.168.1.10;maddr=192.168.1.1;lr>;q=1"),
        "Contact: <sip:a@203.0.113.5:61234;lr>;q=1"
    );
}

#[test]
fn sip_asymmetric_phone_keeps_its_port() {
    for (before, after) in [
        ("Contact: <sip:a@192.168.1.10:5060>", "Contact: <sip:a@203.0.113.5:5060>"),
        ("Contact: <sip:a@192.168.1.10>", "Contact: <sip:a@203.0.113.5>"),
        ("Contact: <sip:a@203.0.113.5:5070>", "Contact: <sip:a@203.0.113.5:5070>"),
    ] {
        assert_eq!(contact_from(before, "203.0.113.5:61234", true), after);
    }
}

#[test]
fn only_the_first_sip_contact_is_fixed_across_headers_and_lists() {
    for (before, after) in [
        (
            "Contact: <tel:+1>, \"x,y\" <sip:a@10.0.0.1>, <sip:b@10.0.0.2>",
            "Contact: <tel:+1>, \"x,y\" <sip:a@203.0.113.5:61234>, <sip:b@10.0.0.2>",
        ),
        (
            "Contact: <tel:+1>\r\nm: <sip:a@10.0.0.1>\r\nContact: <sip:b@10.0.0.2>",
            "Contact: <tel:+1>\r\nm: <sip:a@203.0.113.5:61234>\r\nContact: <sip:b@10.0.0.2>",
        ),
    ] {
        assert_eq!(contact(before), after);
    }
}

#[test]
fn what_names_no_sip_address_stays() {
    for same in ["Contact: *", "Contact: <tel:+1234>", "Contact: <mailto:a@10.0.0.1>", "Subject: x"]
    {
        assert_eq!(contact(same), same);
    }
}

#[test]
fn contact_that_is_the_source_already_stays() {
    for (same, source) in [
        ("Contact: <sip:a@203.0.113.5:61234>", "203.0.113.5:61234"),
        ("Contact: <sip:a@203.0.113.5>", "203.0.113.5:5060"),
        ("Contact: <sips:a@203.0.113.5>", "203.0.113.5:5061"),
        ("Contact: <sip:a@[2001:DB8:0::1]:9>", "[2001:db8::1]:9"),
    ] {
        assert_eq!(contact_from(same, source, false), same);
    }
}

#[test]
fn phone_that_found_its_public_address_but_not_its_port_is_fixed() {
    assert_eq!(contact("Contact: <sip:a@203.0.113.5:5060>"), "Contact: <sip:a@203.0.113.5:61234>");
}

#[test]
fn deregistration_is_fixed_too() {
    assert_eq!(
        contact("Contact: <sip:a@10.0.0.1>;expires=0\r\nExpires: 0"),
        "Contact: <sip:a@203.0.113.5:61234>;expires=0\r\nExpires: 0"
    );
}

#[test]
fn redirects_and_replies_to_register_stay_as_they_are() {
    let natted = "Contact: <sip:b@10.0.0.2>";
    for status in ["300 Multiple Choices", "302 Moved Temporarily", "380 Alternative Service"] {
        let raw = message(&format!("SIP/2.0 {status}"), natted);
        assert_eq!(fixed(&raw, "203.0.113.5:61234", false).as_bytes(), raw, "{status}");
    }
    let raw = message("SIP/2.0 200 OK", natted);
    let registered = String::from_utf8(raw.clone()).unwrap().replace("1 INVITE", "1 REGISTER");
    assert_eq!(fixed(registered.as_bytes(), "203.0.113.5:61234", false), registered);
    let text = fixed(&raw, "203.0.113.5:61234", false);
    assert!(
        text.contains("Contact: <sip:b@203.0.113.5:61234>"),
        "a 200 to INVITE is fixed: {text}"
    );
}

#[test]
fn fixing_twice_on_one_list_replaces_the_first_fix() {
    let raw = message(REGISTER, "Contact: <sip:a@10.0.0.1;maddr=10.0.0.2>");
    let mut edits = Edits::new();
    for source in ["203.0.113.5:1111", "203.0.113.6:2222"] {
        let parsed = Message::parse(&raw, udp(source)).unwrap();
        fix_contact(&parsed, false, &mut edits).unwrap();
    }
    let text = applied(&raw, udp("203.0.113.6:2222"), &edits);
    assert!(text.contains("Contact: <sip:a@203.0.113.6:2222>\r\n"), "{text}");
    assert_eq!(edits.len(), 2);
}

#[test]
fn contact_cut_off_is_an_error_or_left_alone_but_never_half_fixed() {
    for cut in
        ["Contact: <sip:a@10.0.0.1", "Contact: \"a <sip:a@10.0.0.1>", "Contact: <sip:>", "Contact:"]
    {
        let raw = message(REGISTER, cut);
        let parsed = Message::parse(&raw, udp("203.0.113.5:61234")).unwrap();
        let mut edits = Edits::new();
        let _ = fix_contact(&parsed, false, &mut edits);
        assert!(edits.is_empty(), "{cut}");
    }
}

#[test]
fn one_edit_replaces_host_and_port_and_nothing_else() {
    let raw = message(REGISTER, "Contact: <sip:alice@192.168.1.11:5060;a=b>");
    let parsed = Message::parse(&raw, udp("203.0.113.5:61234")).unwrap();
    let mut edits = Edits::new();
    fix_contact(&parsed, false, &mut edits).unwrap();
    let offset = String::from_utf8(raw.clone()).unwrap().find("192.168.1.11:5060").unwrap();
    let edit = Edit { offset, remove: 17, insert: b"203.0.113.5:61234" };
    assert_eq!(edits.iter().collect::<Vec<_>>(), [edit]);
}

#[test]
fn default_ports_belong_to_the_scheme_and_the_transport() {
    let fix = |before: &str, source: &str| contact_from(before, source, false);
    let stays = "Contact: <sip:a@203.0.113.5;transport=tls>";
    assert_eq!(fix(stays, "203.0.113.5:5061"), stays);
    assert_eq!(
        fix("Contact: <sips:a@203.0.113.5>", "203.0.113.5:5060"),
        "Contact: <sips:a@203.0.113.5:5060>"
    );
    assert_eq!(
        fix("Contact: <sip:a@203.0.113.5>", "203.0.113.5:5061"),
        "Contact: <sip:a@203.0.113.5:5061>"
    );
    let mapped = "Contact: <sip:a@[::ffff:203.0.113.5]>";
    assert_eq!(fix(mapped, "203.0.113.5:5060"), mapped, "equal by value");
}

#[test]
fn ipv6_without_brackets_is_replaced_whole() {
    assert_eq!(contact("Contact: <sip:a@fd00::1;lr>"), "Contact: <sip:a@203.0.113.5:61234;lr>");
    assert_eq!(
        contact_from("Contact: sip:a@10.0.0.1;q=1", "[2001:db8::5]:5060", false),
        "Contact: sip:a@[2001:db8::5]:5060;q=1"
    );
}

#[test]
fn only_the_maddr_of_the_uri_goes_wherever_it_stands() {
    for (before, after) in [
        ("<sip:a@10.0.0.1;maddr=1.1.1.1>", "<sip:a@203.0.113.5:61234>"),
        ("<sip:a@10.0.0.1;maddr=1.1.1.1;lr;MADDR=2>", "<sip:a@203.0.113.5:61234;lr>"),
        ("<sip:a@10.0.0.1;x=1;MAddr=1.1.1.1;y=2?h=1>", "<sip:a@203.0.113.5:61234;x=1;y=2?h=1>"),
        (
            "<sip:a@10.0.0.1;smaddr=1>;maddr=1.1.1.1",
            "<sip:a@203.0.113.5:61234;smaddr=1>;maddr=1.1.1.1",
        ),
        ("sip:a@10.0.0.1;maddr=1.1.1.1", "sip:a@203.0.113.5:61234;maddr=1.1.1.1"),
    ] {
        assert_eq!(contact(&format!("Contact: {before}")), format!("Contact: {after}"));
    }
}

#[test]
fn asymmetric_phone_behind_nat_with_a_forwarded_port_is_reached_there() {
    // The NAT box forwards 203.0.113.5:5060 to the phone, which sends from elsewhere.
    for (before, after) in [
        ("<sip:a@192.168.1.10:5060>", "<sip:a@203.0.113.5:5060>"),
        ("<sip:a@[fd00::1]:5062>", "<sip:a@203.0.113.5:5062>"),
        ("<sip:a@[fd00::1];maddr=1.1.1.1>", "<sip:a@203.0.113.5>"),
        ("<sip:a@203.0.113.5>", "<sip:a@203.0.113.5>"),
    ] {
        let fixed = contact_from(&format!("Contact: {before}"), "203.0.113.5:32000", true);
        assert_eq!(fixed, format!("Contact: {after}"));
    }
}

#[test]
fn every_request_and_every_other_reply_is_fixed() {
    for start in [
        "INVITE sip:b SIP/2.0",
        "ACK sip:b SIP/2.0",
        "SUBSCRIBE sip:b SIP/2.0",
        "UPDATE sip:b SIP/2.0",
        "X sip:b SIP/2.0",
        "SIP/2.0 180 Ringing",
        "SIP/2.0 486 Busy Here",
    ] {
        let raw = message(start, "Contact: <sip:a@10.0.0.1>");
        let text = fixed(&raw, "203.0.113.5:61234", false);
        assert!(text.contains("Contact: <sip:a@203.0.113.5:61234>\r\n"), "{text}");
    }
}

#[test]
fn bare_line_feeds_folds_and_a_missing_end_keep_their_form() {
    let raw = "REGISTER sip:x SIP/2.0\nv: SIP/2.0/UDP 10.0.0.1\nm\t:\n \"A\"\n\t<sip:a@10.0.0.1>\n";
    let text = fixed(raw.as_bytes(), "203.0.113.5:61234", false);
    assert_eq!(text, raw.replace("a@10.0.0.1", "a@203.0.113.5:61234"));
}

#[test]
fn broken_content_length_does_not_matter() {
    let raw = message(REGISTER, "Contact: <sip:a@10.0.0.1>\nl: 999");
    let text = fixed(&raw, "203.0.113.5:61234", false);
    assert!(text.contains("203.0.113.5:61234>\r\nl: 999\r\nContent-Length: 0"), "{text}");
}

#[test]
fn fixed_message_needs_no_fix() {
    let raw = message(REGISTER, "Contact: <sip:a@10.0.0.1;maddr=1.1.1.1>");
    let once = fixed(&raw, "203.0.113.5:61234", false);
    assert_eq!(fixed(once.as_bytes(), "203.0.113.5:61234", false), once);
}

#[test]
fn other_verbs_edits_stay_and_a_fix_no_longer_needed_goes() {
    let raw = message(REGISTER, "Contact: <sip:a@10.0.0.1>");
    let mut edits = Edits::new();
    edits.push(Verb::RewriteSdp, raw.len(), 0, b"v=0\r\n").unwrap();
    for (source, count) in [("203.0.113.5:61234", 2), ("10.0.0.1:5060", 1)] {
        let parsed = Message::parse(&raw, udp(source)).unwrap();
        fix_contact(&parsed, false, &mut edits).unwrap();
        assert_eq!(edits.len(), count, "{source}");
    }
    assert_eq!(edits.get(0).map(|edit| edit.insert), Some(&b"v=0\r\n"[..]));
}

#[test]
fn what_cannot_be_fixed_leaves_no_edit_of_its_own() {
    let failing = |raw: &[u8], edits: &mut Edits| {
        let parsed = Message::parse(raw, udp("203.0.113.5:61234")).unwrap();
        fix_contact(&parsed, false, edits).unwrap_err().status()
    };
    let mut edits = Edits::new();
    let unreadable = message(REGISTER, "Contact: <sip:a@10.0.0.1:x>");
    assert_eq!(failing(&unreadable, &mut edits), Status::Syntax);
    let reply = message("SIP/2.0 200 OK", "Contact: <sip:a@10.0.0.1>");
    let without_cseq = String::from_utf8(reply).unwrap().replace("CSeq:", "XSeq:");
    assert_eq!(failing(without_cseq.as_bytes(), &mut edits), Status::Syntax);
    assert!(edits.is_empty());

    // Another verb's edit stands where the maddr is.
    let raw = message(REGISTER, "Contact: <sip:a@10.0.0.1;maddr=1.1.1.1>");
    let maddr = String::from_utf8(raw.clone()).unwrap().find("maddr").unwrap();
    edits.push(Verb::RewriteSdp, maddr, 2, b"").unwrap();
    assert_eq!(failing(&raw, &mut edits), Status::Edits);
    assert_eq!(edits.len(), 1);
}
