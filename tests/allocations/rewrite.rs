//! A rewrite asks for memory; it must not ask for more and more. The ceilings
//! are what it took when they were written.

use mediaproxy::Edits;
use mediaproxy::Options;
use mediaproxy::internals::media::plan;
use mediaproxy::internals::relay::Answer;
use mediaproxy::internals::relay::Role;
use mediaproxy::sdp::Session;
use mediaproxy::sip::Message;
use mediaproxy::sip::body::find_sdp;

use crate::WARM_UP;
use crate::counting::allocations;
use kit::call::invite;
use kit::relay::Relay;
use kit::{udp, worker};

fn offer(streams: usize) -> Vec<u8> {
    let stream = "m=audio 4000 RTP/AVP 0\nc=IN IP4 192.168.1.10\na=rtcp:4001 IN IP4 192.168.1.10\n";
    let sdp = format!("v=0\no=- 1 1 IN IP4 192.168.1.10\n{}", stream.repeat(streams));
    invite().sdp(sdp).bytes()
}

/// Everything but the relay: read, plan, fill, apply.
fn dry(raw: &[u8], edits: &mut Edits, out: &mut Vec<u8>, answer: &Answer) {
    let message = Message::parse(raw, udp("203.0.113.5:61234")).unwrap();
    let session = Session::parse(find_sdp(&message).unwrap().unwrap()).unwrap();
    let rules = kit::rewriting::rules(Role::Offer);
    edits.reset();
    plan(&message, &session, &rules).unwrap().fill(answer, edits, &mut |_| {}).unwrap();
    edits.apply(&message, out).unwrap();
}

#[test]
fn plan_and_its_edits_stay_below_their_ceiling() {
    for (streams, ceiling) in [(1, 6), (5, 8), (64, 10)] {
        let raw = offer(streams);
        let ports = (0..64).map(|number| 50000 + 4 * number).collect();
        let answer =
            Answer::Ports { address: "203.0.113.9".parse().unwrap(), ports, others: Vec::new() };
        let (mut edits, mut out) = (Edits::new(), Vec::new());
        for _ in 0..WARM_UP {
            dry(&raw, &mut edits, &mut out, &answer);
        }
        let count = allocations(|| dry(&raw, &mut edits, &mut out, &answer));
        println!("{streams} streams: {count} allocations");
        assert!(count <= ceiling, "{streams} streams: {count}");
    }
}

#[test]
fn rewrite_with_its_relay_stays_below_its_ceiling() {
    for (streams, ceiling) in [(1, 8), (5, 10)] {
        let relay = Relay::answering();
        let mut worker = worker(&[("relay", &relay.uri()), ("relay_timeout", "20000")]);
        let raw = offer(streams);
        let (mut edits, mut out) = (Edits::new(), Vec::new());
        let mut rewrite = || {
            let message = Message::parse(&raw, udp("203.0.113.5:61234")).unwrap();
            edits.reset();
            assert!(worker.rewrite_sdp(&message, &Options::default(), &mut edits).unwrap());
            edits.apply(&message, &mut out).unwrap();
        };
        for _ in 0..WARM_UP {
            rewrite();
        }
        let count = allocations(rewrite);
        println!("{streams} streams: {count} allocations");
        assert!(count <= ceiling, "{streams} streams: {count}");
    }
}
