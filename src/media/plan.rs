//! The plan of a rewrite: which bytes of the message will say what, worked out
//! before the relay is asked. A plan owns offsets only; it borrows nothing, so
//! it can wait for the relay without holding the message.

use std::net::{IpAddr, SocketAddr};

use crate::edit::Edits;
use crate::error::Result;
use crate::media::Role;
use crate::options::IceCandidate;
use crate::relay::Answer;
use crate::sdp::{Direction, Session};
use crate::sip::Message;

/// One stream as the relay is told of it: m= lines of a relayable transport,
/// port-0 ones too, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stream {
    /// `audio`, `video`, ...
    pub kind: Vec<u8>,
    /// The address as written in the c= line that holds.
    pub address: Vec<u8>,
    /// The same, if it is a literal address.
    pub ip: Option<IpAddr>,
    /// The port; 0 when the stream is off.
    pub port: u16,
    /// The direction.
    pub direction: Direction,
    /// The stream gets relay candidates.
    pub ice: bool,
}

/// How to plan.
#[derive(Clone, Copy)]
pub struct Rules<'r> {
    /// Offer or answer.
    pub role: Role,
    /// Relay candidates.
    pub ice_candidate: IceCandidate,
    /// Also replace the address in o=.
    pub rewrite_origin: bool,
    /// Write and honour a=nortpproxy:yes.
    pub loop_marker: bool,
    /// Tells an address and port that is already this call's at its relay (a
    /// spiral): such a stream is left alone.
    pub ours: &'r dyn Fn(SocketAddr) -> bool,
}

/// A planned rewrite.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// The streams the relay is asked for. Empty: nothing to ask, no edits.
    pub streams: Vec<Stream>,
}

impl Plan {
    /// Turns the relay's answer into edits of the verb `RewriteSdp`, all or
    /// none. Fewer ports than streams, or port 0 for a stream that is on: an
    /// error for an offer; for an answer those streams keep what they have and
    /// `complain` is told. The answer's whole body, where a relay returns one,
    /// replaces the body by one edit.
    pub fn fill(
        &self,
        answer: &Answer,
        edits: &mut Edits,
        complain: &mut dyn FnMut(&str),
    ) -> Result<()> {
        let _ = (answer, edits, complain);
        todo!()
    }
}

/// Plans the rewrite of `session`, which lies in `message`.
pub fn plan(message: &Message<'_>, session: &Session<'_>, rules: &Rules<'_>) -> Result<Plan> {
    let _ = (message, session, rules);
    todo!()
}
