use std::collections::BTreeSet;
use std::collections::hash_map::RandomState;

use super::*;
use crate::shared::Shared;
use crate::shared::test_children::children;

struct Queue {
    shared: Shared,
    hash: RandomState,
}

impl Queue {
    fn new() -> Self {
        Queue { shared: Shared::new(16).unwrap(), hash: RandomState::new() }
    }

    fn deletes(&self) -> Deletes<'_> {
        self.shared.deletes()
    }

    fn key(&self, call_id: &str) -> CallKey {
        self.shared.calls(&self.hash).key(call_id.as_bytes(), b"", b"")
    }

    fn push(&self, call_id: &str, relay: u32, now: u64) -> Push {
        self.deletes().push(self.key(call_id), &end(call_id, relay), now)
    }

    fn claim(&self, now: u64) -> Option<Claim> {
        self.deletes().claim(&mut 0, now, |_| true)
    }
}

fn end(call_id: &str, relay: u32) -> Delete {
    Delete {
        relay,
        scope: Scope::Session,
        cseq: None,
        branch: 0,
        call_id: call_id.into(),
        from_tag: b"from".to_vec(),
        to_tag: b"t\xff".to_vec(),
    }
}

#[test]
fn scheduled_delete_is_not_claimed_before_its_time() {
    let queue = Queue::new();
    let (deletes, key) = (queue.deletes(), queue.key("a@x"));
    assert_eq!(deletes.push_for(key, &end("a@x", 7), 33_000, 1_000), Push::Queued);
    assert_eq!(deletes.push_for(key, &end("a@x", 7), 34_000, 2_000), Push::Duplicate);
    assert!(!deletes.is_empty());
    assert_eq!(queue.claim(32_999), None);
    assert_eq!(deletes.sweep(32_999), 0);
    assert_eq!(queue.claim(33_000).unwrap().delete, end("a@x", 7));
}

#[test]
fn delete_keeps_its_scope_cseq_and_branch() {
    let queue = Queue::new();
    let delete = |scope, cseq, branch| Delete { scope, cseq, branch, ..end("a@x", 7) };
    let deletes = [
        delete(Scope::Session, None, 0),
        delete(Scope::Session, Some(0), 0),
        delete(Scope::Session, Some((1 << 31) - 1), 0),
        delete(Scope::Dialog, None, 0),
        delete(Scope::Unanswered, Some(7), 0),
        delete(Scope::Branch, None, u32::MAX),
        delete(Scope::Branch, None, 1),
    ];
    for delete in &deletes {
        assert_eq!(queue.deletes().push(queue.key("a@x"), delete, 1_000), Push::Queued);
        assert_eq!(queue.deletes().push(queue.key("a@x"), delete, 1_000), Push::Duplicate);
    }
    let mut cursor = 0;
    let mut read = Vec::new();
    while let Some(claim) = queue.deletes().claim(&mut cursor, 1_000, |relay| relay == 7) {
        assert!(queue.deletes().complete(&claim));
        read.push(claim.delete);
    }
    assert_eq!(read.len(), deletes.len());
    assert!(deletes.iter().all(|delete| read.contains(delete)), "{read:?}");
}

/// A B2BUA may give both its legs one Call-ID: each leg has its own tags.
#[test]
fn new_invite_cancels_the_deletes_of_its_own_session_only() {
    let queue = Queue::new();
    let deletes = queue.deletes();
    let key = |from: &str, to: &str| {
        queue.shared.calls(&queue.hash).key(b"a@x", from.as_bytes(), to.as_bytes())
    };
    let push = |from: &str, to: &str, scope| {
        let delete = Delete {
            scope,
            from_tag: from.as_bytes().to_vec(),
            to_tag: to.as_bytes().to_vec(),
            ..end("a@x", 7)
        };
        assert_eq!(deletes.push(key(from, to), &delete, 1_000), Push::Queued);
    };
    push("caller", "callee", Scope::Session);
    push("callee", "caller", Scope::Session);
    push("caller", "fork", Scope::Dialog);
    push("caller", "branch", Scope::Branch);
    push("other", "phone", Scope::Session);
    push("other", "", Scope::Session);
    assert_eq!(deletes.cancel(key("caller", "")), 2);
    assert_eq!(deletes.len(), 4);
    assert_eq!(deletes.cancel(key("other", "new")), 2);
    assert_eq!(deletes.cancel(key("other", "phone")), 0);
    assert_eq!(deletes.len(), 2, "the deletes of a dialog and a branch are not the session's");
}

#[test]
fn delete_is_claimed_once_and_removed_when_completed() {
    let queue = Queue::new();
    let deletes = queue.deletes();
    assert!(deletes.is_empty());
    assert_eq!(queue.push("a@x", 7, 1_000), Push::Queued);
    assert_eq!(queue.push("a@x", 7, 1_001), Push::Duplicate, "a repeated BYE");
    assert_eq!(queue.push("a@x", 8, 1_001), Push::Queued, "another relay's");
    assert!(!deletes.is_empty());
    assert_eq!(deletes.len(), 2);
    assert_eq!(deletes.len_of(7), 1);
    assert_eq!(deletes.claim(&mut 0, 1_002, |relay| relay == 9), None);
    let claim = deletes.claim(&mut 0, 1_002, |relay| relay == 7).unwrap();
    assert_eq!(claim.delete, end("a@x", 7));
    assert_eq!(claim.queued, 1_000);
    assert_eq!(deletes.claim(&mut 0, 1_002, |relay| relay == 7), None);
    assert!(deletes.is_held(&claim) && deletes.complete(&claim) && !deletes.complete(&claim));
    assert!(deletes.complete(&queue.claim(1_003).unwrap()));
    assert_eq!((deletes.len(), deletes.sweep(1_004)), (0, 0));
    assert!(deletes.is_empty());
}

/// Nothing is searched for before a delete may be due, or for ten seconds.
#[test]
fn queue_is_due_when_a_delete_is() {
    let queue = Queue::new();
    let deletes = queue.deletes();
    assert!(!deletes.is_due(1_000), "it is empty");
    deletes.push_for(queue.key("a@x"), &end("a@x", 7), 6_000, 1_000);
    assert_eq!((queue.claim(1_000), deletes.sweep(1_000)), (None, 0));
    assert!(!deletes.is_due(5_999) && deletes.is_due(6_000));
    deletes.push_for(queue.key("b@x"), &end("b@x", 7), 40_000, 1_000);
    assert!(!deletes.is_due(5_999), "a later one changes nothing");
    queue.push("c@x", 7, 2_000);
    assert!(deletes.is_due(2_000));
    let claim = queue.claim(2_000).unwrap();
    deletes.sweep(2_000);
    assert!(!deletes.is_due(3_999) && deletes.is_due(2_000 + CLAIM_FOR), "its process may die");
    assert!(deletes.release(&claim, 2_500));
    assert!(!deletes.is_due(2_499) && deletes.is_due(2_500));
    assert!(deletes.complete(&queue.claim(2_500).unwrap()));
    assert_eq!(deletes.cancel(queue.key("a@x")), 1);
    deletes.sweep(2_500);
    assert!(!deletes.is_due(2_499 + SWEEP_EVERY) && deletes.is_due(2_500 + SWEEP_EVERY));
    assert!(deletes.complete(&queue.claim(40_000).unwrap()));
    deletes.sweep(40_000);
    assert!(!deletes.is_due(u64::MAX), "it is empty again");
}

/// Two threads queue deletes while another one finds out what is due.
#[test]
fn queue_is_due_after_a_delete_that_was_queued_during_a_sweep() {
    let queue = Queue::new();
    let deletes = queue.deletes();
    for round in 0..200u64 {
        let now = 1_000_000 + round * 20_000;
        std::thread::scope(|scope| {
            for name in ["a", "b"] {
                let queue = &queue;
                scope.spawn(move || queue.push(&format!("{name}{round}@x"), 7, now));
            }
            while deletes.sweep(now) == 0 && deletes.len() < 2 {}
            deletes.sweep(now);
        });
        assert!(deletes.is_due(now), "{round}");
        while let Some(claim) = queue.claim(now) {
            deletes.complete(&claim);
        }
        assert!(deletes.sweep(now) == 0 && !deletes.is_due(now));
    }
}

/// A flood of cancelled calls leaves room for the deletes of today.
#[test]
fn deletes_for_later_use_at_most_half_of_the_queue() {
    let queue = Queue::new();
    let deletes = queue.deletes();
    let key = queue.key("a@x");
    let one = |n: usize| end(&format!("a{n}@x"), 7);
    for n in 0..WINDOW / 2 {
        assert_eq!(deletes.push_for(key, &one(n), 33_000, 1_000), Push::Queued);
    }
    assert_eq!(deletes.push_for(key, &one(WINDOW), 33_000, 1_000), Push::Full);
    assert!(deletes.note_full(1_000) && !deletes.note_full(60_999) && deletes.note_full(61_000));
    for n in WINDOW / 2..WINDOW {
        assert_eq!(deletes.push(key, &one(n), 1_000), Push::Queued);
    }
    assert_eq!(deletes.push(key, &one(WINDOW), 1_000), Push::Full);
}

#[test]
fn released_delete_waits() {
    let queue = Queue::new();
    queue.push("a@x", 7, 1_000);
    let claim = queue.claim(1_000).unwrap();
    assert!(queue.deletes().release(&claim, 2_000));
    assert_eq!(queue.claim(1_999), None);
    assert!(queue.claim(2_000).is_some());
}

#[test]
fn claim_of_a_killed_process_is_taken_over() {
    let queue = Queue::new();
    queue.push("a@x", 7, 1_000);
    let first = queue.claim(1_000).unwrap();
    assert_eq!(queue.claim(1_000 + CLAIM_FOR - 1), None);
    let second = queue.claim(1_000 + CLAIM_FOR).unwrap();
    assert_eq!(second.delete, first.delete);
    assert!(!queue.deletes().is_held(&first));
    assert!(!queue.deletes().complete(&first), "it was only slow");
    assert!(!queue.deletes().release(&first, 0));
    assert!(queue.deletes().complete(&second));
}

#[test]
fn answered_delete_is_completed_whoever_holds_it() {
    let queue = Queue::new();
    let deletes = queue.deletes();
    queue.push("a@x", 7, 1_000);
    let first = queue.claim(1_000).unwrap();
    let second = queue.claim(1_000 + CLAIM_FOR).unwrap();
    assert!(deletes.complete_answered(&first));
    assert!(!deletes.is_held(&second) && !deletes.complete_answered(&second));
    queue.push("a@x", 7, 9_000);
    assert!(!deletes.complete_answered(&first), "a later delete of the same call");
    let third = queue.claim(9_000).unwrap();
    assert_eq!(third.at, first.at);
    assert!(deletes.release(&third, 9_500));
    assert!(deletes.complete_answered(&third));
    queue.push("a@x", 7, 9_600);
    let last = queue.claim(9_600).unwrap();
    deletes.cancel(queue.key("a@x"));
    assert!(!deletes.complete_answered(&last));
}

#[test]
fn cancel_removes_only_deletes_of_its_call() {
    let queue = Queue::new();
    queue.push("a@x", 7, 1_000);
    queue.push("a@x", 8, 1_000);
    queue.push("b@x", 7, 1_000);
    let claim = queue.deletes().claim(&mut 0, 1_000, |relay| relay == 8).unwrap();
    assert_eq!(queue.deletes().cancel(queue.key("a@x")), 2);
    assert!(!queue.deletes().is_held(&claim), "its claimer sees that it must not send");
    assert_eq!(queue.claim(1_000).unwrap().delete.call_id, b"b@x");
    assert_eq!(queue.deletes().cancel(queue.key("c@x")), 0);
}

#[test]
fn push_refuses_too_long_identifiers() {
    let queue = Queue::new();
    for length in [0, 1, 7, 8, 9, MAX_DELETE_BYTES - 6] {
        let call_id = "x".repeat(length);
        assert_eq!(queue.push(&call_id, 7, 1_000), Push::Queued, "{length}");
        let claim = queue.claim(1_000).unwrap();
        assert_eq!(claim.delete, end(&call_id, 7));
        queue.deletes().complete(&claim);
    }
    assert_eq!(queue.push(&"x".repeat(MAX_DELETE_BYTES - 5), 7, 1_000), Push::TooLong);
}

#[test]
fn full_queue_refuses_until_deletes_expire() {
    let queue = Queue::new();
    let deletes = queue.deletes();
    let key = queue.key("a@x");
    let one = |n: usize| end(&format!("a{n}@x"), 7);
    for n in 0..WINDOW {
        assert_eq!(deletes.push(key, &one(n), 1_000), Push::Queued);
    }
    assert_eq!(deletes.push(key, &one(WINDOW), 1_001), Push::Full);
    let late = 1_001 + KEPT_FOR;
    assert_eq!(deletes.push(key, &one(WINDOW), late), Push::Queued);
    assert_eq!(deletes.sweep(late), WINDOW - 1);
    assert_eq!(deletes.len(), 1);
}

#[test]
fn slot_of_a_writer_that_was_killed_is_freed_after_2_s() {
    let queue = Queue::new();
    let deletes = queue.deletes();
    let key = queue.key("a@x");
    let place = Deletes::window(key.call()).next().unwrap();
    assert!(deletes.swap(place, 0, next(0, Kind::Writing, 1_000)));
    assert_eq!(queue.claim(9_000), None, "half a delete is not claimed");
    assert_eq!(deletes.sweep(1_000 + CLAIM_FOR), 0);
    assert_eq!(deletes.sweep(1_001 + CLAIM_FOR), 1);
    assert_eq!(kind(deletes.state(place)), Kind::Free);
}

#[test]
fn delete_with_wrong_checksum_is_dropped() {
    let queue = Queue::new();
    let deletes = queue.deletes();
    queue.push("a@x", 7, 1_000);
    let place = Deletes::window(queue.key("a@x").call()).next().unwrap();
    deletes.store(Deletes::body(place) + BYTES, 0x6161_6161);
    assert_eq!(queue.claim(1_000), None);
    assert_eq!(deletes.len(), 0);
}

/// Two processes queue deletes and two claim them. Those that claim are killed at
/// any time. Every queued delete is claimed whole and at least once.
#[test]
fn deletes_are_not_lost_when_flushing_processes_are_killed() {
    let queue = Queue::new();
    let deletes = queue.deletes();
    let shared = &queue.shared;
    let calls = 600;
    // How often the delete of each call was claimed.
    let seen = crate::shared::Block::new(calls).unwrap();
    let flush = |now: u64| {
        let mut cursor = 0;
        while let Some(claim) = deletes.claim(&mut cursor, now, |_| true) {
            let text = std::str::from_utf8(&claim.delete.call_id).unwrap();
            let number: usize = text.trim_end_matches("@x").parse().unwrap();
            assert_eq!(claim.delete, end(text, 7));
            seen.words()[number].fetch_add(1, Ordering::SeqCst);
            deletes.complete(&claim);
        }
    };
    for round in 0..10u64 {
        let now = 1_000 + round * 10_000;
        let flushing: Vec<_> = (0..2)
            .map(|_| {
                // SAFETY: the child touches shared atomics and its own memory
                // until it is killed.
                let child = unsafe { libc::fork() };
                if child == 0 {
                    loop {
                        flush(now);
                    }
                }
                child
            })
            .collect();
        let first = round as usize * calls / 10;
        children(2, |child| {
            for number in (first..first + calls / 10).filter(|number| number % 2 == child) {
                let id = format!("{number}@x");
                let key = shared.calls(&queue.hash).key(id.as_bytes(), b"", b"");
                assert_eq!(deletes.push(key, &end(&id, 7), now), Push::Queued);
            }
        });
        for child in flushing {
            // SAFETY: kills and reaps our own child.
            unsafe {
                libc::kill(child, libc::SIGKILL);
                libc::waitpid(child, std::ptr::null_mut(), 0);
            }
        }
    }
    flush(1_000_000);
    assert_eq!((deletes.len(), deletes.sweep(1_000_000)), (0, 0));
    assert!(deletes.is_empty());
    let missing: BTreeSet<_> =
        (0..calls).filter(|&n| seen.words()[n].load(Ordering::SeqCst) == 0).collect();
    assert!(missing.is_empty(), "{missing:?}");
}
