//! How a proxy comes and goes: socket files, stops, the daemon.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::UdpSocket;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::process::{Command, Output};

use mediaproxy::Status;
use mediaproxy::proxy::{Proxy, default_socket};

use kit::daemon::Daemon;
use kit::directory::Directory;
use kit::proxy::{Call, Control, config, socket};

#[test]
fn missing_directory_is_made_for_this_user_only() {
    let directory = Directory::new();
    let proxy = Proxy::bind(config(&directory)).unwrap();
    assert_eq!(fs::metadata(directory.path("run")).unwrap().permissions().mode() & 0o777, 0o700);
    drop(proxy);
    assert!(!socket(&directory).exists());
}

#[test]
fn stale_socket_file_is_replaced() {
    let directory = Directory::new();
    fs::create_dir_all(directory.path("run")).unwrap();
    drop(UnixListener::bind(socket(&directory)).unwrap());
    assert!(socket(&directory).exists());
    let proxy = Proxy::bind(config(&directory)).unwrap();
    proxy.start().unwrap();
    Call::new(&mut Control::connect(&socket(&directory))).talk();
}

#[test]
fn live_socket_is_refused_and_lives_on() {
    let directory = Directory::new();
    let first = Proxy::bind(config(&directory)).unwrap();
    first.start().unwrap();
    let error = Proxy::bind(config(&directory)).unwrap_err();
    assert_eq!(error.status(), Status::System);
    assert!(error.text().contains("another server"), "{error}");
    Call::new(&mut Control::connect(&socket(&directory))).talk();
}

#[test]
fn file_that_is_no_socket_is_left_alone() {
    let directory = Directory::new();
    fs::create_dir_all(directory.path("run")).unwrap();
    fs::write(socket(&directory), "precious").unwrap();
    assert!(Proxy::bind(config(&directory)).is_err());
    assert_eq!(fs::read_to_string(socket(&directory)).unwrap(), "precious");
}

#[test]
fn socket_file_somebody_else_has_put_there_is_not_removed() {
    let directory = Directory::new();
    let proxy = Proxy::bind(config(&directory)).unwrap();
    fs::remove_file(socket(&directory)).unwrap();
    let _other = UnixListener::bind(socket(&directory)).unwrap();
    proxy.stop();
    assert!(socket(&directory).exists());
}

#[test]
fn stopping_closes_everything() {
    let directory = Directory::new();
    let proxy = Proxy::bind(config(&directory)).unwrap();
    proxy.start().unwrap();
    assert!(proxy.start().is_err(), "it runs already");
    let mut control = Control::connect(&socket(&directory));
    let call = Call::new(&mut control);
    proxy.stop();
    proxy.stop();
    assert_eq!(proxy.statistics().open_ports, 0);
    UdpSocket::bind(call.for_caller).unwrap();
    assert!(!socket(&directory).exists());
    assert!(UnixStream::connect(socket(&directory)).is_err());
    proxy.run().unwrap();
    assert!(proxy.sessions().is_empty());
}

#[test]
fn stop_before_the_run_holds() {
    let directory = Directory::new();
    let proxy = Proxy::bind(config(&directory)).unwrap();
    proxy.stop();
    proxy.run().unwrap();
}

#[test]
fn stop_from_another_thread_ends_the_run() {
    let directory = Directory::new();
    let proxy = Proxy::bind(config(&directory)).unwrap();
    std::thread::scope(|scope| {
        let server = scope.spawn(|| proxy.run());
        Call::new(&mut Control::connect(&socket(&directory))).talk();
        proxy.stop();
        server.join().unwrap().unwrap();
    });
}

#[test]
fn who_connects_before_it_runs_is_served_when_it_runs() {
    let directory = Directory::new();
    let proxy = Proxy::bind(config(&directory)).unwrap();
    let mut control = Control::connect(&socket(&directory));
    proxy.start().unwrap();
    Call::new(&mut control).talk();
}

#[test]
fn default_socket_can_be_bound() {
    let path = default_socket();
    let directory = path.parent().unwrap().to_path_buf();
    let mut config = config(&Directory::new());
    config.socket.clone_from(&path);
    let proxy = Proxy::bind(config).unwrap();
    assert_eq!(fs::metadata(&directory).unwrap().permissions().mode() & 0o777, 0o700);
    drop(proxy);
    assert!(!path.exists());
    fs::remove_dir(directory).unwrap();
}

fn daemon() -> Command {
    Command::new(kit::program("mediaproxyd"))
}

fn said(arguments: &[&str]) -> Output {
    daemon().args(arguments).output().unwrap()
}

#[test]
fn daemon_relays_until_sigterm_or_sigint() {
    for signal in [libc::SIGTERM, libc::SIGINT] {
        let directory = Directory::new();
        let (path, output) = (socket(&directory), directory.path("output"));
        let mut daemon = Daemon::start(&["127.0.0.1"], "18000-18099", &path, output);
        let mut control = Control::connect(&path);
        let call = Call::new(&mut control);
        call.talk();
        assert!((18_000..=18_099).contains(&call.for_caller.port()));
        daemon.running.signal(signal);
        assert_eq!(daemon.running.end().code(), Some(0));
        assert!(!path.exists());
        assert_eq!(daemon.running.said(), "");
    }
}

#[test]
fn daemon_logs_why_it_refuses_a_request() {
    let directory = Directory::new();
    let (path, output) = (socket(&directory), directory.path("output"));
    let daemon = Daemon::start(&["127.0.0.1"], "18100-18199", &path, output);
    let mut control = Control::connect(&path);
    assert_eq!(control.ask("remove\r\ncall_id: c\x1b\r\nfrom_tag: f\r\n\r\n"), "error");
    daemon.running.says("\n");
    let expected = "mediaproxyd: refused, call \"c\\x1b\": no such session\n";
    assert_eq!(daemon.running.said(), expected);
}

#[test]
fn daemon_explains_itself() {
    let help = said(&["--help"]);
    assert!(help.status.success());
    for option in ["--address", "--socket", "--ports", "--version"] {
        assert!(String::from_utf8_lossy(&help.stdout).contains(option), "{option}");
    }
    let version = said(&["--version"]);
    let line = BufReader::new(&*version.stdout).lines().next().unwrap().unwrap();
    assert_eq!(line, format!("mediaproxyd {}", env!("CARGO_PKG_VERSION")));
}

#[test]
fn daemon_names_the_option_that_is_wrong() {
    let fine = ["--address", "127.0.0.1"];
    for (option, more) in [
        ("--address", &[][..]),
        ("--address", &["--address", "localhost"]),
        ("--address", &["--address"]),
        ("--ports", &[fine[0], fine[1], "--ports", "5000"]),
        ("--ports", &[fine[0], fine[1], "--ports=5000-4000"]),
        ("--ports", &[fine[0], fine[1], "--ports=1-70000"]),
        ("--learn-from", &[fine[0], fine[1], "--learn-from=all"]),
        ("--max-sessions", &[fine[0], fine[1], "--max-sessions", "many"]),
        ("--colour", &[fine[0], fine[1], "--colour"]),
    ] {
        let output = said(more);
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{more:?}");
        assert!(text.starts_with(&format!("mediaproxyd: {option}")), "{more:?}: {text}");
    }
}

#[test]
fn daemon_fails_where_it_cannot_listen() {
    let directory = Directory::new();
    fs::create_dir_all(directory.path("run")).unwrap();
    fs::write(socket(&directory), "precious").unwrap();
    let socket = socket(&directory).display().to_string();
    let output = said(&["--address", "127.0.0.1", "--socket", &socket]);
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains(&socket));
}
