use std::collections::BTreeSet;
use std::fmt::Write;

use super::write::{LATENCY, STATES};
use super::*;
use crate::metrics::{Kind, Metric, c_fields};
use crate::proxy;
use crate::shared::counters::LATENCY_BOUNDS;

/// The tables, each with the scope of its names in Prometheus; the built-in
/// relay has none.
fn tables() -> [(&'static [Metric], Option<&'static str>); 3] {
    [
        (const { &Counter::TABLE }, Some("")),
        (const { &RelayCounter::TABLE }, Some("relay_")),
        (const { &proxy::Statistics::TABLE }, None),
    ]
}

/// Each metric with a value that only it has.
fn statistics() -> Statistics {
    Statistics {
        values: std::array::from_fn(|row| 1_000 + row as u64),
        latency: [1; LATENCY_BUCKETS],
        latency_sum: 12,
        relays: vec![RelayStatistics {
            name: "mediaproxy:/run/a".into(),
            line: None,
            state: State::default(),
            values: std::array::from_fn(|row| 2_000 + row as u64),
        }],
    }
}

#[test]
fn metric_names_are_unique_and_valid_everywhere() {
    let mut prometheus = BTreeSet::new();
    for (table, scope) in tables() {
        let mut names = BTreeSet::new();
        for metric in table {
            let Metric { name, kind, help } = *metric;
            assert!(names.insert(name), "{name} comes twice");
            assert!(name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'), "{name}");
            assert!(help.ends_with('.') && !help.contains(['|', '\\', '\n']), "{name}: {help}");
            assert!(help.chars().next().is_some_and(|c| c.is_ascii_uppercase()), "{name}: {help}");
            // A C structure has its own words, and a name that ends in `_total`
            // promises a counter.
            assert!(!["latency", "latency_sum"].contains(&name));
            assert!(kind == Kind::Counter || !name.ends_with("_total"), "{name}");
            if let Some(scope) = scope {
                let name = metric.prometheus_name(scope);
                assert_eq!(name.ends_with("_total"), kind == Kind::Counter, "{name}");
                assert!(prometheus.insert(name.clone()), "{name} comes twice");
            }
        }
    }
    for (metric, _) in STATES {
        assert!(prometheus.insert(metric.prometheus_name("relay_")));
    }
    assert!(prometheus.insert(LATENCY.0.into()));
}

#[test]
fn metrics_are_in_every_output() {
    let statistics = statistics();
    let (prometheus, json) = (statistics.prometheus(), statistics.json());
    for counter in Counter::ALL {
        let (metric, value) = (counter.metric(), statistics.value(counter));
        assert_eq!(value, 1_000 + counter as u64);
        let name = metric.prometheus_name("");
        let (help, kind) = (metric.help, metric.kind.name());
        let series = format!("# HELP {name} {help}\n# TYPE {name} {kind}\n{name} {value}\n");
        assert!(prometheus.contains(&series), "{series} in {prometheus}");
        assert!(json.contains(&format!("\"{}\":{value},", metric.name)), "{name} in {json}");
    }
    for counter in RelayCounter::ALL {
        let (metric, value) = (counter.metric(), 2_000 + counter as u64);
        let name = metric.prometheus_name("relay_");
        let series = format!("\n{name}{{relay=\"mediaproxy:/run/a\"}} {value}\n");
        assert!(prometheus.contains(&series), "{series} in {prometheus}");
        assert!(json.contains(&format!("\"{}\":{value}", metric.name)), "{name} in {json}");
    }
    let header = include_str!("../../include/mediaproxy.h");
    for (table, _) in tables() {
        // As the header writes them.
        let fields = c_fields(table).replace("///", "//").replace("pub ", "");
        let fields: String = fields
            .lines()
            .map(|line| match line.trim().strip_suffix(": u64,") {
                Some(name) => format!("    uint64_t {name};\n"),
                None => format!("{line}\n"),
            })
            .collect();
        assert!(header.contains(&fields), "{fields}is not in the header");
    }
}

fn rows(out: &mut String, table: &[Metric], scope: Option<&str>) -> std::fmt::Result {
    match scope {
        Some(_) => out.push_str("| name | Prometheus | kind | meaning |\n|---|---|---|---|\n"),
        None => out.push_str("| name | kind | meaning |\n|---|---|---|\n"),
    }
    for metric in table {
        write!(out, "| `{}` | ", metric.name)?;
        if let Some(scope) = scope {
            write!(out, "`{}` | ", metric.prometheus_name(scope))?;
        }
        writeln!(out, "{} | {} |", metric.kind.name(), metric.help)?;
    }
    Ok(())
}

/// The text of `docs/metrics.md`.
fn manual() -> Result<String, std::fmt::Error> {
    let mut out = String::from(
        "<!-- Made from the tables in src/ by a test; do not edit. To make it again:\n     \
         MEDIAPROXY_WRITE_DOCS=1 cargo test --lib manual -->\n\n\
         # Metrics\n\n\
         A counter only grows while the server runs. A gauge is the current value. All\n\
         processes of a server count together.\n\n\
         ## Of a server\n\n\
         The names are those of the fields of `mp_statistics` (`mp_statistics_get`), of the\n\
         members of the JSON object (`mp_statistics_json`), and of the statistics of a SIP\n\
         server's module. The text for Prometheus is `mp_statistics_prometheus`.\n\n",
    );
    let [server, relay, embedded] = tables();
    rows(&mut out, server.0, server.1)?;
    let bounds: Vec<_> = LATENCY_BOUNDS.iter().map(u64::to_string).collect();
    write!(
        out,
        "\nThe histogram `{}` ({}) counts durations up to\n{} milliseconds, and longer ones. In C it is\n\
         `latency` and `latency_sum`, in JSON `latency_ms`.\n\n\
         ## Of each relay\n\n\
         The names are those of the fields of `mp_relay` (`mp_relay_list_get`) and of the\n\
         members of each object in `relays` of the JSON text. In Prometheus the label\n\
         `relay` is the relay's name.\n\n",
        LATENCY.0,
        LATENCY.1.trim_end_matches('.'),
        bounds.join(", ")
    )?;
    rows(&mut out, relay.0, relay.1)?;
    out.push_str("\nOnly in Prometheus, where C and JSON have the health and the admin state:\n\n");
    rows(&mut out, &STATES.map(|(metric, _)| metric), Some("relay_"))?;
    out.push_str(
        "\n## Of the built-in relay\n\n\
         The names are those of the fields of `mp_proxy_counters` (`mp_proxy_statistics`);\n\
         in a SIP server's module they start with `embedded_`. They count from the start\n\
         of the relay's process.\n\n",
    );
    rows(&mut out, embedded.0, embedded.1)?;
    Ok(out)
}

#[test]
fn manual_of_metrics_is_the_committed_one() {
    crate::metrics::compare_with_docs("metrics.md", &manual().expect("a String takes all"));
}
