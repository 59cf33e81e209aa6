//! Offer or answer (RFC 3264, RFC 6337).

/// What a session description is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// It proposes; another relay may be asked when one fails.
    Offer,
    /// It answers: it must go to the relay that has the offer.
    Answer,
}
