//! TCP streams put together again, each direction on its own, within bounds:
//! segments in order, retransmissions once, gaps where the capture has them.

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;

use crate::framing::{Found, Framing};

/// The maximum number of stored streams; the one silent for longest is dropped
/// first.
const MAX_STREAMS: usize = 4096;
/// The most bytes held over all streams.
const MAX_HELD: usize = 32 * 1024 * 1024;
/// The most segments of a stream that wait for an earlier one. Beyond, the
/// earlier one was not captured.
const MAX_EARLY_SEGMENTS: usize = 64;
/// A segment further than this from where the stream stands, in bytes, is of
/// another connection between the same ports.
const MAX_DISTANCE: u64 = 16 * 1024 * 1024;

/// One direction of a connection: source, then destination.
pub(crate) type Path = (SocketAddr, SocketAddr);

/// A piece of TCP.
pub(crate) struct TcpSegment<'d> {
    /// The frame it was captured in.
    pub(crate) frame: u64,
    pub(crate) sequence: u32,
    pub(crate) syn: bool,
    pub(crate) payload: &'d [u8],
    /// Bytes after the payload that were sent but not captured.
    pub(crate) missing: usize,
}

/// The receiver of messages, called with the frame that has their last byte.
pub(crate) type Sink<'s> = &'s mut dyn FnMut(&Path, u64, Found<'_>);

/// All streams of a capture.
#[derive(Default)]
pub(crate) struct Streams {
    streams: HashMap<Path, Stream>,
    /// The streams by the time of their last segment.
    recent: BTreeMap<u64, Path>,
    clock: u64,
    held: usize,
}

struct Early {
    frame: u64,
    payload: Vec<u8>,
    missing: usize,
}

impl Early {
    fn segment(&self) -> TcpSegment<'_> {
        TcpSegment {
            frame: self.frame,
            sequence: 0,
            syn: false,
            payload: &self.payload,
            missing: self.missing,
        }
    }
}

#[derive(Default)]
struct Stream {
    /// The number of the next byte, counted beyond 32 bits; `None` before the
    /// first segment.
    next: Option<u64>,
    early: BTreeMap<u64, Early>,
    early_bytes: usize,
    framing: Framing,
    /// The frame of the newest byte handed on.
    frame: u64,
    last_used: u64,
}

impl Streams {
    /// Takes a segment and gives the messages it completes.
    pub(crate) fn push(&mut self, path: Path, segment: &TcpSegment<'_>, sink: Sink<'_>) {
        if segment.payload.is_empty() && segment.missing == 0 && !segment.syn {
            return;
        }
        self.clock += 1;
        let stream = self.streams.entry(path).or_default();
        self.recent.remove(&stream.last_used);
        self.recent.insert(self.clock, path);
        stream.last_used = self.clock;
        let before = stream.held();
        stream.push(segment, &mut |frame, found| sink(&path, frame, found));
        self.held = (self.held - before).saturating_add(stream.held());
        while self.streams.len() > MAX_STREAMS || self.held > MAX_HELD {
            if !self.drop_oldest(sink) {
                break;
            }
        }
    }

    /// The capture ends: what waits comes out.
    pub(crate) fn finish(&mut self, sink: Sink<'_>) {
        while self.drop_oldest(sink) {}
    }

    fn drop_oldest(&mut self, sink: Sink<'_>) -> bool {
        let Some((_, path)) = self.recent.pop_first() else { return false };
        if let Some(mut stream) = self.streams.remove(&path) {
            self.held -= stream.held();
            stream.finish(&mut |frame, found| sink(&path, frame, found));
        }
        true
    }
}

impl Stream {
    fn held(&self) -> usize {
        self.early_bytes + self.framing.held()
    }

    fn push(&mut self, segment: &TcpSegment<'_>, sink: &mut dyn FnMut(u64, Found<'_>)) {
        let mut sequence = segment.sequence;
        if segment.syn {
            sequence = sequence.wrapping_add(1);
            // A repeated SYN changes nothing; another one is a new connection.
            if self.next.is_none_or(|next| next as u32 != sequence) {
                self.restart(sequence, sink);
            }
        }
        let next = match self.next {
            Some(next) => next,
            None => self.restart(sequence, sink),
        };
        let forward = u64::from(sequence.wrapping_sub(next as u32));
        let start = if forward <= u64::from(u32::MAX / 2) {
            next + forward
        } else {
            (next + forward).saturating_sub(1 << 32)
        };
        let (start, next) = if start.abs_diff(next) > MAX_DISTANCE {
            let start = self.restart(sequence, sink);
            (start, start)
        } else {
            (start, next)
        };
        if start <= next {
            self.deliver(start, segment, sink);
        } else {
            self.keep(start, segment);
        }
        while let Some(entry) = self.early.first_entry() {
            if *entry.key() > self.next.unwrap_or(0) {
                if self.early.len() <= MAX_EARLY_SEGMENTS {
                    break;
                }
                self.skip_gap(sink);
                continue;
            }
            let (start, early) = entry.remove_entry();
            self.early_bytes -= early.payload.len();
            self.deliver(start, &early.segment(), sink);
        }
    }

    /// Starts again at `sequence`; counted from 2^32 so that earlier bytes have
    /// numbers too.
    fn restart(&mut self, sequence: u32, sink: &mut dyn FnMut(u64, Found<'_>)) -> u64 {
        self.finish(sink);
        let start = (1 << 32) + u64::from(sequence);
        self.next = Some(start);
        start
    }

    /// Keeps a segment that came too early; of two at one place the longer.
    fn keep(&mut self, start: u64, segment: &TcpSegment<'_>) {
        let known = self.early.get(&start).map_or(0, |early| early.payload.len());
        if segment.payload.len() > known {
            self.early_bytes += segment.payload.len() - known;
            let early = Early {
                frame: segment.frame,
                payload: segment.payload.to_vec(),
                missing: segment.missing,
            };
            self.early.insert(start, early);
        }
    }

    /// Hands on what is new of a segment that starts at or before `next`.
    fn deliver(
        &mut self,
        start: u64,
        segment: &TcpSegment<'_>,
        sink: &mut dyn FnMut(u64, Found<'_>),
    ) {
        let next = self.next.unwrap_or(start);
        let known = usize::try_from(next - start).unwrap_or(usize::MAX);
        let end = start + segment.payload.len() as u64;
        if let Some(new) = segment.payload.get(known..).filter(|new| !new.is_empty()) {
            self.frame = segment.frame;
            self.framing.push(new, &mut |found| sink(segment.frame, found));
            self.next = Some(end);
        }
        let missing = segment.missing as u64;
        if missing > 0 && end + missing > next {
            self.gap(sink);
            self.next = Some(end + missing);
        }
    }

    /// Bytes are lost between what was handed on and what comes.
    fn gap(&mut self, sink: &mut dyn FnMut(u64, Found<'_>)) {
        let frame = self.frame;
        self.framing.gap(&mut |found| sink(frame, found));
    }

    /// Goes on at the first segment that waits: what is before it is lost.
    fn skip_gap(&mut self, sink: &mut dyn FnMut(u64, Found<'_>)) {
        if let Some(start) = self.early.keys().next() {
            self.next = Some(*start);
            self.gap(sink);
        }
    }

    /// Nothing more comes: segments that waited in vain are read, with gaps.
    fn finish(&mut self, sink: &mut dyn FnMut(u64, Found<'_>)) {
        while let Some((start, early)) = self.early.pop_first() {
            if start > self.next.unwrap_or(0) {
                self.gap(sink);
                self.next = Some(start);
            }
            self.deliver(start, &early.segment(), sink);
        }
        self.early_bytes = 0;
        self.gap(sink);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MESSAGE: &[u8] = b"OPTIONS sip:b SIP/2.0\r\nContent-Length: 4\r\n\r\nbody";

    fn path(port: u16) -> Path {
        (SocketAddr::from(([192, 0, 2, 1], port)), SocketAddr::from(([192, 0, 2, 2], 5060)))
    }

    fn segment(sequence: u32, payload: &[u8]) -> TcpSegment<'_> {
        TcpSegment { frame: 1, sequence, syn: false, payload, missing: 0 }
    }

    /// The results: whole messages, and the starts of broken ones.
    #[derive(Default)]
    struct Out {
        whole: Vec<Vec<u8>>,
        broken: usize,
    }

    impl Out {
        fn take(&mut self, found: Found<'_>) {
            match found {
                Found::Message(message) => self.whole.push(message.to_vec()),
                Found::Broken(..) => self.broken += 1,
            }
        }
    }

    fn run(segments: &[TcpSegment<'_>]) -> Out {
        let mut streams = Streams::default();
        let mut out = Out::default();
        for segment in segments {
            streams.push(path(1), segment, &mut |_, _, found| out.take(found));
        }
        streams.finish(&mut |_, _, found| out.take(found));
        assert_eq!(streams.held, 0);
        out
    }

    #[test]
    fn segments_out_of_order_across_the_wrap_of_sequence_numbers() {
        let first = u32::MAX - 9;
        let (a, rest) = MESSAGE.split_at(10);
        let (b, c) = rest.split_at(20);
        let syn = TcpSegment { syn: true, ..segment(first - 1, b"") };
        let out = run(&[syn, segment(20, c), segment(first, a), segment(0, b)]);
        assert_eq!((out.whole, out.broken), (vec![MESSAGE.to_vec()], 0));
    }

    #[test]
    fn repeated_and_overlapping_segments_count_once() {
        let (a, b) = MESSAGE.split_at(30);
        let out = run(&[segment(5, a), segment(5, a), segment(5, MESSAGE), segment(35, b)]);
        assert_eq!((out.whole, out.broken), (vec![MESSAGE.to_vec()], 0));
    }

    #[test]
    fn a_gap_breaks_its_message_and_no_other() {
        let (a, b) = MESSAGE.split_at(30);
        let length = MESSAGE.len() as u32;
        let out = run(&[
            segment(0, a),
            segment(31, b.get(1..).unwrap()),
            segment(length, MESSAGE),
            segment(2 * length, MESSAGE),
        ]);
        assert_eq!((out.whole, out.broken), (vec![MESSAGE.to_vec(); 2], 1));
    }

    #[test]
    fn a_segment_that_was_captured_in_part_is_a_gap() {
        let cut = TcpSegment { missing: 4, ..segment(0, MESSAGE.strip_suffix(b"body").unwrap()) };
        let out = run(&[cut, segment(MESSAGE.len() as u32, MESSAGE)]);
        assert_eq!((out.whole, out.broken), (vec![MESSAGE.to_vec()], 1));
    }

    #[test]
    fn new_connection_on_the_same_ports_starts_again() {
        let syn = TcpSegment { syn: true, ..segment(999, b"") };
        let out = run(&[segment(500_000, MESSAGE), syn, segment(1000, MESSAGE)]);
        assert_eq!(out.whole.len(), 2);
        let far = 1_000_000_000;
        let out = run(&[segment(0, MESSAGE), segment(far, MESSAGE)]);
        assert_eq!(out.whole.len(), 2, "without its SYN");
    }

    #[test]
    fn what_is_held_stays_bounded() {
        let mut streams = Streams::default();
        let endless = [&b"OPTIONS sip:b SIP/2.0\r\nX: "[..], &[b'x'; 30_000]].concat();
        for port in 0..6000 {
            streams.push(path(port), &segment(0, &endless), &mut |_, _, _| {});
            for early in 1..5 {
                let start = early * 100_000;
                streams.push(path(port), &segment(start, &endless), &mut |_, _, _| {});
            }
            assert!(streams.held <= MAX_HELD);
            assert!(streams.streams.len() <= MAX_STREAMS);
            assert_eq!(streams.streams.len(), streams.recent.len());
        }
        let held = streams.streams.values().map(Stream::held).sum::<usize>();
        assert_eq!(held, streams.held);
    }
}
