//! The files of `src/` import each other in one direction: `media` imports
//! `relay`, never back. Only a submodule may import its own parent.

use std::collections::{BTreeMap, BTreeSet};

use regex::Regex;

use crate::files;

/// The path of a module, without `crate`.
type Path = Vec<String>;

/// A module: the paths it imports, and the paths of the names it re-exports.
#[derive(Default)]
struct Module {
    imports: Vec<Path>,
    exports: BTreeMap<String, Path>,
}

fn modules() -> BTreeMap<Path, Module> {
    let sources = files::sources();
    let sources = sources.iter().filter(|file| !file.path.starts_with("src/bin/"));
    let code: BTreeMap<Path, String> =
        sources.map(|file| (module_of(&file.path), uncommented(file.without_tests()))).collect();
    let statement = Regex::new(r"(pub(?:\([a-z: ]+\))?\s+)?\buse\s+([^;]+);").unwrap();
    let inline = Regex::new(r"\bcrate::(\w+(?:::\w+)*)").unwrap();
    let read = |(path, code): (&Path, &String)| {
        let mut module = Module::default();
        for found in statement.captures_iter(code) {
            for import in expanded(&found[2]) {
                let Some(import) = absolute(&import, path, |child| {
                    path.iter().cloned().chain([child.to_string()]).collect::<Path>()
                }) else {
                    continue;
                };
                if found.get(1).is_some()
                    && let Some(name) = import.last()
                {
                    module.exports.insert(name.clone(), import.clone());
                }
                module.imports.push(import);
            }
        }
        let without_use = statement.replace_all(code, "");
        let inline = inline.captures_iter(&without_use);
        module.imports.extend(inline.map(|found| split(&found[1])));
        (path.clone(), module)
    };
    code.iter().map(read).collect()
}

/// `src/relay/mod.rs` and `src/relay.rs` are `relay`, `src/lib.rs` is the root.
fn module_of(path: &str) -> Path {
    let path = path.trim_start_matches("src/").trim_end_matches(".rs");
    let mut path: Path = path.split('/').map(str::to_string).collect();
    path.pop_if(|last| last == "mod" || last == "lib");
    path
}

fn uncommented(code: &str) -> String {
    let lines = code.lines().map(|line| line.split("//").next().unwrap_or_default());
    lines.collect::<Vec<_>>().join("\n")
}

fn split(path: &str) -> Path {
    path.split("::").map(|name| name.trim().to_string()).collect()
}

/// The paths of a `use` with braces: `a::{b, c::{d, e as f}}`.
fn expanded(tree: &str) -> Vec<String> {
    let tree = tree.trim();
    let Some((before, inner)) = tree.split_once('{') else {
        let path = tree.split(" as ").next().unwrap_or_default();
        return vec![path.trim().to_string()];
    };
    let inner = inner.trim_end().strip_suffix('}').unwrap_or(inner);
    let mut parts = vec![String::new()];
    let mut depth = 0;
    for letter in inner.chars() {
        depth += i32::from(letter == '{') - i32::from(letter == '}');
        match letter {
            ',' if depth == 0 => parts.push(String::new()),
            _ => parts.last_mut().unwrap().push(letter),
        }
    }
    let parts = parts.iter().map(|part| part.trim()).filter(|part| !part.is_empty());
    parts.flat_map(|part| expanded(&format!("{before}{part}"))).collect()
}

/// An import from the root: of `crate::`, `super::`, `self::`, or of a child.
fn absolute(import: &str, module: &Path, child: impl Fn(&str) -> Path) -> Option<Path> {
    let mut names = split(import).into_iter().peekable();
    let base = match names.peek()?.as_str() {
        "crate" => Path::new(),
        "self" => module.clone(),
        "super" => {
            let mut base = module.clone();
            while names.next_if(|name| name == "super").is_some() {
                base.pop();
            }
            return Some(base.into_iter().chain(names).collect());
        }
        name => {
            let base = child(name);
            let file = format!("src/{}", base.join("/"));
            let exists = |end: &str| kit::root().join(format!("{file}{end}")).exists();
            if !exists(".rs") && !exists("/mod.rs") {
                return None;
            }
            return Some(module.iter().cloned().chain(names).collect());
        }
    };
    names.next();
    Some(base.into_iter().chain(names).collect())
}

/// The module that an imported path is in: the longest module path it starts
/// with, and behind a re-export the module that the name comes from.
fn home(modules: &BTreeMap<Path, Module>, import: &Path, depth: usize) -> Path {
    let longest = (0..=import.len()).rev().find(|&length| modules.contains_key(&import[..length]));
    let (path, rest) = import.split_at(longest.unwrap_or(0));
    let export = rest.first().and_then(|name| modules[path].exports.get(name));
    match export.filter(|_| depth < 8) {
        Some(export) => home(modules, export, depth + 1),
        None => path.to_vec(),
    }
}

/// Which modules each module imports, without the imports from its parents.
fn graph() -> BTreeMap<Path, BTreeSet<Path>> {
    let modules = modules();
    let imported = |path: &Path, module: &Module| {
        let homes = module.imports.iter().map(|import| home(&modules, import, 0));
        homes.filter(|home| !path.starts_with(home)).collect::<BTreeSet<_>>()
    };
    modules.iter().map(|(path, module)| (path.clone(), imported(path, module))).collect()
}

/// The chain of imports that leads from `at` to `module`.
fn chain(
    graph: &BTreeMap<Path, BTreeSet<Path>>,
    at: &Path,
    module: &Path,
    seen: &mut BTreeSet<Path>,
) -> Option<Vec<String>> {
    for next in graph.get(at)? {
        if next == module {
            return Some(vec![at.join("/")]);
        }
        if seen.insert(next.clone())
            && let Some(mut found) = chain(graph, next, module, seen)
        {
            found.insert(0, at.join("/"));
            return Some(found);
        }
    }
    None
}

#[test]
fn files_do_not_import_each_other_in_a_circle() {
    let graph = graph();
    let edges: usize = graph.values().map(BTreeSet::len).sum();
    assert!(graph.len() > 100 && edges > 300, "{} modules, {edges} imports", graph.len());
    let circles: Vec<_> = graph
        .keys()
        .filter_map(|module| chain(&graph, module, module, &mut BTreeSet::new()))
        .map(|circle| circle.join(" -> "))
        .collect();
    assert!(circles.is_empty(), "{}", circles.join("\n"));
}

#[test]
fn folders_do_not_import_each_other_in_a_circle() {
    let mut folders = BTreeMap::<Path, BTreeSet<Path>>::new();
    for (module, imports) in graph() {
        let folder = |path: &Path| path.iter().take(1).cloned().collect::<Path>();
        let from = folder(&module);
        let imports = imports.iter().map(folder).filter(|to| *to != from && !to.is_empty());
        if !from.is_empty() {
            folders.entry(from.clone()).or_default().extend(imports);
        }
    }
    let circles: Vec<_> = folders
        .keys()
        .filter_map(|module| chain(&folders, module, module, &mut BTreeSet::new()))
        .map(|circle| circle.join(" -> "))
        .collect();
    assert!(circles.is_empty(), "{}", circles.join("\n"));
}

#[test]
fn use_trees_are_expanded() {
    assert_eq!(
        expanded("crate::a::{b, c::{D, e as F}, g}"),
        ["crate::a::b", "crate::a::c::D", "crate::a::c::e", "crate::a::g"]
    );
}
