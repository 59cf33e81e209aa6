//! A server, the relays beside it, and two homes with a phone each.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use crate::memcheck;
use crate::module;
use crate::phone::{Call, Phone};
use crate::server::{Kamailio, stock_modules};
use kit::audio::{self, End};
use kit::daemon::Daemon;
use kit::netns::{self, Network, PHONE, SERVER, SERVER6};
use kit::running::directory;
use kit::running::wait_for;
use kit::sip::{Sip, describe};

/// Packets each way whenever the phones talk.
const PACKETS: u32 = 200;

pub(crate) struct Scene<'n> {
    pub(crate) network: &'n Network,
    pub(crate) server: Kamailio,
    pub(crate) relays: Vec<Daemon>,
    /// Behind the NAT that keeps ports.
    pub(crate) alice: Phone,
    /// Behind the NAT that does not.
    pub(crate) bob: Phone,
}

/// Runs a test (by its whole name) where there are namespaces and Kamailio;
/// else prints a SKIP line.
pub(crate) fn with_kamailio(test: &str, run: impl FnOnce(&Network, &Path)) {
    for (program, argument) in [("kamailio", "-v"), ("kamcmd", "-v")] {
        if let Err(error) = Command::new(program).arg(argument).output() {
            println!("SKIP {test}: {program}: {error}");
            return;
        }
    }
    // Before the test runs again in a network that does not lead to Debian's
    // archive: the headers are there then.
    module::prepare();
    netns::in_network(test, |network| {
        run(network, &directory("kamailio", &test.replace("::", ".")));
    });
}

/// One audio stream at a phone's first port.
pub(crate) fn audio_of(phone: &Phone, version: u32) -> String {
    let media = format!("m=audio {} RTP/AVP 8", phone.media_port(0));
    describe(&phone.host, version, &[&media, "a=rtpmap:8 PCMA/8000"])
}

/// A description of one audio stream on hold or off it.
pub(crate) fn audio_towards(phone: &Phone, version: u32, direction: &str) -> String {
    audio_of(phone, version) + &format!("a={direction}\r\n")
}

/// As [`with_kamailio`], where our module can be built too.
pub(crate) fn with_module(test: &str, run: impl FnOnce(&Network, &Path)) {
    with_kamailio(test, |network, directory| {
        if module::can_be_built(test) {
            run(network, directory);
        }
    });
}

/// Whose `mediaproxy.so` it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Module {
    Stock,
    Ours,
}

/// The configuration for the stock modules, with one `mediaproxyd`. For ours, its
/// line that loads the stock one is another.
pub(crate) fn stock<'n>(
    network: &'n Network,
    directory: &Path,
    module: Module,
    defines: &[&str],
) -> Scene<'n> {
    let relay = Daemon::start_in(&network.server, directory, 0, &[SERVER]);
    let server = stock_server(network, directory, module, &relay, defines);
    Scene::new(network, server, vec![relay])
}

/// The same with a relay that runs already.
pub(crate) fn stock_server(
    network: &Network,
    directory: &Path,
    module: Module,
    relay: &Daemon,
    defines: &[&str],
) -> Kamailio {
    let mut all = vec![
        ("ADDRESS", SERVER.to_string()),
        ("DISPATCHER", format!("\"{}\"", relay.path.display())),
        ("STATE", format!("\"{}\"", directory.join("keepalive_state").display())),
    ];
    all.extend(defines.iter().map(|name| (*name, String::new())));
    let mut configuration = kit::root().join("tests/fixtures/kamailio/stock.cfg");
    if module == Module::Ours {
        let text = fs::read_to_string(&configuration).expect("the configuration");
        let line = "loadmodule \"mediaproxy.so\"";
        assert!(text.contains(line));
        let ours = module::ours().join("mediaproxy.so");
        configuration = directory.join("kamailio.cfg");
        let text = text.replace(line, &format!("loadmodule \"{}\"", ours.display()));
        fs::write(&configuration, text).expect("the changed configuration");
        all.push(("OURS", String::new()));
    }
    let kamailio = match module {
        Module::Ours => memcheck::kamailio(&network.server, directory),
        Module::Stock => network.server.command("kamailio"),
    };
    Kamailio::start(kamailio, directory, &configuration, &[stock_modules()], &all)
}

/// Which relays the server has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Relays {
    Embedded,
    Daemons,
}

/// Our module with a configuration that is shipped: the one with the embedded
/// relay, or the one with several, here two `mediaproxyd`.
pub(crate) fn ours<'n>(
    network: &'n Network,
    directory: &Path,
    relays: Relays,
    defines: &[&str],
) -> Scene<'n> {
    let started = match relays {
        Relays::Embedded => Vec::new(),
        Relays::Daemons => {
            let six = defines.iter().any(|define| define.starts_with("ADDRESS6="));
            let addresses = if six { &[SERVER, SERVER6][..] } else { &[SERVER] };
            let start = |number| Daemon::start_in(&network.server, directory, number, addresses);
            [0, 1].map(start).into()
        }
    };
    let server = ours_server(network, directory, &started, defines);
    Scene::new(network, server, started)
}

/// The same with relays that run already; without any, with the embedded one.
pub(crate) fn ours_server(
    network: &Network,
    directory: &Path,
    relays: &[Daemon],
    defines: &[&str],
) -> Kamailio {
    let list = directory.join("asymmetric");
    fs::write(&list, "^Asymmetric Phone\n").expect("a client list");
    let list = format!("\"{}\"", list.display());
    let mut all = vec![
        ("ADDRESS", SERVER.to_string()),
        ("SIP_ASYMMETRICS", list.clone()),
        ("RTP_ASYMMETRICS", list),
    ];
    for define in defines {
        let (name, value) = define.split_once('=').unwrap_or((define, ""));
        all.push((name, value.to_string()));
    }
    let configuration = if relays.is_empty() {
        "kamailio.cfg"
    } else {
        let file = directory.join("relays");
        let lines: Vec<String> = relays.iter().map(|relay| relay.uri() + ";set=near\n").collect();
        fs::write(&file, lines.concat()).expect("a file of relays");
        all.push(("RELAYS", format!("\"{}\"", file.display())));
        "kamailio-relays.cfg"
    };
    Kamailio::start(
        memcheck::kamailio(&network.server, directory),
        directory,
        &kit::root().join("examples/config").join(configuration),
        &[module::ours(), stock_modules()],
        &all,
    )
}

/// Our module with a configuration of the tests, and no relays beside it.
pub(crate) fn fixture<'n>(
    network: &'n Network,
    directory: &Path,
    name: &str,
    defines: &[(&str, String)],
) -> Scene<'n> {
    let server = Kamailio::start(
        memcheck::kamailio(&network.server, directory),
        directory,
        &kit::root().join("tests/fixtures/kamailio").join(name),
        &[module::ours(), stock_modules()],
        defines,
    );
    Scene::new(network, server, Vec::new())
}

/// Runs a scenario with each kind of relays, and looks afterwards whether
/// everything was given back and nothing went wrong.
pub(crate) fn everywhere(test: &str, scenario: impl Fn(&mut Scene<'_>)) {
    everywhere_with(test, &[], scenario);
}

/// The same with more defined for the configuration.
pub(crate) fn everywhere_with(test: &str, defines: &[&str], scenario: impl Fn(&mut Scene<'_>)) {
    with_kamailio(test, |network, directory| {
        if !module::can_be_built(test) {
            return;
        }
        if defines.iter().any(|define| define.starts_with("ADDRESS6="))
            && let Err(reason) = network.add_ipv6()
        {
            println!("SKIP {test}: no IPv6: {reason}");
            return;
        }
        for relays in [Relays::Embedded, Relays::Daemons] {
            let directory = directory.join(format!("{relays:?}"));
            fs::create_dir_all(&directory).expect("a directory");
            let mut scene = ours(network, &directory, relays, defines);
            scenario(&mut scene);
            scene.ends_well();
        }
    });
}

impl<'n> Scene<'n> {
    pub(crate) fn new(network: &'n Network, server: Kamailio, relays: Vec<Daemon>) -> Scene<'n> {
        let [home, other] = &network.phones;
        Scene {
            network,
            server,
            relays,
            alice: Phone::udp("alice", home, PHONE, SERVER),
            bob: Phone::udp("bob", other, PHONE, SERVER),
        }
    }

    /// Both register, and the registrar has the addresses of their NATs.
    pub(crate) fn register(&mut self) {
        for phone in [&mut self.alice, &mut self.bob] {
            let ok = phone.register();
            let contact = ok.contact();
            assert_ne!(contact.ip().to_string(), phone.host, "{}", ok.text);
        }
    }

    /// Alice calls bob, who answers: her call, his, and what each was told.
    pub(crate) fn answered(&mut self, id: &str) -> Answered {
        let (mut call, invite) = self.calling(id);
        self.bob.answer(&invite, "180 Ringing", "", "");
        self.alice.response(180, "INVITE");
        let answer = audio_of(&self.bob, 1);
        self.bob.answer(&invite, "200 OK", "", &answer);
        let ok = self.alice.response(200, "INVITE");
        self.alice.acknowledge(&mut call, &ok, "");
        self.bob.request("ACK");
        let callee = self.bob.called(&invite);
        Answered { caller: call, callee, invite, ok }
    }

    /// Alice's offer within a call and bob's answer, as the other one got it.
    pub(crate) fn reinvite(
        &mut self,
        call: &mut Call,
        version: u32,
        offer: &str,
        answer: &str,
    ) -> (Sip, Sip) {
        let offer = audio_towards(&self.alice, version, offer);
        let answer = audio_towards(&self.bob, version, answer);
        negotiate(&mut self.alice, call, &mut self.bob, &offer, &answer)
    }

    /// Alice calls bob, whose offer comes in the 200 and her answer in the ACK:
    /// what each was told.
    pub(crate) fn delayed(&mut self, call: &mut Call) -> (Sip, Sip) {
        self.alice.ask(call, "INVITE", "", "");
        let invite = self.bob.request("INVITE");
        let offer = audio_of(&self.bob, 1);
        self.bob.answer(&invite, "200 OK", "", &offer);
        let ok = self.alice.response(200, "INVITE");
        let answer = audio_of(&self.alice, 1);
        self.alice.acknowledge(call, &ok, &answer);
        (self.bob.request("ACK"), ok)
    }

    /// Alice calls bob, who is busy.
    pub(crate) fn busy(&mut self, id: &str) {
        let (call, invite) = self.calling(id);
        self.bob.answer(&invite, "486 Busy Here", "", "");
        self.not_answered(&call, 486);
    }

    /// Alice calls bob and gives up while his phone rings.
    pub(crate) fn cancelled(&mut self, id: &str) {
        let (mut call, invite) = self.calling(id);
        self.bob.answer(&invite, "180 Ringing", "", "");
        self.alice.response(180, "INVITE");
        self.alice.ask(&mut call, "CANCEL", "", "");
        self.alice.response(200, "CANCEL");
        let cancel = self.bob.request("CANCEL");
        self.bob.answer(&cancel, "200 OK", "", "");
        self.bob.answer(&invite, "487 Request Terminated", "", "");
        self.not_answered(&call, 487);
    }

    /// Alice calls bob: her call, and the INVITE as he got it.
    pub(crate) fn calling(&mut self, id: &str) -> (Call, Sip) {
        let mut call = self.alice.call("bob", id);
        let offer = audio_of(&self.alice, 1);
        self.alice.ask(&mut call, "INVITE", "", &offer);
        let invite = self.bob.request("INVITE");
        (call, invite)
    }

    /// The failure reply to alice's INVITE comes and is acknowledged, on both sides.
    pub(crate) fn not_answered(&mut self, call: &Call, status: u16) {
        self.bob.request("ACK");
        let reply = self.alice.response(status, "INVITE");
        self.alice.acknowledge_failure(call, &reply);
    }

    /// They hear each other through the relay, on their first ports.
    pub(crate) fn talk(&self, to_alice: SocketAddr, to_bob: SocketAddr) {
        self.talk_over(0, to_alice, to_bob, [true, true]);
    }

    /// The same over another port of theirs, or one way only.
    pub(crate) fn talk_over(
        &self,
        port: usize,
        to_alice: SocketAddr,
        to_bob: SocketAddr,
        talks: [bool; 2],
    ) {
        let end = |phone: &Phone, relay: SocketAddr| End::new(phone.media_socket(port), relay);
        self.check_talk(&[end(&self.alice, to_alice), end(&self.bob, to_bob)], talks);
    }

    /// Alice and another phone hear each other.
    pub(crate) fn talk_with(&self, other: &Phone, to_alice: SocketAddr, to_other: SocketAddr) {
        let ends = [
            End::new(self.alice.media_socket(0), to_alice),
            End::new(other.media_socket(0), to_other),
        ];
        self.check_talk(&ends, [true, true]);
    }

    pub(crate) fn check_talk(&self, ends: &[End; 2], talks: [bool; 2]) {
        for heard in audio::talk(ends, talks, PACKETS) {
            assert!(heard.well(), "{heard:?}\n{}", self.server.said());
        }
        assert_eq!(self.network.strays(), 0, "packets past the relay");
    }

    /// How many calls each relay has.
    pub(crate) fn sessions(&self) -> Vec<u32> {
        let said = self.server.rpc(&["mediaproxy.sessions"]).expect("the sessions");
        let counts = said.lines().filter_map(|line| line.trim().strip_prefix("active_calls: "));
        counts.map(|count| count.parse().expect("a number")).collect()
    }

    /// Waits until no call is counted for a relay, and no relay has an open port.
    pub(crate) fn holds_nothing(&self) {
        wait_for("the end of all calls", || {
            self.sessions().iter().all(|&count| count == 0).then_some(())
        });
        wait_for("the end of all sessions", || (self.open_ports() == 0).then_some(()));
    }

    /// How many ports all relays have open for media.
    pub(crate) fn open_ports(&self) -> usize {
        let said = self.server.rpc(&["mediaproxy.stats"]).expect("the counters");
        let embedded =
            said.lines().find_map(|line| line.trim().strip_prefix("embedded_open_ports: "));
        let embedded = embedded.map_or(0, |count| count.parse().expect("a number"));
        self.relays.iter().map(Daemon::open_ports).sum::<usize>() + embedded
    }

    /// The relay has no session any more, nobody hears anything more, and the
    /// server has not complained.
    pub(crate) fn ends_well(self) {
        self.ends_well_despite(&[]);
    }

    /// The same, where lines with these words are no complaints.
    pub(crate) fn ends_well_despite(self, known: &[&str]) {
        self.holds_nothing();
        let Scene { server, mut alice, mut bob, .. } = self;
        alice.hears_nothing();
        bob.hears_nothing();
        let complains = |said: &str, about: &str| {
            let bad = ["ERROR", "CRITICAL", "WARNING"];
            let known = |line: &str| known.iter().any(|words| line.contains(words));
            let named = |line: &&str| {
                line.contains(about) && bad.iter().any(|b| line.contains(b)) && !known(line)
            };
            said.lines().find(named).map(str::to_string)
        };
        assert_eq!(complains(&server.said(), ""), None, "{}", server.said());
        let said = server.stop();
        // Its own processes complain of each other when they end.
        assert_eq!(complains(&said, "mediaproxy"), None, "{said}");
    }

    /// Alice hangs up.
    pub(crate) fn hang_up(&mut self, call: &mut Call) {
        hang_up(&mut self.alice, call, &mut self.bob);
    }
}

/// An INVITE with this offer and a 200 with this answer, each as it came to the
/// other phone.
pub(crate) fn negotiate(
    caller: &mut Phone,
    call: &mut Call,
    callee: &mut Phone,
    offer: &str,
    answer: &str,
) -> (Sip, Sip) {
    caller.ask(call, "INVITE", "", offer);
    let invite = callee.request("INVITE");
    callee.answer(&invite, "200 OK", "", answer);
    let ok = caller.response(200, "INVITE");
    caller.acknowledge(call, &ok, "");
    callee.request("ACK");
    (invite, ok)
}

pub(crate) fn hang_up(caller: &mut Phone, call: &mut Call, callee: &mut Phone) {
    caller.ask(call, "BYE", "", "");
    let bye = callee.request("BYE");
    callee.answer(&bye, "200 OK", "", "");
    caller.response(200, "BYE");
}

/// A call that was answered.
pub(crate) struct Answered {
    pub(crate) caller: Call,
    pub(crate) callee: Call,
    /// As bob got it.
    pub(crate) invite: Sip,
    /// As alice got it.
    pub(crate) ok: Sip,
}
