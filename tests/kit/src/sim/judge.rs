//! The reference model: who has agreed with whom by RFC 3264, from what the
//! phones have sent and received, and what follows for packets. It knows
//! nothing of how the library and its relay work.

use std::net::{IpAddr, SocketAddr};

use super::context::{T1, TIMEOUT};
use super::dialog::{Dialog, State};
use super::media::Fate;
use super::message::NodeId;
use super::phone::{Calling, Phone};
use super::sdp::{EndId, Kind, Line, Sdp};
use super::world::{Node, World};

/// After a change of an agreement packets of the earlier one may still pass
/// (milliseconds).
const LINGERING: u64 = 2_500;

/// A relay accepts another source after three seconds of silence (milliseconds).
const RELEARNED: u64 = 3_500;

/// A stream that a phone takes part in: its line and the other side's.
#[derive(Clone, Copy, Debug)]
struct Stream {
    phone: NodeId,
    local: Line,
    remote: Line,
    /// Of dialogs with the same local end the caller sends to the newest only.
    newest: bool,
    early: bool,
    /// An offer waits for its answer, or was refused.
    doubtful: bool,
    /// What the phone sends where it did so before the last agreement too.
    same: bool,
    call_id: u32,
    callee_tag: u32,
    caller: bool,
    offered_at: u64,
    agreed_at: u64,
}

/// True for the addresses of relays and B2BUAs, and for 0.0.0.0.
pub fn is_ours(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => ip.octets()[..3] == [203, 0, 113] || ip.is_unspecified(),
        IpAddr::V6(_) => false,
    }
}

fn pairs<'d>(local: &'d Sdp, remote: &'d Sdp) -> impl Iterator<Item = (Line, Line)> + 'd {
    let both = local.lines.iter().copied().zip(remote.lines.iter().copied());
    // A phone that names a relay's address has none of its own.
    let own = |line: &Line| is_ours(line.address.ip()) && !line.address.ip().is_unspecified();
    both.filter(move |(local, remote)| local.is_active() && remote.is_active() && !own(local))
}

/// The streams of a phone's live dialogs.
fn streams(phone: &Phone, quiet_for: u64) -> Vec<Stream> {
    let mut all = Vec::new();
    for (number, dialog) in phone.dialogs.iter().enumerate().filter(|(_, d)| d.is_live()) {
        let media = &dialog.media;
        let (Some(local), Some(remote)) = (&media.local, &media.remote) else { continue };
        let newest = is_newest(phone, number, dialog, quiet_for);
        let offered_at = local.offered_at.min(remote.offered_at);
        let sent_before = |local: &Line, remote: &Line| {
            let mut before = media.before.iter().flat_map(|(own, other)| pairs(own, other));
            let pair = (local.end, remote.address);
            before.any(|(own, other)| own.direction.sends() && (own.end, other.address) == pair)
        };
        for (local, remote) in pairs(local, remote) {
            let same = sent_before(&local, &remote);
            all.push(Stream {
                phone: phone.id,
                local,
                remote,
                newest,
                early: dialog.state == State::Early,
                doubtful: dialog.pending.is_some() || media.is_doubtful(),
                same,
                call_id: dialog.call_id,
                callee_tag: if dialog.caller { dialog.remote_tag } else { dialog.local_tag },
                caller: dialog.caller,
                offered_at,
                agreed_at: media.agreed_at,
            });
        }
    }
    all
}

/// False when another live dialog of the same call was confirmed later, or while
/// all are early, had early media later.
/// A dialog that ended after `ended_after` counts as live: its BYE may be under way.
fn is_newest(phone: &Phone, number: usize, dialog: &Dialog, ended_after: u64) -> bool {
    let rank = |dialog: &Dialog| (dialog.confirmed_at, dialog.early_media_at);
    let of_call = |other: &Dialog| {
        other.caller
            && (other.call_id, other.local_tag) == (dialog.call_id, dialog.local_tag)
            && (other.is_live() || other.over_at > ended_after)
            && other.media.remote.is_some()
    };
    !dialog.caller
        || phone.dialogs.iter().enumerate().all(|(at, other)| {
            at == number || !of_call(other) || (rank(other), at) < (rank(dialog), number)
        })
}

impl World {
    fn all_streams(&mut self) -> Vec<Stream> {
        let ended_after = if self.is_quiet() { self.now } else { 0 };
        self.phones().flat_map(|phone| streams(phone, ended_after)).collect()
    }

    /// True when the relay may know the answers of a call in another order than the
    /// caller: another phone has answered, or has early media, and the caller has
    /// not heard of it yet, or at nearly the same time.
    fn raced(&self, sender: &Stream, receiver: &Stream, quiet: bool) -> bool {
        let of_call = |caller: bool| {
            let dialogs = self.phones().flat_map(|phone| &phone.dialogs);
            dialogs.filter(move |d| d.caller == caller && d.call_id == sender.call_id)
        };
        let heard = |tag: u32| {
            of_call(true).find(|dialog| dialog.remote_tag == tag).map_or(0, |d| d.early_media_at)
        };
        let tag = sender.callee_tag;
        let own = of_call(false).find(|dialog| dialog.local_tag == tag);
        let confirmed_at = own.map_or(0, |dialog| dialog.confirmed_at);
        // A lost reply comes again, the first time after T1.
        let lossy = self.setup.loss > 0;
        let near = if lossy { 16 * T1 } else { 2 * T1 };
        let early = sender.early || receiver.early;
        of_call(false).filter(|other| other.local_tag != tag).any(|other| {
            if other.confirmed_at > 0 {
                let near = other.confirmed_at.abs_diff(confirmed_at) < TIMEOUT;
                let at_once = other.confirmed_at.abs_diff(confirmed_at) < 2 * T1;
                return early || !quiet || at_once || lossy && near;
            }
            let known = heard(other.local_tag);
            // A relay that has heard of both takes what comes again for a copy.
            let first = own.map_or(0, |dialog| dialog.first_media_at);
            let crossed = lossy && first < other.first_media_at && known < heard(tag);
            let unsettled =
                other.early_media_at > known || known.abs_diff(heard(tag)) < near || crossed;
            sender.caller && early && other.early_media_at > 0 && unsettled
        })
    }

    /// True when the INVITE of a stream's first offer is given up: 64 x T1 have passed
    /// since its CANCEL without a final reply (RFC 3261 section 9.1), or a proxy has
    /// lost its transactions and one of its branches has failed: it sends this
    /// failure upstream, or it has done so before, and the call is over.
    fn is_given_up(&self, stream: &Stream) -> bool {
        let of_call = |call_id: u32| call_id == stream.call_id;
        let cancelled = |calling: &Calling| {
            of_call(calling.message.call_id)
                && calling.cancelled_at > 0
                && !calling.done
                && self.now >= calling.cancelled_at + TIMEOUT
        };
        // A failure that the proxy has not seen before its restart.
        let late = if self.setup.loss > 0 { TIMEOUT } else { T1 };
        let refused = |dialog: &Dialog| {
            of_call(dialog.call_id)
                && !dialog.caller
                && dialog.state == State::Over
                && dialog.confirmed_at == 0
                && stream.offered_at <= dialog.over_at
                && self.restarted_at <= dialog.over_at + late
        };
        let failed = |node: &Node| match node {
            Node::Proxy(proxy) => proxy.has_failed_since(stream.call_id, stream.offered_at),
            _ => false,
        };
        stream.early && self.phones().any(|phone| phone.calls.iter().any(cancelled))
            || (stream.early || self.restarted_at <= stream.agreed_at)
                && self.restarted_at >= stream.offered_at
                && self.restarted_at > 0
                && (self.phones().any(|phone| phone.dialogs.iter().any(refused))
                    || self.nodes.iter().any(failed))
    }

    /// Every packet that must arrive: the sending end, where it is sent, and the
    /// receiving end.
    fn required(&mut self) -> Vec<(EndId, SocketAddr, EndId)> {
        let quiet = self.is_quiet();
        let all = self.all_streams();
        let mut required = Vec::new();
        for sender in &all {
            let back = all.iter().find(|other| {
                (other.local.end, other.remote.end) == (sender.remote.end, sender.local.end)
            });
            let Some(receiver) = back else { continue };
            let unheard = |stream: &Stream| self.relays.get().unheard_at(stream.call_id);
            let since = self.disturbed_at.max(unheard(sender)).max(unheard(receiver));
            let fresh = |stream: &Stream| stream.offered_at > since;
            // Two ends of one stream know of the same offer at the end of it.
            if since > 0 && !(fresh(sender) && fresh(receiver)) {
                continue;
            }
            // A server without memory cannot tell a re-INVITE without a To tag from an
            // initial one.
            if self.restarted_at > 0 && self.setup.without_tags != 0 {
                continue;
            }
            if self.is_given_up(sender) || self.is_given_up(receiver) {
                continue;
            }
            // A relay that has come back learns the old source of a phone that moves.
            let natted = |stream: &Stream| self.nats.contains_key(&stream.phone);
            let agreed_at = sender.agreed_at.max(receiver.agreed_at);
            let learning = natted(sender) || natted(receiver);
            if self.disturbed_at > 0 && learning && self.now < agreed_at + RELEARNED {
                continue;
            }
            let relayed = sender.local.kind.is_relayed();
            let directions = sender.local.direction.sends() && receiver.local.direction.receives();
            // An address that passed unchanged is another matter, and nobody knows
            // the source of a phone that gave no address.
            let known = is_ours(sender.remote.address.ip())
                && is_ours(receiver.remote.address.ip())
                && !sender.remote.address.ip().is_unspecified()
                && !sender.local.address.ip().is_unspecified()
                && !receiver.remote.address.ip().is_unspecified();
            // A NAT lets nothing in before its phone has sent something.
            let open = !self.nats.contains_key(&receiver.phone) || receiver.local.direction.sends();
            let chosen = !sender.caller || sender.newest;
            // The answer is still on its way to the relay.
            let heard = sender.same || sender.offered_at <= receiver.offered_at;
            // A dispatcher hears of no refusal.
            let doubtful = self.setup.dispatcher && (sender.doubtful || receiver.doubtful);
            let raced = !heard || doubtful || self.raced(sender, receiver, quiet);
            if relayed && directions && known && open && chosen && !raced {
                required.push((sender.local.end, sender.remote.address, receiver.local.end));
            }
        }
        required
    }

    /// Checks that all agreed media flows. The first round opens NATs and lets
    /// relays learn; in the second every packet must arrive.
    pub fn check_required(&mut self) -> Vec<String> {
        let required = self.required();
        for (end, to, _) in &required {
            self.packet(*end, *to);
        }
        self.open_nats();
        let mut faults = Vec::new();
        for (end, to, receiver) in required {
            let fate = self.packet(end, to);
            if !self.is_at(fate, receiver) {
                let what = self.described(end, receiver);
                faults
                    .push(format!("agreed media does not arrive: {what}: sent to {to}, {fate:?}"));
            }
        }
        faults
    }

    /// Phones behind NATs that send something, although nobody must receive it.
    fn open_nats(&mut self) {
        let all = self.all_streams();
        for stream in &all {
            let sends = stream.local.direction.sends();
            // Two answers have one port at the relay: what the source of a phone that
            // gave no address is about, nobody could know there.
            let shared = all.iter().filter(|other| other.remote.address == stream.remote.address);
            let known = !stream.local.address.ip().is_unspecified() || shared.count() == 1;
            if sends && known && !stream.remote.address.ip().is_unspecified() {
                self.packet(stream.local.end, stream.remote.address);
            }
        }
    }

    /// What all phones send while time passes.
    pub fn send_media(&mut self) {
        self.open_nats();
    }

    pub(super) fn is_at(&self, fate: Fate, end: EndId) -> bool {
        let Some(expected) = self.ids.ends.get(end as usize - 1) else { return false };
        fate == Fate::Phone(expected.owner, expected.address)
    }

    pub(super) fn described(&self, end: EndId, receiver: EndId) -> String {
        let owner = |end: EndId| {
            let owner = self.ids.ends.get(end as usize - 1).map_or(0, |end| end.owner);
            char::from(b'a' + owner as u8 % 26)
        };
        format!("end {end} of {} to end {receiver} of {}", owner(end), owner(receiver))
    }

    /// True when the phone of `receiver` may hear the phone of `sender`.
    fn may_hear(&self, sender: EndId, receiver: EndId) -> bool {
        let owner = |end: EndId| self.ids.ends.get((end as usize).wrapping_sub(1)).map(|e| e.owner);
        let kind = |sdp: &Option<Sdp>, end: EndId| sdp.as_ref()?.line_of(end).map(|line| line.kind);
        // A refused offer may have given another port: what counts is the phone.
        let has = |sdp: &Option<Sdp>, end: EndId| {
            let mut lines = sdp.iter().flat_map(|sdp| &sdp.lines);
            lines.any(|line| line.end != 0 && owner(line.end) == owner(end))
        };
        let talks = |dialog: &Dialog, own: EndId, other: EndId| {
            let media = &dialog.media;
            let recent =
                self.now < media.agreed_at + LINGERING || self.now < dialog.over_at + LINGERING;
            let kinds = [&media.local, &media.sent].map(|sdp| kind(sdp, own));
            let others = [&media.remote, &media.received].map(|sdp| kind(sdp, other));
            let same = |a: &Option<Kind>| {
                a.is_none_or(|a| others.iter().all(|b| b.is_none_or(|b| a == b)))
            };
            let owns = has(&media.local, own) || has(&media.sent, own);
            let knows = has(&media.remote, other) || has(&media.received, other);
            recent || dialog.is_live() && owns && knows && kinds.iter().all(same)
        };
        let dialogs = |end: EndId| {
            let phones = self.phones().filter(move |phone| Some(phone.id) == owner(end));
            phones.flat_map(|phone| &phone.dialogs)
        };
        // A caller hears every branch of its pending INVITE.
        let calling = |phone: &Phone| {
            let offers =
                |sdp: &Option<Sdp>| sdp.as_ref().is_some_and(|sdp| sdp.line_of(receiver).is_some());
            phone.calls.iter().any(|calling| !calling.done && offers(&calling.message.sdp))
        };
        if self.phones().any(calling) {
            return true;
        }
        // An answer that was lost reaches the relay when it comes again.
        let late = |dialog: &Dialog| {
            let b2bua = matches!(self.setup.topology, "hairpin" | "edge");
            let of_call = |other: &Dialog| b2bua || other.call_id == dialog.call_id;
            self.now < dialog.media.agreed_at + LINGERING && dialogs(receiver).any(of_call)
        };
        if self.setup.loss > 0 && dialogs(sender).any(late) {
            return true;
        }
        // A frozen relay has not heard what the phones have agreed since.
        let unheard = |dialog: &Dialog| self.relays.get().unheard_at(dialog.call_id) > 0;
        if dialogs(receiver).chain(dialogs(sender)).any(unheard) {
            return true;
        }
        // Nobody tells a server that a branch has failed which another proxy has made.
        let elsewhere = matches!(self.setup.topology, "downstream" | "both");
        let unknown = |dialog: &Dialog| {
            let waits = |calling: &Calling| {
                let invite = &calling.message;
                let offers = |sdp: &Sdp| sdp.line_of(sender).is_some();
                !calling.done
                    && invite.call_id == dialog.call_id
                    && invite.sdp.as_ref().is_some_and(offers)
            };
            let failed = dialog.state == State::Over && dialog.confirmed_at == 0;
            failed
                && has(&dialog.media.local, receiver)
                && self.phones().any(|phone| phone.calls.iter().any(waits))
        };
        if elsewhere && dialogs(receiver).any(unknown) {
            return true;
        }
        // For a server that knows a call by an UPDATE only a failure is that of a
        // re-INVITE, which ends nothing.
        let by_update = |dialog: &Dialog| {
            let failed = dialog.state == State::Over && dialog.confirmed_at == 0;
            let changed = dialog.media.is_doubtful() || dialog.media.before.is_some();
            failed && changed && has(&dialog.media.local, receiver)
        };
        if self.restarted_at > 0 && dialogs(receiver).any(by_update) {
            return true;
        }
        let revived = |dialog: &Dialog| self.revived.contains(&dialog.call_id);
        if dialogs(receiver).any(revived) && dialogs(sender).any(revived) {
            return true;
        }
        // Both sides, since the caller's early dialog may not be there yet.
        dialogs(receiver).any(|dialog| talks(dialog, receiver, sender))
            // And a caller is not told that one of several branches has failed.
            || dialogs(sender).any(|dialog| {
                let early = dialog.invite.is_some() || dialog.state == State::Early;
                let until_now = dialog.confirmed_at == 0 && self.now < dialog.over_at + LINGERING;
                (early || until_now) && talks(dialog, sender, receiver)
            })
    }

    /// Lets every end that ever was send to every address that it was ever given,
    /// and checks that nobody hears whom it has not agreed with.
    pub fn check_forbidden(&mut self, given: &[(EndId, SocketAddr)]) -> Vec<String> {
        let mut faults = Vec::new();
        // A dispatcher is told of no failure of a call that its server has forgotten.
        // A server without memory cannot tell a null tag from a missing one.
        let tagless = self.setup.without_tags != 0;
        let forgotten = (self.setup.dispatcher || tagless) && self.restarted_at > 0;
        let over = |phone: &Phone| phone.dialogs.iter().any(|d| d.state == State::Over);
        let again = self.is_tagless_again() && self.phones().any(over);
        if self.relays.get().are_frozen() || forgotten || again {
            return faults;
        }
        self.relays.get().expire();
        for (sender, to) in given.iter().copied() {
            let fate = self.packet(sender, to);
            if let Fate::Loop(at) = fate {
                faults.push(format!("a packet of end {sender} goes round, last to {at}"));
            }
            let Fate::Phone(owner, address) = fate else { continue };
            let ends = self.ids.ends.iter().enumerate();
            let receiver = ends
                .filter(|(_, end)| (end.owner, end.address) == (owner, address))
                .map(|(number, _)| number as EndId + 1)
                .next_back();
            match receiver {
                Some(receiver) if self.may_hear(sender, receiver) => {}
                Some(receiver) => {
                    let what = self.described(sender, receiver);
                    faults.push(format!("a packet that nobody agreed to: {what}, through {to}"));
                }
                None => faults.push(format!("end {sender} reaches the unused address {address}")),
            }
        }
        faults
    }

    /// Where each end sends by now, for [`World::check_forbidden`] later.
    pub fn given(&self) -> Vec<(EndId, SocketAddr)> {
        let mut given = Vec::new();
        for dialog in self.phones().flat_map(|phone| &phone.dialogs) {
            let media = &dialog.media;
            let local = media.local.as_ref().or(media.sent.as_ref());
            let remote = media.remote.as_ref().or(media.received.as_ref());
            let (Some(local), Some(remote)) = (local, remote) else { continue };
            let lines = pairs(local, remote).filter(|(local, _)| local.kind.is_relayed());
            given.extend(lines.map(|(local, remote)| (local.end, remote.address)));
        }
        given
    }

    /// No phone was shown an address that no relay and no B2BUA has.
    pub fn check_shown(&self) -> Vec<String> {
        let mut faults = Vec::new();
        for phone in self.phones() {
            for dialog in &phone.dialogs {
                let media = &dialog.media;
                for sdp in [&media.remote, &media.received].into_iter().flatten() {
                    let shown = sdp.lines.iter().filter(|l| l.is_active() && l.kind.is_relayed());
                    let shown = shown.filter(|line| !is_ours(line.address.ip()));
                    for line in
                        shown.filter(|line| !self.excused.contains(&(line.end, sdp.version)))
                    {
                        let letter = char::from(b'a' + phone.id as u8 % 26);
                        let address = line.address;
                        faults.push(format!("{letter} was shown {address} of end {}", line.end));
                    }
                }
            }
        }
        faults
    }

    /// True when a repeated re-INVITE without a To tag may have begun a new call: for
    /// those who have forgotten the old one it looks like an initial INVITE.
    pub fn is_tagless_again(&self) -> bool {
        let again = self.setup.loss > 0 || self.setup.topology == "spiral";
        self.setup.without_tags != 0 && (again || self.disturbed)
    }

    /// What is left after the last call is over and 64 x T1 have passed.
    pub fn check_left(&mut self) -> Vec<String> {
        let now = self.now;
        if self.is_tagless_again() {
            return Vec::new();
        }
        let mut left = self.relays.get().left();
        let revived = self.revived.len();
        for proxy in self.proxies() {
            if let Some(library) = &proxy.library {
                left.extend(library.left(now, revived));
            }
        }
        left
    }
}
