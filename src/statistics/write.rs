//! Statistics as text: for Prometheus, and as JSON.

use std::fmt::Write;

use super::{RelayStatistics, Statistics};
use crate::shared::Counter;
use crate::shared::counters::LATENCY_BOUNDS;
use crate::shared::health::{AdminState, RelayCounter, RelayHealth};

/// A counter's name, what distinguishes it from others of that name, and its
/// explanation (of the first of a name).
struct Named {
    name: &'static str,
    label: Option<(&'static str, &'static str)>,
    help: &'static str,
}

const fn named(name: &'static str, help: &'static str) -> Named {
    Named { name, label: None, help }
}

const fn one_of(
    name: &'static str,
    label: &'static str,
    value: &'static str,
    help: &'static str,
) -> Named {
    Named { name, label: Some((label, value)), help }
}

fn about(counter: Counter) -> Named {
    let asked = "Rewrites for which a relay was asked.";
    let ended = "What became of rewrites for which a relay was asked.";
    let ends = "Ends of calls taken.";
    let deletes = "What became of ends that their relay could not be told at once.";
    let changes = "Changes of watched files that were noticed.";
    match counter {
        Counter::Requests => named("requests_total", asked),
        Counter::Offers => one_of("requests_by_role_total", "role", "offer", asked),
        Counter::Answers => one_of("requests_by_role_total", "role", "answer", asked),
        Counter::Rewritten => one_of("results_total", "result", "rewritten", ended),
        Counter::FailedNoRelay => one_of("results_total", "result", "no_relay", ended),
        Counter::FailedTimeout => one_of("results_total", "result", "timeout", ended),
        Counter::FailedAnswer => one_of("results_total", "result", "answer", ended),
        Counter::FailedOther => one_of("results_total", "result", "other", ended),
        Counter::Cancelled => one_of("results_total", "result", "cancelled", ended),
        Counter::Failovers => named("failovers_total", "Times an offer went on to another relay."),
        Counter::Terminations => named("ends_total", ends),
        Counter::DeletesWithheld => {
            named("ends_withheld_total", "Ends not told since another branch lives.")
        }
        Counter::DeletesSent => named("ends_told_total", "Ends told to their relay at once."),
        Counter::DeletesQueued => one_of("deletes_total", "event", "queued", deletes),
        Counter::DeletesFlushed => one_of("deletes_total", "event", "delivered", deletes),
        Counter::DeletesCancelled => one_of("deletes_total", "event", "cancelled", deletes),
        Counter::DeletesDropped => one_of("deletes_total", "event", "dropped", deletes),
        Counter::CallsNotStored => {
            named("calls_forgotten_total", "Calls for which the call table had no room.")
        }
        Counter::RelaysFailed => {
            named("relay_failures_total", "Times a relay was found not to answer.")
        }
        Counter::RelaysRecovered => {
            named("relay_recoveries_total", "Times a relay answered again.")
        }
        Counter::Probes => named("probes_total", "Probes sent to relays."),
        Counter::ListChanges => one_of("file_changes_total", "file", "client_lists", changes),
        Counter::RelayChanges => one_of("file_changes_total", "file", "relays", changes),
    }
}

fn condition(condition: RelayHealth) -> &'static str {
    match condition {
        RelayHealth::Up => "up",
        RelayHealth::Suspect => "suspect",
        RelayHealth::Dead => "dead",
        RelayHealth::Unreachable => "away",
    }
}

fn order(order: AdminState) -> &'static str {
    match order {
        AdminState::Enabled => "enabled",
        AdminState::Draining => "draining",
        AdminState::Disabled => "disabled",
    }
}

/// What is counted per relay, with its explanation.
const PER_RELAY: [(RelayCounter, &str, &str); RelayCounter::ALL.len()] = [
    (RelayCounter::Requests, "requests", "Requests sent to a relay."),
    (
        RelayCounter::Failures,
        "failures",
        "Requests a relay was not reached with or did not answer.",
    ),
    (RelayCounter::Refusals, "refusals", "Requests a relay refused or whose answer was unusable."),
    (RelayCounter::Calls, "calls", "New calls a relay took."),
    (RelayCounter::Deletes, "ends", "Ends a relay was told."),
    (RelayCounter::Probes, "probes", "Probes sent to a relay."),
];

/// A value of each relay: its name, its explanation, where it is found.
type Gauge = (&'static str, &'static str, fn(&RelayStatistics) -> u64);

/// A place that text is written to; that never fails.
struct Out(String);

impl Out {
    fn line(&mut self, text: std::fmt::Arguments<'_>) {
        let _ = self.0.write_fmt(text);
        self.0.push('\n');
    }

    fn head(&mut self, name: &str, kind: &str, help: &str) {
        self.line(format_args!("# HELP mediaproxy_{name} {help}"));
        self.line(format_args!("# TYPE mediaproxy_{name} {kind}"));
    }
}

impl Statistics {
    /// The text that Prometheus scrapes (its text format, version 0.0.4).
    pub fn prometheus(&self) -> String {
        let mut out = Out(String::new());
        let mut last = "";
        for counter in Counter::ALL {
            let Named { name, label, help } = about(counter);
            if name != last {
                out.head(name, "counter", help);
                last = name;
            }
            let value = self.counted(counter);
            match label {
                Some((label, is)) => {
                    out.line(format_args!("mediaproxy_{name}{{{label}=\"{is}\"}} {value}"));
                }
                None => out.line(format_args!("mediaproxy_{name} {value}")),
            }
        }
        for (name, help, value) in [
            ("sessions", "Calls in the call table.", self.active_calls),
            ("sessions_max", "Calls that fit into the call table.", self.max_calls),
            ("deletes_waiting", "Ends that wait for their relay.", self.deletes_waiting),
        ] {
            out.head(name, "gauge", help);
            out.line(format_args!("mediaproxy_{name} {value}"));
        }
        self.histogram(&mut out);
        self.per_relay(&mut out);
        out.0
    }

    fn histogram(&self, out: &mut Out) {
        let name = "request_seconds";
        out.head(name, "histogram", "Time of rewrites for which a relay was asked.");
        let mut below = 0;
        for (at, count) in self.latency.iter().enumerate() {
            below += count;
            let bound = LATENCY_BOUNDS.get(at).map(|&bound| seconds(bound));
            let bound = bound.as_deref().unwrap_or("+Inf");
            out.line(format_args!("mediaproxy_{name}_bucket{{le=\"{bound}\"}} {below}"));
        }
        out.line(format_args!("mediaproxy_{name}_sum {}", seconds(self.latency_sum)));
        out.line(format_args!("mediaproxy_{name}_count {below}"));
    }

    fn per_relay(&self, out: &mut Out) {
        // A relay of two lines has one series.
        let mut once: Vec<&RelayStatistics> = Vec::new();
        for relay in &self.relays {
            if once.iter().all(|known| known.name != relay.name) {
                once.push(relay);
            }
        }
        let gauges: [Gauge; 4] = [
            ("relay_up", "1 for a relay that answers.", |relay| {
                u64::from(relay.state.health == RelayHealth::Up)
            }),
            ("relay_enabled", "1 for a relay that takes new calls when it answers.", |relay| {
                u64::from(relay.line.is_some() && relay.state.admin_state == AdminState::Enabled)
            }),
            ("relay_sessions", "Calls on a relay.", |relay| relay.active_calls),
            ("relay_deletes_waiting", "Ends that wait for a relay.", |r| r.deletes_waiting),
        ];
        for (name, help, value) in gauges {
            out.head(name, "gauge", help);
            for relay in &once {
                let (of, value) = (escaped(&relay.name), value(relay));
                out.line(format_args!("mediaproxy_{name}{{relay=\"{of}\"}} {value}"));
            }
        }
        for (counter, name, help) in PER_RELAY {
            out.head(&format!("relay_{name}_total"), "counter", help);
            for relay in &once {
                let (of, value) = (escaped(&relay.name), relay.counted(counter));
                out.line(format_args!("mediaproxy_relay_{name}_total{{relay=\"{of}\"}} {value}"));
            }
        }
    }

    /// The same as one JSON object (RFC 8259).
    pub fn json(&self) -> String {
        let mut out = String::from("{");
        for counter in Counter::ALL {
            let Named { name, label, .. } = about(counter);
            let name = name.trim_end_matches("_total").trim_end_matches("_by_role");
            let part = label.map(|(_, is)| format!("_{is}")).unwrap_or_default();
            let _ = write!(out, "\"{name}{part}\":{},", self.counted(counter));
        }
        let _ = write!(
            out,
            "\"sessions\":{},\"sessions_max\":{},\"deletes_waiting\":{},\"latency_ms\":{{",
            self.active_calls, self.max_calls, self.deletes_waiting
        );
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
        "{{\"relay\":\"{}\",\"condition\":\"{}\",\"order\":\"{}\",\"listed\":{}",
        escaped(&relay.name),
        condition(relay.state.health),
        order(relay.state.admin_state),
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
    for (counter, name, _) in PER_RELAY {
        let _ = write!(out, ",\"{name}\":{}", relay.counted(counter));
    }
    let _ = write!(
        out,
        ",\"sessions\":{},\"deletes_waiting\":{}}}",
        relay.active_calls, relay.deletes_waiting
    );
}

/// Milliseconds as decimal seconds.
fn seconds(milliseconds: u64) -> String {
    let text = format!("{}.{:03}", milliseconds / 1000, milliseconds % 1000);
    text.trim_end_matches('0').trim_end_matches('.').to_string()
}

/// Text between quotation marks, as both formats want it: a control character,
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
    fn each_counter_has_a_name_of_its_own_and_series_of_a_name_stand_together() {
        let series: Vec<_> =
            Counter::ALL.iter().map(|&c| (about(c).name, about(c).label)).collect();
        for (at, one) in series.iter().enumerate() {
            assert!(!series[..at].contains(one), "{one:?}");
            let same = at == 0 || series[at - 1].0 == one.0;
            assert!(same || series[..at].iter().all(|other| other.0 != one.0), "{}", one.0);
        }
    }

    #[test]
    fn times_and_names_are_written_as_the_formats_want_them() {
        assert_eq!(seconds(0), "0");
        assert_eq!(seconds(1), "0.001");
        assert_eq!(seconds(5_000), "5");
        assert_eq!(seconds(12_340), "12.34");
        assert_eq!(escaped("a\"b\\c\n"), "a\\\"b\\\\c?");
    }
}
