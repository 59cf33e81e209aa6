//! Several Contacts in one message: which are fixed.

use kit::{cases, udp};
use mediaproxy::sip::Message;
use proptest::prelude::*;

use super::{KINDS, fixed, matched, of_kind};

const SOURCE: &str = "203.0.113.5:61234";
const VIA: &str = "SIP/2.0/UDP 192.168.1.10:5060";

/// The ways to write a list of Contacts.
fn written(values: &[&str]) -> Vec<String> {
    let headers = |name: &str, separator: &str| {
        values.iter().map(|value| format!("{name}{value}")).collect::<Vec<_>>().join(separator)
    };
    vec![
        format!("Contact: {}", values.join(", ")),
        format!("m:{}", values.join(",")),
        format!("CONTACT :\n {}", values.join("\n ,\t")),
        headers("Contact: ", "\n"),
        headers("m: ", "\n"),
        headers("contact:", "\nExpires: 600\n"),
        headers("M : ", "\nSupported: path, <sip:x@192.168.1.10>, contact\n"),
        format!("Contact: *, <tel:+1> ,\nm: {}", values.join(", ,")),
    ]
}

/// Checks that a REGISTER with these Contacts becomes one with those, in each way to
/// write them.
#[track_caller]
fn registers(before: &[&str], after: &[&str]) {
    for (before, after) in written(before).iter().zip(written(after)) {
        let raw = of_kind(KINDS[0], VIA, before);
        let expected = String::from_utf8(of_kind(KINDS[0], VIA, &after)).unwrap();
        assert_eq!(fixed(&raw, udp(SOURCE)), expected);
    }
}

#[test]
fn register_that_removes_one_contact_and_adds_another_has_the_added_one_fixed() {
    let old = [
        "<sip:a@10.0.0.7:5060>;expires=0",
        "sip:a@10.0.0.7;q=0.5;EXPIRES=00",
        "\"A, <sip:x@10.0.0.9>;expires=60\" <sip:a@10.0.0.7;expires=60>; expires = 0",
        "<sip:a@203.0.113.5:5060>;expires=0",
        "<sip:a@10.0.0.7>;expires=\"0\"",
    ];
    for old in old {
        for (new, expected) in [
            ("<sip:a@192.168.1.10:5060>;expires=60", "<sip:a@203.0.113.5:61234>;expires=60"),
            ("<sip:a@192.168.1.10>", "<sip:a@203.0.113.5:61234>"),
            ("sip:a@192.168.1.10;expires=soon", "sip:a@203.0.113.5:61234;expires=soon"),
            (
                "\"B \\\", C\" <sip:a,b@192.168.1.10;maddr=10.0.0.1>;expires=1;x=\"<sip:y>,z\"",
                "\"B \\\", C\" <sip:a,b@203.0.113.5:61234>;expires=1;x=\"<sip:y>,z\"",
            ),
        ] {
            registers(&[old, new], &[old, expected]);
            registers(&[new, old], &[expected, old]);
            registers(&[old, new, old], &[old, expected, old]);
        }
    }
}

#[test]
fn register_that_only_removes_has_its_first_contact_fixed() {
    registers(
        &["<sip:a@192.168.1.10>;expires=0", "<sip:a@10.0.0.7>;expires=0"],
        &["<sip:a@203.0.113.5:61234>;expires=0", "<sip:a@10.0.0.7>;expires=0"],
    );
    registers(&["<sip:a@192.168.1.10>;expires=0"], &["<sip:a@203.0.113.5:61234>;expires=0"]);
}

#[test]
fn expires_header_holds_for_contacts_without_the_parameter() {
    let cases = [
        // Contacts, Expires, and which one is fixed.
        (["<sip:a@10.0.0.1>", "<sip:a@10.0.0.2>;expires=60"], "0", 1),
        (["<sip:a@10.0.0.1>;expires=0", "<sip:a@10.0.0.2>"], "0", 0),
        (["<sip:a@10.0.0.1>;expires=0", "<sip:a@10.0.0.2>"], "60", 1),
        (["<sip:a@10.0.0.1>", "<sip:a@10.0.0.2>"], "0", 0),
        (["<sip:a@10.0.0.1>", "<sip:a@10.0.0.2>;expires=60"], "60", 0),
        (["<sip:a@10.0.0.1>", "<sip:a@10.0.0.2>;expires=60"], "never", 0),
    ];
    for (contacts, expires, wanted) in cases {
        for lines in [
            format!("Contact: {}\nExpires: {expires}", contacts.join(", ")),
            format!("EXPIRES :{expires}\nm: {}", contacts.join("\nContact: ")),
        ] {
            let raw = of_kind(KINDS[0], VIA, &lines);
            let text = String::from_utf8(raw.clone()).unwrap();
            let host = ["10.0.0.1", "10.0.0.2"][wanted];
            assert_eq!(fixed(&raw, udp(SOURCE)), text.replace(host, SOURCE), "{lines}");
        }
    }
}

#[test]
fn one_contact_of_a_register_is_fixed_and_the_others_stay() {
    for other in [
        "<sip:192.168.1.10:5060>;q=0.1",
        "<sip:b@192.168.1.10;maddr=1.1.1.1>",
        "<sip:b@192.168.1.10>;expires=0",
        "<sip:b@203.0.113.5:61234;maddr=1.1.1.1>",
        "<sip:b@203.0.113.5:61234>",
        "<sip:voicemail@example.com>",
        "<sips:b@198.51.100.9>",
        "<tel:+3120>",
        "<sip:b@192.168.1.10;gr>",
    ] {
        for expires in ["", ";expires=60", ";q=1;expires=60"] {
            let first = format!("<sip:a@192.168.1.10>{expires}");
            let expected = format!("<sip:a@203.0.113.5:61234>{expires}");
            registers(&[&first, other], &[&expected, other]);
        }
    }
}

#[test]
fn outside_register_the_first_contact_counts_alone() {
    for kind in KINDS.into_iter().skip(1) {
        for contacts in written(&["<sip:a@10.0.0.1>;expires=0", "<sip:a@10.0.0.2>"]) {
            let raw = of_kind(kind, VIA, &contacts);
            let text = String::from_utf8(raw.clone()).unwrap();
            assert_eq!(fixed(&raw, udp(SOURCE)), text.replace("10.0.0.1", SOURCE), "{kind:?}");
        }
    }
}

#[test]
fn nat_test_looks_at_the_contact_that_is_fixed() {
    for (contacts, bits) in [
        (["<sip:a@203.0.113.5:61234>;expires=0", "<sip:a@192.168.1.10>"], 1 | 256 | 512),
        (["<sip:a@192.168.1.10>;expires=0", "<sip:a@203.0.113.5:61234>"], 0),
        (["<sip:a@192.168.1.10>", "<sip:a@203.0.113.5:61234>;expires=0"], 1 | 256 | 512),
    ] {
        for contacts in written(&contacts) {
            let raw = of_kind(KINDS[0], VIA, &contacts);
            assert_eq!(matched(&raw, udp(SOURCE), 1 | 256 | 512), bits, "{contacts}");
        }
    }
}

#[test]
fn contact_that_cannot_be_read_after_the_first_one_does_not_matter() {
    for bad in ["<sip:>", "\"B <sip:b@192.168.1.10>", "<sip:b@192.168.1.10", "bob"] {
        let raw = of_kind(KINDS[0], VIA, &format!("Contact: <sip:a@192.168.1.10>, {bad}"));
        let text = String::from_utf8(raw.clone()).unwrap();
        let expected = text.replacen("a@192.168.1.10", "a@203.0.113.5:61234", 1);
        assert_eq!(fixed(&raw, udp(SOURCE)), expected, "{bad}");
        // Also after one that removes its binding.
        let removed = |text: &str| text.replace("1.10>, ", "1.10>;expires=0, ");
        let expected = removed(&text).replacen("a@192.168.1.10", "a@203.0.113.5:61234", 1);
        assert_eq!(fixed(removed(&text).as_bytes(), udp(SOURCE)), expected, "{bad}");
    }
}

#[test]
fn contacts_after_the_32nd_do_not_count() {
    let removed = |count| (0..count).map(|user| format!("<sip:{user}@192.168.1.10>;expires=0, "));
    for (count, counts) in [(31, true), (32, false)] {
        let list: String = removed(count).collect();
        let raw = of_kind(KINDS[0], VIA, &format!("Contact: {list}<sip:a@192.168.1.11>"));
        let text = String::from_utf8(raw.clone()).unwrap();
        let host = if counts { "a@192.168.1.11" } else { "0@192.168.1.10" };
        let fixed_host = host.replace("192.168.1.11", SOURCE).replace("192.168.1.10", SOURCE);
        assert_eq!(fixed(&raw, udp(SOURCE)), text.replacen(host, &fixed_host, 1), "{count}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(cases(256)))]

    /// Whatever the Contacts are: the first one that adds a binding is the source then,
    /// else the first one, and no other is changed.
    #[test]
    fn first_contact_that_adds_a_binding_is_fixed_alone(
        contacts in prop::collection::vec(
            (0..3usize, 0..4usize, prop::option::of(0..2u32), 0..3usize), 1..6),
        ways in 0..8usize,
    ) {
        let text: Vec<_> = contacts.iter().map(|(user, host, expires, parameters)| {
            let host = ["192.168.1.10", "192.168.1.10:5062", "10.0.0.7", "x.example.com"][*host];
            let parameters = ["", ";maddr=1.1.1.1", ";transport=tcp"][*parameters];
            let expires = expires.map_or(String::new(), |expires| format!(";expires={expires}"));
            format!("<sip:u{user}@{host}{parameters}>{expires}")
        }).collect();
        let text: Vec<_> = text.iter().map(String::as_str).collect();
        let raw = of_kind(KINDS[0], VIA, &written(&text)[ways]);
        let out = fixed(&raw, udp(SOURCE)).into_bytes();
        let before = Message::parse(&raw, udp(SOURCE)).unwrap();
        let after = Message::parse(&out, udp(SOURCE)).unwrap();
        let before: Vec<_> = before.contacts().map(Result::unwrap).collect();
        let after: Vec<_> = after.contacts().map(Result::unwrap).collect();
        prop_assert_eq!(before.len(), after.len());
        let added = contacts.iter().position(|(_, _, expires, _)| *expires != Some(0));
        for (at, (before, after)) in before.iter().zip(&after).enumerate() {
            if at == added.unwrap_or(0) {
                prop_assert_eq!(after.uri.host_port, SOURCE.as_bytes());
                prop_assert!(after.uri.maddr().is_none());
            } else {
                prop_assert_eq!(before, after);
            }
        }
    }
}
