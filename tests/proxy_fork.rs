//! The built-in proxy around a fork, as SIP servers fork. A program of its
//! own: a child holds copies of every descriptor its parent has.

use std::net::UdpSocket;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use mediaproxy::proxy::Proxy;

#[path = "../benches/relay/load.rs"]
#[allow(dead_code, reason = "shared with the load test")]
mod load;
#[path = "media/parties.rs"]
#[allow(dead_code, reason = "shared with the media scenarios")]
mod parties;

use parties::{Call, Control, Directory, config, send};

/// One test at a time, so that no child holds what another test closes.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Runs `function` in a child process, which ends with what it returns.
fn fork(function: impl FnOnce() -> i32) -> libc::pid_t {
    // SAFETY: the child runs `function` and ends at once, without unwinding
    // into the test harness; glibc keeps its allocator usable there.
    let pid = unsafe { libc::fork() };
    assert!(pid >= 0);
    if pid == 0 {
        let run = std::panic::AssertUnwindSafe(function);
        let code = std::panic::catch_unwind(run).unwrap_or(101);
        // SAFETY: ends the process without running the harness's handlers.
        unsafe { libc::_exit(code) };
    }
    pid
}

fn status(child: libc::pid_t) -> libc::c_int {
    let mut status = -1;
    // SAFETY: `status` lives through the call; `child` is ours.
    assert_eq!(unsafe { libc::waitpid(child, &mut status, 0) }, child);
    status
}

fn kill(child: libc::pid_t) {
    // SAFETY: takes no pointers; `child` is ours and not waited for yet.
    unsafe { libc::kill(child, libc::SIGKILL) };
    status(child);
}

#[test]
fn one_child_runs_what_the_parent_has_bound_and_another_uses_it() {
    let _alone = alone();
    let directory = Directory::new("fork");
    let socket = directory.socket();
    let proxy = Proxy::bind(config(&directory)).unwrap();
    let server = fork(|| match proxy.run() {
        Ok(()) => 0,
        Err(_) => 1,
    });
    let client = fork(|| {
        proxy.close_inherited();
        let refused = proxy.run().is_err();
        Call::new(&mut Control::connect(&socket)).talk();
        if refused { 0 } else { 1 }
    });
    assert_eq!(status(client), 0);
    kill(server);
    assert!(socket.exists(), "only who bound it removes it");
    // A restart keeps the listening socket, and who waits there is served.
    let mut waiting = Control::connect(&socket);
    let server = fork(|| match proxy.run() {
        Ok(()) => 0,
        Err(_) => 1,
    });
    Call::new(&mut waiting).talk();
    kill(server);
    drop(proxy);
    assert!(!socket.exists());
}

#[test]
fn dropping_it_in_a_child_leaves_the_parent_serving() {
    let _alone = alone();
    let directory = Directory::new("drop");
    let proxy = Proxy::bind(config(&directory)).unwrap();
    proxy.start().unwrap();
    let mut inherited = Some(proxy);
    let child = fork(|| {
        drop(inherited.take());
        0
    });
    assert_eq!(status(child), 0);
    let child = fork(|| {
        inherited.iter().for_each(Proxy::stop);
        0
    });
    assert_eq!(status(child), 0);
    assert!(directory.socket().exists());
    Call::new(&mut Control::connect(&directory.socket())).talk();
}

#[test]
fn ports_that_a_child_still_holds_do_not_keep_the_thread_busy() {
    let _alone = alone();
    let directory = Directory::new("held");
    let proxy = Proxy::bind(config(&directory)).unwrap();
    proxy.start().unwrap();
    let mut control = Control::connect(&directory.socket());
    let call = Call::new(&mut control);
    call.talk();
    let child = fork(|| {
        std::thread::sleep(Duration::from_secs(60));
        0
    });
    assert_eq!(control.remove(), "removed");
    drop(control);
    // The port is still bound, in the child: the packet lies there unread.
    let phone = UdpSocket::bind("127.0.0.2:0").unwrap();
    send(&phone, call.for_caller, "late");
    let before = load::cpu("mediaproxy");
    std::thread::sleep(Duration::from_millis(400));
    let used = load::cpu("mediaproxy").zip(before).map(|(after, before)| after - before);
    kill(child);
    assert!(used.is_none_or(|cpu| cpu < Duration::from_millis(100)), "{used:?}");
}
