//! The connection addresses of active streams, without building a
//! [`Session`](crate::sdp::Session) and so without allocating.
//!
//! It must agree with `Session::parse`: `tests/kit/src/fuzz/sdp.rs` compares the two on
//! any text, in the fuzz target and on the committed regressions.

use crate::sdp::lines::{for_each_line, without_line_end};
use crate::sdp::session::MAX_STREAMS;
use crate::sdp::{Connection, Media};

/// Calls `visit` with each connection of an active stream (port other than 0):
/// its own c= lines, else the session's, in the order of streams.
///
/// Returns false for SDP that [`crate::sdp::Session::parse`] refuses too; the
/// connections visited until then are to be ignored.
pub fn for_each_connection<'a>(text: &'a [u8], visit: &mut dyn FnMut(Connection<'a>)) -> bool {
    let mut session = None;
    let mut stream = None;
    let mut count = 0usize;
    let read = for_each_line(
        text,
        || (),
        |line| {
            let line = without_line_end(line);
            let Some(([kind, b'='], value)) = line.split_first_chunk() else { return Ok(()) };
            match kind {
                b'm' => {
                    visit_inherited(&stream, session, visit);
                    count = count.saturating_add(1);
                    let Ok(media) = Media::parse(value) else { return Err(()) };
                    if count > MAX_STREAMS {
                        return Err(());
                    }
                    stream = Some(Stream { active: media.port != 0, own: false });
                }
                b'c' => {
                    let Some(connection) = Connection::parse(value, line, None) else {
                        return Err(());
                    };
                    match &mut stream {
                        None => _ = session.get_or_insert(connection),
                        Some(stream) => {
                            stream.own = true;
                            if stream.active {
                                visit(connection);
                            }
                        }
                    }
                }
                _ => {}
            }
            Ok(())
        },
    );
    visit_inherited(&stream, session, visit);
    read.is_ok()
}

/// Visits the session's connection for a stream without a c= line of its own.
fn visit_inherited<'a>(
    stream: &Option<Stream>,
    session: Option<Connection<'a>>,
    visit: &mut dyn FnMut(Connection<'a>),
) {
    if let (Some(Stream { active: true, own: false }), Some(connection)) = (stream, session) {
        visit(connection);
    }
}

/// The stream being parsed.
struct Stream {
    /// The port is not 0.
    active: bool,
    /// The stream has a c= line of its own.
    own: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn visited(text: &str) -> Option<Vec<&[u8]>> {
        let mut addresses = Vec::new();
        let read = for_each_connection(text.as_bytes(), &mut |connection| {
            addresses.push(connection.address);
        });
        read.then_some(addresses)
    }

    #[test]
    fn stream_without_connection_inherits_the_sessions() {
        let text = "v=0\nm=audio 0 RTP/AVP 0\nc=IN IP4 off\nm=audio 4 RTP/AVP 0\nc=IN IP4 a\n\
                    c=IN IP4 b\nm=audio 4 RTP/AVP 0\nm=audio 4 RTP/AVP 0\nc=IN IP6 d";
        assert_eq!(visited(text).unwrap(), [&b"a"[..], b"b", b"d"]);
        let text = text.replace("v=0", "c=IN IP4 s\nc=IN IP4 second");
        assert_eq!(visited(&text).unwrap(), [&b"a"[..], b"b", b"s", b"d"]);
        assert_eq!(visited("c=IN IP4 s\n").unwrap(), [&b""[..]; 0]);
    }

    #[test]
    fn malformed_sdp_is_refused() {
        let good = "c=IN IP4 s\nm=audio 4 RTP/AVP 0\n";
        assert!(visited(good).is_some());
        assert_eq!(visited(&format!("{good}m=audio x RTP/AVP 0\n")), None);
        assert_eq!(visited(&format!("{good}c=IN IP4\n")), None);
        assert_eq!(visited(&good.replace('\n', "\r")), None);
        let stream = "m=audio 4 RTP/AVP 0\n";
        assert!(visited(&stream.repeat(MAX_STREAMS)).is_some());
        assert_eq!(visited(&stream.repeat(MAX_STREAMS + 1)), None);
    }
}
