//! The same through the functions of the C interface.

use std::ptr;

use mediaproxy::internals::capi::edits::*;
use mediaproxy::internals::capi::message::mp_message_parse;
use mediaproxy::internals::capi::status::MpStatus;
use mediaproxy::internals::capi::verdict::*;
use mediaproxy::internals::capi::worker::*;
use mediaproxy::nat::Tests;

use kit::c::{Handles, address, text};

use crate::WARM_UP;
use crate::counting::allocations;
use crate::traffic::{self, Heard, Lists};

fn serve(handles: &mut Handles, heard: &Heard, transport: u32) {
    let source = address(heard.source.address);
    let buffer = handles.out.as_mut_ptr().cast();
    let mut length = 0;
    // SAFETY: every pointer is alive, and the raw message outlives its use.
    unsafe {
        let raw = text(&heard.raw);
        let parsed = mp_message_parse(handles.message, raw, &source, ptr::null(), transport);
        assert_eq!(parsed, MpStatus::MP_OK);
        let tests = Tests::ALL.bits();
        let judged = mp_nat_test(handles.worker, handles.message, tests, 0, handles.verdict);
        assert_eq!(judged, MpStatus::MP_OK, "{}", heard.name);
        for index in 0..mp_verdict_count(handles.verdict) {
            assert!(mp_verdict_text(handles.verdict, index).len > 0);
        }
        assert_eq!(mp_edits_reset(handles.edits), MpStatus::MP_OK);
        let fixed = mp_fix_contact(handles.worker, handles.message, handles.edits);
        assert!(matches!(fixed, MpStatus::MP_OK | MpStatus::MP_NO_CONTACT), "{}", heard.name);
        assert_eq!(mp_edits_count(handles.edits) > 0, heard.fixed, "{}", heard.name);
        let applied =
            mp_edits_apply(handles.edits, handles.message, buffer, handles.out.len(), &mut length);
        assert_eq!(applied, MpStatus::MP_OK);
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
            serve(&mut handles, heard, transport);
        }
        assert_eq!(allocations(|| serve(&mut handles, heard, transport)), 0, "{}", heard.name);
    }
}
