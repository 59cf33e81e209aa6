//! A rewrite with all that lies between message and edits: a worker, the call
//! table, the request to a relay and its answer.

use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;

use mediaproxy::Edits;
use mediaproxy::Options;
use mediaproxy::internals::capi::{config, edits, engine, message, request, text, worker};
use mediaproxy::internals::relay::{Protocol, Query};
use mediaproxy::sip::{Message, Source, Transport};
use mediaproxy::{Progress, Started, Worker};

use crate::operations::{SOURCE, c_address, text_of};
use crate::relays::engine_with;

fn parsed(raw: &[u8]) -> Message<'_> {
    let source = Source { address: SOURCE, local: None, transport: Transport::Udp };
    Message::parse(raw, source).expect("a message")
}

/// What a relay is asked about a message, read and written.
pub(crate) fn request(raw: &[u8], times: u64) {
    let codec = Protocol::MediaProxy2.codec();
    let capabilities = codec.capabilities();
    let mut query = Query::default();
    let mut out = Vec::new();
    for _ in 0..times {
        query.renew(&parsed(raw), 1).expect("a query");
        codec.encode(&query, &capabilities, &mut out).expect("a request");
        assert!(out.ends_with(b"\r\n\r\n"));
    }
}

/// A relay that answers when it is told to, so that no thread is needed.
struct Relay {
    path: PathBuf,
    listener: UnixListener,
    connection: Option<UnixStream>,
    asked: Vec<u8>,
}

impl Relay {
    fn new() -> Self {
        // Always of one length, which counts.
        let path = std::env::temp_dir().join(format!("mp-asked-{:010}", std::process::id()));
        let listener = UnixListener::bind(&path).expect("a socket");
        Relay { path, listener, connection: None, asked: vec![0; 4096] }
    }

    fn name(&self) -> String {
        format!("mediaproxy2:{}", self.path.display())
    }

    fn answer(&mut self) {
        let accept = || self.listener.accept().expect("a connection").0;
        let connection = self.connection.get_or_insert_with(accept);
        let length = connection.read(&mut self.asked).expect("a request");
        assert!(self.asked[..length].ends_with(b"\r\n\r\n"));
        connection.write_all(b"198.51.100.7 50000\r\n").expect("room for the answer");
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        std::fs::remove_file(&self.path).expect("the socket");
    }
}

/// The messages of a call, each time of another call, from the raw bytes to the
/// edits.
pub(crate) fn call(messages: &[&[u8]], times: u64) {
    let mut relay = Relay::new();
    let engine = engine_with([relay.name()]);
    let mut worker = Worker::new(engine).expect("a worker");
    let (options, mut edits) = (Options::default(), Edits::new());
    let mut messages: Vec<_> = messages.iter().map(|raw| (raw.to_vec(), call_id(raw))).collect();
    for n in 0..times {
        for (raw, call_id) in &mut messages {
            number(raw, *call_id, n);
            let started = worker.rewrite_start(&parsed(raw), &options, n).expect("a start");
            let Started::Rewrite(mut rewrite) = started else { panic!("no description") };
            relay.answer();
            edits.reset();
            let progress = rewrite.resume(&mut worker, n, &mut edits).expect("an answer");
            assert_eq!((progress, edits.len()), (Progress::Done, 2));
        }
    }
}

/// Parse, rewrite_start, continue and apply, each time of another call.
pub(crate) fn in_c(raw: &[u8], times: u64) {
    let call_id = call_id(raw);
    // In turns: a message holds on to its bytes until the next is read.
    let mut raw = [raw.to_vec(), raw.to_vec()];
    let mut relay = Relay::new();
    let source = c_address(SOURCE);
    let mut out = vec![0u8; 65_536];
    let ok = |status: mediaproxy::internals::capi::status::MpStatus| assert_eq!(status as i32, 0);
    // SAFETY: every handle is made here, used by this thread alone and freed
    // at the end; the bytes that `message` holds are not changed, and they,
    // `out` and the address outlive all of it.
    unsafe {
        let settings = config::mp_config_new();
        for (name, value) in
            [("sip_asymmetrics", ""), ("rtp_asymmetrics", ""), ("relay", &relay.name())]
        {
            let (name, value) = (text_of(name), text_of(value));
            ok(config::mp_config_set(settings, name, value, std::ptr::null_mut()));
        }
        let mut made = std::ptr::null_mut();
        ok(engine::mp_engine_new(settings, &raw mut made, std::ptr::null_mut()));
        let mut hand = std::ptr::null_mut();
        ok(worker::mp_worker_new(made, &raw mut hand, std::ptr::null_mut()));
        let message = message::mp_message_new();
        let list = edits::mp_edits_new();
        for n in 0..times {
            raw.swap(0, 1);
            let [raw, _] = &mut raw;
            number(raw, call_id, n);
            let text = text::MpStr { ptr: raw.as_ptr().cast(), len: raw.len() };
            let nowhere = std::ptr::null();
            ok(message::mp_message_parse(message, text, &raw const source, nowhere, 1));
            let (mut asked, mut length) = (std::ptr::null_mut(), 0);
            ok(request::mp_rewrite_start(hand, message, std::ptr::null(), n, &raw mut asked));
            relay.answer();
            ok(edits::mp_edits_reset(list));
            ok(request::mp_request_continue(asked, hand, n, list));
            request::mp_request_free(asked);
            assert_eq!(edits::mp_edits_count(list), 2);
            let to = out.as_mut_ptr().cast();
            ok(edits::mp_edits_apply(list, message, to, out.len(), &raw mut length));
            assert_ne!(length, 0);
        }
        edits::mp_edits_free(list);
        message::mp_message_free(message);
        worker::mp_worker_free(hand);
        engine::mp_engine_free(made);
        config::mp_config_free(settings);
    }
}

/// Makes it another call's message.
fn number(raw: &mut [u8], call_id: usize, n: u64) {
    let letters = raw[call_id..].iter_mut().take(8).enumerate();
    letters.for_each(|(at, letter)| *letter = b'a' + (n >> (4 * at) & 15) as u8);
}

/// Where a message's Call-ID starts.
fn call_id(raw: &[u8]) -> usize {
    const NAME: &[u8] = b"\r\nCall-ID: ";
    raw.windows(NAME.len()).position(|text| text == NAME).expect("a Call-ID") + NAME.len()
}
