//! The C programs under tools that watch memory, and over a corpus of messages.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use kit::corpus::corpus;

use super::{PROGRAMS, build, ways_of};
use crate::compile::{self, EVERY_WAY, LIMIT, Language, Library, MEMCHECK_LIMIT, have_tool};

/// One way to build is enough where all four are not asked for.
const PLAIN: (Language, Library) = EVERY_WAY[0];
const SANITIZED: (Language, Library) = (Language::C99, Library::Sanitized);

fn directory_of(program: &Path) -> &Path {
    program.parent().expect("the program's directory")
}

fn memcheck(program: &Path) -> Command {
    let mut valgrind = Command::new("valgrind");
    valgrind
        .args(["--quiet", "--error-exitcode=9", "--leak-check=full"])
        .args(["--errors-for-leak-kinds=definite,indirect", "--track-fds=yes"])
        .arg(program);
    valgrind
}

/// Runs under memcheck: no bad access, no leak, no lost descriptor.
fn must_be_clean(valgrind: &mut Command, program: &Path) -> String {
    let output = compile::must_run_within(MEMCHECK_LIMIT, valgrind, directory_of(program));
    let said = String::from_utf8_lossy(&output.stderr);
    let open = said.lines().filter(|line| line.contains("== Open ")).count();
    let inherited = said.matches("<inherited from parent>").count();
    assert_eq!(open, inherited, "{} leaves descriptors open:\n{said}", program.display());
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// All four ways with MEDIAPROXY_LONG set, else as C99 with the static library.
#[test]
fn memcheck_finds_nothing() {
    if !have_tool("valgrind", "memcheck_finds_nothing") {
        return;
    }
    let long = std::env::var_os("MEDIAPROXY_LONG").is_some();
    for name in PROGRAMS {
        for way in if long { ways_of(name) } else { vec![PLAIN] } {
            let program = build("memcheck", name, way);
            let mut valgrind = memcheck(&program);
            match name {
                "keeper" => valgrind.args(["notify", "slow"]),
                "new_free_cycles" => valgrind.arg("50"),
                _ => &mut valgrind,
            };
            must_be_clean(&mut valgrind, &program);
        }
    }
}

#[test]
fn memcheck_finds_nothing_over_the_corpus() {
    let name = kit::here!();
    let Some(corpus) = corpus(name).filter(|_| have_tool("valgrind", name)) else { return };
    let program = build("memcheck", "corpus", PLAIN);
    let said = must_be_clean(memcheck(&program).arg(&corpus), &program);
    worked_through(&said, &corpus);
}

#[test]
fn memcheck_finds_what_is_wrong() {
    if !have_tool("valgrind", kit::here!()) {
        return;
    }
    let program = build("memcheck", "beyond", PLAIN);
    let output = compile::run(&mut memcheck(&program), directory_of(&program), MEMCHECK_LIMIT);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(9), "{said}");
    assert!(said.contains("0 bytes after a block"), "{said}");
}

#[test]
fn every_file_of_the_corpus_through_the_c_interface() {
    let Some(corpus) = corpus(kit::here!()) else { return };
    for way in EVERY_WAY {
        let program = build("run", "corpus", way);
        let output = compile::must_run(Command::new(&program).arg(&corpus), directory_of(&program));
        worked_through(&String::from_utf8_lossy(&output.stdout), &corpus);
    }
}

/// The corpus program has seen every file of the corpus that its manifest
/// lists below a line of titles: it says how much it did of each.
fn worked_through(said: &str, corpus: &Path) {
    println!("{}", said.trim());
    let counts: Vec<u32> =
        said.split(|c: char| !c.is_ascii_digit()).filter_map(|word| word.parse().ok()).collect();
    let [files, messages, natted, fixed, rewritten, _refused] = counts[..] else {
        panic!("the corpus program said: {said}");
    };
    let manifest = std::fs::read(corpus.join("MANIFEST.tsv")).expect("the manifest");
    let listed = manifest.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).count() - 1;
    assert!(files as usize >= listed, "{listed} are listed: {said}");
    assert!(files > 1000 && messages > files && natted > files && fixed > files, "{said}");
    assert!(rewritten > 1000, "{said}");
}

/// One build for all programs, of the library that can be made to panic.
fn sanitized(name: &str) -> PathBuf {
    static LIBRARY: OnceLock<PathBuf> = OnceLock::new();
    let library = LIBRARY.get_or_init(compile::sanitized_library);
    compile::build("sanitized", &format!("c-tests/{name}.c"), SANITIZED, library)
}

#[test]
fn address_sanitizer_finds_nothing() {
    for name in PROGRAMS {
        let program = sanitized(name);
        let mut command = Command::new(&program);
        if name == "new_free_cycles" {
            // More would measure how much freed memory the sanitizer keeps.
            command.arg("50");
        }
        if name == "keeper" {
            // Its children give up root; the kernel then lets no leak checker
            // look into them. memcheck counts their leaks.
            command.env("ASAN_OPTIONS", "detect_leaks=0");
        }
        compile::must_run(&mut command, directory_of(&program));
    }
}

#[test]
fn address_sanitizer_finds_nothing_over_the_corpus() {
    let Some(corpus) = corpus(kit::here!()) else { return };
    let program = sanitized("corpus");
    let output = compile::must_run(Command::new(&program).arg(&corpus), directory_of(&program));
    worked_through(&String::from_utf8_lossy(&output.stdout), &corpus);
}

#[test]
fn address_sanitizer_finds_what_is_wrong() {
    let program = sanitized("beyond");
    let output = compile::run(&mut Command::new(&program), directory_of(&program), LIMIT);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && said.contains("heap-buffer-overflow"), "{said}");
    assert!(said.contains("mediaproxy"), "found in the library itself: {said}");
}
