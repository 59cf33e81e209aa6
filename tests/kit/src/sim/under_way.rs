//! Packets that are under way when an agreement changes (RFC 3264 section 8.3.1): the
//! phones still receive on the ports that they had.

use std::net::SocketAddr;

use super::dialog::{Dialog, OfferAnswer, State};
use super::judge::is_ours;
use super::sdp::{EndId, Line, Sdp};
use super::world::World;

/// A packet to a port that was replaced, and the end that receives it.
struct UnderWay {
    from: EndId,
    to: SocketAddr,
    receiver: EndId,
}

fn sends(local: &Line, remote: &Line) -> bool {
    local.is_active()
        && remote.is_active()
        && local.kind.is_relayed()
        && local.direction.sends()
        && remote.direction.receives()
        && is_ours(remote.address.ip())
        && !remote.address.ip().is_unspecified()
        && !local.address.ip().is_unspecified()
}

/// The lines of one agreement by their number.
fn lines<'d>(local: &'d Sdp, remote: &'d Sdp) -> impl Iterator<Item = (Line, Line)> + 'd {
    local.lines.iter().copied().zip(remote.lines.iter().copied())
}

/// What a phone may have sent to ports that its last agreement has replaced.
fn replaced(media: &OfferAnswer) -> Vec<(Line, Line)> {
    let OfferAnswer { local: Some(local), remote: Some(remote), before: Some(before), .. } = media
    else {
        return Vec::new();
    };
    let both = lines(&before.0, &before.1).zip(lines(local, remote));
    both.filter(|((own, other), (own_now, other_now))| {
        sends(own, other) && sends(own_now, other_now) && other.address != other_now.address
    })
    .map(|(pair, _)| pair)
    .collect()
}

impl World {
    /// Checks that what the phones that agree at this moment have sent before, to ports
    /// that are replaced by now, is received. The relay may know the answers of a fork in
    /// another order than the caller, and a NAT lets nothing in for a phone that was silent.
    pub fn check_under_way(&mut self) -> Vec<String> {
        let disturbed = self.disturbed || self.setup.loss > 0 || !self.nats.is_empty();
        if disturbed || self.setup.dispatcher || self.phones().count() > 2 {
            return Vec::new();
        }
        let mut faults = Vec::new();
        for UnderWay { from, to, receiver } in self.under_way() {
            let fate = self.packet(from, to);
            if !self.is_at(fate, receiver) {
                let what = self.described(from, receiver);
                faults.push(format!("media under way is lost: {what}: sent to {to}, {fate:?}"));
            }
        }
        faults
    }

    fn under_way(&self) -> Vec<UnderWay> {
        let live = |dialog: &&Dialog| dialog.state == State::Confirmed;
        // The next offer may be at the relay before this answer.
        let crossed = |dialog: &Dialog| dialog.pending.is_some() || dialog.media.is_doubtful();
        if self.phones().flat_map(|phone| &phone.dialogs).any(|d| d.is_live() && crossed(d)) {
            return Vec::new();
        }
        let dialogs: Vec<&Dialog> = self.phones().flat_map(|p| &p.dialogs).filter(live).collect();
        let mut found = Vec::new();
        for dialog in dialogs.iter().filter(|dialog| dialog.media.agreed_at == self.now) {
            for (own, other) in replaced(&dialog.media) {
                let hears = |(local, remote): (Line, Line)| {
                    (local.end, remote.end) == (other.end, own.end) && local.direction.receives()
                };
                let receives = |dialog: &&Dialog| {
                    let media = &dialog.media;
                    let now = media.local.as_ref().zip(media.remote.as_ref());
                    let before = media.before.as_ref().map(|(local, remote)| (local, remote));
                    now.into_iter().chain(before).flat_map(|(l, r)| lines(l, r)).any(hears)
                };
                if dialogs.iter().any(receives) {
                    found.push(UnderWay { from: own.end, to: other.address, receiver: other.end });
                }
            }
        }
        found
    }
}
