//! The torture messages of RFC 4475, one by one: what is done with each, and
//! why that is right. Refusing a message is the server's part; this library
//! serves what the server lets pass, wherever it can tell what is meant.

use crate::torture::{NO_SDP, NO_SIP, Row, VIA, VIA_CONTACT, VIA_CONTACT_SDP, compare};

const MESSAGES: [Row; 50] = [
    Row {
        file: "badaspec.dat",
        nat_test: VIA,
        fix_contact: "",
        rewrite_sdp: NO_SDP,
        why: "3.1.2.14: spaces in the addr-spec of To; nothing here hangs on To, and refusing \
              is the server's part",
    },
    Row {
        file: "badbranch.dat",
        nat_test: VIA,
        fix_contact: "",
        rewrite_sdp: NO_SDP,
        why: "3.2.1: a branch that is only the cookie is the transaction layer's matter, sent- \
              by is whole",
    },
    Row {
        file: "baddate.dat",
        nat_test: VIA_CONTACT_SDP,
        fix_contact: "host5.example.net -> 203.0.113.5:61234",
        rewrite_sdp: "IP4 192.0.2.5 -> IP4 203.0.113.9, 49217 -> 50000, 3227 -> 50004",
        why: "3.1.2.12: Date is none of our headers; an INVITE the server lets pass must not \
              lose its media",
    },
    Row {
        file: "baddn.dat",
        nat_test: VIA,
        fix_contact: "",
        rewrite_sdp: NO_SDP,
        why: "3.1.2.15: the bad display names stand in To and From, Via is whole; there is no \
              Contact to fix",
    },
    Row {
        file: "badinv01.dat",
        nat_test: VIA_CONTACT_SDP,
        fix_contact: "example.org -> 203.0.113.5:61234",
        rewrite_sdp: "IP4 192.0.2.15 -> IP4 203.0.113.9, 49217 -> 50000, 3227 -> 50004",
        why: "3.1.2.1: stray semicolons and commas in Via and Contact stand behind what is \
              read of them",
    },
    Row {
        file: "badvers.dat",
        nat_test: NO_SIP,
        fix_contact: NO_SIP,
        rewrite_sdp: NO_SIP,
        why: "3.1.2.16: not SIP/2.0, and what another version means by its headers nobody \
              knows",
    },
    Row {
        file: "bcast.dat",
        nat_test: "source_address source_contact contact_port source_sdp",
        fix_contact: "host28.example.com -> 203.0.113.5:61234",
        rewrite_sdp: "IP4 192.0.2.198 -> IP4 203.0.113.9, 49217 -> 50000, 3227 -> 50004",
        why: "3.3.10: a reply is judged by its Contact, so the broadcast address in its second \
              Via is no one's source",
    },
    Row {
        file: "bext01.dat",
        nat_test: VIA,
        fix_contact: "",
        rewrite_sdp: NO_SDP,
        why: "3.3.5: Require and Proxy-Require are for the server; 5061 is what Via means by \
              TLS",
    },
    Row {
        file: "bigcode.dat",
        nat_test: NO_SIP,
        fix_contact: NO_SIP,
        rewrite_sdp: NO_SIP,
        why: "3.1.2.19: 4294967301 is no status, also where 32 bits would make 5 of it",
    },
    Row {
        file: "clerr.dat",
        nat_test: VIA_CONTACT,
        fix_contact: "hungry.example.net -> 203.0.113.5:61234",
        rewrite_sdp: "MP_ERR_SYNTAX: Content-Length: larger than the rest of the message",
        why: "3.1.2.2: where the body ends is unknown, so it is not rewritten; the headers are \
              whole and are served",
    },
    Row {
        file: "cparam01.dat",
        nat_test: VIA_CONTACT,
        fix_contact: "gw1.example.net -> 203.0.113.5:61234",
        rewrite_sdp: NO_SDP,
        why: "3.3.12: without angle brackets `;unknownparam` is the header's and stays; host \
              and port are fixed",
    },
    Row {
        file: "cparam02.dat",
        nat_test: VIA_CONTACT,
        fix_contact: "gw1.example.net -> 203.0.113.5:61234",
        rewrite_sdp: NO_SDP,
        why: "3.3.13: in angle brackets `;unknownparam` is the URI's and stays; host and port \
              are fixed",
    },
    Row {
        file: "dblreq.dat",
        nat_test: VIA_CONTACT,
        fix_contact: "host.example.com -> 203.0.113.5:61234",
        rewrite_sdp: NO_SDP,
        why: "3.1.1.8: Content-Length 0 ends the REGISTER; the INVITE behind it is no body and \
              not looked at",
    },
    Row {
        file: "esc01.dat",
        nat_test: VIA_CONTACT_SDP,
        fix_contact: "host5.example.net -> 203.0.113.5:61234",
        rewrite_sdp: "IP4 192.0.2.1 -> IP4 203.0.113.9, 49217 -> 50000, 3227 -> 50004",
        why: "3.1.1.3: escapes in the user part and in the Request-URI are left as they came",
    },
    Row {
        file: "esc02.dat",
        nat_test: VIA_CONTACT,
        fix_contact: "host1.example.com -> 203.0.113.5:61234",
        rewrite_sdp: NO_SDP,
        why: "3.1.1.5: RE%47IST%45R is not REGISTER, so it is any other request: its first \
              Contact is fixed",
    },
    Row {
        file: "escnull.dat",
        nat_test: VIA_CONTACT,
        fix_contact: "host5.example.com -> 203.0.113.5:61234",
        rewrite_sdp: NO_SDP,
        why: "3.1.1.4: %00 is three characters of the user part and stays; the first of two \
              Contacts is fixed",
    },
    Row {
        file: "escruri.dat",
        nat_test: VIA_CONTACT_SDP,
        fix_contact: "host39923.example.net -> 203.0.113.5:61234",
        rewrite_sdp: "IP4 192.0.2.1 -> IP4 203.0.113.9, 49217 -> 50000, 3227 -> 50004",
        why: "3.1.2.11: headers in the Request-URI are for the server to refuse; it is not \
              read here",
    },
    Row {
        file: "insuf.dat",
        nat_test: "source_address source_port source_sdp",
        fix_contact: "",
        rewrite_sdp: "MP_ERR_SYNTAX: no Call-ID header, or an empty one",
        why: "3.3.1: without Call-ID no relay can know the call; the tests need Via alone",
    },
    Row {
        file: "intmeth.dat",
        nat_test: VIA,
        fix_contact: "",
        rewrite_sdp: NO_SDP,
        why: "3.1.1.2: a strange method and NUL bytes in other headers; no Contact, and no \
              session either",
    },
    Row {
        file: "inv2543.dat",
        nat_test: "source_address source_port source_sdp",
        fix_contact: "",
        rewrite_sdp: "IP4 192.0.2.5 -> IP4 203.0.113.9, 49217 -> 50000",
        why: "3.4.1: an INVITE as of RFC 2543: no branch, no tag, no Content-Length: the body \
              is all the rest",
    },
    Row {
        file: "invut.dat",
        nat_test: VIA_CONTACT,
        fix_contact: "host5.example.net -> 203.0.113.5:61234",
        rewrite_sdp: NO_SDP,
        why: "3.3.6: a body of unknown type is no description; the Contact is fixed all the \
              same",
    },
    Row {
        file: "longreq.dat",
        nat_test: VIA_CONTACT_SDP,
        fix_contact: "host5.example.net -> 203.0.113.5:61234",
        rewrite_sdp: "IP4 192.0.2.1 -> IP4 203.0.113.9, 49217 -> 50000, 3227 -> 50004",
        why: "3.1.1.7: 34 Vias and long values: the topmost Via and the first Contact count",
    },
    Row {
        file: "ltgtruri.dat",
        nat_test: VIA_CONTACT_SDP,
        fix_contact: "host5.example.net -> 203.0.113.5:61234",
        rewrite_sdp: "IP4 192.0.2.5 -> IP4 203.0.113.9, 49217 -> 50000, 3227 -> 50004",
        why: "3.1.2.7: angle brackets around the Request-URI are for the server to refuse",
    },
    Row {
        file: "lwsdisp.dat",
        nat_test: VIA,
        fix_contact: "",
        rewrite_sdp: NO_SDP,
        why: "3.1.1.6: From has no space before its `<`, which is right",
    },
    Row {
        file: "lwsruri.dat",
        nat_test: VIA_CONTACT_SDP,
        fix_contact: "host1.example.net -> 203.0.113.5:61234",
        rewrite_sdp: "IP4 192.0.2.1 -> IP4 203.0.113.9, 49217 -> 50000, 3227 -> 50004",
        why: "3.1.2.8: white space in the Request-URI is for the server to refuse; what it \
              serves is served",
    },
    Row {
        file: "lwsstart.dat",
        nat_test: VIA_CONTACT_SDP,
        fix_contact: "host1.example.net -> 203.0.113.5:61234",
        rewrite_sdp: "IP4 192.0.2.1 -> IP4 203.0.113.9, 49217 -> 50000, 3227 -> 50004",
        why: "3.1.2.9: two spaces in the first line are read over, as most servers do",
    },
    Row {
        file: "mcl01.dat",
        nat_test: VIA,
        fix_contact: "",
        rewrite_sdp: NO_SDP,
        why: "3.3.9: the Content-Lengths disagree, which only matters to who needs the body: \
              OPTIONS has no session",
    },
    Row {
        file: "mismatch01.dat",
        nat_test: VIA,
        fix_contact: "",
        rewrite_sdp: NO_SDP,
        why: "3.1.2.17: the method of CSeq is looked at in replies only",
    },
    Row {
        file: "mismatch02.dat",
        nat_test: VIA_CONTACT_SDP,
        fix_contact: "host.example.net -> 203.0.113.5:61234",
        rewrite_sdp: NO_SDP,
        why: "3.1.2.18: NEWMETHOD carries no session that is known, whatever CSeq says: its \
              body stays",
    },
    Row {
        file: "mpart01.dat",
        nat_test: VIA_CONTACT,
        fix_contact: "127.0.0.1:5070 -> 203.0.113.5:61234",
        rewrite_sdp: NO_SDP,
        why: "3.1.1.11: MESSAGE carries no session; 127.0.0.1 is not among RFC 1918's, but not \
              the source either",
    },
    Row {
        file: "multi01.dat",
        nat_test: VIA_CONTACT_SDP,
        fix_contact: "host25.example.net -> 203.0.113.5:61234",
        rewrite_sdp: "IP4 192.0.2.25 -> IP4 203.0.113.9, 49217 -> 50000, 3227 -> 50004",
        why: "3.3.8: of repeated single-value headers the first counts, and of the Contacts \
              too",
    },
    Row {
        file: "ncl.dat",
        nat_test: VIA_CONTACT,
        fix_contact: "example53.example.net -> 203.0.113.5:61234",
        rewrite_sdp: "MP_ERR_SYNTAX: Content-Length: expected a number",
        why: "3.1.2.3: -999 is no number of RFC 3261's grammar: the body cannot be told, the \
              headers can",
    },
    Row {
        file: "noreason.dat",
        nat_test: "source_address source_contact contact_port",
        fix_contact: "host105.example.com -> 203.0.113.5:61234",
        rewrite_sdp: NO_SDP,
        why: "3.1.1.13: a reply without a reason phrase is a reply; the 100's Contact is \
              tested and fixed",
    },
    Row {
        file: "novelsc.dat",
        nat_test: VIA,
        fix_contact: "",
        rewrite_sdp: NO_SDP,
        why: "3.3.3: a soap.beep Request-URI is for the server to refuse; it is not read here",
    },
    Row {
        file: "quotbal.dat",
        nat_test: VIA_CONTACT_SDP,
        fix_contact: "host59.example.net -> 203.0.113.5:61234",
        rewrite_sdp: "IP4 192.0.2.15 -> IP4 203.0.113.9, 49217 -> 50000, 3227 -> 50004",
        why: "3.1.2.6: the quote that never ends is in To, which is then unknown; Contact and \
              body are whole",
    },
    Row {
        file: "regaut01.dat",
        nat_test: VIA,
        fix_contact: "",
        rewrite_sdp: NO_SDP,
        why: "3.3.7: authorization is the server's; there is no Contact in this REGISTER",
    },
    Row {
        file: "regbadct.dat",
        nat_test: VIA_CONTACT,
        fix_contact: "example.com -> 203.0.113.5:61234",
        rewrite_sdp: NO_SDP,
        why: "3.1.2.13: a `?` in a bare addr-spec: taken as the URI's headers, it stays, and \
              the host before it is told",
    },
    Row {
        file: "regescrt.dat",
        nat_test: VIA_CONTACT,
        fix_contact: "example.com -> 203.0.113.5:61234",
        rewrite_sdp: NO_SDP,
        why: "3.3.14: the escaped Route in the Contact's headers is part of the registration \
              and stays",
    },
    Row {
        file: "scalar02.dat",
        nat_test: VIA_CONTACT,
        fix_contact: "host129.example.com -> 203.0.113.5:61234",
        rewrite_sdp: NO_SDP,
        why: "3.1.2.4: CSeq and Expires beyond 32 bits are not needed to fix the Contact of a \
              request",
    },
    Row {
        file: "scalarlg.dat",
        nat_test: "",
        fix_contact: "",
        rewrite_sdp: "MP_ERR_SYNTAX: CSeq: expected a number and a method",
        why: "3.1.2.5: a reply without Contact matches nothing; its method is unknown, for \
              CSeq is no number",
    },
    Row {
        file: "sdp01.dat",
        nat_test: VIA_CONTACT_SDP,
        fix_contact: "host15.example.net -> 203.0.113.5:61234",
        rewrite_sdp: "IP4 192.0.2.5 -> IP4 203.0.113.9, 49217 -> 50000, 3227 -> 50004",
        why: "3.3.15: what Accept allows in the answer does not change the offer",
    },
    Row {
        file: "semiuri.dat",
        nat_test: VIA,
        fix_contact: "",
        rewrite_sdp: NO_SDP,
        why: "3.1.1.9: the semicolon before the `@` of the Request-URI is the user's; no \
              Contact",
    },
    Row {
        file: "test.dat",
        nat_test: NO_SIP,
        fix_contact: NO_SIP,
        rewrite_sdp: NO_SIP,
        why: "not of the RFC: its first line has no version, so it is no SIP message",
    },
    Row {
        file: "transports.dat",
        nat_test: VIA,
        fix_contact: "",
        rewrite_sdp: NO_SDP,
        why: "3.1.1.10: any token is a transport; the topmost Via is UDP and means port 5060",
    },
    Row {
        file: "trws.dat",
        nat_test: VIA,
        fix_contact: "",
        rewrite_sdp: NO_SDP,
        why: "3.1.2.10: a space behind the version is read over",
    },
    Row {
        file: "unkscm.dat",
        nat_test: VIA,
        fix_contact: "",
        rewrite_sdp: NO_SDP,
        why: "3.3.2: a Request-URI of an unknown scheme is for the server to refuse",
    },
    Row {
        file: "unksm2.dat",
        nat_test: VIA,
        fix_contact: "",
        rewrite_sdp: NO_SDP,
        why: "3.3.4: Contact has a scheme that is not SIP's: nothing in it is a host to \
              compare or to fix",
    },
    Row {
        file: "unreason.dat",
        nat_test: "source_address source_contact contact_port source_sdp",
        fix_contact: "host198.example.com -> 203.0.113.5:61234",
        rewrite_sdp: "IP4 192.0.2.198 -> IP4 203.0.113.9, 49217 -> 50000, 3227 -> 50004",
        why: "3.1.1.12: a reason phrase in UTF-8 is passed by; the answer's Contact and body \
              are ours",
    },
    Row {
        file: "wsinv.dat",
        nat_test: VIA_CONTACT_SDP,
        fix_contact: "example.com -> 203.0.113.5:61234",
        rewrite_sdp: "IP4 192.0.2.4 -> IP4 203.0.113.9, 49217 -> 50000, 3227 -> 50004",
        why: "3.1.1.1: folds, compact names, spaces around slashes and escaped quotes: all \
              read as meant",
    },
    Row {
        file: "zeromf.dat",
        nat_test: VIA,
        fix_contact: "",
        rewrite_sdp: NO_SDP,
        why: "3.3.11: Max-Forwards 0 is the server's; there is nothing to fix or to rewrite",
    },
];

#[test]
fn what_is_done_with_each_torture_message() {
    compare(kit::here!(), "rfc4475/", &MESSAGES);
}
