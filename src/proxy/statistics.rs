//! The metrics of the built-in relay.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::metrics::{Metric, kind};

/// Declares the values, their table, and the words that threads share. A row is
/// `kind name "help";`. The order of the rows is the order of the fields in the
/// C structure: once released, new rows are added at the end.
macro_rules! statistics {
    ($($kind:ident $name:ident $help:literal;)+) => {
        /// The metrics of a proxy at one moment.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct Statistics {
            $(#[doc = $help] pub $name: u64,)+
        }

        impl Statistics {
            /// Name, kind and meaning of each field.
            pub const TABLE: [Metric; [$($help),+].len()] = [
                $(Metric { name: stringify!($name), kind: kind!($kind), help: $help }),+
            ];

            /// A value for each row of [`Self::TABLE`].
            pub fn values(&self) -> [u64; Self::TABLE.len()] {
                [$(self.$name),+]
            }
        }

        /// The words behind [`Statistics`]: written by the serving thread, read
        /// by any.
        #[derive(Debug, Default)]
        pub(super) struct Counters {
            $($name: AtomicU64,)+
        }

        impl Counters {
            pub(super) fn read(&self) -> Statistics {
                Statistics { $($name: self.$name.load(Ordering::Relaxed)),+ }
            }

            /// Publishes the serving thread's own values.
            pub(super) fn publish(&self, now: &Statistics) {
                $(self.$name.store(now.$name, Ordering::Relaxed);)+
            }
        }
    };
}

statistics! {
    gauge sessions "Sessions now.";
    counter sessions_total "Sessions created.";
    gauge open_ports "UDP sockets open for media now.";
    counter received "Packets received on media ports.";
    counter relayed "Packets forwarded.";
    counter dropped
        "Packets dropped: the source is not accepted, or the other side's address is not known yet.";
    counter refused "Control requests answered with an error.";
    counter loops
        "Sessions that point at themselves or, with others, in a circle: nothing is sent there.";
    counter waits_for_packet
        "Sessions whose SDP names a private address that is not the source of signaling: nothing is sent there before it sends.";
}
