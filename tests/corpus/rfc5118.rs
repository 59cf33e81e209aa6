//! The IPv6 torture messages of RFC 5118, one by one. The corpus has some of
//! them twice: their own Content-Length counts bare line feeds.

use crate::torture::{NO_SDP, Row, VIA, VIA_CONTACT, VIA_CONTACT_SDP, compare};

/// The SDP cannot be read: bytes beyond Content-Length are no part of it.
const GOES_ON: &str = "MP_ERR_SYNTAX: Content-Length: the SDP goes on after it";

const MESSAGES: [Row; 15] = [
    Row {
        file: "ipv4-mapped-ipv6.clfixed.dat",
        nat_test: VIA_CONTACT_SDP,
        fix_contact: "[::ffff:192.0.2.2] -> 203.0.113.5:61234",
        rewrite_sdp: "IP6 ::ffff:192.0.2.2 -> IP4 203.0.113.9, 6000 -> 50000, 6024 -> 50004",
        why: "4.9 with the right Content-Length: the same edits",
    },
    Row {
        file: "ipv4-mapped-ipv6.dat",
        nat_test: VIA_CONTACT,
        fix_contact: "[::ffff:192.0.2.2] -> 203.0.113.5:61234",
        rewrite_sdp: GOES_ON,
        why: "4.9: Content-Length is short by its line ends, and cuts a line of the SDP",
    },
    Row {
        file: "ipv6-bad.dat",
        nat_test: VIA_CONTACT,
        fix_contact: "[2001:db8::1] -> 203.0.113.5:61234",
        rewrite_sdp: NO_SDP,
        why: "4.2: an IPv6 address without brackets in the Request-URI is for the server to \
              refuse; the Contact has its brackets",
    },
    Row {
        file: "ipv6-bug-abnf-3-colons.dat",
        nat_test: VIA,
        fix_contact: "",
        rewrite_sdp: NO_SDP,
        why: "4.10: three colons in the Request-URI, which is not read; the Via is IPv4",
    },
    Row {
        file: "ipv6-correct-abnf-2-colons.dat",
        nat_test: VIA,
        fix_contact: "",
        rewrite_sdp: NO_SDP,
        why: "4.10 as it should be: the same",
    },
    Row {
        file: "ipv6-good.dat",
        nat_test: VIA_CONTACT,
        fix_contact: "[2001:db8::1] -> 203.0.113.5:61234",
        rewrite_sdp: NO_SDP,
        why: "4.1: brackets and address of the Contact are replaced as one, the new address \
              has none",
    },
    Row {
        file: "ipv6-in-sdp.clfixed.dat",
        nat_test: VIA_CONTACT_SDP,
        fix_contact: "[2001:db8::20] -> 203.0.113.5:61234",
        rewrite_sdp: "IP6 2001:db8::20 -> IP4 203.0.113.9, 6000 -> 50000, 6024 -> 50004",
        why: "4.6 with the right Content-Length: the same edits",
    },
    Row {
        file: "ipv6-in-sdp.dat",
        nat_test: VIA_CONTACT,
        fix_contact: "[2001:db8::20] -> 203.0.113.5:61234",
        rewrite_sdp: GOES_ON,
        why: "4.6: Content-Length is short by its line ends, and cuts a line of the SDP",
    },
    Row {
        file: "mult-ip-in-header.dat",
        nat_test: VIA,
        fix_contact: "",
        rewrite_sdp: NO_SDP,
        why: "4.7: only the topmost Via counts, and it is IPv6; BYE has no session of its own",
    },
    Row {
        file: "mult-ip-in-sdp.clfixed.dat",
        nat_test: VIA_CONTACT_SDP,
        fix_contact: "[2001:db8::9:1] -> 203.0.113.5:61234",
        rewrite_sdp: "22334 -> 50000, IP4 192.0.2.1 -> IP4 203.0.113.9, \
                      6024 -> 50004, IP6 2001:db8::1 -> IP4 203.0.113.9",
        why: "4.8 with the right Content-Length: the same edits",
    },
    Row {
        file: "mult-ip-in-sdp.dat",
        nat_test: VIA_CONTACT,
        fix_contact: "[2001:db8::9:1] -> 203.0.113.5:61234",
        rewrite_sdp: GOES_ON,
        why: "4.8: Content-Length is short by its line ends, and cuts a line of the SDP",
    },
    Row {
        file: "port-ambiguous.dat",
        nat_test: VIA_CONTACT,
        fix_contact: "[2001:db8::1] -> 203.0.113.5:61234",
        rewrite_sdp: NO_SDP,
        why: "4.3: [2001:db8::10:5070] is an address and no port; it stands in the Request- \
              URI, which stays",
    },
    Row {
        file: "port-unambiguous.dat",
        nat_test: VIA_CONTACT,
        fix_contact: "[2001:db8::1] -> 203.0.113.5:61234",
        rewrite_sdp: NO_SDP,
        why: "4.4: the port behind the brackets is the Request-URI's, which stays; the Contact \
              has its own",
    },
    Row {
        file: "via-received-param-no-delim.dat",
        nat_test: VIA_CONTACT,
        fix_contact: "[2001:db8::9:1] -> 203.0.113.5:61234",
        rewrite_sdp: NO_SDP,
        why: "4.5: received without brackets is passed over: sent-by is compared with the true \
              source",
    },
    Row {
        file: "via-received-param-with-delim.dat",
        nat_test: VIA,
        fix_contact: "",
        rewrite_sdp: NO_SDP,
        why: "4.5: the same for received with brackets; BYE has no Contact and no session",
    },
];

#[test]
fn what_is_done_with_each_ipv6_message() {
    compare(kit::here!(), "rfc5118/", &MESSAGES);
}
