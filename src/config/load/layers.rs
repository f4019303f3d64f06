//! The layers of the configuration, lowest first, merged by the `config` crate with each value's origin kept.
//!
//! Owns which files are read and in which order. Knows no key but `profile` and `product`, which pick layers. A value of a higher
//! layer replaces that of a lower one; tables are merged key by key, lists are replaced whole.

mod profiles;

use std::path::{Path, PathBuf};

use config::{ConfigError, Map, Source, Value, ValueKind};

use super::Environment;
use crate::config::given::ENVIRONMENT_PREFIX;
use crate::config::raw::{Problems, Table};
use crate::trust;

/// A configuration longer than this is another file, named by mistake.
const LONGEST: u64 = 16 * 1024 * 1024;

const DEFAULTS: &str = include_str!("../../../config/defaults.toml");

/// Sections that only a target which has them gets defaults for.
const OPTIONAL_SECTIONS: [&str; 3] = ["release", "migrations", "service"];

/// One layer: values that already carry their origin.
#[derive(Debug, Clone)]
struct Layer(Table);

impl Source for Layer {
    fn clone_into_box(&self) -> Box<dyn Source + Send + Sync> {
        Box::new(self.clone())
    }

    fn collect(&self) -> Result<Map<String, Value>, ConfigError> {
        Ok(self.0.clone())
    }
}

/// What is said of a file that is there and closed to this user.
pub(super) const CLOSED: &str = "this user may not read it";

/// What of the files this user may read, above the built-in defaults; for nothing but where the daemon listens.
pub(super) fn readable(path: &Path, environment: &Environment, problems: &Problems) -> Option<Table> {
    let mut layers = vec![Layer(parse(DEFAULTS, "built-in defaults", problems)?)];
    let files = std::iter::once(path.to_owned()).chain(drop_ins(path, problems));
    layers.extend(files.filter_map(|path| file(&path, problems)));
    layers.extend(variables(environment, problems));
    merge(&layers, problems)
}

/// All layers as one table; `None` when a layer cannot be read at all, with the reason among the problems.
pub(super) fn merged(path: &Path, environment: &Environment, problems: &Problems) -> Option<Table> {
    let mut written = vec![file(path, problems)];
    written.extend(drop_ins(path, problems).iter().map(|path| file(path, problems)));
    written.push(variables(environment, problems));
    let written: Vec<Layer> = written.into_iter().collect::<Option<_>>()?;
    let above = merge(&written, problems)?;
    let mut layers = below(path, &above, problems)?;
    layers.extend(written);
    merge(&layers, problems)
}

/// What a command line says, above the built-in defaults. Nothing that is written anywhere else says a word in it.
pub(super) fn said(said: toml::Table, path: &Path, problems: &Problems) -> Option<Table> {
    let said = Layer(said.into_iter().map(|(key, value)| (key, carry(value, "the command line"))).collect());
    let mut layers = below(path, &said.0, problems)?;
    layers.push(said);
    merge(&layers, problems)
}

fn merge(layers: &[Layer], problems: &Problems) -> Option<Table> {
    let builder = layers.iter().fold(config::Config::builder(), |builder, layer| builder.add_source(layer.clone()));
    let merged = builder.build().and_then(|config| config.cache.into_table());
    merged.map_err(|error| problems.add(None, "", error.to_string())).ok()
}

/// The layers below what was written: the built-in defaults, then each target's profiles.
fn below(path: &Path, above: &Table, problems: &Problems) -> Option<Vec<Layer>> {
    let mut defaults = parse(DEFAULTS, "built-in defaults", problems)?;
    let every_target = defaults.remove("target").and_then(|value| value.into_table().ok()).unwrap_or_default();
    let mut layers = vec![Layer(defaults)];
    let targets = above.get("targets").cloned().and_then(|value| value.into_table().ok()).unwrap_or_default();
    for (name, target) in targets {
        let Ok(target) = target.into_table() else { continue };
        let Some((chosen, chain)) = profiles::chain(path, &name, &target, problems) else { continue };
        let wanted = profiles::sections(&chain, &target);
        let mut of_target = vec![every_target.clone()];
        of_target.extend(chain.into_iter().map(|profile| profile.without_what_others_run(&target)));
        of_target.push([("profile".to_owned(), Value::new(None, ValueKind::String(chosen)))].into_iter().collect());
        for table in of_target {
            let kept = table.into_iter().filter(|(key, _)| !OPTIONAL_SECTIONS.contains(&&**key) || wanted.contains(key));
            let table = Value::new(None, ValueKind::Table(kept.collect()));
            let under = Value::new(None, ValueKind::Table([(name.clone(), table)].into_iter().collect()));
            layers.push(Layer([("targets".to_owned(), under)].into_iter().collect()));
        }
    }
    Some(layers)
}

fn file(path: &Path, problems: &Problems) -> Option<Layer> {
    let origin = path.display().to_string();
    if let Some(weak) = trust::weaker(path).unwrap_or_default().first() {
        // What is written here names programs that we run, as root too.
        let what = format!("{weak} could change it, or what leads to it: `chown root` and `chmod go-w` it and its directories");
        problems.add(Some(&origin), "", what);
        return None;
    }
    match trust::read_to_string(path, LONGEST) {
        Ok(text) => parse(&text, &origin, problems).map(Layer),
        Err(error) => {
            let what = match error.kind() {
                std::io::ErrorKind::NotFound => "there is no such file; name yours with --config or UPKEEP_CONFIG".to_owned(),
                std::io::ErrorKind::PermissionDenied => CLOSED.to_owned(),
                _ => format!("cannot read the file: {error}"),
            };
            problems.add(Some(&origin), "", what);
            None
        }
    }
}

/// `conf.d/*.toml` beside the file, by name.
fn drop_ins(path: &Path, problems: &Problems) -> Vec<PathBuf> {
    let directory = path.with_file_name("conf.d");
    let entries = match std::fs::read_dir(&directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Vec::new(),
        Err(error) => {
            problems.add(Some(&directory.display().to_string()), "", format!("cannot list the directory: {error}"));
            return Vec::new();
        }
    };
    let paths = entries.flatten().map(|entry| entry.path());
    let mut paths: Vec<PathBuf> = paths.filter(|path| path.extension().is_some_and(|ending| ending == "toml")).collect();
    paths.sort();
    paths
}

/// `UPKEEP__TARGETS__NOTES__BACKUP__SCHEDULE=…`, each variable by its own name.
fn variables(environment: &Environment, problems: &Problems) -> Option<Layer> {
    let mut layers = Vec::new();
    for (name, text) in environment {
        let Some(key) = name.strip_prefix(ENVIRONMENT_PREFIX) else { continue };
        let mut parts: Vec<String> = key.split("__").map(str::to_lowercase).collect();
        let Some(last) = parts.pop().filter(|last| !last.is_empty() && !parts.iter().any(String::is_empty)) else {
            problems.add(Some(name), "", "names no key; write UPKEEP__SECTION__KEY".to_owned());
            continue;
        };
        let mut table: Table = [(last, untyped(text, name))].into_iter().collect();
        for part in parts.into_iter().rev() {
            table = [(part, Value::new(None, ValueKind::Table(table)))].into_iter().collect();
        }
        layers.push(Layer(table));
    }
    merge(&layers, problems).map(Layer)
}

/// A variable's value: a list, table, number, true or false when it reads as one, else a text.
fn untyped(text: &str, origin: &str) -> Value {
    let parsed = toml::from_str::<toml::Table>(&format!("value = {text}")).ok().and_then(|mut table| table.remove("value"));
    let parsed = parsed.filter(|value| !matches!(value, toml::Value::Datetime(_) | toml::Value::Float(_)));
    carry(parsed.unwrap_or_else(|| toml::Value::String(text.to_owned())), origin)
}

fn parse(text: &str, origin: &str, problems: &Problems) -> Option<Table> {
    match toml::from_str::<toml::Table>(text) {
        Ok(table) => Some(table.into_iter().map(|(key, value)| (key, carry(value, origin))).collect()),
        Err(error) => {
            let line = error.span().map(|span| text[..span.start.min(text.len())].matches('\n').count() + 1);
            let line = line.map(|line| format!("line {line}: ")).unwrap_or_default();
            problems.add(Some(origin), "", format!("{line}not TOML: {}", error.message().replace('\n', ", ")));
            None
        }
    }
}

/// A TOML value as the `config` crate's, with its origin on every leaf.
fn carry(value: toml::Value, origin: &str) -> Value {
    let kind = match value {
        toml::Value::String(text) => ValueKind::String(text),
        toml::Value::Integer(number) => ValueKind::I64(number),
        toml::Value::Float(number) => ValueKind::Float(number),
        toml::Value::Boolean(flag) => ValueKind::Boolean(flag),
        toml::Value::Datetime(moment) => ValueKind::String(moment.to_string()),
        toml::Value::Array(items) => ValueKind::Array(items.into_iter().map(|item| carry(item, origin)).collect()),
        toml::Value::Table(table) => {
            ValueKind::Table(table.into_iter().map(|(key, value)| (key, carry(value, origin))).collect())
        }
    };
    Value::new(Some(&origin.to_owned()), kind)
}
