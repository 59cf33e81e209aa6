//! What `make` does beside building the module.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::module;
use crate::scene::with_module;
use crate::server::stock_modules;

fn made(mut make: Command) -> String {
    let made = make.output().expect("make runs");
    let said = [made.stdout, made.stderr].map(|said| String::from_utf8_lossy(&said).into_owned());
    assert!(made.status.success(), "{make:?}: {}", said.concat());
    said.concat()
}

/// All files below a directory, as paths within it.
fn files(below: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut directories = vec![below.to_path_buf()];
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(directory).expect("a directory").flatten() {
            match entry.path() {
                path if path.is_dir() => directories.push(path),
                path => found.push(path.strip_prefix(below).expect("below it").to_path_buf()),
            }
        }
    }
    found
}

#[test]
fn module_is_checked_and_installed() {
    with_module(kit::here!(), |network, directory| {
        // With the module's own server and phones, whose ports are fixed.
        let mut check = module::make(network.server.command("make"));
        check.arg("check");
        let said = made(check);
        assert!(said.lines().any(|line| line == "check: ok"), "{said}");

        let root = directory.join("root");
        let mut install = module::make(Command::new("make"));
        install.arg("install").arg(format!("DESTDIR={}", root.display()));
        made(install);
        let module = stock_modules().join("mediaproxy.so");
        let module = module.strip_prefix("/").expect("an absolute path");
        assert_eq!(files(&root), [module]);
        let installed = root.join(module);
        let built = module::ours().join("mediaproxy.so");
        assert!(fs::read(&installed).expect("it") == fs::read(built).expect("the module"));
        let mode = fs::metadata(&installed).expect("it").permissions().mode();
        assert_eq!(mode & 0o777, 0o644);
    });
}
