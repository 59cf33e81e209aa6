//! Every parameter of the module: a value it takes, and one it refuses.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use mediaproxy::Settings;

use crate::failing::refusal;
use crate::module;
use crate::scene::with_module;
use crate::server::{Kamailio, stock_modules};
use kit::netns::SERVER;
use kit::running::socket_path;
use kit::running::wait_for;

/// Any text is a path, and an empty one stands for no file.
const TAKE_ANYTHING: [&str; 4] =
    ["config_directory", "sip_asymmetrics", "rtp_asymmetrics", "relays"];
/// The stock nat_traversal's, which are refused with any value.
const TAKE_NOTHING: [&str; 6] = [
    "keepalive_interval",
    "keepalive_method",
    "keepalive_from",
    "keepalive_extra_headers",
    "keepalive_state_file",
    "contact_match",
];

/// The names of all parameters: the library's settings, those that the common
/// part adds, and those that the module refuses. The module exports exactly these.
fn names() -> BTreeSet<String> {
    let source = |path: &str| {
        fs::read_to_string(kit::root().join("bindings").join(path)).expect("a source of the module")
    };
    let tables = source("common/parameters.h") + &source("kamailio/params.c");
    let exported: BTreeSet<String> = tables
        .split(" each(")
        .skip(1)
        .filter_map(|rest| Some(rest.split_once(')')?.0.replace("##suffix", "_avp")))
        .collect();
    let mut names: BTreeSet<String> = Settings::names().map(str::to_string).collect();
    names.extend(first_column(&source("common/settings.c"), "parameters[] = {"));
    names.extend(TAKE_NOTHING.map(str::to_string));
    assert_eq!(exported, names);
    names
}

/// The names that the lines of a table begin with.
fn first_column(source: &str, table: &str) -> BTreeSet<String> {
    let (_, rest) = source.split_once(table).expect("the table");
    let (table, _) = rest.split_once("};").expect("its end");
    let name = |line: &str| Some(line.trim().strip_prefix("{ \"")?.split_once('"')?.0.to_string());
    let names: BTreeSet<_> = table.lines().filter_map(name).collect();
    assert!(!names.is_empty(), "{table}");
    names
}

/// `names` less some of them.
fn without<'n>(names: &'n BTreeSet<String>, left_out: &[&'n str]) -> BTreeSet<&'n str> {
    let names: BTreeSet<&str> = names.iter().map(String::as_str).collect();
    let left_out: BTreeSet<&str> = left_out.iter().copied().collect();
    assert!(names.is_superset(&left_out), "{left_out:?} are parameters");
    &names - &left_out
}

/// A value that makes no sense: the server does not start and says which
/// parameter it is and what would be accepted.
#[test]
fn bad_values_are_refused_with_the_accepted_form() {
    with_module(kit::here!(), |_, _| {
        let long = format!("\"/{}\"", "x".repeat(200));
        let rows = [
            ("profile", "\"modern\"", "seed or stock"),
            ("mediaproxy_socket", "\"dispatcher.sock\"", "an absolute path of at most 107 bytes"),
            ("mediaproxy_socket", &long, "an absolute path of at most 107 bytes"),
            ("private_networks", "\"10.0.0.0/33\"", "a list of CIDRs"),
            ("local_networks", "\"home\"", "a list of CIDRs"),
            ("trusted_media_networks", "\"studio\"", "a list of CIDRs"),
            (
                "relay",
                "\"carrier pigeon\"",
                "embedded, or mediaproxy:, mediaproxy1: or mediaproxy2:",
            ),
            (
                "relay",
                "\"mediaproxy:/x;weight=-1\"",
                "embedded, or mediaproxy:, mediaproxy1: or mediaproxy2:",
            ),
            ("relay_timeout", "0", "milliseconds from 1 to 60000"),
            ("relay_timeout", "\"soon\"", "milliseconds from 1 to 60000"),
            ("relay_try", "60001", "milliseconds from 1 to 60000"),
            ("ice_candidate", "\"perhaps\"", "none, low-priority or high-priority"),
            ("max_calls", "15", "a number from 16 to 16777216"),
            ("watch", "\"closely\"", "notify or poll"),
            ("loop_marker", "2", "yes or no"),
            ("rewrite_origin", "\"maybe\"", "yes or no"),
            ("proxy_socket", "\"proxy\"", "an absolute path of at most 107 bytes"),
            ("proxy_address", "\"0.0.0.0\"", "an IP address, once per family"),
            ("proxy_advertised_address", "\"outside\"", "an IP address, once per family"),
            ("proxy_ports", "\"65000-70000\"", "FIRST-LAST, ports from 1024 to 65535"),
            ("proxy_learn_from", "\"all\"", "signaled or any"),
            ("proxy_max_sessions", "0", "a number from 1 to 1048576"),
            ("proxy_idle_timeout", "0", "seconds from 1 to 86400"),
            ("proxy_unanswered_timeout", "\"\"", "seconds from 1 to 86400"),
            ("proxy_hold_timeout", "100000", "seconds from 1 to 86400"),
            ("disable", "2", "0, or 1 to turn the media functions off"),
            ("mediaproxy_timeout", "-1", "milliseconds from 1 to 60000"),
            ("natping_interval", "20", "0: this version keeps no registration alive"),
            ("signaling_ip_avp", "\"signaling\"", "an AVP, as $avp("),
            ("media_relay_avp", "\"$var(x)\"", "an AVP, as $avp("),
            ("ice_candidate_avp", "\"\"", "an AVP, as $avp("),
        ];
        let mut left_out = TAKE_NOTHING.to_vec();
        left_out.extend(TAKE_ANYTHING);
        assert_eq!(
            rows.iter().map(|row| row.0).collect::<BTreeSet<_>>(),
            without(&names(), &left_out)
        );
        for (name, value, form) in rows {
            let text = value.trim_matches('"');
            let sentence = format!("modparam {name} = \"{text}\" is not accepted; give {form}");
            is_refused(name, value, &sentence);
        }
        for name in TAKE_NOTHING {
            for value in ["\"\"", "60"] {
                is_refused(
                    name,
                    value,
                    &format!("modparam {name} is a parameter of nat_traversal"),
                );
            }
        }
    });
}

fn is_refused(name: &str, value: &str, sentence: &str) {
    let script =
        format!("modparam(\"mediaproxy\", \"{name}\", {value})\nrequest_route {{ drop; }}");
    let said = refusal("parameter", &script);
    assert!(said.contains(sentence), "{name} = {value} is not explained:\n{said}");
}

/// A server that is given every parameter there is.
#[test]
fn good_values_of_all_parameters_are_taken() {
    with_module(kit::here!(), |network, directory| {
        let file = |name: &str, text: &str| {
            let path = directory.join(name);
            fs::write(&path, text).expect("a file");
            format!("\"{}\"", path.display())
        };
        let (sip, rtp) = (file("sip", "^Phone\n"), file("rtp", "^Phone\n"));
        let other = format!("mediaproxy2:{};set=far;weight=2", directory.join("far").display());
        let relays = file("relays", &format!("{other}\n"));
        // Short, whatever the directory is.
        let socket = socket_path("embedded");
        let own = format!("\"{}\"", socket.display());
        let address = format!("\"{SERVER}\"");
        let rows: [(&str, &str); 32] = [
            ("profile", "\"seed\""),
            ("config_directory", "\"/etc/kamailio\""),
            ("mediaproxy_socket", "\"/run/mediaproxy/dispatcher.sock\""),
            ("sip_asymmetrics", &sip),
            ("rtp_asymmetrics", &rtp),
            ("private_networks", "\"rfc1918, rfc6598, 192.0.0.0/29\""),
            ("local_networks", "\"198.51.100.0/24\""),
            ("relay", "\"embedded\""),
            ("relays", &relays),
            ("relay_timeout", "600"),
            ("relay_try", "\"150\""),
            ("ice_candidate", "\"low-priority\""),
            ("max_calls", "1024"),
            ("watch", "\"poll\""),
            ("loop_marker", "\"yes\""),
            ("rewrite_origin", "1"),
            ("proxy_socket", &own),
            ("proxy_address", &address),
            ("proxy_advertised_address", "\"192.0.2.1\""),
            ("proxy_ports", "\"30000-30999\""),
            ("proxy_learn_from", "\"any\""),
            ("trusted_media_networks", "\"10.9.0.0/24\""),
            ("proxy_max_sessions", "500"),
            ("proxy_idle_timeout", "90"),
            ("proxy_unanswered_timeout", "\"60\""),
            ("proxy_hold_timeout", "7200"),
            ("disable", "0"),
            ("mediaproxy_timeout", "500"),
            ("natping_interval", "0"),
            ("signaling_ip_avp", "\"$avp(s:signaling_ip)\""),
            ("media_relay_avp", "\"$avp(relay)\""),
            ("ice_candidate_avp", "\"$avp(i:7)\""),
        ];
        assert_eq!(
            rows.iter().map(|row| row.0).collect::<BTreeSet<_>>(),
            without(&names(), &TAKE_NOTHING)
        );
        let write = |name: &str, rows: &[(&str, &str)]| {
            let line =
                |(name, value): &(_, _)| format!("modparam(\"mediaproxy\", \"{name}\", {value})\n");
            let path = directory.join(name);
            let lines: String = rows.iter().map(line).collect();
            fs::write(&path, format!("{HEAD}{lines}request_route {{ drop; }}\n")).expect("a file");
            path
        };
        let good = write("kamailio.cfg", &rows);
        let is_good = |file: &Path| {
            let mut kamailio = network.server.command("kamailio");
            kamailio.arg("-c").arg("-A").arg("CONTROL=\"unix:/nowhere\"").arg("-A");
            kamailio.arg(format!("ADDRESS={SERVER}")).arg("-f").arg(file).arg("-L");
            kamailio.arg(format!("{}:{}", module::ours().display(), stock_modules().display()));
            let said = kamailio.output().expect("kamailio runs");
            (said.status.success(), String::from_utf8_lossy(&said.stderr).into_owned())
        };
        let (accepted, said) = is_good(&good);
        assert!(accepted, "{said}");
        let (accepted, said) = is_good(&write("bad.cfg", &[&rows[..], &[("watch", "3")]].concat()));
        assert!(!accepted && said.contains("modparam watch = \"3\""), "{said}");

        // Refused beside relays, when the server starts.
        let started: Vec<_> = rows.into_iter().filter(|row| row.0 != "mediaproxy_socket").collect();
        let server = Kamailio::start(
            network.server.command("kamailio"),
            directory,
            &write("started.cfg", &started),
            &[module::ours(), stock_modules()],
            &[("ADDRESS", SERVER.to_string())],
        );
        wait_for("the relay's socket", || socket.exists().then_some(()));
        let said = server.rpc(&["mediaproxy.relays"]).expect("the relays");
        for relay in ["embedded", &other[..other.find(';').expect("options")]] {
            assert!(said.contains(&format!("uri: {relay}\n")), "{said}");
        }
        let said = server.stop();
        let complaint = |line: &&str| {
            line.contains("mediaproxy") && ["ERROR", "WARNING"].iter().any(|w| line.contains(w))
        };
        assert_eq!(said.lines().find(complaint), None, "{said}");
    });
}

const HEAD: &str = "#!KAMAILIO
debug=2
children=1
disable_tcp=yes
auto_aliases=no
listen=udp:ADDRESS:5060
loadmodule \"sl.so\"
loadmodule \"pv.so\"
loadmodule \"ctl.so\"
loadmodule \"mediaproxy.so\"
modparam(\"ctl\", \"binrpc\", CONTROL)
";
