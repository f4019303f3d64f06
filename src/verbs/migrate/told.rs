//! What a `migrate` verb answered, in words.
//!
//! Every verb's answer has the history table and where it stands; the rest depends on the verb, so all of it may be missing.

use serde::Deserialize;

use crate::pen::table::{Side, Table};
use crate::pen::{Pen, human};
use crate::wire::Migrate;

/// An answer, as far as people are told of it.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(in crate::verbs) struct Told {
    would_run: Option<Vec<Script>>,
    entries: Vec<Entry>,
    applied: Vec<Applied>,
    problems: Vec<Problem>,
    baseline: Option<String>,
    pending: Option<Vec<serde::de::IgnoredAny>>,
    head: Option<String>,
    label: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Script {
    event: Option<String>,
    script: String,
    in_transaction: bool,
    statements: Vec<Statement>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Statement {
    line: u64,
    sql: String,
    rows_bytes: Option<u64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Entry {
    state: String,
    version: Option<String>,
    description: String,
    #[serde(rename = "type")]
    kind: String,
    installed_on: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Applied {
    script: String,
    #[serde(default)]
    execution_ms: u64,
}

#[derive(Debug, Deserialize)]
struct Problem {
    message: String,
    #[serde(default)]
    hint: Option<String>,
}

pub(in crate::verbs) fn tell(_: &Migrate, told: &Told, pen: Pen) -> Option<String> {
    if let Some(scripts) = &told.would_run {
        return Some(would_run(scripts));
    }
    let mut lines = Vec::new();
    if !told.entries.is_empty() {
        lines.push(table(&told.entries, pen));
    }
    for done in &told.applied {
        let took = human::span(std::time::Duration::from_millis(done.execution_ms));
        lines.push(format!("applied {} in {took}", done.script));
    }
    for problem in &told.problems {
        lines.push(format!("problem: {}", problem.message));
        lines.extend(problem.hint.iter().map(|hint| format!("  hint: {hint}")));
    }
    lines.extend(told.baseline.iter().map(|version| format!("baseline: {version}")));
    if let Some(pending) = &told.pending {
        lines.push(format!("at {}, {} pending", told.head.as_deref().unwrap_or("nothing"), pending.len()));
    } else if lines.is_empty() {
        return None;
    }
    lines.extend(told.label.iter().map(|label| format!("what was there before is in {label}")));
    Some(lines.join("\n"))
}

fn table(entries: &[Entry], pen: Pen) -> String {
    let mut table = Table::new(&["state", "version", "description", "type", "installed on"].map(|name| (name, Side::Left)));
    for entry in entries {
        let at = entry.installed_on.as_deref().map(human::as_moment).unwrap_or_default();
        let version = entry.version.clone().unwrap_or_default();
        table.plain([entry.state.clone(), version, entry.description.clone(), entry.kind.clone(), at]);
    }
    table.render(pen).trim_end().to_owned()
}

/// A dry run as SQL, with remarks that say where each statement is from.
fn would_run(scripts: &[Script]) -> String {
    let mut lines = Vec::new();
    for script in scripts {
        let event = script.event.as_ref().map(|event| format!(" at {event}")).unwrap_or_default();
        let how = if script.in_transaction { "one transaction" } else { "no transaction" };
        lines.push(format!("-- {}{event}, {how}", script.script));
        for statement in &script.statements {
            let rows = statement.rows_bytes.map(|bytes| format!(", followed by {bytes} bytes of rows"));
            lines.push(format!("-- line {}{}", statement.line, rows.unwrap_or_default()));
            lines.push(format!("{};", statement.sql));
        }
    }
    if lines.is_empty() { "nothing would run".to_owned() } else { lines.join("\n") }
}
