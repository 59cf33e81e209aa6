//! What is measured: jobs, and who does them.

use crate::c::{self, Library};
use crate::message::Sample;
use crate::ours::Ours;
use crate::rust;

/// What is to be done with a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Job {
    /// What its headers say of the client.
    Headers,
    /// Its session description.
    Description,
    /// The two in one.
    Both,
}

impl Job {
    /// As the table has it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Job::Headers => "headers",
            Job::Description => "description",
            Job::Both => "both",
        }
    }

    /// The job of this name.
    pub(crate) fn named(name: &str) -> Option<Job> {
        [Job::Headers, Job::Description, Job::Both].into_iter().find(|job| job.name() == name)
    }

    /// In a sentence.
    pub(crate) fn meaning(self) -> &'static str {
        match self {
            Job::Headers => "who sent this message, and from where",
            Job::Description => "where does the media go",
            Job::Both => "the two together; for the others the sum of their rows",
        }
    }
}

/// Somebody who does some of the jobs.
pub(crate) trait Peer {
    /// Does the job once, to see whether it can: an error when it cannot, a
    /// text when it found something else than is there.
    fn check(&mut self, job: Job, sample: &Sample) -> Result<Option<String>, String>;

    /// Does it `times` times.
    fn run(&mut self, job: Job, sample: &Sample, times: usize);
}

/// A peer as the table names it.
pub(crate) struct Entry {
    pub(crate) name: &'static str,
    /// What it does and does not do in each job.
    pub(crate) jobs: &'static [(Job, &'static str)],
    /// Its package, to be asked for its version.
    pub(crate) package: Package,
    prepare: fn() -> Result<(), String>,
    start: fn() -> Result<Box<dyn Peer>, String>,
}

/// Where a peer comes from.
pub(crate) enum Package {
    /// This crate.
    Own,
    /// A Debian package.
    Debian(&'static str),
    /// A crate of `Cargo.lock`.
    Crate(&'static str),
}

impl Entry {
    /// Compiles what must be compiled, once for all processes; an error that
    /// says what is missing.
    pub(crate) fn prepare(&self) -> Result<(), String> {
        (self.prepare)()
    }

    /// Makes it ready in this process.
    pub(crate) fn start(&self) -> Result<Box<dyn Peer>, String> {
        (self.start)()
    }

    /// True when it does this job.
    pub(crate) fn does(&self, job: Job) -> bool {
        self.jobs.iter().any(|(of, _)| *of == job)
    }
}

/// All of them, ours first.
pub(crate) const ALL: [Entry; 5] = [
    Entry {
        name: "libmediaproxy",
        jobs: &[
            (
                Job::Headers,
                "C API: mp_message_parse, mp_nat_test 1|2|4, mp_fix_contact, mp_edits_apply. \
                 Reads only the headers that are asked for; writes the edited message.",
            ),
            (
                Job::Description,
                "Rust API, for the C API asks a real relay: finds the description in the \
                 message, reads what a relay changes, plans, fills in a given relay answer, \
                 writes the edited message.",
            ),
            (Job::Both, "Rust API: the two above in one, the message read and written once."),
        ],
        package: Package::Own,
        prepare: || Ok(()),
        start: || Ok(Box::new(Ours::new()?)),
    },
    Entry {
        name: "libosip2",
        jobs: &[
            (
                Job::Headers,
                "Parses nearly all headers into allocated structures, copies the others and \
                 the body; then a look at Via and Contact. No verdict, writes nothing.",
            ),
            (
                Job::Description,
                "Copies the fields of every line, attributes as name and value, of the \
                 description alone. Writes nothing.",
            ),
        ],
        package: Package::Debian("libosip2-dev"),
        prepare: || c::compile("osip.c", "-losipparser2", "libosip2-dev"),
        start: || Ok(Box::new(Library::load("osip.c")?)),
    },
    Entry {
        name: "sofia-sip",
        jobs: &[
            (
                Job::Headers,
                "Copies the message, parses all headers it knows into structures; then a look \
                 at Via and Contact. No verdict, writes nothing.",
            ),
            (
                Job::Description,
                "Copies the description alone, parses every line, rtpmap and direction too, \
                 other attributes as name and value. Writes nothing.",
            ),
        ],
        package: Package::Debian("libsofia-sip-ua-dev"),
        prepare: || c::compile("sofia.c", "-lsofia-sip-ua", "libsofia-sip-ua-dev"),
        start: || Ok(Box::new(Library::load("sofia.c")?)),
    },
    Entry {
        name: "rsip",
        jobs: &[(
            Job::Headers,
            "Copies every header into a string, parses the top Via and the first Contact when \
             asked. No verdict, writes nothing; knows no session descriptions.",
        )],
        package: Package::Crate("rsip"),
        prepare: || Ok(()),
        start: || Ok(Box::new(rust::Rsip)),
    },
    Entry {
        name: "webrtc-sdp",
        jobs: &[(
            Job::Description,
            "Parses every attribute into its own type, candidates and fingerprints too, and \
             checks them, of the description alone. Writes nothing; knows no SIP.",
        )],
        package: Package::Crate("webrtc-sdp"),
        prepare: || Ok(()),
        start: || Ok(Box::new(rust::WebrtcSdp)),
    },
];
