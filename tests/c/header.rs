//! `include/mediaproxy.h` is what `src/capi` says, and its version the crate's.

use std::fs;
use std::path::PathBuf;

use mediaproxy::Options;
use mediaproxy::internals::metrics::{Metric, c_fields};
use mediaproxy::internals::shared::counters::{Counter, RelayCounter};
use mediaproxy::proxy::Statistics;

/// The files of the boundary in the order of the header: each is a group, whose
/// heading is the file's `//!` comment. C wants a type before its use.
const FILES: [&str; 19] = [
    "text",
    "status",
    "version",
    "clock",
    "error",
    "log",
    "address",
    "config",
    "engine",
    "message",
    "options",
    "verdict",
    "edits",
    "worker",
    "request",
    "relay",
    "statistics",
    "keeper",
    "proxy",
];

/// The source of a file of the boundary, for cbindgen: where a structure holds
/// a value for each row of a table of metrics, a named field for each row.
fn source(file: &str) -> PathBuf {
    let path = kit::root().join("src/capi").join(file).with_extension("rs");
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
    let expanded = kit::target_tmp().join(file).with_extension("rs");
    // Renamed into place: several tests of this file run at once.
    let own = expanded.with_extension(format!("{:?}", std::thread::current().id()));
    fs::write(&own, text).expect("the temporary directory is writable");
    fs::rename(&own, &expanded).expect("the temporary directory is writable");
    expanded
}

/// What cbindgen puts around the functions of each file.
const EXTERN_C: [&str; 2] = [
    "#ifdef __cplusplus\nextern \"C\" {\n#endif // __cplusplus\n\n",
    "#ifdef __cplusplus\n}  // extern \"C\"\n#endif  // __cplusplus\n",
];

/// The header: cbindgen is run on one file after the other, so that its items
/// stand together, and each is given its heading. Types of other files are only
/// named then; all names are in cbindgen.toml.
fn generate() -> String {
    let mut config =
        cbindgen::Config::from_file(kit::root().join("cbindgen.toml")).expect("cbindgen.toml");
    let mut header = config.header.take().expect("a header").trim_start().to_string() + "\n";
    for include in config.sys_includes.drain(..) {
        header += &format!("#include <{include}>\n");
    }
    header += &config.after_includes.take().expect("the version");
    let mut trailer = config.trailer.take().expect("what follows mp_str");
    let [open, close] = EXTERN_C;
    header += &format!("\n{open}");
    for file in FILES {
        let path = source(file);
        header += &heading(&fs::read_to_string(&path).expect("a source"));
        let mut items = Vec::new();
        let builder = cbindgen::Builder::new().with_config(config.clone()).with_src(path);
        builder.generate().expect("cbindgen reads src/capi").write(&mut items);
        let items = String::from_utf8(items).expect("a header is UTF-8");
        header += &with_examples(items.replace(open, "").replace(close, "").trim());
        // After mp_str: the function that makes one, which is written in C.
        header += &std::mem::take(&mut trailer);
        header += "\n";
    }
    header + close + "\n#endif /* MEDIAPROXY_H */\n"
}

/// The comment at the head of a file, as the heading of its group.
fn heading(source: &str) -> String {
    let lines = source.lines().map_while(|line| line.strip_prefix("//!"));
    let lines: String = lines.map(|line| format!(" *{line}\n")).collect();
    let rule = "-".repeat(74);
    format!("/* {rule}\n{lines} * {rule} */\n\n")
}

/// Fenced code in comments becomes indented code.
fn with_examples(items: &str) -> String {
    let mut is_code = false;
    let mut text = String::new();
    for line in items.lines() {
        let fence = line.trim_start().starts_with("// ```");
        is_code ^= fence;
        match line.split_once("// ") {
            _ if fence => continue,
            Some((indent, code)) if is_code => text += &format!("{indent}//     {code}\n"),
            _ => text += &format!("{line}\n"),
        }
    }
    text
}

#[test]
fn header_is_the_generated_one() {
    let path = kit::root().join("include/mediaproxy.h");
    let made = generate();
    if std::env::var_os("MEDIAPROXY_WRITE_HEADER").is_some() {
        fs::write(&path, &made).expect("include/mediaproxy.h can be written");
    }
    let committed = fs::read_to_string(&path).expect("include/mediaproxy.h is there");
    assert!(
        committed == made,
        "include/mediaproxy.h is stale; run MEDIAPROXY_WRITE_HEADER=1 cargo test --test c header::"
    );
}

#[test]
fn header_has_every_file_of_the_boundary() {
    let mut exporting: Vec<String> = fs::read_dir(kit::root().join("src/capi"))
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
fn version_macros_match_the_crate() {
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
fn functions_have_comments() {
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
fn exports_run_inside_the_boundary() {
    for file in FILES {
        let path = kit::root().join("src/capi").join(file).with_extension("rs");
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

/// What the examples of the header use beside it.
const AROUND_EXAMPLES: &str = r#"
#include <unistd.h>
#include "mediaproxy.h"

void print(mp_str text);
void print_number(uint64_t number);
void write_log(void *arg, uint32_t level, mp_str text);
void forward(const char *bytes, size_t length);
void reply(int code, const char *reason);
void force_rport(void);
void add_lump(size_t offset, size_t remove, const char *text, size_t length);
void replace_contact(const char *uri, size_t length);
void wait_for(int32_t descriptor, uint32_t events, uint64_t deadline);
extern int serving;
extern const char *received;
extern size_t received_length, uri_offset, uri_length;
extern mp_str value, uri, call_id, from_tag;
extern mp_address source;
extern mp_config *config;
extern mp_engine *engine;
extern mp_worker *worker;
extern mp_message *message;
extern mp_options *options;
extern mp_verdict *verdict;
extern mp_edits *edits;
extern mp_keeper *keeper;
extern mp_proxy *proxy;
"#;

/// The fenced code of the comments, a function each.
fn examples() -> String {
    let mut program = AROUND_EXAMPLES.to_string();
    for file in FILES {
        let text = fs::read_to_string(source(file)).expect("a source");
        for (at, example) in text.split("/// ```c\n").skip(1).enumerate() {
            let (code, _) = example.split_once("/// ```\n").expect("the end of the code");
            let code: String = code
                .lines()
                .map(|line| line.trim_start_matches("///"))
                .fold(String::new(), |code, line| code + line + "\n");
            program += &format!("void {file}_{at}(void);\nvoid {file}_{at}(void)\n{{\n{code}}}\n");
        }
    }
    program
}

#[test]
fn examples_of_the_header_compile() {
    let program = kit::target_tmp().join("header_examples.c");
    fs::write(&program, examples()).expect("the temporary directory is writable");
    let compiled = std::process::Command::new("cc")
        .args(["-std=c99", "-Wall", "-Wextra", "-Werror", "-Wno-unused", "-fsyntax-only"])
        .arg("-I")
        .arg(kit::root().join("include"))
        .arg(&program)
        .output()
        .expect("cc runs");
    assert!(compiled.status.success(), "{}", String::from_utf8_lossy(&compiled.stderr));
}

#[test]
fn every_option_is_named_in_the_comment_of_mp_options_set() {
    let source = fs::read_to_string(source("options")).expect("a source");
    let (comment, _) = source.split_once("fn mp_options_set(").expect("the function");
    let comment = comment.rsplit("fn ").next().unwrap_or_default();
    let words: Vec<_> =
        comment.split(|letter: char| letter != '_' && !letter.is_alphanumeric()).collect();
    for name in Options::names() {
        assert!(words.contains(&name), "{name}");
    }
}

/// What changes a message or talks to a relay has an example in its comment or
/// in that of its type.
#[test]
fn each_verb_has_an_example() {
    let examples = examples();
    for verb in [
        "mp_config_set",
        "mp_engine_new",
        "mp_worker_new",
        "mp_message_parse",
        "mp_options_set",
        "mp_nat_test",
        "mp_client_lists",
        "mp_fix_contact",
        "mp_fix_contact_with",
        "mp_rewrite_sdp",
        "mp_rewrite_start",
        "mp_end_session",
        "mp_end_call",
        "mp_edits_apply",
        "mp_edits_apply_range",
        "mp_relay_list_new",
        "mp_relay_drain",
        "mp_statistics_get",
        "mp_keeper_tick",
        "mp_keeper_run",
        "mp_proxy_new",
    ] {
        assert!(examples.contains(&format!("{verb}(")), "{verb} has no example");
    }
}
