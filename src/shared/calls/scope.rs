//! What is ended, and what is deleted at the relay.

/// Which part of the leg a failure reply to its initial INVITE ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum EndScope {
    /// The reply goes upstream: it ends the leg with all its early dialogs.
    #[default]
    Call,
    /// It is one server branch's: only the early dialogs of that branch end.
    Branch,
}

/// The delete request for the relay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeleteScope {
    /// Delete the whole leg.
    Call,
    /// Delete the dialog with these tags.
    Dialog,
    /// Delete the early dialogs of the message's server branch, and the early one with
    /// these tags.
    Branch,
    /// Delete the session if none of its dialogs is confirmed: the leg is not
    /// stored. Send nothing to a relay that cannot do this.
    Unanswered,
    /// Queue a delete of the leg for 32 s later, when the cancelled INVITE has had
    /// no final reply by then.
    Cancelled,
    /// Another dialog is alive, and the relay's delete would remove it as well:
    /// send none.
    Withheld,
    /// Nothing ended.
    Nothing,
}

/// What a message has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Termination {
    /// What is deleted at the relay.
    pub scope: DeleteScope,
    /// The identity of the leg's relay. `None` for a leg that is not stored, and
    /// for one that no relay has answered.
    pub relay: Option<u32>,
    /// The leg is stored, and the message's tags are those of none of its dialogs.
    pub wrong_tags: bool,
}
