//! Ports on transports with connections (RFC 3261 18.1.1, RFC 5923).

use kit::udp;
use mediaproxy::{Source, Transport};

use super::{KINDS, matched, of_kind};

const CONNECTIONS: [(Transport, &str, u16); 5] = [
    (Transport::Tcp, "TCP", 5060),
    (Transport::Tls, "TLS", 5061),
    (Transport::Sctp, "SCTP", 5060),
    (Transport::Ws, "WS", 5060),
    (Transport::Wss, "WSS", 5061),
];

/// Tests 2, 16 and 512 of one message: Via and Contact at `host`, from 203.0.113.5.
fn ports(kind: (&str, &str), transport: (Transport, &str), host: &str, port: u16) -> u32 {
    let via = format!("SIP/2.0/{} {host}", transport.1);
    let raw = of_kind(kind, &via, &format!("Contact: <sip:a@{host}>"));
    let source = Source { transport: transport.0, ..udp(&format!("203.0.113.5:{port}")) };
    matched(&raw, source, 2 | 16 | 512)
}

#[test]
fn port_of_a_connection_is_not_compared_by_test_2_and_is_by_16_and_512() {
    for (transport, name, default) in CONNECTIONS {
        for kind in KINDS {
            let reply = kind.0.starts_with("SIP/2.0");
            let via_port = if reply { 0 } else { 16 };
            let test = |host: &str, port| ports(kind, (transport, name), host, port);
            for port in [1024, 41_234, 65_535] {
                let found = test("203.0.113.5:5071", port);
                assert_eq!(found, via_port | 512, "{name} {kind:?}: an ephemeral port");
                let found = test("203.0.113.5", port);
                assert_eq!(found, via_port | 512, "{name} {kind:?}: a default port");
                let found = test(&format!("203.0.113.5:{port}"), port);
                assert_eq!(found, 0, "{name} {kind:?}: the port that the phone wrote");
                for host in ["192.168.1.10:5071", "phone.invalid:5071", "198.51.100.7:5071"] {
                    let found = test(host, port);
                    assert_eq!(found, 2 | via_port | 512, "{name} {kind:?}: {host}");
                }
            }
            if !reply {
                assert_eq!(test("203.0.113.5", default) & 16, 0, "{name}: the default port");
            }
        }
    }
}

#[test]
fn port_is_compared_on_udp() {
    for kind in KINDS {
        let via_port = if kind.0.starts_with("SIP/2.0") { 0 } else { 16 };
        let test = |host: &str| ports(kind, (Transport::Udp, "UDP"), host, 41_234);
        assert_eq!(test("203.0.113.5:5071"), 2 | via_port | 512, "{kind:?}");
        assert_eq!(test("203.0.113.5:41234"), 0, "{kind:?}");
    }
}

#[test]
fn transport_of_the_source_decides_and_not_that_of_the_via() {
    let test = |transport, name| ports(KINDS[1], (transport, name), "203.0.113.5:5071", 41_234) & 2;
    assert_eq!(test(Transport::Udp, "TCP"), 2);
    assert_eq!(test(Transport::Tcp, "UDP"), 0);
}
