//! `docs/relays.md`: its tables are made from the code.

use std::fmt::Write as _;

use crate::metrics::compare_with_docs;
use crate::relay::exchange::MAX_ANSWER;
use crate::relay::link::MAX_TCP_IDLE;
use crate::relay::protocol::SCHEMES;
use crate::relay::request::{TRY, TRY_DISPATCHER};
use crate::relay::{Capabilities, ConnectionUse, Protocol, Query};
use crate::shared::deletes::KEPT_FOR;
use crate::shared::health::{PROBE_EVERY, RETRY_EVERY};

const MANUAL: &str = include_str!("../../docs/relays.md");

fn names(protocols: &[Protocol]) -> String {
    protocols.iter().map(|protocol| protocol.codec().name()).collect::<Vec<_>>().join(", then ")
}

fn schemes() -> String {
    let mut out = String::from("| URI begins with | protocol |\n|---|---|\n");
    for (scheme, protocols) in SCHEMES {
        writeln!(out, "| `{scheme}:` | {} |", names(protocols)).expect("a String takes all");
    }
    out
}

/// What a relay of this protocol is sent as a probe: its first line.
fn probe(protocol: Protocol) -> String {
    let codec = protocol.codec();
    let mut bytes = Vec::new();
    codec.encode(&Query::probe(b"probe-..."), &codec.capabilities(), &mut bytes).expect("a probe");
    let text = String::from_utf8(bytes).expect("ASCII");
    text.trim_end().lines().take(2).collect::<Vec<_>>().join(", ")
}

/// One cell of the table.
type Cell = dyn Fn(Protocol, &Capabilities) -> String;

fn yes(is: bool) -> String {
    if is { "yes" } else { "no" }.to_string()
}

fn capabilities() -> String {
    let rows: [(&str, &Cell); 12] = [
        ("IPv6 streams", &|_, c| yes(c.ipv6)),
        ("IPv4 and IPv6 addresses in the answer to one SDP", &|_, c| yes(c.mixed_families)),
        ("deletes one dialog of a forked call, or an unanswered call only", &|_, c| {
            yes(c.branch_delete)
        }),
        ("is sent a 200 to INVITE that carries no SDP", &|_, c| yes(c.bodyless_200)),
        ("is sent the To tag of a provisional reply", &|_, c| yes(c.early_tag)),
        ("is sent a provisional reply to INVITE that carries no SDP", &|_, c| {
            yes(c.provisional_reports)
        }),
        ("is sent an empty tag for a peer without tags (RFC 2543)", &|_, c| yes(c.null_tags)),
        ("answers a delete with a line of text", &|_, c| yes(c.delete_answered)),
        ("controls relays on other machines", &|_, c| yes(c.dispatcher)),
        ("queries on one connection", &|_, c| match c.connection {
            ConnectionUse::Kept => "any number".to_string(),
            ConnectionUse::OneQuery => "one".to_string(),
        }),
        ("time for one relay", &|_, c| {
            format!("{} ms", if c.dispatcher { TRY_DISPATCHER } else { TRY })
        }),
        ("probe", &|protocol, _| format!("`{}`", probe(protocol))),
    ];
    let codecs = || Protocol::ALL.into_iter().map(|protocol| (protocol, protocol.codec()));
    let mut columns: Vec<_> =
        codecs().map(|(p, codec)| (codec.name().to_string(), p, codec.capabilities())).collect();
    let built_in = Protocol::MediaProxy2;
    columns.insert(
        0,
        ("built-in relay".to_string(), built_in, built_in.codec().built_in_capabilities()),
    );
    let mut out = String::from("| |");
    for (name, ..) in &columns {
        write!(out, " {name} |").expect("a String takes all");
    }
    write!(out, "\n|---|{}\n", "---|".repeat(columns.len())).expect("a String takes all");
    for (name, value) in rows {
        write!(out, "| {name} |").expect("a String takes all");
        for (_, protocol, capabilities) in &columns {
            let value = value(*protocol, capabilities);
            write!(out, " {value} |").expect("a String takes all");
        }
        out.push('\n');
    }
    out
}

fn times() -> String {
    let seconds = |milliseconds: u64| format!("{} s", milliseconds / 1000);
    let rows = [
        ("a relay that does not answer is probed every", seconds(PROBE_EVERY)),
        ("a relay without a connection is probed every", seconds(RETRY_EVERY)),
        ("an idle TCP connection is used for", seconds(MAX_TCP_IDLE)),
        ("a queued delete is stored for", format!("{} min", KEPT_FOR / 60_000)),
        ("longest answer", format!("{} KiB", MAX_ANSWER / 1024)),
    ];
    let mut out = String::from("| what | how much |\n|---|---|\n");
    for (what, value) in rows {
        writeln!(out, "| {what} | {value} |").expect("a String takes all");
    }
    out
}

/// Replaces what stands between the two comments of this name.
fn with_table(text: &str, name: &str, table: &str) -> String {
    let (begin, end) = (format!("<!-- {name} -->\n"), format!("<!-- end of {name} -->"));
    let (before, rest) = text.split_once(&begin).unwrap_or_else(|| panic!("{begin}"));
    let (_, after) = rest.split_once(&end).unwrap_or_else(|| panic!("{end}"));
    format!("{before}{begin}{table}{end}{after}")
}

#[test]
fn manual_of_relays_has_the_tables_of_the_code() {
    let mut made = MANUAL.to_string();
    for (name, table) in
        [("schemes", schemes()), ("capabilities", capabilities()), ("times", times())]
    {
        made = with_table(&made, name, &table);
    }
    compare_with_docs("relays.md", &made);
}

/// A new capability needs a row in the manual.
#[test]
fn manual_of_relays_has_every_capability() {
    for protocol in Protocol::ALL {
        let Capabilities {
            ipv6: _,
            branch_delete: _,
            bodyless_200: _,
            early_tag: _,
            provisional_reports: _,
            mixed_families: _,
            null_tags: _,
            delete_answered: _,
            dispatcher: _,
            connection: _,
        } = protocol.codec().capabilities();
    }
    // One row each, and those for time and probe.
    assert_eq!(capabilities().lines().count(), 2 + 10 + 2);
}
