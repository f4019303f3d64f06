//! The rules of the house that a machine can hold: direction of imports, module docs, no forgotten test file, no clock
//! below the daemon, file sizes.

mod imports;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Layers, lowest first. A module imports from its own layer or below, never above. `ARCHITECTURE.md` says why.
const LAYERS: &[(&str, &[&str])] = &[
    ("L0 words", &["clock", "count", "failure", "ids", "pen", "progress", "shape", "text", "version", "wire"]),
    ("L1 decisions", &["gate", "retention", "schedule"]),
    (
        "L2 hands",
        &[
            "archive",
            "cipher",
            "config",
            "context",
            "durable",
            "fault",
            "https",
            "process",
            "state_db",
            "telemetry",
            "tls",
            "trust",
        ],
    ),
    ("L3 things", &["engine", "files", "history", "product", "release", "service", "store"]),
    ("L4 work", &["backup", "diff", "drill", "expire", "migrate", "offsite", "rehearse", "restore", "upgrade", "verify"]),
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

/// The modules of the library with their texts. Unit tests may reach for whatever shows the behaviour.
fn modules() -> BTreeMap<imports::Module, String> {
    let path_of = |path: &Path| {
        let path = path.strip_prefix("src").unwrap().with_extension("");
        path.components().map(|part| part.as_os_str().to_string_lossy().into_owned()).collect::<Vec<_>>()
    };
    let modules = sources("src").into_iter().map(|(path, text)| (path_of(&path), text));
    modules.filter(|(path, _)| !path.iter().any(|part| ["tests", "lib", "main"].contains(&part.as_str()))).collect()
}

#[test]
fn every_module_has_a_layer_and_imports_only_downward() {
    let mut wrong = Vec::new();
    for (module, reached) in imports::graph(&modules()) {
        let Some(layer) = layer_of(&module[0]) else {
            wrong.push(format!("module `{}` has no layer", module[0]));
            continue;
        };
        for other in reached {
            match layer_of(&other[0]) {
                Some(above) if above > layer => wrong.push(format!(
                    "`{}` ({}) imports `{}` ({}), which is above it",
                    module.join("::"),
                    LAYERS[layer].0,
                    other.join("::"),
                    LAYERS[above].0
                )),
                _ => {}
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Neither of two rooms can be understood, tested or changed without the other when each imports the other: what both need goes into a
/// third below them.
#[test]
fn no_rooms_stand_in_a_circle() {
    let found = imports::circles(&imports::graph(&modules()));
    assert!(found.is_empty(), "import each other: {found:#?}");
}

/// Who is told which test holds an invariant must find it.
#[test]
fn every_test_file_that_is_named_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut missing = Vec::new();
    for (path, text) in sources("src").into_iter().chain(sources("crates")).chain(sources("tests")) {
        for named in
            text.lines().filter(|line| line.trim_start().starts_with("//")).flat_map(|line| line.split('`').skip(1).step_by(2))
        {
            let is_test = named.starts_with("tests/") && !named.contains(['*', '{', ' ', '<']) && !named.contains("NAME");
            if is_test && !root.join(named).exists() {
                missing.push(format!("{} names {named}", path.display()));
            }
        }
    }
    assert!(missing.is_empty(), "{}", missing.join("\n"));
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

/// Ways to open, change or run what somebody else could have named, and the files that may use one, each with what it is there. All others
/// go through `trust`, `durable` and `process`.
const BY_PATH: &[(&str, &[(&str, &str)])] = &[
    ("fs::read(", &[("src/cli/init/look.rs", "/proc"), ("src/cli/demo/server.rs", "/proc"), ("src/fault.rs", "a test's FIFO")]),
    (
        "fs::read_to_string(",
        &[
            ("src/process/identity.rs", "/proc"),
            ("src/process/memory.rs", "/proc and /sys"),
            ("src/engine/sqlite/sessions.rs", "/proc"),
            ("src/control/metrics.rs", "/proc"),
            ("src/control/peers.rs", "/etc/passwd and /etc/group"),
            ("src/cli/owner.rs", "/proc"),
            ("src/cli/installer.rs", "/proc"),
            ("src/cli/init/listen.rs", "/proc"),
            ("src/cli/demo/server.rs", "the demo's own"),
        ],
    ),
    (
        "File::open(",
        &[
            ("src/durable.rs", "a directory, to sync it"),
            ("src/release/dpkg.rs", "the package manager's lock"),
            ("src/engine/sqlite/image.rs", "an image of ours"),
            ("src/engine/sqlite/load.rs", "a stage of ours"),
        ],
    ),
    (
        "OpenOptions::new()",
        &[
            ("src/state_db/private.rs", "never through a link"),
            ("src/durable.rs", ""),
            ("src/fault.rs", "a test's trace"),
            ("src/engine/sqlite/open.rs", "a new file, as the directory's owner"),
            ("src/cli/demo/server.rs", "the demo's own"),
        ],
    ),
    ("fs::chown(", &[("src/engine/sqlite/load.rs", "a stage of ours")]),
    (
        "fs::set_permissions(",
        &[("src/engine/sqlite/load.rs", "a stage of ours"), ("src/control/socket.rs", "a directory made a moment ago")],
    ),
    (
        "process::Command::new(",
        &[
            ("src/process.rs", ""),
            ("src/process/relay.rs", ""),
            ("src/cli/demo/server.rs", "itself"),
            ("src/cli/demo/stage.rs", "itself"),
        ],
    ),
];

/// A stronger user never opens, runs, follows, changes or prints what a weaker one can name (ARCHITECTURE.md).
#[test]
fn what_others_could_name_is_opened_and_run_in_one_place() {
    let mut wrong = Vec::new();
    for (path, text) in sources("src") {
        let name = path.display().to_string();
        if path.ends_with("tests.rs") || name.contains("/tests/") || name.starts_with("src/trust") {
            continue;
        }
        // Unit tests at the end of a file may do as they like.
        let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
        for (number, line) in code.lines().enumerate().filter(|(_, line)| !line.trim_start().starts_with("//")) {
            for (way, allowed) in BY_PATH {
                if line.contains(way) && !allowed.iter().any(|(file, _)| *file == name) {
                    wrong.push(format!("{name}:{}: `{way}`: go through trust, durable or process", number + 1));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
