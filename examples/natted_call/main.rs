//! A call between two phones behind two different NATs, on loopback only.
//!
//! ```text
//! cargo run --release --example natted_call
//! ```
//!
//! The SIP proxy between them is `examples/proxy.c`, compiled here against the
//! library; it carries the media itself (`mp_proxy`). With `--server kamailio`
//! it is the installed Kamailio with our module, which is built here, and with
//! `examples/config/kamailio.cfg`. Phones and NATs are
//! simulated, the packets between NATs and proxy are real.
//!
//! - Phone A, 192.168.1.10, knows only its private address. Its NAT,
//!   127.0.1.1, keeps port numbers.
//! - Phone B, 10.0.0.2, has found its public address but not its ports. Its
//!   NAT, 127.0.2.1, gives random ones.
//!
//! They register, call, talk, hold, talk again and hang up. The exit code is
//! not 0 when a packet is lost, comes from anywhere but the relay, a port stays
//! open, a rewritten message does not parse back or a step times out. `--fault
//! NAME` breaks one thing on purpose, to show that this is noticed.

mod check;
mod compile;
mod fault;
mod kamailio;
mod ladder;
mod media;
mod nat;
mod phone;
mod report;
mod server;
mod text;

use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use fault::{Fault, Wanted};
use kamailio::Kamailio;
use kit::sip::Sip;
use ladder::{Ladder, Side};
use media::{Sender, Tally};
use nat::{Nat, Ports};
use phone::{Phone, Setup};
use server::{Proxy, Server};

const NAT_A: Ipv4Addr = Ipv4Addr::new(127, 0, 1, 1);
const NAT_B: Ipv4Addr = Ipv4Addr::new(127, 0, 2, 1);
/// The proxy and its relay; any port.
const SERVER: &str = "127.0.0.1:0";
/// Somebody who has no business in this call.
const STRANGER: Ipv4Addr = Ipv4Addr::new(127, 0, 3, 1);

const FIRST_TALK: Duration = Duration::from_secs(2);
const MUSIC_ON_HOLD: Duration = Duration::from_millis(500);
const SECOND_TALK: Duration = Duration::from_secs(1);
/// A call with a fault need not be long: each talk is cut to this part.
const SHORTER: u32 = 5;

fn main() -> ExitCode {
    let wanted = match Wanted::from_arguments(std::env::args().skip(1)) {
        Ok(wanted) => wanted,
        Err(usage) => {
            eprintln!("{usage}");
            return ExitCode::from(2);
        }
    };
    match run(wanted) {
        Ok(faults) if faults.is_empty() => {
            println!("OK: every packet arrived, through the relay only; all ports are closed");
            ExitCode::SUCCESS
        }
        Ok(faults) => {
            for fault in faults {
                println!("FAILED: {fault}");
            }
            ExitCode::FAILURE
        }
        Err(why) => {
            println!("FAILED: {why}");
            ExitCode::FAILURE
        }
    }
}

/// Makes the call and prints the report; gives what was wrong.
fn run(wanted: Wanted) -> Result<Vec<String>, String> {
    let (server, fault, _program) = match wanted {
        Wanted::Proxy(fault) => {
            let program = compile::proxy()?;
            println!("{}\n", program.command);
            let mut arguments = vec![SERVER];
            arguments.extend(fault.map_or(&[][..], Fault::proxy_arguments));
            let proxy = Proxy::start(&program.path, &arguments)?;
            (Server::Proxy(proxy), fault, Some(program))
        }
        Wanted::Kamailio => {
            let (kamailio, command) = Kamailio::start()?;
            println!("{command}\n");
            (Server::Kamailio(kamailio), None, None)
        }
    };
    let mut call = Call::new(server, fault);
    if let Err(why) = call.play() {
        call.faults.push(why);
    }
    Ok(call.finish())
}

/// Everybody who takes part, and what was seen.
struct Call {
    a: Phone,
    b: Phone,
    senders: [Sender; 2],
    server: Server,
    ladder: Arc<Ladder>,
    stages: Vec<(&'static str, Vec<Tally>)>,
    faults: Vec<String>,
    fault: Option<Fault>,
}

impl Call {
    fn new(server: Server, fault: Option<Fault>) -> Call {
        let ladder = Arc::new(Ladder::default());
        let nat = |side, public, ports| {
            let ladder = ladder.clone();
            let watch = move |outward, public, bytes: &[u8]| {
                ladder.packet(side, outward, public, bytes);
            };
            Arc::new(Nat::new(public, ports, Box::new(watch)))
        };
        let a = Setup {
            name: "A",
            user: "alice",
            agent: "Phone A 1.0",
            private: Ipv4Addr::new(192, 168, 1, 10),
            written: Ipv4Addr::new(192, 168, 1, 10),
            rtp_port: 40_000,
        };
        let b = Setup {
            name: "B",
            user: "bob",
            agent: "Phone B 2.0",
            private: Ipv4Addr::new(10, 0, 0, 2),
            written: NAT_B,
            rtp_port: 30_000,
        };
        Call {
            a: Phone::new(a, nat(Side::A, NAT_A, Ports::Kept), server.address()),
            b: Phone::new(b, nat(Side::B, NAT_B, Ports::Random), server.address()),
            senders: [Sender::new(0xa11ce), Sender::new(0xb0b)],
            server,
            ladder,
            stages: Vec::new(),
            faults: Vec::new(),
            fault,
        }
    }

    /// The call from the first REGISTER to the end of BYE.
    fn play(&mut self) -> Result<(), String> {
        self.a.register()?;
        self.b.register()?;

        self.a.invite("bob")?;
        let invite = self.b.request("INVITE")?;
        self.expect_repaired(&invite, true);
        self.b.answer(&invite, "100 Trying", None)?;
        self.a.reply("INVITE", 100)?;
        self.b.answer(&invite, "180 Ringing", None)?;
        self.a.reply("INVITE", 180)?;
        if self.fault != Some(Fault::NoAnswer) {
            self.b.answer(&invite, "200 OK", Some("sendrecv"))?;
        }
        let ok = self.a.reply("INVITE", 200)?;
        self.expect_repaired(&ok, false);
        self.a.acknowledge(&ok)?;
        self.b.request("ACK")?;

        self.open_ways()?;
        self.meet_strangers()?;
        if self.fault == Some(Fault::LostPacket) {
            self.b.nat.lose_one(self.b.rtp_socket());
        }
        self.talk("first talk", [true, true], FIRST_TALK)?;

        self.reinvite("sendonly", "recvonly")?;
        self.talk("on hold", [true, false], MUSIC_ON_HOLD)?;
        self.reinvite("sendrecv", "sendrecv")?;
        self.talk("second talk", [true, true], SECOND_TALK)?;

        if self.fault != Some(Fault::NoBye) {
            self.a.bye()?;
            let bye = self.b.request("BYE")?;
            self.b.answer(&bye, "200 OK", None)?;
            self.a.reply("BYE", 200)?;
        }
        Ok(())
    }

    /// A's offer in the call, and B's answer.
    fn reinvite(&mut self, offer: &str, answer: &str) -> Result<(), String> {
        self.a.reinvite(offer)?;
        let invite = self.b.request("INVITE")?;
        self.expect_repaired(&invite, true);
        self.b.answer(&invite, "200 OK", Some(answer))?;
        let ok = self.a.reply("INVITE", 200)?;
        self.expect_repaired(&ok, false);
        self.a.acknowledge(&ok)?;
        self.b.request("ACK").map(|_| ())
    }

    /// A message that crossed the proxy must name its sender's public address
    /// and port, and the relay for media.
    fn expect_repaired(&mut self, message: &Sip, from_a: bool) {
        let sender = if from_a { &self.a } else { &self.b };
        let contact = kit::sip::address_of(kit::sip::uri_of(message.first("Contact")));
        let public = sender.nat.public_of(sender.sip_socket());
        let label = message.label();
        if contact != public {
            self.faults.push(format!(
                "{label}: Contact \"{}\" is not where phone {} can be reached",
                message.first("Contact"),
                sender.setup.name
            ));
        }
        let media = text::media_address(message.body());
        if media.is_none_or(|media| media.rtp.ip() != self.server.address().ip()) {
            self.faults.push(format!("{label}: the SDP does not name the relay"));
        }
    }

    /// Opens the NATs for media and lets the relay learn both sides.
    fn open_ways(&mut self) -> Result<(), String> {
        media::open([&self.a, &self.b], [&self.senders[0], &self.senders[1]])?;
        self.ladder.note("each phone opens its way to the relay: 4 packets, not counted below");
        self.expect_received(4, "the opening packets")
    }

    /// Waits until the relay has counted this many packets.
    fn expect_received(&mut self, count: u64, what: &str) -> Result<(), String> {
        let received = |counters: &server::Counters| counters.get("received").copied();
        let counters = self.server.counters_until(|counters| received(counters) >= Some(count))?;
        if received(&counters) < Some(count) {
            let got = received(&counters).unwrap_or_default();
            self.faults.push(format!("timeout: of {what} the relay got {got}, not {count}"));
        }
        Ok(())
    }

    /// A stranger sends to B's NAT and to the relay; neither may let him in.
    fn meet_strangers(&mut self) -> Result<(), String> {
        let refused = self.b.nat.refused();
        if self.fault == Some(Fault::Stranger) {
            self.b.nat.open();
        }
        let Some(at_nat) = self.b.nat.public_of(self.b.rtp_socket()) else { return Ok(()) };
        let at_relay = self.b.media()?.rtp;
        let send = || -> std::io::Result<()> {
            let socket = UdpSocket::bind((IpAddr::V4(STRANGER), 0))?;
            let targets: &[SocketAddr] =
                if at_relay.ip().is_loopback() { &[at_nat, at_relay] } else { &[at_nat] };
            for target in targets {
                socket.send_to(&[media::STRANGER; 172], target)?;
            }
            Ok(())
        };
        send().map_err(|error| format!("the stranger cannot send: {error}"))?;
        self.expect_received(5, "opening packets and the stranger's")?;
        // The NAT is a thread of its own.
        for _ in 0..20 {
            if self.b.nat.refused() > refused {
                break;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        let refused = self.b.nat.refused() - refused;
        self.ladder.note(format!("a stranger's RTP packets: {refused} refused by NAT B"));
        Ok(())
    }

    /// The relay's counters once all it has relayed has arrived: what opened
    /// the ways may still be under way, and is not to be counted with the talk.
    fn settled(&mut self) -> Result<server::Counters, String> {
        let mut counters = self.server.counters()?;
        for _ in 0..100 {
            let arrived: u64 = [&self.a, &self.b].into_iter().flat_map(media::arrivals).sum();
            if counters.get("relayed") == Some(&arrived) {
                break;
            }
            std::thread::sleep(Duration::from_millis(10));
            counters = self.server.counters()?;
        }
        Ok(counters)
    }

    /// Talks for a while and checks what came.
    fn talk(
        &mut self,
        stage: &'static str,
        talking: [bool; 2],
        time: Duration,
    ) -> Result<(), String> {
        let relayed = |counters: &server::Counters| counters.get("relayed").copied().unwrap_or(0);
        let before = relayed(&self.settled()?);
        let time = if self.fault.is_some() { time / SHORTER } else { time };
        let tallies = media::talk([&self.a, &self.b], &mut self.senders, talking, time)?;
        let received: u64 = tallies.iter().map(|tally| tally.received).sum();
        // The counters may lag behind the packets.
        let counters = self.server.counters_until(|now| relayed(now) >= before + received)?;
        let by_relay = relayed(&counters).saturating_sub(before);
        for tally in &tallies {
            self.faults.extend(tally.faults(stage));
        }
        let sent: u64 = tallies.iter().map(|tally| tally.sent).sum();
        if by_relay != sent {
            self.faults.push(format!("{stage}: the relay says it relayed {by_relay} of {sent}"));
        }
        let seconds = time.as_secs_f32();
        self.ladder.note(format!(
            "{stage}, {seconds:.1} s: {sent} sent, {by_relay} relayed, {received} received"
        ));
        self.stages.push((stage, tallies));
        Ok(())
    }

    /// Ends everything, prints the report and gives what was wrong.
    fn finish(mut self) -> Vec<String> {
        let closed = self.server.counters_until(|counters| counters.get("open_ports") == Some(&0));
        match &closed {
            Ok(counters) => {
                let open = counters.get("open_ports").copied().unwrap_or(u64::MAX);
                if open != 0 {
                    self.faults.push(format!("{open} relay ports stay open after the call"));
                }
            }
            Err(why) => self.faults.push(why.clone()),
        }
        let (mut told, ended) = self.server.quit();
        self.faults.extend(ended.err());
        self.a.nat.stop();
        self.b.nat.stop();
        for line in &told.strange {
            self.faults.push(format!("the proxy sent an unexpected line: {line}"));
        }
        if self.fault == Some(Fault::Corrupt) {
            fault::corrupt(&mut told.records);
        }

        println!("{}", self.ladder.render(&told.records));
        println!("{}", report::messages(&told.records));
        let found = told.log.iter().filter_map(|line| line.split_once("<script>: "));
        for (_, line) in found {
            println!("{line}");
        }
        let bad = ["ERROR", "CRITICAL", "WARNING"];
        // The NATs have loopback addresses, so the relay takes them for private ones and
        // reports that it sends nothing to the phone before it has sent something.
        let expected = "is private and not the source of signaling";
        let complains =
            |line: &&String| bad.iter().any(|word| line.contains(word)) && !line.contains(expected);
        for line in told.log.iter().filter(complains) {
            self.faults.push(format!("the server complains: {line}"));
        }
        for (stage, tallies) in &self.stages {
            println!("{}", report::media(stage, tallies));
        }
        for phone in [&self.a, &self.b] {
            println!(
                "NAT {}: {} packets refused from outside, {} to addresses nobody can reach",
                phone.setup.name,
                phone.nat.refused(),
                phone.nat.unroutable(),
            );
        }
        if let Ok(counters) = closed {
            let pairs: Vec<String> =
                counters.iter().map(|(name, count)| format!("{name} {count}")).collect();
            println!("relay after the call: {}\n", pairs.join(", "));
        }
        if !told.times.is_empty() {
            println!("{}", report::times(&told));
        }

        for record in &told.records {
            self.faults.extend(check::edited(record));
            let label = Sip::parse(&record.received).map_or("?".to_string(), |m| m.label());
            for error in &record.errors {
                self.faults.push(format!("#{} {label}: {error}", record.number));
            }
        }
        self.faults
    }
}
