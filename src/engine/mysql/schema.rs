//! Definitions: what `SHOW CREATE` says of every object, made independent of the database's name.
//!
//! Only reads. Invariant: every object the account can see is either in a [`Schema`] or named in its `left_out`.

mod comment;
mod views;

use std::collections::HashMap;

use super::super::EngineError;
use super::catalog;
use super::connect::{Session, bytes_of, quote};
use super::counter::without_counter;
use super::definer::by_rule;
use super::definition::{Context, Definition, Kind};
use super::fenced;
use super::here::{self, HERE};
use super::inherit::without_inherited;
use super::libraries::unqualify_libraries;
use super::ours::OWN_TABLES;
use super::second_engine;
use super::unqualify::{unqualify, unqualify_head};
use crate::archive::manifest::LeftOut;
use crate::config::Definers;
use views::Views;
pub(super) use views::{Locked, MISSING};

/// Tables asked for in one round trip.
const BATCH: usize = 50;

/// What the client's character set does not have would come as a question mark.
const UNCONVERTED: &str = "SET SESSION character_set_results = NULL";
const CONVERTED: &str = "SET SESSION character_set_results = utf8mb4";

/// An object as the server shows it.
#[derive(Debug)]
pub(super) struct Shown {
    /// The statement that makes it.
    pub(super) sql: String,
    /// What it was made under.
    pub(super) context: Context,
    /// Why it does not work, if it does not.
    pub(super) broken: Option<String>,
}

/// The definition of a database.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Schema {
    /// Default character set.
    pub(super) charset: String,
    /// Default collation.
    pub(super) collation: String,
    /// What MariaDB was told to say of it.
    pub(super) comment: String,
    /// Every object: in the order of [`Kind`], by name, triggers in the order they fire.
    pub(super) objects: Vec<Definition>,
    /// What cannot be seen, with the reason.
    pub(super) left_out: Vec<LeftOut>,
}

impl Schema {
    /// Reads everything.
    pub(super) async fn read(session: &mut Session) -> Result<Self, EngineError> {
        Self::read_kinds(session, Locked::Not, |_| true).await
    }

    /// Reads everything, where tables may be locked.
    pub(super) async fn read_locked(session: &mut Session, locked: Locked) -> Result<Self, EngineError> {
        Self::read_kinds(session, locked, |_| true).await
    }

    /// Reads all but the tables: what no lock of a dump keeps as it is.
    pub(super) async fn read_beside_tables(session: &mut Session) -> Result<Self, EngineError> {
        Self::read_kinds(session, Locked::Not, |kind| kind != Kind::Table).await
    }

    async fn read_kinds(session: &mut Session, locked: Locked, wanted: impl Fn(Kind) -> bool) -> Result<Self, EngineError> {
        let sql = "SELECT DATABASE(), @@character_set_database, @@collation_database";
        let cells = session.texts("read the database's character set", sql).await?.into_iter().next().unwrap_or_default();
        let mut cells = cells.into_iter().map(Option::unwrap_or_default);
        let mut next = || cells.next().unwrap_or_default();
        let database = next();
        let mut schema = Self { charset: next(), collation: next(), ..Self::default() };
        schema.comment = catalog::comment(session).await?;
        let noted = fenced::read(session).await?;
        let mut views = Views::new(locked);
        let listed: Vec<(Kind, String)> = list(session).await?.into_iter().filter(|(kind, _)| wanted(*kind)).collect();
        let mut tables = tables(session, &listed).await?;
        for (kind, name) in listed {
            let shown = match if kind == Kind::Table { tables.remove(&name) } else { None } {
                None if kind == Kind::View => views.define(session, &name).await?,
                None => show(session, kind, &name).await?,
                shown => shown,
            };
            match define(session, shown, kind, &name, &database).await? {
                Some(mut definition) => {
                    // A default that asks a sequence names the database in which it was made.
                    if let Some(noted) = &noted {
                        definition.sql = unqualify(&definition.sql, &noted.name);
                    }
                    schema.objects.push(definition);
                }
                None => schema.left_out.push(LeftOut {
                    what: format!("{} {name}", kind.word().to_lowercase()),
                    why: "its definition is not shown to this account".to_owned(),
                }),
            }
        }
        views.close().await;
        schema.objects.extend(noted.into_iter().flat_map(|noted| noted.objects).filter(|noted| wanted(noted.kind)));
        Ok(schema)
    }

    /// Gives every object to whom the configuration gives it.
    pub(super) fn follow(&mut self, definers: &Definers) {
        for object in &mut self.objects {
            object.sql = by_rule(definers, &object.sql);
        }
    }

    /// Whether the two are the same, but for the `AUTO_INCREMENT` counters of tables, which writers move all the time.
    pub(super) fn is_but_for_counters(&self, other: &Self) -> bool {
        let plain = |definition: &Definition| match definition.kind {
            Kind::Table => without_counter(&definition.sql),
            _ => definition.sql.clone(),
        };
        let same = |a: &Definition, b: &Definition| {
            (a.kind, &a.name, &a.context) == (b.kind, &b.name, &b.context) && plain(a) == plain(b)
        };
        (&self.charset, &self.collation, &self.left_out) == (&other.charset, &other.collation, &other.left_out)
            && self.objects.len() == other.objects.len()
            && self.objects.iter().zip(&other.objects).all(|(a, b)| same(a, b))
    }

    /// Whether all but the tables is what it was.
    pub(super) fn is_beside_tables(&self, earlier: &Self) -> bool {
        self.objects.iter().filter(|object| object.kind != Kind::Table).eq(&earlier.objects)
    }

    /// Objects of a kind.
    pub(super) fn of(&self, kind: Kind) -> impl Iterator<Item = &Definition> {
        self.objects.iter().filter(move |object| object.kind == kind)
    }
}

/// Everything there is, by kind and name.
async fn list(session: &mut Session) -> Result<Vec<(Kind, String)>, EngineError> {
    let own = OWN_TABLES.map(|name| format!("'{name}'")).join(", ");
    let tables =
        format!("SELECT TABLE_TYPE, TABLE_NAME FROM information_schema.TABLES WHERE {HERE} AND TABLE_NAME NOT IN ({own})");
    let routines =
        format!("SELECT ROUTINE_TYPE, ROUTINE_NAME FROM information_schema.ROUTINES WHERE {}", here::by("ROUTINE_SCHEMA"));
    let events = format!("SELECT 'EVENT', EVENT_NAME FROM information_schema.EVENTS WHERE {}", here::by("EVENT_SCHEMA"));
    let libraries = session.version.libraries().map(|ask| ("libraries", ask.to_owned()));
    let mut found = Vec::new();
    for (doing, sql) in [("tables", tables), ("routines", routines), ("events", events)].into_iter().chain(libraries) {
        for row in session.texts(&format!("list the {doing}"), &sql).await? {
            let mut cells = row.into_iter().map(Option::unwrap_or_default);
            let (word, name) = (cells.next().unwrap_or_default(), cells.next().unwrap_or_default());
            let kind = match word.as_str() {
                "BASE TABLE" | "SYSTEM VERSIONED" => Kind::Table,
                "VIEW" => Kind::View,
                "SEQUENCE" => Kind::Sequence,
                "FUNCTION" => Kind::Function,
                "PROCEDURE" => Kind::Procedure,
                "PACKAGE" => Kind::Package,
                "PACKAGE BODY" => Kind::PackageBody,
                "EVENT" => Kind::Event,
                "LIBRARY" => Kind::Library,
                // Another session's temporary tables, which some releases list.
                "TEMPORARY" | "SYSTEM VIEW" => continue,
                other => {
                    return Err(EngineError::Inexact {
                        what: format!("{name} is a {other}, which this upkeep cannot dump"),
                        hint: "drop it, or ask for support of it".to_owned(),
                    });
                }
            };
            found.push((kind, name));
        }
    }
    found.sort();
    let triggers = format!(
        "SELECT TRIGGER_NAME FROM information_schema.TRIGGERS WHERE {} \
         ORDER BY CAST(EVENT_OBJECT_TABLE AS BINARY), EVENT_MANIPULATION, ACTION_TIMING, ACTION_ORDER",
        here::by("TRIGGER_SCHEMA")
    );
    let at = found.partition_point(|(kind, _)| *kind <= Kind::Trigger);
    let rows = session.texts("list the triggers", &triggers).await?;
    let names = rows.into_iter().filter_map(|row| row.into_iter().next().flatten()).map(|name| (Kind::Trigger, name));
    found.splice(at..at, names.collect::<Vec<_>>());
    Ok(found)
}

/// `None` for what is listed but not shown.
async fn define(
    session: &mut Session,
    shown: Option<Shown>,
    kind: Kind,
    name: &str,
    database: &str,
) -> Result<Option<Definition>, EngineError> {
    let Some(Shown { mut sql, context, broken }) = shown else { return Ok(None) };
    if kind == Kind::Table && session.version.leaves_out_second_engine() && second_engine::may_name(&sql) {
        session.run("set up a session", "SET SESSION show_create_table_skip_secondary_engine = ON").await?;
        let without = show(session, kind, name).await?;
        session.run("set up a session", "SET SESSION show_create_table_skip_secondary_engine = OFF").await?;
        sql = without.and_then(|without| second_engine::quoted(&sql, &without.sql)).unwrap_or(sql);
    }
    if let Some(as_read) = comment::as_read(session, kind, name, &sql, &context.sql_mode).await? {
        sql = as_read;
    }
    let sql = match kind {
        Kind::Table if !session.version.is_mariadb() => without_inherited(&unqualify(&sql, database)),
        Kind::Table | Kind::View | Kind::Sequence => unqualify(&sql, database),
        Kind::Trigger => unqualify_head(&sql).ok_or_else(|| EngineError::Inexact {
            what: format!("trigger {name} has no FOR EACH ROW that its database's name could be taken out before"),
            hint: "drop it, and create it again with plain names".to_owned(),
        })?,
        Kind::Function | Kind::Procedure => unqualify_libraries(&sql, database),
        _ => sql,
    };
    Ok(Some(Definition { kind, name: name.to_owned(), sql, context, broken }))
}

/// What the server shows of the tables among these, many in a message. Where one of them keeps the others from being shown, each is to be
/// asked for by itself, and is told by its name.
async fn tables(session: &mut Session, listed: &[(Kind, String)]) -> Result<HashMap<String, Shown>, EngineError> {
    let names: Vec<&String> = listed.iter().filter(|(kind, _)| *kind == Kind::Table).map(|(_, name)| name).collect();
    let mut shown = HashMap::with_capacity(names.len());
    for batch in names.chunks(BATCH) {
        let asked = batch.iter().map(|name| format!("SHOW CREATE TABLE {}; ", quote(name))).collect::<String>();
        let rows = match session.rows("read the definitions of tables", &format!("{UNCONVERTED}; {asked}{CONVERTED}")).await {
            Ok(rows) if rows.len() == batch.len() => rows,
            Err(error @ (EngineError::Lost { .. } | EngineError::InUse { .. })) => return Err(error),
            _ => continue,
        };
        for (name, row) in batch.iter().zip(&rows) {
            if let Some(sql) = bytes_of(row, 1) {
                let sql = definition(Kind::Table, name, sql)?;
                shown.insert((*name).clone(), Shown { sql, context: Context::default(), broken: None });
            }
        }
    }
    Ok(shown)
}

/// The statement that made an object, as the server shows it, and what it was made under. `None` where the server names the object and
/// does not show it to this account.
pub(super) async fn show(session: &mut Session, kind: Kind, name: &str) -> Result<Option<Shown>, EngineError> {
    let doing = format!("read the definition of {} {name}", kind.word().to_lowercase());
    let sql = format!(
        "{UNCONVERTED}; SHOW CREATE {} {}; {}{CONVERTED}",
        kind.word(),
        quote(name),
        if kind == Kind::View { "SHOW WARNINGS; " } else { "" }
    );
    let rows = session.rows(&doing, &sql).await?;
    let cell = |place: Option<usize>| bytes_of(rows.first()?, place?);
    let [sql, sql_mode, client, connection, database, time_zone] = kind.columns().map(cell);
    let Some(sql) = sql else { return Ok(None) };
    let text = |bytes: Option<&[u8]>| bytes.map(|bytes| String::from_utf8_lossy(bytes).into_owned()).unwrap_or_default();
    // A library has no character sets: its text is UTF-8, whatever it is made under.
    let or_ours = |set: Option<&[u8]>, ours: &str| if kind == Kind::Library { ours.to_owned() } else { text(set) };
    let context = Context {
        sql_mode: text(sql_mode),
        client: or_ours(client, "utf8mb4"),
        connection: or_ours(connection, "utf8mb4_bin"),
        database: text(database),
        time_zone: text(time_zone),
    };
    let code = |row| bytes_of(row, 1).map(|code| String::from_utf8_lossy(code).into_owned());
    let codes: Vec<String> = rows.iter().skip(1).filter_map(code).collect();
    Ok(Some(Shown { sql: definition(kind, name, sql)?, context, broken: views::broken_by(&codes) }))
}

/// The text of a definition, which is UTF-8 or cannot be kept as it is.
fn definition(kind: Kind, name: &str, bytes: &[u8]) -> Result<String, EngineError> {
    std::str::from_utf8(bytes).map(str::to_owned).map_err(|_| EngineError::Inexact {
        what: format!(
            "the definition of {} {name} holds a string of bytes that are not UTF-8, which no SQL text can keep",
            kind.word().to_lowercase()
        ),
        hint: match kind {
            Kind::Table => "write the string as an expression: DEFAULT (UNHEX('ff')), or CONVERT(UNHEX('e9') USING latin1)",
            Kind::View => "make the view again with the string as an expression: CONVERT(UNHEX('e9') USING latin1)",
            _ => "make it again under SET NAMES utf8mb4, with such a string as CONVERT(UNHEX('e9') USING latin1)",
        }
        .to_owned(),
    })
}

#[cfg(test)]
mod tests;
