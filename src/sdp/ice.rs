//! ICE attributes (RFC 8839), as far as a relay's candidates need them.

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
