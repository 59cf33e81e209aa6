//! Forked children, as SIP servers have them.

/// Runs `body` in `count` children at once, with their number, and waits for
/// all. A child that panics fails the test.
pub fn children(count: usize, body: impl Fn(usize)) {
    let running: Vec<_> = (0..count).map(|number| child(|| body(number))).collect();
    for child in running {
        assert_eq!(wait(child), 0, "a child failed");
    }
}

/// Runs `body` in one child.
pub fn child(body: impl FnOnce()) -> libc::pid_t {
    // SAFETY: the child runs `body` and ends at once, without unwinding into
    // the test harness; glibc keeps its allocator usable there.
    let pid = unsafe { libc::fork() };
    assert!(pid >= 0);
    if pid == 0 {
        let done = std::panic::catch_unwind(std::panic::AssertUnwindSafe(body));
        // SAFETY: ends the process without running the harness's handlers.
        unsafe { libc::_exit(i32::from(done.is_err())) };
    }
    pid
}

/// Waits for a child; its status.
pub fn wait(child: libc::pid_t) -> libc::c_int {
    let mut status = -1;
    // SAFETY: `status` lives through the call; `child` is ours.
    assert_eq!(unsafe { libc::waitpid(child, &mut status, 0) }, child);
    status
}

/// Stops a child: a signal takes its time, this returns when it stands.
pub fn freeze(child: libc::pid_t) {
    // SAFETY: a null pointer for no status; `child` is ours and not waited for.
    let stopped = unsafe {
        libc::kill(child, libc::SIGSTOP);
        libc::waitpid(child, std::ptr::null_mut(), libc::WUNTRACED)
    };
    assert_eq!(stopped, child, "the child stops");
}

/// In a child of root: becomes a user who may not do more than others.
pub fn give_up_rights() {
    const NOBODY: libc::uid_t = 65_534;
    // SAFETY: no pointers are followed: the list is empty.
    let ordinary = unsafe {
        libc::geteuid() != 0
            || (libc::setgroups(0, std::ptr::null()) == 0
                && libc::setgid(NOBODY) == 0
                && libc::setuid(NOBODY) == 0)
    };
    assert!(ordinary, "root cannot become nobody");
}
