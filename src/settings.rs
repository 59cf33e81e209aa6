//! Settings as name and value text, as in a line of a configuration.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::error::{Error, Result, Status};
use crate::nat::Networks;
use crate::relay::{IceCandidate, RelayLine};

mod file;
mod table;
mod validate;
mod values;

use table::{Section, Setting};
use values::Values;

/// All settings. Made with the defaults of the profile `seed`; what was set
/// explicitly survives a later `profile`.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The settings that can be set.
    scope: &'static [Section],
    /// The names that were set explicitly.
    given: Vec<&'static str>,
    values: Values,
}

/// One setting for a manual.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SettingInfo {
    /// The heading it belongs under.
    pub section: &'static str,
    /// Its name.
    pub name: &'static str,
    /// The accepted values, in words.
    pub accepted: String,
    /// The value where none was given, in words.
    pub default: String,
    /// Its effect: one sentence or more.
    pub help: &'static str,
}

impl Default for Settings {
    fn default() -> Self {
        Self::new()
    }
}

impl Settings {
    /// The defaults of the profile `seed`.
    pub fn new() -> Self {
        let values = Values::default();
        let mut settings = Settings { scope: &table::SECTIONS, given: Vec::new(), values };
        settings.apply_defaults();
        settings
    }

    /// For a built-in relay without a SIP server in the same process, like
    /// `mediaproxyd`: all other settings are unknown, and the relay listens on
    /// the default of `mediaproxy_socket`.
    pub fn for_proxy_alone() -> Self {
        let mut settings = Self::new();
        settings.values.proxy_socket = Some(settings.values.mediaproxy_socket.clone());
        settings.scope = &table::PROXY_SECTION;
        settings
    }

    /// The names of all settings, in the order of the manual.
    pub fn names() -> impl Iterator<Item = &'static str> {
        table::all().map(|setting| setting.name)
    }

    /// The settings that can be set, in the order of the manual.
    pub fn infos(&self) -> impl Iterator<Item = SettingInfo> {
        self.scope.iter().flat_map(|&(section, settings)| {
            settings.iter().map(move |setting| SettingInfo {
                section,
                name: setting.name,
                accepted: setting.form.accepted(),
                default: setting.default.describe(),
                help: setting.help,
            })
        })
    }

    fn row(&self, name: &str) -> Result<&'static Setting> {
        let rows = || self.scope.iter().flat_map(|(_, settings)| settings.iter());
        rows().find(|setting| setting.name == name).ok_or_else(|| {
            let names: Vec<_> = rows().map(|setting| setting.name).collect();
            let name = name.replace(char::is_control, "?");
            Error::new(
                Status::Setting,
                format!("no setting is called \"{name}\"; there are: {}", names.join(", ")),
            )
        })
    }

    /// Sets one setting from text; white space around it does not count.
    /// `relay` adds a relay each time, `proxy_address` and
    /// `proxy_advertised_address` replace the address of the same family, every
    /// other setting replaces.
    ///
    /// # Errors
    /// `Status::Setting` for an unknown name (all names are listed) and for a
    /// bad value (the accepted form is named); nothing is changed then.
    pub fn set(&mut self, name: &str, value: &str) -> Result<()> {
        let (name, value) = (name.trim(), value.trim());
        let setting = self.row(name)?;
        setting.form.set(&mut self.values, value).ok_or_else(|| {
            let accepted = setting.form.accepted();
            let value = value.replace(char::is_control, "?");
            Error::new(
                Status::Setting,
                format!("{name} = \"{value}\" is not accepted; give {accepted}"),
            )
        })?;
        if !self.is_given(setting.name) {
            self.given.push(setting.name);
        }
        if setting.name == "profile" {
            self.apply_defaults();
        }
        Ok(())
    }

    /// The value that has effect, as text that [`Settings::set`] accepts; a
    /// setting with several values has one a line. Empty where there is none,
    /// and for `relay_try` where it depends on the relay.
    ///
    /// # Errors
    /// `Status::Setting` for an unknown name (all names are listed).
    pub fn get(&self, name: &str) -> Result<String> {
        Ok(self.row(name.trim())?.form.get(&self.values))
    }

    /// True when the setting was set to any value.
    pub fn is_given(&self, name: &str) -> bool {
        self.given.contains(&name)
    }

    fn apply_defaults(&mut self) {
        for setting in table::all() {
            if self.is_given(setting.name) {
                continue;
            }
            if let Some(text) = setting.default.text(self.values.is_stock) {
                // A test sets the defaults of both profiles.
                let _ = setting.form.set(&mut self.values, &text);
            }
        }
    }

    /// The Unix socket of a MediaProxy dispatcher, used when no relay is set.
    pub fn mediaproxy_socket(&self) -> &Path {
        &self.values.mediaproxy_socket
    }

    /// The list of SIP-asymmetric clients; empty for none.
    pub fn sip_asymmetrics(&self) -> PathBuf {
        self.values.file(&self.values.sip_asymmetrics)
    }

    /// The list of RTP-asymmetric clients; empty for none.
    pub fn rtp_asymmetrics(&self) -> PathBuf {
        self.values.file(&self.values.rtp_asymmetrics)
    }

    /// The networks whose addresses are private.
    pub fn private_networks(&self) -> &Networks {
        &self.values.private_networks.networks
    }

    /// Sources that are never found behind NAT.
    pub fn local_networks(&self) -> &Networks {
        &self.values.local_networks.networks
    }

    /// The relays of the setting `relay`; where neither that nor `relays` was
    /// set, the dispatcher on `mediaproxy_socket`. `embedded` listens at
    /// `own_socket`.
    pub fn relays(&self, own_socket: &Path) -> Result<Vec<RelayLine>> {
        let texts = self.values.relay_texts();
        texts.lines().map(|text| RelayLine::parse(text, own_socket)).collect()
    }

    /// The file of more relays, read again when it changes; empty for none.
    pub fn relays_file(&self) -> PathBuf {
        self.values.file(&self.values.relays_file)
    }

    /// The time for one message, failovers included; at least `relay_try`.
    pub fn relay_timeout(&self) -> Duration {
        Duration::from_millis(self.values.relay_timeout().into())
    }

    /// The time for one relay, where it was set; else see
    /// [`crate::relay::request::Times`].
    pub fn relay_try(&self) -> Option<Duration> {
        self.values.relay_try.map(|number| Duration::from_millis(number.into()))
    }

    /// Relay candidates for ICE streams.
    pub fn ice_candidate(&self) -> IceCandidate {
        self.values.ice_candidate
    }

    /// The number of calls in the shared call table.
    pub fn max_calls(&self) -> u32 {
        self.values.max_calls
    }

    /// Changes of files are found by comparing alone, without inotify.
    pub fn watch_by_polling(&self) -> bool {
        self.values.watch_by_polling
    }

    /// Write and honour a=nortpproxy:yes.
    pub fn loop_marker(&self) -> bool {
        self.values.loop_marker
    }

    /// Replace the address in o= too.
    pub fn rewrite_origin(&self) -> bool {
        self.values.rewrite_origin
    }

    /// The control socket of the built-in proxy: as set, else
    /// [`crate::proxy::default_socket`] of this process.
    pub fn proxy_socket(&self) -> PathBuf {
        self.values.proxy_socket()
    }

    /// The configuration of the built-in proxy.
    ///
    /// # Errors
    /// `Status::Setting` when `proxy_address` was not set.
    pub fn proxy(&self) -> Result<crate::proxy::Config> {
        let values = &self.values;
        if values.proxy_addresses.is_empty() {
            return Err(Error::new(
                Status::Setting,
                "proxy_address is not set; give the public address media is received on",
            ));
        }
        let seconds = |number: u32| Duration::from_secs(number.into());
        Ok(crate::proxy::Config {
            advertised: values.proxy_advertised.clone(),
            learn_from: values.proxy_learn_from,
            trusted: values.trusted_media_networks.networks.clone(),
            max_sessions: usize::try_from(values.proxy_max_sessions).unwrap_or(usize::MAX),
            idle_timeout: seconds(values.proxy_idle_timeout),
            unanswered_timeout: seconds(values.proxy_unanswered_timeout),
            hold_timeout: seconds(values.proxy_hold_timeout),
            ..crate::proxy::Config::new(
                self.proxy_socket(),
                values.proxy_addresses.clone(),
                values.proxy_ports,
            )
        })
    }
}

#[cfg(test)]
mod tests;
