//! What went wrong, as a number for programs and a sentence for people.

use std::borrow::Cow;
use std::fmt;

/// The outcome of a call. Numbers are part of the C interface (`mp_status`):
/// they are never changed and never reused.
///
/// Zero is success, positive numbers are outcomes that are no errors, negative
/// numbers are errors.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(i32)]
pub enum Status {
    /// Done.
    Ok = 0,
    /// The message carries no session description; nothing to rewrite.
    NoSdp = 1,
    /// A non-blocking call waits for its relay.
    Pending = 2,
    /// The message has no sip: or sips: Contact; nothing to repair.
    NoContact = 3,
    /// A pointer that must not be NULL was NULL.
    Null = -1,
    /// An argument is outside its range.
    Argument = -2,
    /// The message cannot be read: header, line and reason are in the text.
    Syntax = -3,
    /// A bound of the library was exceeded (message 64 KiB, 512 headers,
    /// 64 streams, nesting depth 8).
    Limit = -4,
    /// The caller's buffer is too small; the needed length was written.
    BufferTooSmall = -5,
    /// The handle belongs to another process (it was made before a fork).
    WrongProcess = -6,
    /// The library panicked; the text says where. The worker is poisoned.
    Panic = -7,
    /// An earlier panic poisoned this handle; free it and make a new one.
    Poisoned = -8,
    /// A setting has an unknown name or a bad value.
    Setting = -9,
    /// No relay could be reached, or none is configured.
    NoRelay = -10,
    /// A relay did not answer in time.
    RelayTimeout = -11,
    /// A relay refused the request or its answer cannot be used.
    RelayAnswer = -12,
    /// The operating system refused (socket, memory mapping, file).
    System = -13,
    /// The edits overlap, are out of bounds or belong to another message.
    Edits = -14,
}

/// An error: its [`Status`] and a sentence that says what was wrong, where
/// (header, line, relay, file) and what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    status: Status,
    text: Cow<'static, str>,
}

impl Error {
    /// An error with its explanation.
    pub fn new(status: Status, text: impl Into<Cow<'static, str>>) -> Self {
        Error { status, text: text.into() }
    }

    /// A message that cannot be read.
    pub fn syntax(text: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Status::Syntax, text)
    }

    /// A bound that was exceeded.
    pub fn limit(text: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Status::Limit, text)
    }

    /// A system call that failed: `what` names the call and its object.
    pub fn system(what: impl fmt::Display, error: &std::io::Error) -> Self {
        Self::new(Status::System, format!("{what}: {error}"))
    }

    /// The number for programs.
    pub fn status(&self) -> Status {
        self.status
    }

    /// The sentence for people.
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

/// The result of everything that can fail.
pub type Result<T> = std::result::Result<T, Error>;
