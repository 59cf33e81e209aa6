//! The same through the functions of the C interface.

use std::net::{IpAddr, SocketAddr};
use std::ptr;

use mediaproxy::internals::capi::address::MpAddress;
use mediaproxy::internals::capi::config::{MpConfig, mp_config_free, mp_config_new, mp_config_set};
use mediaproxy::internals::capi::edits::*;
use mediaproxy::internals::capi::engine::{MpEngine, mp_engine_free, mp_engine_new};
use mediaproxy::internals::capi::message::{
    MpMessage, mp_message_free, mp_message_new, mp_message_parse,
};
use mediaproxy::internals::capi::status::MpStatus;
use mediaproxy::internals::capi::text::MpStr;
use mediaproxy::internals::capi::verdict::*;
use mediaproxy::internals::capi::worker::*;
use mediaproxy::nat::Tests;

use crate::WARM_UP;
use crate::counting::allocations;
use crate::traffic::{self, Heard, Lists};

fn text(text: &[u8]) -> MpStr {
    MpStr { ptr: text.as_ptr().cast(), len: text.len() }
}

fn address(socket: SocketAddr) -> MpAddress {
    let mut bytes = [0; 16];
    let family = match socket.ip() {
        IpAddr::V4(ip) => {
            bytes[..4].copy_from_slice(&ip.octets());
            4
        }
        IpAddr::V6(ip) => {
            bytes = ip.octets();
            6
        }
    };
    MpAddress { family, port: socket.port(), bytes }
}

/// The handles a server keeps.
struct Handles {
    engine: *mut MpEngine,
    worker: *mut MpWorker,
    message: *mut MpMessage,
    verdict: *mut MpVerdict,
    edits: *mut MpEdits,
    buffer: Vec<u8>,
}

impl Handles {
    fn new(settings: &[(&str, &str)]) -> Handles {
        // The constructors make panics quiet, which would hide why a test fails.
        let loud = std::panic::take_hook();
        let config: *mut MpConfig = mp_config_new();
        let (mut engine, mut worker) = (ptr::null_mut(), ptr::null_mut());
        // SAFETY: every pointer is alive, or NULL where that is allowed.
        unsafe {
            for (name, value) in settings {
                let (name, value) = (text(name.as_bytes()), text(value.as_bytes()));
                assert_eq!(mp_config_set(config, name, value, ptr::null_mut()), MpStatus::MP_OK);
            }
            assert_eq!(mp_engine_new(config, &mut engine, ptr::null_mut()), MpStatus::MP_OK);
            assert_eq!(mp_worker_new(engine, &mut worker, ptr::null_mut()), MpStatus::MP_OK);
            mp_config_free(config);
        }
        let (message, verdict, edits) = (mp_message_new(), mp_verdict_new(), mp_edits_new());
        std::panic::set_hook(loud);
        Handles { engine, worker, message, verdict, edits, buffer: vec![0; 70_000] }
    }

    fn serve(&mut self, heard: &Heard, transport: u32) {
        let source = address(heard.source.address);
        let buffer = self.buffer.as_mut_ptr().cast();
        let mut length = 0;
        // SAFETY: every pointer is alive, and the raw message outlives its use.
        unsafe {
            let raw = text(&heard.raw);
            let parsed = mp_message_parse(self.message, raw, &source, ptr::null(), transport);
            assert_eq!(parsed, MpStatus::MP_OK);
            let tests = Tests::ALL.bits();
            let judged = mp_nat_test(self.worker, self.message, tests, 0, self.verdict);
            assert_eq!(judged, MpStatus::MP_OK, "{}", heard.name);
            for index in 0..mp_verdict_count(self.verdict) {
                assert!(mp_verdict_text(self.verdict, index).len > 0);
            }
            assert_eq!(mp_edits_reset(self.edits), MpStatus::MP_OK);
            let fixed = mp_fix_contact(self.worker, self.message, self.edits);
            assert!(matches!(fixed, MpStatus::MP_OK | MpStatus::MP_NO_CONTACT), "{}", heard.name);
            assert_eq!(mp_edits_count(self.edits) > 0, heard.fixed, "{}", heard.name);
            let applied =
                mp_edits_apply(self.edits, self.message, buffer, self.buffer.len(), &mut length);
            assert_eq!(applied, MpStatus::MP_OK);
        }
    }
}

impl Drop for Handles {
    fn drop(&mut self) {
        // SAFETY: each was made by its constructor and is freed once.
        unsafe {
            mp_edits_free(self.edits);
            mp_verdict_free(self.verdict);
            mp_message_free(self.message);
            mp_worker_free(self.worker);
            mp_engine_free(self.engine);
        }
    }
}

#[test]
fn no_allocation_through_the_c_interface() {
    let lists = Lists::new();
    let mut handles = Handles::new(&lists.settings());
    let mut messages = traffic::messages();
    messages.retain(|heard| heard.readable);
    messages.extend(traffic::of_listed_clients());
    for heard in &messages {
        let transport = heard.source.transport as u32;
        for _ in 0..WARM_UP {
            handles.serve(heard, transport);
        }
        assert_eq!(allocations(|| handles.serve(heard, transport)), 0, "{}", heard.name);
    }
}
