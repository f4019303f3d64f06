//! What came of an action, as text. The object itself is what `--json` prints.

use serde_json::{Map, Value};

use super::human;
use super::table::{Side, Table};
use super::terminal::{Terminal, Tone};
use crate::actions::Action;

/// The text of an action's result.
pub(super) fn text(action: &Action, result: &Value, terminal: Terminal) -> String {
    let headline = headline(action, result);
    let body = match result {
        Value::Object(fields) => object(fields, terminal),
        Value::Null => String::new(),
        other => plain(other),
    };
    [headline, body].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("\n")
}

fn headline(action: &Action, result: &Value) -> String {
    let label = result.get("label").and_then(Value::as_str);
    match (action, label) {
        (Action::Backup { target, .. }, Some(label)) => format!("archived {target} as {label}"),
        (Action::Hold { target, .. }, _) => {
            format!("no upgrades of {target} until the hold is released: `upkeep release-hold {target}`")
        }
        (Action::ReleaseHold { target }, _) => format!("upgrades of {target} again"),
        (Action::Pin { label, .. }, _) => format!("pinned {label}"),
        (Action::Unpin { label }, _) => format!("unpinned {label}"),
        (Action::Gate { target }, _) => format!("{target}: the server may start"),
        _ => String::new(),
    }
}

/// Fields as lines, lists as tables.
fn object(fields: &Map<String, Value>, terminal: Terminal) -> String {
    let mut lines = Vec::new();
    for (name, value) in fields.iter().filter(|(_, value)| !value.is_null()) {
        let heading = terminal.paint(Tone::Quiet, &format!("{:<13}", name.replace('_', " ")));
        match value {
            Value::Array(items) if items.is_empty() => {}
            Value::Array(items) if items.iter().all(Value::is_object) => {
                lines.push(format!("  {}", heading.trim_end()));
                lines.extend(table(items, terminal).lines().map(|line| format!("    {line}")));
            }
            Value::Array(items) => {
                lines.push(format!("  {heading} {}", items.first().map(plain).unwrap_or_default()));
                lines.extend(items.iter().skip(1).map(|item| format!("  {:<13} {}", "", plain(item))));
            }
            Value::Object(fields) => {
                lines.push(format!("  {}", heading.trim_end()));
                lines.extend(object(fields, terminal).lines().map(|line| format!("  {line}")));
            }
            value => lines.push(format!("  {heading} {}", named(name, value))),
        }
    }
    lines.join("\n")
}

/// Objects of one kind as rows; the columns are those of the first.
fn table(items: &[Value], terminal: Terminal) -> String {
    let Some(first) = items.first().and_then(Value::as_object) else { return String::new() };
    let names: Vec<String> = first.keys().cloned().collect();
    let mut rows = vec![names.iter().map(|name| (name.replace('_', " "), Tone::Quiet)).collect::<Vec<_>>()];
    rows.extend(items.iter().map(|item| {
        let cell = |name: &String| item.get(name).map(|value| named(name, value)).unwrap_or_default();
        names.iter().map(|name| (cell(name), Tone::Plain)).collect()
    }));
    Table::rows_of(vec![Side::Left; names.len()], rows).render(terminal)
}

/// A value of which the field's name says the unit.
fn named(name: &str, value: &Value) -> String {
    match value.as_u64() {
        Some(bytes) if name == "size" || name == "bytes" || name.ends_with("_bytes") => human::size(bytes),
        Some(ms) if name.ends_with("_ms") => human::span(std::time::Duration::from_millis(ms)),
        Some(number) => human::count(number),
        None => plain(value),
    }
}

fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Bool(true) => "yes".to_owned(),
        Value::Bool(false) => "no".to_owned(),
        Value::Null => String::new(),
        Value::Array(items) => items.iter().map(plain).collect::<Vec<_>>().join(", "),
        Value::Object(fields) => {
            fields.iter().map(|(name, value)| format!("{name}: {}", named(name, value))).collect::<Vec<_>>().join(", ")
        }
        Value::Number(number) => number.to_string(),
    }
}
