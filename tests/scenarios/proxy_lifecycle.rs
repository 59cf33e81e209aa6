//! How a proxy comes and goes: socket files, stops, the daemon.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::net::UdpSocket;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use mediaproxy::Status;
use mediaproxy::proxy::{Proxy, default_socket};

use kit::proxy::{Call, Control, Directory, PATIENCE, config};

#[test]
fn a_missing_directory_is_made_for_this_user_only() {
    let directory = Directory::new("made");
    let proxy = Proxy::bind(config(&directory)).unwrap();
    assert_eq!(fs::metadata(&directory.0).unwrap().permissions().mode() & 0o777, 0o700);
    drop(proxy);
    assert!(!directory.socket().exists());
}

#[test]
fn a_stale_socket_file_is_replaced() {
    let directory = Directory::new("stale");
    fs::create_dir_all(&directory.0).unwrap();
    drop(UnixListener::bind(directory.socket()).unwrap());
    assert!(directory.socket().exists());
    let proxy = Proxy::bind(config(&directory)).unwrap();
    proxy.start().unwrap();
    Call::new(&mut Control::connect(&directory.socket())).talk();
}

#[test]
fn a_live_socket_is_refused_and_lives_on() {
    let directory = Directory::new("live");
    let first = Proxy::bind(config(&directory)).unwrap();
    first.start().unwrap();
    let error = Proxy::bind(config(&directory)).unwrap_err();
    assert_eq!(error.status(), Status::System);
    assert!(error.text().contains("another server"), "{error}");
    Call::new(&mut Control::connect(&directory.socket())).talk();
}

#[test]
fn a_file_that_is_no_socket_is_left_alone() {
    let directory = Directory::new("file");
    fs::create_dir_all(&directory.0).unwrap();
    fs::write(directory.socket(), "precious").unwrap();
    assert!(Proxy::bind(config(&directory)).is_err());
    assert_eq!(fs::read_to_string(directory.socket()).unwrap(), "precious");
}

#[test]
fn a_socket_file_somebody_else_has_put_there_is_not_removed() {
    let directory = Directory::new("other");
    let proxy = Proxy::bind(config(&directory)).unwrap();
    fs::remove_file(directory.socket()).unwrap();
    let _other = UnixListener::bind(directory.socket()).unwrap();
    proxy.stop();
    assert!(directory.socket().exists());
}

#[test]
fn stopping_closes_everything() {
    let directory = Directory::new("stop");
    let proxy = Proxy::bind(config(&directory)).unwrap();
    proxy.start().unwrap();
    assert!(proxy.start().is_err(), "it runs already");
    let mut control = Control::connect(&directory.socket());
    let call = Call::new(&mut control);
    proxy.stop();
    proxy.stop();
    assert_eq!(proxy.statistics().open_ports, 0);
    UdpSocket::bind(call.for_caller).unwrap();
    assert!(!directory.socket().exists());
    assert!(UnixStream::connect(directory.socket()).is_err());
    proxy.run().unwrap();
    assert!(proxy.sessions().is_empty());
}

#[test]
fn a_stop_before_the_run_holds() {
    let directory = Directory::new("before");
    let proxy = Proxy::bind(config(&directory)).unwrap();
    proxy.stop();
    proxy.run().unwrap();
}

#[test]
fn a_stop_from_another_thread_ends_the_run() {
    let directory = Directory::new("another");
    let proxy = Proxy::bind(config(&directory)).unwrap();
    std::thread::scope(|scope| {
        let server = scope.spawn(|| proxy.run());
        Call::new(&mut Control::connect(&directory.socket())).talk();
        proxy.stop();
        server.join().unwrap().unwrap();
    });
}

#[test]
fn who_connects_before_it_runs_is_served_when_it_runs() {
    let directory = Directory::new("early");
    let proxy = Proxy::bind(config(&directory)).unwrap();
    let mut control = Control::connect(&directory.socket());
    proxy.start().unwrap();
    Call::new(&mut control).talk();
}

#[test]
fn the_default_socket_can_be_bound() {
    let path = default_socket();
    let directory = path.parent().unwrap().to_path_buf();
    let mut config = config(&Directory(directory.clone()));
    config.socket = path.clone();
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

/// A daemon that is killed when the test fails.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn wait_for(path: &Path) {
    let end = Instant::now() + PATIENCE;
    while UnixStream::connect(path).is_err() {
        assert!(Instant::now() < end, "no {}", path.display());
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn the_daemon_relays_until_it_is_told_to_end() {
    for signal in [libc::SIGTERM, libc::SIGINT] {
        let directory = Directory::new("daemon");
        let socket = directory.socket();
        let mut daemon = daemon();
        daemon.arg("--socket").arg(&socket);
        daemon.args(["--address", "127.0.0.1", "--ports=18000-18099"]);
        let mut running = Running(daemon.stderr(Stdio::piped()).spawn().unwrap());
        wait_for(&socket);
        let mut control = Control::connect(&socket);
        let call = Call::new(&mut control);
        call.talk();
        assert!((18_000..=18_099).contains(&call.for_caller.port()));
        let pid = libc::pid_t::try_from(running.0.id()).unwrap();
        // SAFETY: takes no pointers; the daemon is ours and not waited for.
        unsafe { libc::kill(pid, signal) };
        assert_eq!(running.0.wait().unwrap().code(), Some(0));
        assert!(!socket.exists());
        let mut complaints = String::new();
        running.0.stderr.take().unwrap().read_to_string(&mut complaints).unwrap();
        assert_eq!(complaints, "");
    }
}

#[test]
fn the_daemon_says_why_it_refuses() {
    let directory = Directory::new("refusing");
    let socket = directory.socket();
    let mut daemon = daemon();
    daemon.arg("--socket").arg(&socket).args(["--address", "127.0.0.1"]);
    let mut running = Running(daemon.stderr(Stdio::piped()).spawn().unwrap());
    wait_for(&socket);
    let mut control = Control::connect(&socket);
    assert_eq!(control.ask("remove\r\ncall_id: c\x1b\r\nfrom_tag: f\r\n\r\n"), "error");
    let mut line = String::new();
    BufReader::new(running.0.stderr.take().unwrap()).read_line(&mut line).unwrap();
    assert_eq!(line, "mediaproxyd: refused, call \"c\\x1b\": no such session\n");
}

#[test]
fn the_daemon_explains_itself() {
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
fn the_daemon_names_the_option_that_is_wrong() {
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
fn the_daemon_fails_where_it_cannot_listen() {
    let directory = Directory::new("cannot");
    fs::create_dir_all(&directory.0).unwrap();
    fs::write(directory.socket(), "precious").unwrap();
    let socket = directory.socket().display().to_string();
    let output = said(&["--address", "127.0.0.1", "--socket", &socket]);
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains(&socket));
}
