//! What the README says is so: its C compiles, its paths exist, its commands
//! are those of this tree.

mod runner;

use std::process::Command;

fn readme() -> String {
    std::fs::read_to_string(kit::root().join("README.md")).unwrap()
}

#[test]
fn the_heart_of_the_c_example_compiles() {
    let readme = readme();
    let code = readme.split("```c\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    let program = format!(
        "#include \"mediaproxy.h\"\n#include <stdbool.h>\n\
         size_t heart(mp_worker *worker, mp_message *message, mp_verdict *verdict,\n\
         mp_edits *edits, mp_str raw, mp_address source, mp_address local, bool ends_call);\n\
         size_t heart(mp_worker *worker, mp_message *message, mp_verdict *verdict,\n\
         mp_edits *edits, mp_str raw, mp_address source, mp_address local, bool ends_call)\n\
         {{\nchar out[65536];\nsize_t length = 0;\n{code}return length;\n}}\n"
    );
    let directory = kit::target_tmp();
    let file = directory.join("readme.c");
    std::fs::write(&file, program).unwrap();
    let status = Command::new("cc")
        .args(["-std=c99", "-pedantic", "-Wall", "-Wextra", "-Werror", "-fsyntax-only", "-I"])
        .arg(kit::root().join("include"))
        .arg(&file)
        .status()
        .unwrap();
    assert!(status.success());
}

#[test]
fn every_path_it_names_exists() {
    let readme = readme();
    let mut seen = 0;
    for (at, word) in readme.split('`').enumerate() {
        let is_path = ["src/", "c-tests/", "examples/", "include/", "tests/", "benches/"]
            .iter()
            .any(|start| word.starts_with(start));
        if at % 2 == 1 && is_path && !word.contains(char::is_whitespace) {
            assert!(kit::root().join(word).exists(), "{word}");
            seen += 1;
        }
    }
    assert!(seen > 10, "{seen} paths");
}

#[test]
fn the_rust_it_asks_for_is_the_declared_one() {
    let manifest = std::fs::read_to_string(kit::root().join("Cargo.toml")).unwrap();
    let version = manifest.split("rust-version = \"").nth(1).unwrap().split('"').next().unwrap();
    assert!(readme().contains(&format!("Rust {version} or newer")));
}
