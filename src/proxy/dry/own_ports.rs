//! Sessions that name the relay's own ports, and private addresses.

use super::phones::{Line, Sdp, World, at};

const A: Sdp = "198.51.100.1:4000";
const A_NEW: Sdp = "198.51.100.1:4010";
const B: Sdp = "198.51.100.2:5000";

/// A call whose initial offer was sent: the ports that callees send to.
fn offered(world: &mut World) -> std::net::SocketAddr {
    world.send("request", 1, "a>", A).first()
}

/// Two servers one after the other use one relay: the second one sends what the first
/// one has written.
#[test]
fn message_that_passes_two_servers_keeps_its_ports() {
    let from = "signaling_ip: 192.0.2.80\r\n";
    let spiral = |world: &mut World, kind: &str, cseq: u32, tags: &str, line: &Line| {
        let written = line.first().to_string();
        let again = world.send_in("c", kind, cseq, tags, &written, from);
        assert_eq!((again.0.as_str(), again.first()), (line.0.as_str(), line.first()));
    };
    for early in [false, true] {
        let mut world = World::new();
        let offer = world.send("request", 1, "a>", A);
        spiral(&mut world, "request", 1, "a>", &offer);
        if early {
            let answer = world.send("reply", 1, "a>?b", B);
            spiral(&mut world, "reply", 1, "a>?b", &answer);
            let update = world.send("request", 2, "a>b", A);
            spiral(&mut world, "request", 2, "a>b", &update);
            let answer = world.send("reply", 2, "a>b", B);
            spiral(&mut world, "reply", 2, "a>b", &answer);
        }
        let answer = world.send("reply", 1, "a>b", B);
        spiral(&mut world, "reply", 1, "a>b", &answer);
        world.reaches(A, answer.first(), B);
        world.reaches(B, offer.first(), A);
        let offer = world.send("request", 7, "b>a", "198.51.100.2:5010");
        spiral(&mut world, "request", 7, "b>a", &offer);
        let answer = world.send("reply", 7, "b>a", A_NEW);
        spiral(&mut world, "reply", 7, "b>a", &answer);
        world.reaches(A_NEW, offer.first(), "198.51.100.2:5010");
        world.reaches("198.51.100.2:5010", answer.first(), A_NEW);
        assert_eq!(world.proxy.warnings(), (0, 0));
    }
}

/// Two sessions with the same relay: the B2BUA between them passes on the SDPs.
fn bypassed(world: &mut World, own: &str, call: &str, tags: [&str; 2]) {
    let [first, second] = tags;
    let named = |at: std::net::SocketAddr| format!("{own}:{}", at.port());
    let b2bua = "signaling_ip: 198.51.100.20\r\n";
    let p1 = world.send("request", 1, &format!("{first}>"), A).first();
    let tag = format!("{second}>");
    let for_b = world.send_in(call, "request", 1, &tag, &named(p1), b2bua).first();
    let p2 = world.send_in(call, "reply", 1, &format!("{second}>t2"), B, "").first();
    let tag = format!("{first}>t1");
    let for_a = world.send_in("c", "reply", 1, &tag, &named(p2), b2bua).first();
    for pause in [0, 4_000, 60_000] {
        world.reaches(A, for_a, B);
        world.reaches(B, for_b, A);
        world.wait(pause);
    }
    assert_eq!(world.proxy.warnings(), (0, 0));
    // Its packets come from the other session's port and from nowhere else.
    world.reaches_nobody("198.51.100.20:7000", p1);
    world.reaches_nobody("198.51.100.20:7000", p2);
}

#[test]
fn sessions_that_point_at_each_other_relay_at_once() {
    for own in ["192.0.2.1", "203.0.113.99"] {
        for (call, tags) in [("d", ["a", "a"]), ("c", ["a", "z"])] {
            let mut world = World::with(|config| {
                config.advertised = vec!["203.0.113.99".parse().unwrap()];
            });
            bypassed(&mut world, own, call, tags);
        }
    }
}

#[test]
fn session_that_points_at_itself_gets_nothing_and_is_reported_once() {
    for port in [30_000, 30_002] {
        let mut world = World::new();
        offered(&mut world);
        let own: String = format!("192.0.2.1:{port}");
        let from = "signaling_ip: 198.51.100.2\r\n";
        let caller = world.send_in("c", "reply", 1, "a>b", &own, from).first();
        world.reaches_nobody(A, caller);
        world.send_in("c", "request", 5, "b>a", "192.0.2.1:30002", from);
        assert_eq!(world.proxy.warnings(), (1, 0));
        // A correct answer mends it.
        world.send("request", 6, "b>a", B);
        let callee = world.send("reply", 6, "b>a", A).first();
        world.reaches(B, callee, A);
    }
}

#[test]
fn circle_of_sessions_gets_nothing_until_it_is_opened() {
    let mut world = World::new();
    let from = "signaling_ip: 198.51.100.20\r\n";
    let c1 = world.send("request", 1, "a>", A).first().to_string();
    let d1 = world.send_in("d", "request", 1, "a>", &c1, from).first();
    world.send_in("d", "reply", 1, "a>?b", B, "");
    // One branch of the second session names the port that A sends to.
    let d2 = world.send_in("d", "reply", 1, "a>?x", "192.0.2.1:30000", from).first();
    assert_eq!(world.proxy.warnings().0, 0);
    let c2 = world.send_in("c", "reply", 1, "a>t", &d2.to_string(), from).first();
    assert_eq!(c2, at("192.0.2.1:30000"));
    assert_eq!(world.proxy.warnings().0, 1);
    world.reaches_nobody(A, c2);
    // The other branch takes the call.
    world.send_in("d", "reply", 1, "a>b", B, "");
    world.reaches(A, c2, B);
    world.reaches(B, d1, A);
}

/// Otherwise an account could make each message of others as slow as it likes.
#[test]
fn looped_ports_are_examined_once_for_a_request() {
    let from = "signaling_ip: 198.51.100.20\r\n";
    let mut named = B.to_string();
    let mut chain = World::with(|config| config.ports = (10_000, 40_000));
    let next = |world: &mut World, call: &str, named: &str| {
        world.send_in(call, "request", 1, "a>", A, "");
        world.send_in(call, "reply", 1, "a>b", named, from).first().to_string()
    };
    for number in 0..32 {
        named = next(&mut chain, &format!("chain{number}"), &named);
    }
    let mut looped = chain.clone();
    for number in 0..32 {
        next(&mut looped, &format!("head{number}"), &named);
    }
    assert_eq!((chain.proxy.warnings().0, looped.proxy.warnings().0), (0, 32));
    let items =
        (0..64).map(|n| format!("audio:{A}:sendrecv").replace("4000", &(n + 4000).to_string()));
    let request = format!(
        "update\r\ntype: request\r\ncall_id: c\r\ncseq: 1\r\nfrom_tag: a\r\n\
         signaling_ip: 198.51.100.1\r\nmedia: {}\r\n\r\n",
        items.collect::<Vec<_>>().join(",")
    );
    let time = |world: &World| {
        let mut proxy = world.proxy.clone();
        let start = std::time::Instant::now();
        assert!(proxy.receive(0, request.as_bytes(), 1_000, &mut Vec::new()));
        start.elapsed()
    };
    let fastest = |world: &World| (0..20).map(|_| time(world)).min().unwrap();
    let (without, with) = (fastest(&chain), fastest(&looped));
    assert!(with < without * 8, "{without:?} {with:?}");
}

#[test]
fn closed_session_is_no_target() {
    let mut world = World::new();
    let callees = offered(&mut world);
    let from = "signaling_ip: 198.51.100.20\r\n";
    world.send_in("d", "request", 1, "a>", &callees.to_string(), from);
    assert_eq!(world.remove("a>", "").0, "removed");
    let caller = world.send_in("d", "reply", 1, "a>b", B, "").first();
    world.reaches_nobody(A, caller);
    assert_eq!(world.packet(at("198.51.100.20:9"), caller), None);
}

#[test]
fn private_receiver_is_reported_and_can_be_trusted() {
    let recorder = "10.9.0.5:7000 recvonly";
    let from = "signaling_ip: 10.9.0.4\r\n";
    for trusted in ["", "10.9.0.0/24"] {
        let mut world = World::with(|config| {
            config.trusted = crate::nat::Networks::parse(trusted).unwrap();
        });
        world.send("request", 1, "a>", "198.51.100.1:4000 sendonly");
        let caller = world.send_in("c", "reply", 1, "a>b", recorder, from).first();
        world.send_in("c", "reply", 1, "a>b", recorder, from);
        if trusted.is_empty() {
            world.reaches_nobody(A, caller);
            assert_eq!(world.proxy.warnings(), (0, 1));
        } else {
            world.reaches(A, caller, "10.9.0.5:7000");
            assert_eq!(world.proxy.warnings(), (0, 0));
        }
    }
}

/// A phone behind NAT that is held with music says recvonly, and has sent packets before.
#[test]
fn phone_that_has_sent_is_not_reported_when_it_is_held() {
    let from = "signaling_ip: 198.51.100.20\r\n";
    let mut world = World::new();
    let callees = offered(&mut world);
    let caller = world.send_in("c", "reply", 1, "a>b", "10.9.0.5:7000", from).first();
    world.reaches("198.51.100.20:9000", callees, A);
    world.send("request", 2, "a>b", "198.51.100.1:4000 sendonly");
    world.send_in("c", "reply", 2, "a>b", "10.9.0.5:7000 recvonly", from);
    world.reaches(A, caller, "198.51.100.20:9000");
    assert_eq!(world.proxy.warnings(), (0, 0));
}

/// It has passed a server once, and meanwhile a newer offer has come from its sender.
#[test]
fn answer_that_comes_back_in_a_spiral_keeps_its_ports() {
    for newer in ["0.0.0.0:4010 sendonly", "198.51.100.1:4010", "0.0.0.0:4000 sendonly"] {
        let mut world = World::new();
        world.send("request", 1, "a>", A);
        world.send("reply", 1, "a>b", B);
        world.send("request", 101, "b>a", "198.51.100.2:5010");
        let given = world.send("reply", 101, "b>a", A).first();
        world.send("request", 2, "a>b", newer);
        for _ in 0..2 {
            assert_eq!(
                world.send("reply", 101, "b>a", &given.to_string()).first(),
                given,
                "{newer}"
            );
        }
        world.reaches("198.51.100.2:5010", given, A);
    }
}
