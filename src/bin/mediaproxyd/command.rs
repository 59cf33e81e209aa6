//! The command line: options, and settings by their names.

use std::ffi::OsString;
use std::path::Path;

use mediaproxy::Error;
use mediaproxy::Settings;
use mediaproxy::proxy::Config;

const USAGE: &str = "\
Usage: mediaproxyd --address IP [OPTION]...

Relays RTP, RTCP and UDPTL between phones for a SIP server, which controls it
over a Unix socket with the protocol of MediaProxy 2 and later.

  --set NAME=VALUE   set one of the settings below
  --config FILE      read settings from a file: lines NAME = VALUE, and comments
                     after #; the command line overrides the file
  --check            check the settings, also beside a running daemon, and exit
  --help, --version  print this text, or the version, and exit
";

/// Options that stand for a setting.
const SHORT: [(&str, &str); 7] = [
    ("--address", "proxy_address"),
    ("--advertise", "proxy_advertised_address"),
    ("--ports", "proxy_ports"),
    ("--socket", "proxy_socket"),
    ("--learn-from", "proxy_learn_from"),
    ("--trusted-media-networks", "trusted_media_networks"),
    ("--max-sessions", "proxy_max_sessions"),
];

/// Options without a value.
const FLAGS: [&str; 4] = ["--help", "-h", "--version", "--check"];

/// The task that the command line gives.
#[derive(Debug)]
pub(crate) enum Command {
    Serve(Config),
    Check(Config),
    Print(String),
}

/// Reads the arguments. The text of an error starts with the option that is
/// wrong, or with FILE:LINE.
pub(crate) fn parse(arguments: impl Iterator<Item = OsString>) -> Result<Command, String> {
    let not_text = |given: OsString| format!("{}: not UTF-8 text", given.display());
    let arguments: Result<Vec<_>, _> = arguments.map(OsString::into_string).collect();
    let mut arguments = arguments.map_err(not_text)?.into_iter();
    let mut settings = Settings::for_proxy_alone();
    let mut given: Vec<(String, String, String)> = Vec::new();
    let mut is_check = false;
    while let Some(argument) = arguments.next() {
        let (option, inline) = match argument.split_once('=') {
            Some((option, value)) => (option.to_string(), Some(value.to_string())),
            None => (argument.clone(), None),
        };
        if inline.is_some() && FLAGS.contains(&option.as_str()) {
            return Err(format!("{argument}: {option} takes no value"));
        }
        let mut value = || {
            inline.clone().or_else(|| arguments.next()).ok_or(format!("{option}: no value follows"))
        };
        match option.as_str() {
            "--help" | "-h" => return Ok(Command::Print(help())),
            "--version" => {
                return Ok(Command::Print(format!("mediaproxyd {}\n", env!("CARGO_PKG_VERSION"))));
            }
            "--check" => is_check = true,
            "--config" => {
                settings.set_from_file(Path::new(&value()?)).map_err(|error| text(&error))?;
            }
            "--set" => {
                let setting = value()?;
                let (name, value) = setting
                    .split_once('=')
                    .ok_or_else(|| format!("{option} {setting}: give NAME=VALUE"))?;
                given.push((option, name.into(), value.into()));
            }
            _ => match SHORT.iter().find(|(short, _)| *short == option) {
                Some((_, name)) => {
                    let value = value()?;
                    given.push((option, (*name).into(), value));
                }
                None => return Err(format!("{argument}: unknown option")),
            },
        }
    }
    // The command line overrides the file, in whatever order they are given.
    for (option, name, value) in given {
        settings.set(&name, &value).map_err(|error| format!("{option}: {}", text(&error)))?;
    }
    let config = settings.proxy().map_err(|error| format!("--address: {}", text(&error)))?;
    Ok(if is_check { Command::Check(config) } else { Command::Serve(config) })
}

fn text(error: &Error) -> String {
    error.text().to_string()
}

fn help() -> String {
    let settings = Settings::for_proxy_alone();
    let mut out = format!("{USAGE}\nSettings, the option that stands for one, and its default:\n");
    for setting in settings.infos() {
        let short = SHORT.iter().find(|(_, name)| *name == setting.name);
        let short = short.map(|(short, _)| format!(", {short}")).unwrap_or_default();
        let default = settings.get(setting.name).unwrap_or_default();
        let default = if default.is_empty() { String::new() } else { format!(" ({default})") };
        out.push_str(&format!("\n  {}{short}{default}\n", setting.name));
        wrap(&mut out, &format!("{} Accepted: {}.", setting.help, setting.accepted));
    }
    out.push_str("\nSIGTERM and SIGINT end it. It stays in the foreground.\n");
    out
}

/// Appends text in lines of at most 78 characters.
fn wrap(out: &mut String, text: &str) {
    const INDENT: &str = "     ";
    let mut width = 0;
    for word in text.split(' ') {
        if width > 0 && width + 1 + word.len() > 78 {
            out.push('\n');
            width = 0;
        }
        if width == 0 {
            out.push_str(INDENT);
            width = INDENT.len();
        }
        out.push(' ');
        out.push_str(word);
        width += 1 + word.len();
    }
    out.push('\n');
}

#[cfg(test)]
mod tests {
    use std::os::unix::ffi::OsStringExt;

    use super::*;

    fn parsed(arguments: &[&str]) -> Result<Command, String> {
        parse(arguments.iter().map(OsString::from))
    }

    fn served(arguments: &[&str]) -> Config {
        match parsed(arguments) {
            Ok(Command::Serve(config)) => config,
            other => panic!("{arguments:?}: {other:?}"),
        }
    }

    /// A file that goes when the test ends.
    struct File(std::path::PathBuf);

    impl File {
        fn new(name: &str, text: &str) -> File {
            let path =
                std::env::temp_dir().join(format!("mediaproxyd-{name}-{}", std::process::id()));
            std::fs::write(&path, text).unwrap();
            File(path)
        }

        fn name(&self) -> &str {
            self.0.to_str().unwrap()
        }
    }

    impl Drop for File {
        fn drop(&mut self) {
            let _ = std::fs::remove_file(&self.0);
        }
    }

    #[test]
    fn options_short_forms_and_file_set_the_same_settings() {
        let file = File::new(
            "same",
            "# media\nproxy_address = 192.0.2.1\nproxy_ports = \"20000-20999\"\n\
             proxy_max_sessions = 7 # few\nproxy_idle_timeout = 61\nproxy_socket = /run/m\n\
             proxy_learn_from = any\n",
        );
        let by_file = served(&["--config", file.name()]);
        let short = [
            "--address=192.0.2.1",
            "--ports=20000-20999",
            "--max-sessions",
            "7",
            "--socket=/run/m",
            "--learn-from=any",
            "--set=proxy_idle_timeout=61",
        ];
        assert_eq!(by_file, served(&short));
        assert_eq!(by_file.ports, (20_000, 20_999));
        assert_eq!(by_file.max_sessions, 7);
        let by_both = served(&["--set", "proxy_max_sessions = 8", "--config", file.name()]);
        assert_eq!(by_both.max_sessions, 8, "the command line overrides the file");
    }

    #[test]
    fn defaults_are_those_of_the_table() {
        let config = served(&["--address", "192.0.2.1"]);
        assert_eq!(config.socket, Settings::new().mediaproxy_socket());
        let default = Config::new(&config.socket, config.addresses.clone(), Config::PORTS);
        assert_eq!(config, default);
    }

    #[test]
    fn errors_start_with_the_option_or_the_line() {
        let file = File::new("bad", "proxy_address = 192.0.2.1\nrelay = embedded\n");
        for (arguments, start) in [
            (&["--set", "proxy_ports"][..], "--set proxy_ports: give NAME=VALUE"),
            (&["--set", "max_calls=100"], "--set: no setting is called \"max_calls\"; there are:"),
            (&["--ports", "5"], "--ports: proxy_ports = \"5\" is not accepted; give FIRST-LAST"),
            (&["--config"], "--config: no value follows"),
            (&["--config", "/nowhere/x"], "/nowhere/x: no such file"),
            (&["--config", file.name()], &format!("{}:2: no setting is", file.name())),
            (&["--check"], "--address: proxy_address is not set"),
            (&["--check=no"], "--check=no: --check takes no value"),
            (&["--quick"], "--quick: unknown option"),
        ] {
            let error = parsed(arguments).unwrap_err();
            assert!(error.starts_with(start), "{arguments:?}: {error}");
        }
        assert!(matches!(parsed(&["--check", "--address=192.0.2.1"]), Ok(Command::Check(_))));
    }

    #[test]
    fn argument_that_is_not_utf8_is_an_error() {
        let argument = OsString::from_vec(b"--config=/\xff".to_vec());
        let error = parse([argument].into_iter()).unwrap_err();
        assert_eq!(error, "--config=/\u{fffd}: not UTF-8 text");
    }

    #[test]
    fn help_names_every_option_and_setting() {
        let Ok(Command::Print(help)) = parsed(&["--help"]) else { panic!("help") };
        let settings = Settings::for_proxy_alone();
        for setting in settings.infos() {
            assert!(help.contains(&format!("\n  {}", setting.name)), "{help}");
        }
        for (short, name) in SHORT {
            assert!(help.contains(&format!("\n  {name}, {short}")), "{help}");
        }
        assert!(help.contains("proxy_ports, --ports (35000-64999)"), "{help}");
        assert!(help.lines().all(|line| line.len() <= 80), "{help}");
    }
}
