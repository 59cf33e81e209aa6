//! What is read from a session description, and what is not taken for it.

use mediaproxy::Status;
use mediaproxy::internals::address::Host;
use mediaproxy::sdp::session::MAX_STREAMS;
use mediaproxy::sdp::{Direction, Session};

const OFFER: &[u8] = b"v=0\r\n\
o=alice 1 1 IN IP4 192.168.1.10\r\n\
s=-\r\n\
c=IN IP4 192.168.1.10\r\n\
t=0 0\r\n\
a=sendonly\r\n\
m=audio 40000 RTP/AVP 0\r\n\
a=rtcp:40001 IN IP4 192.168.1.12\r\n\
a=mid:1\r\n\
m=video 40002/2 RTP/AVP 34\r\n\
i=The slides\r\n\
c=IN IP4 192.168.1.11\r\n\
a=recvonly\r\n\
a=rtcp-mux\r\n";

fn host(text: &str) -> Host<'_> {
    Host::Ip(text.parse().unwrap())
}

fn streams(sdp: &str) -> Vec<(String, u16)> {
    let session = Session::parse(sdp.as_bytes()).unwrap();
    let kind = |kind: &[u8]| String::from_utf8_lossy(kind).into_owned();
    session.media.iter().map(|media| (kind(media.kind), media.port)).collect()
}

#[test]
fn offer_with_two_streams() {
    let session = Session::parse(OFFER).unwrap();
    assert_eq!(session.origin().unwrap().text, b"IP4 192.168.1.10");
    assert_eq!(session.connection.unwrap().line, b"c=IN IP4 192.168.1.10");
    let [audio, video] = &session.media[..] else { panic!("{:?}", session.media) };
    assert_eq!((audio.kind, audio.port, audio.transport), (&b"audio"[..], 40000, &b"RTP/AVP"[..]));
    assert_eq!(session.connection_of(audio).unwrap().host, host("192.168.1.10"));
    assert_eq!(session.direction_of(audio), Direction::SendOnly);
    assert_eq!(audio.mid, Some(&b"1"[..]));
    let rtcp = audio.rtcp.unwrap();
    assert_eq!((rtcp.port, rtcp.connection.unwrap().host), (Some(40001), host("192.168.1.12")));
    assert!(!audio.rtcp_mux);
    assert_eq!((video.port, video.count, video.rtcp_mux), (40002, 2, true));
    assert_eq!(session.connection_of(video).unwrap().host, host("192.168.1.11"));
    assert_eq!(session.direction_of(video), Direction::RecvOnly);
}

#[test]
fn stream_knows_its_text_and_its_head() {
    let session = Session::parse(OFFER).unwrap();
    let text = |part: &[u8]| String::from_utf8(part.to_vec()).unwrap();
    assert!(text(session.media[0].text).starts_with("m=audio"));
    assert!(text(session.media[0].text).ends_with("a=mid:1\r\n"));
    assert_eq!(text(session.media[0].head), "m=audio 40000 RTP/AVP 0\r\n");
    assert!(text(session.media[1].text).ends_with("a=rtcp-mux\r\n"));
    assert_eq!(text(session.media[1].head), "m=video 40002/2 RTP/AVP 34\r\ni=The slides\r\n");
}

#[test]
fn bare_line_feeds_and_no_final_line_end() {
    let sdp = String::from_utf8(OFFER.to_vec()).unwrap().replace("\r\n", "\n");
    let session = Session::parse(sdp.trim_end().as_bytes()).unwrap();
    assert_eq!(session.media.len(), 2);
    assert!(session.media[1].rtcp_mux);
    let only = Session::parse(b"m=audio 40000 RTP/AVP 0").unwrap();
    assert_eq!(only.media[0].head, b"m=audio 40000 RTP/AVP 0");
    assert_eq!(only.media[0].text, only.media[0].head);
}

#[test]
fn sixty_four_streams_and_not_one_more() {
    let stream = "m=audio 40000 RTP/AVP 0\r\n";
    let full = format!("v=0\r\n{}", stream.repeat(MAX_STREAMS));
    assert_eq!(Session::parse(full.as_bytes()).unwrap().media.len(), 64);
    let error = Session::parse(format!("{full}{stream}").as_bytes()).unwrap_err();
    assert_eq!(error.status(), Status::Limit);
    assert!(error.text().contains("line 66"), "{error}");
}

#[test]
fn unreadable_port_is_named_with_its_line() {
    for port in ["65536", "-1", "x", "4000/y", "99999999999999999999", "$"] {
        let sdp = format!("v=0\r\nc=IN IP4 192.0.2.1\r\nm=audio {port} RTP/AVP 0\r\n");
        let error = Session::parse(sdp.as_bytes()).unwrap_err();
        assert_eq!(error.status(), Status::Syntax, "{port}");
        assert!(error.text().contains("line 3"), "{error}");
    }
    assert_eq!(Session::parse(b"m=\r\n").unwrap_err().status(), Status::Syntax);
    assert_eq!(Session::parse(b"m=audio 1\r\n").unwrap_err().status(), Status::Syntax);
}

#[test]
fn connection_line_cut_short_is_an_error() {
    for line in ["c=", "c=IN", "c=IN IP4", "c=IN IP4 "] {
        let error = Session::parse(format!("v=0\n{line}\n").as_bytes()).unwrap_err();
        assert_eq!(error.status(), Status::Syntax, "{line}");
        assert!(error.text().contains("line 2"), "{error}");
    }
}

#[test]
fn what_is_no_address_is_a_name() {
    for address in ["None", "media.example.com", "[[2001:db8::1]]", "192.168.1", &"x".repeat(200)] {
        let sdp = format!("c=IN IP4 {address}\r\n");
        let session = Session::parse(sdp.as_bytes()).unwrap();
        assert_eq!(session.connection.unwrap().host, Host::Name(address.as_bytes()));
    }
}

#[test]
fn stream_may_have_several_connections_the_session_one() {
    let session = Session::parse(
        b"c=IN IP4 192.0.2.9\nc=IN IP4 192.0.2.10\nm=video 4000 RTP/AVP 31\n\
          c=IN IP4 233.252.0.1/127\nc=IN IP4 233.252.0.2/127\nc=IN IP4 233.252.0.3/127\n",
    )
    .unwrap();
    assert_eq!(session.connection.unwrap().host, host("192.0.2.9"));
    let video = &session.media[0];
    assert_eq!(video.connection.unwrap().host, host("233.252.0.1"));
    assert_eq!(video.more_connections.len(), 2);
    assert_eq!(video.more_connections[1].host, host("233.252.0.3"));
}

#[test]
fn lookalikes_are_not_taken() {
    let session = Session::parse(
        b"v=0\r\n\
          i=(o=IN IP4 192.0.2.66)\r\n\
          s=c=IN IP4 192.0.2.66\r\n\
          u=m=audio 6666 RTP/AVP 0\r\n\
          \x20c=IN IP4 192.0.2.66\r\n\
          a=x-c=IN IP4 192.0.2.66\r\n\
          m=audio 40000 RTP/AVP 0\r\n\
          i=m=audio 6666 RTP/AVP 0 a=rtcp:6666\r\n\
          a=tool:a=rtcp:6666\r\n\
          a=x:a=candidate:1 2 UDP 1 192.0.2.66 6666 typ host\r\n\
          a=note:nortpproxy:yes\r\n",
    )
    .unwrap();
    assert_eq!(session.origin(), None);
    assert_eq!(session.connection, None);
    assert_eq!(session.media.len(), 1);
    assert_eq!(session.media[0].port, 40000);
    assert_eq!(session.media[0].rtcp, None);
    assert_eq!(session.media[0].ice.first_candidate, None);
    assert!(!session.loop_marker);
}

#[test]
fn truncated_lines_are_harmless() {
    for last in [
        "a=rtpmap:",
        "a=fmtp:",
        "a=candidate:",
        "a=ice-options:",
        "a=rtcp:",
        "a=mid:",
        "a=group:",
        "a=sendre",
        "a=remote-candidates",
        "a=",
        "a",
        "b=",
        "b=AS",
        "o=",
        "o=-",
        "o=- 1",
        "i=",
        "=",
        "\0",
        "a=ice-ufrag:",
        "a=crypto:",
    ] {
        let sdp = format!("v=0\r\nc=IN IP4 192.0.2.1\r\nm=audio 40000 RTP/AVP 0\r\n{last}");
        let session = Session::parse(sdp.as_bytes()).unwrap();
        let audio = &session.media[0];
        assert_eq!(audio.port, 40000, "{last}");
        assert_eq!(audio.rtcp, None, "{last}");
        assert_eq!(audio.ice, Default::default(), "{last}");
        assert_eq!(session.direction_of(audio), Direction::SendRecv, "{last}");
    }
}

#[test]
fn version_line_without_version() {
    let session = Session::parse(b"v=\nv=0\r\n").unwrap();
    assert!(session.media.is_empty());
    assert_eq!(session.connection, None);
}

#[test]
fn nothing_and_noise_have_no_streams() {
    assert!(streams("").is_empty());
    assert!(streams("\r\n\r\n\n\r").is_empty());
    assert!(streams("hello\r\nworld").is_empty());
    assert_eq!(
        streams("\nm=audio 1 RTP/AVP 0\n\nm=video 0 RTP/AVP 31"),
        [("audio".to_string(), 1), ("video".to_string(), 0)]
    );
}

#[test]
fn attribute_names_are_case_sensitive() {
    let session =
        Session::parse(b"a=SendOnly\nm=audio 4 RTP/AVP 0\na=RTCP:5\na=Rtcp-mux\na=INACTIVE\n")
            .unwrap();
    let audio = &session.media[0];
    assert_eq!(session.direction_of(audio), Direction::SendRecv);
    assert_eq!((audio.rtcp, audio.rtcp_mux), (None, false));
}

#[test]
fn stream_direction_goes_before_the_session_direction() {
    let session = Session::parse(
        b"a=inactive\nm=audio 4 RTP/AVP 0\na=sendrecv\nm=audio 6 RTP/AVP 0\nm=audio 8 RTP/AVP 0\na=recvonly \n",
    )
    .unwrap();
    let directions: Vec<_> = session.media.iter().map(|m| session.direction_of(m)).collect();
    assert_eq!(directions, [Direction::SendRecv, Direction::Inactive, Direction::RecvOnly]);
}

#[test]
fn ice_at_session_and_at_stream_level() {
    let session = Session::parse(
        b"a=ice-ufrag:u\r\na=ice-pwd:p\r\n\
          m=audio 4 RTP/AVP 0\r\n\
          a=candidate:1 1 UDP 1 192.0.2.1 4 typ host\r\n\
          a=candidate:1 2 UDP 1 192.0.2.1 5 typ host\r\n\
          m=video 6 RTP/AVP 31\r\n\
          a=ice-ufrag:u\r\n\
          a=remote-candidates:1 192.0.2.1 4\r\n\
          m=video 8 RTP/AVP 31\r\n\
          a=ice-pwd:p\r\na=ice-ufrag:u\r\n",
    )
    .unwrap();
    assert!(session.ice_credentials);
    let [audio, video, second] = &session.media[..] else { panic!() };
    assert!(!audio.ice.credentials && audio.ice.component_2);
    assert_eq!(
        audio.ice.first_candidate,
        Some(&b"a=candidate:1 1 UDP 1 192.0.2.1 4 typ host\r\n"[..])
    );
    assert!(!video.ice.credentials && video.ice.remote_candidates);
    assert!(second.ice.credentials && !second.ice.remote_candidates);
    let without = Session::parse(b"a=ice-ufrag:u\nm=audio 4 RTP/AVP 0\na=ice-pwd:p\n").unwrap();
    assert!(!without.ice_credentials && !without.media[0].ice.credentials);
}

#[test]
fn bundle_groups_and_no_others() {
    let session = Session::parse(
        b"a=group:BUNDLE a b\r\na=group:LS a b\r\na=group:BUNDLE c\r\na=group:BUNDLEX d\r\n\
          m=audio 4 RTP/AVP 0\r\na=group:BUNDLE e\r\n",
    )
    .unwrap();
    assert_eq!(session.bundles, [&b"a b"[..], b"c"]);
}

#[test]
fn loop_marker_at_both_levels() {
    assert!(Session::parse(b"a=nortpproxy:yes\nm=audio 4 RTP/AVP 0\n").unwrap().loop_marker);
    assert!(Session::parse(b"m=audio 4 RTP/AVP 0\na=nortpproxy:yes").unwrap().loop_marker);
    assert!(!Session::parse(b"m=audio 4 RTP/AVP 0\na=nortpproxy:no\n").unwrap().loop_marker);
    assert!(!Session::parse(b"a=nortpproxy\n").unwrap().loop_marker);
}

#[test]
fn origin_with_spaces_in_its_user_name() {
    let session = Session::parse(b"o=John Q Public 1 1 IN IP4 192.0.2.1\r\n").unwrap();
    assert_eq!(session.origin().unwrap().address, b"192.0.2.1");
    assert_eq!(Session::parse(b"o=IN IP4\r\n").unwrap().origin(), None);
    assert_eq!(
        Session::parse(b"m=audio 4 RTP/AVP 0\no=- 1 1 IN IP4 192.0.2.1").unwrap().origin(),
        None
    );
}

#[test]
fn other_network_type_is_not_internet() {
    let session = Session::parse(b"c=PSTN E164 +49891234\nm=audio 9 PSTN -\n").unwrap();
    assert!(!session.connection.unwrap().is_internet());
    assert!(!session.media[0].relayable());
}
