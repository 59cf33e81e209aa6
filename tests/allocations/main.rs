//! What the library asks of the allocator: nothing for a message that is
//! judged or whose Contact is fixed, once the buffers have grown; little for a
//! rewrite.

mod c_interface;
mod counting;
mod rewrite;
mod traffic;

use counting::allocations;
use mediaproxy::Edits;
use mediaproxy::Worker;
use mediaproxy::nat::{Tests, Verdict};
use mediaproxy::sip::Message;
use traffic::{Heard, Lists};

/// After this many rounds every buffer has its size.
const WARM_UP: usize = 3;

/// The buffers a server keeps.
struct Server {
    worker: Worker,
    verdict: Verdict,
    edits: Edits,
    text: Vec<u8>,
    out: Vec<u8>,
}

impl Server {
    fn new(settings: &[(&str, &str)]) -> Server {
        Server {
            worker: kit::worker(settings),
            verdict: Verdict::new(),
            edits: Edits::new(),
            text: Vec::new(),
            out: Vec::new(),
        }
    }

    /// Judges a message, explains, fixes its Contact and applies that.
    fn serve(&mut self, heard: &Heard, tests: Tests, first_only: bool) {
        let message = Message::parse(&heard.raw, heard.source).unwrap();
        let judged = self.worker.nat_test(&message, tests, first_only, &mut self.verdict);
        assert!(judged.is_ok() || !heard.readable, "{}", heard.name);
        self.text.clear();
        for evidence in self.verdict.evidence() {
            self.verdict.explain(evidence, &mut self.text);
        }
        self.edits.reset();
        let fixed = self.worker.fix_contact(&message, &mut self.edits);
        assert_eq!(fixed.is_ok(), heard.readable, "{}", heard.name);
        self.worker.fix_contact(&message, &mut self.edits).ok();
        self.edits.apply(&message, &mut self.out).unwrap();
        assert_eq!(self.edits.is_empty(), !heard.fixed, "{}", heard.name);
    }

    /// Each message alone, then all of them in turn.
    fn none_for(&mut self, messages: &[Heard], tests: Tests) {
        for first_only in [true, false] {
            for heard in messages {
                for _ in 0..WARM_UP {
                    self.serve(heard, tests, first_only);
                }
                let count = allocations(|| self.serve(heard, tests, first_only));
                assert_eq!(count, 0, "{} (first match only: {first_only})", heard.name);
            }
        }
        let count = allocations(|| messages.iter().for_each(|m| self.serve(m, tests, false)));
        assert_eq!(count, 0, "in turn");
    }
}

#[test]
fn counter_counts() {
    assert_eq!(allocations(|| drop(std::hint::black_box(Box::new(1)))), 1);
    let mut text = Vec::with_capacity(1);
    assert_eq!(allocations(|| text.extend_from_slice(b"grows")), 1);
    assert_eq!(allocations(|| text.clear()), 0);
}

#[test]
fn no_allocation_for_a_message_that_is_tested_and_fixed() {
    Server::new(&[]).none_for(&traffic::messages(), Tests::ALL);
}

#[test]
fn no_allocation_where_the_client_lists_are_searched() {
    let lists = Lists::new();
    let mut server = Server::new(&lists.settings());
    server.none_for(&traffic::messages(), Tests::ALL);
    server.none_for(&traffic::of_listed_clients(), Tests::ALL);
}

/// More User-Agents than a worker caches: each round searches the lists again.
#[test]
fn no_allocation_for_user_agents_that_were_evicted() {
    let lists = Lists::new();
    let mut server = Server::new(&lists.settings());
    let messages = traffic::of_many_clients(1000);
    let mut round = || messages.iter().for_each(|m| server.serve(m, Tests::ALL, false));
    for _ in 0..WARM_UP {
        round();
    }
    assert_eq!(allocations(round), 0);
}

#[test]
fn no_allocation_where_a_source_is_local_or_another_network_private() {
    let settings = [("local_networks", "203.0.113.0/24"), ("private_networks", "rfc1918,ula")];
    Server::new(&settings).none_for(&traffic::messages(), Tests::ALL);
}
