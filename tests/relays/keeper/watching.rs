//! A keeper and the kernel: one that cannot be told, one that is forked.

use std::fs;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use mediaproxy::Settings;
use mediaproxy::now;
use mediaproxy::{Engine, Keeper, Status};
use mediaproxy::{Level, Log};

use super::processes::within;
use kit::children::{Child, alone};
use kit::directory::Directory;

fn engine(directory: &Directory, log: Log) -> Arc<Engine> {
    let list = directory.path("clients");
    let mut settings = Settings::new();
    settings.set("sip_asymmetrics", list.to_str().unwrap()).unwrap();
    settings.set("rtp_asymmetrics", "").unwrap();
    settings.set("max_calls", "16").unwrap();
    Engine::new(settings, log).unwrap()
}

#[test]
fn inotify_unavailable_falls_back_to_polling() {
    let _alone = alone();
    let directory = Directory::new();
    let told = directory.path("told");
    let file = Mutex::new(fs::File::create(&told).unwrap());
    let log = Log::new(move |level, text| {
        use std::io::Write;
        if level <= Level::Warning {
            writeln!(file.lock().unwrap(), "{text}").unwrap();
        }
    });
    let engine = engine(&directory, log);
    let _keeper = Child::run(|| {
        let keeper = Keeper::new(engine.clone()).unwrap();
        // No descriptor is left for the watch.
        let none = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
        // SAFETY: reads `none`.
        assert_eq!(unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &none) }, 0);
        keeper.run().unwrap();
    });
    let said = || fs::read_to_string(&told).unwrap();
    within(Duration::from_secs(1), "it is told", || !said().is_empty());
    let generation = || engine.shared().lists().number();
    let before = generation();
    fs::write(directory.path("clients"), "Cisco\n").unwrap();
    within(Duration::from_secs(1), "the change is seen", || generation() > before);
    assert_eq!(said().lines().count(), 1, "{}", said());
    assert!(said().contains("once a second"), "{}", said());
}

#[test]
fn child_neither_ticks_nor_harms_its_parents_keeper() {
    let _alone = alone();
    let directory = Directory::new();
    let engine = engine(&directory, Log::none());
    let keeper = Keeper::new(engine.clone()).unwrap();
    keeper.tick(now()).unwrap();
    assert!(keeper.is_in_charge(now()));
    let said = directory.path("said");
    let mut inherited = Some(keeper);
    let child = Child::run(|| {
        let status = inherited.as_ref().map(|keeper| keeper.tick(now()).unwrap_err().status());
        drop(inherited.take());
        fs::write(&said, format!("{status:?}.")).unwrap();
    });
    let wanted = format!("{:?}.", Some(Status::WrongProcess));
    within(Duration::from_secs(5), "the child is refused", || {
        fs::read_to_string(&said).is_ok_and(|text| text == wanted)
    });
    drop(child);
    let keeper = inherited.take().unwrap();
    assert!(keeper.is_in_charge(now()), "the lease was not given up");
    let before = engine.shared().lists().number();
    fs::write(directory.path("clients"), "Cisco\n").unwrap();
    within(Duration::from_secs(1), "the change is seen", || {
        keeper.tick(now()).unwrap();
        engine.shared().lists().number() > before
    });
    drop(keeper);
    assert_eq!(engine.shared().lease().holder(now()), None, "given up at once");
}

#[test]
fn keeper_runs_until_it_is_stopped_and_ticks_nowhere_else_meanwhile() {
    let _alone = alone();
    let directory = Directory::new();
    let engine = engine(&directory, Log::none());
    let keeper = Keeper::new(engine.clone()).unwrap();
    std::thread::scope(|scope| {
        let running = scope.spawn(|| keeper.run());
        within(Duration::from_secs(1), "it works", || keeper.is_in_charge(now()));
        assert_eq!(keeper.tick(now()).unwrap_err().status(), Status::Argument);
        assert_eq!(keeper.run().unwrap_err().status(), Status::Argument);
        keeper.stop();
        assert_eq!(running.join().unwrap(), Ok(()));
    });
    assert!(!keeper.is_in_charge(now()));
    keeper.tick(now()).unwrap();
    assert!(keeper.is_in_charge(now()));
}
