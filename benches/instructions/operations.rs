//! The operations: what a SIP server does with one message, parse and apply
//! included. Names ending in `_c` go through the C interface; the others are the
//! Rust part, with the relay's answer given unless they are `asked_`.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use mediaproxy::Edits;
use mediaproxy::IceCandidate;
use mediaproxy::internals::capi::{address, config, edits, engine, message, text, verdict, worker};
use mediaproxy::internals::media;
use mediaproxy::internals::media::plan::Rules;
use mediaproxy::internals::relay::Answer;
use mediaproxy::internals::relay::Role;
use mediaproxy::nat::{self, Context, Networks, Tests, Verdict};
use mediaproxy::sdp::Session;
use mediaproxy::sip::body;
use mediaproxy::sip::{Message, Source, Transport};

use crate::messages::{ICE5, INVITE, MULTIPART, OK, REGISTER, with_headers, with_streams};
use crate::{asked, relays};

/// One operation.
pub(crate) struct Operation {
    pub(crate) name: &'static str,
    /// Instructions it may take. The parts of `ice5_rewrite` (5.8 kB, 105 lines of SDP,
    /// five streams with 25 candidates) cost 17,400 to read the SDP, 4,700 to plan, 4,400
    /// to write the edits, 1,900 to apply them, 2,100 to copy bytes, 2,500 for the headers,
    /// 5,800 for the rest.
    ///
    /// Every rewrite pays for the search for lines that end in CR only, since such lines
    /// would bypass the relay, and for a place in the plan for each m= line. The `asked_`
    /// ones also pay for the leg in the call table: it is made before the relay is asked,
    /// so that an end meanwhile is seen, and stores dialogs and exact ports. Their budgets
    /// are 5 % above the counts without legs.
    pub(crate) budget: Option<u64>,
    /// Does it so many times.
    pub(crate) run: fn(u64),
}

const fn operation(name: &'static str, budget: Option<u64>, run: fn(u64)) -> Operation {
    Operation { name, budget, run }
}

/// The three tests of the seed's module.
const ALL_TESTS: u32 = 1 | 2 | 4;
/// Where the messages of the caller come from: its NAT.
pub(crate) const SOURCE: SocketAddr =
    SocketAddr::new(IpAddr::V4(Ipv4Addr::new(203, 0, 113, 5)), 61_234);

/// The settings of the client lists, and the example of each.
const LISTS: [(&str, &str); 2] = [
    (
        "sip_asymmetrics",
        concat!(env!("CARGO_MANIFEST_DIR"), "/examples/config/sip-asymmetrics-clients"),
    ),
    (
        "rtp_asymmetrics",
        concat!(env!("CARGO_MANIFEST_DIR"), "/examples/config/rtp-asymmetrics-clients"),
    ),
];

/// All of them, in the order of the table.
pub(crate) const OPERATIONS: [Operation; 31] = [
    operation("nat_test_first_c", Some(1_800), |times| in_c(INVITE, times, false, false, false)),
    operation("nat_test_all_c", Some(5_500), |times| in_c(INVITE, times, true, false, false)),
    operation("test_fix_apply_c", None, |times| in_c(INVITE, times, true, true, false)),
    operation("test_fix_apply_listed_c", None, |times| in_c(INVITE, times, true, true, true)),
    operation("register_test_fix_apply_c", None, |times| in_c(REGISTER, times, true, true, false)),
    operation("invite_rewrite", Some(12_000), |times| rewrite(INVITE, times, true)),
    operation("invite_rewrite_sdp_only", None, |times| rewrite(INVITE, times, false)),
    operation("ok_rewrite", None, |times| rewrite(OK, times, true)),
    operation("multipart_rewrite", None, |times| rewrite(MULTIPART, times, true)),
    operation("ice5_rewrite", Some(39_000), |times| rewrite(ICE5, times, true)),
    operation("headers_0_all_c", None, |times| in_c(&with_headers(0), times, true, false, false)),
    operation("headers_10_all_c", None, |times| in_c(&with_headers(10), times, true, false, false)),
    operation("headers_100_all_c", None, |times| {
        in_c(&with_headers(100), times, true, false, false)
    }),
    operation("streams_1_rewrite", None, |times| rewrite(&with_streams(1), times, true)),
    operation("streams_2_rewrite", None, |times| rewrite(&with_streams(2), times, true)),
    operation("streams_4_rewrite", None, |times| rewrite(&with_streams(4), times, true)),
    operation("streams_16_rewrite", None, |times| rewrite(&with_streams(16), times, true)),
    operation("streams_32_rewrite", None, |times| rewrite(&with_streams(32), times, true)),
    operation("streams_64_rewrite", None, |times| rewrite(&with_streams(64), times, true)),
    operation("relay_request", None, |times| asked::request(INVITE, times)),
    operation("asked_invite_rewrite", Some(18_349), |times| asked::call(&[INVITE], times)),
    operation("asked_call_rewrite", Some(37_750), |times| asked::call(&[INVITE, OK], times)),
    operation("asked_invite_rewrite_c", Some(20_180), |times| asked::in_c(INVITE, times)),
    operation("choose_of_100", Some(2_000), |times| relays::choose(times, 0)),
    operation("choose_of_100_half_dead", None, |times| relays::choose(times, 50)),
    operation("call_key", None, relays::key),
    operation("call_look_up", Some(120), relays::look_up),
    operation("call_first_reply", None, relays::first_reply),
    operation("call_miss", None, relays::miss),
    operation("call_begin", None, relays::begin),
    operation("call_record", Some(450), relays::record),
];

/// Parse and nat_test (all three, or up to the first match); with `fix` also
/// fix_contact and apply. `listed`: with the two client lists.
fn in_c(raw: &[u8], times: u64, all: bool, fix: bool, listed: bool) {
    let raw = text::MpStr { ptr: raw.as_ptr().cast(), len: raw.len() };
    let source = c_address(SOURCE);
    let local = c_address("192.0.2.1:5060".parse().expect("an address"));
    let flags = if all { 0 } else { 1 };
    let mut out = vec![0u8; 65_536];
    let ok = |status: mediaproxy::internals::capi::status::MpStatus| assert_eq!(status as i32, 0);
    // SAFETY: every handle is made here, used by this thread alone and freed
    // at the end; `raw`, `out` and the addresses outlive all of it.
    unsafe {
        let settings = config::mp_config_new();
        for (name, path) in LISTS {
            let path = if listed { path } else { "" };
            let (name, path) = (text_of(name), text_of(path));
            ok(config::mp_config_set(settings, name, path, std::ptr::null_mut()));
        }
        let mut made = std::ptr::null_mut();
        ok(engine::mp_engine_new(settings, &raw mut made, std::ptr::null_mut()));
        let mut hand = std::ptr::null_mut();
        ok(worker::mp_worker_new(made, &raw mut hand, std::ptr::null_mut()));
        let message = message::mp_message_new();
        let verdict = verdict::mp_verdict_new();
        let list = edits::mp_edits_new();
        for _ in 0..times {
            ok(message::mp_message_parse(message, raw, &raw const source, &raw const local, 1));
            ok(worker::mp_nat_test(hand, message, ALL_TESTS, flags, verdict));
            assert_ne!(verdict::mp_verdict_matched(verdict), 0);
            if fix {
                let mut length = 0;
                ok(edits::mp_edits_reset(list));
                ok(worker::mp_fix_contact(hand, message, list));
                let to = out.as_mut_ptr().cast();
                ok(edits::mp_edits_apply(list, message, to, out.len(), &raw mut length));
                assert_ne!(length, 0);
            }
        }
        edits::mp_edits_free(list);
        verdict::mp_verdict_free(verdict);
        message::mp_message_free(message);
        worker::mp_worker_free(hand);
        engine::mp_engine_free(made);
        config::mp_config_free(settings);
    }
}

pub(crate) fn text_of(text: &str) -> text::MpStr {
    text::MpStr { ptr: text.as_ptr().cast(), len: text.len() }
}

pub(crate) fn c_address(address: SocketAddr) -> address::MpAddress {
    let text = address.ip().to_string();
    let text = text::MpStr { ptr: text.as_ptr().cast(), len: text.len() };
    let mut made = std::mem::MaybeUninit::zeroed();
    // SAFETY: `text` lives through the call, which fills `made` on success.
    unsafe {
        assert_eq!(address::mp_address_parse(text, address.port(), made.as_mut_ptr()) as i32, 0);
        made.assume_init()
    }
}

/// Parse, with `whole` also nat_test (all three) and fix_contact, then the
/// rewrite of the description by an answer that is given, and apply.
fn rewrite(raw: &[u8], times: u64, whole: bool) {
    let tests = Tests::from_bits(ALL_TESTS).expect("known tests");
    let (private, nobody) = (Networks::rfc1918(), Networks::default());
    let local = "192.0.2.1:5060".parse().ok();
    let source = Source { address: SOURCE, local, transport: Transport::Udp };
    let mut verdict = Verdict::new();
    let mut edits = Edits::new();
    let mut out = Vec::new();
    let ours = |_: usize, _: SocketAddr| false;
    let context = Context { private: &private, local: &nobody, sip_asymmetric: false };
    for _ in 0..times {
        let message = Message::parse(raw, source).expect("a message");
        edits.reset();
        if whole {
            nat::test(&message, &context, tests, false, &mut verdict).expect("a verdict");
            nat::fix_contact(&message, false, &mut edits).expect("a Contact");
        }
        let role = if message.status().is_some() { Role::Answer } else { Role::Offer };
        let rules = Rules {
            role,
            ice_candidate: IceCandidate::None,
            rewrite_origin: false,
            loop_marker: false,
            relayed_lines: None,
            has_session: false,
            ours: &ours,
        };
        let description = body::find_sdp(&message).expect("a body").expect("a description");
        let session = Session::parse(description).expect("a session");
        let plan = media::plan(&message, &session, &rules).expect("a plan");
        let ports = (0..plan.streams.len()).map(|at| 50_000 + 2 * at as u16).collect();
        let answer = Answer::Ports {
            address: Ipv4Addr::new(198, 51, 100, 7).into(),
            ports,
            others: Vec::new(),
        };
        plan.fill(&answer, &mut edits, &mut |line| panic!("{line}")).expect("edits");
        edits.apply(&message, &mut out).expect("the new message");
        assert_ne!(out, raw);
    }
}
