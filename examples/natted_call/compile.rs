//! Compiles `examples/proxy.c` against the library that was built with this
//! example, as a C developer would.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::SystemTime;

/// What the proxy is made of.
const FILES: [&str; 3] = ["examples/proxy.c", "examples/proxy_sip.c", "examples/support/sip.c"];

/// The compiled proxy; deleted with this value.
pub(crate) struct Program {
    /// Where it is.
    pub(crate) path: PathBuf,
    /// The command that made it.
    pub(crate) command: String,
    directory: PathBuf,
}

impl Drop for Program {
    fn drop(&mut self) {
        // What cannot be removed is left in the temporary directory.
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}

/// Compiles it with `$CC`, else `cc`.
pub(crate) fn proxy() -> Result<Program, String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let library = library()?;
    let directory = std::env::temp_dir().join(format!("natted_call-{}", std::process::id()));
    std::fs::create_dir_all(&directory)
        .map_err(|error| format!("cannot make {}: {error}", directory.display()))?;
    let path = directory.join("proxy");
    let mut program = Program { path, command: String::new(), directory };
    let compiler = std::env::var("CC").unwrap_or_else(|_| "cc".to_string());
    let mut command = Command::new(&compiler);
    command
        .args(["-std=c99", "-O2", "-Wall", "-Wextra", "-Werror", "-I"])
        .arg(root.join("include"))
        .args(FILES.map(|file| root.join(file)))
        .arg(&library)
        // What the Rust standard library needs of the system.
        .args(["-lgcc_s", "-lutil", "-lrt", "-lpthread", "-lm", "-ldl", "-o"])
        .arg(&program.path);
    let line = format!("{command:?}").replace('"', "");
    let output = command
        .output()
        .map_err(|error| format!("cannot run the C compiler {compiler}: {error}"))?;
    if !output.status.success() {
        let text = String::from_utf8_lossy(&output.stderr);
        return Err(format!("{line}\n{text}the C compiler failed"));
    }
    program.command = line;
    Ok(program)
}

/// The newest static library beside this example: Cargo puts it into the
/// profile's directory or its `deps`, as it was asked to build it.
pub(crate) fn library() -> Result<PathBuf, String> {
    let example = std::env::current_exe().map_err(|error| format!("current_exe: {error}"))?;
    let profile = example.parent().and_then(Path::parent).unwrap_or(Path::new("."));
    [profile.to_path_buf(), profile.join("deps")]
        .iter()
        .filter_map(|directory| std::fs::read_dir(directory).ok())
        .flatten()
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| {
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            name.starts_with("libmediaproxy") && name.ends_with(".a")
        })
        .max_by_key(|path| {
            path.metadata().and_then(|data| data.modified()).unwrap_or(SystemTime::UNIX_EPOCH)
        })
        .ok_or_else(|| format!("libmediaproxy.a is not in {}", profile.display()))
}
