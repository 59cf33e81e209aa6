//! What a relay can do, as its protocol and its URI say. Whoever needs to know
//! asks here, never for the protocol.

/// Capabilities of a relay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capabilities {
    /// It takes streams with IPv6 addresses and is sent the address family of
    /// the receiver.
    pub ipv6: bool,
    /// A delete with both tags ends this dialog alone. Otherwise every delete
    /// ends the whole call.
    pub branch_delete: bool,
    /// It wants the 200 to INVITE that carries no SDP.
    pub bodyless_200: bool,
    /// It is sent the To tag of a provisional answer.
    pub early_tag: bool,
    /// It answers a delete with a line of text. Otherwise it only closes the
    /// connection.
    pub delete_answered: bool,
    /// It controls relays on other machines and may itself wait for them, so
    /// it gets more time.
    pub dispatcher: bool,
    /// How many queries a connection serves.
    pub connection: ConnectionUse,
}

/// How many queries a connection to a relay serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConnectionUse {
    /// Any number, one after another.
    Kept,
    /// One: the relay closes the connection behind its answer.
    OneQuery,
}
