//! Instructions, counted by callgrind: this program runs itself under it with
//! N and with N + 500 repetitions, and the difference is 500 repetitions. All
//! that is done once falls out.

use std::path::Path;
use std::process::{Command, Stdio};

/// The argument that makes this program do one job and nothing else.
pub(crate) const HIDDEN: &str = "--only";

const FEW: usize = 100;
const MORE: usize = 500;

/// True when valgrind can be run.
pub(crate) fn is_there() -> bool {
    let mut valgrind = Command::new("valgrind");
    valgrind.arg("--version").stdout(Stdio::null()).stderr(Stdio::null());
    valgrind.status().is_ok_and(|status| status.success())
}

/// The instructions of one repetition of what `arguments` name.
pub(crate) fn count(arguments: &[String]) -> Result<u64, String> {
    let few = total(arguments, FEW)?;
    let more = total(arguments, FEW + MORE)?;
    let difference = more.checked_sub(few).ok_or("more repetitions took fewer instructions")?;
    Ok(difference / u64::try_from(MORE).unwrap())
}

fn total(arguments: &[String], times: usize) -> Result<u64, String> {
    let file = format!("peers-{}.callgrind", std::process::id());
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join(file);
    let program = std::env::current_exe().map_err(|error| error.to_string())?;
    let output = Command::new("valgrind")
        .arg("--tool=callgrind")
        .arg(format!("--callgrind-out-file={}", file.display()))
        .arg(program)
        .arg(HIDDEN)
        .args(arguments)
        .arg(times.to_string())
        .output()
        .map_err(|error| format!("valgrind: {error}"))?;
    let profile = std::fs::read_to_string(&file).unwrap_or_default();
    // What cannot be removed is left in the target directory.
    let _ = std::fs::remove_file(&file);
    profile
        .lines()
        .find_map(|line| line.strip_prefix("totals: "))
        .filter(|_| output.status.success())
        .and_then(|total| total.trim().parse().ok())
        .ok_or_else(|| String::from_utf8_lossy(&output.stderr).into_owned())
}
