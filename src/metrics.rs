//! Tables of metrics: the one place that says which counters and gauges there
//! are, what they are called and what they mean. The C structures, Prometheus
//! text, JSON, the statistics of a SIP server's module and `docs/metrics.md` are
//! all made from these tables.

/// The kind of a metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Kind {
    /// Only grows while the server runs.
    Counter = 0,
    /// The current value; grows and shrinks.
    Gauge = 1,
}

impl Kind {
    /// The word Prometheus and the manual use.
    pub const fn name(self) -> &'static str {
        match self {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
        }
    }
}

/// One row of a table.
#[derive(Clone, Copy, Debug)]
pub struct Metric {
    /// Its name in C structures, JSON and a module's statistics.
    pub name: &'static str,
    /// Whether it counts or measures.
    pub kind: Kind,
    /// Its meaning: one sentence.
    pub help: &'static str,
}

impl Metric {
    /// The name Prometheus uses, after `mediaproxy_` and a `scope` (`relay_` or
    /// nothing): the name of a counter ends in `_total`.
    pub fn prometheus_name(&self, scope: &str) -> String {
        let total = if self.kind == Kind::Counter && !self.name.ends_with("_total") {
            "_total"
        } else {
            ""
        };
        format!("mediaproxy_{scope}{}{total}", self.name)
    }
}

/// The fields of a C structure that holds a value for each row, as Rust source
/// that cbindgen reads. `tests/c/header.rs` puts them where a source file of the
/// C boundary holds an array with a value for each row.
pub fn c_fields(table: &[Metric]) -> String {
    let mut fields = String::new();
    for metric in table {
        let mut line = String::from("    ///");
        for word in metric.help.split(' ') {
            if line.len() + 1 + word.len() > 80 {
                fields.push_str(&line);
                line = String::from("\n    ///");
            }
            line.push(' ');
            line.push_str(word);
        }
        fields.push_str(&line);
        fields.push_str(&format!("\n    pub {}: u64,\n", metric.name));
    }
    fields
}

/// Declares an enum whose variants are the rows of a table. A row is
/// `kind Variant name "help";`. The order of the rows is the order of the fields
/// in the C structure: once released, new rows are added at the end.
macro_rules! metrics {
    (
        $(#[$attribute:meta])*
        pub enum $table:ident {
            $($kind:ident $variant:ident $name:ident $help:literal;)+
        }
    ) => {
        $(#[$attribute])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr(usize)]
        pub enum $table {
            $(#[doc = $help] $variant,)+
        }

        impl $table {
            /// All rows, in the order of the table.
            pub const ALL: [$table; [$($table::$variant),+].len()] = [$($table::$variant),+];

            /// Name, kind and meaning of each row of [`Self::ALL`].
            pub const TABLE: [$crate::metrics::Metric; Self::ALL.len()] = [$(
                $crate::metrics::Metric {
                    name: stringify!($name),
                    kind: $crate::metrics::kind!($kind),
                    help: $help,
                }
            ),+];

            /// Name, kind and meaning.
            pub fn metric(self) -> &'static $crate::metrics::Metric {
                const { &Self::TABLE }.get(self as usize).unwrap_or(const { &Self::TABLE[0] })
            }
        }
    };
}
pub(crate) use metrics;

/// The [`Kind`] that the first word of a row names.
macro_rules! kind {
    (counter) => {
        $crate::metrics::Kind::Counter
    };
    (gauge) => {
        $crate::metrics::Kind::Gauge
    };
}
pub(crate) use kind;

/// Compares a page that is made from a table with the committed one in `docs/`;
/// writes it first where the environment variable `MEDIAPROXY_WRITE_DOCS` is
/// set.
#[cfg(test)]
pub(crate) fn compare_with_docs(name: &str, made: &str) {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs").join(name);
    if std::env::var_os("MEDIAPROXY_WRITE_DOCS").is_some() {
        std::fs::write(&path, made).expect("docs/ is writable");
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        committed == made,
        "docs/{name} is stale; run MEDIAPROXY_WRITE_DOCS=1 cargo test --lib manual"
    );
}
