//! The capabilities of a relay, from its protocol and its URI. Code outside
//! `protocol/` checks a capability, never which protocol it is.

/// Capabilities of a relay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capabilities {
    /// Accepts streams with IPv6 addresses, and is sent the address family of the
    /// receiver.
    pub ipv6: bool,
    /// Deletes what the scope of a delete says: the session, one dialog of it, the early
    /// dialogs of one server branch, or only an unanswered session; and not the session
    /// of a later INVITE than the delete names. Otherwise every delete deletes the whole
    /// call.
    pub branch_delete: bool,
    /// Is sent a 200 to INVITE that carries no SDP.
    pub bodyless_200: bool,
    /// Is sent the To tag of a provisional reply.
    pub early_tag: bool,
    /// Is sent a provisional reply to INVITE that carries no SDP, and keeps the
    /// unanswered session then.
    pub provisional_reports: bool,
    /// May answer one SDP with IPv4 and IPv6 addresses.
    pub mixed_families: bool,
    /// Takes an empty tag as a null tag (RFC 3261 12.1.1). Otherwise a fixed word is
    /// sent for it.
    pub null_tags: bool,
    /// Answers a delete with a line of text. Otherwise it only closes the
    /// connection.
    pub delete_answered: bool,
    /// Controls relays on other machines and may wait for them, so it gets more
    /// time.
    pub dispatcher: bool,
    /// The number of queries on one connection.
    pub connection: ConnectionUse,
}

/// The number of queries on one connection to a relay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConnectionUse {
    /// Any number, one after another.
    Kept,
    /// One: the relay closes the connection after its answer.
    OneQuery,
}
