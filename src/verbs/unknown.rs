//! An answer of no form that we know, from a daemon of another version: as it is, with its fields' names.

use serde_json::{Map, Value};

use crate::pen::table::{Side, Table};
use crate::pen::{Pen, Tone, human};

pub(super) fn tell(answer: &Value, pen: Pen) -> String {
    match answer {
        Value::Object(fields) => object(fields, pen),
        other => plain(other),
    }
}

/// Fields as lines, lists as tables.
fn object(fields: &Map<String, Value>, pen: Pen) -> String {
    let mut lines = Vec::new();
    for (name, value) in fields.iter().filter(|(_, value)| !value.is_null()) {
        let heading = pen.paint(Tone::Quiet, &format!("{:<13}", title(name)));
        match value {
            Value::Array(items) if items.is_empty() => {}
            Value::Array(items) if items.iter().all(Value::is_object) => {
                lines.push(format!("  {}", heading.trim_end()));
                lines.extend(table(items, pen).lines().map(|line| format!("    {line}")));
            }
            Value::Array(items) => {
                lines.push(format!("  {heading} {}", items.first().map(plain).unwrap_or_default()));
                lines.extend(items.iter().skip(1).map(|item| format!("  {:<13} {}", "", plain(item))));
            }
            Value::Object(fields) => {
                lines.push(format!("  {}", heading.trim_end()));
                lines.extend(object(fields, pen).lines().map(|line| format!("  {line}")));
            }
            value => lines.push(format!("  {heading} {}", named(name, value))),
        }
    }
    lines.join("\n")
}

/// Objects of one kind as rows. A field that none of them has is no column.
fn table(items: &[Value], pen: Pen) -> String {
    let mut names: Vec<&str> = Vec::new();
    for (name, value) in items.iter().filter_map(Value::as_object).flatten() {
        if !value.is_null() && !names.contains(&name.as_str()) {
            names.push(name);
        }
    }
    let mut rows = vec![names.iter().map(|name| (title(name), Tone::Quiet)).collect::<Vec<_>>()];
    rows.extend(items.iter().map(|item| {
        let cell = |name: &&str| item.get(*name).map(|value| named(name, value)).unwrap_or_default();
        names.iter().map(|name| (cell(name), Tone::Plain)).collect()
    }));
    Table::rows_of(vec![Side::Left; names.len()], rows).render(pen).trim_end().to_owned()
}

/// A field's name as a heading: the unit is in the value.
fn title(name: &str) -> String {
    name.trim_end_matches("_ms").trim_end_matches("_bytes").replace('_', " ")
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
        Value::String(text) => human::as_moment(text),
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
