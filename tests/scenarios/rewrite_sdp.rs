//! `rewrite_sdp` and `end_session` over whole dialogs: what the relay is asked
//! and what becomes of the message, against a stand-in relay.

mod settings;
mod streams;

use kit::call::{
    ALICE, BOB, Step, alice_sdp, answer, audio, bob_sdp, invite, reinvite, rewrite, rewrite_with,
    terminate,
};
use kit::directory::Directory;
use kit::relay::{Relay, header};
use kit::{relay_and_worker, udp, worker};
use mediaproxy::Edits;
use mediaproxy::sip::Message;
use mediaproxy::{Options, RoleOption, ScopeOption};
use mediaproxy::{Status, Worker};

fn end(worker: &mut Worker, step: &Step) {
    terminate(worker, step).unwrap();
}

/// A failure reply of one branch of a server that forks.
fn end_branch(worker: &mut Worker, step: &Step) {
    let raw = step.bytes();
    let message = Message::parse(&raw, step.source()).unwrap();
    let options = Options { scope: ScopeOption::Branch, ..Options::default() };
    worker.end_session(&message, &options).unwrap();
}

#[test]
fn offer_and_answer_are_sent_to_the_relay_and_rewritten() {
    let (relay, mut worker) = relay_and_worker();
    let offer = rewrite(&mut worker, &invite());
    assert!(offer.contains("c=IN IP4 203.0.113.9\r\n"), "{offer}");
    assert!(offer.contains("m=audio 50000 RTP/AVP 0\r\n"), "{offer}");
    assert!(offer.contains("o=- 1 1 IN IP4 192.168.1.10\r\n"), "o= stays: {offer}");
    rewrite(&mut worker, &answer("200 OK", "b"));
    let requests = relay.requests();
    assert_eq!(header(&requests[0], "type"), "request");
    assert_eq!(header(&requests[0], "call_id"), "call@x");
    assert_eq!(header(&requests[0], "cseq"), "1");
    assert_eq!(header(&requests[0], "from_uri"), "alice@example.com");
    assert_eq!(header(&requests[0], "to_uri"), "bob@example.com");
    assert_eq!(header(&requests[0], "from_tag"), "a");
    assert_eq!(header(&requests[0], "to_tag"), "");
    assert_eq!(header(&requests[0], "user_agent"), "Phone 1.0");
    assert_eq!(header(&requests[0], "signaling_ip"), "198.51.100.1");
    assert_eq!(header(&requests[0], "media"), "audio:192.168.1.10:40000:sendrecv:ice=no");
    assert_eq!(header(&requests[1], "type"), "reply");
    assert_eq!(header(&requests[1], "to_tag"), "b");
    assert_eq!(header(&requests[1], "signaling_ip"), "198.51.100.2");
    assert_eq!(header(&requests[1], "media"), "audio:10.0.0.2:30000:sendrecv:ice=no");
}

#[test]
fn early_answer_has_its_tag_in_the_extension_header() {
    let (relay, mut worker) = relay_and_worker();
    rewrite(&mut worker, &invite());
    rewrite(&mut worker, &answer("183 Session Progress", "b"));
    rewrite(&mut worker, &answer("200 OK", "b"));
    let requests = relay.requests();
    assert_eq!((header(&requests[1], "to_tag"), header(&requests[1], "early_tag")), ("", "b"));
    assert_eq!(
        (header(&requests[2], "to_tag"), header(&requests[2], "early_tag")),
        ("b", "(none)")
    );
}

#[test]
fn repeated_message_gets_the_same_result() {
    let (relay, mut worker) = relay_and_worker();
    for step in [invite(), answer("200 OK", "b")] {
        let first = rewrite(&mut worker, &step);
        assert_eq!(rewrite(&mut worker, &step), first);
    }
    let requests = relay.requests();
    assert_eq!(requests[0], requests[1]);
    assert_eq!(requests[2], requests[3]);
}

#[test]
fn message_that_comes_by_again_rewritten_is_left_alone() {
    let (relay, mut worker) = relay_and_worker();
    rewrite(&mut worker, &invite());
    let spiral = invite().sdp(audio("203.0.113.9", 50000));
    assert_eq!(rewrite(&mut worker, &spiral).as_bytes(), spiral.bytes());
    assert_eq!(relay.requests().len(), 1, "the relay is not asked again");
}

#[test]
fn delayed_offer_comes_in_the_200_and_its_answer_in_the_ack() {
    let (relay, mut worker) = relay_and_worker();
    let bare = Step::request("INVITE", 1, "a", "");
    assert_eq!(rewrite_with(&mut worker, &bare, &Options::default()), Ok(None));
    assert!(relay.requests().is_empty());
    rewrite(&mut worker, &answer("200 OK", "b"));
    rewrite(&mut worker, &Step::request("ACK", 1, "a", "b").sdp(alice_sdp()));
    let requests = relay.requests();
    assert_eq!((header(&requests[0], "type"), header(&requests[0], "cseq")), ("reply", "1"));
    assert_eq!((header(&requests[1], "type"), header(&requests[1], "cseq")), ("request", "1"));
    assert_eq!((header(&requests[1], "from_tag"), header(&requests[1], "to_tag")), ("a", "b"));
}

#[test]
fn ack_without_sdp_makes_no_request() {
    let (relay, mut worker) = relay_and_worker();
    rewrite(&mut worker, &invite());
    let ack = Step::request("ACK", 1, "a", "b");
    assert_eq!(rewrite_with(&mut worker, &ack, &Options::default()), Ok(None));
    assert_eq!(relay.requests().len(), 1);
}

#[test]
fn prack_that_answers_is_sent_with_its_offers_cseq() {
    let (relay, mut worker) = relay_and_worker();
    rewrite(&mut worker, &answer("183 Session Progress", "b"));
    let prack = Step::request("PRACK", 2, "a", "b").sdp(alice_sdp());
    let first = rewrite(&mut worker, &prack);
    assert_eq!(rewrite(&mut worker, &prack), first, "repeated");
    rewrite(&mut worker, &Step::request("PRACK", 3, "a", "b").sdp(alice_sdp()));
    rewrite(&mut worker, &Step::reply("200 OK", "PRACK", 3, "a", "b").sdp(bob_sdp()));
    let cseqs: Vec<_> = relay.requests().iter().map(|r| header(r, "cseq").to_string()).collect();
    assert_eq!(cseqs, ["1", "1", "1", "3", "3"], "the third PRACK is an offer of its own");
}

#[test]
fn update_offers_from_either_side_and_its_reply_answers() {
    let (relay, mut worker) = relay_and_worker();
    rewrite(&mut worker, &invite());
    rewrite(&mut worker, &answer("183 Session Progress", "b"));
    rewrite(&mut worker, &Step::request("UPDATE", 70, "b", "a").sdp(bob_sdp()));
    rewrite(&mut worker, &Step::reply("200 OK", "UPDATE", 70, "b", "a").sdp(alice_sdp()));
    let requests = relay.requests();
    assert_eq!((header(&requests[2], "type"), header(&requests[2], "from_tag")), ("request", "b"));
    assert_eq!((header(&requests[3], "type"), header(&requests[3], "to_tag")), ("reply", "a"));
    let late = answer("200 OK", "b");
    rewrite(&mut worker, &late);
    assert_eq!(header(&relay.requests()[4], "cseq"), "1");
}

#[test]
fn hold_and_resume_reach_the_relay_with_their_direction() {
    let (relay, mut worker) = relay_and_worker();
    rewrite(&mut worker, &invite());
    rewrite(&mut worker, &answer("200 OK", "b"));
    let hold = alice_sdp() + "a=sendonly\n";
    let held = rewrite(&mut worker, &Step::request("INVITE", 2, "a", "b").sdp(hold));
    assert!(held.contains("m=audio 50000 RTP/AVP 0\r\na=sendonly\r\n"), "{held}");
    let old_way = audio("0.0.0.0", 40000);
    let held = rewrite(&mut worker, &Step::request("INVITE", 3, "a", "b").sdp(old_way));
    assert!(held.contains("c=IN IP4 0.0.0.0\r\n"), "0.0.0.0 stays: {held}");
    let requests = relay.requests();
    assert_eq!(header(&requests[2], "media"), "audio:192.168.1.10:40000:sendonly:ice=no");
    assert_eq!(header(&requests[3], "media"), "audio:0.0.0.0:40000:sendrecv:ice=no");
}

#[test]
fn stream_with_port_0_keeps_it_and_is_in_the_request() {
    let (relay, mut worker) = relay_and_worker();
    let body = alice_sdp() + "m=video 0 RTP/AVP 34\n";
    let text = rewrite(&mut worker, &invite().sdp(body));
    assert!(text.contains("m=video 0 RTP/AVP 34\r\n"), "{text}");
    let media = header(&relay.requests()[0], "media").to_string();
    assert!(media.ends_with(",video:192.168.1.10:0:sendrecv:ice=no"), "{media}");
}

#[test]
fn ok_without_sdp_is_sent_to_the_relay_and_not_rewritten() {
    let (relay, mut worker) = relay_and_worker();
    rewrite(&mut worker, &invite());
    rewrite(&mut worker, &answer("183 Session Progress", "b"));
    let bare = Step::reply("200 OK", "INVITE", 1, "a", "b");
    assert_eq!(rewrite_with(&mut worker, &bare, &Options::default()), Ok(None));
    let requests = relay.wait_for(3);
    assert_eq!((header(&requests[2], "type"), header(&requests[2], "media")), ("reply", "(none)"));
    // Its answer is read before the next request's.
    let again = rewrite(&mut worker, &reinvite(2));
    assert!(again.contains("m=audio 50000 "), "{again}");
}

#[test]
fn messages_that_carry_no_session_are_left_alone() {
    let (relay, mut worker) = relay_and_worker();
    for step in [
        Step::request("MESSAGE", 1, "a", "").sdp(alice_sdp()),
        Step::request("OPTIONS", 1, "a", "").sdp(alice_sdp()),
        Step::reply("488 Not Acceptable Here", "INVITE", 1, "a", "b").sdp(bob_sdp()),
        Step::reply("100 Trying", "INVITE", 1, "a", "").sdp(bob_sdp()),
        Step::reply("200 OK", "OPTIONS", 1, "a", "b").sdp(bob_sdp()),
    ] {
        assert_eq!(rewrite_with(&mut worker, &step, &Options::default()), Ok(None));
    }
    assert!(relay.requests().is_empty());
}

#[test]
fn options_are_in_the_request_to_the_relay() {
    let (relay, mut worker) = relay_and_worker();
    let options = Options {
        signaling_ip: Some("192.0.2.77".parse().unwrap()),
        media_relay: b"relay7.example.com".to_vec(),
        dialog_id: b"4711:1234".to_vec(),
        ..Options::default()
    };
    rewrite_with(&mut worker, &invite(), &options).unwrap();
    let requests = relay.requests();
    assert_eq!(header(&requests[0], "signaling_ip"), "192.0.2.77");
    assert_eq!(header(&requests[0], "media_relay"), "relay7.example.com");
    assert_eq!(header(&requests[0], "dialog_id"), "4711:1234");
    assert_eq!(header(&requests[0], "address_family"), "(none)", "not asked for, and not ours");
}

#[test]
fn rtp_asymmetric_phone_is_found_by_user_agent_or_server() {
    let relay = Relay::answering();
    let directory = Directory::new();
    let list = directory.file("clients", "# clients\n^Weird\n");
    let mut worker = worker(&[("relay", &relay.uri()), ("rtp_asymmetrics", &list)]);
    let raw = String::from_utf8(invite().bytes()).unwrap();
    for (client, asymmetric) in
        [("User-Agent: weird/2.0", true), ("Server: Weird", true), ("User-Agent: Fine", false)]
    {
        let raw = raw.replace("User-Agent: Phone 1.0", client).into_bytes();
        let message = Message::parse(&raw, udp(ALICE)).unwrap();
        worker.rewrite_sdp(&message, &Options::default(), &mut Edits::new()).unwrap();
        let media = header(relay.requests().last().unwrap(), "media").to_string();
        assert_eq!(media.ends_with(":asymmetric=yes"), asymmetric, "{client}: {media}");
    }
}

#[test]
fn bye_from_either_side_removes_the_call() {
    for (from, to) in [("a", "b"), ("b", "a")] {
        let (relay, mut worker) = relay_and_worker();
        rewrite(&mut worker, &invite());
        rewrite(&mut worker, &answer("200 OK", "b"));
        end(&mut worker, &Step::request("BYE", 9, from, to));
        let requests = relay.wait_for(3);
        assert_eq!(
            requests[2],
            format!("remove\r\ncall_id: call@x\r\nfrom_tag: {from}\r\nto_tag: {to}\r\n\r\n")
        );
    }
}

#[test]
fn cancel_sends_nothing_and_its_487_deletes_the_call() {
    let (relay, mut worker) = relay_and_worker();
    rewrite(&mut worker, &invite());
    rewrite(&mut worker, &answer("183 Session Progress", "b"));
    end(&mut worker, &Step::request("CANCEL", 1, "a", ""));
    assert_eq!(relay.requests().len(), 2);
    end(&mut worker, &Step::reply("487 Request Terminated", "INVITE", 1, "a", "b"));
    assert!(relay.wait_for(3)[2].starts_with("remove\r\n"));
}

#[test]
fn cancel_of_a_re_invite_leaves_the_call() {
    let (relay, mut worker) = relay_and_worker();
    rewrite(&mut worker, &invite());
    rewrite(&mut worker, &answer("200 OK", "b"));
    end(&mut worker, &Step::request("CANCEL", 2, "a", "b"));
    end(&mut worker, &Step::reply("487 Request Terminated", "INVITE", 2, "a", "b"));
    rewrite(&mut worker, &reinvite(3));
    assert!(relay.requests().iter().all(|request| !request.starts_with("remove")));
}

#[test]
fn bye_of_one_branch_keeps_the_media_of_the_other() {
    let (relay, mut worker) = relay_and_worker();
    rewrite(&mut worker, &invite());
    rewrite(&mut worker, &answer("200 OK", "b1"));
    rewrite(&mut worker, &answer("200 OK", "b2"));
    end(&mut worker, &Step::request("BYE", 2, "a", "b2"));
    rewrite(&mut worker, &Step::request("INVITE", 3, "a", "b1").sdp(alice_sdp()));
    assert_eq!(relay.requests().len(), 4, "the first BYE is withheld");
    end(&mut worker, &Step::request("BYE", 4, "b1", "a"));
    assert!(relay.wait_for(5)[4].starts_with("remove\r\n"));
}

#[test]
fn failed_fork_leaves_the_ringing_one() {
    let (relay, mut worker) = relay_and_worker();
    rewrite(&mut worker, &invite());
    rewrite(&mut worker, &answer("183 Session Progress", "b1"));
    rewrite(&mut worker, &answer("183 Session Progress", "b2"));
    end_branch(&mut worker, &Step::reply("486 Busy Here", "INVITE", 1, "a", "b1"));
    rewrite(&mut worker, &answer("200 OK", "b2"));
    assert!(relay.requests().iter().all(|request| !request.starts_with("remove")));
}

#[test]
fn failed_branch_leaves_one_that_rings_without_sdp() {
    let (relay, mut worker) = relay_and_worker();
    rewrite(&mut worker, &invite());
    for tag in ["b1", "b2"] {
        let ringing = Step::reply("180 Ringing", "INVITE", 1, "a", tag);
        assert_eq!(rewrite_with(&mut worker, &ringing, &Options::default()), Ok(None));
    }
    end_branch(&mut worker, &Step::reply("486 Busy Here", "INVITE", 1, "a", "b1"));
    rewrite(&mut worker, &Step::request("UPDATE", 2, "a", "b2").sdp(alice_sdp()));
    assert_eq!(relay.requests().len(), 2, "neither the 180 nor the 486 is told");
    end(&mut worker, &Step::reply("486 Busy Here", "INVITE", 1, "a", "b2"));
    assert!(relay.wait_for(3)[2].starts_with("remove\r\n"));
}

#[test]
fn second_delayed_offer_of_a_dialog_is_answered_like_the_first() {
    let (relay, mut worker) = relay_and_worker();
    rewrite(&mut worker, &answer("200 OK", "b"));
    rewrite(&mut worker, &Step::request("ACK", 1, "a", "b").sdp(alice_sdp()));
    for (from, to, cseq) in [("a", "b", 2), ("b", "a", 1 << 30)] {
        let reply = Step::reply("183 Session Progress", "INVITE", cseq, from, to);
        rewrite(&mut worker, &reply.sdp(bob_sdp()));
        for _ in 0..2 {
            let prack = Step::request("PRACK", cseq + 1, from, to).sdp(alice_sdp());
            rewrite(&mut worker, &prack);
        }
        let cseqs: Vec<_> =
            relay.requests().iter().rev().take(3).map(|r| header(r, "cseq").to_string()).collect();
        assert_eq!(cseqs, vec![cseq.to_string(); 3], "from {from}");
    }
}

#[test]
fn call_terminated_by_identifiers_twice_is_deleted_once() {
    let (relay, mut worker) = relay_and_worker();
    rewrite(&mut worker, &invite());
    worker.end_call(b"call@x", b"a", b"").unwrap();
    worker.end_call(b"call@x", b"a", b"").unwrap();
    rewrite(&mut worker, &Step::request("INVITE", 2, "a", "").sdp(alice_sdp()));
    assert_eq!(relay.wait_for(3).iter().filter(|r| r.starts_with("remove")).count(), 1);
    let error = worker.end_call(b"", b"a", b"").unwrap_err();
    assert_eq!(error.status(), Status::Argument);
}

#[test]
fn message_that_terminates_nothing_is_an_argument_error() {
    let mut worker = worker(&[]);
    // An INVITE without To tag that the server refuses ends its try.
    let steps = [reinvite(2), answer("200 OK", "b"), Step::request("ACK", 1, "a", "b")];
    for step in steps {
        let error = terminate(&mut worker, &step).unwrap_err();
        assert_eq!(error.status(), Status::Argument);
    }
}

#[test]
fn delete_for_an_unreachable_relay_is_sent_once_it_is_back() {
    let relay = Relay::answering();
    let uri = relay.uri();
    let path = relay.path().to_path_buf();
    let away = path.with_extension("away");
    let mut worker = worker(&[("relay", &uri)]);
    std::fs::rename(&path, &away).unwrap();
    end(&mut worker, &Step::request("BYE", 2, "a", "b"));
    std::fs::rename(&away, &path).unwrap();
    std::thread::sleep(std::time::Duration::from_millis(1100));
    // Another call's: the BYE from the other side of this one would end nothing more.
    end(&mut worker, &Step::request("BYE", 3, "c", "d"));
    assert_eq!(relay.wait_for(2).len(), 2);
}

#[test]
fn new_offer_cancels_the_queued_delete() {
    let relay = Relay::answering();
    let path = relay.path().to_path_buf();
    let away = path.with_extension("away");
    let mut worker = worker(&[("relay", &relay.uri())]);
    std::fs::rename(&path, &away).unwrap();
    end(&mut worker, &Step::request("CANCEL", 1, "a", ""));
    std::fs::rename(&away, &path).unwrap();
    rewrite(&mut worker, &Step::request("INVITE", 2, "a", "").sdp(alice_sdp()));
    std::thread::sleep(std::time::Duration::from_millis(1100));
    rewrite(&mut worker, &Step::reply("200 OK", "INVITE", 2, "a", "b").sdp(bob_sdp()));
    let requests = relay.requests();
    assert_eq!(requests.len(), 2);
    assert!(requests.iter().all(|request| !request.starts_with("remove")), "{requests:?}");
}

#[test]
fn script_can_force_the_role() {
    // An answer may have fewer ports than streams, an offer may not.
    let relay = Relay::scripted(|_| kit::relay::Reply::Say("203.0.113.9 50000\r\n".into()));
    let mut worker = worker(&[("relay", &relay.uri())]);
    let two = invite().sdp(alice_sdp() + "m=video 40002 RTP/AVP 34\n");
    let error = rewrite_with(&mut worker, &two, &Options::default()).unwrap_err();
    assert_eq!(error.status(), Status::RelayAnswer);
    let options = Options { role: RoleOption::Answer, ..Options::default() };
    let text = rewrite_with(&mut worker, &two, &options).unwrap().unwrap();
    assert!(text.contains("m=video 40002 RTP/AVP 34\r\nc=IN IP4 192.168.1.10\r\n"), "{text}");
}

#[test]
fn sixty_four_streams_are_relayed_and_a_sixty_fifth_is_an_error() {
    let (relay, mut worker) = relay_and_worker();
    let body = |streams: usize| {
        let lines: String =
            (0..streams).map(|n| format!("m=audio {} RTP/AVP 0\n", 40000 + 2 * n)).collect();
        format!("v=0\no=- 1 1 IN IP4 192.168.1.10\ns=-\nc=IN IP4 192.168.1.10\nt=0 0\n{lines}")
    };
    let text = rewrite(&mut worker, &invite().sdp(body(64)));
    assert!(text.contains("m=audio 50252 RTP/AVP 0\r\n"), "{text}");
    let error = rewrite_with(&mut worker, &invite().sdp(body(65)), &Options::default());
    assert_eq!(error.unwrap_err().status(), Status::Limit);
    assert_eq!(relay.requests().len(), 1);
}

#[test]
fn callees_messages_come_from_the_callee() {
    assert_eq!(answer("200 OK", "b").source, BOB);
    assert_eq!(Step::request("BYE", 1, "b", "a").source, BOB);
}
