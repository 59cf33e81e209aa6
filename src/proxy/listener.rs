//! The control socket of a proxy: its path, and when a stale file is replaced.

use std::env;
use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::sys::{process, unix};

/// Identifies the socket file that `bind` made, so that no other is removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Identity {
    device: u64,
    inode: u64,
}

impl Identity {
    fn of(path: &Path) -> Option<Self> {
        let file = fs::symlink_metadata(path).ok()?;
        Some(Identity { device: file.dev(), inode: file.ino() })
    }
}

/// Binds the control socket. A socket file without a listener is
/// replaced; any other file at that path is an error. A missing directory is
/// created for this user only.
pub(super) fn bind(path: &Path) -> Result<(UnixListener, Option<Identity>)> {
    let failed = |what: &str, error: &io::Error| {
        Error::system(format_args!("{what} {}", path.display()), error)
    };
    if let Some(directory) = path.parent().filter(|directory| !directory.as_os_str().is_empty()) {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(directory)
            .map_err(|error| failed("create the directory of", &error))?;
        check_owner(path, directory).map_err(|error| failed("use the directory of", &error))?;
    }
    let listener = match UnixListener::bind(path) {
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
            remove_stale(path).map_err(|error| failed("replace", &error))?;
            UnixListener::bind(path)
        }
        result => result,
    };
    let listener = listener.map_err(|error| failed("listen on", &error))?;
    listener.set_nonblocking(true).map_err(|error| failed("set up", &error))?;
    Ok((listener, Identity::of(path)))
}

/// Others can guess the name of the default directory and create it first when
/// its parent is writable for all users: it must belong to this user.
fn check_owner(path: &Path, directory: &Path) -> io::Result<()> {
    let foreign = path == default_socket() && {
        let file = fs::symlink_metadata(directory)?;
        !file.is_dir() || file.uid() != process::user()
    };
    match foreign {
        true => Err(io::Error::new(
            io::ErrorKind::AlreadyExists,
            "the directory belongs to another user",
        )),
        false => Ok(()),
    }
}

fn remove_stale(path: &Path) -> io::Result<()> {
    if !fs::symlink_metadata(path)?.file_type().is_socket() {
        return Err(io::Error::new(io::ErrorKind::AlreadyExists, "the file is not a socket"));
    }
    if unix::is_listening(path)? {
        return Err(io::Error::new(io::ErrorKind::AddrInUse, "another server listens on it"));
    }
    fs::remove_file(path)
}

/// Removes the socket file if it is still the one that was bound.
pub(super) fn unbind(path: &Path, identity: Option<Identity>) {
    if identity.is_some() && Identity::of(path) == identity {
        // The file may have been removed already.
        let _ = fs::remove_file(path);
    }
}

/// The default control socket of this process's proxy: in a directory of mode
/// 0700 under `$XDG_RUNTIME_DIR`, `/run` (root) or the temporary directory,
/// named after user and process id. [`super::Proxy::bind`] creates it.
pub fn default_socket() -> PathBuf {
    let user = process::user();
    let runtime =
        env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from).filter(|path| path.is_absolute());
    let base = match runtime {
        Some(path) if path.is_dir() => path,
        _ if user == 0 && Path::new("/run").is_dir() => PathBuf::from("/run"),
        _ => env::temp_dir(),
    };
    base.join(format!("mediaproxy-{user}-{}", std::process::id())).join("proxy.sock")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn default_socket_contains_process_id() {
        let path = default_socket();
        assert!(path.is_absolute());
        assert!(path.to_string_lossy().contains(&std::process::id().to_string()));
    }
}
