//! What ends what: a test for each row.

use super::*;
use crate::shared::calls::expiry;

#[test]
fn bye_of_unknown_leg_is_left_to_the_relay() {
    let table = Table::new(64);
    assert_eq!(table.bye("a", "b"), DeleteScope::Dialog);
    assert_eq!(table.bye("a", "b"), DeleteScope::Nothing, "repeated");
}

/// Repeated replies, and rewrites that wait for their relay.
#[test]
fn bye_of_unknown_leg_ends_what_comes_after_it() {
    for (from, to) in [("a", "b"), ("b", "a")] {
        let table = Table::new(64);
        let (reinvite, late) =
            (table.request(Method::Invite, 5, "b", "a"), table.reply(200, 1, "a", "b"));
        let ticket = table.calls().begin(&reinvite, 100);
        assert_eq!(table.bye(from, to), DeleteScope::Dialog);
        let recorded = table.calls().record(&reinvite, ticket, &offered(5), 100);
        assert_eq!(recorded, Recorded::EndedMeanwhile(DeleteScope::Dialog));
        assert_eq!(table.calls().look_up(&late, 100).status(), LegStatus::Ended);
        table.bare(200, 1, "a", "b");
        assert!(table.calls().is_empty(100));
        assert_eq!(table.status(101 + expiry::ENDED), LegStatus::Unknown);
    }
}

/// The replies of several phones pass a server that has restarted.
#[test]
fn bye_after_a_restart_leaves_no_early_dialog_for_hours() {
    let table = Table::new(64);
    table.answer(200, 1, "a", "b");
    table.answer(183, 1, "a", "c");
    assert_eq!(table.bye("a", "b"), DeleteScope::Dialog);
    assert_eq!(table.status(101 + expiry::ENDED), LegStatus::Unknown);
    let table = Table::new(64);
    table.answer(200, 1, "a", "b");
    table.offer(&table.request(Method::Invite, 5, "a", "c"), 100);
    assert_eq!(table.bye("a", "b"), DeleteScope::Dialog);
    assert_eq!(table.calls().len(100 + expiry::PENDING), 1, "it may be alive");
    assert_eq!(table.status(101 + expiry::PENDING), LegStatus::Unknown);
}

/// A caller without tag: after a restart the callee's re-INVITE without SDP has the form
/// of an INVITE that starts a leg.
#[test]
fn failure_of_a_reinvite_to_a_null_tag_after_a_restart_ends_no_dialog() {
    let table = Table::new(64);
    let update = table.request(Method::Update, 2, "", "b");
    let ticket = table.calls().begin(&update, 100);
    table.calls().begin(&table.request(Method::Invite, 5, "b", ""), 100);
    table.failure(5, "b", "");
    let recorded = table.calls().record(&update, ticket, &super::update(), 100);
    assert!(matches!(recorded, Recorded::Stored { .. } | Recorded::Full { .. }), "{recorded:?}");
}

#[test]
fn bye_from_either_side_ends_the_leg_with_its_last_dialog() {
    for (from, to) in [("a", "b"), ("b", "a")] {
        let table = Table::new(64);
        table.invite(1);
        table.answer(200, 1, "a", "b");
        assert_eq!(table.bye(from, to), DeleteScope::Call);
        assert_eq!(table.status(100), LegStatus::Ended);
        assert_eq!(table.bye(from, to), DeleteScope::Nothing, "repeated");
    }
}

#[test]
fn bye_of_one_confirmed_dialog_leaves_the_other() {
    for (branch_delete, first) in [(true, DeleteScope::Dialog), (false, DeleteScope::Withheld)] {
        let table = Table::new(64);
        table.invite(1);
        table.answer(200, 1, "a", "b1");
        table.answer(200, 1, "a", "b2");
        let bye = table.request(Method::Bye, 2, "a", "b2");
        let end = |bye| table.calls().terminate(bye, EndScope::Call, branch_delete, 100).scope;
        assert_eq!(end(&bye), first);
        assert_eq!(end(&bye), DeleteScope::Nothing, "repeated");
        let repeated = table.reply(200, 1, "a", "b2");
        assert_eq!(table.calls().look_up(&repeated, 100).status(), LegStatus::Ended);
        let late = table.record(&repeated, &update(), 100);
        assert_eq!(late, Recorded::EndedMeanwhile(DeleteScope::Dialog));
        assert_eq!(end(&bye), DeleteScope::Nothing, "a repeated 200 revives no dialog");
        assert_eq!(end(&table.request(Method::Bye, 2, "b1", "a")), DeleteScope::Call);
    }
}

#[test]
fn bye_of_the_confirmed_dialog_ends_the_leg_while_others_ring() {
    let table = Table::new(64);
    table.invite(1);
    table.bare(180, 1, "a", "b1");
    table.bare(200, 1, "a", "b2");
    assert_eq!(table.bye("b2", "a"), DeleteScope::Call);
}

#[test]
fn bye_of_an_early_dialog_leaves_the_leg_until_the_final_reply() {
    let table = Table::new(64);
    table.invite(1);
    table.bare(180, 1, "a", "b1");
    assert_eq!(table.bye("a", "b1"), DeleteScope::Dialog);
    assert_eq!(table.status(100), LegStatus::Pending);
    assert_eq!(table.failure(1, "a", "other"), DeleteScope::Call);
}

/// Anybody who knows one tag can send a BYE, and a request before it.
#[test]
fn bye_of_a_pending_leg_with_the_tags_of_no_reply_ends_nothing() {
    let table = Table::new(64);
    table.invite(1);
    assert_eq!(table.bye("a", "x"), DeleteScope::Nothing);
    table.offer(&table.request(Method::Invite, 2, "a", "x"), 100);
    assert_eq!(table.bye("a", "x"), DeleteScope::Nothing);
    assert_eq!(table.status(100), LegStatus::Pending);
}

#[test]
fn bye_after_a_restart_ends_its_dialog_only() {
    let table = Table::new(64);
    table.answer(200, 1, "a", "d");
    assert_eq!(table.bye("a", "d"), DeleteScope::Dialog, "the leg may have others");
    assert_eq!(table.status_of("a", "d"), LegStatus::Ended);
    table.offer(&table.request(Method::Invite, 5, "a", "e"), 100);
    assert_eq!(table.status_of("e", "a"), LegStatus::Established);
}

#[test]
fn leg_of_a_restart_is_stored_for_32_s_after_its_last_dialog() {
    let table = Table::new(64);
    table.offer(&table.request(Method::Invite, 5, "b", "a"), 100);
    assert_eq!(table.bye("a", "b"), DeleteScope::Dialog);
    assert_eq!(table.bye("a", "b"), DeleteScope::Nothing, "repeated");
    assert!(table.calls().is_empty(100));
    assert_eq!(table.status(100 + expiry::ENDED), LegStatus::Ended);
    assert_eq!(table.status(101 + expiry::ENDED), LegStatus::Unknown);
}

#[test]
fn bye_of_a_pending_leg_whose_branch_failed_ends_nothing() {
    let table = Table::new(64);
    table.invite(1);
    table.bare(180, 1, "a", "b1");
    assert_eq!(table.branch_failure(1, "b1", 0), DeleteScope::Dialog);
    assert_eq!(table.bye("b1", "a"), DeleteScope::Nothing);
    assert_eq!(table.status(100), LegStatus::Pending);
}

/// A phone that rang sends an INVITE of its own with the caller's tag.
#[test]
fn failure_or_cancel_of_a_newer_invite_leaves_a_confirmed_dialog() {
    let table = Table::new(64);
    table.invite(1);
    table.bare(180, 1, "a", "b");
    table.invite(5);
    table.answer(200, 1, "a", "b");
    assert_eq!(table.cancel(5), DeleteScope::Nothing);
    assert_eq!(table.failure(5, "a", "c"), DeleteScope::Nothing);
    assert_eq!(table.bye("b", "a"), DeleteScope::Call);
}

#[test]
fn late_2xx_of_an_ended_leg_starts_its_32_s_again() {
    let table = Table::new(64);
    table.invite(1);
    table.failure(1, "a", "b");
    let late = table.reply(200, 1, "a", "b");
    table.calls().reply_without_sdp(&late, 130);
    assert_eq!(table.status(130 + expiry::ENDED), LegStatus::Ended);
}

#[test]
fn bye_with_wrong_tags_after_a_restart_is_left_to_the_relay() {
    let table = Table::new(64);
    table.offer(&table.request(Method::Invite, 5, "b", "a"), 100);
    for (from, to) in [("b", "x"), ("x", "b"), ("b", "b")] {
        assert_eq!(table.bye(from, to), DeleteScope::Dialog, "{from} {to}");
        assert_eq!(table.status(100), LegStatus::Established);
    }
    assert_eq!(table.bye("a", "b"), DeleteScope::Dialog);
    assert_eq!(table.status(100), LegStatus::Ended);
}

/// The BYE overtakes the 2xx, which waits for its relay.
#[test]
fn bye_before_the_2xx_of_its_dialog_ends_the_leg_with_the_2xx() {
    let table = Table::new(64);
    table.invite(1);
    table.bare(180, 1, "a", "b");
    let answer = table.reply(200, 1, "a", "b");
    let ticket = table.calls().begin(&answer, 100);
    assert_eq!(table.bye("b", "a"), DeleteScope::Dialog);
    let late = table.calls().record(&answer, ticket, &update(), 100);
    assert_eq!(late, Recorded::EndedMeanwhile(DeleteScope::Call));
    assert_eq!(table.status(100), LegStatus::Ended);
}

#[test]
fn bye_before_a_2xx_without_sdp_ends_the_leg_with_the_2xx() {
    let table = Table::new(64);
    table.invite(1);
    table.bare(180, 1, "a", "b");
    table.bye("b", "a");
    let success = table.reply(200, 1, "a", "b");
    assert_eq!(table.calls().look_up(&success, 100).status(), LegStatus::Ended);
    assert_eq!(table.calls().reply_without_sdp(&success, 100), DeleteScope::Call);
    assert_eq!(table.calls().reply_without_sdp(&success, 100), DeleteScope::Nothing);
}

#[test]
fn bye_before_the_2xx_of_its_dialog_leaves_the_others() {
    let table = Table::new(64);
    table.invite(1);
    table.answer(200, 1, "a", "b1");
    table.answer(200, 1, "a", "b2");
    let reinvite = table.request(Method::Invite, 2, "a", "b2");
    let ticket = table.calls().begin(&reinvite, 100);
    assert_eq!(table.bye("b2", "a"), DeleteScope::Dialog);
    let late = table.calls().record(&reinvite, ticket, &offered(2), 100);
    assert_eq!(late, Recorded::EndedMeanwhile(DeleteScope::Dialog));
    assert_eq!(table.bye("a", "b1"), DeleteScope::Call);
}

#[test]
fn bye_with_wrong_tags_ends_nothing() {
    let table = Table::new(64);
    table.invite(1);
    table.answer(200, 1, "a", "b");
    for (from, to) in [("a", "x"), ("x", "a")] {
        let bye = table.request(Method::Bye, 2, from, to);
        let end = table.calls().terminate(&bye, EndScope::Call, true, 100);
        let nothing = DeleteScope::Nothing;
        assert_eq!(end, Termination { scope: nothing, relay: Some(RELAY), wrong_tags: true });
    }
    for (from, to) in [("x", "y"), ("b", "x"), ("z", "b"), ("b", "")] {
        let bye = table.request(Method::Bye, 2, from, to);
        let end = table.calls().terminate(&bye, EndScope::Call, true, 100);
        assert_eq!((end.scope, end.relay), (DeleteScope::Dialog, None), "another leg's");
    }
    assert_eq!(table.status(100), LegStatus::Established);
}

#[test]
fn cancelled_invite_without_final_reply_ends_after_32_s() {
    let table = Table::new(64);
    table.invite(1);
    table.bare(180, 1, "a", "b");
    assert_eq!(table.cancel(1), DeleteScope::Cancelled);
    assert_eq!(table.cancel(1), DeleteScope::Cancelled, "repeated");
    assert_eq!(table.status(100 + expiry::ENDED), LegStatus::Cancelled);
    assert_eq!(table.status(101 + expiry::ENDED), LegStatus::Ended);
    assert_eq!(table.status(101 + 2 * expiry::ENDED), LegStatus::Unknown);
}

#[test]
fn cancelled_invite_ends_with_its_failure_reply() {
    let table = Table::new(64);
    table.invite(1);
    table.cancel(1);
    assert_eq!(table.failure(1, "a", "b"), DeleteScope::Call);
    assert_eq!(table.status(100), LegStatus::Ended);
}

#[test]
fn success_that_crossed_a_cancel_makes_the_dialog() {
    let table = Table::new(64);
    table.invite(1);
    table.cancel(1);
    table.answer(200, 1, "a", "b");
    assert_eq!(table.status(100 + 3600), LegStatus::Established);
    assert_eq!(table.cancel(1), DeleteScope::Nothing, "too late");
    assert_eq!(table.bye("a", "b"), DeleteScope::Call);
}

#[test]
fn other_cancels_end_nothing() {
    let table = Table::new(64);
    assert_eq!(table.cancel(1), DeleteScope::Nothing, "unknown leg");
    table.invite(2);
    assert_eq!(table.cancel(1), DeleteScope::Nothing, "another CSeq");
    let within = table.request(Method::Cancel, 2, "a", "b");
    assert_eq!(table.end(&within), DeleteScope::Nothing, "of a re-INVITE");
    let reply = CallMessage { status: Some(200), ..table.request(Method::Cancel, 2, "a", "") };
    assert_eq!(table.end(&reply), DeleteScope::Nothing, "a reply to it");
    assert_eq!(table.status(100), LegStatus::Pending);
}

#[test]
fn upstream_failure_of_the_pending_invite_ends_the_leg_whatever_its_tag() {
    for tag in ["b1", "other", ""] {
        let table = Table::new(64);
        table.invite(1);
        table.bare(180, 1, "a", "b1");
        table.bare(180, 1, "a", "b2");
        assert_eq!(table.failure(1, "a", tag), DeleteScope::Call, "{tag:?}");
        assert_eq!(table.failure(1, "a", tag), DeleteScope::Nothing, "repeated");
        assert_eq!(table.status(100), LegStatus::Ended);
    }
}

#[test]
fn branch_failure_ends_the_early_dialogs_of_its_branch() {
    let table = Table::new(64);
    table.invite(1);
    let on = |branch, to| CallMessage { branch, ..table.reply(180, 1, "a", to) };
    let branches = [("b1", 1 << 16), ("b2", 1 << 16), ("b3", 2 << 16)];
    for (tag, branch) in branches {
        table.calls().reply_without_sdp(&on(branch, tag), 100);
    }
    assert_eq!(table.branch_failure(1, "silent", 3 << 16), DeleteScope::Nothing);
    assert_eq!(table.branch_failure(1, "unheard", 1 << 16), DeleteScope::Branch);
    assert_eq!(table.branch_failure(1, "unheard", 1 << 16), DeleteScope::Nothing, "again");
    assert_eq!(table.bye("a", "b2"), DeleteScope::Nothing, "it ended with its branch");
    assert_eq!(table.branch_failure(1, "b3", 2 << 16), DeleteScope::Dialog);
    assert_eq!(table.status(100), LegStatus::Pending, "until the final reply");
    assert_eq!(table.failure(1, "a", "b3"), DeleteScope::Call);
}

/// A relay that cannot delete less than the session is sent nothing.
#[test]
fn branch_failure_is_withheld_from_a_relay_without_scopes() {
    let table = Table::new(64);
    table.invite(1);
    let on = |status, to| CallMessage { branch: 1 << 16, ..table.reply(status, 1, "a", to) };
    table.calls().reply_without_sdp(&on(180, "b1"), 100);
    let failure = || table.calls().terminate(&on(480, "b9"), EndScope::Branch, false, 100).scope;
    assert_eq!((failure(), failure()), (DeleteScope::Withheld, DeleteScope::Nothing));
}

#[test]
fn branch_failure_after_another_answered_ends_its_dialog_only() {
    for scope in [EndScope::Call, EndScope::Branch] {
        let table = Table::new(64);
        table.invite(1);
        table.bare(180, 1, "a", "b1");
        table.answer(200, 1, "a", "b2");
        let failure = |tag| {
            let reply = table.reply(487, 1, "a", tag);
            table.calls().terminate(&reply, scope, true, 100).scope
        };
        assert_eq!(failure("b1"), DeleteScope::Dialog);
        assert_eq!(failure("b1"), DeleteScope::Nothing);
        assert_eq!(failure("b2"), DeleteScope::Nothing, "its own 200 came before");
        assert_eq!(table.status(100), LegStatus::Established);
    }
}

#[test]
fn reinvite_488_ends_nothing() {
    let table = Table::new(64);
    table.invite(1);
    table.answer(200, 1, "a", "b");
    table.offer(&table.request(Method::Invite, 2, "a", "b"), 100);
    assert_eq!(table.failure(2, "a", "b"), DeleteScope::Nothing);
    assert_eq!(table.failure(1, "b", "a"), DeleteScope::Nothing, "to the callee's own");
    assert_eq!(table.status(100), LegStatus::Established);
}

#[test]
fn reinvite_488_after_a_restart_ends_nothing() {
    for (from, to) in [("a", "b"), ("b", "a")] {
        let table = Table::new(64);
        table.offer(&table.request(Method::Invite, 7, from, to), 100);
        assert_eq!(table.failure(7, from, to), DeleteScope::Nothing);
        assert_eq!(table.failure(1, from, to), DeleteScope::Nothing);
        assert_eq!(table.status(100), LegStatus::Established);
    }
}

#[test]
fn failure_of_an_older_invite_ends_nothing() {
    let table = Table::new(64);
    table.invite(1);
    assert_eq!(table.failure(1, "a", "x"), DeleteScope::Call, "a 407");
    table.invite(2);
    assert_eq!(table.failure(1, "a", "x"), DeleteScope::Nothing, "the 407 repeated");
    assert_eq!(table.status(100), LegStatus::Pending);
}

#[test]
fn failure_of_an_unknown_invite_is_for_unanswered_sessions() {
    let table = Table::new(64);
    assert_eq!(table.failure(1, "a", "b"), DeleteScope::Unanswered);
    table.answer(183, 4, "a", "b");
    assert_eq!(table.failure(4, "a", "b"), DeleteScope::Unanswered, "restarted while it rang");
}

#[test]
fn server_command_ends_the_leg_from_either_side() {
    for (from, to) in [("a", ""), ("a", "b"), ("b", "a"), ("b", "")] {
        let table = Table::new(64);
        let end = || table.calls().terminate_leg(table.key(from, to), 100);
        assert_eq!((end().scope, end().relay), (DeleteScope::Call, None), "unknown");
        table.invite(1);
        table.answer(200, 1, "a", "b");
        assert_eq!((end().scope, end().scope), (DeleteScope::Call, DeleteScope::Nothing));
        assert_eq!(end().relay, Some(RELAY));
    }
}

/// A B2BUA may call with the tag that it has answered with, in the same Call-ID.
#[test]
fn server_command_ends_the_leg_of_the_caller_before_that_of_a_callee() {
    let table = Table::new(64);
    table.invite(1);
    table.answer(200, 1, "a", "b");
    table.offer(&table.request(Method::Invite, 1, "b", ""), 100);
    let end = || table.calls().terminate_leg(table.key("b", ""), 100).scope;
    assert_eq!((end(), end()), (DeleteScope::Call, DeleteScope::Nothing));
    assert_eq!(table.status_of("b", ""), LegStatus::Ended);
    assert_eq!(table.status_of("a", "b"), LegStatus::Established);
}

#[test]
fn ended_leg_ends_no_more_and_is_stored_for_32_s() {
    let table = Table::new(64);
    table.invite(1);
    table.answer(200, 1, "a", "b");
    table.bye("a", "b");
    table.bare(200, 1, "a", "b");
    for end in [table.bye("a", "x"), table.cancel(1), table.failure(1, "a", "b")] {
        assert_eq!(end, DeleteScope::Nothing);
    }
    assert_eq!(table.status(100 + expiry::ENDED), LegStatus::Ended);
    assert_eq!(table.status(101 + expiry::ENDED), LegStatus::Unknown);
}

#[test]
fn end_while_a_rewrite_waits_is_noticed() {
    type End = fn(&Table) -> DeleteScope;
    let ends: [End; 3] = [
        |t| t.failure(1, "a", "x"),
        |t| {
            t.bare(200, 1, "a", "b");
            t.bye("a", "b")
        },
        |t| t.calls().terminate_leg(t.key("a", ""), 100).scope,
    ];
    for end in ends {
        let table = Table::new(64);
        let calls = table.calls();
        let invite = table.request(Method::Invite, 1, "a", "");
        let ticket = calls.begin(&invite, 100);
        assert_eq!(end(&table), DeleteScope::Call);
        let late = calls.record(&invite, ticket, &offered(1), 101);
        assert_eq!(late, Recorded::EndedMeanwhile(DeleteScope::Call));
        let again = table.request(Method::Invite, 2, "a", "");
        let retry = calls.begin(&again, 102);
        let late = calls.record(&invite, ticket, &offered(1), 102);
        let ended = Recorded::EndedMeanwhile(DeleteScope::Nothing);
        assert_eq!(late, ended, "the next try keeps its session");
        assert_eq!(
            calls.record(&again, retry, &offered(2), 102),
            Recorded::Stored { first: true, cancelled: false }
        );
    }
}

#[test]
fn cancel_while_a_rewrite_waits_leaves_the_invite_cancelled() {
    let table = Table::new(64);
    let invite = table.request(Method::Invite, 1, "a", "");
    let ticket = table.calls().begin(&invite, 100);
    assert_eq!(table.cancel(1), DeleteScope::Cancelled);
    stored(table.calls().record(&invite, ticket, &offered(1), 101));
    assert_eq!(table.status(100 + expiry::ENDED), LegStatus::Cancelled);
    assert_eq!(table.failure(1, "a", "b"), DeleteScope::Call);
}

/// A BYE of a dialog that the leg of a restarted server does not know.
#[test]
fn bye_of_an_unknown_dialog_after_a_restart_ends_what_comes_after_it() {
    for (from, to) in [("a", "c"), ("c", "a")] {
        let table = Table::new(64);
        table.answer(200, 1, "a", "b");
        let reinvite = table.request(Method::Invite, 5, "c", "a");
        let ticket = table.calls().begin(&reinvite, 100);
        assert_eq!(table.bye(from, to), DeleteScope::Dialog);
        let late = table.calls().record(&reinvite, ticket, &offered(5), 100);
        assert_eq!(late, Recorded::EndedMeanwhile(DeleteScope::Dialog));
        assert_eq!(table.status_of("c", "a"), LegStatus::Ended);
        table.bare(200, 1, "a", "c");
        assert_eq!(table.status_of("a", "c"), LegStatus::Ended);
        assert_eq!(table.status_of("a", "b"), LegStatus::Established);
        assert_eq!(table.bye("b", "a"), DeleteScope::Dialog);
        assert!(table.calls().is_empty(100));
    }
}

/// Where only early dialogs are known, its end is not stored: they would go with it.
#[test]
fn bye_of_an_unknown_dialog_after_a_restart_leaves_early_ones() {
    let table = Table::new(64);
    table.answer(183, 1, "a", "b");
    assert_eq!(table.bye("a", "x"), DeleteScope::Dialog);
    assert_eq!(table.calls().len(100), 1);
    assert_eq!(table.status(101 + expiry::ENDED), LegStatus::Established);
}
