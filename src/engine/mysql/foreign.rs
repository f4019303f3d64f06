//! Foreign keys that a server lets stand and would not make: what they need to be made again, and to be moved.
//!
//! With `foreign_key_checks = 0` a table that others refer to may be changed in ways that no statement makes anew: MySQL changes the
//! character set of one end alone, MariaDB drops the index that a key refers to. Both have a way there: on MySQL the ends are made
//! alike and bent back afterwards, on MariaDB who refers comes before whom it refers to. Neither lets such tables be renamed into
//! another database. Held by `tests/it/mysql_foreign.rs`.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde::{Deserialize, Serialize};

use super::super::EngineError;
use super::connect::{Session, literal, quote};
use super::errors::number_of_error;
use super::plain::without_quoted;
use super::unqualify::unqualify;

/// Restricts a query to the session's database.
const HERE: &str = "CAST(TABLE_SCHEMA AS BINARY) = CAST(DATABASE() AS BINARY)";
/// `ER_CANT_DROP_FIELD_OR_KEY`.
const NOT_THERE: u16 = 1091;

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

/// The character set and collation of a column that has one, and how many bytes a character of it takes.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Text {
    charset: String,
    collation: String,
    width: u64,
}

/// How the tables of a database are to be made.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Making {
    /// Columns that are made with another collation than their own at first, by table.
    bent: BTreeMap<String, Vec<Bent>>,
    /// Tables by those that are to be made before them.
    before: BTreeMap<String, BTreeSet<String>>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Bent {
    column: String,
    charset: String,
    collation: String,
}

impl Making {
    /// What the foreign keys of the session's database ask for.
    pub(super) async fn of(session: &mut Session) -> Result<Self, EngineError> {
        let keys = keys(session).await?;
        if keys.is_empty() {
            return Ok(Self::default());
        }
        let here = session.place().database.clone();
        let ends = ends(&keys, &here);
        let texts = texts(session, &ends).await?;
        if session.version.is_mariadb() {
            let loose = without_index(session, &keys, &here).await?;
            return Ok(Self { before: before(&keys, &here, &texts, &loose), ..Self::default() });
        }
        Ok(Self { bent: bent(&ends, &texts, &here), ..Self::default() })
    }

    /// The places of tables of these names in an order in which they can be made.
    pub(super) fn order(&self, names: &[&str]) -> Vec<usize> {
        if self.before.is_empty() {
            return (0..names.len()).collect();
        }
        let mut order = Vec::with_capacity(names.len());
        for name in names {
            self.visit(name, names, &mut BTreeSet::new(), &mut order);
        }
        order
    }

    fn visit(&self, name: &str, names: &[&str], above: &mut BTreeSet<String>, order: &mut Vec<usize>) {
        let Some(at) = names.iter().position(|known| *known == name) else { return };
        if order.contains(&at) || !above.insert(name.to_owned()) {
            return;
        }
        for before in self.before.get(name).into_iter().flatten() {
            self.visit(before, names, above, order);
        }
        order.push(at);
    }

    /// A table's statement with what is bent in it, and the statement that bends it back; `None` for one that is made as it is.
    pub(super) fn bend(&self, table: &str, sql: &str) -> Option<(String, String)> {
        let (mut made, mut back) = (sql.to_owned(), Vec::new());
        for bent in self.bent.get(table)? {
            let own = line_of(&made, &quote(&bent.column))?.to_owned();
            let line = with_collation(&own, &bent.charset, &bent.collation);
            made = made.replacen(&own, &line, 1);
            back.push(format!("  MODIFY {}", own.trim()));
        }
        Some((made, format!("ALTER TABLE {}\n{}", quote(table), back.join(",\n"))))
    }
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

async fn texts(session: &mut Session, ends: &[(Place, Place)]) -> Result<HashMap<Place, Text>, EngineError> {
    let tables: BTreeSet<(&String, &String)> = ends.iter().flat_map(|(a, b)| [(&a.0, &a.1), (&b.0, &b.1)]).collect();
    let mut texts = HashMap::new();
    let tables: Vec<String> =
        tables.into_iter().map(|(schema, table)| format!("({}, {})", literal(schema), literal(table))).collect();
    for some in tables.chunks(100) {
        let sql = format!(
            "SELECT TABLE_SCHEMA, TABLE_NAME, COLUMN_NAME, CHARACTER_SET_NAME, COLLATION_NAME, \
             CHARACTER_OCTET_LENGTH DIV GREATEST(CHARACTER_MAXIMUM_LENGTH, 1) FROM information_schema.COLUMNS \
             WHERE (TABLE_SCHEMA, TABLE_NAME) IN ({}) AND COLLATION_NAME IS NOT NULL",
            some.join(", ")
        );
        for row in session.texts("list the character sets of foreign keys", &sql).await? {
            let mut cells = row.into_iter().map(Option::unwrap_or_default);
            let mut next = || cells.next().unwrap_or_default();
            let place = (next(), next(), next());
            let (charset, collation, width) = (next(), next(), next().parse().unwrap_or(1));
            texts.insert(place, Text { charset, collation, width });
        }
    }
    Ok(texts)
}

/// The columns that are to be bent: of each group that foreign keys make one of and that has more than one collation, all that have not
/// the one that fits into every index, or that of a column which is not ours to bend.
fn bent(ends: &[(Place, Place)], texts: &HashMap<Place, Text>, here: &str) -> BTreeMap<String, Vec<Bent>> {
    let mut all: BTreeMap<String, Vec<Bent>> = BTreeMap::new();
    for group in groups(ends) {
        let of = |place: &Place| texts.get(place).map(|text| (place.clone(), text.clone()));
        let group: Vec<(Place, Text)> = group.iter().filter_map(of).collect();
        let Some((_, common)) = group.iter().min_by_key(|(place, text)| (place.0 == here, text.width, text.collation.clone()))
        else {
            continue;
        };
        for ((schema, table, column), text) in &group {
            if schema == here && text.collation != common.collation {
                let (charset, collation) = (common.charset.clone(), common.collation.clone());
                all.entry(table.clone()).or_default().push(Bent { column: column.clone(), charset, collation });
            }
        }
    }
    all
}

/// Columns that hang together.
fn groups(ends: &[(Place, Place)]) -> Vec<BTreeSet<Place>> {
    let mut groups: Vec<BTreeSet<Place>> = Vec::new();
    for (one, other) in ends {
        let mut joined = BTreeSet::from([one.clone(), other.clone()]);
        groups.retain(|group| {
            let touches = group.contains(one) || group.contains(other);
            if touches {
                joined.extend(group.iter().cloned());
            }
            !touches
        });
        groups.push(joined);
    }
    groups
}

/// Foreign keys whose ends differ, or that refer to columns without an index: who refers is made first.
fn before(
    keys: &[Key],
    here: &str,
    texts: &HashMap<Place, Text>,
    loose: &BTreeSet<String>,
) -> BTreeMap<String, BTreeSet<String>> {
    let mut before: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for key in keys.iter().filter(|key| key.parent.0 == here && key.parent.1 != key.table) {
        let ends = ends(std::slice::from_ref(key), here);
        let collation = |place: &Place| texts.get(place).map(|text| &text.collation);
        if loose.contains(&key.name) || ends.iter().any(|(a, b)| collation(a) != collation(b)) {
            before.entry(key.parent.1.clone()).or_default().insert(key.table.clone());
        }
    }
    before
}

/// Names of keys to columns that no index of their table begins with.
async fn without_index(session: &mut Session, keys: &[Key], here: &str) -> Result<BTreeSet<String>, EngineError> {
    let sql = format!(
        "SELECT TABLE_NAME, INDEX_NAME, COLUMN_NAME FROM information_schema.STATISTICS WHERE {HERE} \
         ORDER BY TABLE_NAME, INDEX_NAME, SEQ_IN_INDEX"
    );
    let mut indexes: HashMap<(String, String), Vec<String>> = HashMap::new();
    for row in session.texts("list the indexes", &sql).await? {
        let mut cells = row.into_iter().map(Option::unwrap_or_default);
        let mut next = || cells.next().unwrap_or_default();
        indexes.entry((next(), next())).or_default().push(next());
    }
    let has = |key: &Key| {
        let of_it = indexes.iter().filter(|((table, _), _)| *table == key.parent.1);
        of_it.into_iter().any(|(_, columns)| {
            let first: BTreeSet<&String> = columns.iter().take(key.parent_columns.len()).collect();
            let wanted: BTreeSet<&String> = key.parent_columns.iter().collect();
            first == wanted
        })
    };
    Ok(keys.iter().filter(|key| key.parent.0 == here && !has(key)).map(|key| key.name.clone()).collect())
}

/// A foreign key for which tables of the session's database cannot be renamed into another: the server would look at it as if it were made.
pub(super) async fn immovable(session: &mut Session) -> Result<Option<String>, EngineError> {
    let keys = keys(session).await?;
    if keys.is_empty() {
        return Ok(None);
    }
    let here = session.place().database.clone();
    if session.version.is_mariadb() {
        let loose = without_index(session, &keys, &here).await?;
        let is_there = tables(session).await?;
        return Ok(loose.into_iter().find(|name| keys.iter().any(|key| key.name == *name && is_there.contains(&key.parent.1))));
    }
    let texts = texts(session, &ends(&keys, &here)).await?;
    let differs = |key: &&Key| {
        let ends = ends(std::slice::from_ref(*key), &here);
        ends.iter().any(|(a, b)| texts.get(a).zip(texts.get(b)).is_some_and(|(a, b)| a.collation != b.collation))
    };
    Ok(keys.iter().find(differs).map(|key| key.name.clone()))
}

async fn tables(session: &mut Session) -> Result<BTreeSet<String>, EngineError> {
    let rows = session.texts("list the tables", "SHOW TABLES").await?;
    Ok(rows.into_iter().filter_map(|row| row.into_iter().next().flatten()).collect())
}

/// A foreign key to a table that is not there, taken out of its table for as long as that stands in another database: it would go on
/// to refer to that one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Dangling {
    table: String,
    name: String,
    clause: String,
}

impl Dangling {
    /// Takes all of them out of the tables of the session's database.
    pub(super) async fn take_out(session: &mut Session) -> Result<Vec<Self>, EngineError> {
        let here = session.place().database.clone();
        let keys = keys(session).await?;
        let there = if keys.is_empty() { BTreeSet::new() } else { tables(session).await? };
        let mut taken = Vec::new();
        for key in keys.into_iter().filter(|key| key.parent.0 == here && !there.contains(&key.parent.1)) {
            let doing = format!("read the definition of table {}", key.table);
            let rows = session.texts(&doing, &format!("SHOW CREATE TABLE {}", quote(&key.table))).await?;
            let Some(sql) = rows.into_iter().next().and_then(|row| row.into_iter().nth(1)?) else { continue };
            let sql = unqualify(&sql, &here);
            let named = format!("CONSTRAINT {} FOREIGN KEY", quote(&key.name));
            let Some(clause) = line_of(&sql, &named).map(|line| line.trim().to_owned()) else { continue };
            let dangling = Self { table: key.table, name: key.name, clause };
            dangling.leave(session).await?;
            taken.push(dangling);
        }
        Ok(taken)
    }

    /// Puts it back into its table, in the session's database; as often as it is called.
    pub(super) async fn put_back(&self, session: &mut Session) -> Result<(), EngineError> {
        match self.leave(session).await {
            Err(error) if number_of_error(&error) == Some(NOT_THERE) => {}
            other => other?,
        }
        let sql = format!("ALTER TABLE {} ADD {}", quote(&self.table), self.clause);
        session.run(&format!("make foreign key {} of table {} again", self.name, self.table), &sql).await
    }

    async fn leave(&self, session: &mut Session) -> Result<(), EngineError> {
        let sql = format!("ALTER TABLE {} DROP FOREIGN KEY {}", quote(&self.table), quote(&self.name));
        session.run(&format!("take foreign key {} out of table {}", self.name, self.table), &sql).await
    }
}

/// The line of a table's definition that begins so, without the comma at its end; it ends where no name goes on.
fn line_of<'a>(sql: &'a str, begin: &str) -> Option<&'a str> {
    let plain = without_quoted(sql);
    let starts = plain.match_indices("\n  ").map(|(at, _)| at + 1);
    let at = starts.into_iter().find(|at| sql[*at..].trim_start().starts_with(begin))?;
    let end = plain[at..].find('\n').map_or(sql.len(), |length| at + length);
    Some(sql[at..end].trim_end_matches(','))
}

/// A column's line with another character set and collation.
fn with_collation(line: &str, charset: &str, collation: &str) -> String {
    let mut line = line.to_owned();
    for word in [" CHARACTER SET ", " COLLATE "] {
        let plain = without_quoted(&line);
        if let Some(at) = plain.find(word) {
            let value = at + word.len();
            let end = plain[value..].find(' ').map_or(line.len(), |length| value + length);
            line.replace_range(at..end, "");
        }
    }
    let at = end_of_type(&line);
    line.insert_str(at, &format!(" CHARACTER SET {charset} COLLATE {collation}"));
    line
}

/// Where the type of a column's line ends: behind its name, at the first space outside of parentheses.
fn end_of_type(line: &str) -> usize {
    let plain = without_quoted(line);
    let name = plain.find('_').unwrap_or(0);
    let begin = name + plain[name..].find(' ').map_or(0, |length| length + 1);
    let mut depth = 0_usize;
    for (at, mark) in plain[begin..].bytes().enumerate() {
        match mark {
            b'(' => depth += 1,
            b')' => depth = depth.saturating_sub(1),
            b' ' if depth == 0 => return begin + at,
            _ => {}
        }
    }
    line.len()
}

#[cfg(test)]
mod tests;
