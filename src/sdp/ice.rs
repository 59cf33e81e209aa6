//! ICE attributes (RFC 8839), as far as a relay's candidates need them.

use crate::sdp::address::words;
use crate::text;

/// What one stream says about ICE.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ice<'a> {
    /// The stream's own a=ice-ufrag and a=ice-pwd are both there.
    pub credentials: bool,
    /// The first a=candidate line, its line end included.
    pub first_candidate: Option<&'a [u8]>,
    /// A candidate for component 2 (RTCP) is there.
    pub component_2: bool,
    /// a=remote-candidates is there: the offer concludes ICE and is not
    /// touched by candidates.
    pub remote_candidates: bool,
}

impl<'a> Ice<'a> {
    /// Takes in the value of an a=candidate attribute and its whole line. A
    /// line cut before its component is no candidate.
    pub(crate) fn candidate(&mut self, value: &[u8], whole: &'a [u8]) {
        if self.component_2 {
            // Nothing more is to be learnt.
            return;
        }
        let after = text::find(b' ', value).and_then(|at| value.get(at..));
        let component = match after {
            // As nearly all candidates are written.
            Some([b' ', digit @ b'0'..=b'9', b' ', ..]) if value.first() != Some(&b' ') => {
                u32::from(digit - b'0')
            }
            _ => match words(value).nth(1).and_then(text::number) {
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
    fn the_first_candidate_is_kept_and_rtcp_is_noticed() {
        let mut ice = Ice::default();
        ice.candidate(b"1 1 UDP 1 192.0.2.1 4000 typ host", b"first\r\n");
        assert!(!ice.component_2);
        ice.candidate(b"1 2 UDP 1 192.0.2.1 4001 typ host", b"second\r\n");
        assert_eq!(ice.first_candidate, Some(&b"first\r\n"[..]));
        assert!(ice.component_2);
    }

    #[test]
    fn a_candidate_cut_short_is_none() {
        let mut ice = Ice::default();
        ice.candidate(b"", b"a=candidate:");
        ice.candidate(b"1", b"a=candidate:1");
        ice.candidate(b"1 x", b"a=candidate:1 x");
        assert_eq!(ice, Ice::default());
    }
}
