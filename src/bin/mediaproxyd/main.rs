//! The built-in media relay as a daemon.

use std::io::Write;
use std::process::ExitCode;

use mediaproxy::internals::sys::{process, signal};
use mediaproxy::proxy::{Config, Log, LogRecord, Proxy};

mod command;
use command::Command;

fn main() -> ExitCode {
    let command = match command::parse(std::env::args_os().skip(1)) {
        Ok(command) => command,
        Err(text) => return fail(2, &format!("{text}; try --help")),
    };
    match command {
        Command::Print(text) => print(&text),
        Command::Check(config) => match check(&config) {
            Ok(()) => print("mediaproxyd: the settings are valid\n"),
            Err(text) => fail(1, &text),
        },
        Command::Serve(config) => match serve(config) {
            Ok(()) => ExitCode::SUCCESS,
            Err(text) => fail(1, &text),
        },
    }
}

fn print(text: &str) -> ExitCode {
    match std::io::stdout().write_all(text.as_bytes()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

/// Checks what can be checked beside a running daemon: all but the socket.
fn check(config: &Config) -> Result<(), String> {
    config.validate().and_then(|()| config.try_addresses()).map_err(|error| error.to_string())
}

/// Prints what the SIP server does not learn: why a request was refused, and that
/// a side is sent nothing.
fn print_record(record: &LogRecord) {
    // The descriptor may be closed.
    let _ = match record {
        LogRecord::Refused { call_id, refusal } => {
            let call = call_id.escape_ascii();
            writeln!(std::io::stderr(), "mediaproxyd: refused, call \"{call}\": {refusal}")
        }
        LogRecord::Warning { call_id, warning } => {
            let call = call_id.escape_ascii();
            writeln!(std::io::stderr(), "mediaproxyd: warning, call \"{call}\": {warning}")
        }
        LogRecord::Ended(_) => Ok(()),
    };
}

fn fail(code: u8, text: &str) -> ExitCode {
    // The descriptor may be closed.
    let _ = writeln!(std::io::stderr(), "mediaproxyd: {text}");
    ExitCode::from(code)
}

fn serve(mut config: Config) -> Result<(), String> {
    check(&config)?;
    // Before any thread: all of them inherit what is blocked here.
    let termination = signal::Termination::block().map_err(|error| format!("signals: {error}"))?;
    process::raise_descriptor_limit();
    config.log = Some(Log::new(print_record));
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
