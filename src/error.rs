//! Errors: a status for programs and a text for people.

use std::borrow::Cow;
use std::fmt;

/// The outcome of a call. Numbers are part of the C interface (`mp_status`):
/// they are never changed and never reused.
///
/// Zero is success, positive numbers are outcomes other than errors, negative
/// numbers are errors.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(i32)]
pub enum Status {
    /// Success.
    Ok = 0,
    /// The message carries no SDP; nothing to rewrite.
    NoSdp = 1,
    /// A non-blocking request waits for its relay.
    Pending = 2,
    /// The message has no sip: or sips: Contact; nothing to fix.
    NoContact = 3,
    /// A pointer that must not be NULL was NULL.
    Null = -1,
    /// An argument is outside its range.
    Argument = -2,
    /// The message cannot be parsed; the text names header, line and reason.
    Syntax = -3,
    /// A limit of the library was exceeded (message 64 KiB, 512 headers,
    /// 64 streams, nesting depth 8).
    Limit = -4,
    /// The caller's buffer is too small; the length needed was written.
    BufferTooSmall = -5,
    /// The handle belongs to another process (it was made before a fork).
    WrongProcess = -6,
    /// The library panicked; the text says where. The handle is poisoned.
    Panic = -7,
    /// An earlier panic poisoned this handle; free it and make a new one.
    Poisoned = -8,
    /// A setting has an unknown name or an invalid value.
    Setting = -9,
    /// No relay is usable, or none is configured.
    NoRelay = -10,
    /// A relay did not answer in time.
    RelayTimeout = -11,
    /// A relay refused the request, or its answer is invalid.
    RelayAnswer = -12,
    /// The operating system refused (socket, memory mapping, file).
    System = -13,
    /// The edits overlap, are out of bounds or belong to another message.
    Edits = -14,
    /// The call of the message has ended, or ended while its relay worked on the request.
    Ended = -15,
}

/// An error: its [`Status`] and a text that says what was wrong, where (header,
/// line, relay, file) and what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    status: Status,
    text: Cow<'static, str>,
}

impl Error {
    /// An error with its text.
    pub fn new(status: Status, text: impl Into<Cow<'static, str>>) -> Self {
        Error { status, text: text.into() }
    }

    /// The error for a message that cannot be parsed.
    pub fn syntax(text: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Status::Syntax, text)
    }

    /// The error for a limit that was exceeded.
    pub fn limit(text: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Status::Limit, text)
    }

    /// The error for a failed system call; `what` names the action and its
    /// object, as in "listen on /run/x".
    pub fn system(what: impl fmt::Display, error: &std::io::Error) -> Self {
        Self::new(Status::System, format!("{what}: {error}"))
    }

    /// The status.
    pub fn status(&self) -> Status {
        self.status
    }

    /// The text.
    pub fn text(&self) -> &str {
        &self.text
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for Error {}

/// A result with this library's [`Error`].
pub type Result<T> = std::result::Result<T, Error>;
