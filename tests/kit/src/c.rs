//! What a server in C has: handles, texts and addresses of the C interface.

use std::net::{IpAddr, SocketAddr};
use std::ptr;

use mediaproxy::internals::capi::address::MpAddress;
use mediaproxy::internals::capi::config::{mp_config_free, mp_config_new, mp_config_set};
use mediaproxy::internals::capi::edits::{MpEdits, mp_edits_free, mp_edits_new};
use mediaproxy::internals::capi::engine::{MpEngine, mp_engine_free, mp_engine_new};
use mediaproxy::internals::capi::message::{MpMessage, mp_message_free, mp_message_new};
use mediaproxy::internals::capi::status::MpStatus;
use mediaproxy::internals::capi::text::MpStr;
use mediaproxy::internals::capi::verdict::{MpVerdict, mp_verdict_free, mp_verdict_new};
use mediaproxy::internals::capi::worker::{MpWorker, mp_worker_free, mp_worker_new};

/// The bytes as a text of the C interface; they must outlive its use.
pub fn text(bytes: &[u8]) -> MpStr {
    MpStr { ptr: bytes.as_ptr().cast(), len: bytes.len() }
}

pub fn address(socket: SocketAddr) -> MpAddress {
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

/// The handles a server keeps, freed with this value.
#[derive(Debug)]
pub struct Handles {
    pub engine: *mut MpEngine,
    pub worker: *mut MpWorker,
    pub message: *mut MpMessage,
    pub verdict: *mut MpVerdict,
    pub edits: *mut MpEdits,
    /// Room for an edited message.
    pub out: Vec<u8>,
}

impl Handles {
    /// With these settings, which must be accepted.
    pub fn new(settings: &[(&str, &str)]) -> Handles {
        // The constructors make panics quiet, which would hide why a test fails.
        let loud = std::panic::take_hook();
        let config = mp_config_new();
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
        Handles { engine, worker, message, verdict, edits, out: vec![0; 70_000] }
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
