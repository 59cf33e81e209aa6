//! The printed report of each message, and the totals.

use std::io::{self, Write};
use std::net::IpAddr;

use mediaproxy::Edits;
use mediaproxy::IceCandidate;
use mediaproxy::RoleOption;
use mediaproxy::internals::media::plan::{self, Rules};
use mediaproxy::internals::media::role;
use mediaproxy::internals::relay::Answer;
use mediaproxy::internals::shared::calls::history::OfferAnswerState;
use mediaproxy::nat::Context;
use mediaproxy::nat::{self, Networks, Verdict};
use mediaproxy::sdp::Session;
use mediaproxy::sip::{Message, Source, StartLine, Transport};

use crate::args::Args;
use crate::diff::{escape, render};

/// The longest start line printed, in bytes.
const MAX_START_LINE: usize = 200;
/// The stand-in relay's first port, and the step from stream to stream: each
/// stream takes a pair of ports on both sides.
const FIRST_PORT: u16 = 50000;
const PORT_STEP: u16 = 4;

/// The totals.
#[derive(Default)]
struct Totals {
    messages: u64,
    requests: u64,
    replies: u64,
    natted: u64,
    contacts: u64,
    rewritten: u64,
    errors: u64,
}

/// Prints messages and counts.
pub(crate) struct Report<'a, W> {
    out: W,
    args: &'a Args,
    local: Networks,
    totals: Totals,
    verdict: Verdict,
    edits: Edits,
    edited: Vec<u8>,
    line: Vec<u8>,
}

impl<'a, W: Write> Report<'a, W> {
    pub(crate) fn new(out: W, args: &'a Args) -> Self {
        Report {
            out,
            args,
            local: Networks::default(),
            totals: Totals::default(),
            verdict: Verdict::new(),
            edits: Edits::new(),
            edited: Vec::new(),
            line: Vec::new(),
        }
    }

    /// The number of messages so far.
    pub(crate) fn messages(&self) -> u64 {
        self.totals.messages
    }

    /// A line about a file; left out when only the totals are wanted.
    pub(crate) fn note(&mut self, text: &str) -> io::Result<()> {
        if self.args.summary { Ok(()) } else { writeln!(self.out, "{text}") }
    }

    /// An error that belongs to a file.
    pub(crate) fn file_error(&mut self, text: &str) -> io::Result<()> {
        self.totals.errors += 1;
        self.note(text)
    }

    /// A message whose end was not captured: it is not tested.
    pub(crate) fn broken(
        &mut self,
        place: &str,
        start: &[u8],
        source: &Source,
        reason: &str,
    ) -> io::Result<()> {
        self.heading(place, start, source)?;
        self.error("message", reason)?;
        self.blank()
    }

    /// Tests and rewrites a message, and prints the result. `missing` bytes of the
    /// message were not captured.
    pub(crate) fn message(
        &mut self,
        place: &str,
        raw: &[u8],
        missing: usize,
        source: Source,
    ) -> io::Result<()> {
        self.totals.messages += 1;
        self.heading(place, raw, &source)?;
        if missing > 0 {
            self.note(&format!("  the capture lacks its last {missing} bytes (snapshot length)"))?;
        }
        match Message::parse(raw, source) {
            Ok(message) => {
                match message.start_line() {
                    StartLine::Request { .. } => self.totals.requests += 1,
                    StartLine::Reply { .. } => self.totals.replies += 1,
                }
                self.nat_test(&message)?;
                self.contact(&message)?;
                self.rewrite_sdp(&message)?;
            }
            Err(error) => self.error("message", error.text())?,
        }
        self.blank()
    }

    /// Prints the totals.
    pub(crate) fn finish(mut self) -> io::Result<()> {
        let totals = &self.totals;
        writeln!(self.out, "Summary")?;
        for (name, count) in [
            ("messages", totals.messages),
            ("  requests", totals.requests),
            ("  replies", totals.replies),
            ("natted", totals.natted),
            ("contacts fixed", totals.contacts),
            ("SDP rewritten", totals.rewritten),
            ("errors", totals.errors),
        ] {
            writeln!(self.out, "  {name:<24}{count:>8}")?;
        }
        self.out.flush()
    }

    fn blank(&mut self) -> io::Result<()> {
        self.note("")
    }

    fn error(&mut self, verb: &str, reason: &str) -> io::Result<()> {
        self.totals.errors += 1;
        self.note(&format!("  {verb}: error: {}", escape(reason.as_bytes())))
    }

    fn heading(&mut self, place: &str, raw: &[u8], source: &Source) -> io::Result<()> {
        if self.args.summary {
            return Ok(());
        }
        let transport = transport_name(source.transport);
        write!(self.out, "{place}: {transport} {}", source.address)?;
        match source.local {
            Some(local) => writeln!(self.out, " -> {local}")?,
            None => writeln!(self.out)?,
        }
        let start = raw.iter().position(|byte| !matches!(byte, b'\r' | b'\n')).unwrap_or(0);
        let line = raw.get(start..).unwrap_or_default();
        let line = line.split(|byte| *byte == b'\n').next().unwrap_or_default().trim_ascii_end();
        let shown = line.get(..MAX_START_LINE).unwrap_or(line);
        let dots = if shown.len() < line.len() { "..." } else { "" };
        writeln!(self.out, "  {}{dots}", escape(shown))
    }

    /// The verdict and its evidence.
    fn nat_test(&mut self, message: &Message<'_>) -> io::Result<()> {
        let context =
            Context { private: &self.args.private, local: &self.local, sip_asymmetric: false };
        let outcome = nat::test(message, &context, self.args.tests, false, &mut self.verdict);
        if let Err(error) = outcome {
            return self.error("nat_test", error.text());
        }
        if !self.verdict.natted() {
            return self.note("  nat_test: not natted");
        }
        self.totals.natted += 1;
        if self.args.summary {
            return Ok(());
        }
        writeln!(self.out, "  nat_test: natted ({})", self.verdict.matched().bits())?;
        for evidence in self.verdict.evidence() {
            self.line.clear();
            self.verdict.explain(evidence, &mut self.line);
            writeln!(self.out, "    {}", escape(&self.line))?;
        }
        Ok(())
    }

    /// Prints the result of `fix_contact`.
    fn contact(&mut self, message: &Message<'_>) -> io::Result<()> {
        self.edits.reset();
        let made = nat::fix_contact(message, false, &mut self.edits);
        match made.and_then(|()| self.edits.apply(message, &mut self.edited)) {
            Err(error) => self.error("fix_contact", error.text()),
            Ok(()) if self.edits.is_empty() => self.note("  fix_contact: nothing to change"),
            Ok(()) => {
                self.totals.contacts += 1;
                self.changes("fix_contact:", message)
            }
        }
    }

    /// Prints the result of `rewrite_sdp` with the answer of a stand-in relay.
    fn rewrite_sdp(&mut self, message: &Message<'_>) -> io::Result<()> {
        let mut complaints = Vec::new();
        match self.rewrite(message, &mut complaints) {
            Err(error) => self.error("rewrite_sdp", error.text())?,
            Ok(Outcome::NoSdp) => self.note("  rewrite_sdp: no SDP")?,
            Ok(Outcome::NotCarried) => {
                self.note("  rewrite_sdp: SDP of a message that sets up no media; unchanged")?;
            }
            Ok(Outcome::Edits) if self.edits.is_empty() => {
                self.note("  rewrite_sdp: nothing to change")?;
            }
            Ok(Outcome::Edits) => {
                self.totals.rewritten += 1;
                let title =
                    format!("rewrite_sdp, with an answer of a relay at {}:", self.args.relay);
                self.changes(&title, message)?;
            }
        }
        for complaint in complaints {
            self.note(&format!("    {}", escape(complaint.as_bytes())))?;
        }
        Ok(())
    }

    fn rewrite(
        &mut self,
        message: &Message<'_>,
        complaints: &mut Vec<String>,
    ) -> mediaproxy::Result<Outcome> {
        self.edits.reset();
        let Some(text) = mediaproxy::sip::body::find_sdp(message)? else {
            return Ok(Outcome::NoSdp);
        };
        let method = message.method()?;
        if !role::carries_sessions(method, message.status()) {
            return Ok(Outcome::NotCarried);
        }
        let session = Session::parse(text)?;
        let is_reply = message.status().is_some();
        // One message at a time: nothing is known of its call.
        let known = OfferAnswerState::default();
        let decision = role::decide(is_reply, method, 0, &known, RoleOption::Auto);
        let rules = Rules {
            role: decision.role,
            ice_candidate: IceCandidate::None,
            rewrite_origin: false,
            loop_marker: false,
            relayed_lines: None,
            has_session: false,
            ours: &|_, _| false,
        };
        let plan = plan::plan(message, &session, &rules)?;
        let answer = stand_in(self.args.relay, plan.streams.iter().map(|stream| stream.port));
        plan.fill(&answer, &mut self.edits, &mut |line| complaints.push(line.to_owned()))?;
        self.edits.apply(message, &mut self.edited)?;
        Ok(Outcome::Edits)
    }

    fn changes(&mut self, title: &str, message: &Message<'_>) -> io::Result<()> {
        if self.args.summary {
            return Ok(());
        }
        writeln!(self.out, "  {title}")?;
        write!(self.out, "{}", render(message.raw(), &self.edited, "    "))
    }
}

enum Outcome {
    NoSdp,
    /// The method or status carries no offer or answer.
    NotCarried,
    Edits,
}

/// The answer of a relay that takes every stream that is on.
fn stand_in(relay: IpAddr, streams: impl Iterator<Item = u16>) -> Answer {
    let mut next = FIRST_PORT;
    let ports = streams
        .map(|port| {
            let given = if port == 0 { 0 } else { next };
            next = next.saturating_add(PORT_STEP);
            given
        })
        .collect();
    Answer::Ports { address: relay, ports, others: Vec::new() }
}

fn transport_name(transport: Transport) -> &'static str {
    match transport {
        Transport::Udp => "udp",
        Transport::Tcp => "tcp",
        Transport::Tls => "tls",
        Transport::Sctp => "sctp",
        Transport::Ws => "ws",
        Transport::Wss => "wss",
    }
}
