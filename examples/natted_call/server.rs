//! The SIP proxy with its relay: `examples/proxy.c` in a process of its own,
//! which tells on its standard output what it does, or Kamailio.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::kamailio::Kamailio;
use crate::nat::lock;

/// How long the proxy may take to answer us.
pub(crate) const PATIENCE: Duration = Duration::from_secs(2);
/// How long it may take to start; under valgrind it takes a while.
pub(crate) const START_PATIENCE: Duration = Duration::from_secs(10);

/// What the proxy told of one message.
#[derive(Clone, Debug, Default)]
pub(crate) struct Record {
    /// Its number, in order of arrival.
    pub(crate) number: u32,
    /// Where it came from.
    pub(crate) from: Option<SocketAddr>,
    /// As it came in.
    pub(crate) received: Vec<u8>,
    /// `mp_nat_test` was called.
    pub(crate) tested: bool,
    /// The sentences of the verdict.
    pub(crate) evidence: Vec<String>,
    /// After the library's edits, before the proxy's own work as a SIP proxy.
    pub(crate) edited: Option<Vec<u8>>,
    /// What went wrong.
    pub(crate) errors: Vec<String>,
}

/// All that was told.
#[derive(Clone, Debug, Default)]
pub(crate) struct Told {
    /// The messages.
    pub(crate) records: Vec<Record>,
    /// Each library call: its times in microseconds.
    pub(crate) times: BTreeMap<String, Vec<f64>>,
    /// Where the server does not tell of each message: what it logged.
    pub(crate) log: Vec<String>,
    /// Lines that could not be understood.
    pub(crate) strange: Vec<String>,
}

/// The relay's counters (`mp_proxy_statistics`).
pub(crate) type Counters = BTreeMap<String, u64>;

/// Who stands between the phones.
pub(crate) enum Server {
    Proxy(Proxy),
    Kamailio(Kamailio),
}

impl Server {
    /// Where it listens for SIP.
    pub(crate) fn address(&self) -> SocketAddr {
        match self {
            Server::Proxy(proxy) => proxy.address,
            Server::Kamailio(kamailio) => kamailio.address,
        }
    }

    /// Asks for the relay's counters.
    pub(crate) fn counters(&mut self) -> Result<Counters, String> {
        match self {
            Server::Proxy(proxy) => proxy.counters(),
            Server::Kamailio(kamailio) => kamailio.counters(),
        }
    }

    /// Asks for the counters until they please, or the step's time is over.
    pub(crate) fn counters_until(
        &mut self,
        please: impl Fn(&Counters) -> bool,
    ) -> Result<Counters, String> {
        let end = Instant::now() + PATIENCE;
        loop {
            let counters = self.counters()?;
            if please(&counters) || Instant::now() > end {
                return Ok(counters);
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Ends it and gives all it told; the error is how it failed.
    pub(crate) fn quit(self) -> (Told, Result<(), String>) {
        match self {
            Server::Proxy(proxy) => proxy.quit(),
            Server::Kamailio(kamailio) => kamailio.quit(),
        }
    }
}

/// The running C proxy; killed when dropped before [`Proxy::quit`].
pub(crate) struct Proxy {
    address: SocketAddr,
    child: Child,
    input: ChildStdin,
    counters: Receiver<Counters>,
    told: Arc<Mutex<Told>>,
    reader: Option<JoinHandle<()>>,
}

impl Drop for Proxy {
    fn drop(&mut self) {
        // After quit there is nothing to kill any more.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Proxy {
    /// Starts it with these arguments and waits until it listens.
    pub(crate) fn start(program: &Path, arguments: &[&str]) -> Result<Proxy, String> {
        let mut child = Command::new(program)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| format!("cannot start the proxy: {error}"))?;
        let (Some(input), Some(output)) = (child.stdin.take(), child.stdout.take()) else {
            return Err("the proxy has no standard input and output".to_string());
        };
        let (say_address, address) = mpsc::channel();
        let (say_counters, counters) = mpsc::channel();
        let told = Arc::new(Mutex::new(Told::default()));
        let shared = told.clone();
        let reader = std::thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                if understand(&line, &shared, &say_address, &say_counters).is_none() {
                    lock(&shared).strange.push(line);
                }
            }
        });
        let Ok(address) = address.recv_timeout(START_PATIENCE) else {
            let _ = child.kill();
            let _ = child.wait();
            return Err("the proxy does not start".to_string());
        };
        Ok(Proxy { address, child, input, counters, told, reader: Some(reader) })
    }

    fn counters(&mut self) -> Result<Counters, String> {
        self.command("stats")?;
        let counters = self.counters.recv_timeout(PATIENCE);
        counters.map_err(|_| "timeout: the proxy does not report its counters".to_string())
    }

    fn quit(mut self) -> (Told, Result<(), String>) {
        let ended = self.command("quit").and_then(|()| self.wait());
        if ended.is_err() {
            let _ = self.child.kill();
        }
        if let Some(reader) = self.reader.take() {
            let _ = reader.join();
        }
        let told = std::mem::take(&mut *lock(&self.told));
        (told, ended)
    }

    fn wait(&mut self) -> Result<(), String> {
        let end = Instant::now() + PATIENCE;
        loop {
            match self.child.try_wait() {
                Ok(Some(status)) if status.success() => return Ok(()),
                Ok(Some(status)) => return Err(format!("the proxy ended with {status}")),
                Ok(None) if Instant::now() < end => std::thread::sleep(Duration::from_millis(5)),
                Ok(None) => return Err("timeout: the proxy does not end".to_string()),
                Err(error) => return Err(format!("cannot wait for the proxy: {error}")),
            }
        }
    }

    fn command(&mut self, word: &str) -> Result<(), String> {
        let sent = self.input.write_all(format!("{word}\n").as_bytes());
        sent.map_err(|error| format!("the proxy is gone: {error}"))
    }
}

/// Reads one line of the proxy's; `None` when it makes no sense.
fn understand(
    line: &str,
    told: &Mutex<Told>,
    address: &Sender<SocketAddr>,
    counters: &Sender<Counters>,
) -> Option<()> {
    let (word, rest) = line.split_once(' ')?;
    match word {
        "listening" => address.send(rest.parse().ok()?).ok(),
        "stats" => {
            let pairs = rest.split(' ').map(|pair| {
                let (name, value) = pair.split_once('=')?;
                Some((name.to_string(), value.parse().ok()?))
            });
            counters.send(pairs.collect::<Option<Counters>>()?).ok()
        }
        _ => {
            let (number, rest) = rest.split_once(' ')?;
            let number: u32 = number.parse().ok()?;
            let mut told = lock(told);
            if word == "received" {
                let (from, hex) = rest.split_once(' ')?;
                told.records.push(Record {
                    number,
                    from: Some(from.parse().ok()?),
                    received: unhex(hex)?,
                    ..Record::default()
                });
                return Some(());
            }
            if word == "time" {
                let (call, time) = rest.split_once(' ')?;
                let time = time.parse().ok()?;
                told.times.entry(call.to_string()).or_default().push(time);
                return Some(());
            }
            let record = told.records.iter_mut().find(|record| record.number == number)?;
            match word {
                "tested" => record.tested = true,
                "evidence" => record.evidence.push(rest.to_string()),
                "edited" => record.edited = Some(unhex(rest)?),
                "error" => record.errors.push(rest.to_string()),
                _ => return None,
            }
            Some(())
        }
    }
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    text.as_bytes()
        .chunks(2)
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok())
        .collect()
}
