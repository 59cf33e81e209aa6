//! The messages, and what a reader must find in them.

use mediaproxy::internals::relay::Answer;
use mediaproxy::internals::relay::Role;
use mediaproxy::sip::Transport;

/// A message to measure with.
pub(crate) struct Sample {
    /// Its file in `benches/`.
    pub(crate) name: &'static str,
    /// The message.
    pub(crate) raw: &'static [u8],
    /// Its session description cut out, with a NUL behind it; empty when
    /// there is none.
    description: Vec<u8>,
    /// What a peer must find in it.
    pub(crate) expected: Seen,
    /// How it came.
    pub(crate) transport: Transport,
    /// Offer or answer.
    pub(crate) role: Role,
    /// What a relay says to it.
    pub(crate) answer: Answer,
}

/// What a peer found; `struct seen` of `peer.h`. Ports are 0 where none is
/// written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub(crate) struct Seen {
    pub(crate) via_host_length: u32,
    pub(crate) via_port: u32,
    pub(crate) contact_host_length: u32,
    pub(crate) contact_port: u32,
    pub(crate) streams: u32,
}

impl Seen {
    /// What is wrong with it, if anything is.
    pub(crate) fn unlike(self, expected: Seen) -> Option<String> {
        let pairs = [
            ("bytes of Via host", self.via_host_length, expected.via_host_length),
            ("as Via port", self.via_port, expected.via_port),
            ("bytes of Contact host", self.contact_host_length, expected.contact_host_length),
            ("as Contact port", self.contact_port, expected.contact_port),
            ("streams", self.streams, expected.streams),
        ];
        let (what, found, there) = pairs.into_iter().find(|(_, found, there)| found != there)?;
        Some(format!("it found {found} {what}, not {there}"))
    }

    /// What a reader of headers finds.
    pub(crate) fn headers(self) -> Seen {
        Seen { streams: 0, ..self }
    }

    /// What a reader of a session description finds.
    pub(crate) fn description(self) -> Seen {
        Seen { streams: self.streams, ..Seen::default() }
    }
}

impl Sample {
    /// The session description, if there is one.
    pub(crate) fn description(&self) -> Option<&[u8]> {
        self.description.strip_suffix(b"\0")
    }
}

/// All of them.
pub(crate) fn all() -> Vec<Sample> {
    use Role::{Answer, Offer};
    use Transport::{Tcp, Udp};
    macro_rules! sample {
        ($name:literal, $transport:expr, $role:expr, $via:expr, $contact:expr, $streams:expr) => {
            sample(
                ($name, include_bytes!(concat!("../", $name))),
                ($transport, $role),
                ($via, $contact, $streams),
            )
        };
    }
    let anna = ("192.168.178.23", 5062);
    let jonas = ("192.168.178.41", 51872);
    vec![
        sample!("invite.sip", Udp, Offer, anna, anna, 1),
        sample!("ice5.sip", Tcp, Offer, jonas, jonas, 5),
        sample!("multipart.sip", Tcp, Offer, jonas, jonas, 1),
        sample!("register.sip", Udp, Offer, anna, anna, 0),
        sample!("ok.sip", Udp, Answer, ("203.0.113.10", 0), ("10.20.0.51", 5060), 1),
    ]
}

type HostPort = (&'static str, u32);

fn sample(
    (name, raw): (&'static str, &'static [u8]),
    (transport, role): (Transport, Role),
    (via, contact, streams): (HostPort, HostPort, u32),
) -> Sample {
    let length = |host: &str| u32::try_from(host.len()).unwrap();
    let ports = (0u16..).step_by(4).map(|port| 50_000 + port);
    Sample {
        name,
        raw,
        description: if streams == 0 { Vec::new() } else { cut(raw) },
        expected: Seen {
            via_host_length: length(via.0),
            via_port: via.1,
            contact_host_length: length(contact.0),
            contact_port: contact.1,
            streams,
        },
        transport,
        role,
        answer: Answer::Ports {
            address: "203.0.113.9".parse().unwrap(),
            ports: ports.take(usize::try_from(streams).unwrap()).collect(),
            others: Vec::new(),
        },
    }
}

/// From `v=0` to the boundary of a multipart body, or to the end.
fn cut(raw: &[u8]) -> Vec<u8> {
    let text = std::str::from_utf8(raw).unwrap();
    let description = &text[text.find("v=0\r\n").unwrap()..];
    let end = description.find("\r\n--").unwrap_or(description.len());
    let mut cut = description.as_bytes()[..end].to_vec();
    cut.push(0);
    cut
}
