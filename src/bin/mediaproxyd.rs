//! The built-in proxy server as a daemon.

use std::io::Write;
use std::net::IpAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use mediaproxy::proxy::{Config, LearnFrom, Log, LogRecord, Proxy};

use mediaproxy::sys::{process, signal};

const HELP: &str = "\
Usage: mediaproxyd --address IP [OPTION VALUE]...

Relays RTP, RTCP and UDPTL between phones, as a SIP server tells it over a
Unix socket in the control protocol of MediaProxy 2 and later.

  --address IP         receive media on this address and put it into session
                       descriptions; once for IPv4, once for IPv6
  --advertise IP       put this into session descriptions instead, where a NAT
                       forwards from there to the address; once per family
  --socket PATH        listen for SIP servers here
                       (/var/run/proxydispatcher.sock)
  --ports FIRST-LAST   UDP ports for media (35000-64999)
  --learn-from WHO     'signaled': learn where a phone is only from packets of
                       the address its signalling or its session description
                       came from (default); 'any': from anybody, when those
                       stay silent
  --max-sessions N     refuse further sessions (10000)
  --help, --version    say this, or the version, and exit

SIGTERM and SIGINT end it. It stays in the foreground.
";

/// What the command line asks for.
enum Command {
    Serve(Config),
    Say(String),
}

fn main() -> ExitCode {
    let command = match command(std::env::args().skip(1)) {
        Ok(command) => command,
        Err(text) => return fail(2, &format!("{text}; try --help")),
    };
    match command {
        Command::Say(text) => match std::io::stdout().write_all(text.as_bytes()) {
            Ok(()) => ExitCode::SUCCESS,
            Err(_) => ExitCode::FAILURE,
        },
        Command::Serve(config) => match serve(config) {
            Ok(()) => ExitCode::SUCCESS,
            Err(text) => fail(1, &text),
        },
    }
}

/// Says why a request was refused: the SIP server is only told that it was.
fn say(record: &LogRecord) {
    if let LogRecord::Refused { call_id, refusal } = record {
        let call = call_id.escape_ascii();
        // Nobody may be there to read it.
        let _ = writeln!(std::io::stderr(), "mediaproxyd: refused, call \"{call}\": {refusal}");
    }
}

fn fail(code: u8, text: &str) -> ExitCode {
    // Nobody may be there to read it.
    let _ = writeln!(std::io::stderr(), "mediaproxyd: {text}");
    ExitCode::from(code)
}

fn serve(mut config: Config) -> Result<(), String> {
    // Before any thread: all of them inherit what is blocked here.
    let termination = signal::Termination::block().map_err(|error| format!("signals: {error}"))?;
    process::raise_descriptor_limit();
    config.log = Some(Log::new(say));
    let proxy = Proxy::bind(config).map_err(|error| error.to_string())?;
    std::thread::scope(|scope| {
        let server = scope.spawn(|| {
            let result = proxy.run();
            termination.interrupt();
            result
        });
        termination.wait();
        proxy.stop();
        match server.join() {
            Ok(result) => result.map_err(|error| error.to_string()),
            Err(_) => Err("the serving thread panicked".to_string()),
        }
    })
}

fn command(mut arguments: impl Iterator<Item = String>) -> Result<Command, String> {
    let mut config = Config::new("/var/run/proxydispatcher.sock", Vec::new(), (35_000, 64_999));
    while let Some(argument) = arguments.next() {
        let (option, inline) = match argument.split_once('=') {
            Some((option, value)) => (option, Some(value.to_string())),
            None => (argument.as_str(), None),
        };
        match option {
            "--help" | "-h" => return Ok(Command::Say(HELP.to_string())),
            "--version" => {
                return Ok(Command::Say(format!("mediaproxyd {}\n", env!("CARGO_PKG_VERSION"))));
            }
            "--address" | "--advertise" | "--socket" | "--ports" | "--learn-from"
            | "--max-sessions" => {
                let value = inline.or_else(|| arguments.next());
                let value = value.ok_or_else(|| format!("{option}: a value is missing"))?;
                set(&mut config, option, &value)?;
            }
            _ => return Err(format!("{argument}: unknown option")),
        }
    }
    if config.addresses.is_empty() {
        return Err("--address: needed, the IP address phones send media to".to_string());
    }
    Ok(Command::Serve(config))
}

fn set(config: &mut Config, option: &str, value: &str) -> Result<(), String> {
    let bad = |wanted: &str| format!("{option} {value}: must be {wanted}");
    match option {
        "--address" | "--advertise" => {
            let ip: IpAddr = value.parse().map_err(|_| bad("an IP address"))?;
            let to =
                if option == "--address" { &mut config.addresses } else { &mut config.advertised };
            to.push(ip);
        }
        "--socket" => config.socket = PathBuf::from(value),
        "--ports" => {
            let range = value.split_once('-').and_then(|(first, last)| {
                let ports: (u16, u16) = (first.parse().ok()?, last.parse().ok()?);
                (ports.0 > 0 && ports.0 < ports.1).then_some(ports)
            });
            config.ports = range.ok_or_else(|| bad("FIRST-LAST, two port numbers"))?;
        }
        "--learn-from" => {
            config.learn_from = match value {
                "signaled" => LearnFrom::Signaled,
                "any" => LearnFrom::Any,
                _ => return Err(bad("'signaled' or 'any'")),
            };
        }
        _ => config.max_sessions = value.parse().map_err(|_| bad("a number"))?,
    }
    Ok(())
}
