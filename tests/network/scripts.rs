//! Calls written as scripts, from the plainest one to those that were wrong once.

use kit::sim::{Script, run_recorded};

/// Runs a script and returns what happened, which is in the error too.
#[track_caller]
pub(crate) fn holds(text: &str) -> Vec<String> {
    let script: Script = text.parse().unwrap();
    let outcome = run_recorded(&script);
    let record = outcome.record.join("\n");
    assert!(outcome.faults.is_empty(), "{record}\n\n{script}\n{}", outcome.faults.join("\n"));
    outcome.record
}

const PLAIN: &str = "
    a calls
    wait 100
    b rings
    wait 100
    b answers
    wait 3000
    a hangs-up
    wait 5000
";

#[test]
fn plain_call_through_proxies() {
    for topology in ["direct", "stateful", "fork", "fork3", "downstream", "both", "proxies"] {
        holds(&format!("topology {topology}\n{PLAIN}"));
    }
    holds(&format!("topology chain\nrelays 2\n{PLAIN}"));
}

/// A B2BUA that passes the descriptions on as they are.
#[test]
fn b2bua_without_media_joins_two_sessions_of_one_relay() {
    for manner in ["", "\nb2bua nothing same-call-id", "\nb2bua nothing same-call-id same-tags"] {
        holds(&format!("topology hairpin{manner}\n{PLAIN}"));
        holds(&format!("topology hairpin{manner}\nnat a symmetric\nnat b symmetric\n{PLAIN}"));
    }
    holds(&format!("topology edge\n{PLAIN}"));
}

/// Each server has its own relay: the two sessions name each other's ports.
#[test]
fn sessions_of_two_relays_point_at_each_other() {
    for topology in ["edge", "chain"] {
        for nat in ["", "\nnat a symmetric\nnat b symmetric"] {
            let record = holds(&format!("topology {topology}\nrelays 2{nat}\n{PLAIN}"));
            let both = |row: &&String| row.contains("203.0.113.1:") && row.contains("203.0.113.2:");
            let through_both = |row: &&String| row.contains("packet") && row.contains("Phone(");
            assert!(record.iter().filter(both).any(|row| through_both(&row)), "{record:#?}");
        }
    }
}

/// The called phone names the relay's port that it was given.
#[test]
fn session_that_points_at_itself_gets_no_packet() {
    for topology in ["direct", "stateful", "fork", "hairpin", "chain"] {
        let record = holds(&format!("topology {topology}\nb mirrors\n{PLAIN}"));
        let dropped =
            |row: &String| row.contains("packet of end 1") && row.contains("Dropped(203.");
        assert!(record.iter().any(dropped), "{record:#?}");
    }
}

#[test]
fn b2bua_with_media_and_the_same_call_id_has_two_legs() {
    holds(&format!("topology hairpin\nb2bua nothing same-call-id media\n{PLAIN}"));
}

#[test]
fn branch_that_is_busy_at_once_ends_no_call() {
    holds(
        "topology fork\na calls\nwait 10\nb refuses 486\nwait 100\nc rings\nwait 100\nc answers\nwait 3000\n",
    );
    holds(
        "topology fork\na calls\nwait 10\nc rings\nb refuses 486\nwait 100\nc answers\nwait 3000\n",
    );
}

#[test]
fn downstream_fork_that_fails_under_any_tag_leaves_nothing() {
    holds(
        "topology downstream\na calls\nwait 10\nb rings with-sdp\nc rings\nwait 100\nb refuses 480\n\
         c refuses 486\nwait 100\n",
    );
    // The proxy's own 408 has a tag that no phone has.
    holds("topology downstream\na calls\nwait 40000\nb rings\nb refuses 486\nwait 1000\n");
    holds("topology stateful\na calls\nwait 40000\n");
}

/// The server restarts before the re-INVITE, or between it and its refusal.
#[test]
fn reinvite_refused_after_a_restart_ends_nothing() {
    holds(
        "topology direct\na calls\nwait 10\nb answers\nwait 3000\nserver 0 restarts\nb will-refuse 1\n\
         a reinvites ports\nwait 3000\n",
    );
    holds(
        "topology direct\nlatency 40\na calls\nwait 300\nb answers\nwait 3000\nb will-refuse 1\n\
         a reinvites ports\nwait 60\nserver 0 restarts\nwait 3000\n",
    );
}

#[test]
fn update_of_one_fork_leaves_the_answer_of_the_other_fork() {
    holds(
        "topology downstream\na calls\nwait 10\nb rings with-sdp reliably\nwait 100\na updates ports\n\
         wait 100\nc rings\nc answers\nwait 3000\n",
    );
}

#[test]
fn line_refused_with_another_transport_moves_no_other_line() {
    for lines in [0x81, 0x82, 0x84] {
        holds(&format!(
            "topology direct\nstreams audio message video\nb refuses-lines {lines}\n{PLAIN}"
        ));
    }
}

#[test]
fn zero_address_with_port_9_stays_whole() {
    holds(
        "topology direct\na calls\nwait 10\nb answers\nwait 3000\na reinvites trickle\nwait 1000\n\
         a reinvites same\nwait 1000\n",
    );
}

#[test]
fn recorder_that_only_listens_elsewhere_is_reached() {
    holds("topology direct\nelsewhere 2\nb listens\na calls\nwait 10\nb answers\nwait 3000\n");
}

#[test]
fn reinvite_back_to_the_old_port_that_is_refused_keeps_the_media() {
    for pause in [0, 2_500] {
        holds(&format!(
            "topology direct\na calls\nwait 10\nb answers\nwait 3000\na reinvites ports\nwait {pause}\n\
             b will-refuse 1\na reinvites back\nwait 3500\n"
        ));
    }
}

#[test]
fn update_glare_and_refusals_of_both_sides_keep_the_media() {
    holds(
        "topology direct\nlatency 10\na calls\nwait 100\nb answers\nwait 3000\na reinvites ports\n\
         b reinvites ports\nwait 3000\n",
    );
}

#[test]
fn answer_that_crosses_a_cancel_makes_one_session() {
    for topology in ["direct", "stateful", "fork"] {
        holds(&format!(
            "topology {topology}\nlatency 40\na calls\nwait 300\nb rings\nwait 300\na cancels\nwait 45\n\
             b answers\nwait 3000\n"
        ));
    }
}

/// RFC 3264 section 8.3.1: until the answer comes, a phone sends to the ports of before.
#[test]
fn packets_under_way_to_replaced_ports_arrive() {
    for phone in ["a", "b"] {
        for offer in ["reinvites", "updates"] {
            holds(&format!(
                "topology direct\nlatency 40\na calls\nwait 300\nb answers\nwait 3000\n\
                 {phone} {offer} ports\nwait 3000\n"
            ));
        }
    }
}

/// A proxy before two servers forks: its CANCEL for one phone crosses that phone's
/// 200, which the caller keeps.
#[test]
fn answer_that_crosses_a_cancel_of_a_fork_is_kept() {
    for relay_delay in [0, 3, 10] {
        holds(&format!(
            "topology upstream\nlatency 40\nrelay-delay {relay_delay}\ncaller-keeps newest\na calls\n\
             wait 500\nb rings\nwait 300\nc answers\nwait 60\nb answers\nwait 40000\n"
        ));
    }
}

/// Its server keeps no delete for 32 s behind the CANCEL: a dispatcher would end the call.
#[test]
fn answer_that_crosses_a_cancel_outlives_its_delete() {
    for keeps in ["newest", "both"] {
        holds(&format!(
            "topology upstream\ndispatcher 1\nlatency 300\ncaller-keeps {keeps}\na calls\n\
             wait 3000\nb rings\nwait 3000\nc answers\nwait 1100\nb answers\nwait 40000\n"
        ));
    }
}

#[test]
fn cancel_that_overtakes_its_invite_leaves_nothing() {
    holds("topology stateful\nrelay-delay 10\na calls\na cancels\nwait 3000\n");
    holds("topology fork\nrelay-delay 10\na calls\na cancels\nwait 3000\n");
}

/// The way is so long that the 200 is repeated before its ACK can come.
#[test]
fn answer_repeated_after_bye_makes_no_session() {
    holds(
        "topology direct\nlatency 300\na calls\nwait 1000\nb answers\nwait 1300\na hangs-up\nwait 5000\n",
    );
}

#[test]
fn bye_that_meets_a_rewrite_leaves_nothing() {
    holds(
        "topology direct\nrelay-delay 10\na calls\nwait 200\nb answers\nwait 3000\na reinvites ports\n\
         b hangs-up\nwait 3000\n",
    );
}

/// The session that the late 200 makes again is that of the re-INVITE.
#[test]
fn byes_that_meet_the_answer_of_a_reinvite_leave_nothing() {
    for wait in [100, 200, 300, 400] {
        holds(&format!(
            "topology chain\nrelays 2\nlatency 40\nrelay-delay 10\na calls\nwait 3000\nb answers\n\
             wait 9000\na reinvites back\nwait {wait}\n"
        ));
    }
}

#[test]
fn challenge_that_is_repeated_does_not_end_the_new_try() {
    holds(
        "topology direct\nlatency 300\na calls\nwait 1000\nb refuses 407\nwait 3000\nb rings\nwait 1000\n\
         b answers\nwait 4000\n",
    );
}

/// The delete of the first try and the offer of the next one come to the relay on two
/// connections.
#[test]
fn delete_that_the_next_try_overtakes_spares_its_session() {
    holds(
        "topology direct\nworkers 3\nrelay-delay 3\na calls\nwait 100\nb refuses 407\nwait 100\n\
         b answers\n",
    );
}

/// That another server relays one side's offer says nothing of the other side's.
#[test]
fn offer_that_another_server_relays_is_alone() {
    for seed in [1, 46] {
        holds(&format!(
            "topology chain\nlatency 40\nrelay-delay 3\nloss 10\nseed {seed}\na calls\nwait 3000\n\
             b answers\nwait 9000\na reinvites same\nb updates second\nwait 3000\n"
        ));
    }
}

/// The server has forgotten the call when a phone answers without SDP.
#[test]
fn answer_without_sdp_of_a_forgotten_call_is_reported() {
    holds(
        "topology fork\nlatency 10\na calls\nwait 60\nc rings with-sdp reliably\n\
         b rings with-sdp reliably\nwait 100\nc answers without-sdp\nserver 0 restarts\nwait 60\n",
    );
}

/// The relay refuses the late answer of a forgotten call: the call goes to no other.
#[test]
fn refused_answer_of_a_forgotten_call_moves_it_to_no_other_relay() {
    holds(
        "topology fork3\nrelays 2\na calls\nb answers\nwait 3000\na reinvites hold\n\
         silence 70000\nc answers\nserver 0 restarts\nwait 1000\n",
    );
}

/// The server has forgotten the call, and its relay does not answer.
#[test]
fn bye_of_a_forgotten_call_waits_for_its_relay() {
    holds(
        "topology direct\na calls\nwait 100\nb answers\nwait 100\nb reinvites hold-zero\nwait 100\n\
         server 0 restarts\nrelay 0 freezes\na reinvites resume\nwait 3000\n",
    );
}

#[test]
fn second_answer_leaves_the_first_one() {
    for keeps in ["first", "newest", "both"] {
        holds(&format!(
            "topology fork\nlatency 40\ncaller-keeps {keeps}\na calls\nwait 300\nb rings\nc rings\n\
             wait 300\nb answers\nc answers\nwait 3000\na hangs-up\nwait 3000\n"
        ));
    }
}

#[test]
fn ringing_keeps_the_session_for_minutes() {
    let ringing = "wait 60000\nb rings\n".repeat(7);
    holds(&format!(
        "topology stateful\na calls\nwait 10\nb rings\n{ringing}b answers\nwait 3000\n"
    ));
}

/// RFC 3261 13.2.1: its answer was in the reliable 183.
#[test]
fn answer_without_sdp_chooses_its_branch() {
    for other in ["with-sdp", "with-sdp reliably"] {
        holds(&format!(
            "topology fork\na calls\nwait 100\nb rings with-sdp reliably\nwait 100\n\
             c rings {other}\nwait 100\nb answers without-sdp\nwait 3000\n"
        ));
    }
}

#[test]
fn branch_that_is_given_up_is_not_heard() {
    holds(
        "topology fork\na calls\nwait 10\nb rings with-sdp\nwait 100\nc rings with-sdp reliably\n\
         wait 1000\nc answers without-sdp\nwait 5000\n",
    );
}

#[test]
fn missing_tags_count_as_null() {
    for phone in [1, 2] {
        holds(&format!("topology direct\nwithout-tags {phone}\n{PLAIN}"));
        holds(&format!(
            "topology stateful\nwithout-tags {phone}\na calls\nwait 10\nb answers\nwait 3000\n\
             b reinvites ports\nwait 3000\na reinvites hold\nwait 3000\n"
        ));
    }
}

/// One branch of a fork is behind another server with the same relay, which leaves the
/// call to this one: what it relays then is no matter of the other branch.
#[test]
fn branch_behind_another_server_changes_no_other_branch() {
    holds("topology forkchain\na calls\nc answers\nc updates back\nb answers without-sdp");
    holds(&format!("topology forkchain\n{PLAIN}"));
}

/// A B2BUA with the media is sent a delayed offer and its answer again, behind an UPDATE.
#[test]
fn answer_in_an_ack_that_comes_again_behind_an_update_changes_nothing() {
    holds(
        "topology edge\nlatency 40\nrelay-delay 10\nb2bua nothing media\na calls without-offer\n\
         wait 300\nb answers\nwait 300\na updates ports\nwait 3000",
    );
}

/// Also where the tag of the answer is null: the CSeq tells a copy of the first
/// INVITE from a re-INVITE.
#[test]
fn invite_that_comes_again_after_its_answer_is_a_copy() {
    const REFUSED: &str = "\nb refuses-lines 1";
    for tags in [0, 1, 2, 3] {
        for (dispatcher, lines) in [(0, ""), (0, REFUSED), (1, REFUSED)] {
            holds(&format!(
                "topology direct\ndispatcher {dispatcher}\nlatency 200\nwithout-tags {tags}\n\
                 a calls\nwait 1350{lines}\nb answers\nwait 1000"
            ));
        }
    }
}

#[test]
fn application_server_that_adds_or_drops_a_line_moves_no_stream() {
    for edit in ["adds-first", "drops-first"] {
        holds(&format!("topology hairpin\nstreams audio video\nb2bua {edit}\n{PLAIN}"));
    }
}

/// Repeated and late answers: the lines of their own offer count, not those of the last.
#[test]
fn answer_to_an_earlier_offer_is_rewritten_whole() {
    holds(
        "topology direct\nloss 10\nseed 222\nstreams audio video\na calls without-offer\nwait 9000\n\
         b rings with-sdp reliably\nb rings with-sdp reliably\nwait 100\nb answers without-sdp\nwait 100\n\
         a will-refuse 1\nb reinvites second\nwait 100\na reinvites same\nwait 300\nwait 300\n\
         b reinvites hold\nwait 9000\n",
    );
    holds(
        "topology direct\nrelay-delay 3\nstreams audio video\na calls without-offer\nb answers\nwait 20\n\
         a reinvites second\nwait 60\n",
    );
    holds(
        "topology hairpin\nrelay-delay 3\nb2bua adds-first\na calls\nwait 100\nb answers without-sdp\n\
         wait 100\na reinvites second\nb reinvites second\nwait 100\n",
    );
}

#[test]
fn offer_that_removes_all_lines_ends_their_streams() {
    holds(
        "topology direct\nstreams audio video\na calls\nb refuses-lines 129\nwait 100\n\
         b answers without-sdp\nwait 100\nb reinvites same\na reinvites second\nwait 100\n\
         b reinvites resume\nwait 100\na reinvites ports\nwait 9000\n",
    );
}

#[test]
fn relay_that_dies_is_replaced_by_the_next_offer() {
    holds(
        "topology direct\nrelays 2\na calls\nwait 10\nb answers\nwait 3000\nrelay 0 dies\nrelay 1 dies\n\
         wait 1000\nrelay 0 returns\nrelay 1 returns\nwait 3000\na reinvites ports\nwait 3000\n",
    );
}

/// A BYE that a restarted server does not know is stored: what comes after it makes
/// no session.
#[test]
fn bye_of_a_call_that_the_server_forgot_leaves_nothing() {
    let scripts = [
        "topology direct\nloss 10\na calls\nwait 3000\nb answers without-sdp\nwait 100\n\
         server 0 restarts",
        "topology direct\na calls\nwait 100\nb answers\nwait 100\na reinvites hold\nwait 100\n\
         server 0 restarts\na reinvites delayed",
        "topology fork3\nlatency 10\na calls\nwait 100\nc answers\nserver 0 restarts\nd rings",
        "topology both\nlatency 40\na calls\nwait 1000\nb rings with-sdp reliably\n\
         server 0 restarts\nd answers without-sdp",
        "topology fork\nlatency 40\ncaller-keeps newest\na calls\nwait 100\n\
         b answers without-sdp\nwait 1000\nb reinvites back\nserver 0 restarts\nwait 10\n\
         c answers\nwait 9000",
        "topology direct\nrelay-delay 10\nwithout-tags 1\na calls\nwait 100\n\
         b answers without-sdp\nwait 100\nserver 0 restarts\na updates second\n\
         b reinvites delayed\nwait 100",
    ];
    for script in scripts {
        for seed in 0..5 {
            holds(&format!("seed {seed}\n{script}"));
        }
    }
}

/// The way is so long that the 200 is repeated behind a re-INVITE that has removed
/// its second line.
#[test]
fn answer_repeated_after_its_line_is_gone_is_whole() {
    holds(
        "topology direct\nlatency 600\nstreams audio video\na calls\nwait 1300\nb answers\nwait 1210\n\
         a reinvites second\nwait 9000\n",
    );
}

/// The refused offer of one side relays no line, the answered one of the other does.
#[test]
fn answer_after_a_glare_has_the_lines_of_its_own_offer() {
    holds(
        "topology hairpin\nrelay-delay 10\nstreams message audio\na calls\nwait 3000\nb answers\n\
         wait 9000\nb reinvites ports\na reinvites second\nwait 3000\n",
    );
}

#[test]
fn answer_in_an_ack_is_overtaken_by_the_next_offer() {
    holds(
        "topology direct\nrelay-delay 10\na calls without-offer\nwait 300\nb answers\nwait 60\n\
         a reinvites ports\nwait 4000\n",
    );
}

/// The server has forgotten the call: both sides' messages make one leg again.
#[test]
fn two_answers_after_a_restart_end_with_their_dialogs() {
    for (keeps, rest) in [
        ("newest", "b reinvites ports\nserver 0 restarts\nwait 10\nc answers\nwait 9000\n"),
        ("both", "c answers\nserver 0 restarts\na updates hold\nwait 3000\n"),
    ] {
        holds(&format!(
            "topology fork\nlatency 40\ncaller-keeps {keeps}\na calls\nwait 100\nb answers\nwait 1000\n\
             {rest}"
        ));
    }
}

#[test]
fn bye_after_a_restart_is_remembered() {
    holds(
        "topology direct\nrelay-delay 3\na calls\nwait 100\nb answers\nwait 60\nserver 0 restarts\n\
         a reinvites delayed\n",
    );
}

/// With several workers the delete after the 407 is slower than the next INVITE.
#[test]
fn delete_that_is_overtaken_by_the_next_try_ends_the_old_one() {
    for seed in 1..9 {
        holds(&format!(
            "topology direct\nworkers 3\nrelay-delay 3\nseed {seed}\na calls\nwait 100\nb refuses 407\n\
             wait 100\nb answers\nwait 3000\n"
        ));
    }
}

/// Messages that an offer or a BYE has overtaken on their way to the relay, and copies of
/// messages of an older transaction.
#[test]
fn message_that_a_later_one_overtakes_at_the_relay_is_rewritten() {
    for rest in [
        "a calls without-offer\nb answers\nwait 60\na reinvites ports\n",
        "a calls without-offer\nb answers without-sdp\nwait 60\na reinvites ports\n",
        "streams audio video\na calls\nwait 60\nb rings with-sdp reliably\nwait 100\n\
         b rings with-sdp reliably\nb answers without-sdp\na reinvites second\nwait 100\n",
    ] {
        let delay = if rest.contains("video") { 3 } else { 10 };
        holds(&format!("topology direct\nrelay-delay {delay}\n{rest}"));
    }
    holds(
        "topology fork\nrelay-delay 10\nwithout-tags 2\na calls without-offer\nb answers\n\
         c answers\nwait 100\n",
    );
    holds(
        "topology proxies\nlatency 40\nrelay-delay 10\nwithout-tags 2\na calls\nb refuses-lines 1\n\
         wait 300\nb answers without-sdp\n",
    );
}

#[test]
fn offer_that_was_refused_in_a_glare_passes_nothing() {
    holds(
        "topology direct\nrelay-delay 3\na calls\nwait 100\nb answers\nwait 100\n\
         a updates second\nb refuses-lines 1\nwait 5\nb reinvites hold-zero\nsilence 5000\n\
         wait 100\n",
    );
}

#[test]
fn hold_from_another_port_leaves_the_ports_of_a_second_answer() {
    holds(
        "topology fork\ncaller-keeps both\na calls\nc answers\na reinvites hold-zero\nwait 1000\n\
         a reinvites ports\nb answers\nwait 100\n",
    );
}

/// The relay begins with a re-INVITE, and other phones answer the INVITE before it.
#[test]
fn relay_that_restarts_in_a_fork_has_all_its_dialogs() {
    holds(
        "topology fork\nstreams message audio\na calls without-offer\nb refuses-lines 2\n\
         b answers\nrelay 0 dies\nrelay 0 returns\na reinvites ports\nc answers\n",
    );
    holds(
        "topology fork\nstreams audio video\na calls\nc rings with-sdp reliably\nrelay 0 dies\n\
         relay 0 returns\na updates second\nb answers\n",
    );
    holds(
        "topology fork\ncaller-keeps both\na calls\nb answers\nwait 3000\nc answers\n\
         relay 0 dies\nrelay 0 returns\nwait 9000\na updates ports\nb reinvites delayed\n",
    );
    holds(
        "topology fork\nlatency 40\ncaller-keeps both\na calls\nwait 100\nc answers\nwait 1000\n\
         b answers\nrelay 0 dies\nwait 60\nrelay 0 returns\nwait 3000\na reinvites same\n\
         a reinvites back\nwait 3000\n",
    );
}
