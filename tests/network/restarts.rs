//! Servers and relays that start again, what they have lost, and messages that look new.

use super::scripts::holds;

/// The 2xx comes again behind its BYE, which the server has forgotten.
#[test]
fn success_behind_a_bye_and_a_restart_excuses_its_call_only() {
    holds(
        "topology direct\nrelay-delay 10\na calls without-offer\na cancels\nb answers\nwait 60\n\
         server 0 restarts\nwait 9000\n",
    );
    holds(
        "topology chain\nrelay-delay 10\na calls without-offer\na cancels\n\
         b answers without-sdp\nwait 60\nserver 1 restarts\nwait 3000\nwait 1000\n",
    );
}

/// It sends the failure of one branch upstream: for the caller the call is over.
#[test]
fn failure_of_a_branch_that_a_restarted_proxy_sends_on() {
    holds(
        "topology fork3\nlatency 40\na calls\nwait 100\nd rings with-sdp\nc refuses 488\n\
         server 0 restarts\nwait 100\n",
    );
    holds(
        "topology fork\nlatency 40\na calls\nwait 100\nc rings with-sdp reliably\n\
         b refuses 603\nserver 0 restarts\nwait 100\n",
    );
}

/// RFC 3261 section 9.1: 32 s behind its CANCEL an INVITE is given up.
#[test]
fn ringing_minutes_behind_a_lost_cancel_needs_no_media() {
    holds(
        "topology edge\na calls\nb rings with-sdp\nserver 1 restarts\na cancels\n\
         silence 70000\nwait 100\n",
    );
}

#[test]
fn restarted_proxy_repeats_nothing_that_it_has_lost() {
    let record = holds("topology fork\na calls\nwait 100\nserver 0 restarts\nwait 9000\n");
    let invites = record.iter().filter(|row| row.contains("n3 to n1: INVITE"));
    assert_eq!(invites.count(), 1, "{record:#?}");
}

/// A phone that agrees sends at once, also while the relay has not heard of it.
#[test]
fn answers_that_overtake_each_other_in_a_spiral_open_the_nat() {
    for steps in [
        "a calls\nwait 100\nb answers\nwait 100\nb reinvites ports\nwait 60\na updates same",
        "a calls\nwait 100\nb answers without-sdp\nwait 100\nb reinvites ports\nwait 60\n\
         a reinvites resume",
        "a calls without-offer\nwait 100\nb answers without-sdp\nwait 300\nb reinvites ports\n\
         wait 60\na updates same",
    ] {
        for nat in ["nat b port-restricted", "nat b symmetric"] {
            let setup = format!("topology spiral\nlatency 10\nrelay-delay 3\n{nat}");
            holds(&format!("{setup}\n{steps}\nwait 100\n"));
        }
    }
    holds(
        "topology spiral\nlatency 10\nrelay-delay 3\nnat a symmetric\na calls without-offer\n\
         wait 100\nb answers\nwait 100\na reinvites back\nwait 60\nb reinvites resume\nwait 100\n",
    );
}

/// The last answer names the ports of its own dialog, which are not the newest ones.
#[test]
fn answer_comes_back_in_a_spiral_after_a_newer_offer() {
    for change in ["ports", "same", "hold", "resume"] {
        holds(&format!(
            "topology spiral\nlatency 10\nrelay-delay 3\nnat b symmetric\na calls\nwait 100\n\
             b answers\nserver 0 restarts\nwait 100\na updates hold-zero\nwait 100\n\
             b reinvites ports\nwait 60\na updates {change}\nwait 60\n"
        ));
    }
}

/// A relay that starts again hears first of an answer that another dialog of the
/// call does not know.
#[test]
fn dialogs_that_a_restarted_relay_has_not_seen_have_media() {
    holds(
        "topology fork\nlatency 40\na calls\nwait 100\nc answers without-sdp\na calls\nwait 100\n\
         c rings with-sdp reliably\nb refuses 404\nrelay 0 dies\nrelay 0 returns\nwait 9000\n\
         b answers\na reinvites resume\nwait 3000\n",
    );
    holds(
        "topology both\ncaller-keeps both\na calls\nb refuses 407\nc answers\nrelay 0 dies\n\
         wait 3000\nrelay 0 returns\nd answers\nwait 3000\nc reinvites second\nwait 100\n",
    );
    holds(
        "topology both\nlatency 40\nrelay-delay 10\na calls\nwait 3000\nc answers\nwait 9000\n\
         d refuses-lines 1\nrelay 0 dies\nrelay 0 returns\nwait 3000\nc reinvites hold-zero\n\
         d answers\nwait 3000\n",
    );
    holds(
        "topology fork\nworkers 2\nrelay-delay 10\na calls\nwait 100\nc answers without-sdp\n\
         wait 100\nc reinvites back\nrelay 0 dies\nwait 100\nrelay 0 returns\nwait 9000\n\
         c updates ports\nb answers\nwait 100\n",
    );
    holds(
        "topology fork3\na calls without-offer\nd answers\nsilence 70000\nc answers\n\
         relay 0 dies\nrelay 0 returns\nwait 3000\na reinvites delayed\nsilence 61000\nwait 100\n",
    );
    holds(
        "topology fork3\nrelay-delay 3\na calls\nwait 100\nb rings with-sdp reliably\n\
         c answers without-sdp\nrelay 0 dies\nrelay 0 returns\nwait 3000\na reinvites ports\n\
         d answers\nwait 60\n",
    );
    holds(
        "topology fork\na calls\nc answers without-sdp\nrelay 0 dies\nrelay 0 returns\n\
         wait 9000\nb answers\na reinvites resume\nwait 3000\n",
    );
    for steps in [
        "b refuses-lines 1\na reinvites delayed\na reinvites same\nc answers without-sdp",
        "wait 1000\na reinvites delayed\nwait 1000\nc answers",
    ] {
        for offer in ["", " without-offer"] {
            holds(&format!(
                "topology fork\ncaller-keeps both\na calls{offer}\nb answers without-sdp\n\
                 relay 0 dies\nrelay 0 returns\n{steps}\n"
            ));
        }
    }
    // It was frozen when the first 2xx came.
    holds(
        "topology fork\nrelay-delay 3\ncaller-keeps both\na calls\nwait 100\n\
         c answers without-sdp\nrelay 0 freezes\nwait 9000\nrelay 0 returns\na calls\nwait 3000\n\
         b answers\nwait 9000\nwait 9000\nc reinvites second\nwait 100\n",
    );
    // A session without a stream ends by its silence.
    holds(
        "topology fork\na calls\nc refuses-lines 1\nc answers without-sdp\nwait 3000\n\
         silence 70000\nwait 3000\nwait 3000\na calls\nb refuses 603\nc refuses-lines 130\n\
         wait 3000\nwait 9000\nb answers without-sdp\na reinvites hold\nsilence 70000\nwait 100\n",
    );
}

/// The answer of a call that the server has forgotten goes to the relay of the call.
#[test]
fn late_answer_of_a_forgotten_call_stays_on_its_relay() {
    for steps in [
        "a calls\nb answers without-sdp\nsilence 61000\nd answers\nserver 0 restarts\nwait 3000\n\
         a reinvites ports\nsilence 70000\nwait 100",
        "a calls\nd answers\na updates hold-zero\nserver 0 restarts\nsilence 70000\nb answers\n\
         wait 1000",
        "a calls\nb answers without-sdp\nsilence 61000\nc answers\nb reinvites hold\n\
         server 0 restarts\nwait 3000",
    ] {
        for topology in ["fork", "fork3"] {
            holds(&format!("topology {topology}\nrelays 2\n{steps}\n"));
        }
    }
}

/// It has no line for the relay, and is that of a call that the server has forgotten.
#[test]
fn answer_that_refuses_all_lines_behind_a_restart_ends_the_other_branch() {
    for refused in [2, 129, 130] {
        holds(&format!(
            "topology downstream\nlatency 10\nstreams message audio\nc refuses-lines {refused}\n\
             a calls\nwait 100\nb rings with-sdp reliably\nwait 100\nc answers\n\
             server 0 restarts\nwait 3000\n"
        ));
    }
}

/// The request waits for its relay while its try ends, and the next one begins.
#[test]
fn late_request_of_an_ended_try_leaves_no_session() {
    holds(
        "topology direct\nlatency 10\nrelay-delay 10\na calls\nwait 100\n\
         b rings with-sdp reliably\nwait 100\nb updates ports\nb refuses 407\nwait 60\n",
    );
    holds(
        "topology hairpin\nlatency 40\nrelay-delay 10\nwithout-tags 2\na calls\nwait 9000\n\
         b answers\nwait 3000\na reinvites delayed\nwait 60\nb updates second\n",
    );
}

/// Another branch's 200 made the leg of a restarted server, which does not know the
/// dialog of the BYE: a re-INVITE that comes again behind the BYE makes no session.
#[test]
fn bye_of_a_dialog_that_a_restarted_server_does_not_know_is_stored() {
    holds(
        "topology fork\nrelay-delay 10\ncaller-keeps newest\na calls\nwait 60\nb answers\nwait 100\n\
         a reinvites delayed\nserver 0 restarts\nc answers without-sdp\nwait 100\n\
         c reinvites ports\n",
    );
    holds(
        "topology fork\nworkers 2\nlatency 10\nrelay-delay 10\na calls\nsilence 70000\na calls\n\
         wait 100\nc answers without-sdp\nwait 100\nc reinvites hold-zero\nwait 60\nb answers\n\
         server 0 restarts\nwait 60\na hangs-up\nwait 100\n",
    );
}

/// A relay that was restarted has fewer ports than a late reply has lines, and a server
/// that was restarted fewer than a repeated one.
#[test]
fn late_reply_is_rewritten_whole_or_not_at_all() {
    holds(
        "topology direct\nlatency 40\nrelay-delay 10\nstreams audio video\na calls\nwait 9000\n\
         b rings with-sdp reliably\nwait 3000\nb answers\na updates second\nrelay 0 dies\n",
    );
    holds(
        "topology fork3\nstreams audio video\na calls\nd refuses-lines 2\n\
         d answers without-sdp\nrelay 0 dies\nrelay 0 returns\na reinvites same\n\
         b rings with-sdp reliably\n",
    );
    holds(
        "topology fork\nwithout-tags 2\nstreams audio video\na calls\nb answers\nsilence 61000\n\
         c answers\nserver 0 restarts\na reinvites second\n",
    );
}

/// The failure of one branch has ended the session that the restarted server has forgotten,
/// and another branch's 2xx, which is lost, makes it again. The caller repeats its INVITE.
#[test]
fn invite_that_is_repeated_behind_its_answer_and_a_restart_has_the_ports_of_the_answer() {
    holds(
        "topology fork\nlatency 10\nloss 10\nseed 1109221\na calls\nwait 300\nwait 300\na calls\n\
         wait 3000\nb answers without-sdp\nwait 9000\na reinvites delayed\nwait 300\n\
         a reinvites ports\nwait 3000\nserver 0 restarts\nb answers\n",
    );
}

/// RFC 3261 section 12.1.1: it has no To tag. Its relay refuses the copy of a re-INVITE that
/// comes behind the refusal of the phone, and no other relay takes the call.
#[test]
fn reinvite_with_a_null_tag_that_is_repeated_stays_on_its_relay() {
    holds(
        "topology spiral\nrelays 2\nworkers 3\nlatency 40\nrelay-delay 10\nloss 10\nseed 145143\n\
         without-tags 2\na calls without-offer\nwait 300\nb answers\nwait 3000\na reinvites ports\n\
         b reinvites same\nwait 9000\n",
    );
}
