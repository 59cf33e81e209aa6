//! The relay candidates for ICE streams (RFC 8445, RFC 8839).

use std::io::Write;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::address::push_ip;
use crate::bytes::{self, push_number};
use crate::relay::IceCandidate;
use crate::sdp::Media;
use crate::sdp::address::words;
use crate::sdp::lines::for_each_line;

/// The highest type preference (RFC 8445 5.1.2.2).
const HIGHEST_TYPE: u32 = 126;
/// The highest local preference.
const HIGHEST_LOCAL: u32 = 65_535;
/// The priority of a candidate for RTP with type preference 0, unless the phone has a
/// lower one.
const LOW_PRIORITY: u32 = priority(0, HIGHEST_LOCAL);
/// The longest part of foundation text that is counted; a foundation has at most 32
/// characters (RFC 8839 5.1).
const MAX_MARKS: usize = 24;

/// The relay candidates of one stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Candidates {
    /// The priority for RTP. The one for RTCP is one lower.
    priority: u32,
    /// Also for component 2 (RTCP).
    component_2: bool,
}

/// The foundations of the phone's candidates, as far as they can equal one of ours,
/// which starts with `R` and has no other: the most of them at the start of one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Foundations {
    marks: u8,
}

/// The formula of RFC 8445 5.1.2.1 for component 1.
const fn priority(type_preference: u32, local_preference: u32) -> u32 {
    (type_preference << 24) + (local_preference << 8) + 255
}

impl Candidates {
    /// The candidates to insert for a stream with ICE. `None` without a candidate of
    /// the phone, and where its priorities leave no room for a lower one. A priority
    /// is unique in its stream (RFC 8445 5.1.2).
    pub(super) fn for_stream(
        wanted: IceCandidate,
        media: &Media<'_>,
        foundations: &mut Foundations,
    ) -> Option<Self> {
        let first = media.ice.first_candidate?;
        let start = bytes::offset_in(media.text, first)?;
        let mut lowest = u32::MAX;
        // One bit for each local preference, the highest first, that a candidate with
        // the highest type preference has.
        let mut taken = 0u128;
        // `Session::parse` has refused lines that end in CR only.
        let _ = for_each_line(
            media.text.get(start..)?,
            || (),
            |line| {
                let Some((foundation, priority)) = read(line) else { return Ok(()) };
                let marks = foundation.iter().take_while(|byte| **byte == b'R').count();
                foundations.marks = foundations.marks.max(marks.min(MAX_MARKS) as u8);
                lowest = lowest.min(priority);
                if priority >> 24 == HIGHEST_TYPE {
                    let local = priority >> 8 & HIGHEST_LOCAL;
                    taken |=
                        1u128.checked_shl(HIGHEST_LOCAL.saturating_sub(local)).unwrap_or_default();
                }
                Ok(())
            },
        );
        let component_2 = media.ice.component_2;
        let priority = match wanted {
            IceCandidate::None => return None,
            IceCandidate::HighPriority => {
                let local = HIGHEST_LOCAL.saturating_sub(taken.trailing_ones());
                priority(HIGHEST_TYPE, local)
            }
            IceCandidate::LowPriority => {
                let priority = LOW_PRIORITY.min(lowest.saturating_sub(1));
                // 0 is no priority.
                if priority <= u32::from(component_2) {
                    return None;
                }
                priority
            }
        };
        Some(Candidates { priority, component_2 })
    }

    /// Appends the candidates of a relay with this address and RTP port, one a line.
    pub(super) fn push(
        self,
        foundations: Foundations,
        address: IpAddr,
        port: u16,
        line_end: &[u8],
        text: &mut Vec<u8>,
    ) {
        for component in 0..1 + u16::from(self.component_2) {
            text.extend_from_slice(b"a=candidate:");
            text.resize(text.len().saturating_add(foundations.marks.into()), b'R');
            // Writing to a Vec cannot fail.
            let _ = write!(text, "R{:x} {} UDP ", foundation(address), component + 1);
            push_number(self.priority.saturating_sub(component.into()), text);
            text.push(b' ');
            push_ip(address, text);
            text.push(b' ');
            push_number(port.saturating_add(component).into(), text);
            // No related address is shown (RFC 8839 5.1).
            text.extend_from_slice(b" typ relay raddr ");
            push_ip(unspecified(address), text);
            text.extend_from_slice(b" rport 9");
            text.extend_from_slice(line_end);
        }
    }
}

/// The foundation and the priority in an a=candidate line.
fn read(line: &[u8]) -> Option<(&[u8], u32)> {
    let mut words = words(line.strip_prefix(b"a=candidate:")?);
    let foundation = words.next().unwrap_or_default();
    Some((foundation, words.nth(2).and_then(bytes::number)?))
}

fn unspecified(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        IpAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    }
}

/// A number that is equal for all candidates of one relay address. For IPv6, the
/// four words of the address are combined into one: a foundation may have 32
/// characters (RFC 8839 5.1), and `R` with the whole address would be 33.
fn foundation(address: IpAddr) -> u32 {
    match address {
        IpAddr::V4(address) => u32::from_le_bytes(address.octets()),
        IpAddr::V6(address) => {
            let bits = address.to_bits().swap_bytes();
            let [a, b, c, d] = [bits, bits >> 32, bits >> 64, bits >> 96].map(|word| word as u32);
            a ^ b ^ c ^ d
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn foundations_of_different_addresses_differ() {
        let of = |text: &str| foundation(text.parse().unwrap());
        assert_eq!(of("127.0.0.1"), 0x0100_007f);
        assert_eq!(of("::1"), 0x0100_0000);
        assert_eq!(of("2001:db8::"), 0xb80d_0120);
        assert_ne!(of("2001:db8::1"), of("2001:db8::2"));
    }
}
