//! The Rust crates.

use std::hint::black_box;

use rsip::headers::ToTypedHeader;
use rsip::message::HeadersExt;
use rsip::{Host, HostWithPort, SipMessage};

use crate::message::{Sample, Seen};
use crate::peer::{Job, Peer};

/// The crate `rsip`: headers only.
pub(crate) struct Rsip;

impl Peer for Rsip {
    fn check(&mut self, _: Job, sample: &Sample) -> Result<Option<String>, String> {
        let (via, contact) = sent_by_and_contact(sample.raw).map_err(|error| error.to_string())?;
        let seen = Seen {
            via_host_length: length(&via.host),
            via_port: port(&via),
            contact_host_length: length(&contact.host),
            contact_port: port(&contact),
            streams: 0,
        };
        Ok(seen.unlike(sample.expected.headers()))
    }

    fn run(&mut self, _: Job, sample: &Sample, times: usize) {
        for _ in 0..times {
            black_box(sent_by_and_contact(black_box(sample.raw)).unwrap());
        }
    }
}

fn sent_by_and_contact(raw: &[u8]) -> Result<(HostWithPort, HostWithPort), rsip::Error> {
    let message = SipMessage::try_from(raw)?;
    let via = message.via_header()?.clone().typed()?;
    let contact = message.contact_header()?.clone().typed()?;
    Ok((via.uri.host_with_port, contact.uri.host_with_port))
}

fn length(host: &Host) -> u32 {
    u32::try_from(host.to_string().len()).unwrap()
}

fn port(at: &HostWithPort) -> u32 {
    at.port.as_ref().map_or(0, |port| u32::from(*port.value()))
}

/// The crate `webrtc-sdp`: session descriptions only.
pub(crate) struct WebrtcSdp;

impl Peer for WebrtcSdp {
    fn check(&mut self, _: Job, sample: &Sample) -> Result<Option<String>, String> {
        let text = description(sample);
        let session = webrtc_sdp::parse_sdp(text, false).map_err(|error| error.to_string())?;
        let streams = u32::try_from(session.media.len()).unwrap();
        let seen = Seen { streams, ..Seen::default() };
        Ok(seen.unlike(sample.expected.description()))
    }

    fn run(&mut self, _: Job, sample: &Sample, times: usize) {
        let text = description(sample);
        for _ in 0..times {
            black_box(webrtc_sdp::parse_sdp(black_box(text), false).unwrap());
        }
    }
}

fn description(sample: &Sample) -> &str {
    std::str::from_utf8(sample.description().unwrap()).unwrap()
}
