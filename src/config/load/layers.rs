//! The layers of the configuration, lowest first, merged by the `config` crate with each value's origin kept.
//!
//! Owns which files are read and in which order. Knows no key but `profile`, which picks a layer. A value of a higher layer
//! replaces that of a lower one; tables are merged key by key, lists are replaced whole.

use std::path::{Path, PathBuf};

use config::{ConfigError, Map, Source, Value, ValueKind};

use super::Environment;
use crate::config::given::ENVIRONMENT_PREFIX;
use crate::config::raw::{Problems, Table, guess};
use crate::trust;

/// A configuration longer than this is another file, named by mistake.
const LONGEST: u64 = 16 * 1024 * 1024;

const DEFAULTS: &str = include_str!("../../../config/defaults.toml");

/// The shipped profiles, by name.
const PROFILES: [(&str, &str); 1] = [("generic", include_str!("../../../config/profiles/generic.toml"))];

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
    let mut layers = below(&above, problems)?;
    layers.extend(written);
    merge(&layers, problems)
}

fn merge(layers: &[Layer], problems: &Problems) -> Option<Table> {
    let builder = layers.iter().fold(config::Config::builder(), |builder, layer| builder.add_source(layer.clone()));
    let merged = builder.build().and_then(|config| config.cache.into_table());
    merged.map_err(|error| problems.add(None, "", error.to_string())).ok()
}

/// The layers below what was written: the built-in defaults, then each target's profile.
fn below(above: &Table, problems: &Problems) -> Option<Vec<Layer>> {
    let mut defaults = parse(DEFAULTS, "built-in defaults", problems)?;
    let every_target = defaults.remove("target").and_then(|value| value.into_table().ok()).unwrap_or_default();
    let mut of_targets = Table::new();
    let mut of_profiles = Table::new();
    let targets = above.get("targets").cloned().and_then(|value| value.into_table().ok()).unwrap_or_default();
    for (name, target) in targets {
        let Ok(target) = target.into_table() else { continue };
        let chosen = target.get("profile").cloned().and_then(|value| value.into_string().ok());
        let chosen = chosen.unwrap_or_else(|| "generic".to_owned());
        let Some((_, text)) = PROFILES.iter().find(|(profile, _)| *profile == chosen) else {
            let known: Vec<&str> = PROFILES.iter().map(|(profile, _)| *profile).collect();
            let origin = target.get("profile").and_then(crate::config::raw::origin_of);
            let guess = guess(&chosen, known.iter().copied());
            let what = format!("there is no profile `{chosen}`{guess}; shipped are: {}", known.join(", "));
            problems.add(origin, &format!("targets.{name}.profile"), what);
            continue;
        };
        let profile = parse(text, &format!("built-in profile {chosen}"), problems)?;
        let wanted = |section: &str| !OPTIONAL_SECTIONS.contains(&section) || target.contains_key(section);
        let only_wanted = |table: &Table| -> Value {
            let kept = table.iter().filter(|(section, _)| wanted(section));
            Value::new(None, ValueKind::Table(kept.map(|(key, value)| (key.clone(), value.clone())).collect()))
        };
        of_targets.insert(name.clone(), only_wanted(&every_target));
        of_profiles.insert(name, without_scripts_of_others(only_wanted(&profile), &target));
    }
    let under_targets =
        |table: Table| Layer([("targets".to_owned(), Value::new(None, ValueKind::Table(table)))].into_iter().collect());
    Some(vec![Layer(defaults), under_targets(of_targets), under_targets(of_profiles)])
}

/// A profile's `locations` are for its own runner. A vendor's tool or a server that migrates itself has other files, or none that say
/// what should be there: only what was written for it counts.
fn without_scripts_of_others(profile: Value, target: &Table) -> Value {
    let runner = |table: &Table| -> Option<String> {
        let migrations = table.get("migrations")?.clone().into_table().ok()?;
        migrations.get("runner")?.clone().into_string().ok()
    };
    let Ok(mut of_profile) = profile.clone().into_table() else { return profile };
    match (runner(target), runner(&of_profile)) {
        (Some(written), Some(shipped)) if written != shipped => {}
        _ => return profile,
    }
    if let Some(Ok(mut migrations)) = of_profile.remove("migrations").map(Value::into_table) {
        migrations.remove("locations");
        of_profile.insert("migrations".to_owned(), Value::new(None, ValueKind::Table(migrations)));
    }
    Value::new(None, ValueKind::Table(of_profile))
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
