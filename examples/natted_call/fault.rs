//! Things broken on purpose, to prove that the checks can fail.

use crate::server::Record;

/// What is broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    NoContactFix,
    NoRewrite,
    NoEnd,
    NoBye,
    NoAnswer,
    LostPacket,
    Stranger,
    Corrupt,
}

const FAULTS: [(&str, Fault, &str); 8] = [
    ("no-contact-fix", Fault::NoContactFix, "the proxy does not call mp_fix_contact"),
    ("no-rewrite", Fault::NoRewrite, "the proxy does not call mp_rewrite_sdp"),
    ("no-end", Fault::NoEnd, "the proxy does not call mp_end_session"),
    ("no-bye", Fault::NoBye, "nobody hangs up"),
    ("no-answer", Fault::NoAnswer, "phone B does not answer"),
    ("lost-packet", Fault::LostPacket, "NAT B loses one packet"),
    ("stranger", Fault::Stranger, "NAT B lets a stranger's packet in"),
    ("corrupt", Fault::Corrupt, "rewritten messages lose their last byte before the check"),
];

/// What the command line asks for.
pub(crate) enum Wanted {
    /// A call through `examples/proxy.c`, perhaps with a fault.
    Proxy(Option<Fault>),
    /// A call through Kamailio.
    Kamailio,
}

impl Wanted {
    /// Reads the command line; the error is the usage.
    pub(crate) fn from_arguments(
        mut arguments: impl Iterator<Item = String>,
    ) -> Result<Wanted, String> {
        let Some(option) = arguments.next() else { return Ok(Wanted::Proxy(None)) };
        let name = arguments.next().unwrap_or_default();
        let found = FAULTS.iter().find(|(known, ..)| *known == name);
        match (option.as_str(), name.as_str(), found, arguments.next()) {
            ("--fault", _, Some((_, fault, _)), None) => Ok(Wanted::Proxy(Some(*fault))),
            ("--server", "kamailio", _, None) => Ok(Wanted::Kamailio),
            _ => {
                let mut usage = String::from(
                    "usage: natted_call [--server kamailio | --fault NAME], NAME one of",
                );
                for (name, _, what) in FAULTS {
                    usage.push_str(&format!("\n  {name:<16}{what}"));
                }
                Err(usage)
            }
        }
    }
}

impl Fault {
    /// The proxy's part in it.
    pub(crate) fn proxy_arguments(self) -> &'static [&'static str] {
        match self {
            Fault::NoContactFix => &["--without", "mp_fix_contact"],
            Fault::NoRewrite => &["--without", "mp_rewrite_sdp"],
            Fault::NoEnd => &["--without", "mp_end_session"],
            _ => &[],
        }
    }
}

/// Takes the last byte of each rewritten message that has a body.
pub(crate) fn corrupt(records: &mut [Record]) {
    for edited in records.iter_mut().filter_map(|record| record.edited.as_mut()) {
        if !edited.ends_with(b"\r\n\r\n") {
            edited.pop();
        }
    }
}
