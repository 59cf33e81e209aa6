//! The parts of the boundary that no C program of a default build can reach,
//! and the numbers that C and Rust share.

use std::ptr;

use crate::capi::address::{MpAddress, mp_address_parse};
use crate::capi::boundary::{Handle, Poison};
use crate::capi::error::{MpError, mp_error_free, mp_error_status, mp_error_text};
use crate::capi::message::{mp_message_free, mp_message_last_error, mp_message_new};
use crate::capi::options::{mp_options_free, mp_options_new, mp_options_set_role};
use crate::capi::status::{MpStatus, NAMES, mp_status_name};
use crate::capi::text::MpStr;
use crate::capi::verdict as c;
use crate::error::Status;
use crate::nat::Tests;

fn bytes(text: MpStr) -> &'static [u8] {
    // SAFETY: the tests only pass texts that are still alive.
    unsafe { std::slice::from_raw_parts(text.ptr.cast(), text.len) }
}

#[derive(Default)]
struct Thing {
    poison: Poison,
    touched: u32,
}

impl Handle for Thing {
    fn poison(&self) -> &Poison {
        &self.poison
    }
}

fn touch(thing: *mut Thing, other: *const Thing, all: *const Thing, panic: bool) -> MpStatus {
    boundary!(report (); thing: exclusive, other: borrowed, all: shared => {
        thing.touched += 1 + other.touched + all.touched;
        if panic {
            panic!("on request {}", thing.touched);
        }
        Ok(Status::Ok)
    })
}

#[test]
fn panic_poisons_handles_except_shared_ones() {
    let mut thing = Thing::default();
    let (other, all) = (Thing::default(), Thing::default());
    assert_eq!(touch(&mut thing, &other, &all, false), MpStatus::MP_OK);
    assert_eq!(touch(&mut thing, &other, &all, true), MpStatus::MP_ERR_PANIC);
    assert!(thing.poison.is_set() && other.poison.is_set() && !all.poison.is_set());
    assert_eq!(touch(&mut thing, &other, &all, false), MpStatus::MP_ERR_POISONED);
    assert_eq!(thing.touched, 2, "a poisoned handle is not touched");
    let mut fresh = Thing::default();
    assert_eq!(touch(&mut fresh, &other, &all, false), MpStatus::MP_ERR_POISONED);
    assert_eq!(touch(&mut fresh, &all, &all, false), MpStatus::MP_OK);
}

#[test]
fn panic_text_names_reason_and_place() {
    super::boundary::quiet_panics();
    let mut error: *mut MpError = ptr::null_mut();
    let place = &raw mut error;
    let status = boundary!(report place; => {
        let parsed: Result<u8, _> = "x".parse::<u8>();
        parsed.expect("a number was here");
        Ok(Status::Ok)
    });
    assert_eq!(status, MpStatus::MP_ERR_PANIC);
    // SAFETY: the macro wrote a live handle.
    unsafe {
        assert_eq!(mp_error_status(error), MpStatus::MP_ERR_PANIC);
        let text = String::from_utf8_lossy(bytes(mp_error_text(error))).into_owned();
        assert!(text.contains("a number was here"), "{text}");
        assert!(text.contains("src/capi/tests.rs:"), "{text}");
        mp_error_free(error);
    }
}

#[test]
fn panic_in_accessor_gives_default() {
    let number = boundary!(value 7; => {
        if true {
            panic!("no number");
        }
        Ok(1)
    });
    assert_eq!(number, 7);
}

#[test]
fn panic_in_free_is_caught() {
    struct Bomb;
    impl Drop for Bomb {
        fn drop(&mut self) {
            panic!("cannot go");
        }
    }
    let bomb = Box::into_raw(Box::new(Bomb));
    boundary!(free bomb);
}

#[test]
fn poisoned_handle_keeps_its_error() {
    let message = mp_message_new();
    let fail = |text: &'static str| {
        boundary!(report message; message: exclusive => {
            let _ = message;
            if !text.is_empty() {
                panic!("{text}");
            }
            Ok(Status::Ok)
        })
    };
    assert_eq!(fail("the first reason"), MpStatus::MP_ERR_PANIC);
    assert_eq!(fail(""), MpStatus::MP_ERR_POISONED);
    // SAFETY: the handle lives.
    unsafe {
        let text = String::from_utf8_lossy(bytes(mp_message_last_error(message))).into_owned();
        assert!(text.contains("the first reason"), "{text}");
        mp_message_free(message);
    }
}

#[test]
fn status_numbers_and_names_match_rust() {
    for (status, name) in NAMES {
        assert_eq!(MpStatus::from(status) as i32, status as i32);
        assert_eq!(format!("{:?}", MpStatus::from(status)), name);
        assert_eq!(bytes(mp_status_name(status as i32)), name.as_bytes());
    }
    assert_eq!(bytes(mp_status_name(-1000)), b"");
}

#[test]
fn test_bits_match_rust() {
    for (bit, test) in [
        (c::MP_TEST_PRIVATE_CONTACT, Tests::PRIVATE_CONTACT),
        (c::MP_TEST_SOURCE_ADDRESS, Tests::SOURCE_ADDRESS),
        (c::MP_TEST_PRIVATE_VIA, Tests::PRIVATE_VIA),
        (c::MP_TEST_PRIVATE_SDP, Tests::PRIVATE_SDP),
        (c::MP_TEST_SOURCE_PORT, Tests::SOURCE_PORT),
        (c::MP_TEST_SOURCE_CONTACT, Tests::SOURCE_CONTACT),
        (c::MP_TEST_CONTACT_PORT, Tests::CONTACT_PORT),
        (c::MP_TEST_PRIVATE_SOURCE, Tests::PRIVATE_SOURCE),
        (c::MP_TEST_SOURCE_SDP, Tests::SOURCE_SDP),
        (c::MP_TEST_WEBSOCKET, Tests::WEBSOCKET),
    ] {
        assert_eq!(bit, test.bits());
    }
}

#[test]
fn address_parse_failure_writes_nothing() {
    let mut address = MpAddress { family: 9, bytes: [7; 16], port: 1 };
    let mut parse = |text: &str| {
        // SAFETY: the text and the place live.
        let status = unsafe { mp_address_parse(MpStr::of(text.as_bytes()), 5060, &mut address) };
        (status, address)
    };
    let (status, unchanged) = parse("example.com");
    assert_eq!((status, unchanged.family, unchanged.port), (MpStatus::MP_ERR_ARGUMENT, 9, 1));
    let (status, v4) = parse("192.0.2.1");
    assert_eq!((status, v4.family, v4.port), (MpStatus::MP_OK, 4, 5060));
    assert_eq!(v4.bytes[..4], [192, 0, 2, 1]);
    let (status, v6) = parse("[2001:db8::1]");
    assert_eq!((status, v6.family, v6.bytes[15]), (MpStatus::MP_OK, 6, 1));
}

#[test]
fn enum_out_of_range_is_argument_error() {
    let options = mp_options_new();
    // SAFETY: the handle lives.
    unsafe {
        assert_eq!(mp_options_set_role(options, 2), MpStatus::MP_OK);
        assert_eq!(mp_options_set_role(options, 3), MpStatus::MP_ERR_ARGUMENT);
        mp_options_free(options);
    }
}
