//! Health and admin state of the relays, shared by all processes. A slot belongs to
//! the relay's identity, so that health follows a relay through every change of the
//! list. An operation visits at most `WINDOW` slots. Each word is valid by itself,
//! so a process may die between any two writes.

mod state;

use std::net::{IpAddr, Ipv6Addr};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::hash::hash;
use crate::shared::block::LINE;
pub use crate::shared::counters::RelayCounter;
use state::ADMIN_SHIFT;
pub use state::{AdminState, RelayHealth, State};

/// Words of one slot: a cache line that is read at each choice, one of counters,
/// and the relay's name.
const SLOT_WORDS: usize = NAME + NAME_WORDS;
const NAME_WORDS: usize = MAX_RELAY_TEXT.div_ceil(8);
/// The longest name of a relay, in bytes.
pub const MAX_RELAY_TEXT: usize = 255;
/// The most relays that were listed within the last minute.
pub const RELAY_SLOTS: usize = 1024;
pub(super) const HEALTH_WORDS: usize = SLOT_WORDS * RELAY_SLOTS;
/// The slots that an operation visits.
const WINDOW: usize = 64;
/// The tries to change a word before the operation gives up.
const TRIES: usize = 64;
/// The tries to claim a slot.
const CLAIMS: usize = 8;
/// A relay that no process has listed for this time may lose its slot (seconds).
const UNLISTED_FOR: u32 = 60;
/// A relay that does not answer is probed this often (milliseconds).
pub const PROBE_EVERY: u64 = 10_000;
/// A relay that refuses connections is probed this often (milliseconds), since
/// such a probe fails at once.
pub const RETRY_EVERY: u64 = 1_000;

// The words of a slot.
const IDENTITY: usize = 0;
const STATE: usize = 1; // see `State`
const LISTED: usize = 2; // when it was last in a list that was loaded (seconds)
const SINCE: usize = 3; // when its health changed (ms)
const NAME_LENGTH: usize = 4;
const NAME_HASH: usize = 5;
const PROTOCOL: usize = 6; // the protocol it answered in; 0: not known
const COUNTED: usize = 8;
const RESOLVED: usize = (COUNTED + RelayCounter::ALL.len()).next_multiple_of(LINE); // 128 bits of IPv6, then a hash of both
const NAME: usize = RESOLVED + LINE;

/// The slot of a relay, with which its health is found without a search.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slot {
    at: u32,
    identity: u32,
}

impl Slot {
    /// The identity of the relay.
    pub fn identity(self) -> u32 {
        self.identity
    }
}

/// The table, over its words in the shared block.
#[derive(Clone, Copy, Debug)]
pub struct HealthTable<'b> {
    words: &'b [AtomicU64],
}

impl<'b> HealthTable<'b> {
    /// A view over its words.
    pub fn new(words: &'b [AtomicU64]) -> Self {
        HealthTable { words }
    }

    fn word(&self, at: u32, word: usize) -> Option<&'b AtomicU64> {
        self.words.get(at as usize * SLOT_WORDS + word)
    }

    fn identity(&self, at: u32) -> u32 {
        self.word(at, IDENTITY).map_or(0, |word| word.load(Ordering::SeqCst) as u32)
    }

    fn window(&self, identity: u32) -> impl Iterator<Item = u32> + use<> {
        let slots = self.words.len() / SLOT_WORDS;
        let start = identity as usize >> 1;
        (0..WINDOW.min(slots)).map(move |step| ((start + step) % slots.max(1)) as u32)
    }

    /// The slot of a relay that was listed.
    pub fn slot(&self, identity: u32) -> Option<Slot> {
        let at = self.window(identity).find(|&at| self.identity(at) == identity)?;
        Some(Slot { at, identity })
    }

    /// The slot of a relay in a list that was loaded at the time `seconds`. A relay
    /// without slot gets a free one, or the one of the relay that was not listed
    /// for longest, at least a minute. `None` when there is no room: such a relay
    /// counts as up. The name is stored for calls on relays that are no longer in
    /// a list.
    pub fn list(&self, identity: u32, name: &str, seconds: u32) -> Option<Slot> {
        if identity == 0 {
            return None;
        }
        for _ in 0..CLAIMS {
            let Some(slot) = self.slot(identity).or_else(|| self.take(identity, seconds)) else {
                continue;
            };
            if let Some(listed) = self.word(slot.at, LISTED) {
                listed.store(u64::from(seconds), Ordering::SeqCst);
            }
            // Two processes may take two slots for one relay at the same time; a
            // process that sees the other's releases its own.
            let copies = || self.window(identity).filter(|&at| self.identity(at) == identity);
            if self.identity(slot.at) != identity {
                continue;
            }
            if copies().count() == 1 {
                self.write_name(slot, name);
                return Some(slot);
            }
            if let Some(word) = self.word(slot.at, IDENTITY) {
                let own = u64::from(identity);
                let _ = word.compare_exchange(own, 0, Ordering::SeqCst, Ordering::SeqCst);
            }
        }
        self.slot(identity)
    }

    fn take(&self, identity: u32, seconds: u32) -> Option<Slot> {
        let owned = |at| {
            let owner = self.word(at, IDENTITY)?.load(Ordering::SeqCst);
            let listed = self.word(at, LISTED)?.load(Ordering::SeqCst);
            let unlisted = seconds.saturating_sub(listed as u32);
            (owner == 0 || unlisted > UNLISTED_FOR).then_some((at, owner, unlisted))
        };
        // A free slot, else that of the relay that was not listed for longest.
        let age = |&(_, owner, unlisted): &(u32, u64, u32)| (owner == 0, unlisted);
        let candidates = || self.window(identity).filter_map(owned);
        let (at, old, _) =
            candidates().find(|found| found.1 == 0).or(candidates().max_by_key(age))?;
        let own = u64::from(identity);
        let owner = self.word(at, IDENTITY)?;
        owner.compare_exchange(old, own, Ordering::SeqCst, Ordering::SeqCst).ok()?;
        for word in SINCE..SLOT_WORDS {
            if let Some(word) = self.word(at, word) {
                word.store(0, Ordering::Relaxed);
            }
        }
        let slot = Slot { at, identity };
        self.update(slot, |_| Some(State::default()));
        Some(slot)
    }

    fn write_name(&self, slot: Slot, name: &str) {
        if self.name(slot).as_deref() == Some(name) || name.len() > MAX_RELAY_TEXT {
            return;
        }
        let store = |at, value| {
            if let Some(word) = self.word(slot.at, at) {
                word.store(value, Ordering::SeqCst);
            }
        };
        store(NAME_LENGTH, name.len() as u64);
        for (at, chunk) in name.as_bytes().chunks(8).enumerate() {
            let mut word = [0; 8];
            word.iter_mut().zip(chunk).for_each(|(to, from)| *to = *from);
            store(NAME + at, u64::from_le_bytes(word));
        }
        store(NAME_HASH, hash(name.as_bytes()));
    }

    /// The name of the relay.
    pub fn name(&self, slot: Slot) -> Option<String> {
        let load = |at| Some(self.word(slot.at, at)?.load(Ordering::SeqCst));
        if self.identity(slot.at) != slot.identity {
            return None;
        }
        let length = usize::try_from(load(NAME_LENGTH)?).ok().filter(|&n| n <= MAX_RELAY_TEXT)?;
        let words = (0..length.div_ceil(8)).map_while(|at| load(NAME + at));
        let name: Vec<u8> = words.flat_map(u64::to_le_bytes).take(length).collect();
        // Another process may be writing it at this moment.
        (load(NAME_HASH)? == hash(&name))
            .then_some(name)
            .and_then(|name| String::from_utf8(name).ok())
    }

    /// The slots of all relays that have one.
    pub fn slots(&self) -> impl Iterator<Item = Slot> + use<'b> {
        let health = *self;
        let slots = (self.words.len() / SLOT_WORDS) as u32;
        (0..slots)
            .map(move |at| Slot { at, identity: health.identity(at) })
            .filter(|slot| slot.identity != 0)
    }

    /// The state of a relay; a relay without a slot is up.
    pub fn state(&self, slot: Option<Slot>) -> State {
        let Some(slot) = slot else { return State::default() };
        match self.word(slot.at, STATE) {
            Some(word) => State::unpack(word.load(Ordering::Acquire), slot.identity),
            None => State::default(),
        }
    }

    /// True when the relay may get a new call; takes one load.
    #[inline]
    pub fn is_available(&self, slot: Slot) -> bool {
        let word = self.word(slot.at, STATE).map_or(0, |word| word.load(Ordering::Acquire));
        word >> ADMIN_SHIFT == 0
    }

    /// Applies `change` to the state, again if another process changes it at the
    /// same time, until `change` returns `None`. True when the state was changed.
    fn update(&self, slot: Slot, change: impl Fn(State) -> Option<State>) -> bool {
        let Some(word) = self.word(slot.at, STATE) else { return false };
        if self.identity(slot.at) != slot.identity {
            return false;
        }
        let mut old = word.load(Ordering::Acquire);
        for _ in 0..TRIES {
            let Some(new) = change(State::unpack(old, slot.identity)) else { return false };
            let new = new.pack(slot.identity);
            match word.compare_exchange_weak(old, new, Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => return true,
                Err(now) => old = now,
            }
        }
        false
    }

    /// Marks a relay whose answer timed out; a probe is due at once. True for the
    /// caller that changed the health, which should log it.
    pub fn mark_suspect(&self, slot: Slot, now: u64) -> bool {
        self.change_health(slot, RelayHealth::Suspect, now, |health| match health {
            RelayHealth::Up | RelayHealth::Unreachable => Some(now),
            RelayHealth::Suspect | RelayHealth::Dead => None,
        })
    }

    /// Marks a relay to which a connection failed. True when that changed the
    /// health.
    pub fn mark_unreachable(&self, slot: Slot, now: u64) -> bool {
        self.change_health(slot, RelayHealth::Unreachable, now, |health| match health {
            RelayHealth::Up => Some(now),
            RelayHealth::Suspect | RelayHealth::Dead => Some(now.saturating_add(RETRY_EVERY)),
            RelayHealth::Unreachable => None,
        })
    }

    /// Marks a relay that did not answer a probe. True when that changed the health.
    pub fn mark_dead(&self, slot: Slot, now: u64) -> bool {
        self.change_health(slot, RelayHealth::Dead, now, |health| match health {
            RelayHealth::Dead => None,
            _ => Some(now.saturating_add(PROBE_EVERY)),
        })
    }

    /// Marks a relay that answered. True when that changed the health.
    pub fn mark_alive(&self, slot: Slot, now: u64) -> bool {
        self.change_health(slot, RelayHealth::Up, now, |health| match health {
            RelayHealth::Up => None,
            _ => Some(0),
        })
    }

    /// Changes the health if `next_probe` returns the time of the next probe.
    fn change_health(
        &self,
        slot: Slot,
        health: RelayHealth,
        now: u64,
        next_probe: impl Fn(RelayHealth) -> Option<u64>,
    ) -> bool {
        let changed = self.update(slot, |state| {
            let next_probe = next_probe(state.health)?;
            Some(State { health, next_probe, ..state })
        });
        if changed && let Some(since) = self.word(slot.at, SINCE) {
            since.store(now, Ordering::Relaxed);
        }
        changed
    }

    /// Claims the probe of a relay that does not answer: true for exactly one
    /// process when the probe is due. The next probe is then due [`PROBE_EVERY`]
    /// later ([`RETRY_EVERY`] if connections fail), even if the claiming process
    /// dies. For the keeper.
    pub fn claim_probe(&self, slot: Slot, now: u64) -> bool {
        self.update(slot, |state| {
            let due = state.is_probed() && now >= state.next_probe;
            let pause =
                if state.health == RelayHealth::Unreachable { RETRY_EVERY } else { PROBE_EVERY };
            due.then_some(State { next_probe: now.saturating_add(pause), ..state })
        })
    }

    /// Claims a trial, for a server without a keeper: true for one message that may
    /// be sent to the relay, when the probe is late by [`RETRY_EVERY`]. With a
    /// keeper no probe is that late. Until the message is answered, a relay that
    /// timed out counts as dead.
    pub fn claim_trial(&self, slot: Slot, now: u64) -> bool {
        self.update(slot, |state| {
            let (health, next_probe) = match state.health {
                RelayHealth::Unreachable => (RelayHealth::Unreachable, now),
                _ => (RelayHealth::Dead, now.saturating_add(PROBE_EVERY - RETRY_EVERY)),
            };
            let tried = State { health, next_probe, ..state };
            state.trial_due(now).then_some(tried)
        })
    }

    /// True when [`HealthTable::claim_trial`] may succeed.
    pub fn trial_due(&self, slot: Slot, now: u64) -> bool {
        self.state(Some(slot)).trial_due(now)
    }

    /// Makes a probe due at once.
    pub fn probe_now(&self, slot: Slot, now: u64) {
        self.update(slot, |state| {
            (state.health != RelayHealth::Up && state.next_probe > now)
                .then_some(State { next_probe: now, ..state })
        });
    }

    /// Sets the admin state. False when the relay no longer has a slot.
    pub fn set_admin_state(&self, slot: Slot, admin_state: AdminState) -> bool {
        self.update(slot, |state| Some(State { admin_state, ..state }))
    }

    /// When the health changed last (ms of the monotonic clock); 0: never.
    pub fn since(&self, slot: Slot) -> u64 {
        self.word(slot.at, SINCE).map_or(0, |word| word.load(Ordering::Relaxed))
    }

    /// The number of the protocol that the relay answered in; 0: not known.
    pub fn protocol(&self, slot: Slot) -> u64 {
        self.word(slot.at, PROTOCOL).map_or(0, |word| word.load(Ordering::Relaxed))
    }

    /// Stores the number of the protocol that the relay answered in; 0: not
    /// known.
    pub fn set_protocol(&self, slot: Slot, number: u64) {
        if let Some(word) = self.word(slot.at, PROTOCOL)
            && word.load(Ordering::Relaxed) != number
        {
            word.store(number, Ordering::Relaxed);
        }
    }

    /// The address that the relay's name was resolved to. `None` when there is none,
    /// and while another process stores one.
    pub fn resolved(&self, slot: Slot) -> Option<IpAddr> {
        let [high, low, sum] = [0, 1, 2].map(|at| {
            self.word(slot.at, RESOLVED + at).map_or(0, |word| word.load(Ordering::Acquire))
        });
        let bits = u128::from(high) << 64 | u128::from(low);
        (sum == address_sum(slot, bits)).then(|| Ipv6Addr::from_bits(bits).to_canonical())
    }

    /// Stores the address that the relay's name was resolved to. For the keeper.
    pub fn set_resolved(&self, slot: Slot, address: IpAddr) {
        let bits = match address {
            IpAddr::V4(ip) => ip.to_ipv6_mapped().to_bits(),
            IpAddr::V6(ip) => ip.to_bits(),
        };
        let words = [(bits >> 64) as u64, bits as u64, address_sum(slot, bits)];
        for (at, value) in words.into_iter().enumerate() {
            if let Some(word) = self.word(slot.at, RESOLVED + at) {
                word.store(value, Ordering::Release);
            }
        }
    }

    /// Adds one to a counter.
    pub fn count(&self, slot: Slot, counter: RelayCounter) {
        if let Some(word) = self.word(slot.at, COUNTED + counter as usize) {
            word.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// The value of a counter.
    pub fn counted(&self, slot: Slot, counter: RelayCounter) -> u64 {
        self.word(slot.at, COUNTED + counter as usize).map_or(0, |w| w.load(Ordering::Relaxed))
    }
}

/// A checksum that shows that two words are one address of this relay. Never 0, the
/// value of a new slot.
fn address_sum(slot: Slot, bits: u128) -> u64 {
    let mut bytes = [0; 20];
    bytes[..16].copy_from_slice(&bits.to_le_bytes());
    bytes[16..].copy_from_slice(&slot.identity.to_le_bytes());
    hash(&bytes) | 1
}

#[cfg(test)]
mod tests;
