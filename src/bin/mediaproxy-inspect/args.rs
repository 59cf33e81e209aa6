//! The command line.

use std::ffi::OsString;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use mediaproxy::nat::{Networks, Tests};
use mediaproxy::sip::Transport;

pub(crate) const HELP: &str = "\
mediaproxy-inspect: what would the library do to this traffic? A dry run.

Usage: mediaproxy-inspect [OPTIONS] FILE...

Each FILE is a capture (pcap or pcapng, as tcpdump and Wireshark write them) or
holds one SIP message as text. - reads standard input. For every SIP message it
prints where the message came from, whether its sender is behind NAT and why,
and what would change in the message: the Contact (fix_contact) and the
addresses of the media (rewrite_sdp, with a stand-in for the relay's answer).
Nothing is sent to a relay or to any other host, and no name is resolved.

Options:
  --tests TESTS      which tests make a sender NATed: names separated by commas,
                     or their numbers added up.
                     Default: private_contact,source_address,private_via (7)
  --private CIDRS    private addresses: networks and the names rfc1918,
                     rfc6598, loopback, linklocal, ula, separated by commas.
                     Default: rfc1918
  --relay IP         the media relay's address in the stand-in answer; its ports
                     are 50000, 50004, ... Default: 203.0.113.9
  --source IP:PORT   the source of a message file ([IP]:PORT for IPv6). In
                     captures it is the source of the packet.
                     Default: 203.0.113.1:5060
  --transport NAME   the transport of a message file: udp, tcp, tls, ws or wss.
                     In captures it is that of the packet. Default: udp
  --summary          print only the totals
  -h, --help         print this text

Tests (numbers in brackets):
  private_contact (1)     the Contact, or its maddr, is a private address
  source_address (2)      the message came from another address or port than its
                          top Via says (in a reply: than its Contact says)
  private_via (4)         the top Via is a private address
  private_sdp (8)         a stream's address is private
  source_port (16)        it came from another port than its top Via says
  source_contact (256)    it came from another address than its Contact says
  contact_port (512)      it came from another port than its Contact says
  private_source (1024)   it came from a private address
  source_sdp (2048)       a stream's address is not where the message came from
  websocket (4096)        it came over a WebSocket
  first_hop (8192)        it came from the phone, not through another proxy

In the output, lines with - are those of the message, lines with + what they
would become; \"line 7\" is the message's seventh line. Characters that cannot be
printed are escaped as in \\x1f.

Captures may have Ethernet (VLAN, MPLS, PPPoE), Linux cooked (tcpdump -i any),
raw IP, loopback and PPP frames; IPv4 and IPv6, fragments, IP-in-IP, GRE and
ERSPAN tunnels; SIP over UDP and TCP on any port. What is encrypted (TLS, IPsec)
or in a WebSocket cannot be read. Messages that the server itself sent are
tested like all others; to see only received ones, capture with tcpdump -Q in:

  tcpdump -i any -Q in -s 0 -w sip.pcap 'udp or tcp port 5060'
  mediaproxy-inspect sip.pcap

Exit status: 0 when every file could be read; 1 when a file could not; 2 for an
error on the command line.
";

/// The parsed command line.
pub(crate) struct Args {
    pub(crate) files: Vec<PathBuf>,
    pub(crate) tests: Tests,
    pub(crate) private: Networks,
    pub(crate) relay: IpAddr,
    /// `None`: not given.
    pub(crate) source: Option<SocketAddr>,
    pub(crate) transport: Transport,
    pub(crate) summary: bool,
}

/// Reads the command line; `Ok(None)` for `--help`.
pub(crate) fn parse(words: impl Iterator<Item = OsString>) -> Result<Option<Args>, String> {
    let mut args = Args {
        files: Vec::new(),
        tests: Tests::PRIVATE_CONTACT | Tests::SOURCE_ADDRESS | Tests::PRIVATE_VIA,
        private: Networks::rfc1918(),
        relay: IpAddr::V4(Ipv4Addr::new(203, 0, 113, 9)),
        source: None,
        transport: Transport::Udp,
        summary: false,
    };
    let mut words = words;
    let mut only_files = false;
    while let Some(word) = words.next() {
        let text = word.to_string_lossy().into_owned();
        if only_files || text == "-" || !text.starts_with('-') {
            args.files.push(word.into());
            continue;
        }
        let (option, attached) = match text.split_once('=') {
            Some((option, value)) => (option.to_owned(), Some(value.to_owned())),
            None => (text, None),
        };
        let takes_value = ["--tests", "--private", "--relay", "--source", "--transport"];
        if !takes_value.contains(&option.as_str()) {
            match (option.as_str(), attached) {
                ("--", None) => only_files = true,
                ("--summary", None) => args.summary = true,
                ("-h" | "--help", None) => return Ok(None),
                _ => return Err(format!("unknown option {option}")),
            }
            continue;
        }
        let value = attached.or_else(|| words.next().map(|word| word.to_string_lossy().into()));
        let value = value.ok_or_else(|| format!("{option} needs a value"))?;
        let wrong = |form: &str| format!("{option} {value}: expected {form}");
        match option.as_str() {
            "--tests" => args.tests = Tests::parse(&value).map_err(|error| wrong(error.text()))?,
            "--private" => {
                args.private = Networks::parse(&value).map_err(|error| wrong(error.text()))?;
            }
            "--relay" => args.relay = value.parse().map_err(|_| wrong("an IP address"))?,
            "--source" => {
                let source = value.parse().map_err(|_| wrong("IP:PORT, or [IP]:PORT for IPv6"))?;
                args.source = Some(source);
            }
            _ => {
                args.transport = match value.to_ascii_lowercase().as_str() {
                    "udp" => Transport::Udp,
                    "tcp" => Transport::Tcp,
                    "tls" => Transport::Tls,
                    "ws" => Transport::Ws,
                    "wss" => Transport::Wss,
                    _ => return Err(wrong("udp, tcp, tls, ws or wss")),
                }
            }
        }
    }
    if args.files.is_empty() {
        return Err("no file given".into());
    }
    Ok(Some(args))
}
