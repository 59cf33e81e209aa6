//! Paths that comments and documents name.

use regex::Regex;

use kit::root;

use crate::files;

#[test]
fn paths_named_in_comments_and_documents_exist() {
    let path = Regex::new(
        r"(?:^|[\s`(])((?:src|include|bindings|tests|benches|fuzz|examples|c-tests|docs)/[a-z0-9_/.-]*[a-z0-9_])",
    )
    .unwrap();
    let mut seen = 0;
    let mut missing = Vec::new();
    for folder in ["src", "bindings", "docs", "README.md", "CONTRIBUTING.md", "SECURITY.md"] {
        for file in files::all(folder, &["rs", "c", "h", "md"]) {
            for found in path.captures_iter(&file.text) {
                seen += 1;
                if !root().join(&found[1]).exists() {
                    missing.push(format!("{}: {}", file.path, &found[1]));
                }
            }
        }
    }
    assert!(seen > 30, "{seen} paths");
    assert!(missing.is_empty(), "{}", missing.join("\n"));
}
