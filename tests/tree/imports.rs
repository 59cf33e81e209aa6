//! The modules of `src/` import each other in one direction: `media` imports
//! `relay`, never back.

use std::collections::{BTreeMap, BTreeSet};

use regex::Regex;

use crate::files;

/// Which modules each module imports. The folders and files right below `src/`
/// are the modules.
fn imports() -> BTreeMap<String, BTreeSet<String>> {
    let path = Regex::new(r"\bcrate::(\{[^;]*\}|\w+)").unwrap();
    let name = Regex::new(r"(?:^|[{,]\s*)(\w+)").unwrap();
    let root = re_exports();
    let mut imports = BTreeMap::<String, BTreeSet<String>>::new();
    for file in files::sources() {
        let Some(module) = module_of(&file.path) else { continue };
        let code = uncommented(file.without_tests());
        for found in path.captures_iter(&code) {
            for found in name.captures_iter(&found[1]) {
                let found = root.get(&found[1]).cloned().unwrap_or_else(|| found[1].to_string());
                if found != module {
                    imports.entry(module.clone()).or_default().insert(found);
                }
            }
        }
    }
    imports
}

fn module_of(path: &str) -> Option<String> {
    let name = path.strip_prefix("src/")?.split('/').next()?.trim_end_matches(".rs");
    (name != "lib" && name != "bin").then(|| name.to_string())
}

fn uncommented(code: &str) -> String {
    code.lines()
        .map(|line| line.split("//").next().unwrap_or_default())
        .collect::<Vec<_>>()
        .join("\n")
}

/// The module of each name that `lib.rs` exports at the root.
fn re_exports() -> BTreeMap<String, String> {
    let lib = &files::all("src/lib.rs", &["rs"])[0];
    let export = Regex::new(r"pub(?:\([a-z]+\))? use (\w+)(?:::\w+)*::(\{[^}]*\}|\w+);").unwrap();
    let name = Regex::new(r"\w+").unwrap();
    let mut exports = BTreeMap::new();
    for found in export.captures_iter(&lib.text) {
        for exported in name.find_iter(&found[2]) {
            exports.insert(exported.as_str().to_string(), found[1].to_string());
        }
    }
    exports
}

/// A chain of imports from `to` back to `module`.
fn way_back(
    imports: &BTreeMap<String, BTreeSet<String>>,
    at: &str,
    module: &str,
    seen: &mut Vec<String>,
) -> bool {
    if seen.iter().any(|known| known == at) {
        return false;
    }
    seen.push(at.to_string());
    let found = imports.get(at).into_iter().flatten();
    for next in found {
        if next == module || way_back(imports, next, module, seen) {
            return true;
        }
    }
    false
}

#[test]
fn modules_do_not_import_each_other_in_a_circle() {
    let imports = imports();
    assert!(imports.len() > 10, "{imports:?}");
    let mut circles = Vec::new();
    for (module, imported) in &imports {
        for other in imported {
            if way_back(&imports, other, module, &mut Vec::new()) {
                circles.push(format!("{module} -> {other} -> ... -> {module}"));
            }
        }
    }
    assert!(circles.is_empty(), "{}", circles.join("\n"));
}
