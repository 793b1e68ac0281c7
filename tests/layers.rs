//! The layers of modules: which module may use which, and that no file imports itself through others. Read from the
//! sources' `use` lines and paths; `ARCHITECTURE.md` and the design name the layers.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use regex::Regex;

/// From the bottom up: a module may use those on lines before its own, and those on its own line that do not use it.
const LAYERS: [&[&str]; 10] = [
    &["cancel", "outcome", "partial", "pdq", "skip", "source"],
    &["decode", "gpu"],
    &["matching"],
    &["examine"],
    &["case", "known"],
    &["engine"],
    &["report", "share"],
    &["front_door"],
    &["cli"],
    &["plans"],
];

type Module = Vec<String>;
type Sources = BTreeMap<Module, String>;
/// For each module those that it uses, with one such path.
type Arrows = BTreeMap<Module, BTreeMap<Module, String>>;

#[test]
fn a_module_sees_only_what_lies_below_it() {
    let arrows = arrows(&sources());
    assert!(arrows.len() > 200, "the sources were not found");
    assert_eq!(upward(&arrows), Vec::<String>::new());
    assert_eq!(circles(&between_layers(&arrows)), Vec::<String>::new());
}

#[test]
fn no_file_reaches_itself_through_what_it_imports() {
    assert_eq!(circles(&arrows(&sources())), Vec::<String>::new());
}

/// The reader itself: re-exports, groups, full paths, comments and tests.
#[test]
fn what_is_imported_is_seen() {
    let sources = [
        ("", "mod a;"),
        ("source", "pub use walk::{Tree as Walk, list};\nmod walk;"),
        (
            "source::walk",
            "use super::Stamp; // use crate::cli::not;\n#[cfg(test)]\nmod tests { use crate::cli::X; }",
        ),
        ("decode", "use crate::{\n    outcome::Failure,\n    source::{Walk, name::{self, escape}},\n};"),
        ("source::name", ""),
        ("outcome", "fn shown() { crate::decode::size() }"),
    ];
    let split = |path: &str| path.split("::").filter(|part| !part.is_empty()).map(str::to_string).collect();
    let arrows = arrows(&sources.iter().map(|(path, text)| (split(path), text.to_string())).collect());
    let seen = |from: &str| -> Vec<String> { arrows[&split(from)].keys().map(|to| to.join("::")).collect() };
    assert_eq!(seen("decode"), ["outcome", "source::name", "source::walk"]);
    assert_eq!(seen("source::walk"), ["source"]);
    assert_eq!(seen("outcome"), ["decode"]);
    assert_eq!(upward(&arrows), ["outcome sees decode, which lies above it: crate::decode::size"]);
    assert_eq!(circles(&arrows), ["decode, outcome"]);
    assert_eq!(circles(&between_layers(&arrows)), ["decode, outcome"]);
}

/// All files of the library by module, without comments and tests.
fn sources() -> Sources {
    let mut sources = Sources::new();
    let mut folders = vec![(Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), Module::new())];
    while let Some((folder, module)) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let stem = path.file_stem().unwrap().to_str().unwrap().to_string();
            let inner = [module.clone(), vec![stem.clone()]].concat();
            if path.is_dir() {
                folders.push((path, inner));
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let module = match &*stem {
                    "mod" | "lib" => module.clone(),
                    "main" | "tests" => continue,
                    _ => inner,
                };
                sources.insert(module, fs::read_to_string(&path).unwrap());
            }
        }
    }
    sources
}

/// What counts of a file: no comments, and no tests.
fn stripped(text: &str) -> String {
    let comment = Regex::new("//[^\n]*").unwrap();
    let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
    let seen_by = Regex::new(r"pub\(in [^)]*\)").unwrap();
    seen_by.replace_all(&comment.replace_all(code, ""), "pub").into_owned()
}

/// The single paths of a `use` tree.
fn paths(tree: &str) -> Vec<String> {
    let tree = tree.trim();
    let Some((before, rest)) = tree.split_once('{') else {
        let path = tree.split(" as ").next().unwrap();
        return vec![path.split_whitespace().collect()];
    };
    let inner = rest.trim_end().strip_suffix('}').unwrap();
    let (mut depth, mut start, mut parts) = (0, 0, Vec::new());
    for (at, character) in inner.char_indices() {
        match character {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                parts.push(&inner[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&inner[start..]);
    let parts = parts.into_iter().filter(|part| !part.trim().is_empty());
    parts.flat_map(|part| paths(&format!("{before}{}", part.trim()))).collect()
}

/// What modules use of each other. A re-exported name counts as that of the module that it comes from.
fn arrows(sources: &Sources) -> Arrows {
    let use_line = Regex::new(r"(?m)^\s*(pub(?:\([^)]*\))?\s+)?use\s+([^;]+);").unwrap();
    let full_path = Regex::new(r"\b(?:crate|super|self)(?:::\w+)+").unwrap();
    let mut taken: BTreeMap<&Module, Vec<String>> = BTreeMap::new();
    let mut handed_on: BTreeMap<Module, BTreeMap<String, String>> = BTreeMap::new();
    for (module, text) in sources {
        let text = stripped(text);
        for line in use_line.captures_iter(&text) {
            let tree = &line[2];
            if line.get(1).is_none() {
                taken.entry(module).or_default().extend(paths(tree));
                continue;
            }
            for path in paths(tree) {
                let name = path.rsplit("::").next().unwrap().to_string();
                // Under another name it is known by that.
                let renamed = tree.split([',', '{', '}']).find_map(|part| {
                    let (own, other) = part.trim().split_once(" as ")?;
                    own.ends_with(&name).then(|| other.trim().to_string())
                });
                handed_on.entry(module.clone()).or_default().insert(renamed.unwrap_or(name), path);
            }
        }
        let rest = use_line.replace_all(&text, "");
        let full = full_path.find_iter(&rest).map(|path| path.as_str().to_string());
        taken.entry(module).or_default().extend(full);
    }
    let mut arrows = Arrows::new();
    for (module, paths) in taken {
        let own = arrows.entry(module.clone()).or_default();
        for path in paths {
            if let Some(other) = home(sources, &handed_on, module, &path, 8).filter(|other| other != module) {
                own.entry(other).or_insert(path);
            }
        }
    }
    arrows
}

/// The module that the last name of a path is written in; `None` of another crate's.
fn home(
    sources: &Sources,
    handed_on: &BTreeMap<Module, BTreeMap<String, String>>,
    from: &Module,
    path: &str,
    depth: u8,
) -> Option<Module> {
    let mut parts = path.split("::").peekable();
    let mut module = from.clone();
    match parts.peek() {
        Some(&"crate") => {
            module.clear();
            parts.next();
        }
        Some(&("super" | "self")) => {
            while let Some(part) = parts.next_if(|part| ["super", "self"].contains(part)) {
                if part == "super" {
                    module.pop();
                }
            }
        }
        Some(first) if sources.contains_key(&[module.clone(), vec![first.to_string()]].concat()) => {}
        _ => return None,
    }
    while let Some(part) = parts.peek() {
        let inner = [module.clone(), vec![part.to_string()]].concat();
        if !sources.contains_key(&inner) {
            break;
        }
        module = inner;
        parts.next();
    }
    let name = parts.next();
    let further = name.and_then(|name| handed_on.get(&module)?.get(name)).filter(|_| depth > 0);
    further.and_then(|path| home(sources, handed_on, &module, path, depth - 1)).or(Some(module))
}

fn layer(module: &Module) -> Option<usize> {
    let first = module.first()?;
    let place = LAYERS.iter().position(|layer| layer.contains(&&**first));
    Some(place.unwrap_or_else(|| panic!("{first} is in no layer: give it one here and in ARCHITECTURE.md")))
}

/// Arrows from a lower layer to a higher one.
fn upward(arrows: &Arrows) -> Vec<String> {
    let all = arrows.iter().flat_map(|(from, to)| to.iter().map(move |(to, path)| (from, to, path)));
    all.filter(|(from, to, _)| layer(from).zip(layer(to)).is_some_and(|(from, to)| from < to))
        .map(|(from, to, path)| format!("{} sees {}, which lies above it: {path}", shown(from), shown(to)))
        .collect()
}

/// The arrows between whole modules.
fn between_layers(arrows: &Arrows) -> Arrows {
    let mut between = Arrows::new();
    for (from, to) in arrows {
        for (to, path) in to {
            if let (Some(from), Some(to)) = (from.first(), to.first())
                && from != to
            {
                between.entry(vec![from.clone()]).or_default().insert(vec![to.clone()], path.clone());
            }
        }
    }
    between
}

/// Modules that import themselves through others, grouped by cycle.
fn circles(arrows: &Arrows) -> Vec<String> {
    let reached = |from: &Module| {
        let (mut seen, mut next) = (BTreeSet::new(), vec![from]);
        while let Some(module) = next.pop() {
            for to in arrows.get(module).into_iter().flat_map(BTreeMap::keys) {
                if seen.insert(to) {
                    next.push(to);
                }
            }
        }
        seen
    };
    let reach: BTreeMap<&Module, BTreeSet<&Module>> =
        arrows.keys().map(|from| (from, reached(from))).collect();
    let circle = |(module, seen): (&&Module, &BTreeSet<&Module>)| {
        seen.contains(*module).then(|| {
            let together =
                seen.iter().filter(|other| reach.get(**other).is_some_and(|back| back.contains(*module)));
            together.map(|module| shown(module)).collect::<Vec<_>>().join(", ")
        })
    };
    reach.iter().filter_map(circle).collect::<BTreeSet<_>>().into_iter().collect()
}

fn shown(module: &Module) -> String {
    if module.is_empty() { "lib".into() } else { module.join("::") }
}
