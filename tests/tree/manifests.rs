//! The manifests of the workspace.

use crate::files;

#[test]
fn rust_version_is_declared_once_for_all_crates() {
    let mut manifests = files::all(".", &["toml"]);
    manifests.retain(|file| {
        file.path.ends_with("Cargo.toml") && !file.path.contains("fuzz/") && !file.text.is_empty()
    });
    let version = |text: &str| {
        let line = text.lines().find(|line| line.starts_with("rust-version"));
        line.map(str::to_string)
    };
    let of_root = manifests.iter().find(|file| file.path == "Cargo.toml");
    let of_root = of_root.and_then(|file| version(&file.text)).expect("a rust-version");
    for file in manifests {
        let declared = version(&file.text).unwrap_or_default();
        let same = declared == of_root || declared == "rust-version.workspace = true";
        assert!(same, "{}: \"{declared}\" instead of {of_root}", file.path);
    }
}
