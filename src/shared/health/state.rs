//! Health and admin state of one relay, and the word that holds them.

use super::RETRY_EVERY;

// The word: health (2) | admin state (2) | tag (12) | next probe in ms (48)
const NEXT_MASK: u64 = (1 << 48) - 1;
const TAG_MASK: u64 = 0xfff << 48;
pub(super) const ADMIN_SHIFT: u32 = 60;
const HEALTH_SHIFT: u32 = 62;

/// The health of a relay.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RelayHealth {
    /// The relay answers, or was not used yet.
    #[default]
    Up,
    /// A request timed out. The relay is not used until a probe is answered.
    Suspect,
    /// A probe was not answered.
    Dead,
    /// Connections to the relay fail, at once. It is used only if no other relay is
    /// usable, since trying it costs no time.
    Unreachable,
}

impl RelayHealth {
    /// All values, in the order of their numbers.
    pub const ALL: [RelayHealth; 4] =
        [RelayHealth::Up, RelayHealth::Suspect, RelayHealth::Dead, RelayHealth::Unreachable];

    /// The word for an operator.
    pub const fn name(self) -> &'static str {
        match self {
            RelayHealth::Up => "up",
            RelayHealth::Suspect => "suspect",
            RelayHealth::Dead => "dead",
            RelayHealth::Unreachable => "unreachable",
        }
    }
}

/// The admin state of a relay, set by the operator.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AdminState {
    /// The relay is used.
    #[default]
    Enabled,
    /// The relay keeps its calls and gets no new ones.
    Draining,
    /// No request is sent to the relay.
    Disabled,
}

impl AdminState {
    /// All values, in the order of their numbers.
    pub const ALL: [AdminState; 3] =
        [AdminState::Enabled, AdminState::Draining, AdminState::Disabled];

    /// The word for an operator.
    pub const fn name(self) -> &'static str {
        match self {
            AdminState::Enabled => "enabled",
            AdminState::Draining => "draining",
            AdminState::Disabled => "disabled",
        }
    }
}

/// Health and admin state of a relay.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct State {
    /// The health.
    pub health: RelayHealth,
    /// The admin state.
    pub admin_state: AdminState,
    /// The time of the next probe (ms of the monotonic clock); 0 when it is up.
    pub next_probe: u64,
}

impl State {
    /// True when requests may be sent to the relay.
    pub fn is_usable(self) -> bool {
        self.health == RelayHealth::Up && self.admin_state != AdminState::Disabled
    }

    /// True when the relay may get a new call.
    pub fn takes_calls(self) -> bool {
        self.health == RelayHealth::Up && self.admin_state == AdminState::Enabled
    }

    pub(super) fn is_probed(self) -> bool {
        self.health != RelayHealth::Up && self.admin_state != AdminState::Disabled
    }

    pub(super) fn trial_due(self, now: u64) -> bool {
        self.is_probed() && now >= self.next_probe.saturating_add(RETRY_EVERY)
    }

    pub(super) fn unpack(word: u64, identity: u32) -> State {
        if word & TAG_MASK != tag(identity) {
            return State::default();
        }
        State {
            health: match word >> HEALTH_SHIFT {
                0 => RelayHealth::Up,
                1 => RelayHealth::Suspect,
                2 => RelayHealth::Dead,
                _ => RelayHealth::Unreachable,
            },
            admin_state: match word >> ADMIN_SHIFT & 3 {
                0 => AdminState::Enabled,
                1 => AdminState::Draining,
                _ => AdminState::Disabled,
            },
            next_probe: word & NEXT_MASK,
        }
    }

    pub(super) fn pack(self, identity: u32) -> u64 {
        (self.health as u64) << HEALTH_SHIFT
            | (self.admin_state as u64) << ADMIN_SHIFT
            | tag(identity)
            | self.next_probe & NEXT_MASK
    }
}

/// A part of the identity, stored in the state word: a slot changes its owner by
/// another word, so the state may still be that of the relay before. Never 0.
fn tag(identity: u32) -> u64 {
    u64::from(identity >> 20 | 1) << 48
}
