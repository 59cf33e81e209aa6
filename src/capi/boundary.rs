//! The wrapper of every export.
//!
//! `boundary!` checks pointers, catches a panic of the body, poisons the handles
//! of a body that panicked, and stores the text of an error where the caller
//! reads it. `handle!` makes a type one that `boundary!` can take.

use std::any::Any;
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, PanicHookInfo, catch_unwind};
use std::sync::Once;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::error::{Error, Result, Status};

/// Set once a panic may have left a handle half changed.
#[derive(Debug, Default)]
pub(crate) struct Poison(AtomicBool);

impl Poison {
    fn set(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    pub(super) fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// A type behind an opaque pointer of the header.
pub(super) trait Handle {
    fn poison(&self) -> &Poison;
}

/// The receiver of an error's text.
pub(super) trait Report {
    /// # Safety
    /// A pointer is NULL or valid, and nothing borrows what it points to.
    unsafe fn report(self, error: Error);
}

/// For a call without a place for the text: the caller gets the status only.
impl Report for () {
    unsafe fn report(self, _: Error) {}
}

fn null(name: &'static str) -> Error {
    Error::new(Status::Null, format!("{name} is NULL"))
}

fn check<T: Handle>(handle: &T, name: &'static str) -> Result<()> {
    if handle.poison().is_set() {
        let text = format!("an earlier panic poisoned {name}; free it and make a new one");
        return Err(Error::new(Status::Poisoned, text));
    }
    Ok(())
}

/// A handle that the call changes.
pub(super) mod exclusive {
    use super::*;

    /// # Safety
    /// The pointer is NULL or valid, and the caller has no other call on this
    /// handle (the header's thread rule). The reference ends with the call.
    pub(crate) unsafe fn take<'a, T: Handle>(
        pointer: *mut T,
        name: &'static str,
    ) -> Result<&'a mut T> {
        // SAFETY: this function's own contract.
        let handle = unsafe { pointer.as_mut() }.ok_or_else(|| null(name))?;
        check(handle, name)?;
        Ok(handle)
    }

    /// # Safety
    /// The pointer is NULL or valid.
    pub(crate) unsafe fn poison<T: Handle>(pointer: *mut T) {
        // SAFETY: this function's own contract; the body's borrows have ended.
        if let Some(handle) = unsafe { pointer.as_ref() } {
            handle.poison().set();
        }
    }
}

/// A handle that the call reads. It may store what it parsed, as a message does,
/// so a panic poisons it too.
pub(super) mod borrowed {
    use super::*;

    /// # Safety
    /// As [`exclusive::take`].
    pub(crate) unsafe fn take<'a, T: Handle>(
        pointer: *const T,
        name: &'static str,
    ) -> Result<&'a T> {
        // SAFETY: this function's own contract.
        let handle = unsafe { pointer.as_ref() }.ok_or_else(|| null(name))?;
        check(handle, name)?;
        Ok(handle)
    }

    /// # Safety
    /// The pointer is NULL or valid.
    pub(crate) unsafe fn poison<T: Handle>(pointer: *const T) {
        // SAFETY: this function's own contract.
        if let Some(handle) = unsafe { pointer.as_ref() } {
            handle.poison().set();
        }
    }
}

/// A handle that many threads use at once: a panic in one call does not poison it
/// for the others.
pub(super) mod shared {
    use super::*;

    /// # Safety
    /// The pointer is NULL or valid.
    pub(crate) unsafe fn take<'a, T: Handle>(
        pointer: *const T,
        name: &'static str,
    ) -> Result<&'a T> {
        // SAFETY: this function's own contract.
        unsafe { borrowed::take(pointer, name) }
    }

    /// # Safety
    /// None; it has the shape of the others.
    pub(crate) unsafe fn poison<T: Handle>(_: *const T) {}
}

/// A handle that may be NULL.
pub(super) mod optional {
    use super::*;

    /// # Safety
    /// As [`exclusive::take`].
    pub(crate) unsafe fn take<'a, T: Handle>(
        pointer: *const T,
        name: &'static str,
    ) -> Result<Option<&'a T>> {
        if pointer.is_null() {
            return Ok(None);
        }
        // SAFETY: this function's own contract.
        unsafe { borrowed::take(pointer, name) }.map(Some)
    }

    pub(crate) use super::borrowed::poison;
}

/// A plain value that the call reads.
pub(super) mod input {
    use super::*;

    /// # Safety
    /// The pointer is NULL or points to a value.
    pub(crate) unsafe fn take<'a, T: Copy>(pointer: *const T, name: &'static str) -> Result<&'a T> {
        // SAFETY: this function's own contract.
        unsafe { pointer.as_ref() }.ok_or_else(|| null(name))
    }

    /// # Safety
    /// None; it has the shape of the others.
    pub(crate) unsafe fn poison<T>(_: *const T) {}
}

/// A place that the call writes to when it succeeds.
pub(super) mod output {
    use super::*;

    /// A checked pointer to memory of the caller that may be uninitialised.
    pub(crate) struct Place<T>(*mut T);

    impl<T> Place<T> {
        /// Writes without reading what was there.
        pub(crate) fn set(self, value: T) {
            // SAFETY: `take` demands a pointer that is valid for writing.
            unsafe { self.0.write(value) }
        }
    }

    /// # Safety
    /// The pointer is NULL or valid for one write.
    pub(crate) unsafe fn take<T>(pointer: *mut T, name: &'static str) -> Result<Place<T>> {
        if pointer.is_null() { Err(null(name)) } else { Ok(Place(pointer)) }
    }

    /// # Safety
    /// None; it has the shape of the others.
    pub(crate) unsafe fn poison<T>(_: *mut T) {}
}

/// A text that the call reads.
pub(super) mod text {
    use super::*;
    use crate::capi::text::MpStr;

    /// # Safety
    /// The text is empty or points to `len` bytes that stay as they are while
    /// the result is used.
    pub(crate) unsafe fn take<'a>(text: MpStr, name: &'static str) -> Result<&'a [u8]> {
        if text.len == 0 {
            return Ok(&[]);
        }
        if text.ptr.is_null() {
            return Err(null(name));
        }
        if isize::try_from(text.len).is_err() {
            return Err(Error::new(
                Status::Argument,
                format!("the length of {name} is larger than the address space"),
            ));
        }
        // SAFETY: not NULL, not larger than isize::MAX, and this function's
        // own contract.
        Ok(unsafe { std::slice::from_raw_parts(text.ptr.cast(), text.len) })
    }

    /// # Safety
    /// None; it has the shape of the others.
    pub(crate) unsafe fn poison(_: MpStr) {}
}

/// Makes a type with the field `poison` a [`Handle`]. With `last_error` its
/// field `last` keeps the error of the last call that failed, for
/// `boundary!(last_error ...)`.
macro_rules! handle {
    ($type:ident) => {
        impl $crate::capi::boundary::Handle for $type {
            fn poison(&self) -> &$crate::capi::boundary::Poison {
                &self.poison
            }
        }
    };
    ($type:ident last_error) => {
        handle!($type);

        impl $crate::capi::boundary::Report for *mut $type {
            unsafe fn report(self, error: $crate::error::Error) {
                // The error that poisoned the handle is kept.
                // SAFETY: the trait's contract.
                if let Some(handle) = unsafe { self.as_mut() }
                    && error.status() != $crate::error::Status::Poisoned
                {
                    handle.last = Some(error);
                }
            }
        }
    };
}

/// Wraps the body of an export. Each argument is named with the module above
/// that says how it is taken; in the body the name is what `take` returned.
///
/// - `boundary!(report worker; worker: exclusive, out: output => { ... })`:
///   the body is a `Result<Status>`, the whole an [`MpStatus`]; an error's text
///   goes to `worker` (or to an `mp_error **`, or to `()`).
/// - `boundary!(value 0; edits: borrowed => { ... })`: the body is a
///   `Result<T>`; anything wrong gives the value.
/// - `boundary!(last_error worker)`: the text of its last error, also when it is
///   poisoned; empty when there is none.
/// - `boundary!(free worker)`: drops the handle.
///
/// [`MpStatus`]: crate::capi::status::MpStatus
macro_rules! boundary {
    (report $report:expr; $($name:ident: $kind:ident),* => $body:block) => {{
        let outcome = $crate::capi::boundary::guard(|| {
            // SAFETY: the header's contract for this argument.
            $(let $name = unsafe { $crate::capi::boundary::$kind::take($name, stringify!($name)) }?;)*
            $body
        });
        match outcome {
            Ok(status) => $crate::capi::status::MpStatus::from(status),
            Err(error) => {
                if error.status() == $crate::error::Status::Panic {
                    // SAFETY: the header's contract; the body's borrows ended.
                    $(unsafe { $crate::capi::boundary::$kind::poison($name) };)*
                }
                let status = $crate::capi::status::MpStatus::from(error.status());
                // SAFETY: as above.
                unsafe { $crate::capi::boundary::Report::report($report, error) };
                status
            }
        }
    }};
    (value $default:expr; $($name:ident: $kind:ident),* => $body:block) => {{
        let outcome = $crate::capi::boundary::guard(|| {
            // SAFETY: the header's contract for this argument.
            $(let $name = unsafe { $crate::capi::boundary::$kind::take($name, stringify!($name)) }?;)*
            $body
        });
        match outcome {
            Ok(value) => value,
            Err(error) => {
                if error.status() == $crate::error::Status::Panic {
                    // SAFETY: the header's contract; the body's borrows ended.
                    $(unsafe { $crate::capi::boundary::$kind::poison($name) };)*
                }
                $default
            }
        }
    }};
    (last_error $name:ident) => {
        boundary!(value $crate::capi::text::MpStr::EMPTY; => {
            // SAFETY: the header's contract: NULL or valid.
            let last = unsafe { $name.as_ref() }.and_then(|handle| handle.last.as_ref());
            Ok(last.map_or($crate::capi::text::MpStr::EMPTY, |error| {
                $crate::capi::text::MpStr::of(error.text().as_bytes())
            }))
        })
    };
    (free $name:ident) => {{
        if !$name.is_null() {
            // A panic while dropping leaks the rest; the caller gets no status.
            let _ = $crate::capi::boundary::guard(|| {
                // SAFETY: the header's contract: the handle came from its
                // `_new`, is freed once, and nothing uses it any more.
                drop(unsafe { Box::from_raw($name) });
                Ok(())
            });
        }
    }};
}

/// Runs `body`; a panic becomes `Status::Panic` with the panic's text.
pub(super) fn guard<T>(body: impl FnOnce() -> Result<T>) -> Result<T> {
    // The caller poisons the handles that a panic may have left half changed.
    match catch_unwind(AssertUnwindSafe(body)) {
        Ok(result) => result,
        Err(payload) => Err(panicked(payload.as_ref())),
    }
}

#[cold]
fn panicked(payload: &(dyn Any + Send)) -> Error {
    let what = if let Some(text) = payload.downcast_ref::<&'static str>() {
        text
    } else if let Some(text) = payload.downcast_ref::<String>() {
        text.as_str()
    } else {
        "no reason was given"
    };
    let place = LAST_PANIC.get();
    let file = String::from_utf8_lossy(place.file.get(..place.len).unwrap_or_default());
    let text = if file.is_empty() {
        format!("the library panicked: {what}")
    } else {
        format!("the library panicked at {file}:{}: {what}", place.line)
    };
    Error::new(Status::Panic, text)
}

/// Where a panic happened: the end of the file's path and the line. It has no
/// destructor, which would run when the thread ends.
#[derive(Clone, Copy)]
struct PanicPlace {
    file: [u8; 64],
    len: usize,
    line: u32,
}

thread_local! {
    static LAST_PANIC: Cell<PanicPlace> =
        const { Cell::new(PanicPlace { file: [0; 64], len: 0, line: 0 }) };
}

fn store_place(info: &PanicHookInfo<'_>) {
    let mut place = PanicPlace { file: [0; 64], len: 0, line: 0 };
    if let Some(location) = info.location() {
        place.line = location.line();
        let path = location.file().as_bytes();
        let tail = path.get(path.len().saturating_sub(place.file.len())..).unwrap_or(path);
        for (to, from) in place.file.iter_mut().zip(tail) {
            *to = *from;
            place.len += 1;
        }
    }
    // Fails only while the thread ends.
    let _ = LAST_PANIC.try_with(|last| last.set(place));
}

/// Makes panics quiet in a C program: the default hook writes to descriptor 2,
/// which may be any socket in a daemon. The constructors that a C program calls
/// first call this; the Rust interface never does.
pub(super) fn quiet_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // Unit tests of this crate show why they failed.
        let previous = cfg!(test).then(std::panic::take_hook);
        std::panic::set_hook(Box::new(move |info| {
            store_place(info);
            if let Some(previous) = &previous {
                previous(info);
            }
        }));
    });
}
