//! This library. The headers go through the C API, as a server would call it.

use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::ptr;

use mediaproxy::Edits;
use mediaproxy::IceCandidate;
use mediaproxy::Log;
use mediaproxy::Settings;
use mediaproxy::internals::capi::address::MpAddress;
use mediaproxy::internals::capi::edits::{mp_edits_apply, mp_edits_reset};
use mediaproxy::internals::capi::message::{MP_TRANSPORT_TCP, MP_TRANSPORT_UDP, mp_message_parse};
use mediaproxy::internals::capi::status::MpStatus;
use mediaproxy::internals::capi::verdict::{
    MP_TEST_PRIVATE_CONTACT, MP_TEST_PRIVATE_VIA, MP_TEST_SOURCE_ADDRESS, mp_verdict_matched,
};
use mediaproxy::internals::capi::worker::{mp_fix_contact, mp_nat_test};
use mediaproxy::internals::media::plan::{Rules, plan};
use mediaproxy::nat::{Tests, Verdict};
use mediaproxy::sdp::Session;
use mediaproxy::sip::body::find_sdp;
use mediaproxy::sip::{Message, Source, Transport};
use mediaproxy::{Engine, Error, Worker};

use crate::message::Sample;
use crate::peer::{Job, Peer};

/// Where all messages came from: the outside of a NAT.
const SOURCE_IP: IpAddr = IpAddr::V4(Ipv4Addr::new(198, 51, 100, 77));
const SOURCE_PORT: u16 = 61442;
/// The three tests of the seed.
const TESTS: u32 = MP_TEST_PRIVATE_CONTACT | MP_TEST_SOURCE_ADDRESS | MP_TEST_PRIVATE_VIA;
/// No client list is read, and the call table is as small as it may be.
const SETTINGS: [(&str, &str); 3] =
    [("sip_asymmetrics", ""), ("rtp_asymmetrics", ""), ("max_calls", "256")];

/// This library, ready.
pub(crate) struct Ours {
    handles: Handles,
    worker: Worker,
    edits: Edits,
    verdict: Verdict,
    out: Vec<u8>,
}

impl Ours {
    /// Makes what a server makes once.
    pub(crate) fn new() -> Result<Ours, String> {
        let mut settings = Settings::new();
        for (name, value) in SETTINGS {
            settings.set(name, value).map_err(|error| error.to_string())?;
        }
        let worker = Engine::new(settings, Log::none()).and_then(Worker::new);
        Ok(Ours {
            handles: Handles::new(),
            worker: worker.map_err(|error| error.to_string())?,
            edits: Edits::new(),
            verdict: Verdict::default(),
            out: Vec::new(),
        })
    }

    /// Does the job once; the edited message lies in `out` or in the handles.
    fn once(&mut self, job: Job, sample: &Sample) -> Result<(), String> {
        let done = match job {
            Job::Headers => return self.handles.headers(sample),
            Job::Description => self.rust(sample, false),
            Job::Both => self.rust(sample, true),
        };
        done.map_err(|error| error.to_string())
    }

    fn rust(&mut self, sample: &Sample, headers: bool) -> Result<(), Error> {
        self.edits.reset();
        let message = Message::parse(black_box(sample.raw), source(sample))?;
        if headers {
            let tests = Tests::from_bits(TESTS)?;
            self.worker.nat_test(&message, tests, false, &mut self.verdict)?;
            self.worker.fix_contact(&message, &mut self.edits)?;
        }
        if let Some(text) = find_sdp(&message)? {
            let session = Session::parse(text)?;
            let rules = Rules {
                role: sample.role,
                ice_candidate: IceCandidate::None,
                rewrite_origin: false,
                loop_marker: false,
                relayed_lines: None,
                has_session: false,
                ours: &|_, _| false,
            };
            let plan = plan(&message, &session, &rules)?;
            plan.fill(&sample.answer, &mut self.edits, &mut |_| {})?;
        }
        self.out.clear();
        self.edits.apply(&message, &mut self.out)
    }
}

impl Peer for Ours {
    fn check(&mut self, job: Job, sample: &Sample) -> Result<Option<String>, String> {
        self.once(job, sample)?;
        let out = match job {
            Job::Headers => &self.handles.c.out[..self.handles.length],
            Job::Description | Job::Both => &self.out[..],
        };
        let out = String::from_utf8_lossy(out);
        if job != Job::Description && !out.contains(&format!("@{SOURCE_IP}:{SOURCE_PORT}")) {
            return Ok(Some("the Contact was not repaired".to_string()));
        }
        let relayed = u32::try_from(out.lines().filter(|line| is_relayed(line)).count()).unwrap();
        let wrong = job != Job::Headers && relayed != sample.expected.streams;
        Ok(wrong.then(|| format!("{relayed} streams go to the relay")))
    }

    fn run(&mut self, job: Job, sample: &Sample, times: usize) {
        for _ in 0..times {
            self.once(job, sample).unwrap();
        }
    }
}

/// An m= line on one of the relay's ports.
fn is_relayed(line: &str) -> bool {
    line.starts_with("m=")
        && line.split(' ').nth(1).is_some_and(|port| port.len() == 5 && port.starts_with("500"))
}

fn source(sample: &Sample) -> Source {
    Source {
        address: SocketAddr::new(black_box(SOURCE_IP), SOURCE_PORT),
        local: None,
        transport: sample.transport,
    }
}

/// The handles of a C program, and where its messages come from.
struct Handles {
    c: kit::c::Handles,
    source: MpAddress,
    /// Of the last edited message.
    length: usize,
}

fn must(status: MpStatus) -> Result<(), String> {
    match status {
        MpStatus::MP_OK => Ok(()),
        other => Err(format!("{other:?}")),
    }
}

impl Handles {
    fn new() -> Handles {
        let source = kit::c::address(SocketAddr::new(SOURCE_IP, SOURCE_PORT));
        Handles { c: kit::c::Handles::new(&SETTINGS), source, length: 0 }
    }

    fn headers(&mut self, sample: &Sample) -> Result<(), String> {
        let raw = kit::c::text(black_box(sample.raw));
        let transport = match sample.transport {
            Transport::Tcp => MP_TRANSPORT_TCP,
            _ => MP_TRANSPORT_UDP,
        };
        let (handles, source) = (&mut self.c, &self.source);
        let room = handles.out.len();
        // SAFETY: the message is static, `out` has `room` bytes, all handles
        // are alive, and nobody else uses them.
        unsafe {
            must(mp_edits_reset(handles.edits))?;
            must(mp_message_parse(handles.message, raw, source, ptr::null(), transport))?;
            must(mp_nat_test(handles.worker, handles.message, TESTS, 0, handles.verdict))?;
            if mp_verdict_matched(handles.verdict) == 0 {
                return Err("no test matched".to_string());
            }
            must(mp_fix_contact(handles.worker, handles.message, handles.edits))?;
            let out = handles.out.as_mut_ptr().cast();
            must(mp_edits_apply(handles.edits, handles.message, out, room, &mut self.length))
        }
    }
}
