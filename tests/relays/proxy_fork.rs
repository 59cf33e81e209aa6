//! The built-in proxy around a fork, as SIP servers fork.

use std::net::UdpSocket;
use std::time::Duration;

use kit::children::{Child, alone, in_child};
use kit::directory::Directory;
use kit::proxy::{Call, Control, config, send, socket};
use mediaproxy::proxy::Proxy;

#[test]
fn one_child_runs_what_the_parent_has_bound_and_another_uses_it() {
    let _alone = alone();
    let directory = Directory::new();
    let socket = socket(&directory);
    let proxy = Proxy::bind(config(&directory)).unwrap();
    let server = Child::run(|| proxy.run().unwrap());
    in_child(|| {
        proxy.close_inherited();
        assert!(proxy.run().is_err());
        Call::new(&mut Control::connect(&socket)).talk();
    });
    drop(server);
    assert!(socket.exists(), "only who bound it removes it");
    // A restart keeps the listening socket, and who waits there is served.
    let mut waiting = Control::connect(&socket);
    let server = Child::run(|| proxy.run().unwrap());
    Call::new(&mut waiting).talk();
    drop(server);
    drop(proxy);
    assert!(!socket.exists());
}

#[test]
fn dropping_it_in_a_child_leaves_the_parent_serving() {
    let _alone = alone();
    let directory = Directory::new();
    let proxy = Proxy::bind(config(&directory)).unwrap();
    proxy.start().unwrap();
    let mut inherited = Some(proxy);
    in_child(|| drop(inherited.take()));
    in_child(|| inherited.iter().for_each(Proxy::stop));
    assert!(socket(&directory).exists());
    Call::new(&mut Control::connect(&socket(&directory))).talk();
}

#[test]
fn ports_that_a_child_still_holds_do_not_keep_the_thread_busy() {
    let _alone = alone();
    let directory = Directory::new();
    let proxy = Proxy::bind(config(&directory)).unwrap();
    proxy.start().unwrap();
    let mut control = Control::connect(&socket(&directory));
    let call = Call::new(&mut control);
    call.talk();
    let child = Child::run(|| std::thread::sleep(Duration::from_secs(60)));
    assert_eq!(control.remove(), "removed");
    drop(control);
    // The port is still bound, in the child: the packet lies there unread.
    let phone = UdpSocket::bind("127.0.0.2:0").unwrap();
    send(&phone, call.for_caller, "late");
    let before = kit::load::cpu("mediaproxy");
    std::thread::sleep(Duration::from_millis(400));
    let used = kit::load::cpu("mediaproxy").zip(before).map(|(after, before)| after - before);
    drop(child);
    assert!(used.is_none_or(|cpu| cpu < Duration::from_millis(100)), "{used:?}");
}
