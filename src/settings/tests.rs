use super::*;

#[test]
fn the_two_profiles_have_the_defaults_of_their_servers() {
    let mut settings = Settings::new();
    assert_eq!(settings.mediaproxy_socket().to_str(), Some("/var/run/proxydispatcher.sock"));
    assert_eq!(settings.sip_asymmetrics().to_str(), Some("/etc/ser/sip-asymmetrics-clients"));
    assert_eq!(settings.rtp_asymmetrics().to_str(), Some("/etc/ser/rtp-asymmetrics-clients"));
    assert_eq!(settings.private_networks(), Networks::rfc1918());
    settings.set("rtp_asymmetrics", "/x").unwrap();
    settings.set("profile", "stock").unwrap();
    assert_eq!(settings.mediaproxy_socket().to_str(), Some("/run/mediaproxy/dispatcher.sock"));
    assert_eq!(settings.sip_asymmetrics().to_str(), Some("/etc/kamailio/sip-asymmetrics-clients"));
    assert_eq!(settings.rtp_asymmetrics().to_str(), Some("/x"), "what was set stays");
    assert!(settings.private_networks().contains("100.64.0.1".parse().unwrap()));
    assert!(settings.private_networks().contains("192.0.0.7".parse().unwrap()));
}

#[test]
fn no_relay_set_means_the_dispatcher_on_mediaproxy_socket() {
    let mut settings = Settings::new();
    settings.set("mediaproxy_socket", "/run/d.sock").unwrap();
    let relays = |settings: &Settings| settings.relays(Path::new("/own")).unwrap();
    assert_eq!(relays(&settings)[0].uri.text, "mediaproxy:/run/d.sock");
    let mut by_file = settings.clone();
    by_file.set("relays", "/etc/relays").unwrap();
    assert!(relays(&by_file).is_empty(), "the file says");
    settings.set("relay", "mediaproxy2:/run/a.sock").unwrap();
    settings.set("relay", "mediaproxy2:/run/b.sock").unwrap();
    assert_eq!(relays(&settings).len(), 2);
}

#[test]
fn a_bad_value_names_the_accepted_form_and_changes_nothing() {
    let mut settings = Settings::new();
    for (name, value, form) in [
        ("profile", "kamailio", "seed or stock"),
        ("relay_timeout", "0", "milliseconds from 1 to 60000"),
        ("relay_timeout", "99999999999", "milliseconds from 1 to 60000"),
        ("relay_try", "1s", "milliseconds"),
        ("private_networks", "10.0.0.0/33", "CIDRs"),
        ("local_networks", "rfc1919", "CIDRs"),
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
fn an_unknown_name_is_an_error_that_lists_the_known_ones() {
    let error = Settings::new().set("natping", "20").unwrap_err();
    assert!(error.text().contains("\"natping\""));
    assert!(error.text().contains("private_networks"));
}

#[test]
fn the_built_in_proxy_needs_an_address() {
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
