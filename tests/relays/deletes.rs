//! Deletes whose answers nobody waits for, in servers without a keeper.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::sleep;
use std::time::Duration;

use mediaproxy::Worker;
use mediaproxy::internals::relay::Protocol;
use mediaproxy::internals::shared::Counter;
use mediaproxy::internals::shared::deletes::{CLAIM_FOR, Delete, Push, Scope};
use mediaproxy::now;

use super::calls::{end, failure, rewrite};
use kit::call::{Step, alice_sdp, invite};
use kit::relay::{Relay, Reply, usual_reply};
use kit::{engine, worker};

fn deletes_sent_to(relay: &Relay) -> usize {
    relay.requests().iter().filter(|request| request.starts_with("remove")).count()
}

#[test]
fn delete_without_answer_is_dropped_when_its_call_was_offered_again() {
    let count = AtomicUsize::new(0);
    let relay = Relay::scripted(move |request| match count.fetch_add(1, Ordering::SeqCst) {
        // The delete is read and not answered; the connection breaks when the
        // next offer comes over it.
        1 => Reply::Silence,
        2 => Reply::Close,
        _ => usual_reply(Protocol::MediaProxy2, request),
    });
    let mut worker = worker(&[("relay", &relay.uri())]);
    rewrite(&mut worker, "1@x", invite()).unwrap();
    end(&mut worker, "1@x", failure());
    // Another try in the same leg.
    let again = Step::request("INVITE", 2, "a", "").sdp(alice_sdp());
    rewrite(&mut worker, "1@x", again).unwrap();
    for call in ["2@x", "3@x"] {
        rewrite(&mut worker, call, invite()).unwrap();
    }
    assert_eq!(deletes_sent_to(&relay), 1, "a second one would end the new call");
    let counters = worker.engine().counters();
    assert_eq!(counters.get(Counter::DeletesQueued), 0);
    assert_eq!(counters.get(Counter::DeletesCancelled), 1);
}

#[test]
fn queued_delete_is_done_when_its_answer_is_read_after_another_process_took_it() {
    let relay = Relay::answering();
    let engine = engine(&[("relay", &relay.uri())]);
    let workers = [(); 2].map(|()| Worker::new(engine.clone()).unwrap());
    let [mut first, mut second] = workers;
    let delete = Delete {
        scope: Scope::Session,
        cseq: None,
        branch: 0,
        relay: engine.calls().identity(&relay.uri()),
        call_id: b"0@x".to_vec(),
        from_tag: b"a".to_vec(),
        to_tag: b"b".to_vec(),
    };
    let key = engine.calls().key(b"0@x", b"a", b"b");
    assert_eq!(engine.deletes().push(key, &delete, now()), Push::Queued);
    rewrite(&mut first, "1@x", invite()).unwrap();
    relay.wait_for(2);
    sleep(Duration::from_millis(CLAIM_FOR + 50));
    rewrite(&mut second, "2@x", invite()).unwrap();
    relay.wait_for(4);
    assert_eq!(deletes_sent_to(&relay), 2, "the first process might have died");
    rewrite(&mut first, "3@x", invite()).unwrap();
    assert_eq!(engine.deletes().len(), 0, "it was answered");
    rewrite(&mut second, "4@x", invite()).unwrap();
    assert_eq!(engine.counters().get(Counter::DeletesFlushed), 1);
    assert_eq!(deletes_sent_to(&relay), 2);
}
