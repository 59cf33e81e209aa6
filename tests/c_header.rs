//! `include/mediaproxy.h` is what `src/capi` says, and its version the crate's.

use std::fs;
use std::path::{Path, PathBuf};

use mediaproxy::metrics::{Metric, c_fields};
use mediaproxy::proxy::Statistics;
use mediaproxy::shared::counters::{Counter, RelayCounter};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The files of the boundary, in the order a reader wants them.
const FILES: [&str; 18] = [
    "text",
    "status",
    "version",
    "error",
    "log",
    "config",
    "engine",
    "worker",
    "address",
    "message",
    "options",
    "verdict",
    "edits",
    "request",
    "keeper",
    "relay",
    "statistics",
    "proxy",
];

/// The source of a file of the boundary, for cbindgen: where a structure holds
/// a value for each row of a table of metrics, a named field for each row.
fn source(file: &str) -> PathBuf {
    let path = root().join("src/capi").join(file).with_extension("rs");
    let mut text = fs::read_to_string(&path).expect("a source");
    let tables: [(&str, &[Metric]); 3] = [
        ("Counter", &Counter::TABLE),
        ("RelayCounter", &RelayCounter::TABLE),
        ("Statistics", &Statistics::TABLE),
    ];
    let array = |table| {
        format!(
            "    /// In the header, a named field for each row of the table.\n    \
             pub values: [u64; {table}::TABLE.len()],\n"
        )
    };
    let Some((table, rows)) = tables.iter().find(|(table, _)| text.contains(&array(table))) else {
        return path;
    };
    text = text.replace(&array(table), &c_fields(rows));
    let expanded = Path::new(env!("CARGO_TARGET_TMPDIR")).join(file).with_extension("rs");
    // Renamed into place: several tests of this file run at once.
    let own = expanded.with_extension(format!("{:?}", std::thread::current().id()));
    fs::write(&own, text).expect("the temporary directory is writable");
    fs::rename(&own, &expanded).expect("the temporary directory is writable");
    expanded
}

fn generate() -> String {
    let config = cbindgen::Config::from_file(root().join("cbindgen.toml")).expect("cbindgen.toml");
    let mut builder = cbindgen::Builder::new().with_config(config);
    for file in FILES {
        builder = builder.with_src(source(file));
    }
    let mut header = Vec::new();
    builder.generate().expect("cbindgen reads src/capi").write(&mut header);
    String::from_utf8(header).expect("a header is UTF-8")
}

#[test]
fn the_committed_header_is_the_generated_one() {
    let path = root().join("include/mediaproxy.h");
    let made = generate();
    if std::env::var_os("MEDIAPROXY_WRITE_HEADER").is_some() {
        fs::write(&path, &made).expect("include/mediaproxy.h can be written");
    }
    let committed = fs::read_to_string(&path).expect("include/mediaproxy.h is there");
    assert!(
        committed == made,
        "include/mediaproxy.h is stale; run MEDIAPROXY_WRITE_HEADER=1 cargo test --test c_header"
    );
}

#[test]
fn every_file_of_the_boundary_is_in_the_header() {
    let mut exporting: Vec<String> = fs::read_dir(root().join("src/capi"))
        .expect("src/capi")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| fs::read_to_string(path).expect("a source").contains("pub "))
        .filter_map(|path: PathBuf| Some(path.file_stem()?.to_str()?.to_string()))
        .filter(|name| !["mod", "boundary", "tests"].contains(&name.as_str()))
        .collect();
    exporting.sort();
    let mut listed = FILES.map(String::from).to_vec();
    listed.sort();
    assert_eq!(exporting, listed);
}

#[test]
fn the_version_macros_are_the_crates() {
    let header = generate();
    for (name, value) in [
        ("MP_VERSION_MAJOR", env!("CARGO_PKG_VERSION_MAJOR").to_string()),
        ("MP_VERSION_MINOR", env!("CARGO_PKG_VERSION_MINOR").to_string()),
        ("MP_VERSION_PATCH", env!("CARGO_PKG_VERSION_PATCH").to_string()),
        ("MP_VERSION", format!("\"{}\"", env!("CARGO_PKG_VERSION"))),
    ] {
        let line = format!("#define {name} {value}");
        assert!(header.lines().any(|found| found == line), "{line} is missing (cbindgen.toml)");
    }
}

#[test]
fn every_function_has_a_comment() {
    let header = generate();
    let lines: Vec<&str> = header.lines().collect();
    for (index, line) in lines.iter().enumerate() {
        let starts_a_function = line.contains(" mp_") || line.contains("*mp_");
        if starts_a_function && line.contains('(') && !line.starts_with(['/', ' ', 't', '#']) {
            let before = lines.get(index.wrapping_sub(1)).unwrap_or(&"");
            assert!(before.starts_with("//") || before.ends_with("*/"), "{line} has no comment");
        }
    }
}

#[test]
fn every_export_runs_inside_the_boundary() {
    for file in FILES {
        let path = root().join("src/capi").join(file).with_extension("rs");
        let source = fs::read_to_string(&path).expect("a source");
        for export in source.split("#[unsafe(no_mangle)]").skip(1) {
            let (signature, body) = export.split_once("{\n").expect("a body");
            let wrapped = body
                .lines()
                .map(str::trim)
                .find(|line| !line.starts_with("let ") && !line.starts_with("const "))
                .is_some_and(|line| line.starts_with("boundary!("));
            assert!(wrapped, "not inside boundary!: {}", signature.trim());
        }
    }
}
