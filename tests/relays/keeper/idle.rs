//! A keeper that has nothing to do sleeps, and relays that close the connection
//! of a delete.

use std::io::Read;
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::net::UnixListener;
use std::sync::Arc;
use std::time::{Duration, Instant};

use mediaproxy::internals::shared::Counter;
use mediaproxy::internals::shared::deletes::{Delete, Push, Scope};
use mediaproxy::{Engine, Keeper, now};

use kit::directory::Directory;
use kit::engine;
use kit::relay::{Relay, Reply};

/// Queues the delete of call `number` for the relay of this URI.
fn queue(engine: &Engine, uri: &str, number: u32) {
    let call_id = format!("call-{number}@x");
    let key = engine.calls().key(call_id.as_bytes(), b"a", b"b");
    let delete = Delete {
        scope: Scope::Session,
        cseq: None,
        branch: 0,
        relay: engine.calls().identity(uri),
        call_id: call_id.into_bytes(),
        from_tag: b"a".to_vec(),
        to_tag: b"b".to_vec(),
    };
    assert_eq!(engine.deletes().push(key, &delete, now()), Push::Queued);
}

fn wait(descriptor: RawFd, milliseconds: u64) {
    let mut poll = libc::pollfd { fd: descriptor, events: libc::POLLIN, revents: 0 };
    // SAFETY: one pollfd of ours.
    unsafe { libc::poll(&mut poll, 1, milliseconds.try_into().unwrap()) };
}

/// How often a keeper ticks in `time`, which watches its descriptor.
fn ticks(keeper: &Keeper, time: Duration) -> usize {
    let end = Instant::now() + time;
    let mut ticks = 0;
    while Instant::now() < end {
        keeper.tick(now()).unwrap();
        ticks += 1;
        wait(keeper.descriptor(), 1_000);
    }
    ticks
}

fn flushed(engine: &Arc<Engine>) -> u64 {
    engine.counters().get(Counter::DeletesFlushed)
}

#[test]
fn keeper_sleeps_when_a_relay_closed_the_connection_of_an_answered_delete() {
    let relay = Relay::scripted(|_| Reply::Last("removed\r\n".into()));
    let away = "mediaproxy2:/nonexistent/d.sock";
    let engine = engine(&[("relay", &relay.uri()), ("relay", away)]);
    let keeper = Keeper::new(engine.clone()).unwrap();
    // The queue does not become empty: the delete of the other relay stays.
    let slot = engine.health().slot(engine.calls().identity(away)).unwrap();
    engine.health().mark_unreachable(slot, now());
    queue(&engine, away, 1);
    queue(&engine, &relay.uri(), 2);
    let end = Instant::now() + Duration::from_secs(5);
    while flushed(&engine) == 0 {
        assert!(Instant::now() < end, "the delete is not flushed");
        ticks(&keeper, Duration::from_millis(20));
    }
    let ticks = ticks(&keeper, Duration::from_secs(1));
    assert!(ticks < 50, "{ticks} ticks in a second");
}

#[test]
fn deletes_for_a_relay_that_closes_connections_are_paused() {
    let relay = Relay::scripted(|_| Reply::Close);
    let engine = engine(&[("relay", &relay.uri())]);
    let keeper = Keeper::new(engine.clone()).unwrap();
    for call in 0..200 {
        queue(&engine, &relay.uri(), call);
    }
    let ticks = ticks(&keeper, Duration::from_millis(900));
    let asked = relay.requests().len();
    println!("{ticks} ticks, {asked} deletes sent");
    assert!(asked <= 2 * 16, "{asked} deletes sent in 0.9 s");
}

#[test]
fn delete_that_a_mediaproxy1_relay_closed_unread_stays_queued() {
    let directory = Directory::new();
    let socket = directory.path("relay");
    let listener = UnixListener::bind(&socket).unwrap();
    let uri = format!("mediaproxy1:{}", socket.display());
    let engine = engine(&[("relay", &uri)]);
    let keeper = Keeper::new(engine.clone()).unwrap();
    queue(&engine, &uri, 1);
    keeper.tick(now()).unwrap();
    let (stream, _) = listener.accept().unwrap();
    // Killed before it has read the line.
    wait(stream.as_raw_fd(), 5_000);
    drop(stream);
    ticks(&keeper, Duration::from_millis(100));
    assert_eq!((flushed(&engine), engine.deletes().len()), (0, 1));
    // It reads the next one, and closes.
    ticks(&keeper, Duration::from_millis(500));
    let (mut stream, _) = listener.accept().unwrap();
    assert!(stream.read(&mut [0; 1024]).unwrap() > 0);
    drop(stream);
    ticks(&keeper, Duration::from_millis(100));
    assert_eq!((flushed(&engine), engine.deletes().len()), (1, 0));
}
