//! The file of relays, changed under eight workers.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use mediaproxy::Engine;
use mediaproxy::log::{Level, Log};
use mediaproxy::settings::Settings;

use super::processes::{Child, Directory, Hand, Relay, alone, keeper, within};

const SECOND: Duration = Duration::from_secs(1);

/// The workers, and which call is offered next.
struct Hands {
    hands: Vec<Hand>,
    call: u32,
}

impl Hands {
    /// New calls of all workers go to the relay that gives this port.
    fn all_use(&mut self, port: u16, what: &str) {
        within(SECOND, what, || {
            self.call += 1;
            let call = self.call;
            let order = |at: usize| format!("offer {}", call * 8 + at as u32);
            self.hands.iter_mut().enumerate().all(|(at, hand)| hand.take(&order(at)) == Ok(port))
        });
    }
}

fn line(socket: &Path) -> String {
    format!("mediaproxy2:{}\n", socket.display())
}

fn changed_in_every_way(watch: Option<&str>) {
    let directory = Directory::new();
    let (one, two) = (directory.path("one.sock"), directory.path("two.sock"));
    let file = directory.path("relays");
    fs::write(&file, line(&one)).unwrap();
    let mut settings = Settings::new();
    for (name, value) in [
        ("sip_asymmetrics", ""),
        ("rtp_asymmetrics", ""),
        ("max_calls", "16384"),
        ("relays", file.to_str().unwrap()),
        ("watch", watch.unwrap_or("poll")),
    ] {
        settings.set(name, value).unwrap();
    }
    let told = directory.path("told");
    let log = Mutex::new(fs::File::create(&told).unwrap());
    let log = Log::new(move |level, text| {
        use std::io::Write;
        if level == Level::Error {
            // One write a line: those of several processes do not mix.
            log.lock().unwrap().write_all(format!("{text}\n").as_bytes()).unwrap();
        }
    });
    let engine: Arc<Engine> = Engine::new(settings, log).unwrap();
    let _keeper: Option<Child> = watch.map(|_| keeper(&engine));
    let mut hands = Hands { hands: (0..8).map(|_| Hand::new(&engine)).collect(), call: 0 };
    let (_first, _second) = (Relay::new(&one, 50000), Relay::new(&two, 60000));

    hands.all_use(50000, "as it was before the fork");
    assert_eq!(hands.hands[0].take("offer 1"), Ok(50000));
    fs::write(&file, line(&two)).unwrap();
    hands.all_use(60000, "edited in place");
    for at in 0..8 {
        assert_eq!(hands.hands[at].take("answer 1"), Ok(50000), "a live call stays");
    }
    fs::write(directory.path("new"), line(&one)).unwrap();
    fs::rename(directory.path("new"), &file).unwrap();
    hands.all_use(50000, "renamed over");
    fs::write(directory.path("other"), line(&two)).unwrap();
    symlink(directory.path("other"), directory.path("link")).unwrap();
    fs::rename(directory.path("link"), &file).unwrap();
    hands.all_use(60000, "a symbolic link");
    fs::write(directory.path("other"), line(&one)).unwrap();
    hands.all_use(50000, "what the link leads to, edited");

    // A bad line is told by one process, with file and line; the relays that
    // were named before hold.
    fs::remove_file(&file).unwrap();
    fs::write(&file, format!("# two\n{}mediaproxy2:nowhere\n", line(&two))).unwrap();
    let said = |part: &str| {
        fs::read_to_string(&told).unwrap().lines().filter(|line| line.contains(part)).count()
    };
    let bad = format!("{}:3: ", file.display());
    within(SECOND, "a bad line is told", || {
        hands.call += 1;
        hands.hands.iter_mut().for_each(|hand| {
            hand.take(&format!("bye {}", 1_000_000)).unwrap();
        });
        said(&bad) > 0
    });
    for (at, hand) in hands.hands.iter_mut().enumerate() {
        assert_eq!(hand.take(&format!("offer {}", 2_000_000 + at)), Ok(50000));
    }
    assert_eq!(said(&bad), 1, "{}", fs::read_to_string(&told).unwrap());
    fs::write(&file, line(&two)).unwrap();
    hands.all_use(60000, "mended");
}

#[test]
fn a_keeper_that_the_kernel_tells() {
    let _alone = alone();
    changed_in_every_way(Some("notify"));
}

#[test]
fn a_keeper_that_compares() {
    let _alone = alone();
    changed_in_every_way(Some("poll"));
}

#[test]
fn no_keeper() {
    let _alone = alone();
    changed_in_every_way(None);
}
