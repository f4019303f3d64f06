//! The text of an archive's frames that are not rows: SQL that the stock client and our own loader read alike.
//!
//! Pure. What may hold a semicolon stands alone between a line `DELIMITER ;;` and a line `DELIMITER ;`, and is ended by a line
//! that is `;;`: more semicolons where the statement has such a line itself. Whatever an object was made under is set before
//! it and set back after it. Invariant: each frame leaves the session as the header made it; held by `tests.rs`.

use std::collections::BTreeMap;

use super::super::EngineError;
use super::connect::{literal, quote};
use super::counter::auto_increment;
use super::definer::without_definer;
use super::definition::{Context, Definition, Kind};
use super::foreign::Making;
use super::indexes::deferred;
use super::relation::Relation;
use super::schema::{MISSING, Schema};
use super::sequences::Sequence;

/// Modes that rows and tables are written under: zero is a value, the thirty-first of February stays one, and an engine that is
/// not there is an error.
const MODES: &str = "'NO_AUTO_VALUE_ON_ZERO,ALLOW_INVALID_DATES,NO_ENGINE_SUBSTITUTION'";

/// Session variables that the header sets, with what it sets them to, and that the trailer sets back.
const SETTINGS: [(&str, &str); 4] =
    [("time_zone", "'+00:00'"), ("sql_mode", MODES), ("foreign_key_checks", "0"), ("unique_checks", "0")];

/// What a session needs beyond what all archives need.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Needs {
    /// Rows of the past follow.
    pub(super) history: bool,
    /// There are tables without a primary key: a server may be told to add one, or to refuse them.
    pub(super) keyless: bool,
    /// There are constraints of MariaDB's, which rows may be older than.
    pub(super) checks: bool,
    /// There are foreign keys of MySQL's, which may refer to what is not unique.
    pub(super) foreign: bool,
}

/// The first frame: a comment for people, and the session's settings.
pub(super) fn header(preamble: &[String], needs: Needs) -> String {
    let mut text = preamble.iter().map(|line| format!("-- {line}\n")).collect::<String>();
    text.push_str("\nSET NAMES utf8mb4;\n");
    let saved = SETTINGS.iter().map(|(name, _)| format!("@upkeep_{name} = @@SESSION.{name}")).collect::<Vec<_>>().join(", ");
    text.push_str(&format!("SET {saved};\n"));
    for (name, value) in SETTINGS {
        text.push_str(&format!("SET SESSION {name} = {value};\n"));
    }
    if needs.keyless {
        for (since, variable) in [("80030", "sql_generate_invisible_primary_key"), ("80013", "sql_require_primary_key")] {
            // Only who has to turn it off needs the privilege to.
            text.push_str(&format!(
                "/*!{since} SET @upkeep_key = IF(@@SESSION.{variable}, 'SET SESSION {variable} = OFF', 'DO 0') */;\n\
                 /*!{since} PREPARE upkeep_key FROM @upkeep_key */;\n\
                 /*!{since} EXECUTE upkeep_key */;\n\
                 /*!{since} DEALLOCATE PREPARE upkeep_key */;\n",
            ));
        }
    }
    if needs.foreign {
        text.push_str("/*!80400 SET SESSION restrict_fk_on_non_standard_key = OFF */;\n");
    }
    if needs.history {
        text.push_str("/*M!101100 SET SESSION system_versioning_insert_history = 1 */;\n");
    }
    if needs.checks {
        text.push_str("/*M!100201 SET SESSION check_constraint_checks = 0 */;\n");
    }
    text.push('\n');
    text
}

/// Tables of this size and more get their plain indexes after their rows. Below it the build saves less than the statement
/// costs.
const DEFER_FROM_BYTES: u64 = 16 * 1024 * 1024;

/// A table with its indexes as they are to be made: before the rows, and after them.
fn in_two(schema: &Schema, large: &[String], table: &Definition) -> (String, Option<String>) {
    // Whatever another table refers to has its index from the beginning.
    let words = format!(" REFERENCES {} ", quote(&table.name));
    let is_referred = || schema.of(Kind::Table).any(|table| table.sql.contains(&words));
    let cut = if large.contains(&table.name) && !is_referred() { deferred(&table.name, &table.sql) } else { None };
    cut.map_or_else(|| (table.sql.clone(), None), |(table, indexes)| (table, Some(indexes)))
}

/// Which tables are worth it.
pub(super) fn large(relations: &[Relation]) -> Vec<String> {
    relations.iter().filter(|relation| relation.bytes >= DEFER_FROM_BYTES).map(|relation| relation.name.clone()).collect()
}

/// What comes before the rows: the database's character set, sequences, tables.
pub(super) fn before(schema: &Schema, large: &[String], making: &Making) -> Result<String, EngineError> {
    let comment = if schema.comment.is_empty() { String::new() } else { format!(" COMMENT {}", literal(&schema.comment)) };
    let mut text = format!("{}{comment};\n\n", alter_database(&schema.charset, &schema.collation));
    for object in schema.of(Kind::Sequence) {
        statement(&mut text, &object.sql)?;
    }
    let mut bent_back = Vec::new();
    let tables: Vec<&Definition> = schema.of(Kind::Table).collect();
    let names: Vec<&str> = tables.iter().map(|table| table.name.as_str()).collect();
    for table in making.order(&names).into_iter().map(|at| tables[at]) {
        let (sql, _) = in_two(schema, large, table);
        match making.bend(&table.name, &sql) {
            Some((sql, back)) => {
                statement(&mut text, &sql)?;
                bent_back.push(back);
            }
            None => statement(&mut text, &sql)?,
        }
    }
    for back in bent_back {
        statement(&mut text, &back)?;
    }
    Ok(text)
}

/// What comes after the rows and must be there for everything else to work: indexes, routines, views, triggers.
pub(super) fn after(schema: &Schema, large: &[String], statistics: &[String]) -> Result<String, EngineError> {
    let mut text = String::new();
    for indexes in schema.of(Kind::Table).filter_map(|table| in_two(schema, large, table).1) {
        statement(&mut text, &indexes)?;
    }
    for kind in [Kind::Package, Kind::PackageBody, Kind::Library, Kind::Function, Kind::Procedure] {
        for object in schema.of(kind) {
            write_object(&mut text, schema, object)?;
        }
    }
    let views = schema.of(Kind::View).filter(|view| view.broken.is_none()).cloned().collect::<Vec<_>>();
    for object in ordered(&views) {
        write_object(&mut text, schema, &object)?;
    }
    for object in schema.of(Kind::Trigger) {
        write_object(&mut text, schema, object)?;
    }
    statistics.iter().for_each(|sql| text.push_str(&format!("{sql};\n")));
    Ok(text)
}

/// The last frame: events, which may act from then on, views that did not work where they were, and the session's settings as they were.
/// A client that stops at such a view has made everything else.
pub(super) fn trailer(schema: &Schema) -> Result<String, EngineError> {
    let mut text = String::new();
    for object in schema.of(Kind::Event) {
        write_object(&mut text, schema, object)?;
    }
    let broken = schema.of(Kind::View).filter(|view| view.broken.is_some()).cloned().collect::<Vec<_>>();
    // Of these some are made where a definer is there; the others nowhere.
    let (missing, perhaps): (Vec<_>, Vec<_>) =
        ordered(&broken).into_iter().partition(|view| view.broken.as_deref().is_some_and(|why| why.starts_with(MISSING)));
    for object in perhaps.into_iter().chain(missing) {
        write_object(&mut text, schema, &object)?;
    }
    for (name, _) in SETTINGS {
        text.push_str(&format!("SET SESSION {name} = @upkeep_{name};\n"));
    }
    text.push_str("\n-- end of archive\n");
    Ok(text)
}

/// The statements that bring every counter to where it is.
pub(super) fn counters(schema: &Schema, sequences: &[Sequence]) -> String {
    let mut text = String::new();
    for object in schema.of(Kind::Table) {
        if let Some(counter) = auto_increment(&object.sql) {
            text.push_str(&format!("ALTER TABLE {} AUTO_INCREMENT = {counter};\n", quote(&object.name)));
        }
    }
    for sequence in sequences {
        let (name, next, round) = (quote(&sequence.name), sequence.next, sequence.round);
        if sequence.is_within {
            text.push_str(&format!("ALTER SEQUENCE {name} RESTART {next};\n"));
        }
        // It moves a sequence forward alone.
        if !sequence.is_within || (round > 0 && sequence.cycles) {
            text.push_str(&format!("DO SETVAL({name}, {next}, 0, {round});\n"));
        }
    }
    text.push('\n');
    text
}

/// Who the objects belong to, for the manifest.
pub(super) fn definers(schema: &Schema) -> Vec<String> {
    let mut names: Vec<String> =
        schema.objects.iter().filter_map(|object| without_definer(&object.sql)).map(|(name, _)| name).collect();
    names.sort();
    names.dedup();
    names
}

fn alter_database(charset: &str, collation: &str) -> String {
    format!("ALTER DATABASE CHARACTER SET {charset} COLLATE {collation}")
}

/// The longest delimiter that every client takes.
const LONGEST_DELIMITER: usize = 15;

/// What ends a statement as a line of its own: more semicolons than stand alone on any line of it. Two of them can only be in
/// its strings and comments, where no client looks for a delimiter.
fn delimiter(sql: &str) -> Option<String> {
    let alone = |line: &&str| line.bytes().all(|byte| byte == b';');
    let longest = sql.lines().map(str::trim_ascii_end).filter(alone).map(str::len).max().unwrap_or(0);
    let length = (longest + 1).max(2);
    (length <= LONGEST_DELIMITER).then(|| ";".repeat(length))
}

/// One statement, between delimiters of its own if it needs them.
pub(super) fn statement(text: &mut String, sql: &str) -> Result<(), EngineError> {
    // What a backslash or quote means in a body is a matter of the body's own mode or language (`AS $$`), and a comment at its end
    // would take our delimiter; lines mean the same in all of them.
    if !sql.contains([';', '\\', '#']) && !["--", "/*", "\nAS $"].iter().any(|sign| sql.contains(sign)) {
        text.push_str(&format!("{sql};\n\n"));
        return Ok(());
    }
    let delimiter = delimiter(sql).ok_or_else(|| {
        let what: String = sql.chars().take(60).collect();
        EngineError::Inexact {
            what: format!("the definition `{what}…` has a line that is only semicolons, too many to be told from its end"),
            hint: "write the line differently in the object's body".to_owned(),
        }
    })?;
    text.push_str(&format!("DELIMITER {delimiter}\n{sql}\n{delimiter}\nDELIMITER ;\n\n"));
    Ok(())
}

/// The statement that gives a session what an object was made under.
pub(super) fn settings(kind: Kind, sql: &str, context: &Context) -> String {
    let Context { sql_mode, client, connection, time_zone, .. } = context;
    // The text is UTF-8; a client that spoke something else can only be named where that makes no difference.
    let same = sql.is_ascii() || client.starts_with("utf8");
    let client = if same && !client.is_empty() { client.as_str() } else { "utf8mb4" };
    let mut settings = vec![format!("character_set_client = {client}"), format!("collation_connection = {connection}")];
    if kind != Kind::View {
        settings.push(format!("SESSION sql_mode = {}", literal(sql_mode)));
    }
    if !time_zone.is_empty() {
        settings.push(format!("SESSION time_zone = {}", literal(time_zone)));
    }
    format!("SET {}", settings.join(", "))
}

/// An object with what it was made under.
fn write_object(text: &mut String, schema: &Schema, object: &Definition) -> Result<(), EngineError> {
    let database = &object.context.database;
    let other_database = (!database.is_empty() && *database != schema.collation).then(|| charset_of(database));
    if let Some(charset) = other_database {
        text.push_str(&format!("{};\n", alter_database(charset, database)));
    }
    text.push_str(&format!("{};\n", settings(object.kind, &object.sql, &object.context)));
    statement(text, &object.sql)?;
    text.truncate(text.trim_end_matches('\n').len() + 1);
    text.push_str(&format!("SET NAMES utf8mb4, SESSION sql_mode = {MODES}, SESSION time_zone = '+00:00';\n"));
    if other_database.is_some() {
        text.push_str(&format!("{};\n", alter_database(&schema.charset, &schema.collation)));
    }
    text.push('\n');
    Ok(())
}

/// Collations begin with the name of their character set.
fn charset_of(collation: &str) -> &str {
    collation.split('_').next().unwrap_or(collation)
}

/// Views after those they read.
fn ordered(views: &[Definition]) -> Vec<Definition> {
    let names: BTreeMap<String, usize> = views.iter().enumerate().map(|(at, view)| (quote(&view.name), at)).collect();
    let reads = |view: &Definition| -> Vec<usize> {
        let body = view.sql.split_once(" AS ").map_or("", |(_, body)| body);
        names.iter().filter(|(name, at)| views[**at].name != view.name && is_read(body, name)).map(|(_, at)| *at).collect()
    };
    let mut waiting: Vec<(usize, Vec<usize>)> = views.iter().map(reads).enumerate().collect();
    let mut done = vec![false; views.len()];
    let mut order = Vec::with_capacity(views.len());
    while !waiting.is_empty() {
        let before = waiting.len();
        waiting.retain(|(at, reads)| {
            let ready = reads.iter().all(|read| done[*read]);
            if ready {
                done[*at] = true;
                order.push(views[*at].clone());
            }
            !ready
        });
        if waiting.len() == before {
            // No server accepts a view that reads itself; an alias that is called like another view can look like it.
            let (at, _) = waiting.remove(0);
            done[at] = true;
            order.push(views[at].clone());
        }
    }
    order
}

/// Whether a quoted name stands for more than a column or its alias.
fn is_read(body: &str, name: &str) -> bool {
    body.match_indices(name).any(|(at, _)| !body[..at].ends_with('.') && !body[..at].ends_with(" AS "))
}

#[cfg(test)]
mod tests;
