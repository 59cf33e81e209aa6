//! Forked children for tests of shared memory.

/// Runs `body` with its number in each of `count` forked children at the same
/// time, and waits for all. A child that panics fails the test.
pub(super) fn children(count: usize, body: impl Fn(usize)) {
    let pids: Vec<_> = (0..count)
        .map(|number| {
            // SAFETY: the child runs `body` on its own memory and on shared
            // atomics, and exits without running its parent's destructors.
            let child = unsafe { libc::fork() };
            if child == 0 {
                let done = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| body(number)));
                // SAFETY: leaves without running anything else.
                unsafe { libc::_exit(i32::from(done.is_err())) };
            }
            child
        })
        .collect();
    for child in pids {
        let mut status = 0;
        // SAFETY: waits for our own child.
        unsafe { libc::waitpid(child, &mut status, 0) };
        assert_eq!(status, 0, "a child failed");
    }
}
