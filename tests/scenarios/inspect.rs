//! `mediaproxy-inspect` as its user runs it: golden outputs over captures of
//! our own, tshark as the judge of what is SIP, and damaged captures.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use kit::corpus::{Kind, all, corpus};

mod captures;
mod messages;
mod wire;

fn fixtures() -> PathBuf {
    kit::root().join("tests/fixtures/inspect")
}

fn update_wanted() -> bool {
    std::env::var_os("UPDATE_GOLDEN").is_some()
}

fn inspect() -> Command {
    Command::new(kit::program("mediaproxy-inspect"))
}

/// Runs it among the fixtures, so that outputs name no other place.
fn run(args: &[&str]) -> Output {
    inspect().args(args).current_dir(fixtures()).output().unwrap()
}

/// Compares with a committed file, or rewrites it where that is wanted.
fn assert_golden(name: &str, found: &[u8]) {
    let path = fixtures().join(name);
    if update_wanted() {
        fs::write(&path, found).unwrap();
    }
    let expected = fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert_eq!(text(found), text(&expected), "{name}: UPDATE_GOLDEN=1 rewrites it");
    assert!(found == expected, "{name}: UPDATE_GOLDEN=1 rewrites it");
}

fn assert_output(golden: &str, args: &[&str]) {
    let output = run(args);
    assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{args:?}");
    assert!(output.status.success(), "{args:?}: {}", output.status);
    assert_golden(golden, &output.stdout);
}

#[test]
fn captures_give_their_golden_outputs() {
    for (name, bytes) in captures::all() {
        assert_golden(name, &bytes);
        assert_output(&format!("{name}.out"), &[name]);
    }
}

#[test]
fn message_files_give_their_golden_outputs() {
    let with_source = ["--source", "198.51.100.7:61234", "register.sip"];
    assert_output("register.sip.out", &with_source);
    assert_output("register-assumed.out", &["register.sip", "not-sip.txt"]);
    assert_output(
        "invite-ipv6.out",
        &[
            "--source=[2001:db8::7]:61234",
            "--transport=wss",
            "--tests=websocket,private_sdp|source_contact",
            "--private=100.64.0.0/10,ula",
            "--relay=2001:db8::9",
            "invite-folded.sip",
        ],
    );
}

#[test]
fn summary_adds_up_all_files() {
    assert_output("summary.out", &["--summary", "ethernet-udp.pcap", "tcp.pcap", "register.sip"]);
}

#[test]
fn help_names_every_option_and_test() {
    let output = run(&["--help"]);
    assert!(output.status.success());
    let help = String::from_utf8(output.stdout).unwrap();
    for option in ["--source", "--tests", "--transport", "--private", "--relay", "--summary"] {
        assert!(help.contains(option), "{option}");
    }
    for bit in (0..32).map(|shift| 1u32 << shift) {
        let Ok(test) = mediaproxy::nat::Tests::from_bits(bit) else { continue };
        let line = format!("  {} ({bit})", test.name());
        assert!(help.contains(&line), "{line}");
    }
    assert!(help.lines().all(|line| line.len() <= 80), "fits a terminal");
}

#[test]
fn file_that_cannot_be_read_fails_the_run_but_not_the_others() {
    let output = run(&["no-such-file.pcap", "register.sip"]);
    assert_eq!(output.status.code(), Some(1));
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(complaint.starts_with("mediaproxy-inspect: no-such-file.pcap: "), "{complaint}");
    assert!(String::from_utf8_lossy(&output.stdout).contains("REGISTER sip:example.com"));
}

#[test]
fn mistakes_on_the_command_line_are_explained() {
    for (args, reason) in [
        (&[][..], "no file given"),
        (&["--frobnicate", "x"], "unknown option --frobnicate"),
        (&["--source"], "--source needs a value"),
        (&["--source", "192.0.2.1", "x"], "--source 192.0.2.1: expected IP:PORT"),
        (&["--transport", "smoke", "x"], "--transport smoke: expected udp, tcp"),
        (&["--tests", "everything", "x"], "--tests everything: expected"),
        (&["--private", "here", "x"], "--private here: expected"),
        (&["--relay", "relay.example.com", "x"], "--relay relay.example.com: expected"),
    ] {
        let output = run(args);
        assert_eq!(output.status.code(), Some(2), "{args:?}");
        let complaint = String::from_utf8_lossy(&output.stderr);
        assert!(complaint.contains(reason), "{args:?}: {complaint}");
        assert!(output.stdout.is_empty(), "{args:?}");
    }
}

/// A small generator, the same in every run.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % limit as u64) as usize
    }
}

#[test]
fn damaged_captures_neither_stop_nor_fail_the_run() {
    let directory = kit::target_tmp().join("inspect-damaged");
    fs::create_dir_all(&directory).unwrap();
    let mut random = Random(0x5eed);
    let mut files = Vec::new();
    for (name, bytes) in captures::all() {
        for round in 0..40 {
            let mut bytes = bytes.clone();
            for _ in 0..=random.below(20) {
                let at = random.below(bytes.len());
                match random.below(4) {
                    0 => bytes.truncate(at.max(4)),
                    1 => bytes[at] ^= 1 << random.below(8),
                    2 => bytes[at] = 0xff,
                    _ => {
                        let to = (at + random.below(64)).min(bytes.len());
                        bytes.copy_within(at..to, 0);
                    }
                }
            }
            let path = directory.join(format!("{round}-{name}"));
            fs::write(&path, bytes).unwrap();
            files.push(path);
        }
    }
    let output = inspect().args(&files).output().unwrap();
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {complaint}", output.status);
    assert!(String::from_utf8_lossy(&output.stdout).contains("\nSummary\n"));
    fs::remove_dir_all(&directory).unwrap();
}

/// How many SIP messages tshark finds: start lines, also several in a frame.
fn tshark_count(file: &Path) -> usize {
    let output = Command::new("tshark")
        .args(["-n", "-Y", "sip", "-T", "fields", "-e", "sip.Request-Line", "-e"])
        .args(["sip.Status-Line", "-E", "occurrence=a", "-E", "aggregator=\x1f", "-r"])
        .arg(file)
        .output()
        .unwrap();
    // Its exit status tells of damage in the file, which is none of ours here.
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.split(['\n', '\t', '\x1f']).filter(|line| !line.trim().is_empty()).count()
}

/// How many we find.
fn our_count(file: &Path) -> usize {
    let output = inspect().arg("--summary").arg(file).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let line = text.lines().find_map(|line| line.trim().strip_prefix("messages"));
    line.and_then(|count| count.trim().parse().ok()).unwrap_or_else(|| panic!("{text}"))
}

#[test]
fn as_many_messages_as_tshark_finds() {
    if Command::new("tshark").arg("--version").output().is_err() {
        println!("SKIP {}: tshark is not installed", kit::here!());
        return;
    }
    let mut files: Vec<(String, PathBuf)> = captures::all()
        .into_iter()
        .map(|(name, _)| (name.to_owned(), fixtures().join(name)))
        .collect();
    // Without the corpus it says that it skips, and judges our own captures.
    if let Some(corpus) = corpus(kit::here!()) {
        let captures = all(&corpus).into_iter().filter(|file| file.kind == Kind::Capture);
        let captures: Vec<String> = captures.map(|file| file.path).collect();
        assert!(captures.iter().any(|name| name.starts_with("rtp-pcap/")));
        files.extend(captures.into_iter().map(|name| (name.clone(), corpus.join(name))));
    }
    let table = fs::read_to_string(fixtures().join("tshark-differences.tsv")).unwrap();
    let mut wrong = Vec::new();
    let mut most = 0;
    for (name, path) in &files {
        let (ours, theirs) = (our_count(path), tshark_count(path));
        most = most.max(theirs);
        let row = table.lines().find(|row| row.split('\t').next() == Some(name));
        let expected = row.map(|row| row.split('\t').skip(1).take(2).collect::<Vec<_>>());
        let explained = match expected.as_deref() {
            Some([a, b]) => *a == ours.to_string() && *b == theirs.to_string() && ours != theirs,
            _ => ours == theirs,
        };
        if !explained {
            wrong.push(format!("{name}: {ours} here, {theirs} by tshark, table: {row:?}"));
        }
    }
    assert!(most > 0, "tshark finds nothing anywhere");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_message_of_the_corpus_is_reported() {
    let Some(corpus) = corpus(kit::here!()) else { return };
    let files: Vec<String> = all(&corpus)
        .into_iter()
        .filter(|file| file.kind != Kind::Capture)
        .map(|file| file.path)
        .collect();
    let output = inspect().args(&files).current_dir(&corpus).output().unwrap();
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {complaint}", output.status);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let messages = text.rsplit("\nSummary\n").next().unwrap();
    let count = messages.lines().find_map(|line| line.trim().strip_prefix("messages"));
    assert_eq!(count.map(str::trim), Some(files.len().to_string().as_str()));
}
