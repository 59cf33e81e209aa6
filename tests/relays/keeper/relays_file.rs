//! The file of relays and a list of clients, changed under eight workers.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use mediaproxy::Engine;
use mediaproxy::Settings;
use mediaproxy::internals::shared::Counter;
use mediaproxy::{Level, Log};

use super::processes::{Hand, Relay, keeper, within};
use kit::children::{Child, alone, give_up_rights};
use kit::directory::Directory;

const SECOND: Duration = Duration::from_secs(1);

/// Eight workers, maybe a keeper, and two relays, which give ports 50000 and
/// 60000; the file names the first.
struct Server {
    engine: Arc<Engine>,
    _keeper: Option<Child>,
    hands: Vec<Hand>,
    /// Which call is offered next.
    call: u32,
    one: Relay,
    _two: Relay,
    directory: Directory,
}

impl Server {
    /// With a keeper that watches this way; the workers are those of `hand`.
    fn new(watch: Option<&str>, hand: impl Fn(&Arc<Engine>) -> Hand) -> Server {
        let directory = Directory::new();
        let (one, two) = (directory.path("one.sock"), directory.path("two.sock"));
        let (file, list) = (directory.path("relays"), directory.path("list"));
        fs::write(&file, line(&one)).unwrap();
        fs::write(&list, "").unwrap();
        let mut settings = Settings::new();
        for (name, value) in [
            ("sip_asymmetrics", ""),
            ("rtp_asymmetrics", list.to_str().unwrap()),
            ("max_calls", "16384"),
            ("relays", file.to_str().unwrap()),
            ("watch", watch.unwrap_or("poll")),
        ] {
            settings.set(name, value).unwrap();
        }
        let log = Mutex::new(fs::File::create(directory.path("told")).unwrap());
        let log = Log::new(move |level, text| {
            use std::io::Write;
            if level == Level::Error {
                // One write a line: those of several processes do not mix.
                log.lock().unwrap().write_all(format!("{text}\n").as_bytes()).unwrap();
            }
        });
        let engine: Arc<Engine> = Engine::new(settings, log).unwrap();
        let keeper = watch.map(|_| keeper(&engine));
        let hands = (0..8).map(|_| hand(&engine)).collect();
        let relays = (Relay::new(&one, 50000), Relay::new(&two, 60000));
        for path in [&one, &two] {
            // Whoever the workers are.
            fs::set_permissions(path, Permissions::from_mode(0o777)).unwrap();
        }
        Server { engine, _keeper: keeper, hands, call: 0, one: relays.0, _two: relays.1, directory }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path(name)
    }

    /// What the file says of the relay of this name.
    fn line(&self, name: &str) -> String {
        line(&self.path(name).with_extension("sock"))
    }

    /// Puts another file in the place of this one, which may then be read so.
    fn replace(&self, name: &str, text: &str, mode: u32) {
        let new = self.path("new");
        fs::write(&new, text).unwrap();
        fs::set_permissions(&new, Permissions::from_mode(mode)).unwrap();
        fs::rename(new, self.path(name)).unwrap();
    }

    /// Puts a symbolic link in the place of the relays file, to one that says
    /// this.
    fn link(&self, target: &str, text: &str) {
        let (target, link) = (self.path(target), self.path("link"));
        fs::write(&target, text).unwrap();
        symlink(target, &link).unwrap();
        fs::rename(link, self.path("relays")).unwrap();
    }

    /// A new call for each worker: what they make of them.
    fn offers(&mut self) -> Vec<Result<u16, String>> {
        self.call += 1;
        let call = self.call * 8;
        let numbered = self.hands.iter_mut().zip(call..);
        numbered.map(|(hand, call)| hand.take(&format!("offer {call}"))).collect()
    }

    /// New calls of all workers go to the relay that gives this port.
    fn all_use(&mut self, port: u16, what: &str) {
        within(SECOND, what, || self.offers().iter().all(|offer| *offer == Ok(port)));
    }

    /// A call that was offered once is answered by each worker.
    fn all_answer(&mut self, call: u32, port: u16, what: &str) {
        for hand in &mut self.hands {
            assert_eq!(hand.take(&format!("answer {call}")), Ok(port), "{what}");
        }
    }

    /// All offers of all workers go there, for so long.
    fn all_keep_to(&mut self, port: u16, time: Duration) {
        let end = Instant::now() + time;
        while Instant::now() < end {
            assert_eq!(self.offers(), vec![Ok(port); 8]);
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// All workers come to say so of the phone that calls.
    fn all_say(&mut self, asymmetric: bool, what: &str) {
        within(SECOND, what, || {
            assert_eq!(self.offers(), vec![Ok(50000); 8]);
            let log = self.one.log();
            log[log.len() - 8..].iter().all(|requests| requests.asymmetric == asymmetric)
        });
    }

    fn told(&self) -> String {
        fs::read_to_string(self.path("told")).unwrap()
    }

    /// How many lines told errors of this kind.
    fn said(&self, part: &str) -> usize {
        self.told().lines().filter(|line| line.contains(part)).count()
    }

    fn counted(&self, counter: Counter) -> u64 {
        self.engine.counters().get(counter)
    }
}

fn line(socket: &Path) -> String {
    format!("mediaproxy2:{}\n", socket.display())
}

fn changed_in_every_way(watch: Option<&str>) {
    let mut server = Server::new(watch, Hand::new);
    let file = server.path("relays");
    let (one, two) = (server.line("one"), server.line("two"));

    server.all_use(50000, "as it was before the fork");
    assert_eq!(server.hands[0].take("offer 1"), Ok(50000));
    fs::write(&file, &two).unwrap();
    server.all_use(60000, "edited in place");
    server.all_answer(1, 50000, "a live call stays");
    server.replace("relays", &one, 0o644);
    server.all_use(50000, "renamed over");
    server.link("first", &two);
    server.all_use(60000, "a symbolic link");
    fs::write(server.path("first"), &one).unwrap();
    server.all_use(50000, "what the link leads to, edited");
    server.link("second", &two);
    server.all_use(60000, "another symbolic link in its place");

    // No file, no relay: live calls keep theirs.
    fs::remove_file(&file).unwrap();
    let none = |offer: &Result<u16, String>| {
        offer.as_ref().is_err_and(|error| error.contains("no relay is configured"))
    };
    within(SECOND, "removed", || server.offers().iter().all(none));
    assert!(server.offers().iter().all(none), "and absent for a while");
    server.all_answer(1, 50000, "a live call stays on a relay that nothing names");
    assert_eq!(server.told(), "", "that is no error");
    fs::write(&file, &one).unwrap();
    server.all_use(50000, "written again");

    // A bad line is told by one process, with file and line; the relays that
    // were named before hold.
    fs::remove_file(&file).unwrap();
    fs::write(&file, format!("# two\n{two}mediaproxy2:nowhere\n")).unwrap();
    let bad = format!("{}:3: ", file.display());
    within(SECOND, "a bad line is told", || {
        server.hands.iter_mut().for_each(|hand| {
            hand.take(&format!("bye {}", 1_000_000)).unwrap();
        });
        server.said(&bad) > 0
    });
    server.all_keep_to(50000, Duration::from_millis(1));
    assert_eq!(server.said(&bad), 1, "{}", server.told());
    fs::write(&file, &two).unwrap();
    server.all_use(60000, "mended");
    assert_eq!(
        server.counted(Counter::RelaysFileChanges),
        9,
        "each once, though eight have read it"
    );
    assert_eq!(server.counted(Counter::ClientListChanges), 0);
}

#[test]
fn keeper_with_inotify_reloads_the_relays() {
    let _alone = alone();
    changed_in_every_way(Some("notify"));
}

#[test]
fn keeper_that_compares() {
    let _alone = alone();
    changed_in_every_way(Some("poll"));
}

#[test]
fn no_keeper() {
    let _alone = alone();
    changed_in_every_way(None);
}

/// Put in its place by somebody whose files the workers may not read.
fn may_not_be_read(watch: Option<&str>) {
    let mut server = Server::new(watch, |engine| Hand::after(engine, give_up_rights));
    let two = server.line("two");
    server.all_use(50000, "as it was before the fork");
    server.replace("relays", &two, 0o000);
    let denied = "Permission denied";
    within(SECOND, "it is told", || {
        server.all_keep_to(50000, Duration::from_millis(1));
        server.said(denied) > 0
    });
    // In that time each tries, and more than once.
    server.all_keep_to(50000, 2 * SECOND);
    assert_eq!(server.said(denied), 1, "{}", server.told());
    assert_eq!(server.told().lines().count(), 1, "{}", server.told());
    assert_eq!(server.counted(Counter::RelaysFileChanges), 0);
    fs::set_permissions(server.path("relays"), Permissions::from_mode(0o644)).unwrap();
    server.all_use(60000, "it may be read again");
    assert_eq!(server.counted(Counter::RelaysFileChanges), 1);
}

#[test]
fn file_that_may_not_be_read_with_a_keeper() {
    let _alone = alone();
    may_not_be_read(Some("notify"));
}

#[test]
fn file_that_may_not_be_read_with_no_keeper() {
    let _alone = alone();
    may_not_be_read(None);
}

/// A list of clients comes to all workers, and to what they ask the relay.
fn a_list_changes(watch: Option<&str>) {
    let mut server = Server::new(watch, Hand::new);
    server.all_say(false, "the list is empty");
    server.replace("list", "^Phone\n", 0o644);
    server.all_say(true, "the phone is on it");
    server.replace("list", "^Other\n", 0o644);
    server.all_say(false, "another phone is");
    assert_eq!(
        server.counted(Counter::ClientListChanges),
        2,
        "each once, though eight have read it"
    );
    assert_eq!(server.counted(Counter::RelaysFileChanges), 0);
}

#[test]
fn list_of_clients_with_a_keeper() {
    let _alone = alone();
    a_list_changes(Some("notify"));
}

#[test]
fn list_of_clients_with_no_keeper() {
    let _alone = alone();
    a_list_changes(None);
}
