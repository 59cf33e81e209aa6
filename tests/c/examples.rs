//! The C examples: all of them build without a warning; the minimal one prints
//! what its reader is promised.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::compile::{self, EVERY_WAY, Language, Library, library_directory};

fn files_in(directory: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(directory).expect("a directory of examples");
    entries.map(|entry| entry.expect("an entry").path()).collect()
}

#[test]
fn every_c_example_builds_without_a_warning() {
    let mut built = 0;
    let examples = kit::root().join("examples");
    let mut entries = files_in(&examples);
    for directory in files_in(&examples).iter().filter(|path| path.is_dir()) {
        entries.extend(files_in(directory));
    }
    for path in entries {
        let is_program = path.extension().is_some_and(|extension| extension == "c")
            && std::fs::read_to_string(&path).expect("an example").contains("\nint main(");
        if is_program {
            let source = path.strip_prefix(kit::root()).expect("an example").to_string_lossy();
            let libraries = library_directory();
            let way = (Language::C99, Library::Shared);
            compile::build("example", &source, way, &libraries);
            built += 1;
        }
    }
    assert!(built >= 3, "minimal.c, proxy.c and minimal_server at least");
}

#[test]
fn minimal_example_judges_and_repairs_a_register() {
    let expected = "\
private_contact: Contact 192.168.1.10:5060 is private
source_address: Via 192.168.1.10:5060, came from 203.0.113.5:61234
private_via: Via 192.168.1.10:5060 is private

REGISTER sip:example.com SIP/2.0\r
Via: SIP/2.0/UDP 192.168.1.10:5060;branch=z9hG4bK776asdhds\r
From: <sip:alice@example.com>;tag=1928301774\r
To: <sip:alice@example.com>\r
Call-ID: a84b4c76e66710@192.168.1.10\r
CSeq: 1 REGISTER\r
Contact: <sip:alice@203.0.113.5:61234>;expires=3600\r
Content-Length: 0\r
\r
";
    for way in EVERY_WAY {
        let source = "examples/minimal.c";
        let program = compile::build("run", source, way, &library_directory());
        let out = program.parent().expect("its directory");
        let said = compile::must_run(&mut Command::new(&program), out);
        assert_eq!(String::from_utf8_lossy(&said.stdout), expected);
        assert!(said.stderr.is_empty(), "{}", String::from_utf8_lossy(&said.stderr));
    }
}
