//! The choice of the relay for a message: the call's relay, else a usable one.

use std::sync::Arc;

use crate::error::Result;
use crate::hash::hash;
use crate::options::Options;
use crate::relay::{Facts, PoolId, Relay, RelayList, Role};
use crate::shared::health::{AdminState, RelayCounter, RelayHealth, State};
use crate::sip::{Message, Uri};
use crate::worker::Worker;

/// The number of cached relays that have calls but are in no list any more.
const MAX_RETIRED: usize = 64;

/// The input for the choice of a call's relay, with the list at its start.
#[derive(Clone, Debug)]
pub(super) struct Choice {
    /// The identity of the call's relay, of a stored call.
    pub(super) stored: Option<u32>,
    hash: u64,
    list: Arc<RelayList>,
    /// `None`: no relay is in the set of the options.
    pool: Option<PoolId>,
    /// The set without relays; empty when there is a pool.
    missing: String,
}

impl Choice {
    /// The relay that a new call has when all relays are up: a delete is queued for it.
    pub(super) fn first_choice(&self) -> Option<Arc<Relay>> {
        self.list.choose(self.pool?, self.hash, |_| true).cloned()
    }

    /// True when the list has more relays than those tried and the next one.
    pub(super) fn has_others(&self, tried: &[u32]) -> bool {
        self.list.len() > tried.len().saturating_add(1)
    }
}

impl Worker {
    /// The input for the choice of the relay for a message with this Call-ID, of a call
    /// that is not stored.
    pub(super) fn choice<'m>(
        &self,
        message: &Message<'m>,
        call_id: &[u8],
        options: &Options,
    ) -> Choice {
        let list = self.relays.clone();
        let set = options.set.as_str();
        let pool = if list.has_domains(set) {
            let host = |uri: Result<Option<&'m [u8]>>| uri.ok().flatten().and_then(host);
            let (from, to) = (host(message.from_uri()), host(message.to_uri()));
            // To is the same in all messages of a dialog; the Request-URI is not.
            list.pool(set, from.unwrap_or_default(), to.unwrap_or_default())
        } else {
            list.pool(set, b"", b"")
        };
        let missing = if pool.is_none() { set.to_string() } else { String::new() };
        Choice { stored: None, hash: hash(call_id), list, pool, missing }
    }

    /// The input for the choice when only the Call-ID is known.
    pub(super) fn choice_by_id(&self, call_id: &[u8]) -> Choice {
        let list = self.relays.clone();
        let pool = list.pool("", b"", b"");
        Choice { stored: None, hash: hash(call_id), list, pool, missing: String::new() }
    }

    /// The relay of a stored call, also when it is in no list any more.
    pub(super) fn relay_of_call(&mut self, choice: &Choice) -> Option<Arc<Relay>> {
        self.relay_by_identity(choice.stored?, &choice.list)
    }

    pub(super) fn relay_by_identity(
        &mut self,
        identity: u32,
        list: &RelayList,
    ) -> Option<Arc<Relay>> {
        let retired = || self.retired.iter().find(|relay| relay.identity == identity);
        if let Some(relay) = list.find(identity).or_else(retired) {
            return Some(relay.clone());
        }
        let relay = Arc::new(self.engine.relay(identity)?);
        if self.retired.len() >= MAX_RETIRED {
            self.retired.clear();
        }
        self.retired.push(relay.clone());
        Some(relay)
    }

    /// Chooses the next relay: the call's relay while it is usable, else for an
    /// offer another one. The error has the reason when there is none.
    pub(super) fn choose(
        &mut self,
        choice: &Choice,
        role: Role,
        tried: &[u32],
        now: u64,
    ) -> std::result::Result<Arc<Relay>, String> {
        let on = self.relay_of_call(choice);
        let on = on.filter(|relay| !tried.contains(&relay.identity));
        if let Some(relay) = &on {
            // An answer has no other relay. An unreachable relay fails at once.
            if self.may_use(relay, now) || role == Role::Answer && self.is_unreachable(relay) {
                return Ok(relay.clone());
            }
            if role == Role::Answer {
                let name = &relay.uri.text;
                return Err(format!("relay {name} has the offer of this call and is not usable"));
            }
        }
        let chosen = self.choose_new(choice, tried, now);
        // If no relay is usable, try an unreachable one, which costs no time.
        let chosen = chosen.or_else(|| on.filter(|relay| self.is_unreachable(relay)));
        let chosen = chosen.or_else(|| {
            let unreachable = |r: &Relay| !tried.contains(&r.identity) && self.is_unreachable(r);
            choice.list.choose(choice.pool?, choice.hash, unreachable).cloned()
        });
        chosen.ok_or_else(|| self.why_none(choice))
    }

    /// True for an unreachable relay that is enabled: another attempt fails at
    /// once or succeeds.
    pub(super) fn is_unreachable(&self, relay: &Relay) -> bool {
        let state = self.engine.health().state(relay.slot);
        state.health == RelayHealth::Unreachable && state.admin_state == AdminState::Enabled
    }

    /// Chooses the relay of a new call.
    pub(super) fn choose_new(
        &self,
        choice: &Choice,
        tried: &[u32],
        now: u64,
    ) -> Option<Arc<Relay>> {
        let health = self.engine.health();
        let mut claimed_by_others = Vec::new();
        loop {
            let usable = |relay: &Relay| {
                let Some(slot) = relay.slot else { return !tried.contains(&relay.identity) };
                (health.is_available(slot) || {
                    let state = health.state(Some(slot));
                    state.takes_calls()
                        || state.admin_state == AdminState::Enabled
                            && health.trial_due(slot, now)
                            && !claimed_by_others.contains(&relay.identity)
                }) && !tried.contains(&relay.identity)
            };
            let relay = choice.list.choose(choice.pool?, choice.hash, usable)?;
            if self.may_use(relay, now) {
                return Some(relay.clone());
            }
            // Another process has claimed the trial of this relay.
            claimed_by_others.push(relay.identity);
        }
    }

    /// True for a usable relay, and for the message that has claimed the trial of
    /// another one ([`claim_trial`]).
    ///
    /// [`claim_trial`]: crate::shared::HealthTable::claim_trial
    pub(super) fn may_use(&self, relay: &Relay, now: u64) -> bool {
        let health = self.engine.health();
        health.state(relay.slot).is_usable()
            || relay.slot.is_some_and(|slot| health.claim_trial(slot, now))
    }

    /// The reason why no relay can be chosen.
    fn why_none(&self, choice: &Choice) -> String {
        if choice.list.is_empty() {
            return "no relay is configured; see the settings relay and relays".to_string();
        }
        if choice.pool.is_none() {
            let set = &choice.missing;
            if set.is_empty() {
                return "all relays are for other sets or domains than this call's; see the \
                        settings relay and relays"
                    .to_string();
            }
            return format!("no relay is in the set \"{set}\"; see the settings relay and relays");
        }
        let health = self.engine.health();
        let states: Vec<_> = choice.list.relays().map(|r| health.state(r.slot)).collect();
        let count = |of: &dyn Fn(&State) -> bool| states.iter().filter(|state| of(state)).count();
        let unreachable = count(&|state| state.health != RelayHealth::Up);
        let set_aside = count(&|state| state.admin_state != AdminState::Enabled);
        format!(
            "no usable relay: {unreachable} of {} unreachable or timed out, {set_aside} draining \
             or disabled",
            states.len()
        )
    }

    /// Adds one to a counter of the relay.
    pub(super) fn count_for(&self, relay: &Relay, counter: RelayCounter) {
        if let Some(slot) = relay.slot {
            self.engine.health().count(slot, counter);
        }
    }

    /// The facts about a relay in the shared block.
    pub(super) fn facts(&self, relay: &Relay) -> Facts {
        Facts::of(self.engine.health(), relay)
    }
}

/// The host of a SIP URI as written, without its port.
fn host(uri: &[u8]) -> Option<&[u8]> {
    let uri = Uri::parse(uri).ok()??;
    let host = uri.host_port;
    match memchr::memchr(b':', host) {
        Some(at) if !host.starts_with(b"[") => host.get(..at),
        _ => Some(host),
    }
}
