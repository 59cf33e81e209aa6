//! The addresses of a description's streams, for who needs nothing else of
//! it: nothing is kept, so nothing is allocated.

use crate::sdp::session::{Lines, MAX_STREAMS, without_line_end};
use crate::sdp::{Connection, Media};

/// Shows each address that a stream in use (its port is not 0) has: its own
/// c= lines, else the session's, in the order of streams. False when the
/// description cannot be read, which [`crate::sdp::Session::parse`] would say
/// too; what was shown until then does not count.
pub fn each_address<'a>(text: &'a [u8], show: &mut dyn FnMut(Connection<'a>)) -> bool {
    let mut session = None;
    let mut stream = None;
    let mut count = 0usize;
    for line in Lines::new(text).map(without_line_end) {
        let Some(([kind, b'='], value)) = line.split_first_chunk() else { continue };
        match kind {
            b'm' => {
                inherit(&stream, session, show);
                count = count.saturating_add(1);
                let Ok(media) = Media::parse(value) else { return false };
                if count > MAX_STREAMS {
                    return false;
                }
                stream = Some(Stream { in_use: media.port != 0, own: false });
            }
            b'c' => {
                let Some(connection) = Connection::parse(value, line) else { return false };
                match &mut stream {
                    None => _ = session.get_or_insert(connection),
                    Some(stream) => {
                        stream.own = true;
                        if stream.in_use {
                            show(connection);
                        }
                    }
                }
            }
            _ => {}
        }
    }
    inherit(&stream, session, show);
    true
}

/// A stream that ends here and has no c= line of its own has the session's.
fn inherit<'a>(
    stream: &Option<Stream>,
    session: Option<Connection<'a>>,
    show: &mut dyn FnMut(Connection<'a>),
) {
    if let (Some(Stream { in_use: true, own: false }), Some(connection)) = (stream, session) {
        show(connection);
    }
}

/// The stream being read.
struct Stream {
    in_use: bool,
    /// It has a c= line of its own.
    own: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> Option<Vec<&[u8]>> {
        let mut addresses = Vec::new();
        let read = each_address(text.as_bytes(), &mut |connection| {
            addresses.push(connection.address);
        });
        read.then_some(addresses)
    }

    #[test]
    fn streams_have_their_own_addresses_or_the_sessions() {
        let text = "v=0\nm=audio 0 RTP/AVP 0\nc=IN IP4 off\nm=audio 4 RTP/AVP 0\nc=IN IP4 a\n\
                    c=IN IP4 b\nm=audio 4 RTP/AVP 0\nm=audio 4 RTP/AVP 0\nc=IN IP6 d";
        assert_eq!(shown(text).unwrap(), [&b"a"[..], b"b", b"d"]);
        let text = text.replace("v=0", "c=IN IP4 s\nc=IN IP4 second");
        assert_eq!(shown(&text).unwrap(), [&b"a"[..], b"b", b"s", b"d"]);
        assert_eq!(shown("c=IN IP4 s\n").unwrap(), [&b""[..]; 0]);
    }

    #[test]
    fn what_cannot_be_read_shows_nothing() {
        let good = "c=IN IP4 s\nm=audio 4 RTP/AVP 0\n";
        assert!(shown(good).is_some());
        assert_eq!(shown(&format!("{good}m=audio x RTP/AVP 0\n")), None);
        assert_eq!(shown(&format!("{good}c=IN IP4\n")), None);
        let stream = "m=audio 4 RTP/AVP 0\n";
        assert!(shown(&stream.repeat(MAX_STREAMS)).is_some());
        assert_eq!(shown(&stream.repeat(MAX_STREAMS + 1)), None);
    }
}
