//! Foreign keys that a server lets stand and would not make: what they need to be made again, and to be moved.
//!
//! With `foreign_key_checks = 0` a table that others refer to may be changed in ways that no statement makes anew: MySQL changes the
//! character set of one end alone, MariaDB drops the index that a key needs at either end. Both have a way there (`making`): on MySQL the
//! ends are made alike and bent back afterwards, on MariaDB an index stands in for the one that is gone until its table is made. Neither
//! lets all such tables be renamed into another database. Held by `tests/it/mysql_foreign.rs`.

mod dangling;
mod indexes;
mod making;

use std::collections::{BTreeSet, HashMap};

use super::super::EngineError;
use super::connect::{Session, literal};
use super::here::HERE;
use super::plain::without_quoted;
pub(super) use dangling::Dangling;
use indexes::Indexes;
pub(super) use making::Making;

/// A foreign key: which columns of which table refer to which of which.
#[derive(Debug, Default, Clone)]
pub(super) struct Key {
    pub(super) name: String,
    pub(super) table: String,
    pub(super) columns: Vec<String>,
    /// Database and name of the table that is referred to.
    pub(super) parent: (String, String),
    pub(super) parent_columns: Vec<String>,
}

/// The foreign keys of the session's database.
pub(super) async fn keys(session: &mut Session) -> Result<Vec<Key>, EngineError> {
    let sql = format!(
        "SELECT CONSTRAINT_NAME, TABLE_NAME, COLUMN_NAME, REFERENCED_TABLE_SCHEMA, REFERENCED_TABLE_NAME, REFERENCED_COLUMN_NAME \
         FROM information_schema.KEY_COLUMN_USAGE WHERE {HERE} AND REFERENCED_TABLE_NAME IS NOT NULL \
         ORDER BY TABLE_NAME, CONSTRAINT_NAME, ORDINAL_POSITION"
    );
    let mut keys: Vec<Key> = Vec::new();
    for row in session.texts("list the foreign keys", &sql).await? {
        let mut cells = row.into_iter().map(Option::unwrap_or_default);
        let mut next = || cells.next().unwrap_or_default();
        let (name, table, column, parent, parent_column) = (next(), next(), next(), (next(), next()), next());
        if keys.last().is_none_or(|key| key.name != name || key.table != table) {
            keys.push(Key { name, table, parent, ..Key::default() });
        }
        if let Some(key) = keys.last_mut() {
            key.columns.push(column);
            key.parent_columns.push(parent_column);
        }
    }
    Ok(keys)
}

/// Database, table and column.
type Place = (String, String, String);

/// What a column is: its type, the character set and collation it may have, and how many bytes a character of it takes.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Type {
    name: String,
    charset: String,
    collation: String,
    width: u64,
}

/// Pairs of columns that are one by a foreign key.
fn ends(keys: &[Key], here: &str) -> Vec<(Place, Place)> {
    let pairs = |key: &Key| {
        let child = |column: &String| (here.to_owned(), key.table.clone(), column.clone());
        let parent = |column: &String| (key.parent.0.clone(), key.parent.1.clone(), column.clone());
        key.columns.iter().zip(&key.parent_columns).map(|(a, b)| (child(a), parent(b))).collect::<Vec<_>>()
    };
    keys.iter().flat_map(pairs).collect()
}

/// What the columns at the ends of keys are, as far as they are there.
async fn types(session: &mut Session, ends: &[(Place, Place)]) -> Result<HashMap<Place, Type>, EngineError> {
    let tables: BTreeSet<(&String, &String)> = ends.iter().flat_map(|(a, b)| [(&a.0, &a.1), (&b.0, &b.1)]).collect();
    let mut types = HashMap::new();
    let tables: Vec<String> =
        tables.into_iter().map(|(schema, table)| format!("({}, {})", literal(schema), literal(table))).collect();
    for some in tables.chunks(100) {
        let sql = format!(
            "SELECT TABLE_SCHEMA, TABLE_NAME, COLUMN_NAME, CONCAT(DATA_TYPE, IF(COLUMN_TYPE LIKE '%unsigned%', ' unsigned', '')), \
             CHARACTER_SET_NAME, COLLATION_NAME, CHARACTER_OCTET_LENGTH DIV GREATEST(CHARACTER_MAXIMUM_LENGTH, 1) \
             FROM information_schema.COLUMNS WHERE (TABLE_SCHEMA, TABLE_NAME) IN ({})",
            some.join(", ")
        );
        for row in session.texts("list the columns of foreign keys", &sql).await? {
            let mut cells = row.into_iter().map(Option::unwrap_or_default);
            let mut next = || cells.next().unwrap_or_default();
            let place = (next(), next(), next());
            let (name, charset, collation, width) = (next(), next(), next(), next().parse().unwrap_or(1));
            types.insert(place, Type { name, charset, collation, width });
        }
    }
    Ok(types)
}

/// A foreign key for which tables of the session's database cannot be renamed into another: the server would look at it as if it were made.
pub(super) async fn immovable(session: &mut Session) -> Result<Option<String>, EngineError> {
    let keys = keys(session).await?;
    if keys.is_empty() {
        return Ok(None);
    }
    let here = session.place().database.clone();
    if session.version.is_mariadb() {
        let (indexes, there) = (Indexes::read(session).await?, parents(session).await?);
        let is_loose = |key: &Key| key.parent.0 == here && there.contains(&key.parent.1) && !indexes.serve_parent(key);
        return Ok(keys.into_iter().find(is_loose).map(|key| key.name));
    }
    let types = types(session, &ends(&keys, &here)).await?;
    let differs = |key: &&Key| {
        let ends = ends(std::slice::from_ref(*key), &here);
        ends.iter().any(|(a, b)| types.get(a).zip(types.get(b)).is_some_and(|(a, b)| a.collation != b.collation))
    };
    Ok(keys.iter().find(differs).map(|key| key.name.clone()))
}

/// The tables of the session's database that a foreign key may refer to. Of a view, a partitioned table or another engine's that has the
/// name of one, InnoDB does not know: a key to it is one to nothing, and does not go with it.
async fn parents(session: &mut Session) -> Result<BTreeSet<String>, EngineError> {
    let sql = format!(
        "SELECT TABLE_NAME FROM information_schema.TABLES WHERE {HERE} AND ENGINE = 'InnoDB' \
         AND COALESCE(CREATE_OPTIONS, '') NOT LIKE '%partitioned%'"
    );
    let rows = session.texts("list the tables", &sql).await?;
    Ok(rows.into_iter().filter_map(|row| row.into_iter().next().flatten()).collect())
}

/// The line of a table's definition that begins so, without the comma at its end; it ends where no name goes on.
fn line_of<'a>(sql: &'a str, begin: &str) -> Option<&'a str> {
    let plain = without_quoted(sql);
    let starts = plain.match_indices("\n  ").map(|(at, _)| at + 1);
    let at = starts.into_iter().find(|at| sql[*at..].trim_start().starts_with(begin))?;
    let end = plain[at..].find('\n').map_or(sql.len(), |length| at + length);
    Some(sql[at..end].trim_end_matches(','))
}
