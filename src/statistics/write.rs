//! Statistics as text: for Prometheus, and as JSON.

use std::fmt::Write;

use super::{RelayStatistics, Statistics};
use crate::metrics::{Kind, Metric};
use crate::shared::Counter;
use crate::shared::counters::LATENCY_BOUNDS;
use crate::shared::health::{AdminState, RelayCounter, RelayHealth};

/// The histogram of the time that rewrites took, for Prometheus.
pub(super) const LATENCY: (&str, &str) =
    ("mediaproxy_request_seconds", "Duration of SDP rewrites that needed a relay.");

/// A state of a relay as a gauge: 0 or 1.
pub(super) type StateGauge = (Metric, fn(&RelayStatistics) -> bool);

/// The state of a relay for Prometheus, which has no words as values.
pub(super) const STATES: [StateGauge; 2] = [
    (Metric { name: "up", kind: Kind::Gauge, help: "1 if this relay answers, else 0." }, |relay| {
        relay.state.health == RelayHealth::Up
    }),
    (
        Metric {
            name: "enabled",
            kind: Kind::Gauge,
            help: "1 if this relay is listed and may take new calls, else 0.",
        },
        |relay| relay.line.is_some() && relay.state.admin_state == AdminState::Enabled,
    ),
];

/// A string that lines are appended to, which never fails.
struct Out(String);

impl Out {
    fn line(&mut self, text: std::fmt::Arguments<'_>) {
        let _ = self.0.write_fmt(text);
        self.0.push('\n');
    }

    fn head(&mut self, name: &str, kind: &str, help: &str) {
        self.line(format_args!("# HELP {name} {help}"));
        self.line(format_args!("# TYPE {name} {kind}"));
    }

    /// One series for each of `relays`.
    fn relays(
        &mut self,
        metric: &Metric,
        relays: &[&RelayStatistics],
        value: impl Fn(&RelayStatistics) -> u64,
    ) {
        let name = metric.prometheus_name("relay_");
        self.head(&name, metric.kind.name(), metric.help);
        for relay in relays {
            let (label, value) = (escaped(&relay.name), value(relay));
            self.line(format_args!("{name}{{relay=\"{label}\"}} {value}"));
        }
    }
}

impl Statistics {
    /// The text that Prometheus scrapes (its text format, version 0.0.4).
    pub fn prometheus(&self) -> String {
        let mut out = Out(String::new());
        for counter in Counter::ALL {
            let metric = counter.metric();
            let name = metric.prometheus_name("");
            out.head(&name, metric.kind.name(), metric.help);
            out.line(format_args!("{name} {}", self.value(counter)));
        }
        self.histogram(&mut out);
        // A relay of two lines has one series.
        let mut once: Vec<&RelayStatistics> = Vec::new();
        for relay in &self.relays {
            if once.iter().all(|other| other.name != relay.name) {
                once.push(relay);
            }
        }
        for (metric, is_so) in STATES {
            out.relays(&metric, &once, |relay| u64::from(is_so(relay)));
        }
        for counter in RelayCounter::ALL {
            out.relays(counter.metric(), &once, |relay| relay.value(counter));
        }
        out.0
    }

    fn histogram(&self, out: &mut Out) {
        let (name, help) = LATENCY;
        out.head(name, "histogram", help);
        let mut below = 0;
        for (at, count) in self.latency.iter().enumerate() {
            below += count;
            let bound = LATENCY_BOUNDS.get(at).map(|&bound| seconds(bound));
            let bound = bound.as_deref().unwrap_or("+Inf");
            out.line(format_args!("{name}_bucket{{le=\"{bound}\"}} {below}"));
        }
        out.line(format_args!("{name}_sum {}", seconds(self.latency_sum)));
        out.line(format_args!("{name}_count {below}"));
    }

    /// The metrics as one JSON object (RFC 8259).
    pub fn json(&self) -> String {
        let mut out = String::from("{");
        for counter in Counter::ALL {
            let _ = write!(out, "\"{}\":{},", counter.metric().name, self.value(counter));
        }
        out.push_str("\"latency_ms\":{");
        for (at, count) in self.latency.iter().enumerate() {
            let bound = LATENCY_BOUNDS.get(at).map(u64::to_string);
            let _ = write!(out, "\"{}\":{count},", bound.as_deref().unwrap_or("more"));
        }
        let _ = write!(out, "\"sum\":{}}},\"relays\":[", self.latency_sum);
        for (at, relay) in self.relays.iter().enumerate() {
            if at > 0 {
                out.push(',');
            }
            relay_json(&mut out, relay);
        }
        out.push_str("]}\n");
        out
    }
}

fn relay_json(out: &mut String, relay: &RelayStatistics) {
    let _ = write!(
        out,
        "{{\"relay\":\"{}\",\"health\":\"{}\",\"admin_state\":\"{}\",\"listed\":{}",
        escaped(&relay.name),
        relay.state.health.name(),
        relay.state.admin_state.name(),
        relay.line.is_some()
    );
    if let Some(line) = &relay.line {
        let _ = write!(
            out,
            ",\"set\":\"{}\",\"weight\":{},\"priority\":{}",
            escaped(&line.set),
            line.weight,
            line.priority
        );
    }
    for counter in RelayCounter::ALL {
        let _ = write!(out, ",\"{}\":{}", counter.metric().name, relay.value(counter));
    }
    out.push('}');
}

/// Milliseconds as decimal seconds.
fn seconds(milliseconds: u64) -> String {
    let text = format!("{}.{:03}", milliseconds / 1000, milliseconds % 1000);
    text.trim_end_matches('0').trim_end_matches('.').to_string()
}

/// Escapes text between quotation marks for both formats. A control character,
/// which no relay's name should hold, becomes `?`.
fn escaped(text: &str) -> String {
    text.chars().fold(String::with_capacity(text.len()), |mut out, c| {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            c if c.is_control() => out.push('?'),
            c => out.push(c),
        }
        out
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_and_names_are_escaped_for_both_formats() {
        assert_eq!(seconds(0), "0");
        assert_eq!(seconds(1), "0.001");
        assert_eq!(seconds(5_000), "5");
        assert_eq!(seconds(12_340), "12.34");
        assert_eq!(escaped("a\"b\\c\n"), "a\\\"b\\\\c?");
    }
}
