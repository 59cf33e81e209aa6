//! Relays that cannot be reached, or close the connection before they are
//! asked.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use mediaproxy::internals::shared::Counter;
use mediaproxy::{Status, Worker};

use super::{failed_once, offer, try_step, went_on_once};
use kit::children::{alone, give_up_rights, in_child};
use kit::relay::Relay;
use kit::worker;

/// A path of this test's own; what is there is removed with it.
struct Place(PathBuf);

impl Place {
    fn new(name: &str) -> Place {
        let name = format!("mediaproxy-{name}-{}.sock", std::process::id());
        let path = std::env::temp_dir().join(name);
        let _ = std::fs::remove_file(&path);
        Place(path)
    }

    fn uri(&self) -> String {
        format!("mediaproxy2:{}", self.0.display())
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

/// Alone it is told which relay and why; with another one the offer goes there.
fn cannot_be_reached(uri: &str, reason: &str, worker: impl Fn(&[(&str, &str)]) -> Worker) {
    let mut alone = worker(&[("relay", uri)]);
    let error = try_step(&mut alone, &offer()).unwrap_err();
    assert_eq!(error.status(), Status::NoRelay, "{error}");
    assert!(error.text().contains(uri) && error.text().contains(reason), "{error}");
    failed_once(&alone, Counter::FailedNoRelay);
    let good = Relay::obliging();
    let backup = format!("{};weight=0", good.uri());
    let mut worker = worker(&[("relay", uri), ("relay", &backup)]);
    assert_eq!(try_step(&mut worker, &offer()), Ok(true));
    assert_eq!(good.asked().len(), 1);
    went_on_once(&worker);
}

#[test]
fn no_socket() {
    cannot_be_reached("mediaproxy:/nonexistent/d.sock", "No such file", worker);
}

#[test]
fn a_socket_nobody_listens_on() {
    let place = Place::new("stale");
    drop(UnixListener::bind(&place.0).unwrap());
    cannot_be_reached(&place.uri(), "refused", worker);
}

#[test]
fn a_file_that_is_no_socket() {
    let place = Place::new("file");
    std::fs::write(&place.0, "").unwrap();
    cannot_be_reached(&place.uri(), "refused", worker);
}

#[test]
fn a_socket_we_may_not_connect_to() {
    let _alone = alone();
    let place = Place::new("forbidden");
    let _listener = UnixListener::bind(&place.0).unwrap();
    std::fs::set_permissions(&place.0, Permissions::from_mode(0o000)).unwrap();
    // Root may connect to what is closed to all.
    in_child(|| {
        give_up_rights();
        cannot_be_reached(&place.uri(), "Permission denied", worker);
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
fn a_connection_that_is_closed_before_it_is_used() {
    let place = Place::new("closing");
    let accepted = closes_at_once(&place.0);
    // It is seen while sending or while reading: a race, with one outcome.
    let error = try_step(&mut worker(&[("relay", &place.uri())]), &offer()).unwrap_err();
    assert!(error.text().contains(&place.uri()), "{error}");
    let good = Relay::obliging();
    let backup = format!("{};weight=0", good.uri());
    let mut worker = worker(&[("relay", &place.uri()), ("relay", &backup)]);
    assert_eq!(try_step(&mut worker, &offer()), Ok(true));
    assert_eq!(good.asked().len(), 1);
    assert_eq!(accepted.load(Ordering::SeqCst), 2, "tried once each");
}
