//! What the call showed, for people: verdicts, changes, packets, times.

use crate::media::Tally;
use crate::server::{Record, Told};
use kit::sip::Sip;

/// Each message the proxy got: what the library found, and what it changed.
pub(crate) fn messages(records: &[Record]) -> String {
    let mut out = String::new();
    for record in records {
        let label = Sip::parse(&record.received).map_or("?".to_string(), |m| m.label());
        let from = record.from.map_or(String::new(), |from| format!(" from {from}"));
        let verdict = match (record.tested, record.evidence.is_empty()) {
            (false, _) => "not tested",
            (true, true) => "not behind NAT",
            (true, false) => "behind NAT",
        };
        out.push_str(&format!("#{} {label}{from}: {verdict}\n", record.number));
        for sentence in &record.evidence {
            out.push_str(&format!("     {sentence}\n"));
        }
        for error in &record.errors {
            out.push_str(&format!("     error: {error}\n"));
        }
        if let Some(edited) = &record.edited {
            out.push_str(&changes(&record.received, edited));
        }
    }
    out
}

/// The lines of a message that the proxy changed, before and after: it gives
/// and takes no lines of these.
fn changes(received: &[u8], edited: &[u8]) -> String {
    let lines = |message| String::from_utf8_lossy(message).lines().map(str::to_string).collect();
    let (before, after): (Vec<String>, Vec<String>) = (lines(received), lines(edited));
    let pairs = before.iter().zip(&after).zip(1..).filter(|((old, new), _)| old != new);
    pairs
        .map(|((old, new), number)| format!("     line {number}\n     - {old}\n     + {new}\n"))
        .collect()
}

/// The packets of one stage.
pub(crate) fn media(stage: &str, tallies: &[Tally]) -> String {
    let mut out = format!(
        "{stage:<22}{:>8}{:>9}{:>10}{:>7}{:>20}\n",
        "sent", "relayed", "received", "lost", "median delay, us"
    );
    for tally in tallies {
        let mut delays = tally.delays.clone();
        delays.sort_unstable();
        let delay = delays.get(delays.len() / 2).map_or("-".to_string(), u64::to_string);
        out.push_str(&format!(
            "  {:<20}{:>8}{:>9}{:>10}{:>7}{delay:>20}\n",
            tally.name,
            tally.sent,
            tally.relayed,
            tally.received,
            tally.sent.saturating_sub(tally.received),
        ));
    }
    out
}

/// The time each library call took.
pub(crate) fn times(told: &Told) -> String {
    let mut out =
        format!("{:<22}{:>8}{:>10}{:>10}{:>10}\n", "call, us", "calls", "min", "median", "max");
    for (call, times) in &told.times {
        let mut times = times.clone();
        times.sort_by(f64::total_cmp);
        let at = |index: usize| times.get(index).copied().unwrap_or_default();
        out.push_str(&format!(
            "  {call:<20}{:>8}{:>10.1}{:>10.1}{:>10.1}\n",
            times.len(),
            at(0),
            at(times.len() / 2),
            at(times.len().saturating_sub(1)),
        ));
    }
    out
}
