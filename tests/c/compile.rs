//! Builds C programs against the library that cargo has just made, as C99 and
//! as C++11, against the static and the shared one, and runs them.

// Each test program uses a part of this.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

/// What a program is read as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Language {
    C99,
    Cxx11,
}

/// Which library it is linked with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Library {
    Static,
    Shared,
    /// The static one, both sides with AddressSanitizer.
    Sanitized,
}

/// All four ways to build a program.
pub(crate) const EVERY_WAY: [(Language, Library); 4] = [
    (Language::C99, Library::Static),
    (Language::C99, Library::Shared),
    (Language::Cxx11, Library::Static),
    (Language::Cxx11, Library::Shared),
];

/// Where cargo puts libmediaproxy.a and .so: beside this test program.
pub(crate) fn library_directory() -> PathBuf {
    let program = std::env::current_exe().expect("the path of this test");
    program.parent().expect("its directory").to_path_buf()
}

/// True when `name` can be run; else a line that says what is skipped.
pub(crate) fn have_tool(name: &str, test: &str) -> bool {
    let there = Command::new(name)
        .arg("--version")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success());
    if !there {
        println!("SKIP {test}: {name} is not installed");
    }
    there
}

fn compiler(language: Language) -> Command {
    let host = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    cc::Build::new()
        .cpp(language == Language::Cxx11)
        .target(&host)
        .host(&host)
        .opt_level(0)
        .debug(true)
        .cargo_metadata(false)
        .cargo_warnings(false)
        .get_compiler()
        .to_command()
}

/// The files of a program: `source`, all beside it when it has a directory of
/// its own (`name/name.c`), each `part.c` whose header `part.h` one of them
/// includes, and all of `bindings/common` where one includes its `mpm.h`.
fn files_of(source: &Path) -> Vec<PathBuf> {
    let source = source.canonicalize().expect("the program's source");
    let directory = source.parent().expect("its directory");
    let mut files = vec![source.clone()];
    if directory.file_name() == source.file_stem() {
        let beside = fs::read_dir(directory).expect("the directory of the program");
        files.extend(beside.map(|entry| entry.expect("an entry").path()));
        files.sort();
        files.dedup();
    }
    let mut at = 0;
    while let Some(file) = files.get(at) {
        let text = fs::read_to_string(file).expect("a file of the program");
        let directory = file.parent().expect("its directory").to_path_buf();
        for line in text.lines() {
            let Some(name) = line.strip_prefix("#include \"").and_then(|l| l.strip_suffix('"'))
            else {
                continue;
            };
            let header = directory.join(name);
            let mut paths = vec![header.with_extension("c")];
            if header.ends_with("bindings/common/mpm.h") {
                let beside = fs::read_dir(header.with_file_name("")).expect("its directory");
                paths.extend(beside.map(|entry| entry.expect("an entry").path()));
                paths.sort();
            }
            paths.push(header);
            for path in paths {
                if let Ok(path) = path.canonicalize()
                    && !files.contains(&path)
                {
                    files.push(path);
                }
            }
        }
        at += 1;
    }
    files.retain(|file| file.extension().is_some_and(|extension| extension == "c"));
    files
}

/// Builds `source` (a path below the root) and its other files with the
/// libraries in `libraries`, in a directory of its own for each `purpose`:
/// tests run side by side.
pub(crate) fn build(
    purpose: &str,
    source: &str,
    (language, library): (Language, Library),
    libraries: &Path,
) -> PathBuf {
    let source = kit::root().join(source);
    let name = source.file_stem().expect("a file name").to_string_lossy();
    let out =
        kit::target_tmp().join(format!("{}-{purpose}-{name}-{language:?}-{library:?}", profile()));
    fs::create_dir_all(&out).expect("a directory for the program");
    let program = out.join(&*name);

    let mut command = compiler(language);
    command
        .args(["-pedantic", "-Wall", "-Wextra", "-Werror", "-I"])
        .arg(kit::root().join("include"));
    match language {
        Language::C99 => command.args(["-std=c99", "-x", "c"]),
        Language::Cxx11 => command.args(["-std=c++11", "-x", "c++"]),
    };
    command.args(files_of(&source)).args(["-x", "none", "-o"]).arg(&program);
    match library {
        Library::Static | Library::Sanitized => {
            if library == Library::Sanitized {
                command.args(["-fsanitize=address", "-fno-omit-frame-pointer"]);
            }
            command.arg(libraries.join("libmediaproxy.a"));
            command.args(["-lgcc_s", "-lutil", "-lrt", "-lpthread", "-lm", "-ldl"]);
        }
        Library::Shared => {
            // Linked and found by its soname, the way it is installed.
            let soname = out.join(concat!("libmediaproxy.so.", env!("CARGO_PKG_VERSION_MAJOR")));
            fs::copy(libraries.join("libmediaproxy.so"), &soname).expect("libmediaproxy.so");
            command.arg(&soname).arg("-lpthread");
            command.arg(format!("-Wl,-rpath,{}", out.display()));
        }
    }
    let made = command.output().expect("the C compiler runs");
    assert!(
        made.status.success(),
        "{name} as {language:?} does not build:\n{}",
        String::from_utf8_lossy(&made.stderr)
    );
    program
}

/// How long a program may take.
pub(crate) const LIMIT: Duration = Duration::from_secs(120);
/// The same under memcheck, which makes a program some thirty times slower: on
/// a machine that is busy with other things, two minutes are then too few.
pub(crate) const MEMCHECK_LIMIT: Duration = Duration::from_secs(900);

/// Runs a program, at most so long; its output goes to files, so that it never
/// waits for a reader.
pub(crate) fn run(command: &mut Command, out: &Path, limit: Duration) -> Output {
    let (stdout, stderr) = (out.join("stdout"), out.join("stderr"));
    let mut child = command
        .stdin(Stdio::null())
        .stdout(fs::File::create(&stdout).expect("a file for its output"))
        .stderr(fs::File::create(&stderr).expect("a file for its errors"))
        .spawn()
        .expect("the program starts");
    let end = Instant::now() + limit;
    let status = loop {
        if let Some(status) = child.try_wait().expect("the program's state") {
            break status;
        }
        if Instant::now() > end {
            child.kill().expect("the program is killed");
            child.wait().expect("the program has gone");
            let said = fs::read_to_string(&stderr).unwrap_or_default();
            panic!("{command:?} did not end within {} s:\n{said}", limit.as_secs());
        }
        std::thread::sleep(Duration::from_millis(5));
    };
    Output {
        status,
        stdout: fs::read(stdout).expect("its output"),
        stderr: fs::read(stderr).expect("its errors"),
    }
}

/// Runs a program that must succeed.
pub(crate) fn must_run(command: &mut Command, out: &Path) -> Output {
    must_run_within(LIMIT, command, out)
}

/// The same with another limit.
pub(crate) fn must_run_within(limit: Duration, command: &mut Command, out: &Path) -> Output {
    let output = run(command, out, limit);
    assert!(
        output.status.success(),
        "{command:?}: {}\n{}{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    output
}

/// The library with the feature test-panic, in a target directory of its own.
pub(crate) fn panicking_library() -> PathBuf {
    let target = kit::target_tmp().join("test-panic");
    let mut cargo = Command::new(env!("CARGO"));
    cargo.arg("build");
    if !cfg!(debug_assertions) {
        cargo.arg("--release");
    }
    build_library(&target, &mut cargo);
    target.join(profile())
}

/// The same with AddressSanitizer in it, which stable compilers have behind a
/// switch. What is precompiled, the standard library, goes without. A debug
/// build, whatever is tested: it sees no less.
pub(crate) fn sanitized_library() -> PathBuf {
    let target = kit::target_tmp().join("sanitized");
    // With a target named, build scripts are left alone.
    let host = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    let mut cargo = Command::new(env!("CARGO"));
    cargo.arg("build").env("RUSTC_BOOTSTRAP", "1").env("RUSTFLAGS", "-Zsanitizer=address");
    build_library(&target, cargo.env_remove("CARGO_ENCODED_RUSTFLAGS").arg("--target").arg(&host));
    target.join(host).join("debug")
}

fn profile() -> &'static str {
    if cfg!(debug_assertions) { "debug" } else { "release" }
}

fn build_library(target: &Path, cargo: &mut Command) {
    cargo
        .current_dir(kit::root())
        .args(["--lib", "--quiet", "--offline", "--features", "test-panic", "--target-dir"])
        .arg(target);
    let made = cargo.output().expect("cargo runs");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
}
