//! Which relay a message goes to: the one its call is on, else one of those that
//! answer.

use std::sync::Arc;

use crate::error::Result;
use crate::hash::hash;
use crate::options::Options;
use crate::relay::{Facts, PoolId, Relay, RelayList, Role};
use crate::shared::CallKey;
use crate::shared::health::{AdminState, RelayCounter, RelayHealth, State};
use crate::sip::{Message, Uri};
use crate::worker::Worker;

/// Relays kept that are in no list any more but have calls.
const MAX_RETIRED: usize = 64;

/// What the relay of a call is chosen by. Holds the list it began with.
#[derive(Clone, Debug)]
pub(super) struct Choice {
    pub(super) key: CallKey,
    hash: u64,
    list: Arc<RelayList>,
    /// `None`: no relay is in the set asked for.
    pool: Option<PoolId>,
    /// That set then; empty in all other cases.
    missing: String,
}

impl Choice {
    /// True when more relays could be asked than those tried and the next.
    pub(super) fn has_others(&self, tried: &[u32]) -> bool {
        self.list.len() > tried.len().saturating_add(1)
    }
}

impl Worker {
    /// What the relay of this message's call is chosen by.
    pub(super) fn choice<'m>(
        &self,
        message: &Message<'m>,
        key: CallKey,
        options: &Options,
    ) -> Result<Choice> {
        let list = self.relays.clone();
        let set = options.set.as_str();
        let pool = if list.has_domains(set) {
            let host = |uri: Result<Option<&'m [u8]>>| uri.ok().flatten().and_then(host);
            let (from, to) = (host(message.from_uri()), host(message.to_uri()));
            // To stays the same through a dialog; a Request-URI does not.
            list.pool(set, from.unwrap_or_default(), to.unwrap_or_default())
        } else {
            list.pool(set, b"", b"")
        };
        let missing = if pool.is_none() { set.to_string() } else { String::new() };
        Ok(Choice { key, hash: hash(message.call_id()?), list, pool, missing })
    }

    /// The same where only the Call-ID is known.
    pub(super) fn choice_by_id(&self, call_id: &[u8], key: CallKey) -> Choice {
        let list = self.relays.clone();
        let pool = list.pool("", b"", b"");
        Choice { key, hash: hash(call_id), list, pool, missing: String::new() }
    }

    /// The relay a call is on, also when it is in no list any more.
    pub(super) fn relay_of_call(&mut self, choice: &Choice) -> Option<Arc<Relay>> {
        let identity = self.engine.calls().relay(choice.key)?;
        self.relay_by_identity(identity, &choice.list)
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

    /// The relay to ask next: the one the call is on, while it answers, else
    /// for an offer the one that the choice falls on. The error says why there
    /// is none.
    pub(super) fn choose(
        &mut self,
        choice: &Choice,
        role: Role,
        tried: &[u32],
        now: u64,
    ) -> std::result::Result<Arc<Relay>, String> {
        // A call that ended and is offered again is a new one.
        let over = role == Role::Offer && !self.engine.calls().is_active(choice.key);
        let on = if over { None } else { self.relay_of_call(choice) };
        let on = on.filter(|relay| !tried.contains(&relay.identity));
        if let Some(relay) = &on {
            // An answer goes nowhere else: where connections fail it fails
            // fast.
            if self.may_ask(relay, now) || role == Role::Answer && self.is_unreachable(relay) {
                return Ok(relay.clone());
            }
            if role == Role::Answer {
                let name = &relay.uri.text;
                return Err(format!("relay {name} has the call and does not answer"));
            }
        }
        let chosen = self.choose_new(choice, tried, now);
        // Where no relay answers, those are tried that cost no time.
        let chosen = chosen.or_else(|| on.filter(|relay| self.is_unreachable(relay)));
        let chosen = chosen.or_else(|| {
            let unreachable = |r: &Relay| !tried.contains(&r.identity) && self.is_unreachable(r);
            choice.list.choose(choice.pool?, choice.hash, unreachable).cloned()
        });
        chosen.ok_or_else(|| self.why_none(choice))
    }

    /// True for a relay that refuses connections, which is found out at once.
    pub(super) fn is_unreachable(&self, relay: &Relay) -> bool {
        let state = self.engine.health().state(relay.slot);
        state.health == RelayHealth::Unreachable && state.admin_state == AdminState::Enabled
    }

    /// The relay of a new call.
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
            if self.may_ask(relay, now) {
                return Some(relay.clone());
            }
            // Another process tries it with its own message.
            claimed_by_others.push(relay.identity);
        }
    }

    /// True for a relay that answers; else for the one message that may try it
    /// where no keeper probes.
    pub(super) fn may_ask(&self, relay: &Relay, now: u64) -> bool {
        let health = self.engine.health();
        health.state(relay.slot).is_usable()
            || relay.slot.is_some_and(|slot| health.claim_trial(slot, now))
    }

    fn why_none(&self, choice: &Choice) -> String {
        if choice.list.is_empty() {
            return "no relay is configured; see the settings relay and relays".to_string();
        }
        if choice.pool.is_none() {
            let set = &choice.missing;
            if set.is_empty() {
                return "all relays are for sets or domains that are not this call's; see the \
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

    /// Counts for a relay.
    pub(super) fn count_for(&self, relay: &Relay, counter: RelayCounter) {
        if let Some(slot) = relay.slot {
            self.engine.health().count(slot, counter);
        }
    }

    /// What all processes know of a relay beyond its URI.
    pub(super) fn facts(&self, relay: &Relay) -> Facts {
        Facts::of(self.engine.health(), relay)
    }
}

/// The host of a SIP URI as it is written, without its port.
fn host(uri: &[u8]) -> Option<&[u8]> {
    let uri = Uri::parse(uri).ok()??;
    let host = uri.host_port;
    match memchr::memchr(b':', host) {
        Some(at) if !host.starts_with(b"[") => host.get(..at),
        _ => Some(host),
    }
}
