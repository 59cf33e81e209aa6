//! Messages without SDP that change the state of a call: an INVITE that starts one,
//! and the replies to it.

use crate::error::Result;
use crate::log::Level;
use crate::options::Options;
use crate::relay::{Query, Scope};
use crate::shared::calls::{DeleteScope, LegState, LegStatus};
use crate::shared::{CallMessage, Delete};
use crate::sip::{Message, Method};
use crate::worker::deletes::{Sent, cancel_crossed_delete};
use crate::worker::rewrite::has_null_to_tag;
use crate::worker::{Worker, seconds};

impl Worker {
    /// Stores what a reply does to its dialog whatever its SDP. A 2xx whose dialog had a
    /// BYE before ends the call with it, if it is the only one.
    pub(super) fn store_reply(
        &mut self,
        message: &Message<'_>,
        call: &CallMessage,
        leg: &LegState<'_>,
        now: u64,
    ) -> Result<()> {
        let engine = self.engine.clone();
        let over = engine.calls().reply_without_sdp(call, seconds(now));
        cancel_crossed_delete(&engine, call, now);
        if over != DeleteScope::Call {
            return Ok(());
        }
        let list = self.relays.clone();
        let relay = leg.relay().and_then(|relay| self.relay_by_identity(relay, &list));
        let Some(relay) = relay else { return Ok(()) };
        let delete = Delete {
            relay: relay.identity,
            scope: Scope::Session,
            cseq: leg.initial_cseq(),
            branch: 0,
            call_id: message.call_id()?.to_vec(),
            from_tag: message.from_tag()?.to_vec(),
            to_tag: message.to_tag()?.to_vec(),
        };
        self.delete(call.key, delete, &relay, now);
        Ok(())
    }

    /// Stores the state that a message without SDP gives its call, and reports it
    /// to a relay with the capability for it, without waiting for the answer: a
    /// provisional reply, which keeps an unanswered session, and a 200, which
    /// confirms its dialog.
    pub(super) fn message_without_sdp(
        &mut self,
        message: &Message<'_>,
        call: &CallMessage,
        leg: &LegState<'_>,
        options: &Options,
        now: u64,
    ) -> Result<()> {
        let engine = self.engine.clone();
        let calls = engine.calls();
        let provisional = match (call.method, call.status) {
            (Method::Invite, Some(101..=199)) => true,
            (Method::Invite, Some(200..=299)) => false,
            (Method::Invite, None) if call.is_initial_invite() => {
                // The offer comes in a reply. Until then no relay has the call.
                calls.begin_found(leg, seconds(now));
                return Ok(());
            }
            _ => {
                calls.refresh(leg, seconds(now));
                return Ok(());
            }
        };
        self.store_reply(message, call, leg, now)?;
        let useless = match leg.status() {
            LegStatus::Ended => true,
            LegStatus::Established => provisional,
            // A relay may have a call that the server no longer stores.
            LegStatus::Unknown | LegStatus::Pending | LegStatus::Cancelled => false,
        };
        if useless || leg.relayed_upstream() {
            return Ok(());
        }
        let mut choice = self.choice(message, message.call_id()?, options);
        choice.stored = leg.relay();
        let health = engine.health();
        let relay = match leg.status() {
            LegStatus::Unknown => self.choose_new(&choice, &[], now),
            _ => self.relay_of_call(&choice),
        };
        let relay = relay.filter(|relay| health.state(relay.slot).is_usable());
        let Some(relay) = relay.filter(|relay| {
            let has = relay.capabilities(self.facts(relay));
            if provisional { has.provisional_reports } else { has.bodyless_200 }
        }) else {
            return Ok(());
        };
        let mut query = Query::default();
        self.fill_query(&mut query, message, call.cseq, options)?;
        query.branch = call.branch;
        query.null_to_tag = has_null_to_tag(call, leg);
        if self.send_unawaited(query, &relay, Sent::Report, now).is_err() {
            let (name, call_id) = (&relay.uri.text, message.call_id()?.escape_ascii());
            let text = format_args!("relay {name}: call {call_id}: reply without SDP not sent");
            engine.log().write(Level::Warning, text);
        }
        Ok(())
    }
}
