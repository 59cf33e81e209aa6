//! Relays that cannot be reached, or close the connection before they are
//! asked.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use mediaproxy::internals::shared::Counter;
use mediaproxy::{Status, Worker};

use super::{failed_once, went_on_once};
use kit::call::{invite, rewrite, try_rewrite};
use kit::children::{alone, give_up_rights, in_child};
use kit::directory::Directory;
use kit::relay::Relay;
use kit::worker;

fn uri(path: &Path) -> String {
    format!("mediaproxy2:{}", path.display())
}

/// Alone it is told which relay and why; with another one the offer goes there.
fn cannot_be_reached(uri: &str, reason: &str, worker: impl Fn(&[(&str, &str)]) -> Worker) {
    let mut alone = worker(&[("relay", uri)]);
    let error = try_rewrite(&mut alone, &invite()).unwrap_err();
    assert_eq!(error.status(), Status::NoRelay, "{error}");
    assert!(error.text().contains(uri) && error.text().contains(reason), "{error}");
    failed_once(&alone, Counter::FailedNoRelay);
    let good = Relay::answering();
    let backup = format!("{};weight=0", good.uri());
    let mut worker = worker(&[("relay", uri), ("relay", &backup)]);
    rewrite(&mut worker, &invite());
    assert_eq!(good.requests().len(), 1);
    went_on_once(&worker);
}

#[test]
fn no_socket() {
    cannot_be_reached("mediaproxy:/nonexistent/d.sock", "No such file", worker);
}

#[test]
fn socket_nobody_listens_on() {
    let directory = Directory::new();
    let path = directory.path("stale");
    drop(UnixListener::bind(&path).unwrap());
    cannot_be_reached(&uri(&path), "refused", worker);
}

#[test]
fn file_that_is_no_socket() {
    let directory = Directory::new();
    let path = directory.path("file");
    std::fs::write(&path, "").unwrap();
    cannot_be_reached(&uri(&path), "refused", worker);
}

#[test]
fn socket_we_may_not_connect_to() {
    let _alone = alone();
    let directory = Directory::new();
    let path = directory.path("forbidden");
    let _listener = UnixListener::bind(&path).unwrap();
    std::fs::set_permissions(&path, Permissions::from_mode(0o000)).unwrap();
    // Root may connect to what is closed to all.
    in_child(|| {
        give_up_rights();
        cannot_be_reached(&uri(&path), "Permission denied", worker);
    });
}

/// Accepts connections and closes them at once; counts them.
fn closes_at_once(path: &Path) -> Arc<AtomicUsize> {
    let listener = UnixListener::bind(path).unwrap();
    let accepted = Arc::new(AtomicUsize::new(0));
    let count = accepted.clone();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            drop(stream);
            count.fetch_add(1, Ordering::SeqCst);
        }
    });
    accepted
}

#[test]
fn connection_that_is_closed_before_it_is_used() {
    let directory = Directory::new();
    let path = directory.path("closing");
    let accepted = closes_at_once(&path);
    // It is seen while sending or while reading: a race, with one outcome.
    let error = try_rewrite(&mut worker(&[("relay", &uri(&path))]), &invite()).unwrap_err();
    assert!(error.text().contains(&uri(&path)), "{error}");
    let good = Relay::answering();
    let backup = format!("{};weight=0", good.uri());
    let mut worker = worker(&[("relay", &uri(&path)), ("relay", &backup)]);
    rewrite(&mut worker, &invite());
    assert_eq!(good.requests().len(), 1);
    assert_eq!(accepted.load(Ordering::SeqCst), 2, "tried once each");
}
