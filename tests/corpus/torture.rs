//! What is done with one message, as a line of text for each verb.

use mediaproxy::Edits;
use mediaproxy::Error;
use mediaproxy::Options;
use mediaproxy::internals::capi::status::MpStatus;
use mediaproxy::nat::{Tests, Verdict};
use mediaproxy::sip::Message;

use kit::corpus::{all, corpus};
use kit::relay::Relay;
use kit::{udp, worker};

/// The Via does not say where the message came from.
pub(crate) const VIA: &str = "source_address source_port";
/// Neither do Via and Contact.
pub(crate) const VIA_CONTACT: &str = "source_address source_port source_contact contact_port";
/// Nor the description.
pub(crate) const VIA_CONTACT_SDP: &str =
    "source_address source_port source_contact contact_port source_sdp";
pub(crate) const NO_SDP: &str = "MP_NO_SDP";
pub(crate) const NO_SIP: &str =
    "MP_ERR_SYNTAX: the first line is neither a request nor a reply of SIP/2.0";

/// What is done with one message, and why that is right.
pub(crate) struct Row {
    /// Its file, without the folder.
    pub(crate) file: &'static str,
    /// The tests that match, or the error.
    pub(crate) nat_test: &'static str,
    /// What goes and what comes, or the error; "" where nothing changes.
    pub(crate) fix_contact: &'static str,
    /// The same.
    pub(crate) rewrite_sdp: &'static str,
    pub(crate) why: &'static str,
}

/// Compares each message of a folder with its row; every message has one.
pub(crate) fn compare(test: &str, folder: &str, rows: &[Row]) {
    let Some(root) = corpus(test) else { return };
    let files: Vec<_> =
        all(&root).into_iter().filter(|file| file.path.starts_with(folder)).collect();
    let relay = Relay::answering();
    let mut wrong = Vec::new();
    for file in &files {
        let name = file.path.strip_prefix(folder).unwrap();
        let done = done(&file.bytes, &relay);
        let row = rows.iter().find(|row| row.file == name);
        let expected = row.map(|row| [row.nat_test, row.fix_contact, row.rewrite_sdp]);
        if expected != Some(done.each_ref().map(String::as_str)) {
            let why = row.map_or("no row", |row| row.why);
            wrong.push(format!("{name}: {done:#?}\nwhere the row says {expected:#?}\n{why}\n"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(rows.len(), files.len(), "a row for each message and no other");
    assert!(rows.iter().all(|row| !row.why.is_empty()));
}

/// The three verbs on a message from 203.0.113.5:61234.
fn done(raw: &[u8], relay: &Relay) -> [String; 3] {
    let message = match Message::parse(raw, udp("203.0.113.5:61234")) {
        Ok(message) => message,
        Err(error) => return [(); 3].map(|()| failed(&error)),
    };
    let uri = format!("{};ipv6=yes", relay.uri());
    // A busy machine must not change what is counted.
    let slow = [("relay", &*uri), ("relay_timeout", "5000"), ("relay_try", "5000")];
    let mut worker = worker(&slow);
    let mut verdict = Verdict::new();
    let nat_test = match worker.nat_test(&message, Tests::ALL, false, &mut verdict) {
        Ok(()) => {
            let names: Vec<_> = verdict.evidence().iter().map(|e| e.test.name()).collect();
            names.join(" ")
        }
        Err(error) => failed(&error),
    };
    let mut edits = Edits::new();
    let fix_contact = match worker.fix_contact(&message, &mut edits) {
        Ok(()) => changes(raw, &edits),
        Err(error) => failed(&error),
    };
    let mut edits = Edits::new();
    let rewrite_sdp = match worker.rewrite_sdp(&message, &Options::default(), &mut edits) {
        Ok(true) => changes(raw, &edits),
        Ok(false) => "MP_NO_SDP".to_string(),
        Err(error) => failed(&error),
    };
    [nat_test, fix_contact, rewrite_sdp]
}

fn failed(error: &Error) -> String {
    format!("{:?}: {error}", MpStatus::from(error.status()))
}

/// `old -> new` for each edit.
fn changes(raw: &[u8], edits: &Edits) -> String {
    let change = |edit: mediaproxy::Edit<'_>| {
        let old = raw[edit.offset..][..edit.remove].escape_ascii();
        format!("{old} -> {}", edit.insert.escape_ascii())
    };
    edits.iter().map(change).collect::<Vec<_>>().join(", ")
}
