//! Outcome of NAT tests: mp_verdict

use crate::capi::boundary::Poison;
use crate::capi::status::MpStatus;
use crate::capi::text::MpStr;
use crate::error::{Error, Status};
use crate::nat::{Tests, Verdict};

/// The host of the Contact, or its maddr (RFC 3261 19.1.1), is a private address
/// (setting private_networks).
pub const MP_TEST_PRIVATE_CONTACT: u32 = 1;
/// Source IP or port differ from the sent-by of the top Via (RFC 3261 18.2.1),
/// in a reply from the Contact. The port is not compared for a SIP-asymmetric
/// client, nor on a transport other than UDP, where a client connects from a
/// port of its own (RFC 3261 18.1.1, RFC 5923).
pub const MP_TEST_SOURCE_ADDRESS: u32 = 2;
/// The host of the top Via is a private address. Never in a reply.
pub const MP_TEST_PRIVATE_VIA: u32 = 4;
/// The connection address of a stream is private (RFC 4566 5.7).
pub const MP_TEST_PRIVATE_SDP: u32 = 8;
/// The source port differs from the port of the top Via, on any transport.
pub const MP_TEST_SOURCE_PORT: u32 = 16;
/// The source IP differs from the host of the Contact or from its maddr.
pub const MP_TEST_SOURCE_CONTACT: u32 = 256;
/// The source port differs from the port of the Contact, on any transport, or a
/// maddr other than the source IP sends requests to a port of another host.
pub const MP_TEST_CONTACT_PORT: u32 = 512;
/// The source itself is a private address.
pub const MP_TEST_PRIVATE_SOURCE: u32 = 1024;
/// The connection address of a stream differs from the source IP.
pub const MP_TEST_SOURCE_SDP: u32 = 2048;
/// The message came over WS or WSS (RFC 7118).
pub const MP_TEST_WEBSOCKET: u32 = 4096;
/// The message comes from the phone itself and not through another proxy, as
/// far as it shows: a request with exactly one Via (RFC 3261 16.6), or a reply
/// without Record-Route or whose topmost Record-Route is the server's own, and
/// not to REGISTER (RFC 3327). No sign of NAT: test it on its own.
pub const MP_TEST_FIRST_HOP: u32 = 8192;

/// The outcome of mp_nat_test: which tests ran, which matched, and why.
/// Reusable: after the first messages, filling it allocates no memory. One
/// thread at a time. It survives a fork.
#[derive(Debug, Default)]
pub struct MpVerdict {
    poison: Poison,
    verdict: Verdict,
    /// The sentences one after another, made when first needed.
    text: Vec<u8>,
    /// Where each sentence ends; empty until they are made.
    ends: Vec<usize>,
}

impl MpVerdict {
    /// The verdict, to be filled again.
    pub(super) fn renew(&mut self) -> &mut Verdict {
        self.text.clear();
        self.ends.clear();
        &mut self.verdict
    }

    /// Makes it say that nothing was tested.
    pub(super) fn clear(&mut self) {
        *self.renew() = Verdict::new();
    }

    fn sentence(&mut self, index: usize) -> Option<&[u8]> {
        if self.ends.is_empty() {
            for evidence in self.verdict.evidence() {
                self.verdict.explain(evidence, &mut self.text);
                self.ends.push(self.text.len());
            }
        }
        let end = *self.ends.get(index)?;
        let start = match index.checked_sub(1) {
            Some(before) => *self.ends.get(before)?,
            None => 0,
        };
        self.text.get(start..end)
    }
}

handle!(MpVerdict);

/// Makes an empty verdict. The caller frees it with mp_verdict_free. NULL only
/// after a panic.
#[unsafe(no_mangle)]
pub extern "C" fn mp_verdict_new() -> *mut MpVerdict {
    boundary!(value std::ptr::null_mut(); => {
        Ok(Box::into_raw(Box::new(MpVerdict::default())))
    })
}

/// The tests that ran, MP_TEST_* ORed: all that were given, or those up to the
/// first match. 0 for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mp_verdict_tested(verdict: *const MpVerdict) -> u32 {
    boundary!(value 0; verdict: borrowed => { Ok(verdict.verdict.tested().bits()) })
}

/// The tests that matched, MP_TEST_* ORed. A bit other than MP_TEST_FIRST_HOP:
/// the client is behind NAT. 0 for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mp_verdict_matched(verdict: *const MpVerdict) -> u32 {
    boundary!(value 0; verdict: borrowed => { Ok(verdict.verdict.matched().bits()) })
}

/// The number of tests that matched. 0 for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mp_verdict_count(verdict: *const MpVerdict) -> usize {
    boundary!(value 0; verdict: borrowed => { Ok(verdict.verdict.evidence().len()) })
}

/// The test of match number index, from 0, in the order of the bits: a single
/// MP_TEST_* bit. 0 beyond the last match.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mp_verdict_test(verdict: *const MpVerdict, index: usize) -> u32 {
    boundary!(value 0; verdict: borrowed => {
        Ok(verdict.verdict.evidence().get(index).map_or(0, |evidence| evidence.test.bits()))
    })
}

/// Why match number index matched, for an operator: the header and the two
/// values that were compared, as in "private_contact: Contact 192.168.1.10:5060
/// is private". Empty beyond the last match. Host names come from the message
/// and may hold any bytes. The text lives until the verdict is filled again or
/// freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mp_verdict_text(verdict: *mut MpVerdict, index: usize) -> MpStr {
    boundary!(value MpStr::EMPTY; verdict: exclusive => {
        Ok(verdict.sentence(index).map_or(MpStr::EMPTY, MpStr::of))
    })
}

/// Frees a verdict. NULL is allowed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mp_verdict_free(verdict: *mut MpVerdict) {
    boundary!(free verdict)
}

/// Parses tests as a script writes them, and writes the bits to *tests: a
/// number, or names separated by comma, |, + or spaces. The names are
/// private_contact, source_address, private_via, private_sdp, source_port,
/// source_contact, contact_port, private_source, source_sdp, websocket,
/// first_hop.
/// MP_ERR_ARGUMENT for anything else, also for no test at all. Any thread of
/// any process may call this function.
///
/// ```c
/// uint32_t tests = 0;
/// if (mp_tests_parse(mp_text("private_contact,source_port"), &tests)
///     != MP_OK)
///     return;
/// ```
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mp_tests_parse(text: MpStr, tests: *mut u32) -> MpStatus {
    boundary!(report (); text: text, tests: output => {
        let text = std::str::from_utf8(text)
            .map_err(|_| Error::new(Status::Argument, "the names of tests are ASCII text"))?;
        tests.set(Tests::parse(text)?.bits());
        Ok(Status::Ok)
    })
}

/// The name of one test, as mp_tests_parse accepts it. Empty for a number that
/// is not a single MP_TEST_* bit. The text is static. Any thread of any process
/// may call this function.
#[unsafe(no_mangle)]
pub extern "C" fn mp_test_name(test: u32) -> MpStr {
    boundary!(value MpStr::EMPTY; => { Ok(MpStr::of(Tests::from_bits(test)?.name().as_bytes())) })
}
