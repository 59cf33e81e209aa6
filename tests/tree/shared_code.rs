//! Test programs share code through the kit alone, and every test that may be
//! skipped is one that exists.

use crate::files;

#[test]
fn test_code_is_shared_through_the_kit_alone() {
    // Spelled in two parts: this file is searched too.
    let marks = [["#[pa", "th = "], ["allow(dead", "_code"]].map(|parts| parts.concat());
    for folder in ["tests", "benches", "fuzz", "examples"] {
        for file in files::all(folder, &["rs"]) {
            for mark in &marks {
                assert!(!file.text.contains(mark), "{}: {mark}", file.path);
            }
        }
    }
}

/// `calls::hold` is the function `hold` in a file `calls.rs` of a test program;
/// a name without `::` is a step of `c-tests/run`.
#[test]
fn allowed_skips_name_tests_that_exist() {
    let tests = files::all("tests", &["rs"]);
    let run = std::fs::read_to_string(kit::root().join("c-tests/run")).unwrap();
    let list = &files::all("c-tests/allowed-skips.txt", &["txt"])[0].text;
    for line in list.lines().filter(|line| !line.starts_with('#')) {
        let (name, _reason) = line.split_once('\t').expect("a name, a tab and a reason");
        let exists = match name.rsplit_once("::") {
            Some((module, function)) => {
                let end = format!("/{}.rs", module.replace("::", "/"));
                let start = format!("fn {function}(");
                tests.iter().any(|file| file.path.ends_with(&end) && file.text.contains(&start))
            }
            None => run.contains(&format!("skip {name} ")),
        };
        assert!(exists, "c-tests/allowed-skips.txt: no test {name}");
    }
}
