//! Lines of an answer whose media does not pass the relay although it could.

use std::net::SocketAddr;

use super::{Named, Planner, line_bit};
use crate::sdp::{Connection, Media};

impl<'a> Planner<'_, '_, 'a> {
    /// Notes the first line that [`Plan::unserved`] is about. Only with the stored lines
    /// of the offer; not where a relay has nothing to do: on hold, on a multicast
    /// address, with ICE, or already at the relay.
    #[cold]
    pub(super) fn note_unserved(
        &mut self,
        index: usize,
        media: &Media<'a>,
        connection: Option<&Connection<'a>>,
    ) {
        let Some(lines) = self.rules.relayed_lines else { return };
        let relayed = lines & line_bit(index) != 0;
        let Some(connection) = connection.filter(|connection| connection.is_internet()) else {
            return;
        };
        let address = connection.host.ip().map(|ip| SocketAddr::new(ip, media.port));
        let is_served = media.port == 0
            || !(relayed || media.relayable())
            || connection.is_multicast()
            || connection.is_unspecified()
            || media.ice.credentials
            || self.session.ice_credentials
            || address.is_some_and(|address| (self.rules.ours)(index, address));
        if !is_served && self.plan.unserved.is_none() {
            let named = Named(index, media.kind);
            let reason = match relayed {
                true => "the answer changes its transport",
                false => "its offer has no relayed line there",
            };
            let text = format!("{named} of the answer keeps its own address: {reason}");
            self.plan.unserved = Some(text.into());
        }
    }
}
