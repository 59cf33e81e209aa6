//! A rewrite with all that lies between message and edits: a worker, the call
//! table, the request to a relay and its answer.

use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};

use mediaproxy::edit::Edits;
use mediaproxy::options::Options;
use mediaproxy::relay::{Command, Query, mediaproxy2};
use mediaproxy::sip::message::{Message, Source, Transport};
use mediaproxy::{Progress, Started, Worker};

use crate::operations::SOURCE;
use crate::relays::engine_with;

fn parsed(raw: &[u8]) -> Message<'_> {
    let source = Source { address: SOURCE, local: None, transport: Transport::Udp };
    Message::parse(raw, source).expect("a message")
}

/// What a relay is asked about a message, read and written.
pub(crate) fn request(raw: &[u8], times: u64) {
    let mut query = Query::default();
    let mut out = Vec::new();
    for _ in 0..times {
        query.renew(&parsed(raw), Command::Request, 1).expect("a query");
        mediaproxy2::encode(&query, false, &mut out).expect("a request");
        assert!(out.ends_with(b"\r\n\r\n"));
    }
}

/// A relay that answers when it is told to, so that no thread is needed.
struct Relay {
    listener: UnixListener,
    connection: Option<UnixStream>,
    asked: Vec<u8>,
}

impl Relay {
    fn answer(&mut self) {
        let accept = || self.listener.accept().expect("a connection").0;
        let connection = self.connection.get_or_insert_with(accept);
        let length = connection.read(&mut self.asked).expect("a request");
        assert!(self.asked[..length].ends_with(b"\r\n\r\n"));
        connection.write_all(b"198.51.100.7 50000\r\n").expect("room for the answer");
    }
}

/// The messages of a call, each time of another call, from the raw bytes to the
/// edits.
pub(crate) fn call(messages: &[&[u8]], times: u64) {
    // Always of one length, which counts.
    let path = std::env::temp_dir().join(format!("mp-asked-{:010}", std::process::id()));
    let listener = UnixListener::bind(&path).expect("a socket");
    let mut relay = Relay { listener, connection: None, asked: vec![0; 4096] };
    let engine = engine_with([format!("mediaproxy2:{}", path.display())]);
    let mut worker = Worker::new(engine).expect("a worker");
    let (options, mut edits) = (Options::default(), Edits::new());
    let mut messages: Vec<_> = messages.iter().map(|raw| (raw.to_vec(), call_id(raw))).collect();
    for n in 0..times {
        for (raw, call_id) in &mut messages {
            let letters = raw[*call_id..].iter_mut().take(8).enumerate();
            letters.for_each(|(at, letter)| *letter = b'a' + (n >> (4 * at) & 15) as u8);
            let started = worker.rewrite_start(&parsed(raw), &options, n).expect("a start");
            let Started::Rewrite(mut rewrite) = started else { panic!("no description") };
            relay.answer();
            edits.reset();
            let progress = rewrite.resume(&mut worker, n, &mut edits).expect("an answer");
            assert_eq!((progress, edits.len()), (Progress::Done, 2));
        }
    }
    std::fs::remove_file(&path).expect("the socket");
}

/// Where a message's Call-ID starts.
fn call_id(raw: &[u8]) -> usize {
    const NAME: &[u8] = b"\r\nCall-ID: ";
    raw.windows(NAME.len()).position(|text| text == NAME).expect("a Call-ID") + NAME.len()
}
