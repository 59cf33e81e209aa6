//! A GRUU in Contact (RFC 5627): it leads to the phone through its domain.

use kit::udp;

use super::{KINDS, fixed, matched, of_kind};

const SOURCE: &str = "203.0.113.5:61234";
const VIA: &str = "SIP/2.0/UDP 203.0.113.5:61234";
/// Every test that looks at the Contact of a reply.
const CONTACT_TESTS: u32 = 1 | 2 | 256 | 512;

const GRUUS: [&str; 11] = [
    "<sip:alice@example.com;gr=urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6>",
    "<sip:tgruu.7hs==jd7vnzga5w7fajsc7-ajd6fabz0f8g5@example.com;gr>",
    "\"A, <b>\" <sips:alice@example.com;GR=x;lr>;expires=60",
    "<sip:alice@192.0.2.1:5060;lr;Gr=x>",
    "<sip:alice@192.168.1.10;gr>",
    "<sip:alice@192.168.1.10;;gr;>",
    "<sip:alice@example.com;gr=>",
    "<sip:alice@example.com;opaque=user:epid:Ab1_x-AA;gruu>",
    "<sip:alice@example.com; gr = x>",
    "<sip:alice@example.com;gr=x?Subject=y>",
    "<sip:alice@example.com;gr=x;maddr=10.0.0.1>",
];

const NO_GRUUS: [&str; 7] = [
    "<sip:alice@192.168.1.10>;gr",
    "<sip:alice@192.168.1.10;opaque=user:epid:Ab1_x-AA>;gruu",
    "sip:alice@192.168.1.10;gr=x",
    "<sip:alice@192.168.1.10;grid=1>",
    "<sip:alice;gr=1@192.168.1.10>",
    "<sip:gr@192.168.1.10;lr>",
    "\";gr\" <sip:alice@192.168.1.10?gr=1>;pub-gruu=\"sip:alice@example.com;gr=x\"",
];

#[test]
fn gruu_in_contact_is_never_changed() {
    for kind in KINDS {
        for gruu in GRUUS {
            for name in ["Contact: ", "m:", "CONTACT :\n "] {
                let raw = of_kind(kind, VIA, &format!("{name}{gruu}"));
                assert_eq!(fixed(&raw, udp(SOURCE)).as_bytes(), raw, "{kind:?} {gruu}");
            }
        }
    }
}

#[test]
fn gruu_in_contact_matches_no_test_of_the_contact() {
    for kind in KINDS {
        for gruu in GRUUS {
            let raw = of_kind(kind, VIA, &format!("Contact: {gruu}"));
            assert_eq!(matched(&raw, udp(SOURCE), CONTACT_TESTS), 0, "{kind:?} {gruu}");
        }
    }
}

#[test]
fn parameter_gr_elsewhere_makes_no_gruu() {
    for kind in KINDS {
        for contact in NO_GRUUS {
            let raw = of_kind(kind, VIA, &format!("Contact: {contact}"));
            let expected = contact.replace("192.168.1.10", SOURCE);
            assert!(fixed(&raw, udp(SOURCE)).contains(&expected), "{kind:?} {contact}");
            let bits = matched(&raw, udp(SOURCE), 1 | 256 | 512);
            assert_eq!(bits, 1 | 256 | 512, "{kind:?} {contact}");
        }
    }
}

#[test]
fn gruu_beside_another_contact_stays_and_the_other_is_fixed_in_a_register() {
    let (gruu, other) = (GRUUS[0], "<sip:alice@192.168.1.10>");
    for contacts in [
        format!("Contact: {gruu}, {other}"),
        format!("Contact: {other}, {gruu}"),
        format!("Contact: {gruu}\nm: {other}"),
        format!("m: {other}\nContact: {gruu}"),
    ] {
        let raw = of_kind(KINDS[0], VIA, &contacts);
        let text = String::from_utf8(raw.clone()).unwrap();
        assert_eq!(fixed(&raw, udp(SOURCE)), text.replace("192.168.1.10", SOURCE), "{contacts}");
        assert_eq!(matched(&raw, udp(SOURCE), 1), 1, "{contacts}");
    }
}
