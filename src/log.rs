//! Log messages. They go to a function of the embedding program; the library
//! itself writes to no file, descriptor or syslog.

use std::fmt;
use std::sync::Arc;

/// The severity of a log message. The numbers are those of the C interface
/// (`MP_LOG_*`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u32)]
pub enum Level {
    /// A call is affected, or a setting cannot be used.
    Error = 1,
    /// Something is wrong, but calls are served.
    Warning = 2,
    /// A change in normal operation.
    Info = 3,
    /// Details for debugging.
    Debug = 4,
}

type Sink = dyn Fn(Level, &str) + Send + Sync;

/// The function that receives log messages, called only on the thread that
/// called the library.
#[derive(Clone, Default)]
pub struct Log(Option<Arc<Sink>>);

impl Log {
    /// A log that discards all messages.
    pub fn none() -> Self {
        Log(None)
    }

    /// A log that calls `sink` for each message, given without line end.
    pub fn new(sink: impl Fn(Level, &str) + Send + Sync + 'static) -> Self {
        Log(Some(Arc::new(sink)))
    }

    /// Writes a message; `text` is formatted only when the log has a function.
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
