//! Log lines, handed to whoever embeds the library; it never writes anywhere
//! itself.

use std::fmt;
use std::sync::Arc;

/// How grave a line is. The numbers are the C interface's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u32)]
pub enum Level {
    /// A call is harmed, or a setting cannot be honoured.
    Error = 1,
    /// Something is not as it should be, but served.
    Warning = 2,
    /// What an operator wants to know of normal running.
    Info = 3,
    /// For finding faults.
    Debug = 4,
}

type Sink = dyn Fn(Level, &str) + Send + Sync;

/// Where log lines go. Called on the calling thread only.
#[derive(Clone, Default)]
pub struct Log(Option<Arc<Sink>>);

impl Log {
    /// A log that forgets everything.
    pub fn none() -> Self {
        Log(None)
    }

    /// A log that calls `sink` for each line.
    pub fn new(sink: impl Fn(Level, &str) + Send + Sync + 'static) -> Self {
        Log(Some(Arc::new(sink)))
    }

    /// Writes a line; `text` is only worked out when somebody listens.
    pub fn write(&self, level: Level, text: impl fmt::Display) {
        if let Some(sink) = &self.0 {
            sink(level, &text.to_string());
        }
    }
}

impl fmt::Debug for Log {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "Log(set)" } else { "Log(none)" })
    }
}
