//! Calls written as scripts, from the plainest one to those that were wrong once.

use kit::sim::{Script, run_recorded};

/// Runs a script; what happened is in the error.
#[track_caller]
fn holds(text: &str) {
    let script: Script = text.parse().unwrap();
    let outcome = run_recorded(&script);
    let record = outcome.record.join("\n");
    assert!(outcome.faults.is_empty(), "{record}\n\n{script}\n{}", outcome.faults.join("\n"));
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

#[test]
fn reinvite_refused_after_a_restart_ends_nothing() {
    holds(
        "topology direct\na calls\nwait 10\nb answers\nwait 3000\nserver 0 restarts\nb will-refuse 1\n\
         a reinvites ports\nwait 3000\n",
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
