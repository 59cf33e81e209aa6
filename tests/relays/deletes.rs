//! Deletes whose answers nobody waits for, in servers without a keeper.

use std::thread::sleep;
use std::time::Duration;

use mediaproxy::Worker;
use mediaproxy::internals::shared::Counter;
use mediaproxy::internals::shared::deletes::{CLAIM_FOR, Delete, Push};
use mediaproxy::now;

use super::calls::rewrite;
use kit::call::invite;
use kit::engine;
use kit::relay::Relay;

fn deletes_sent_to(relay: &Relay) -> usize {
    relay.requests().iter().filter(|request| request.starts_with("remove")).count()
}

#[test]
fn queued_delete_is_done_when_its_answer_is_read_after_another_process_took_it() {
    let relay = Relay::answering();
    let engine = engine(&[("relay", &relay.uri())]);
    let workers = [(); 2].map(|()| Worker::new(engine.clone()).unwrap());
    let [mut first, mut second] = workers;
    let delete = Delete {
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
    assert_eq!(deletes_sent_to(&relay), 2, "the first process might have died");
    rewrite(&mut first, "3@x", invite()).unwrap();
    assert_eq!(engine.deletes().len(), 0, "it was answered");
    rewrite(&mut second, "4@x", invite()).unwrap();
    assert_eq!(engine.counters().get(Counter::DeletesFlushed), 1);
    assert_eq!(deletes_sent_to(&relay), 2);
}
