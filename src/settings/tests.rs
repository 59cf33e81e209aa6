use std::fmt::Write;
use std::net::IpAddr;

use super::*;
use crate::proxy::Config;
use crate::settings::table::Initial;

#[test]
fn profiles_have_the_defaults_of_their_servers() {
    let mut settings = Settings::new();
    assert_eq!(settings.mediaproxy_socket().to_str(), Some("/var/run/proxydispatcher.sock"));
    assert_eq!(settings.sip_asymmetrics().to_str(), Some("/etc/ser/sip-asymmetrics-clients"));
    assert_eq!(settings.rtp_asymmetrics().to_str(), Some("/etc/ser/rtp-asymmetrics-clients"));
    assert_eq!(*settings.private_networks(), Networks::rfc1918());
    settings.set("rtp_asymmetrics", "/x").unwrap();
    settings.set("profile", "stock").unwrap();
    assert_eq!(settings.mediaproxy_socket().to_str(), Some("/run/mediaproxy/dispatcher.sock"));
    settings.set("config_directory", "/etc/opensips/").unwrap();
    assert_eq!(settings.sip_asymmetrics().to_str(), Some("/etc/opensips/sip-asymmetrics-clients"));
    settings.set("sip_asymmetrics", "lists/sip").unwrap();
    assert_eq!(settings.sip_asymmetrics().to_str(), Some("/etc/opensips/lists/sip"));
    settings.set("sip_asymmetrics", "").unwrap();
    assert_eq!(settings.sip_asymmetrics().to_str(), Some(""));
    assert_eq!(settings.rtp_asymmetrics().to_str(), Some("/x"), "what was set stays");
    assert!(settings.private_networks().contains("100.64.0.1".parse().unwrap()));
    assert!(settings.private_networks().contains("192.0.0.7".parse().unwrap()));
}

#[test]
fn relays_default_to_the_dispatcher_on_mediaproxy_socket() {
    let mut settings = Settings::new();
    settings.set("mediaproxy_socket", "/run/d.sock").unwrap();
    let relays = |settings: &Settings| settings.relays(Path::new("/own")).unwrap();
    assert_eq!(relays(&settings)[0].uri.text, "mediaproxy:/run/d.sock");
    let mut by_file = settings.clone();
    by_file.set("relays", "/etc/relays").unwrap();
    assert!(relays(&by_file).is_empty(), "the file lists them");
    settings.set("relay", "mediaproxy2:/run/a.sock").unwrap();
    settings.set("relay", "mediaproxy2:/run/b.sock").unwrap();
    assert_eq!(relays(&settings).len(), 2);
}

#[test]
fn bad_value_names_the_accepted_form_and_changes_nothing() {
    let mut settings = Settings::new();
    for (name, value, form) in [
        ("profile", "kamailio", "seed or stock"),
        ("relay_timeout", "0", "milliseconds from 1 to 60000"),
        ("relay_timeout", "99999999999", "milliseconds from 1 to 60000"),
        ("relay_try", "1s", "milliseconds"),
        ("private_networks", "10.0.0.0/33", "CIDRs"),
        ("local_networks", "rfc1919", "CIDRs"),
        ("trusted_media_networks", "10.9.0.0/33", "CIDRs"),
        ("relay", "rtpproxy", "embedded"),
        ("ice_candidate", "high", "high-priority"),
        ("max_calls", "3", "16 to"),
        ("watch", "inotify", "notify or poll"),
        ("loop_marker", "perhaps", "yes or no"),
        ("rewrite_origin", "", "yes or no"),
        ("mediaproxy_socket", "run/x", "absolute path"),
        ("proxy_socket", "x", "absolute path"),
        ("proxy_address", "0.0.0.0", "IP address"),
        ("proxy_advertised_address", "example.org", "IP address"),
        ("proxy_ports", "5-4", "FIRST-LAST"),
        ("proxy_ports", "35001-35002", "FIRST-LAST"),
        ("proxy_learn_from", "all", "signaled or any"),
        ("proxy_max_sessions", "0", "from 1"),
        ("proxy_idle_timeout", "-1", "seconds"),
        ("proxy_unanswered_timeout", "x", "seconds"),
        ("proxy_hold_timeout", "86401", "seconds"),
    ] {
        let error = settings.set(name, value).unwrap_err();
        assert_eq!(error.status(), Status::Setting);
        assert!(error.text().contains(form), "{}", error.text());
        assert!(error.text().contains(name), "{}", error.text());
    }
    assert_eq!(settings.relay_timeout(), Duration::from_millis(400));
    assert_eq!(settings.max_calls(), 65_536);
}

#[test]
fn unknown_name_lists_the_known_ones() {
    let error = Settings::new().set("natping", "20").unwrap_err();
    assert!(error.text().contains("\"natping\""));
    assert!(error.text().contains("private_networks"));
}

#[test]
fn built_in_proxy_needs_an_address() {
    let mut settings = Settings::new();
    assert!(settings.proxy().unwrap_err().text().contains("proxy_address"));
    settings.set("proxy_socket", "/run/x/control.sock").unwrap();
    settings.set("proxy_address", "192.0.2.1").unwrap();
    settings.set("proxy_address", "2001:db8::1").unwrap();
    settings.set("proxy_address", "192.0.2.2").unwrap();
    settings.set("proxy_ports", "40000-40999").unwrap();
    settings.set("proxy_advertised_address", "203.0.113.7").unwrap();
    let config = settings.proxy().unwrap();
    assert_eq!(config.addresses.len(), 2, "one per family, the last one set");
    assert_eq!(config.advertised, ["203.0.113.7".parse::<IpAddr>().unwrap()]);
    assert_eq!(config.ports, (40_000, 40_999));
    assert_eq!(config.idle_timeout, Duration::from_secs(90));
    assert_eq!(config.unanswered_timeout, Duration::from_secs(300));
    assert_eq!(config.hold_timeout, Duration::from_secs(7_200));
}

/// A value that is not the default, for each setting.
const SAMPLES: [(&str, &str); 26] = [
    ("profile", "stock"),
    ("config_directory", "/etc/opensips"),
    ("sip_asymmetrics", "/a"),
    ("rtp_asymmetrics", "/b"),
    ("watch", "poll"),
    ("relay", "mediaproxy:/run/r;weight=2"),
    ("relays", "/c"),
    ("mediaproxy_socket", "/run/d"),
    ("relay_timeout", "1000"),
    ("relay_try", "300"),
    ("max_calls", "1024"),
    ("private_networks", "rfc1918, 192.0.2.0/24"),
    ("local_networks", "2001:db8::/32"),
    ("ice_candidate", "low-priority"),
    ("loop_marker", "yes"),
    ("rewrite_origin", "yes"),
    ("proxy_address", "192.0.2.1"),
    ("proxy_advertised_address", "2001:db8::1"),
    ("proxy_ports", "40000-40999"),
    ("proxy_socket", "/run/e"),
    ("proxy_learn_from", "any"),
    ("trusted_media_networks", "10.9.0.0/24"),
    ("proxy_max_sessions", "12"),
    ("proxy_idle_timeout", "61"),
    ("proxy_unanswered_timeout", "62"),
    ("proxy_hold_timeout", "63"),
];

#[test]
fn settings_read_back_what_was_set() {
    assert!(SAMPLES.iter().map(|(name, _)| *name).eq(Settings::names()), "a sample for each");
    let others = |settings: &Settings, name: &str| -> Vec<String> {
        // The profile changes defaults, relay_try the least relay_timeout, the
        // directory the files in it.
        let names = Settings::names().filter(|other| *other != name);
        names.map(|name| settings.get(name).unwrap()).collect()
    };
    for (name, value) in SAMPLES {
        let mut settings = Settings::new();
        assert_ne!(settings.get(name).unwrap(), value, "{name}: the sample is the default");
        assert!(!settings.is_given(name));
        settings.set(name, value).unwrap();
        assert_eq!(settings.get(name).unwrap(), value, "{name}");
        assert!(settings.is_given(name));
        let depends = ["profile", "config_directory", "relays", "mediaproxy_socket"];
        if !depends.contains(&name) {
            assert_eq!(others(&settings, name), others(&Settings::new(), name), "{name}");
        }
        let info = Settings::new().infos().find(|other| other.name == name).unwrap();
        assert!(!info.accepted.is_empty() && !info.default.is_empty());
    }
    assert!(Settings::new().get("natping").is_err());
}

#[test]
fn defaults_are_accepted_and_read_back() {
    for is_stock in [false, true] {
        for setting in table::all() {
            let Some(text) = setting.default.text(is_stock) else { continue };
            let mut values = Values::default();
            assert!(setting.form.set(&mut values, &text).is_some(), "{}", setting.name);
            assert_eq!(setting.form.get(&values), text, "{}", setting.name);
        }
    }
    for setting in table::all().filter(|setting| matches!(setting.default, Initial::None)) {
        assert_eq!(setting.form.get(&Values::default()), "", "{}", setting.name);
    }
    let mut settings = Settings::new();
    settings.set("proxy_address", "192.0.2.1").unwrap();
    settings.set("proxy_socket", "/run/a").unwrap();
    let config = settings.proxy().unwrap();
    assert_eq!(config, Config::new("/run/a", config.addresses.clone(), Config::PORTS));
}

#[test]
fn control_characters_in_paths_and_relays_are_refused() {
    for name in ["relay", "relays", "sip_asymmetrics", "proxy_socket", "config_directory"] {
        for value in ["mediaproxy:/a\0b", "mediaproxy:/a\nb", "/a\0b", "/a\nb"] {
            let error = Settings::new().set(name, value).unwrap_err();
            assert!(error.text().contains("is not accepted; give"), "{name}: {error}");
            assert!(!error.text().contains(char::is_control), "one line: {error:?}");
        }
    }
}

#[test]
fn values_of_one_setting_read_back_one_a_line() {
    let mut settings = Settings::new();
    assert_eq!(settings.get("relay").unwrap(), "mediaproxy:/var/run/proxydispatcher.sock");
    for (name, value) in [
        ("relay", "embedded"),
        ("relay", "mediaproxy2:/run/a"),
        ("proxy_address", "192.0.2.1"),
        ("proxy_address", "2001:db8::1"),
    ] {
        settings.set(name, value).unwrap();
    }
    assert_eq!(settings.get("relay").unwrap(), "embedded\nmediaproxy2:/run/a");
    assert_eq!(settings.get("proxy_address").unwrap(), "192.0.2.1\n2001:db8::1");
}

#[test]
fn proxy_alone_knows_its_own_settings_only() {
    let mut settings = Settings::for_proxy_alone();
    settings.set("proxy_address", "192.0.2.1").unwrap();
    settings.set("proxy_learn_from", "any").unwrap();
    let config = settings.proxy().unwrap();
    assert_eq!(config.socket, Settings::new().mediaproxy_socket());
    assert_eq!(config.learn_from, crate::proxy::LearnFrom::Any);
    let error = settings.set("relay", "embedded").unwrap_err();
    assert!(error.text().ends_with("proxy_hold_timeout"), "{error}");
    assert!(!error.text().contains("max_calls"), "{error}");
    settings.set("trusted_media_networks", "10.9.0.0/24").unwrap();
    assert!(settings.proxy().unwrap().trusted.contains("10.9.0.1".parse().unwrap()));
    let own = |name: &str| name.starts_with("proxy_") || name == "trusted_media_networks";
    assert!(settings.infos().all(|setting| own(setting.name)));
}

#[test]
fn directory_of_kamailio_is_not_in_the_core() {
    fn search(directory: &Path, found: &mut Vec<PathBuf>) {
        for entry in std::fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                search(&path, found);
            } else if std::fs::read_to_string(&path)
                .is_ok_and(|text| text.contains(concat!("/etc/", "kamailio")))
            {
                found.push(path);
            }
        }
    }
    let mut found = Vec::new();
    search(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut found);
    assert!(found.is_empty(), "{found:?}");
}

/// The text of `docs/settings.md`.
fn manual() -> std::result::Result<String, std::fmt::Error> {
    let mut out = String::from(
        "<!-- Made from the table in src/settings/ by a test; do not edit. To make it again:\n     \
         MEDIAPROXY_WRITE_DOCS=1 cargo test --lib manual -->\n\n\
         # Settings\n\n\
         A setting has a name and a value, both text. They are given with `mp_config_set` in C,\n\
         `Settings::set` in Rust, `modparam` in a SIP server's module, and `--set NAME=VALUE` or\n\
         a file of lines `NAME = VALUE` (`--config FILE`) for `mediaproxyd`, which takes those of\n\
         the built-in relay. `mp_config_get` reads back the value that has effect. White space\n\
         around a value does not count. An error names the accepted form; for an unknown name\n\
         it lists all.\n",
    );
    let mut section = "";
    for setting in Settings::new().infos() {
        if setting.section != section {
            section = setting.section;
            write!(out, "\n## {section}\n\n| setting | accepted | default | meaning |\n")?;
            out.push_str("|---|---|---|---|\n");
        }
        let SettingInfo { name, accepted, default, help, .. } = setting;
        writeln!(out, "| `{name}` | {accepted} | {default} | {help} |")?;
    }
    Ok(out)
}

#[test]
fn manual_of_settings_is_the_committed_one() {
    let manual = manual().expect("a String takes all");
    let columns = |line: &str| line.matches('|').count();
    for line in manual.lines().filter(|line| line.starts_with('|')) {
        assert_eq!(columns(line), 5, "{line}");
    }
    crate::metrics::compare_with_docs("settings.md", &manual);
}
