//! Twice the input takes at most (about) twice the instructions, whatever its
//! shape. Instructions are counted by callgrind: no clock is asked.

use std::process::Command;

use mediaproxy::Edits;
use mediaproxy::IceCandidate;
use mediaproxy::internals::media::{Plan, plan};
use mediaproxy::internals::relay::Role;
use mediaproxy::internals::relay::{Answer, Capabilities, Protocol, Query};
use mediaproxy::nat::{self, Context, Networks, Tests, Verdict};
use mediaproxy::sdp::Session;
use mediaproxy::sip::Message;
use mediaproxy::sip::body::find_sdp;

use super::shapes::SHAPES;
use kit::directory::Directory;
use kit::rewriting::{ports_answer, source};

/// Says to this very test that it is being counted.
const COUNTED: &str = "MEDIAPROXY_TEST_COUNTED";
/// Twice, and what a growing buffer or a longer number may add.
const MOST: f64 = 2.2;
/// The same of whole counts, with what any message of the shape takes.
const MOST_IN_ALL: f64 = 2.0;

/// All that the library does with one message. Callgrind counts in here, and
/// writes down what it counted each time it ends.
#[inline(never)]
fn all_verbs(raw: &[u8]) {
    let Ok(message) = Message::parse(raw, source()) else { return };
    let (private, local) = (Networks::rfc1918(), Networks::default());
    let context = Context { private: &private, local: &local, sip_asymmetric: false };
    let mut verdict = Verdict::new();
    let mut edits = Edits::new();
    let _ = nat::test(&message, &context, Tests::ALL, false, &mut verdict);
    let _ = nat::fix_contact(&message, false, &mut edits);
    let _ = rewrite(&message, &mut edits);
    let mut out = Vec::new();
    let _ = edits.apply(&message, &mut out);
}

fn rewrite(message: &Message<'_>, edits: &mut Edits) -> Result<(), mediaproxy::Error> {
    let mut query = Query::about(message);
    let Some(text) = find_sdp(message)? else { return Ok(()) };
    let session = Session::parse(text)?;
    for role in [Role::Offer, Role::Answer] {
        let rules = plan::Rules {
            role,
            ice_candidate: IceCandidate::HighPriority,
            rewrite_origin: true,
            loop_marker: true,
            relayed_lines: None,
            has_session: false,
            ours: &|_, _| false,
        };
        let plan = plan(message, &session, &rules)?;
        if let Ok(query) = &mut query {
            query.streams.clone_from(&plan.streams);
            let codec = Protocol::MediaProxy2.codec();
            let capabilities = Capabilities { ipv6: true, ..codec.capabilities() };
            codec.encode(query, &capabilities, &mut Vec::new())?;
        }
        fill(&plan, role, edits)?;
    }
    Ok(())
}

/// An answer gets every second port only.
fn fill(plan: &Plan, role: Role, edits: &mut Edits) -> Result<(), mediaproxy::Error> {
    let refused = |index: u16| role == Role::Answer && index % 2 == 1;
    let count = plan.streams.len() as u16;
    let ports: Vec<u16> =
        (0..count).map(|index| if refused(index) { 0 } else { 50000 + 4 * index }).collect();
    let answer: Answer = ports_answer("203.0.113.9", &ports);
    plan.fill(&answer, edits, &mut |_| {})
}

/// The messages in the order in which they are counted: one to warm up, then
/// three of each shape: as small as can be, large, twice as large.
fn messages() -> Vec<Vec<u8>> {
    let mut messages = vec![(SHAPES[0].make)(1)];
    for shape in &SHAPES {
        messages.extend([1, shape.size, 2 * shape.size].map(shape.make));
    }
    messages
}

#[test]
fn twice_the_input_takes_twice_the_instructions() {
    let test = kit::here!();
    if std::env::var_os(COUNTED).is_some() {
        for raw in messages() {
            all_verbs(&raw);
        }
        return;
    }
    if Command::new("valgrind").arg("--version").output().is_err() {
        println!("SKIP {test}: valgrind is not installed");
        return;
    }
    let counts = count(test, &Directory::new());

    let messages = messages();
    assert_eq!(counts.len(), messages.len(), "one count for each message");
    let mut slow = Vec::new();
    let of_shapes = threes(&messages).zip(threes(&counts));
    for (shape, ([_, small, large], [base, less, more])) in SHAPES.iter().zip(of_shapes) {
        let bytes = [small.len(), large.len()];
        assert!(bytes[1] <= 64 * 1024, "{}: within bounds", shape.name);
        // What its size takes beyond what any message of the shape does.
        let [less, more] = [less, more].map(|count| count - base);
        let grown = more as f64 / less as f64;
        println!("{:50} {bytes:5?} B {less:9} {more:9}  x {grown:.3}", shape.name);
        if grown > MOST {
            slow.push(format!("{}: x {grown:.3}", shape.name));
        }
        let [less, more] = [less, more].map(|count| (count + base) as f64);
        if more > MOST_IN_ALL * less {
            slow.push(format!("{} in all: x {:.3}", shape.name, more / less));
        }
    }
    assert!(slow.is_empty(), "more than x {MOST}, or x {MOST_IN_ALL} in all: {slow:#?}");
}

/// Each shape's three, behind the one that warms up.
fn threes<T>(all: &[T]) -> impl Iterator<Item = &[T; 3]> {
    all[1..].as_chunks().0.iter()
}

/// The instructions of each call, counted in a run of this test under
/// callgrind.
fn count(test: &str, folder: &Directory) -> Vec<u64> {
    let run = Command::new("valgrind")
        .args(["--tool=callgrind", "--toggle-collect=api::hostile::linear_time::all_verbs"])
        .arg("--dump-after=api::hostile::linear_time::all_verbs")
        .arg(format!("--callgrind-out-file={}", folder.path("out").display()))
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", test])
        .env(COUNTED, "1")
        // Longer copies the C library makes by one instruction that callgrind
        // counts once for each byte.
        .env("GLIBC_TUNABLES", "glibc.cpu.x86_rep_movsb_threshold=1000000")
        .output()
        .unwrap();
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
    (1..)
        .map_while(|number| std::fs::read_to_string(folder.path(format!("out.{number}"))).ok())
        .filter(|dump| dump.contains("Trigger: --dump-after"))
        .map(|dump| {
            let totals = dump.lines().find_map(|line| line.strip_prefix("totals: ")).unwrap();
            totals.trim().parse().unwrap()
        })
        .collect()
}
