//! Why a script's checksum is not the recorded one.
//!
//! Owns the comparison of a script with what was applied: with the old script itself where it was kept, and otherwise with
//! what careless tools make of a text (blanks at line ends, tabs, byte order marks). Pure but for reading the kept scripts.
//! Never decides whether the difference matters: it always does to Flyway. Held by `difference/tests.rs`.

use std::fmt;
use std::path::Path;

use serde::Serialize;

use super::checksum;

/// How many changed lines are shown of either side.
const SHOWN_LINES: usize = 6;
/// The largest kept script that is compared, in bytes: more is no text that anybody edits by hand.
const MAX_KEPT_BYTES: u64 = 4 * 1024 * 1024;

/// What differs between a script and what was applied.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum Difference {
    /// A byte order mark that Flyway counts.
    ByteOrderMark,
    /// Blanks, tabs or empty lines alone.
    Whitespace {
        /// What about them.
        what: String,
    },
    /// The text.
    Edited {
        /// The line of the first change, from 1.
        line: usize,
        /// Lines that were applied (`-`) and that are there now (`+`).
        lines: Vec<String>,
    },
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ByteOrderMark => write!(f, "only byte order marks differ"),
            Self::Whitespace { what } => write!(f, "only blanks differ: {what}"),
            Self::Edited { line, lines } => write!(f, "it was edited from line {line}: {}", lines.join(" ")),
        }
    }
}

/// What differs between `text` and the script whose checksum is `recorded`. `kept` is the store of earlier scripts.
pub(super) fn explain(text: &str, recorded: i32, kept: Option<&Path>) -> Option<Difference> {
    if let Some(old) = kept.and_then(|store| kept_script(store, recorded)) {
        return Some(compare(&old, text));
    }
    type Shape = (&'static str, fn(&str) -> String);
    let shapes: [Shape; 5] = [
        ("at the ends of lines", |line| line.trim_end().to_owned()),
        ("at the beginnings of lines", |line| line.trim_start().to_owned()),
        ("at both ends of lines", |line| line.trim().to_owned()),
        ("tabs stood where there are four blanks", |line| line.replace("    ", "\t")),
        ("four blanks stood where there are tabs", |line| line.replace('\t', "    ")),
    ];
    if checksum::of(&format!("\u{feff}\u{feff}{text}")) == recorded || checksum::of(&text.replace('\u{feff}', "")) == recorded {
        return Some(Difference::ByteOrderMark);
    }
    let shaped = |shape: fn(&str) -> String| text.lines().map(shape).collect::<Vec<_>>().join("\n");
    let found = shapes.into_iter().find(|(_, shape)| checksum::of(&shaped(*shape)) == recorded);
    found.map(|(what, _)| Difference::Whitespace { what: what.to_owned() })
}

/// The kept script with this checksum. One that cannot be read explains nothing and stops nothing.
fn kept_script(store: &Path, recorded: i32) -> Option<String> {
    let entries = std::fs::read_dir(store).ok()?.filter_map(Result::ok);
    let small = entries.filter(|entry| entry.metadata().is_ok_and(|meta| meta.is_file() && meta.len() <= MAX_KEPT_BYTES));
    let mut texts = small.filter_map(|entry| crate::trust::read_to_string(&entry.path(), MAX_KEPT_BYTES).ok());
    texts.find(|text| checksum::of(text) == recorded)
}

/// Compares the two texts line by line: what lies between their common beginning and their common end.
fn compare(old: &str, new: &str) -> Difference {
    if old.replace('\u{feff}', "") == new.replace('\u{feff}', "") {
        return Difference::ByteOrderMark;
    }
    let bare = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    if bare(old) == bare(new) {
        return Difference::Whitespace { what: "as the kept script shows".to_owned() };
    }
    let (old, new): (Vec<&str>, Vec<&str>) = (old.lines().collect(), new.lines().collect());
    let before = old.iter().zip(&new).take_while(|(a, b)| a == b).count();
    let (old, new) = (old.get(before..).unwrap_or_default(), new.get(before..).unwrap_or_default());
    let after = old.iter().rev().zip(new.iter().rev()).take_while(|(a, b)| a == b).count();
    let changed = |sign: &str, lines: &[&str]| -> Vec<String> {
        let lines = lines.get(..lines.len() - after).unwrap_or_default();
        let more = lines.len().saturating_sub(SHOWN_LINES);
        let shown = lines.iter().take(SHOWN_LINES).map(|line| format!("{sign}{line}"));
        shown.chain((more > 0).then(|| format!("{sign}… {more} more"))).collect()
    };
    Difference::Edited { line: before + 1, lines: [changed("-", old), changed("+", new)].concat() }
}

#[cfg(test)]
mod tests;
