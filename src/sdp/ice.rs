//! ICE attributes (RFC 8839), as far as relay candidates need them.

use crate::bytes;
use crate::sdp::address::words;

/// The ICE attributes of one stream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ice<'a> {
    /// The stream has both a=ice-ufrag and a=ice-pwd of its own.
    pub credentials: bool,
    /// The first a=candidate line, with its line end.
    pub first_candidate: Option<&'a [u8]>,
    /// The stream has a candidate for component 2 (RTCP).
    pub component_2: bool,
    /// The stream has a=remote-candidates: the offer concludes ICE, and no
    /// candidate is added to it.
    pub remote_candidates: bool,
}

impl<'a> Ice<'a> {
    /// Reads the value of an a=candidate attribute; `whole` is its line. A line
    /// without a component is ignored.
    pub(crate) fn candidate(&mut self, value: &[u8], whole: &'a [u8]) {
        if self.component_2 {
            // Later candidates do not change anything.
            return;
        }
        let after = bytes::find(b' ', value).and_then(|at| value.get(at..));
        let component = match after {
            // Fast path.
            Some([b' ', digit @ b'0'..=b'9', b' ', ..]) if value.first() != Some(&b' ') => {
                u32::from(digit - b'0')
            }
            _ => match words(value).nth(1).and_then(bytes::number) {
                Some(component) => component,
                None => return,
            },
        };
        self.first_candidate.get_or_insert(whole);
        self.component_2 |= component == 2;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_candidate_and_rtcp_component_are_kept() {
        let mut ice = Ice::default();
        ice.candidate(b"1 1 UDP 1 192.0.2.1 4000 typ host", b"first\r\n");
        assert!(!ice.component_2);
        ice.candidate(b"1 2 UDP 1 192.0.2.1 4001 typ host", b"second\r\n");
        assert_eq!(ice.first_candidate, Some(&b"first\r\n"[..]));
        assert!(ice.component_2);
    }

    #[test]
    fn candidate_without_component_is_ignored() {
        let mut ice = Ice::default();
        ice.candidate(b"", b"a=candidate:");
        ice.candidate(b"1", b"a=candidate:1");
        ice.candidate(b"1 x", b"a=candidate:1 x");
        assert_eq!(ice, Ice::default());
    }
}
