//! Runs `examples/natted_call` as a user does: a C proxy, two phones, two NATs.
//! First whole, then with one thing broken at a time: each break must be
//! noticed, for the right reason.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

/// Builds the example (when only this test was asked for, nobody has) and says
/// where it is.
fn example() -> &'static Path {
    static EXAMPLE: OnceLock<PathBuf> = OnceLock::new();
    EXAMPLE.get_or_init(|| {
        // .../target/PROFILE/deps/natted_call-HASH
        let test = std::env::current_exe().unwrap();
        let profile = test.parent().unwrap().parent().unwrap();
        let name = match profile.file_name().unwrap().to_str().unwrap() {
            "debug" => "dev",
            other => other,
        };
        let status = Command::new(env!("CARGO"))
            .args(["build", "--quiet", "--example", "natted_call", "--profile", name])
            .arg("--target-dir")
            .arg(profile.parent().unwrap())
            .current_dir(kit::root())
            .status()
            .unwrap();
        assert!(status.success());
        profile.join("examples/natted_call")
    })
}

fn run(arguments: &[&str]) -> (Output, String) {
    let output = Command::new(example()).args(arguments).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    (output, text)
}

/// The call with this fault fails, and one of the reasons is each of these.
fn fails_with(fault: &str, reasons: &[&str]) {
    let (output, text) = run(&["--fault", fault]);
    assert_eq!(output.status.code(), Some(1), "{text}");
    for reason in reasons {
        let found = text.lines().any(|line| line.starts_with("FAILED: ") && line.contains(reason));
        assert!(found, "no failure says \"{reason}\":\n{text}");
    }
}

/// The lines of the report that start like this, after blanks.
fn lines<'t>(text: &'t str, start: &str) -> Vec<&'t str> {
    text.lines().map(str::trim).filter(|line| line.starts_with(start)).collect()
}

#[test]
fn call_between_two_natted_phones_works() {
    let (output, text) = run(&[]);
    assert_eq!(output.status.code(), Some(0), "{text}");
    assert_eq!(lines(&text, "FAILED"), [""; 0]);
    assert_eq!(lines(&text, "OK:").len(), 1);

    // 2 s, 0.5 s on hold where only A sends, 1 s; sent, relayed, received, lost.
    let counts = |start: &str| -> Vec<Vec<u64>> {
        lines(&text, start)
            .iter()
            .map(|line| line.trim_start_matches(start).split_whitespace())
            .map(|words| words.take(4).map(|word| word.parse().unwrap()).collect())
            .collect()
    };
    assert_eq!(counts("A to B RTP "), [[100, 100, 100, 0], [25, 25, 25, 0], [50, 50, 50, 0]]);
    assert_eq!(counts("B to A RTP "), [[100, 100, 100, 0], [0, 0, 0, 0], [50, 50, 50, 0]]);
    assert_eq!(counts("A to B RTCP "), [[4, 4, 4, 0], [1, 1, 1, 0], [2, 2, 2, 0]]);
    assert_eq!(counts("B to A RTCP "), [[4, 4, 4, 0], [1, 1, 1, 0], [2, 2, 2, 0]]);

    // A is known by its private address, B only by its port.
    let private = "private_contact: Contact 192.168.1.10:5060 is private";
    assert!(lines(&text, private).len() >= 2, "{text}");
    let port = "source_address: Via 127.0.2.1:5060, came from 127.0.2.1:";
    assert!(!lines(&text, port).is_empty(), "{text}");
    assert!(!lines(&text, "+ Contact: <sip:alice@127.0.1.1:").is_empty(), "{text}");
    assert!(!lines(&text, "+ Contact: <sip:bob@127.0.2.1:").is_empty(), "{text}");
    // Two offers of A and one on hold, and B's three answers.
    assert_eq!(lines(&text, "+ c=IN IP4 127.0.0.1").len(), 6, "{text}");

    assert!(text.contains("1 refused by NAT B"), "{text}");
    assert!(text.contains("open_ports 0,"), "{text}");
    for call in ["mp_message_parse", "mp_nat_test", "mp_fix_contact", "mp_rewrite_sdp"] {
        assert_eq!(lines(&text, call).len(), 1, "{call} in {text}");
    }
}

#[test]
fn without_repaired_contacts_the_callee_is_not_reached() {
    fails_with("no-contact-fix", &["timeout: phone B waits for INVITE"]);
}

#[test]
fn without_rewriting_media_is_lost() {
    fails_with(
        "no-rewrite",
        &[
            "the SDP does not name the relay",
            "first talk: A to B RTP : 20 of 20 packets lost",
            "first talk: B to A RTCP: 1 of 1 packets lost",
        ],
    );
}

#[test]
fn missing_end_session_leaves_ports_open() {
    fails_with("no-end", &["4 relay ports stay open"]);
}

#[test]
fn without_a_bye_ports_stay_open() {
    fails_with("no-bye", &["4 relay ports stay open"]);
}

#[test]
fn without_an_answer_the_call_times_out() {
    fails_with("no-answer", &["timeout: phone A waits for 200 to INVITE"]);
}

#[test]
fn lost_packet_is_detected() {
    fails_with("lost-packet", &["first talk: A to B RTP : 1 of 20 packets lost"]);
}

#[test]
fn packet_from_elsewhere_than_the_relay_is_detected() {
    fails_with("stranger", &["1 packets not from the relay but from 127.0.3.1:"]);
}

#[test]
fn rewritten_message_that_does_not_parse_back_is_detected() {
    fails_with("corrupt", &["the rewritten message does not parse back"]);
}

#[test]
fn unknown_fault_is_answered_with_the_usage() {
    let (output, text) = run(&["--fault", "nonsense"]);
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(text, "");
    assert!(String::from_utf8_lossy(&output.stderr).contains("no-contact-fix"));
}

/// The same call through Kamailio, our module and the shipped configuration.
#[test]
fn same_call_through_kamailio_works() {
    let test = kit::here!();
    if let Err(error) = Command::new("kamailio").arg("-v").output() {
        println!("SKIP {test}: kamailio: {error}");
        return;
    }
    let (output, text) = run(&["--server", "kamailio"]);
    if text.contains("FAILED: ") && text.contains("make KAMAILIO_SRC=/PATH") {
        println!("SKIP {test}: no headers of the installed Kamailio");
        return;
    }
    assert_eq!(output.status.code(), Some(0), "{text}");
    assert_eq!(lines(&text, "OK:").len(), 1);
    for stage in ["first talk", "on hold", "second talk"] {
        assert!(text.contains(&format!("= {stage}, ")), "{stage} is missing: {text}");
    }
    let port = "source_address: Via 127.0.2.1:5060, came from 127.0.2.1:";
    assert!(text.contains(port), "{text}");
}
