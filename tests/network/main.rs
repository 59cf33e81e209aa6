//! The simulated network: phones, forking and stateless proxies, B2BUAs,
//! application servers, NATs, lossy links, servers and relays, all of them in
//! simulated time over the code of the library and its relay. The judge knows who
//! has agreed with whom by RFC 3264: see [`kit::sim`].
//!
//! Each fault of the first call table and relay, and the test that fails when its
//! mend is taken out by hand:
//!
//! | taken out | script in `scripts.rs` that fails |
//! |---|---|
//! | the caller's tag in the key of a leg | `b2bua_without_media_joins_two_sessions_of_one_relay`, `missing_tags_count_as_null` |
//! | a branch's failure ends its branch only | `branch_that_is_busy_at_once_ends_no_call` |
//! | the failure that goes upstream ends the leg under any tag | `downstream_fork_that_fails_under_any_tag_leaves_nothing` |
//! | the failure of a re-INVITE ends nothing | `reinvite_back_to_the_old_port_that_is_refused_keeps_the_media`, `update_glare_and_refusals_of_both_sides_keep_the_media` |
//! | a failure of an unknown leg deletes an unanswered session only | `reinvite_refused_after_a_restart_ends_nothing` |
//! | CANCEL ends nothing by itself | `answer_that_crosses_a_cancel_makes_one_session` |
//! | a 2xx completes the INVITE, also a cancelled one | `invite_that_comes_again_after_its_answer_is_a_copy`, `answer_that_crosses_a_cancel_outlives_its_delete` |
//! | an INVITE with a newer CSeq is a new try of an ended leg | `challenge_that_is_repeated_does_not_end_the_new_try` |
//! | the end of a dialog is not that of the leg | `second_answer_leaves_the_first_one` |
//! | an ended leg is stored for 32 s | `bye_that_meets_a_rewrite_leaves_nothing` |
//! | the end of a leg while a rewrite waits is found when its relay answers | `bye_that_meets_a_rewrite_leaves_nothing` |
//! | streams are counted by their m= line, also those with port 0 | `line_refused_with_another_transport_moves_no_other_line`, `application_server_that_adds_or_drops_a_line_moves_no_stream` |
//! | a 200 without SDP confirms its dialog at the relay | `answer_without_sdp_chooses_its_branch` |
//! | another branch's answer ends the early dialogs at the relay | `branch_that_is_given_up_is_not_heard` |
//! | a provisional reply keeps an unanswered session | `ringing_keeps_the_session_for_minutes` |
//! | sessions may point at each other's ports | `b2bua_without_media_joins_two_sessions_of_one_relay`, `application_server_that_adds_or_drops_a_line_moves_no_stream` |
//! | 0.0.0.0 with port 9 is no address | `zero_address_with_port_9_stays_whole` |
//! | `trusted_media_networks` | `recorder_that_only_listens_elsewhere_is_reached` |
//! | CSeq numbers of each dialog of a session | `update_of_one_fork_leaves_the_answer_of_the_other_fork` |
//! | streams by m= line, not by active line | `line_refused_with_another_transport_moves_no_other_line`, `application_server_that_adds_or_drops_a_line_moves_no_stream` |
//! | a provisional reply keeps an unanswered session | `ringing_keeps_the_session_for_minutes` |
//! | an offer has a place of its own until it is answered | `reinvite_back_to_the_old_port_that_is_refused_keeps_the_media`, `update_glare_and_refusals_of_both_sides_keep_the_media` |
//! | ports that an answered re-offer has replaced stay open for 2 s | `packets_under_way_to_replaced_ports_arrive` |
//! | the packets of a branch that another one's answer gave up are dropped | `branch_that_is_given_up_is_not_heard`, `update_of_one_fork_leaves_the_answer_of_the_other_fork` |
//! | the mask of relayed lines is that of the answered offer | `answer_after_a_glare_has_the_lines_of_its_own_offer`, `answer_to_an_earlier_offer_is_rewritten_whole` |
//! | an answer in an ACK that the next offer overtakes is taken | `answer_in_an_ack_is_overtaken_by_the_next_offer` |
//! | an offer without lines is told to the relay | `offer_that_removes_all_lines_ends_their_streams` |
//! | a delete names the INVITE that it ends | `delete_that_is_overtaken_by_the_next_try_ends_the_old_one` |
//! | a BYE of a leg that is not stored is remembered | `bye_after_a_restart_is_remembered` |
//! | the record of an offer within a dialog | `bye_that_meets_a_rewrite_leaves_nothing` |
//! | the leg that has the dialog of both tags comes first | `two_answers_after_a_restart_end_with_their_dialogs` |
//! | a late request of an ended try is followed by the delete of its dialog | `late_request_of_an_ended_try_leaves_no_session` |
//! | dialogs that a restarted relay has not seen are taken | `dialogs_that_a_restarted_relay_has_not_seen_have_media` |
//! | the late answer of a forgotten call goes to the relay that has its offer | `late_answer_of_a_forgotten_call_stays_on_its_relay` |
//! | the end of a dialog that a restarted server does not know is stored | `bye_of_a_dialog_that_a_restarted_server_does_not_know_is_stored` |
//! | an answer has all its lines from its relay, or stays as it came | `late_reply_is_rewritten_whole_or_not_at_all` |
//! | the initial offer's lines are those of its own answers only | `late_reply_is_rewritten_whole_or_not_at_all` |
//! | an INVITE behind its own answer has ports at the relay | `invite_that_is_repeated_behind_its_answer_and_a_restart_has_the_ports_of_the_answer` |
//! | a re-INVITE with a null To tag is no first try | `reinvite_with_a_null_tag_that_is_repeated_stays_on_its_relay` |
//! | an answer that refuses all lines is reported to the relay behind a restart too | `answer_that_refuses_all_lines_behind_a_restart_ends_the_other_branch` |
//!
//! `cargo test` runs 20,000 calls, `MEDIAPROXY_LONG` two million; their speed is in
//! `docs/benchmarks.md`. Messages are lost and repeated, servers restart, relays die
//! and come back, phones have no tags, hold by 0.0.0.0, and remove streams. What is
//! left out is in [`kit::sim::generate`], with the reason.

mod calls;
mod restarts;
mod scripts;
