//! What came of an action, as text. The object itself is what `--json` prints.

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::human;
use super::table::{Side, Table};
use super::terminal::{Terminal, Tone};
use crate::actions::Action;
use crate::expire::{PruneMode, Pruned};
use crate::ids::TargetName;
use crate::restore::Restored;
use crate::retention::Fate;
use crate::state_db::catalogue::Entry;
use crate::upgrade;

/// The text of an action's result. One that is not of the form we know (a daemon of another version) is shown as it is.
pub(super) fn text(action: &Action, result: &Value, terminal: Terminal) -> String {
    known(action, result, terminal).unwrap_or_else(|| match result {
        Value::Object(fields) => object(fields, terminal),
        other => plain(other),
    })
}

fn known(action: &Action, result: &Value, terminal: Terminal) -> Option<String> {
    let word = |name: &str| result.get(name).and_then(Value::as_str);
    Some(match action {
        Action::Backup { target, .. } => archived(target, &read(result)?),
        Action::Verify { label: Some(label), .. } => format!("{label} is whole: every byte is as it was sealed"),
        Action::Verify { label: None, .. } => {
            format!("{} read back: every byte is as it was sealed", human::many(result.get("verified")?.as_u64()?, "archive"))
        }
        Action::Restore { dry_run: true, .. } => read::<Restored>(result)?.plan.to_string(),
        Action::Restore { .. } => restored(&read(result)?, word("server")),
        Action::Plan { target } => match word("decision")? {
            "nothing" => word("why")?.to_owned(),
            "refuse" => {
                let reasons = result.get("refusals")?.as_array()?.iter().map(|reason| format!("\n  - {}", plain(reason)));
                format!("no upgrade of {target} now:{}", reasons.collect::<String>())
            }
            _ => read::<upgrade::Plan>(result.get("plan")?)?.to_string(),
        },
        Action::Upgrade { .. } | Action::Rollback { .. } => word("why").or_else(|| word("message"))?.to_owned(),
        Action::Prune { .. } => pruned(&read(result)?, terminal),
        Action::Migrate { .. } => migrations(result, terminal)?,
        Action::Hold { target, .. } => {
            let until = word("until").map_or("until it is released".to_owned(), |until| format!("until {}", moment(until)));
            format!("no upgrades of {target} {until}; to end it: `upkeep release-hold {target}`")
        }
        Action::ReleaseHold { target } => {
            format!("{} released; upgrades of {target} again", human::many(result.get("released")?.as_u64()?, "hold"))
        }
        Action::Pin { label, .. } => format!("{label} is kept from retention; to end it: `upkeep unpin {label}`"),
        Action::Unpin { label } => format!("retention may have {label} again"),
        Action::Gate { target } => format!("the server of {target} may start: {}", word("why")?),
    })
}

fn read<T: DeserializeOwned>(result: &Value) -> Option<T> {
    T::deserialize(result).ok()
}

fn archived(target: &TargetName, entry: &Entry) -> String {
    let took = human::span(std::time::Duration::from_millis(entry.duration_ms));
    let what = format!("{}, {} in {took}", human::many(entry.rows, "row"), human::size(entry.size));
    let pinned = entry.pinned.as_ref().map(|reason| format!("\n  pinned: {reason}")).unwrap_or_default();
    let left_out = entry.left_out.iter().map(|left| format!("\n  NOT IN IT: {}: {}", left.what, left.why)).collect::<String>();
    format!("archived {target} as {}\n  {what}, {}\n  {}{pinned}{left_out}", entry.label, entry.verdict, entry.path.display())
}

fn restored(done: &Restored, server: Option<&str>) -> String {
    let plan = &done.plan;
    let mut lines = vec![format!("restored {} into {}", plan.label, plan.location)];
    if let Some(loaded) = &done.loaded {
        let (rows, tables) = (human::many(loaded.rows, "row"), human::many(loaded.tables, "table"));
        lines.push(format!("  {rows} of {tables} compared, all as in the archive"));
        lines.extend(loaded.warnings.iter().map(|warning| format!("  note: {warning}")));
    }
    lines.extend(plan.notes.iter().map(|note| format!("  note: {note}")));
    lines.extend(done.safety.iter().map(|label| format!("  what was there before is in {label}")));
    lines.extend(server.map(|server| format!("  server: {server}")));
    lines.join("\n")
}

fn pruned(done: &Pruned, terminal: Terminal) -> String {
    let columns = [("label", Side::Left), ("taken (UTC)", Side::Left), ("", Side::Left), ("why", Side::Left)];
    let mut rows = Table::new(&columns);
    for verdict in &done.verdicts {
        let (fate, tone) = if verdict.fate == Fate::Keep { ("keep", Tone::Good) } else { ("let go", Tone::Warn) };
        rows.row(vec![
            (verdict.label.to_string(), Tone::Plain),
            (human::moment(verdict.taken_at), Tone::Plain),
            (fate.to_owned(), tone),
            (verdict.reasons.join(", "), Tone::Plain),
        ]);
    }
    let freed = human::size(done.freed_bytes);
    let end = match (&done.frozen, done.mode) {
        (Some(why), _) => format!("nothing is deleted for now: {why}"),
        (None, PruneMode::DryRun) => format!("{freed} would be freed; nothing was changed"),
        (None, PruneMode::Apply) => format!("{} deleted, {freed} freed", human::many(done.deleted.len() as u64, "archive")),
    };
    format!("{}{end}", rows.render(terminal))
}

/// Every verb's answer has the history table and where it stands; the rest depends on the verb.
fn migrations(result: &Value, terminal: Terminal) -> Option<String> {
    let list = |name: &str| result.get(name).and_then(Value::as_array).cloned().unwrap_or_default();
    let mut lines = Vec::new();
    if let Some(would) = result.get("would_run").and_then(Value::as_array) {
        return Some(would_run(would));
    }
    let entries = list("entries");
    if !entries.is_empty() {
        lines.push(columns_of(&entries, &["state", "version", "description", "type", "installed_on"], terminal));
    }
    for script in list("applied") {
        let took = script.get("execution_ms").map(|ms| named("execution_ms", ms)).unwrap_or_default();
        lines.push(format!("applied {} in {took}", script.get("script").map(plain)?));
    }
    for problem in list("problems") {
        lines.push(format!("problem: {}", problem.get("message").map(plain).unwrap_or_default()));
        lines.extend(problem.get("hint").map(|hint| format!("  hint: {}", plain(hint))));
    }
    lines.extend(result.get("baseline").and_then(Value::as_str).map(|version| format!("baseline: {version}")));
    if let Some(pending) = result.get("pending") {
        let head = result.get("head").and_then(Value::as_str).unwrap_or("nothing");
        lines.push(format!("at {head}, {} pending", pending.as_array()?.len()));
    } else if lines.is_empty() {
        return None;
    }
    lines.extend(result.get("label").and_then(Value::as_str).map(|label| format!("what was there before is in {label}")));
    Some(lines.join("\n"))
}

/// A dry run as SQL, with remarks that say where each statement is from.
fn would_run(scripts: &[Value]) -> String {
    let mut lines = Vec::new();
    for script in scripts {
        let text = |name: &str| script.get(name).and_then(Value::as_str).unwrap_or_default();
        let event = script.get("event").and_then(Value::as_str).map(|event| format!(" at {event}")).unwrap_or_default();
        let how = if script.get("in_transaction") == Some(&Value::Bool(true)) { "one transaction" } else { "no transaction" };
        lines.push(format!("-- {}{event}, {how}", text("script")));
        for statement in script.get("statements").and_then(Value::as_array).into_iter().flatten() {
            let line = statement.get("line").map(plain).unwrap_or_default();
            let rows = statement.get("rows_bytes").map(|bytes| format!(", followed by {} bytes of rows", plain(bytes)));
            lines.push(format!("-- line {line}{}", rows.unwrap_or_default()));
            lines.push(format!("{};", statement.get("sql").and_then(Value::as_str).unwrap_or_default()));
        }
    }
    if lines.is_empty() { "nothing would run".to_owned() } else { lines.join("\n") }
}

/// Fields as lines, lists as tables.
fn object(fields: &Map<String, Value>, terminal: Terminal) -> String {
    let mut lines = Vec::new();
    for (name, value) in fields.iter().filter(|(_, value)| !value.is_null()) {
        let heading = terminal.paint(Tone::Quiet, &format!("{:<13}", title(name)));
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

/// Objects of one kind as rows. A field that none of them has is no column.
fn table(items: &[Value], terminal: Terminal) -> String {
    let mut names: Vec<&str> = Vec::new();
    for (name, value) in items.iter().filter_map(Value::as_object).flatten() {
        if !value.is_null() && !names.contains(&name.as_str()) {
            names.push(name);
        }
    }
    columns_of(items, &names, terminal)
}

fn columns_of(items: &[Value], names: &[&str], terminal: Terminal) -> String {
    let mut rows = vec![names.iter().map(|name| (title(name), Tone::Quiet)).collect::<Vec<_>>()];
    rows.extend(items.iter().map(|item| {
        let cell = |name: &&str| item.get(*name).map(|value| named(name, value)).unwrap_or_default();
        names.iter().map(|name| (cell(name), Tone::Plain)).collect()
    }));
    Table::rows_of(vec![Side::Left; names.len()], rows).render(terminal).trim_end().to_owned()
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
        Value::String(text) => moment(text),
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

/// A moment as people read it; any other text as it is.
fn moment(text: &str) -> String {
    let parsed = chrono::DateTime::parse_from_rfc3339(text);
    parsed.map_or_else(|_| text.to_owned(), |at| format!("{} UTC", human::moment(at.to_utc())))
}
