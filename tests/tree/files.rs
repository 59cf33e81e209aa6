//! The files of the tree, as the tests of this program read them.

use std::fs;
use std::path::{Path, PathBuf};

/// A file with its path from the root of the tree.
pub(crate) struct File {
    pub(crate) path: String,
    pub(crate) text: String,
}

impl File {
    /// The text without unit tests: they stand at the end of a file, in it or as
    /// a module of their own.
    pub(crate) fn without_tests(&self) -> &str {
        let end = self.text.find("#[cfg(test)]\nmod tests").unwrap_or(self.text.len());
        self.text.get(..end).unwrap_or_default()
    }

    /// True for a file that holds nothing but unit tests.
    pub(crate) fn is_test(&self) -> bool {
        let name = self.path.rsplit('/').next().unwrap_or_default();
        name == "tests.rs" || name.starts_with("test_")
    }
}

/// All files below `folder` (or the file itself) with one of these extensions.
pub(crate) fn all(folder: &str, extensions: &[&str]) -> Vec<File> {
    let mut paths = Vec::new();
    collect(&kit::root().join(folder), &mut paths);
    paths.retain(|path| {
        let extension = path.extension().and_then(|extension| extension.to_str());
        extension.is_some_and(|extension| extensions.contains(&extension))
    });
    paths.sort();
    let read = |path: PathBuf| File {
        path: path.strip_prefix(kit::root()).unwrap().to_str().unwrap().to_string(),
        text: fs::read_to_string(&path).unwrap(),
    };
    paths.into_iter().map(read).collect()
}

/// The Rust files of `src/`, without files of unit tests.
pub(crate) fn sources() -> Vec<File> {
    let mut files = all("src", &["rs"]);
    files.retain(|file| !file.is_test());
    assert!(files.len() > 50, "{} files", files.len());
    files
}

fn collect(path: &Path, paths: &mut Vec<PathBuf>) {
    if path.is_file() {
        return paths.push(path.to_path_buf());
    }
    for entry in fs::read_dir(path).unwrap_or_else(|error| panic!("{}: {error}", path.display())) {
        let path = entry.unwrap().path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if !name.starts_with('.') && name != "target" {
            collect(&path, paths);
        }
    }
}
