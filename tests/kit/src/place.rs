//! Where the repository is, where cargo puts what it builds, and which test
//! this is.

use std::path::{Path, PathBuf};

/// The top of the repository.
pub fn root() -> &'static Path {
    let kit = Path::new(env!("CARGO_MANIFEST_DIR"));
    kit.ancestors().nth(2).expect("the kit is in tests/kit")
}

/// The directory of the profile, as `target/debug`: programs of the package are
/// in it, tests and the libraries are in its `deps`.
pub fn profile_directory() -> PathBuf {
    let this = std::env::current_exe().expect("the path of this program");
    this.ancestors().nth(2).expect("the directory of the profile").to_path_buf()
}

/// A program of the package that cargo built along with this test or bench:
/// `mediaproxyd`, for example.
pub fn program(name: &str) -> PathBuf {
    let path = profile_directory().join(name);
    assert!(path.is_file(), "{} is not built", path.display());
    path
}

/// A directory for files that are kept until the next run.
pub fn target_tmp() -> PathBuf {
    let path = profile_directory().parent().expect("the target directory").join("tmp");
    std::fs::create_dir_all(&path).expect("a directory for temporary files");
    path
}

/// The full name of the test it stands in, as the test harness knows it:
/// `calls::call_is_cancelled`.
#[macro_export]
macro_rules! here {
    () => {{
        fn here() {}
        $crate::here_of(here)
    }};
}

/// The test in whose body the function `here` was written.
pub fn here_of<F>(_here: F) -> &'static str {
    let full = std::any::type_name::<F>();
    let path = full.strip_suffix("::here").expect("the function in here!()");
    let path = path.strip_suffix("::{{closure}}").unwrap_or(path);
    path.split_once("::").expect("a crate and a path in it").1
}
