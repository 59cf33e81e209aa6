//! A call that rings at two phones: early media of both, one that fails, two
//! that answer.

use std::net::{SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use crate::phone::{Call, Phone};
use crate::scene::{Scene, audio_of, everywhere, hang_up, negotiate};
use kit::audio::packet;
use kit::netns::{PHONE, SERVER};
use kit::running::PATIENCE;
use kit::sip::Sip;

/// How long nothing must come.
const SILENCE: Duration = Duration::from_millis(300);

/// Alice calls bob, who has two phones behind one NAT.
pub(crate) struct Fork {
    pub(crate) call: Call,
    /// The phone beside `scene.bob`.
    pub(crate) other: Phone,
    /// The INVITE as each of the two phones got it.
    pub(crate) first: Sip,
    pub(crate) second: Sip,
}

impl Fork {
    pub(crate) fn ring(scene: &mut Scene<'_>, id: &str) -> Fork {
        let mut other = Phone::udp_at("bob", &scene.network.phones[1], PHONE, SERVER, 5070);
        scene.register();
        other.register();
        Fork::call(scene, other, id)
    }

    /// The two phones ring for another call.
    pub(crate) fn ring_again(self, scene: &mut Scene<'_>, id: &str) -> Fork {
        Fork::call(scene, self.other, id)
    }

    fn call(scene: &mut Scene<'_>, mut other: Phone, id: &str) -> Fork {
        let (call, first) = scene.calling(id);
        let second = other.request("INVITE");
        assert_eq!(first.media(), second.media(), "one offer, one port of the relay");
        Fork { call, other, first, second }
    }

    /// Both phones answer at once, each before a CANCEL can reach it. What alice
    /// got: the answer of `scene.bob`, and that of the other phone.
    pub(crate) fn answered_twice(&mut self, scene: &mut Scene<'_>) -> [Sip; 2] {
        let answers = [audio_of(&scene.bob, 1), audio_of(&self.other, 1)];
        scene.bob.answers_in_a_fork = true;
        self.other.answers_in_a_fork = true;
        scene.bob.answer(&self.first, "200 OK", "", &answers[0]);
        self.other.answer(&self.second, "200 OK", "", &answers[1]);
        let oks = [scene.alice.response(200, "INVITE"), scene.alice.response(200, "INVITE")];
        let from = |tag: &str| {
            let found = oks.iter().find(|ok| ok.first("To").ends_with(tag));
            found.unwrap_or_else(|| panic!("no answer of {tag}")).clone()
        };
        let (first, second) = (from("tag-bob-5060"), from("tag-bob-5070"));
        scene.alice.acknowledge(&mut self.call.clone(), &first, "");
        scene.bob.request("ACK");
        scene.alice.acknowledge(&mut self.call.clone(), &second, "");
        self.other.request("ACK");
        [first, second]
    }

    /// Alice ends the dialog that this answer made; `callee` is its phone.
    pub(crate) fn hang_up(call: &Call, alice: &mut Phone, ok: &Sip, callee: &mut Phone) {
        let mut call = call.forked(ok);
        // After the ACK.
        call.dialog.cseq += 1;
        alice.ask(&mut call, "BYE", "", "");
        let bye = callee.request("BYE");
        callee.answer(&bye, "200 OK", "", "");
        alice.response(200, "BYE");
    }

    /// One phone has early media, then each of them is busy.
    pub(crate) fn all_busy(&mut self, scene: &mut Scene<'_>) {
        let early = audio_of(&scene.bob, 1);
        scene.bob.answer(&self.first, "183 Session Progress", "", &early);
        scene.alice.response(183, "INVITE");
        self.other.answer(&self.second, "486 Busy Here", "", "");
        self.other.request("ACK");
        scene.bob.answer(&self.first, "486 Busy Here", "", "");
        scene.not_answered(&self.call, 486);
    }

    /// The other phone answers; what alice got.
    pub(crate) fn answered_by_other(&mut self, scene: &mut Scene<'_>) -> Sip {
        let answer = audio_of(&self.other, 1);
        self.other.answer(&self.second, "200 OK", "", &answer);
        let ok = scene.alice.response(200, "INVITE");
        scene.alice.acknowledge(&mut self.call, &ok, "");
        self.other.request("ACK");
        ok
    }
}

/// One phone is busy before the other one has said anything.
#[test]
fn fast_busy_of_one_branch_keeps_the_call() {
    everywhere(kit::here!(), |scene| {
        let mut fork = Fork::ring(scene, "fast-busy@x");
        scene.bob.answer(&fork.first, "486 Busy Here", "", "");
        scene.bob.request("ACK");
        fork.other.answer(&fork.second, "180 Ringing", "", "");
        scene.alice.response(180, "INVITE");
        let ok = fork.answered_by_other(scene);
        scene.talk_with(&fork.other, ok.media(), fork.second.media());
        hang_up(&mut scene.alice, &mut fork.call, &mut fork.other);
    });
}

/// One phone, whose early media was heard, gives up while the other one's is.
#[test]
fn busy_branch_keeps_the_early_media_of_the_other() {
    everywhere(kit::here!(), |scene| {
        let mut fork = Fork::ring(scene, "early-busy@x");
        let early = [audio_of(&scene.bob, 1), audio_of(&fork.other, 1)];
        scene.bob.answer(&fork.first, "183 Session Progress", "", &early[0]);
        scene.alice.response(183, "INVITE");
        fork.other.answer(&fork.second, "183 Session Progress", "", &early[1]);
        let progress = scene.alice.response(183, "INVITE");
        scene.bob.answer(&fork.first, "486 Busy Here", "", "");
        scene.bob.request("ACK");
        scene.talk_with(&fork.other, progress.media(), fork.second.media());
        let ok = fork.answered_by_other(scene);
        assert_eq!(ok.media(), progress.media());
        scene.talk_with(&fork.other, ok.media(), fork.second.media());
        hang_up(&mut scene.alice, &mut fork.call, &mut fork.other);
    });
}

/// All phones are busy: nothing is left of the call.
#[test]
fn busy_reply_of_all_branches_leaves_no_session() {
    everywhere(kit::here!(), |scene| {
        Fork::ring(scene, "all-busy@x").all_busy(scene);
    });
}

#[test]
fn two_answers_first_kept() {
    everywhere(kit::here!(), first_kept);
}

/// Both phones answer. Alice keeps the first one and hangs up the second.
pub(crate) fn first_kept(scene: &mut Scene<'_>) {
    let mut fork = Fork::ring(scene, "first-kept@x");
    let [first, second] = fork.answered_twice(scene);
    Fork::hang_up(&fork.call, &mut scene.alice, &second, &mut fork.other);
    scene.talk(first.media(), fork.first.media());
    Fork::hang_up(&fork.call, &mut scene.alice, &first, &mut scene.bob);
}

#[test]
fn two_answers_second_kept() {
    everywhere(kit::here!(), second_kept);
}

/// Both phones answer. Alice hangs up the first one, keeps the second and sends a
/// re-INVITE to it.
pub(crate) fn second_kept(scene: &mut Scene<'_>) {
    let mut fork = Fork::ring(scene, "second-kept@x");
    let [first, second] = fork.answered_twice(scene);
    Fork::hang_up(&fork.call, &mut scene.alice, &first, &mut scene.bob);
    scene.talk_with(&fork.other, second.media(), fork.second.media());
    let mut call = fork.call.forked(&second);
    call.dialog.cseq += 2;
    let (offer, answer) = (audio_of(&scene.alice, 2), audio_of(&fork.other, 2));
    let (invite, ok) = negotiate(&mut scene.alice, &mut call, &mut fork.other, &offer, &answer);
    scene.talk_with(&fork.other, ok.media(), invite.media());
    hang_up(&mut scene.alice, &mut call, &mut fork.other);
}

/// Both phones are heard before one answers; then that one only, at once.
#[test]
fn early_media_of_two_branches() {
    everywhere(kit::here!(), |scene| {
        let mut fork = Fork::ring(scene, "early@x");
        let alice = scene.alice.media_socket(0);
        let phones = [scene.bob.media_socket(0), fork.other.media_socket(0)];
        let relay = fork.first.media();
        let early = [audio_of(&scene.bob, 1), audio_of(&fork.other, 1)];
        scene.bob.answer(&fork.first, "183 Session Progress", "", &early[0]);
        let progress = scene.alice.response(183, "INVITE");
        // It opens alice's NAT for the relay.
        alice.send_to(&packet(9, 0), progress.media()).expect("a packet goes out");
        is_heard(&phones[0], relay, 1, &alice);
        fork.other.answer(&fork.second, "183 Session Progress", "", &early[1]);
        scene.alice.response(183, "INVITE");
        is_heard(&phones[1], relay, 2, &alice);
        is_heard(&phones[0], relay, 1, &alice);

        let ok = fork.answered_by_other(scene);
        let after = is_heard(&phones[1], relay, 2, &alice);
        assert!(after < Duration::from_secs(1), "{after:?}");
        is_not_heard(&phones[0], relay, 1, &alice);
        scene.talk_with(&fork.other, ok.media(), relay);

        let cancel = scene.bob.request("CANCEL");
        scene.bob.answer(&cancel, "200 OK", "", "");
        scene.bob.answer(&fork.first, "487 Request Terminated", "", "");
        scene.bob.request("ACK");
        scene.talk_with(&fork.other, ok.media(), relay);
        hang_up(&mut scene.alice, &mut fork.call, &mut fork.other);
    });
}

/// Sends packets from a socket until `heard` gets one of them: the time it took.
fn is_heard(from: &UdpSocket, relay: SocketAddr, source: u32, heard: &UdpSocket) -> Duration {
    let start = Instant::now();
    while start.elapsed() < PATIENCE {
        from.send_to(&packet(source, 1), relay).expect("a packet goes out");
        if comes(heard, source, Duration::from_millis(20)) {
            return start.elapsed();
        }
    }
    panic!("no packet of {source} came");
}

/// None of ten packets comes through.
fn is_not_heard(from: &UdpSocket, relay: SocketAddr, source: u32, heard: &UdpSocket) {
    while comes(heard, source, SILENCE) {}
    for _ in 0..10 {
        from.send_to(&packet(source, 1), relay).expect("a packet goes out");
    }
    assert!(!comes(heard, source, SILENCE), "{source} is still heard");
}

/// True when a packet of this source comes in time.
fn comes(heard: &UdpSocket, source: u32, patience: Duration) -> bool {
    let end = Instant::now() + patience;
    heard.set_nonblocking(false).expect("a socket that waits");
    while let Some(left) = end.checked_duration_since(Instant::now()).filter(|d| !d.is_zero()) {
        heard.set_read_timeout(Some(left)).expect("a timeout");
        let mut buffer = [0; 2048];
        if let Ok((length, _)) = heard.recv_from(&mut buffer)
            && buffer[..length] == packet(source, 1)
        {
            return true;
        }
    }
    false
}
