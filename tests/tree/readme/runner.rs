//! `c-tests/run` itself, with stand-ins for cargo, clang, dpkg-query and apt-get.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Command, Output};

/// A directory with stand-ins, put before all others in PATH.
struct Stage(PathBuf);

impl Stage {
    /// `installed`: the packages dpkg-query finds. `cargo`: the output of its
    /// tests.
    fn new(name: &str, installed: &str, cargo: &str) -> Stage {
        // A colon would split the directory in PATH, and the real cargo would run.
        let name = format!("run-{name}").replace(':', ".");
        let directory = kit::target_tmp().join(name);
        let _ = std::fs::remove_dir_all(&directory);
        std::fs::create_dir_all(&directory).unwrap();
        let here = directory.display();
        let installing = format!("echo \"$@\" >>{here}/calls\n");
        for (program, script) in [
            (
                "dpkg-query",
                format!(
                    "for last; do :; done\ncase \" {installed} \" in *\" $last \"*) echo install ok installed ;; *) exit 1 ;; esac\n"
                ),
            ),
            ("apt-get", installing),
            ("sudo", "exec \"$@\"\n".to_string()),
            ("clang", String::new()),
            (
                "cargo",
                format!(
                    "case $1 in test) cat <<'END'\n{cargo}\nEND\n;; esac\ncase $1 in test) ! grep -q FAILED {here}/cargo.output ;; esac\n"
                ),
            ),
        ] {
            let path = directory.join(program);
            std::fs::write(&path, format!("#!/bin/sh\n{script}")).unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        }
        std::fs::write(directory.join("cargo.output"), cargo).unwrap();
        Stage(directory)
    }

    fn run(&self, arguments: &[&str], ci: &str) -> (Output, String) {
        let path = std::env::var("PATH").unwrap();
        let output = Command::new(kit::root().join("c-tests/run"))
            .args(arguments)
            .env("PATH", format!("{}:{path}", self.0.display()))
            .env("CI", ci)
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        (output, text)
    }

    fn apt_get_calls(&self) -> String {
        std::fs::read_to_string(self.0.join("calls")).unwrap_or_default()
    }
}

fn packages() -> Vec<String> {
    let list = std::fs::read_to_string(kit::root().join("c-tests/packages.txt")).unwrap();
    list.lines().filter(|line| !line.starts_with('#')).map(str::to_string).collect()
}

fn last_line(text: &str) -> &str {
    text.trim_end().lines().last().unwrap_or_default()
}

const PASSED: &str = "test result: ok. 3 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out";

#[test]
fn run_installs_missing_packages_only_with_install() {
    let packages = packages();
    let stage = Stage::new("missing", &packages[1..].join(" "), PASSED);
    let (output, text) = stage.run(&[], "");
    assert_eq!(output.status.code(), Some(2), "{text}");
    assert!(text.contains(&format!("missing Debian packages: {}\n", packages[0])), "{text}");
    assert!(text.contains("--install"), "{text}");
    assert_eq!(stage.apt_get_calls(), "");

    let (output, text) = stage.run(&["--install"], "");
    assert_eq!(output.status.code(), Some(0), "{text}");
    let calls = stage.apt_get_calls();
    assert!(calls.lines().any(|line| line.starts_with("update")), "{calls}");
    let install = calls.lines().find(|line| line.starts_with("install")).unwrap();
    assert!(install.ends_with(&packages[0]) && !install.contains(&packages[1]), "{install}");
}

#[test]
fn run_ends_with_the_counts() {
    let stage = Stage::new("counts", &packages().join(" "), PASSED);
    let (output, text) = stage.run(&[], "");
    assert_eq!(output.status.code(), Some(0), "{text}");
    let checks = text.lines().filter(|line| line.starts_with("   ok (")).count();
    let tests = text.lines().filter(|line| line.starts_with("   3 passed")).count();
    assert!(checks > 3 && tests > 1, "{text}");
    assert_eq!(last_line(&text), format!("{} passed, 0 failed, 0 skipped", checks + 3 * tests));

    let failed = "test a ... FAILED\ntest result: FAILED. 2 passed; 1 failed; 0 ignored";
    let stage = Stage::new("fails", &packages().join(" "), failed);
    let (output, text) = stage.run(&[], "");
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(last_line(&text).contains(&format!(", {tests} failed, 0 skipped")), "{text}");
}

#[test]
fn run_in_ci_fails_on_unlisted_skips() {
    let list = std::fs::read_to_string(kit::root().join("c-tests/allowed-skips.txt")).unwrap();
    let listed = list.lines().find(|line| !line.starts_with('#')).unwrap();
    let (listed, reason) = listed.split_once('\t').expect("a name, a tab and a reason");
    assert!(!reason.is_empty());
    for (name, ci, code) in
        [(listed, "true", 0), ("another_test", "true", 1), ("another_test", "", 0)]
    {
        let printed = format!("SKIP {name}: not here\n{PASSED}");
        let stage = Stage::new(&format!("skip-{ci}-{name}"), &packages().join(" "), &printed);
        let (output, text) = stage.run(&[], ci);
        assert_eq!(output.status.code(), Some(code), "{name} {ci}: {text}");
        assert!(!last_line(&text).ends_with(" 0 skipped"), "{text}");
    }
}

#[test]
fn ci_script_runs_the_readme_command() {
    let ci = std::fs::read_to_string(kit::root().join(".ci/run")).unwrap();
    let line = ci.lines().find_map(|line| line.strip_prefix("exec ")).unwrap();
    let readme = super::readme();
    let commands = readme.split("```\n").nth(1).unwrap();
    let commands: Vec<_> =
        commands.lines().map(|line| line.split('#').next().unwrap().trim()).collect();
    assert_eq!(commands, ["cargo run --release --example natted_call", line]);
}
