//! `maddr` in a Contact (RFC 3261 19.1.1): it is where requests go.

use kit::udp;

use super::{KINDS, evidence, fixed, matched, of_kind};

const SOURCE: &str = "203.0.113.5:61234";
const VIA: &str = "SIP/2.0/UDP 203.0.113.5:61234";

/// Test 2 of a reply looks at the Contact, that of a request at the Via.
fn contact_tests(kind: (&str, &str)) -> u32 {
    if kind.0.starts_with("SIP/2.0") { 1 | 2 | 256 | 512 } else { 1 | 256 | 512 }
}

#[test]
fn maddr_is_looked_at_by_each_test_of_the_contact() {
    let source = "203.0.113.5:61234";
    for (contact, expected) in [
        // Host and port are the source's.
        (format!("<sip:a@{source}>"), 0),
        (format!("<sip:a@{source};maddr=192.168.1.10>"), 1 | 2 | 256 | 512),
        (format!("<sip:a@{source};MAddr=192.168.1.10;lr>"), 1 | 2 | 256 | 512),
        (format!("<sip:a@{source};lr; maddr = 10.0.0.1>"), 1 | 2 | 256 | 512),
        (format!("<sip:a@{source};maddr=198.51.100.9>"), 2 | 256 | 512),
        (format!("<sip:a@{source};maddr=[2001:db8::9]>"), 2 | 256 | 512),
        (format!("<sip:a@{source};maddr=phone.example.com>"), 2 | 256 | 512),
        // No text that can be read as an address is the source.
        (format!("<sip:a@{source};maddr=192%2E168.1.10>"), 2 | 256 | 512),
        (format!("<sip:a@{source};maddr=\"192.168.1.10\">"), 2 | 256 | 512),
        (format!("<sip:a@{source};maddr=203.0.113.5:5060>"), 2 | 256 | 512),
        // A URI has no quoted strings that could hide it.
        (format!("<sip:a@{source};x=\"y;maddr=192.168.1.10;z=\">"), 1 | 2 | 256 | 512),
        (format!("<sip:a@{source};x=\";maddr=192.168.1.10>"), 1 | 2 | 256 | 512),
        (format!("<sip:a@{source};maddr=203.0.113.5>"), 0),
        (format!("<sip:a@{source};maddr=[::ffff:203.0.113.5]>"), 0),
        (format!("<sip:a@{source};smaddr=192.168.1.10>"), 0),
        // A parameter of the header and not of the URI.
        (format!("<sip:a@{source}>;maddr=192.168.1.10"), 0),
        (format!("sip:a@{source};maddr=192.168.1.10"), 0),
        // The host or the port is not the source's: so it stays, whatever maddr is.
        ("<sip:a@192.168.1.10:61234;maddr=203.0.113.5>".into(), 1 | 2 | 256),
        ("<sip:a@203.0.113.5:5060;maddr=203.0.113.5>".into(), 2 | 512),
        ("<sip:a@198.51.100.9:61234;maddr=10.0.0.1>".into(), 1 | 2 | 256 | 512),
    ] {
        for kind in KINDS {
            let raw = of_kind(kind, VIA, &format!("Contact: {contact}"));
            let all = contact_tests(kind);
            assert_eq!(matched(&raw, udp(SOURCE), all), expected & all, "{kind:?} {contact}");
            for bit in [1, 2, 256, 512].into_iter().filter(|bit| all & bit != 0) {
                assert_eq!(matched(&raw, udp(SOURCE), bit), expected & bit, "{contact} {bit}");
            }
        }
    }
}

#[test]
fn maddr_is_the_evidence_when_the_host_is_none() {
    let raw = of_kind(KINDS[4], VIA, "Contact: <sip:a@203.0.113.5:61234;maddr=192.168.1.10>");
    assert_eq!(
        evidence(&raw, udp(SOURCE), 1 | 2 | 256 | 512),
        [
            "private_contact: Contact maddr 192.168.1.10:61234 is private",
            "source_address: Contact maddr 192.168.1.10:61234, came from 203.0.113.5:61234",
            "source_contact: Contact maddr 192.168.1.10:61234, came from 203.0.113.5:61234",
            "contact_port: Contact maddr 192.168.1.10:61234, came from 203.0.113.5:61234",
        ]
    );
}

#[test]
fn maddr_goes_from_a_contact_that_otherwise_is_the_source() {
    for kind in KINDS {
        for (parameters, after) in [
            (";maddr=192.168.1.10", ""),
            (";maddr=203.0.113.5", ""),
            (";lr;MADDR=x;ob", ";lr;ob"),
            (";maddr=1.1.1.1;x=1;maddr=2.2.2.2", ";x=1"),
            (";maddr", ""),
            (";x=\"y;maddr=1.1.1.1;z=\"", ";x=\"y;z=\""),
            (";x=\";maddr=1.1.1.1;MADDR=2.2.2.2", ";x=\""),
        ] {
            let raw = |parameters: &str| {
                of_kind(kind, VIA, &format!("Contact: <sip:a@{SOURCE}{parameters}>;q=1"))
            };
            let expected = String::from_utf8(raw(after)).unwrap();
            assert_eq!(fixed(&raw(parameters), udp(SOURCE)), expected, "{kind:?} {parameters}");
        }
    }
}
