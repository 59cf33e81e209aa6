//! What is printed.

use std::process::Command;

use crate::message::Sample;
use crate::peer::{ALL, Entry, Job, Package};
use crate::{Cost, Row};

/// Those that do both jobs only together, as one row.
const SUMS: [(&str, &[&str]); 3] = [
    ("libosip2", &["libosip2"]),
    ("sofia-sip", &["sofia-sip"]),
    ("rsip + webrtc-sdp", &["rsip", "webrtc-sdp"]),
];

/// What each does and does not do.
pub(crate) fn legend() {
    for job in [Job::Headers, Job::Description, Job::Both] {
        println!("{}: {}", job.name(), job.meaning());
        for entry in &ALL {
            if let Some((_, does)) = entry.jobs.iter().find(|(of, _)| *of == job) {
                println!("  {} {}: {does}", entry.name, version(entry));
            }
        }
        println!();
    }
}

/// The costs on one message.
pub(crate) fn print(sample: &Sample, rows: &[Row]) {
    let streams = match sample.expected.streams {
        0 => String::new(),
        1 => ", 1 stream".to_string(),
        more => format!(", {more} streams"),
    };
    println!("{}, {} bytes{streams}", sample.name, sample.raw.len());
    println!(
        "  {:12} {:18} {:>12} {:>7} {:>9} {:>9} {:>7}",
        "", "", "instructions", "x ours", "least us", "median us", "x ours"
    );
    for job in [Job::Headers, Job::Description, Job::Both] {
        let of_job = || rows.iter().filter(move |row| row.job == job);
        let ours = of_job().find(|row| row.entry == 0).and_then(|row| row.cost.as_ref().ok());
        for row in of_job() {
            line(job, ALL[row.entry].name, &row.cost, ours);
            if let Some(remark) = &row.remark {
                println!("  {:31} {remark}", "");
            }
        }
        if job == Job::Both {
            for (name, parts) in SUMS {
                if let Some(cost) = sum(rows, parts) {
                    line(job, name, &Ok(cost), ours);
                }
            }
        }
    }
    println!();
}

fn line(job: Job, name: &str, cost: &Result<Cost, String>, ours: Option<&Cost>) {
    print!("  {:12} {name:18} ", job.name());
    let cost = match cost {
        Ok(cost) => cost,
        Err(why) => {
            let line = why.lines().next().unwrap_or_default();
            return println!("{}", line.chars().take(88).collect::<String>());
        }
    };
    let times = |own: Option<f64>, ours: Option<f64>| match (own, ours) {
        (Some(own), Some(ours)) if ours > 0.0 => format!("{:.1}", own / ours),
        _ => "-".to_string(),
    };
    let counted = |cost: &Cost| cost.instructions.map(|count| count as f64);
    println!(
        "{:>12} {:>7} {:>9.2} {:>9.2} {:>7}",
        cost.instructions.map_or("-".to_string(), |count| count.to_string()),
        times(counted(cost), ours.and_then(counted)),
        cost.least / 1e3,
        cost.median / 1e3,
        times(Some(cost.least), ours.map(|ours| ours.least)),
    );
}

/// Headers and description of these peers together, if all is known.
fn sum(rows: &[Row], names: &[&str]) -> Option<Cost> {
    let mut sum = Cost { instructions: Some(0), least: 0.0, median: 0.0 };
    for job in [Job::Headers, Job::Description] {
        let row = rows.iter().find(|row| row.job == job && names.contains(&ALL[row.entry].name))?;
        let cost = row.cost.as_ref().ok()?;
        sum.instructions = sum.instructions.zip(cost.instructions).map(|(a, b)| a + b);
        sum.least += cost.least;
        sum.median += cost.median;
    }
    Some(sum)
}

/// Its version; empty when nobody knows.
fn version(entry: &Entry) -> String {
    match entry.package {
        Package::Own => env!("CARGO_PKG_VERSION").to_string(),
        Package::Debian(name) => {
            let mut query = Command::new("dpkg-query");
            let output = query.args(["-W", "-f", "${Version}", name]).output();
            output.map_or(String::new(), |out| String::from_utf8_lossy(&out.stdout).into_owned())
        }
        Package::Crate(name) => {
            let lock = include_str!("../../Cargo.lock");
            let start = format!("name = \"{name}\"\nversion = \"");
            let found = lock.split_once(&start).and_then(|(_, rest)| rest.split_once('"'));
            found.map_or(String::new(), |(version, _)| version.to_string())
        }
    }
}
