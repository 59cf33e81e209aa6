//! Messages of every form that judging and fixing tell apart.

use mediaproxy::sip::{Source, Transport};

use kit::call::invite;
use kit::directory::Directory;
use kit::{crlf, udp};

/// A message and where it came from.
pub(crate) struct Heard {
    pub(crate) name: &'static str,
    pub(crate) raw: Vec<u8>,
    pub(crate) source: Source,
    /// Its Contact gets fixed.
    pub(crate) fixed: bool,
    /// Its headers can be read.
    pub(crate) readable: bool,
}

const REQUEST: &str = "REGISTER sip:example.com SIP/2.0";
const FROM_OUTSIDE: &str = "203.0.113.5:61234";

fn heard(name: &'static str, start: &str, contact: &str, source: &str) -> Heard {
    let raw = crlf(&format!(
        "{start}\nVia: SIP/2.0/UDP 192.168.1.10:5060;branch=z9hG4bK1;rport\n\
         From: \"Alice, A\" <sip:alice@example.com>;tag=a\nTo: <sip:alice@example.com>\n\
         Call-ID: c1\nCSeq: 1 INVITE\n{contact}User-Agent: Phone 1.0\nContent-Length: 0\n\n"
    ));
    Heard { name, raw, source: udp(source), fixed: true, readable: true }
}

fn described(name: &'static str, sdp: &str) -> Heard {
    let raw = invite().sdp(sdp.to_string()).bytes();
    Heard { name, raw, source: udp(FROM_OUTSIDE), fixed: true, readable: true }
}

pub(crate) fn messages() -> Vec<Heard> {
    let one = "Contact: <sip:alice@192.168.1.10:5060>\n";
    let as_is = |heard: Heard| Heard { fixed: false, ..heard };
    let streams = "m=audio 4000 RTP/AVP 0\nm=video 4002 RTP/AVP 31\nm=image 4004 udptl t38\n";
    let multipart = crlf(
        "INVITE sip:b@example.com SIP/2.0\nVia: SIP/2.0/UDP 10.0.0.1\nCSeq: 1 INVITE\n\
         Contact: <sip:a@10.0.0.1>\nContent-Type: multipart/mixed;boundary=x\n\n\
         --x\nContent-Type: text/plain\n\nhello\n--x\nContent-Type: application/sdp\n\n\
         v=0\nc=IN IP4 10.0.0.1\nm=audio 4000 RTP/AVP 0\n--x--\n",
    );
    vec![
        heard("one Contact", REQUEST, one, FROM_OUTSIDE),
        heard(
            "a list of Contacts",
            REQUEST,
            "Contact: <tel:+1>, \"A, <B>\" <sip:a@phone.example.com;maddr=10.0.0.1>, sip:b@c\n",
            FROM_OUTSIDE,
        ),
        heard(
            "several Contact headers",
            REQUEST,
            "Contact: *\nm: <mailto:a@b>\nContact: sip:a@10.0.0.1;expires=60\n",
            FROM_OUTSIDE,
        ),
        heard("folded", REQUEST, "Contact\n :\n\tBob\n <sip:a@10.0.0.1>\n", FROM_OUTSIDE),
        heard("to IPv6", REQUEST, one, "[2001:db8::5]:5062"),
        heard(
            "IPv6",
            REQUEST,
            "Contact: <sip:a@[fd00::1]:5060;transport=tls>\n",
            "[2001:db8:1111:2222:3333:4444:5555:6666]:61234",
        ),
        heard("IPv4-mapped", REQUEST, one, "[::ffff:203.0.113.5]:61234"),
        heard("a reply", "SIP/2.0 200 OK", one, FROM_OUTSIDE),
        heard("from a private network", REQUEST, one, "10.9.8.7:5060"),
        Heard {
            source: Source { transport: Transport::Wss, ..udp(FROM_OUTSIDE) },
            ..heard("over WebSocket", REQUEST, one, FROM_OUTSIDE)
        },
        as_is(heard("right already", REQUEST, one, "192.168.1.10:5060")),
        as_is(heard("a redirect", "SIP/2.0 302 Moved", one, FROM_OUTSIDE)),
        as_is(heard("no Contact", REQUEST, "", FROM_OUTSIDE)),
        Heard {
            readable: false,
            ..as_is(heard(
                "a Contact that cannot be read",
                REQUEST,
                "Contact: <sip:\n",
                FROM_OUTSIDE,
            ))
        },
        described("a description", &format!("v=0\nc=IN IP4 192.168.1.10\n{streams}")),
        described(
            "a description with many addresses",
            &format!(
                "v=0\n{}",
                "m=audio 4 RTP/AVP 0\nc=IN IP4 h\nc=IN IP4 i\nc=IN IP6 fd00::1\n".repeat(20)
            ),
        ),
        described("a description that cannot be read", "v=0\nc=IN IP4 10.0.0.1\nm=audio x\n"),
        Heard {
            raw: multipart,
            ..heard("a description in a multipart", REQUEST, one, FROM_OUTSIDE)
        },
    ]
}

/// Messages of clients that the lists name, or nearly.
pub(crate) fn of_listed_clients() -> Vec<Heard> {
    let long = format!("Vendor {} Asymmetric", "x".repeat(200));
    ["Cisco-CP7960G/8.0", "Cisco-CP1", "asymmetric\n phone", &long]
        .into_iter()
        .map(|agent| {
            let contact = format!("Contact: <sip:a@10.0.0.1>\nUser-Agent: {agent}\n");
            let listed = heard("a listed client", REQUEST, &contact, FROM_OUTSIDE);
            // The first User-Agent counts.
            let raw = String::from_utf8(listed.raw).unwrap();
            Heard { raw: raw.replace("User-Agent: Phone 1.0\r\n", "").into_bytes(), ..listed }
        })
        .collect()
}

/// As many clients as asked for, each with a name of its own.
pub(crate) fn of_many_clients(count: usize) -> Vec<Heard> {
    (0..count)
        .map(|number| {
            let one = heard("many", REQUEST, "Contact: <sip:a@10.0.0.1>\n", FROM_OUTSIDE);
            let raw = String::from_utf8(one.raw).unwrap();
            let agent = format!("Cisco-CP79{}0/{number:06}", number % 10);
            Heard { raw: raw.replace("Phone 1.0", &agent).into_bytes(), ..one }
        })
        .collect()
}

/// The two client lists, in files.
pub(crate) struct Lists {
    paths: [String; 2],
    _directory: Directory,
}

impl Lists {
    pub(crate) fn new() -> Lists {
        let directory = Directory::new();
        let sip = "# phones\ncisco-cp79[46]0\nasymmetric.+phone\n^vendor .* asym\n";
        let rtp = "asymmetric\n(phone|gateway) [2-9]\n";
        let paths = [directory.file("sip", sip), directory.file("rtp", rtp)];
        Lists { paths, _directory: directory }
    }

    pub(crate) fn settings(&self) -> [(&'static str, &str); 2] {
        [("sip_asymmetrics", &self.paths[0]), ("rtp_asymmetrics", &self.paths[1])]
    }
}
