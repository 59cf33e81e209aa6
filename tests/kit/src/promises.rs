//! What holds for every rewrite, whatever the description: a second, slow
//! opinion on the planned edits, taken from the two texts alone.

use std::net::IpAddr;

use mediaproxy::internals::address::Host;
use mediaproxy::sdp::{Connection, Media, Session};

/// True for a stream that a relay could take.
pub fn on(session: &Session<'_>, media: &Media<'_>) -> bool {
    let reachable = |c: Connection<'_>| c.is_internet() && !c.is_multicast();
    media.relayable() && media.port != 0 && session.connection_of(media).is_some_and(reachable)
}

/// Compares a description with its rewrite. `ports` are the relay's, one for
/// each m= line; 0 where it refused an answer's.
pub fn check(before: &Session<'_>, after: &Session<'_>, relay: IpAddr, ports: &[u16]) {
    assert_eq!(before.media.len(), after.media.len());
    let mut given = ports.iter();
    for (line, (old, new)) in before.media.iter().zip(&after.media).enumerate() {
        let port = *given.next().unwrap();
        assert_eq!((old.kind, old.transport), (new.kind, new.transport));
        assert_eq!(before.direction_of(old), after.direction_of(new));
        // A bundled stream may share an earlier one's port, given or refused.
        let shared = old.mid.is_some()
            && !before.bundles.is_empty()
            && before.media.iter().filter(|other| other.port == old.port).count() > 1;
        // All or nothing of a line without an address is replaced.
        let hold = |c: Connection<'_>| c.is_unspecified();
        let trickles = old.port == 9 && before.connection_of(old).is_some_and(hold);
        if shared || trickles {
            continue;
        }
        if on(before, old) && port != 0 {
            relayed(before, old, after, new, relay, port);
            assert_eq!(attributes(after, line), [b""; 0]);
        } else {
            assert_eq!((old.ports_text(), old.rtcp), (new.ports_text(), new.rtcp));
            assert_eq!(attributes(before, line), attributes(after, line));
            assert_eq!(old.more_rtcp, new.more_rtcp);
            if old.port != 0 {
                let address =
                    |c: Option<Connection<'_>>| c.map(|c| (c.text.to_vec(), c.suffix.to_vec()));
                let (theirs, ours) = (before.connection_of(old), after.connection_of(new));
                assert_eq!(address(theirs), address(ours), "an address that nobody relays stays");
            }
        }
    }
}

/// The attributes that name further addresses of a stream.
fn attributes<'a>(session: &Session<'a>, line: usize) -> Vec<&'a [u8]> {
    let attributes = session.address_attributes.iter();
    attributes.filter(|found| found.stream == Some(line)).map(|found| found.line).collect()
}

fn relayed(
    before: &Session<'_>,
    old: &Media<'_>,
    after: &Session<'_>,
    new: &Media<'_>,
    relay: IpAddr,
    port: u16,
) {
    assert_eq!((new.port, new.count), (port, 1));
    let (theirs, ours) = (before.connection_of(old).unwrap(), after.connection_of(new).unwrap());
    moved(&theirs, &ours, relay);
    assert_eq!(old.more_connections.len(), new.more_connections.len());
    for (theirs, ours) in old.more_connections.iter().zip(&new.more_connections) {
        moved(theirs, ours, relay);
    }
    assert_eq!(old.rtcp.is_some(), new.rtcp.is_some());
    assert_eq!(old.more_rtcp.len(), new.more_rtcp.len());
    let theirs = old.rtcp.iter().chain(&old.more_rtcp);
    for (theirs, ours) in theirs.zip(new.rtcp.iter().chain(&new.more_rtcp)) {
        let same = old.rtcp_mux && theirs.port == Some(old.port);
        let expected = if theirs.port == Some(0) { 0 } else { port + u16::from(!same) };
        assert_eq!(ours.port, Some(expected));
        assert_eq!(theirs.connection.is_some(), ours.connection.is_some());
        if let (Some(theirs), Some(ours)) = (theirs.connection, ours.connection) {
            moved(&theirs, &ours, relay);
        }
    }
}

/// Hold stays hold; everything else is the relay now, under its own token.
fn moved(theirs: &Connection<'_>, ours: &Connection<'_>, relay: IpAddr) {
    if theirs.is_unspecified() {
        assert_eq!((theirs.address, theirs.suffix), (ours.address, ours.suffix));
        assert!(ours.text.ends_with(ours.address), "no words but the address");
        return;
    }
    assert_eq!(ours.host, Host::Ip(relay));
    let token = if relay.is_ipv6() { &b"IP6 "[..] } else { b"IP4 " };
    assert!(ours.text.starts_with(token), "{}", ours.text.escape_ascii());
}
