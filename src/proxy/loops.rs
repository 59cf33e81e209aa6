//! Sessions may point at each other's media ports, but a packet must not come
//! back to the stream that it left. Found when signalling sets a target, so
//! that the packet path has nothing to check.

use super::ids::ChannelId;
use super::media::{Media, Sockets};
use super::warning::Warning;

/// A longer chain of sessions counts as a loop.
const MAX_CHAIN: usize = 32;
/// The most looped ports that are examined again when signalling changes another
/// session; ports beyond them are examined when their own session changes.
const MAX_LOOPED: usize = 64;

impl<S: Sockets> Media<S> {
    /// Examines the ports of a side after signalling changed it.
    pub(super) fn check_loops(&mut self, id: ChannelId, indices: [usize; 2]) {
        for index in indices {
            self.set_looped(id, index, false);
            self.looped.retain(|known| *known != (id, index));
            if self.is_loop(id, index) {
                let target = self.port(id, index).and_then(|port| port.learner.target());
                self.warnings.extend(target.map(Warning::Loop));
                self.set_looped(id, index, true);
                self.looped.push((id, index));
            }
        }
        self.targets_changed = true;
    }

    /// Examines the looped ports again: a closed session or a new SDP may have opened
    /// their loop. Once for all changes of a request, since a request may change many
    /// ports.
    pub(super) fn check_looped_again(&mut self) {
        if !std::mem::take(&mut self.targets_changed) {
            return;
        }
        let surplus = self.looped.len().saturating_sub(MAX_LOOPED);
        self.looped.drain(..surplus);
        let mut looped = std::mem::take(&mut self.looped);
        looped.retain(|&(id, index)| {
            self.set_looped(id, index, false);
            let still = self.is_loop(id, index);
            self.set_looped(id, index, still);
            still
        });
        self.looped = looped;
    }

    /// True when a packet that leaves from this port would come back to its channel.
    fn is_loop(&self, id: ChannelId, index: usize) -> bool {
        let mut at = (id, index);
        for _ in 0..MAX_CHAIN {
            let target = self.port(at.0, at.1).and_then(|port| port.learner.target());
            let Some((channel, arrived)) = target.and_then(|to| self.locals.owner(to)) else {
                return false;
            };
            if channel == id {
                return true;
            }
            // Received on one side, it leaves from the other.
            at = (channel, arrived ^ 2);
        }
        true
    }

    fn set_looped(&mut self, id: ChannelId, index: usize, looped: bool) {
        let rules = &self.rules;
        let channel = usize::try_from(id.0).ok().and_then(|at| self.channels.get_mut(at));
        if let Some(Some(channel)) = channel {
            // The second of a pair is the port that the packets of its index leave from.
            let (_, port) = channel.pair(index ^ 2);
            port.learner.set_looped(looped, rules);
        }
    }
}
