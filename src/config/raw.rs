//! Raw settings: the merged tables of all layers, read key by key into checked values.
//!
//! Owns the typed look-ups and the list of everything found wrong on the way. Never decides what a setting means. Invariants:
//! every problem is kept, none ends the reading; a key that nobody asked for is a problem too (held by
//! `config::load::tests`).

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Duration;

use config::{Value, ValueKind};

use super::given::{self, Problem};

/// Merged settings: the `config` crate's table.
pub(crate) type Table = config::Map<String, Value>;

/// Names this alike are worth asking "did you mean"; below it the guess would only confuse.
const ALIKE: f64 = 0.75;

/// Where problems gather.
#[derive(Debug)]
pub(crate) struct Problems {
    /// What a problem is said of when no layer set the key: the main file.
    main: String,
    found: RefCell<Vec<Problem>>,
}

impl Problems {
    pub(crate) fn new(main: String) -> Self {
        Self { main, found: RefCell::default() }
    }

    pub(crate) fn add(&self, origin: Option<&str>, key: &str, what: String) {
        let origin = origin.unwrap_or(&self.main).to_owned();
        self.found.borrow_mut().push(Problem { origin, key: key.to_owned(), what });
    }

    pub(crate) fn into_found(self) -> Vec<Problem> {
        self.found.into_inner()
    }
}

/// One table of settings, and which of its keys were asked for.
#[derive(Debug)]
pub(crate) struct Node<'a> {
    path: String,
    table: Option<&'a Table>,
    problems: &'a Problems,
    asked: RefCell<BTreeSet<String>>,
}

impl<'a> Node<'a> {
    pub(crate) fn root(table: &'a Table, problems: &'a Problems) -> Self {
        Self::at(String::new(), Some(table), problems)
    }

    fn at(path: String, table: Option<&'a Table>, problems: &'a Problems) -> Self {
        Self { path, table, problems, asked: RefCell::default() }
    }

    /// A table that stands inside a list, for the same look-ups.
    pub(crate) fn item(&self, path: String, table: &'a Table) -> Node<'a> {
        Self::at(path, Some(table), self.problems)
    }

    /// The full name of a key.
    pub(crate) fn key(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }

    /// Whether any layer has this table.
    pub(crate) fn present(&self) -> bool {
        self.table.is_some()
    }

    /// Whether any layer set the key.
    pub(crate) fn has(&self, key: &str) -> bool {
        self.table.is_some_and(|table| table.contains_key(key))
    }

    /// Says that something is wrong with a key, as of where it was set.
    pub(crate) fn wrong(&self, key: &str, what: impl Into<String>) {
        let origin = self.table.and_then(|table| table.get(key)).and_then(origin_of);
        let origin = origin.or_else(|| self.table.and_then(|table| table.values().find_map(user_origin_of)));
        self.problems.add(origin, &self.key(key), what.into());
    }

    /// The value itself.
    pub(crate) fn value(&self, key: &str) -> Option<&'a Value> {
        self.asked.borrow_mut().insert(key.to_owned());
        self.table?.get(key).filter(|value| value.kind != ValueKind::Nil)
    }

    fn wrong_type(&self, key: &str, value: &Value, wanted: &str) {
        self.wrong(key, format!("must be {wanted}, and is {}", kind_of(value)));
    }

    /// A table below; an absent one answers every look-up with nothing.
    pub(crate) fn table(&self, key: &str) -> Node<'a> {
        let table = match self.value(key).map(|value| (value, &value.kind)) {
            None => None,
            Some((_, ValueKind::Table(table))) => Some(table),
            Some((value, _)) => {
                self.wrong_type(key, value, "a table");
                None
            }
        };
        Self::at(self.key(key), table, self.problems)
    }

    /// The tables below, each under its own name.
    pub(crate) fn entries(&self) -> Vec<(String, Node<'a>)> {
        let keys: BTreeSet<&String> = self.table.into_iter().flat_map(|table| table.keys()).collect();
        keys.into_iter().map(|key| (key.clone(), self.table(key))).collect()
    }

    /// A text.
    pub(crate) fn text(&self, key: &str) -> Option<String> {
        let value = self.value(key)?;
        match text_of(value) {
            Some(text) if text.is_empty() && key != "schema" => {
                self.wrong(key, "must not be empty");
                None
            }
            Some(text) => Some(text),
            None => {
                self.wrong_type(key, value, "a text in quotes");
                None
            }
        }
    }

    /// A text, made into something else by `parse`, whose error is the problem.
    pub(crate) fn parsed<T>(&self, key: &str, parse: impl FnOnce(&str) -> Result<T, String>) -> Option<T> {
        parse(&self.text(key)?).map_err(|what| self.wrong(key, what)).ok()
    }

    /// One of a few words.
    pub(crate) fn word<T: Copy>(&self, key: &str, words: &[(&str, T)]) -> Option<T> {
        self.parsed(key, |text| match words.iter().find(|(word, _)| *word == text) {
            Some((_, meaning)) => Ok(*meaning),
            None => {
                let known: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
                Err(format!("`{text}` is not known{}; it is one of {}", guess(text, known.iter().copied()), known.join(", ")))
            }
        })
    }

    /// A path from the root of the file system.
    pub(crate) fn path(&self, key: &str) -> Option<PathBuf> {
        self.parsed(key, |text| match PathBuf::from(text) {
            path if path.is_absolute() => Ok(path),
            _ => Err(format!("`{text}` is relative; write the whole path, from /")),
        })
    }

    /// A span of time with its unit.
    pub(crate) fn duration(&self, key: &str) -> Option<Duration> {
        let value = self.value(key)?;
        if let ValueKind::I64(number) = value.kind {
            self.wrong(key, format!("{number} lacks its unit: write \"{number}s\" or \"{number}m\""));
            return None;
        }
        self.parsed(key, given::duration)
    }

    /// True or false.
    pub(crate) fn flag(&self, key: &str) -> Option<bool> {
        let value = self.value(key)?;
        match value.kind {
            ValueKind::Boolean(flag) => Some(flag),
            _ => {
                self.wrong_type(key, value, "true or false");
                None
            }
        }
    }

    /// A whole number within bounds.
    pub(crate) fn whole<T: TryFrom<i64>>(&self, key: &str, bounds: std::ops::RangeInclusive<i64>) -> Option<T> {
        let value = self.value(key)?;
        let ValueKind::I64(number) = value.kind else {
            self.wrong_type(key, value, "a whole number");
            return None;
        };
        let fits = bounds.contains(&number).then(|| T::try_from(number).ok()).flatten();
        if fits.is_none() {
            self.wrong(key, format!("{number} is out of range: {} to {}", bounds.start(), bounds.end()));
        }
        fits
    }

    /// A list of texts.
    pub(crate) fn texts(&self, key: &str) -> Option<Vec<String>> {
        let value = self.value(key)?;
        let texts = match &value.kind {
            ValueKind::Array(items) => items.iter().map(text_of).collect::<Option<Vec<String>>>(),
            _ => None,
        };
        if texts.is_none() {
            self.wrong_type(key, value, "a list of texts, [\"…\"]");
        }
        texts
    }

    /// Whole paths: a list of them, or one alone.
    pub(crate) fn paths(&self, key: &str) -> Vec<PathBuf> {
        let Some(value) = self.value(key) else { return Vec::new() };
        let texts = match text_of(value) {
            Some(text) => Some(vec![text]),
            None => self.texts(key),
        };
        let paths: Vec<PathBuf> = texts.unwrap_or_default().into_iter().map(PathBuf::from).collect();
        for path in paths.iter().filter(|path| !path.is_absolute()) {
            self.wrong(key, format!("`{}` must be a whole path, from the root", path.display()));
        }
        paths
    }

    /// A program with its arguments.
    pub(crate) fn argv(&self, key: &str) -> Option<Vec<String>> {
        let argv = self.texts(key)?;
        if argv.first().is_none_or(String::is_empty) {
            self.wrong(key, "names no program");
            return None;
        }
        Some(argv)
    }

    /// A table of texts.
    pub(crate) fn map(&self, key: &str) -> BTreeMap<String, String> {
        let below = self.table(key);
        let keys: Vec<String> = below.table.into_iter().flat_map(|table| table.keys().cloned()).collect();
        keys.into_iter().filter_map(|key| below.text(&key).map(|text| (key, text))).collect()
    }

    /// Ends the reading of this table: what nobody asked for is unknown.
    pub(crate) fn close(&self) {
        let asked = self.asked.borrow();
        let keys: BTreeSet<&String> = self.table.into_iter().flat_map(|table| table.keys()).collect();
        for key in keys.into_iter().filter(|key| !asked.contains(*key)) {
            let near = guess(key, asked.iter().map(String::as_str));
            let known =
                || format!(" (known here: {})", asked.iter().map(|key| format!("`{key}`")).collect::<Vec<_>>().join(", "));
            self.wrong(key, format!("unknown key{}", if near.is_empty() { known() } else { near }));
        }
    }
}

/// ` (did you mean …?)`, or nothing when no word is near.
pub(crate) fn guess<'w>(text: &str, words: impl Iterator<Item = &'w str>) -> String {
    let near = words.map(|word| (strsim::jaro_winkler(text, word), word)).filter(|(alike, _)| *alike >= ALIKE);
    match near.max_by(|a, b| a.0.total_cmp(&b.0)) {
        Some((_, word)) => format!(" (did you mean `{word}`?)"),
        None => String::new(),
    }
}

/// The layer a value came from: its own, or that of the first value below it.
pub(crate) fn origin_of(value: &Value) -> Option<&str> {
    match &value.kind {
        ValueKind::Table(table) => value.origin().or_else(|| table.values().find_map(user_origin_of)),
        ValueKind::Array(items) => value.origin().or_else(|| items.iter().find_map(origin_of)),
        _ => value.origin(),
    }
}

/// The same, passing over what only the built-in layers set: an operator cannot mend those.
fn user_origin_of(value: &Value) -> Option<&str> {
    match &value.kind {
        ValueKind::Table(table) => table.values().find_map(user_origin_of),
        _ => origin_of(value).filter(|origin| !origin.starts_with("built-in")),
    }
}

/// The text of a value. An environment variable has no types, so there a number is a text too.
fn text_of(value: &Value) -> Option<String> {
    let untyped = value.origin().is_some_and(|origin| origin.starts_with(given::ENVIRONMENT_PREFIX));
    match &value.kind {
        ValueKind::String(text) => Some(text.clone()),
        ValueKind::I64(number) if untyped => Some(number.to_string()),
        ValueKind::Boolean(flag) if untyped => Some(flag.to_string()),
        _ => None,
    }
}

fn kind_of(value: &Value) -> String {
    match &value.kind {
        ValueKind::Boolean(flag) => format!("{flag}"),
        ValueKind::I64(number) => format!("the number {number}"),
        ValueKind::Float(number) => format!("the number {number}"),
        ValueKind::String(_) => "a text".to_owned(),
        ValueKind::Table(_) => "a table".to_owned(),
        ValueKind::Array(_) => "a list".to_owned(),
        _ => "something else".to_owned(),
    }
}
