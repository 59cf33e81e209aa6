//! The README agrees with the tree: its C example compiles, its Rust version is
//! the declared one, its commands are those of continuous integration.

mod runner;

use std::process::Command;

fn readme() -> String {
    std::fs::read_to_string(kit::root().join("README.md")).unwrap()
}

#[test]
fn readme_c_example_compiles() {
    let readme = readme();
    let code = readme.split("```c\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    let program = format!(
        "#include \"mediaproxy.h\"\n#include <stdbool.h>\n\
         size_t example(mp_worker *worker, mp_message *message, mp_verdict *verdict,\n\
         mp_edits *edits, mp_str raw, mp_address source, mp_address local);\n\
         size_t example(mp_worker *worker, mp_message *message, mp_verdict *verdict,\n\
         mp_edits *edits, mp_str raw, mp_address source, mp_address local)\n\
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
fn readme_names_declared_rust_version() {
    let manifest = std::fs::read_to_string(kit::root().join("Cargo.toml")).unwrap();
    let version = manifest.split("rust-version = \"").nth(1).unwrap().split('"').next().unwrap();
    assert!(readme().contains(&format!("Rust {version} or newer")));
}
