//! Checks between settings, after all of them were given.

use super::Settings;
use super::table::BUILT_IN_RELAY;
use crate::error::{Error, Result, Status};

impl Settings {
    /// Refuses settings that are valid one by one and have no effect together,
    /// or contradict each other. [`crate::Engine::new`] calls it.
    /// `Status::Setting`: the text names the setting and says what to do.
    pub fn validate(&self) -> Result<()> {
        let refuse = |text: String| Err(Error::new(Status::Setting, text));
        let has_relays_file = !self.values.relays_file.as_os_str().is_empty();
        let lists_relays = !self.values.relays.is_empty() || has_relays_file;
        if self.is_given("mediaproxy_socket") && lists_relays {
            return refuse(
                "mediaproxy_socket has no effect where relay or relays is set; remove it, or \
                 give relay = \"mediaproxy:PATH\" in its place"
                    .into(),
            );
        }
        // A relays file may name the embedded relay now or later.
        let embedded_possible = self.has_embedded_relay() || has_relays_file;
        if let Some(name) = self.first_proxy_setting()
            && !embedded_possible
        {
            return refuse(format!(
                "{name} belongs to the embedded relay, which no setting relay names; remove it, \
                 or give relay = \"embedded\" too"
            ));
        }
        if let Some(one) = self.values.relay_try
            && self.is_given("relay_timeout")
            && one > self.values.relay_timeout
        {
            return refuse(format!(
                "relay_try = {one} is longer than relay_timeout = {}, the time for all relays \
                 together; give a smaller relay_try or a larger relay_timeout",
                self.values.relay_timeout
            ));
        }
        Ok(())
    }

    /// True when the setting `relay` names the built-in relay of this server.
    pub fn has_embedded_relay(&self) -> bool {
        self.values
            .relays
            .iter()
            .any(|line| line.split(';').next().map(str::trim) == Some("embedded"))
    }

    fn first_proxy_setting(&self) -> Option<&'static str> {
        BUILT_IN_RELAY.iter().map(|setting| setting.name).find(|name| self.is_given(name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(pairs: &[(&str, &str)]) -> Settings {
        let mut settings = Settings::new();
        for (name, value) in pairs {
            settings.set(name, value).unwrap();
        }
        settings
    }

    #[test]
    fn settings_without_effect_are_refused() {
        for (pairs, text) in [
            (
                &[("mediaproxy_socket", "/run/a"), ("relay", "mediaproxy:/run/b")][..],
                "mediaproxy_socket has no effect",
            ),
            (
                &[("relays", "/etc/relays"), ("mediaproxy_socket", "/run/a")],
                "mediaproxy_socket has no effect",
            ),
            (
                &[("relay", "mediaproxy:/run/b"), ("proxy_ports", "20000-20999")],
                "proxy_ports belongs to the embedded relay",
            ),
            (&[("proxy_hold_timeout", "60")], "proxy_hold_timeout belongs"),
            (
                &[("relay_try", "500"), ("relay_timeout", "400")],
                "relay_try = 500 is longer than relay_timeout = 400",
            ),
        ] {
            let error = settings(pairs).validate().unwrap_err();
            assert_eq!(error.status(), Status::Setting);
            assert!(error.text().contains(text), "{pairs:?}: {error}");
        }
    }

    #[test]
    fn settings_that_go_together_are_accepted() {
        for pairs in [
            &[][..],
            &[("mediaproxy_socket", "/run/a")],
            &[("relay", " embedded ;weight=2"), ("proxy_address", "192.0.2.1")],
            &[("relays", "/etc/relays"), ("proxy_address", "192.0.2.1")],
            &[("relay_try", "400"), ("relay_timeout", "400")],
            &[("relay_try", "1000")],
        ] {
            settings(pairs).validate().unwrap_or_else(|error| panic!("{pairs:?}: {error}"));
        }
    }

    #[test]
    fn relay_try_raises_the_default_of_relay_timeout() {
        let timeout = |pairs| settings(pairs).relay_timeout().as_millis();
        assert_eq!(timeout(&[("relay_try", "1000")]), 1000);
        assert_eq!(timeout(&[("relay_try", "100")]), 400);
        assert_eq!(timeout(&[("relay_try", "100"), ("relay_timeout", "200")]), 200);
    }
}
