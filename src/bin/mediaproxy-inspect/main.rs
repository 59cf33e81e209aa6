//! A dry run over captured traffic: for every SIP message of captures and
//! message files, what the library finds and what it would change.
//!
//! ```text
//! mediaproxy-inspect sip.pcap
//! ```
//!
//! Hostile captures cost bounded memory: one frame, 256 datagrams waiting for
//! fragments, 32 MiB of streams.

mod args;
mod bytes;
mod diff;
mod fragment;
mod framing;
mod packet;
mod pcap;
mod report;
mod tcp;

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::net::SocketAddr;
use std::path::Path;
use std::process::ExitCode;

use mediaproxy::sip::message::MAX_MESSAGE;
use mediaproxy::sip::{Source, Transport};

use crate::args::Args;
use crate::framing::{Found, is_sip};
use crate::packet::{Dissector, Kind, Segment};
use crate::pcap::{Capture, ReadError};
use crate::report::Report;
use crate::tcp::{Streams, TcpSegment};

/// The default source of a message file: an address for documentation (RFC 5737).
const STAND_IN_SOURCE: ([u8; 4], u16) = ([203, 0, 113, 1], 5060);

fn main() -> ExitCode {
    let args = match args::parse(std::env::args_os().skip(1)) {
        Ok(Some(args)) => args,
        Ok(None) => {
            return match io::stdout().write_all(args::HELP.as_bytes()) {
                Ok(()) => ExitCode::SUCCESS,
                Err(error) => output_failed(&error),
            };
        }
        Err(reason) => {
            eprintln!("mediaproxy-inspect: {reason}\nTry mediaproxy-inspect --help.");
            return ExitCode::from(2);
        }
    };
    let mut report = Report::new(BufWriter::new(io::stdout().lock()), &args);
    let mut exit = ExitCode::SUCCESS;
    for path in &args.files {
        match inspect_file(path, &args, &mut report) {
            Ok(()) => {}
            Err(Failure::Input(error)) => {
                eprintln!("mediaproxy-inspect: {}: {error}", path.display());
                exit = ExitCode::FAILURE;
            }
            Err(Failure::Output(error)) => return output_failed(&error),
        }
    }
    match report.finish() {
        Ok(()) => exit,
        Err(error) => output_failed(&error),
    }
}

/// A reader that has seen enough (`| head`) is no failure.
fn output_failed(error: &io::Error) -> ExitCode {
    if error.kind() == io::ErrorKind::BrokenPipe {
        return ExitCode::SUCCESS;
    }
    eprintln!("mediaproxy-inspect: cannot write: {error}");
    ExitCode::FAILURE
}

/// Why the work on a file stopped.
enum Failure {
    Input(io::Error),
    Output(io::Error),
}

fn inspect_file(
    path: &Path,
    args: &Args,
    report: &mut Report<'_, impl Write>,
) -> Result<(), Failure> {
    let name = diff::escape(path.to_string_lossy().as_bytes());
    let mut input: Box<dyn Read> = if path.as_os_str() == OsStr::new("-") {
        Box::new(io::stdin().lock())
    } else {
        Box::new(BufReader::new(File::open(path).map_err(Failure::Input)?))
    };
    let mut start = Vec::new();
    (&mut input).take(4).read_to_end(&mut start).map_err(Failure::Input)?;
    match <[u8; 4]>::try_from(start.as_slice()) {
        Ok(magic) if Capture::<Box<dyn Read>>::recognises(magic) => {
            inspect_capture(&name, magic, input, report)
        }
        _ if start.starts_with(&[0x1f, 0x8b]) => report
            .file_error(&format!("{name}: error: packed with gzip; unpack it first\n"))
            .map_err(Failure::Output),
        _ => {
            // One byte more than a message may have: the parser says so.
            let most = (MAX_MESSAGE + 1).saturating_sub(start.len()) as u64;
            input.take(most).read_to_end(&mut start).map_err(Failure::Input)?;
            let source = Source {
                address: args.source.unwrap_or_else(|| SocketAddr::from(STAND_IN_SOURCE)),
                local: None,
                transport: args.transport,
            };
            let assumed = if args.source.is_none() { " (source assumed)" } else { "" };
            let place = format!("{name}{assumed}");
            report.message(&place, &start, 0, source).map_err(Failure::Output)
        }
    }
}

/// Goes through a capture. Damage in it ends the file, not the run.
fn inspect_capture(
    name: &str,
    magic: [u8; 4],
    input: impl Read,
    report: &mut Report<'_, impl Write>,
) -> Result<(), Failure> {
    let messages_before = report.messages();
    let mut dissector = Dissector::default();
    let mut streams = Streams::default();
    let mut unknown_links = Vec::new();
    let mut frames = 0;
    let mut written = Ok(());
    let mut damage = None;
    let mut capture = match Capture::new(magic, input) {
        Ok(capture) => Some(capture),
        Err(ReadError::Io(error)) => return Err(Failure::Input(error)),
        Err(ReadError::Damaged(reason)) => {
            damage = Some(reason);
            None
        }
    };
    while let Some(capture) = &mut capture {
        let frame = match capture.next() {
            Ok(Some(frame)) => frame,
            Ok(None) => break,
            Err(ReadError::Io(error)) => return Err(Failure::Input(error)),
            Err(ReadError::Damaged(reason)) => {
                damage = Some(reason);
                break;
            }
        };
        frames = frame.number;
        let known = dissector.frame(frame.link, frame.data, &mut |segment| {
            if written.is_ok() {
                written = inspect_segment(name, frames, &segment, &mut streams, report);
            }
        });
        if !known && !unknown_links.contains(&frame.link) {
            unknown_links.push(frame.link);
        }
        std::mem::replace(&mut written, Ok(())).map_err(Failure::Output)?;
    }
    streams.finish(&mut |path, frame, found| {
        if written.is_ok() {
            written = inspect_found(name, frame, path, found, report);
        }
    });
    written.map_err(Failure::Output)?;
    let messages = report.messages() - messages_before;
    let plural = |count| if count == 1 { "" } else { "s" };
    let mut total = format!(
        "{name}: {frames} frame{}, {messages} SIP message{}",
        plural(frames),
        plural(messages)
    );
    match dissector.incomplete() {
        0 => {}
        1 => total += "; fragments of 1 datagram are missing",
        count => total += &format!("; fragments of {count} datagrams are missing"),
    }
    for link in unknown_links {
        total += &format!("; frames of link type {link} cannot be read");
    }
    total.push('\n');
    let outcome = report.note(&total);
    let outcome = outcome.and_then(|()| match damage {
        Some(reason) => report.file_error(&format!("{name}: error: {reason}\n")),
        None => Ok(()),
    });
    outcome.map_err(Failure::Output)
}

fn inspect_segment(
    name: &str,
    frame: u64,
    segment: &Segment<'_>,
    streams: &mut Streams,
    report: &mut Report<'_, impl Write>,
) -> io::Result<()> {
    let path = (segment.source, segment.destination);
    match segment.kind {
        Kind::Udp if is_sip(segment.payload) => {
            let source = source_of(&path, Transport::Udp);
            report.message(&place(name, frame), segment.payload, segment.missing, source)
        }
        Kind::Udp => Ok(()),
        Kind::Tcp { sequence, syn } => {
            let (payload, missing) = (segment.payload, segment.missing);
            let piece = TcpSegment { frame, sequence, syn, payload, missing };
            let mut written = Ok(());
            streams.push(path, &piece, &mut |path, frame, found| {
                if written.is_ok() {
                    written = inspect_found(name, frame, path, found, report);
                }
            });
            written
        }
    }
}

fn inspect_found(
    name: &str,
    frame: u64,
    path: &tcp::Path,
    found: Found<'_>,
    report: &mut Report<'_, impl Write>,
) -> io::Result<()> {
    let source = source_of(path, Transport::Tcp);
    let place = place(name, frame);
    match found {
        Found::Message(raw) => report.message(&place, raw, 0, source),
        Found::Broken(start, reason) => report.broken(&place, start, &source, reason),
    }
}

fn source_of(path: &tcp::Path, transport: Transport) -> Source {
    Source { address: path.0, local: Some(path.1), transport }
}

fn place(name: &str, frame: u64) -> String {
    format!("{name} frame {frame}")
}
