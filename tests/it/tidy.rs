//! The rules of the house that a machine can hold: direction of imports, module docs, no forgotten test file, no clock
//! below the daemon, file sizes.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Layers, lowest first. A module imports from its own layer or below, never above. `ARCHITECTURE.md` says why.
const LAYERS: &[(&str, &[&str])] = &[
    ("L0 words", &["clock", "count", "failure", "ids", "pen", "progress", "shape", "version", "wire"]),
    ("L1 decisions", &["gate", "retention", "schedule"]),
    ("L2 hands", &["archive", "config", "context", "durable", "fault", "process", "state_db", "telemetry"]),
    ("L3 things", &["engine", "history", "release", "service", "store"]),
    ("L4 work", &["backup", "diff", "expire", "migrate", "restore", "upgrade", "verify"]),
    ("L5 life", &["control", "daemon", "status", "verbs"]),
    ("L6 shell", &["cli"]),
];

/// Lines above which a source file needs to be looked at; the house aims at 250.
const LONGEST_FILE: usize = 620;

fn sources(dir: &str) -> Vec<(PathBuf, String)> {
    let mut files = Vec::new();
    let mut open = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join(dir)];
    while let Some(dir) = open.pop() {
        for entry in std::fs::read_dir(&dir).unwrap().map(Result::unwrap) {
            let path = entry.path();
            if path.is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = std::fs::read_to_string(&path).unwrap();
                files.push((path.strip_prefix(env!("CARGO_MANIFEST_DIR")).unwrap().to_owned(), text));
            }
        }
    }
    files.sort();
    files
}

fn layer_of(module: &str) -> Option<usize> {
    LAYERS.iter().position(|(_, modules)| modules.contains(&module))
}

/// The top-level module a file belongs to: `src/engine/sqlite.rs` → `engine`.
fn module_of(path: &Path) -> String {
    let first = path.components().nth(1).unwrap().as_os_str().to_string_lossy().into_owned();
    first.trim_end_matches(".rs").to_owned()
}

/// Every module named after `crate::` in code (comment lines do not count).
fn imports(text: &str) -> Vec<String> {
    let code = text.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n");
    code.split("crate::")
        .skip(1)
        .map(|rest| rest.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect::<String>())
        .filter(|name| !name.is_empty())
        .collect()
}

#[test]
fn every_module_has_a_layer_and_imports_only_downward() {
    let mut wrong = Vec::new();
    for (path, text) in sources("src") {
        let module = module_of(&path);
        // Unit tests may reach for whatever shows the behaviour.
        if module == "lib" || module == "main" || path.ends_with("tests.rs") {
            continue;
        }
        let Some(layer) = layer_of(&module) else {
            wrong.push(format!("{}: module `{module}` has no layer", path.display()));
            continue;
        };
        for import in imports(&text) {
            match layer_of(&import) {
                Some(other) if other > layer => wrong.push(format!(
                    "{}: `{module}` ({}) imports `{import}` ({}), which is above it",
                    path.display(),
                    LAYERS[layer].0,
                    LAYERS[other].0
                )),
                _ => {}
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_module_says_what_it_is() {
    let missing: Vec<String> = sources("src")
        .into_iter()
        .chain(sources("crates"))
        .filter(|(path, text)| !path.ends_with("tests.rs") && !text.starts_with("//! "))
        .map(|(path, _)| path.display().to_string())
        .collect();
    assert!(missing.is_empty(), "without a module doc: {missing:?}");
}

#[test]
fn no_file_outgrows_its_idea() {
    let long: Vec<String> = sources("src")
        .into_iter()
        .chain(sources("crates"))
        .filter(|(_, text)| text.lines().count() > LONGEST_FILE)
        .map(|(path, text)| format!("{} has {} lines", path.display(), text.lines().count()))
        .collect();
    assert!(long.is_empty(), "{long:?}");
}

#[test]
fn no_test_file_is_forgotten() {
    let main = include_str!("main.rs");
    let support = include_str!("support.rs");
    for (path, _) in sources("tests/it") {
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        let parent = path.parent().unwrap().file_name().unwrap().to_string_lossy().into_owned();
        let listed = match parent.as_str() {
            "it" => name == "main" || main.contains(&format!("mod {name};")),
            "support" => support.contains(&format!("mod {name};")),
            _ => true,
        };
        assert!(listed, "{} is not listed as a module", path.display());
    }
}

/// A test that is switched off tests nothing. The words are put together so that this file does not hold them.
#[test]
fn no_test_is_switched_off() {
    let off = format!("#[{}", "ignore");
    for (path, text) in sources("tests/it").into_iter().chain(sources("src")).chain(sources("crates")) {
        assert!(!text.contains(&off), "{} switches a test off", path.display());
    }
}

/// The layer table holds no module that is gone.
#[test]
fn layers_name_every_module_of_the_library() {
    let lib = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/lib.rs")).unwrap();
    let modules: BTreeMap<&str, usize> = lib
        .lines()
        .filter_map(|line| line.strip_prefix("pub mod "))
        .map(|line| line.trim_end_matches(';'))
        .filter_map(|name| layer_of(name).map(|layer| (name, layer)))
        .collect();
    for (name, modules_of_layer) in LAYERS {
        for module in *modules_of_layer {
            assert!(modules.contains_key(module), "{name}: `{module}` is not a module of the library");
        }
    }
}
