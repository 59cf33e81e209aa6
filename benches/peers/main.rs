//! This library beside others on the same messages: instructions and time.
//!
//! `cargo bench --bench peers [-- MESSAGE...]`: all of `benches/*.sip` unless
//! named. The others do other work: the table says what each does. It fails
//! where one of them cannot be measured, unless `--partial` says that this is
//! known.

use std::process::ExitCode;

mod c;
mod callgrind;
mod clock;
mod message;
mod ours;
mod peer;
mod rust;
mod table;

use message::Sample;
use peer::{Entry, Job, Peer};

/// One peer at one job on one message.
pub(crate) struct Row {
    /// Which of `peer::ALL`.
    pub(crate) entry: usize,
    pub(crate) job: Job,
    /// What it reads wrong.
    pub(crate) remark: Option<String>,
    /// What it costs, or why that is not known.
    pub(crate) cost: Result<Cost, String>,
}

/// What once costs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cost {
    /// Without valgrind there is none.
    pub(crate) instructions: Option<u64>,
    /// In nanoseconds.
    pub(crate) least: f64,
    pub(crate) median: f64,
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let samples = message::all();
    if arguments.first().is_some_and(|first| first == callgrind::HIDDEN) {
        return only(&arguments, &samples);
    }
    let wanted: Vec<&String> = arguments.iter().filter(|name| !name.starts_with("--")).collect();
    let mut peers: Vec<(usize, Box<dyn Peer>)> = Vec::new();
    let mut status = ExitCode::SUCCESS;
    for (index, entry) in peer::ALL.iter().enumerate() {
        match entry.prepare().and_then(|()| entry.start()) {
            Ok(peer) => peers.push((index, peer)),
            Err(why) => {
                println!("{} is not measured: {why}\n", entry.name);
                if !arguments.iter().any(|argument| argument == "--partial") {
                    println!("This is a failure without -- --partial.\n");
                    status = ExitCode::FAILURE;
                }
            }
        }
    }
    let counted = callgrind::is_there();
    if !counted {
        println!("instructions are not counted without valgrind: apt-get install valgrind\n");
    }
    table::legend();
    for sample in &samples {
        if !wanted.is_empty() && !wanted.iter().any(|name| sample.name.contains(name.as_str())) {
            continue;
        }
        let rows = measure(sample, &mut peers, counted);
        if rows.iter().any(|row| row.entry == 0 && (row.cost.is_err() || row.remark.is_some())) {
            status = ExitCode::FAILURE;
        }
        table::print(sample, &rows);
    }
    status
}

fn measure(sample: &Sample, peers: &mut [(usize, Box<dyn Peer>)], counted: bool) -> Vec<Row> {
    let mut rows = Vec::new();
    for job in [Job::Headers, Job::Description, Job::Both] {
        if job != Job::Headers && sample.description().is_none() {
            continue;
        }
        let (mut able, mut remarks) = (Vec::new(), Vec::new());
        for (entry, peer) in peers.iter_mut() {
            if !peer::ALL[*entry].does(job) {
                continue;
            }
            match peer.check(job, sample) {
                Ok(remark) => {
                    able.push((*entry, peer));
                    remarks.push(remark);
                }
                Err(why) => {
                    let cost = Err(format!("cannot read it: {why}"));
                    rows.push(Row { entry: *entry, job, remark: None, cost });
                }
            }
        }
        let times = clock::measure(job, sample, &mut able);
        for (((entry, _), remark), (least, median)) in able.iter().zip(remarks).zip(times) {
            let count = || callgrind::count(&peer::ALL[*entry].arguments(job, sample));
            let cost = match counted.then(count).transpose() {
                Ok(instructions) => Ok(Cost { instructions, least, median }),
                Err(why) => Err(format!("cannot be counted: {why}")),
            };
            rows.push(Row { entry: *entry, job, remark, cost });
        }
    }
    rows.sort_by_key(|row| (row.job, row.entry));
    rows
}

/// Does what `Entry::arguments` wrote, under callgrind.
fn only(arguments: &[String], samples: &[Sample]) -> ExitCode {
    let [_, entry, job, sample, times] = arguments else { return ExitCode::FAILURE };
    let found = (
        peer::ALL.iter().find(|known| known.name == entry),
        Job::named(job),
        samples.iter().find(|known| known.name == sample),
        times.parse(),
    );
    let (Some(entry), Some(job), Some(sample), Ok(times)) = found else {
        return ExitCode::FAILURE;
    };
    match entry.start() {
        Ok(mut peer) => peer.run(job, sample, times),
        Err(_) => return ExitCode::FAILURE,
    }
    ExitCode::SUCCESS
}

impl Entry {
    fn arguments(&self, job: Job, sample: &Sample) -> [String; 3] {
        [self.name, job.name(), sample.name].map(String::from)
    }
}
