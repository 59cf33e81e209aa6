//! Our module, built as its users do, with the library of this test.

use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;

use crate::memcheck;

/// Where the built module is; why not, where Kamailio's headers cannot be had.
fn built() -> &'static Result<PathBuf, String> {
    static BUILT: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    BUILT.get_or_init(|| {
        let made = match make(Command::new("make")).output() {
            Ok(made) => made,
            Err(error) => return Err(format!("make: {error}")),
        };
        let said = String::from_utf8_lossy(&made.stderr).into_owned();
        if !made.status.success() && said.contains("make KAMAILIO_SRC=/PATH") {
            return Err(said.replace('\n', " "));
        }
        assert!(made.status.success(), "{}{said}", String::from_utf8_lossy(&made.stdout));
        Ok(deps().join("kamailio"))
    })
}

/// Where cargo put this test and the library.
fn deps() -> PathBuf {
    let program = std::env::current_exe().expect("the path of this test");
    program.parent().expect("its directory").to_path_buf()
}

/// `make`, perhaps in some namespace, for the module with that library.
pub(crate) fn make(mut make: Command) -> Command {
    let deps = deps();
    let target = deps.ancestors().nth(2).expect("the target directory");
    make.arg("-C")
        .arg(kit::root().join("bindings/kamailio"))
        .env("CARGO_TARGET_DIR", target)
        .arg(format!("LIBRARY={}", deps.join("libmediaproxy.a").display()))
        .arg(format!("OUT={}", deps.join("kamailio").display()));
    make
}

/// Builds it, where it can be built.
pub(crate) fn prepare() {
    let _ = built();
}

/// False, and a SKIP line, where it cannot be built.
pub(crate) fn can_be_built(test: &str) -> bool {
    if let Err(reason) = built() {
        println!("SKIP {test}: {reason}");
        return false;
    }
    true
}

/// The directory it is in.
pub(crate) fn ours() -> PathBuf {
    built().clone().expect("the module")
}

#[test]
fn error_below_a_function_of_the_module_is_ours() {
    let frame =
        |place: &str| format!("==7== Invalid read of size 1\n==7==    at 0x5: f ({place})\n");
    assert!(memcheck::is_ours(&frame("/somewhere/bindings/kamailio/dialog.c:93")));
    assert!(memcheck::is_ours(&frame("/somewhere/bindings/common/media.c:9")));
    assert!(memcheck::is_ours(&frame("/somewhere/bindings/ser-family/lumps.c:40")));
    assert!(memcheck::is_ours(&frame("in /somewhere/mediaproxy.so")));
    assert!(!memcheck::is_ours(&frame("in /usr/lib/x86_64-linux-gnu/kamailio/modules/tm.so")));
}
