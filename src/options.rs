//! What a script says about one call, beyond what the message says.

use std::net::IpAddr;

/// Whether a session description is an offer or an answer (RFC 3264).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RoleOption {
    /// Worked out from method, CSeq and the call table.
    #[default]
    Auto,
    /// It is an offer.
    Offer,
    /// It is an answer.
    Answer,
}

/// Relay candidates for ICE streams (setting and option `ice_candidate`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum IceCandidate {
    /// None is inserted.
    #[default]
    None,
    /// Inserted with type preference 0: used when nothing else works.
    LowPriority,
    /// Inserted with type preference 130: preferred to the phone's own.
    HighPriority,
}

impl IceCandidate {
    /// Reads `none`, `low-priority` or `high-priority`, in any case.
    pub fn parse(text: &str) -> Option<Self> {
        let known = [
            ("none", IceCandidate::None),
            ("low-priority", IceCandidate::LowPriority),
            ("high-priority", IceCandidate::HighPriority),
        ];
        let said = known.into_iter().find(|(name, _)| name.eq_ignore_ascii_case(text));
        said.map(|(_, candidate)| candidate)
    }
}

/// Options of one rewrite or end. `Default` leaves everything to the library.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Offer or answer, if the script knows better.
    pub role: RoleOption,
    /// The set of relays a new call chooses from; empty: by domain.
    pub set: String,
    /// The phone's signalling address when the message came through another
    /// proxy; else the message's source.
    pub signaling_ip: Option<IpAddr>,
    /// Where the message goes next: of a relay's addresses, the receiver is told
    /// one of this family. Without it an offer gets one of the sender's family,
    /// until the receiver has answered.
    pub receiver: Option<IpAddr>,
    /// The relay wanted for a new call (a hint to the dispatcher).
    pub media_relay: Vec<u8>,
    /// The server's dialog id; a media timeout can then end the dialog.
    pub dialog_id: Vec<u8>,
    /// Overrides the setting.
    pub ice_candidate: Option<IceCandidate>,
}
