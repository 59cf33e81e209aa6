//! The C peers: compiled into shared objects, loaded into this process.

use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::message::{Sample, Seen};
use crate::peer::{Job, Peer};

/// `peer_headers` and `peer_description` of `peer.h`.
type Read = unsafe extern "C" fn(*const c_char, usize, *mut Seen) -> c_int;

/// A C peer. It stays loaded until the process ends.
pub(crate) struct Library {
    headers: Read,
    description: Read,
}

impl Library {
    /// Loads what `compile` made of `source`.
    pub(crate) fn load(source: &str) -> Result<Library, String> {
        let path = CString::new(object(source).as_os_str().as_bytes()).unwrap();
        // SAFETY: the path ends with a NUL; what the objects run when they are
        // loaded is the C library's usual start.
        let handle = unsafe { libc::dlopen(path.as_ptr(), libc::RTLD_NOW | libc::RTLD_LOCAL) };
        if handle.is_null() {
            // SAFETY: after a failed dlopen it returns a text that ends with
            // a NUL and lives until the next call.
            let why = unsafe { CStr::from_ptr(libc::dlerror()) };
            return Err(why.to_string_lossy().into_owned());
        }
        let (start, headers, description) = (
            symbol(handle, c"peer_start")?,
            symbol(handle, c"peer_headers")?,
            symbol(handle, c"peer_description")?,
        );
        // SAFETY: these are the functions that `peer.h` declares, which the
        // sources include.
        let (start, headers, description) = unsafe {
            (
                std::mem::transmute::<*mut c_void, unsafe extern "C" fn() -> c_int>(start),
                std::mem::transmute::<*mut c_void, Read>(headers),
                std::mem::transmute::<*mut c_void, Read>(description),
            )
        };
        // SAFETY: called once, before the others.
        match unsafe { start() } {
            0 => Ok(Library { headers, description }),
            status => Err(format!("peer_start: {status}")),
        }
    }

    fn once(&self, job: Job, sample: &Sample) -> Option<Seen> {
        let (read, text) = match job {
            Job::Headers => (self.headers, sample.raw),
            Job::Description | Job::Both => (self.description, sample.description()?),
        };
        let mut seen = Seen::default();
        // SAFETY: the text is alive, a NUL follows a description, and `seen`
        // has the layout of `struct seen`.
        let failed = unsafe { read(text.as_ptr().cast(), text.len(), &mut seen) };
        (failed == 0).then_some(seen)
    }
}

impl Peer for Library {
    fn check(&mut self, job: Job, sample: &Sample) -> Result<Option<String>, String> {
        let expected = match job {
            Job::Headers => sample.expected.headers(),
            Job::Description | Job::Both => sample.expected.description(),
        };
        let seen = self.once(job, sample).ok_or("an error that says nothing")?;
        Ok(seen.unlike(expected))
    }

    fn run(&mut self, job: Job, sample: &Sample, times: usize) {
        for _ in 0..times {
            assert!(self.once(job, sample).is_some());
        }
    }
}

fn symbol(handle: *mut c_void, name: &CStr) -> Result<*mut c_void, String> {
    // SAFETY: the handle came from dlopen, the name ends with a NUL.
    let found = unsafe { libc::dlsym(handle, name.as_ptr()) };
    match found.is_null() {
        true => Err(format!("{} is not there", name.to_string_lossy())),
        false => Ok(found),
    }
}

fn object(source: &str) -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("peer-{source}.so"))
}

/// Makes a shared object of `source` with `$CC`, else `cc`; the error says
/// which Debian package may be missing.
pub(crate) fn compile(source: &str, link: &str, package: &str) -> Result<(), String> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/peers");
    let compiler = std::env::var("CC").unwrap_or_else(|_| "cc".to_string());
    let output = Command::new(&compiler)
        .args(["-std=gnu99", "-O2", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC"])
        // Where Debian has sofia-sip's headers.
        .args(["-isystem", "/usr/include/sofia-sip-1.12"])
        .arg(directory.join(source))
        .args([link, "-o"])
        .arg(object(source))
        .output()
        .map_err(|error| format!("cannot run the C compiler {compiler}: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let why = said.lines().find(|line| line.contains("error")).unwrap_or("the compiler failed");
    Err(format!("{why}\n  is {package} there? apt-get install {package}"))
}
