//! Every SIP message of the corpus, as one datagram, to two servers: one judges
//! and repairs with Debian's nat_traversal, one with our module. Verdicts,
//! return values and the repaired messages are compared. What differs is in
//! `fixtures/kamailio/corpus-differences.tsv` with its reason, and all that is
//! there is seen.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::net::UdpSocket;
use std::path::Path;

use mediaproxy::sip::message::MAX_MESSAGE;

use crate::differences::Table;
use crate::module;
use crate::scene::{Module, with_kamailio};
use crate::server::{Kamailio, stock_modules};
use kit::corpus::{Kind, Listed, all, corpus};
use kit::netns::{Network, PHONE, SERVER};
use kit::running::wait_for;

const DIFFERENCES: &str = include_str!("../fixtures/kamailio/corpus-differences.tsv");
/// The only one that is left out: the library takes no message that long.
const TOO_LONG: &str = "sip/osip/sip87.sip";
/// So many are under way at once: no buffer overflows.
const BATCH: usize = 20;

fn judge(network: &Network, directory: &Path, module: Module) -> (Kamailio, UdpSocket) {
    let directory = directory.join(format!("{module:?}"));
    std::fs::create_dir_all(&directory).expect("a directory");
    let (port, modules) = match module {
        Module::Stock => (5061, vec![stock_modules()]),
        Module::Ours => (5062, vec![module::ours(), stock_modules()]),
    };
    let mut defines = vec![("ADDRESS", SERVER.to_string()), ("PORT", port.to_string())];
    if module == Module::Stock {
        defines.push(("STOCK", String::new()));
        let state = directory.join("keepalive_state");
        defines.push(("STATE", format!("\"{}\"", state.display())));
    }
    let server = Kamailio::start(
        network.server.command("kamailio"),
        &directory,
        &kit::root().join("tests/fixtures/kamailio/judge.cfg"),
        &modules,
        &defines,
    );
    // The first home's NAT keeps this port: the same source for both.
    let socket = network.phones[0].udp(&format!("{PHONE}:7000"));
    socket.connect(format!("{SERVER}:{port}")).expect("an address");
    (server, socket)
}

/// What a server logs, as it comes.
struct Log {
    file: BufReader<File>,
    line: Vec<u8>,
}

impl Log {
    fn of(directory: &Path, module: Module) -> Log {
        let file = File::open(directory.join(format!("{module:?}/kamailio"))).expect("the log");
        Log { file: BufReader::new(file), line: Vec::new() }
    }

    /// The next whole line.
    fn next(&mut self) -> String {
        wait_for("a line of the log", || {
            self.file.read_until(b'\n', &mut self.line).expect("the log");
            let whole = self.line.ends_with(b"\n");
            whole.then(|| String::from_utf8_lossy(&std::mem::take(&mut self.line)).into_owned())
        })
    }
}

/// What came of each message; nothing where the server itself refused it.
fn judged(log: &mut Log, socket: &UdpSocket, messages: &[&Listed]) -> Vec<Option<Judged>> {
    let mut results = Vec::new();
    for group in messages.chunks(BATCH) {
        let first = results.len();
        for (number, message) in (first..).zip(group) {
            socket.send(&message.bytes).expect("a datagram goes out");
            let mark = format!(
                "OPTIONS sip:x@{SERVER} SIP/2.0\r\nVia: SIP/2.0/UDP {PHONE};branch=z9hG4bK1\r\n\
                 From: <sip:x@x>;tag=1\r\nTo: <sip:x@x>\r\nCall-ID: mark\r\n\
                 CSeq: 1 OPTIONS\r\nX-Number: {number}\r\nContent-Length: 0\r\n\r\n"
            );
            socket.send(mark.as_bytes()).expect("a datagram goes out");
        }
        let mut current = None;
        while results.len() < first + group.len() {
            let line = log.next();
            if let Some((_, judged)) = line.split_once("JUDGED ") {
                current = Some(Judged::read(judged.trim_end()));
            } else if let Some((_, number)) = line.split_once("NUMBER ") {
                assert_eq!(number.trim(), results.len().to_string());
                results.push(current.take());
            }
        }
    }
    results
}

/// What the functions said, and the message after them.
#[derive(Debug, PartialEq)]
struct Judged {
    returned: [String; 4],
    message: Vec<u8>,
}

impl Judged {
    fn read(line: &str) -> Judged {
        let words: Vec<&str> = line.split(' ').collect();
        let [one, two, four, fixed, message] = words[..] else { panic!("five words: {line}") };
        let byte = |at: usize| u8::from_str_radix(&message[at..at + 2], 16).expect("a byte");
        Judged {
            returned: [one, two, four, fixed].map(str::to_string),
            message: (0..message.len()).step_by(2).map(byte).collect(),
        }
    }

    /// How two differ: the field, theirs, ours.
    fn differences(&self, ours: &Judged) -> Vec<(&'static str, String, String)> {
        let names = ["test 1", "test 2", "test 4", "fix_contact"];
        let both = self.returned.iter().zip(&ours.returned);
        let mut found: Vec<_> = names
            .into_iter()
            .zip(both)
            .filter(|(_, (theirs, ours))| theirs != ours)
            .map(|(name, (theirs, ours))| (name, theirs.clone(), ours.clone()))
            .collect();
        if self.message != ours.message {
            let lines = |bytes: &[u8]| -> Vec<String> {
                let line = |line: &[u8]| line.escape_ascii().to_string();
                bytes.split(|&byte| byte == b'\n').map(line).collect()
            };
            let (theirs, ours) = (lines(&self.message), lines(&ours.message));
            let at = theirs.iter().zip(&ours).take_while(|(a, b)| a == b).count();
            let line = |lines: &[String]| lines.get(at).cloned().unwrap_or_default();
            found.push(("message", line(&theirs), line(&ours)));
        }
        found
    }
}

/// `request: FILE` or `302 to INVITE: FILE`, as a row names its messages.
fn label(file: &Listed) -> String {
    let text = String::from_utf8_lossy(&file.bytes);
    let status = text.trim_start().strip_prefix("SIP/2.0 ").and_then(|rest| rest.get(..3));
    let method = text.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        let is_cseq = name.trim().eq_ignore_ascii_case("cseq");
        is_cseq.then(|| value.split_whitespace().nth(1).unwrap_or_default().to_string())
    });
    match status {
        Some(status) => format!("{status} to {}: {}", method.unwrap_or_default(), file.path),
        None => format!("request: {}", file.path),
    }
}

#[test]
fn corpus_verdicts_are_those_of_the_stock_module() {
    let test = kit::here!();
    let Some(corpus) = corpus(test) else { return };
    with_kamailio(test, |network, directory| {
        if !module::can_be_built(test) {
            return;
        }
        let files = all(&corpus);
        let all = files.iter().filter(|file| file.kind == Kind::Sip);
        let (messages, long): (Vec<&Listed>, Vec<_>) =
            all.partition(|file| file.bytes.len() <= MAX_MESSAGE);
        assert_eq!(long.iter().map(|file| &file.path).collect::<Vec<_>>(), [TOO_LONG]);
        let [theirs, ours] = [Module::Stock, Module::Ours].map(|module| {
            let (server, socket) = judge(network, directory, module);
            let results = judged(&mut Log::of(directory, module), &socket, &messages);
            server.stop();
            results
        });
        let mut table = Table::read(DIFFERENCES);
        let (mut routed, mut same) = (0, 0);
        for ((file, theirs), ours) in messages.iter().zip(&theirs).zip(&ours) {
            assert_eq!(theirs.is_some(), ours.is_some(), "{}: the core refuses it", file.path);
            let (Some(theirs), Some(ours)) = (theirs, ours) else { continue };
            routed += 1;
            same += usize::from(theirs == ours);
            let label = label(file);
            for (field, their, our) in theirs.differences(ours) {
                table.differs(&label, field, &their, &our);
            }
        }
        println!(
            "{} messages, {routed} of them routed, {same} judged and repaired alike",
            messages.len()
        );
        table.explains_all();
        assert!(same * 10 > routed * 8, "most are alike");
    });
}
