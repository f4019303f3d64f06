//! How tables are made whose foreign keys no statement makes as they are: with columns bent, with an index that stands in, in an order.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::super::super::EngineError;
use super::super::connect::{Session, quote};
use super::super::plain::without_quoted;
use super::indexes::Indexes;
use super::{Key, Place, Type, ends, keys, line_of, parents, types};

/// How the tables of a database are to be made.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in super::super) struct Making {
    /// Columns that are made with another collation than their own at first, by table.
    bent: BTreeMap<String, Vec<Bent>>,
    /// Tables by those that are to be made before them.
    before: BTreeMap<String, BTreeSet<String>>,
    /// Columns that have an index only until their table is made, by table.
    stand_ins: BTreeMap<String, BTreeSet<Vec<String>>>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Bent {
    column: String,
    charset: String,
    collation: String,
}

impl Making {
    /// What the foreign keys of the session's database ask for.
    pub(in super::super) async fn of(session: &mut Session) -> Result<Self, EngineError> {
        let keys = keys(session).await?;
        if keys.is_empty() {
            return Ok(Self::default());
        }
        let here = session.place().database.clone();
        let ends = ends(&keys, &here);
        let types = types(session, &ends).await?;
        if session.version.is_mariadb() {
            let (parents, mut stand_ins) = (parents(session).await?, Indexes::read(session).await?.missing(&keys, &here));
            let is_there = |table: &str, column: &String| types.contains_key(&(here.clone(), table.to_owned(), column.clone()));
            stand_ins.retain(|table, lists| {
                lists.retain(|columns| columns.iter().all(|column| is_there(table, column)));
                parents.contains(table) && !lists.is_empty()
            });
            return Ok(Self { before: before(&keys, &here, &types), stand_ins, ..Self::default() });
        }
        Ok(Self { bent: bent(&ends, &types, &here), ..Self::default() })
    }

    /// The places of tables of these names in an order in which they can be made.
    pub(in super::super) fn order(&self, names: &[&str]) -> Vec<usize> {
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

    /// A table's statement with what is bent in it and what stands in, and the statement that makes it what it is; `None` for one that
    /// is made as it is.
    pub(in super::super) fn bend(&self, table: &str, sql: &str) -> Option<(String, String)> {
        let (mut made, mut back) = (sql.to_owned(), Vec::new());
        for bent in self.bent.get(table).into_iter().flatten() {
            let own = line_of(&made, &quote(&bent.column))?.to_owned();
            let line = with_collation(&own, &bent.charset, &bent.collation);
            made = made.replacen(&own, &line, 1);
            back.push(format!("  MODIFY {}", own.trim()));
        }
        for (at, columns) in self.stand_ins.get(table).into_iter().flatten().enumerate() {
            let name = quote(&format!("{STAND_IN}{}", at + 1));
            let columns = columns.iter().map(|column| quote(column)).collect::<Vec<_>>().join(", ");
            made = with_index(&made, &format!("KEY {name} ({columns})"))?;
            back.push(format!("  DROP KEY {name}"));
        }
        if self.stand_ins.contains_key(table) {
            // A table that is copied loses the key for which the index stood in.
            back.push("  ALGORITHM=INPLACE".to_owned());
        }
        (!back.is_empty()).then(|| (made, format!("ALTER TABLE {}\n{}", quote(table), back.join(",\n"))))
    }
}

/// The columns that are to be bent: of each group that foreign keys make one of and that has more than one collation, all that have not
/// the one that fits into every index, or that of a column which is not ours to bend.
fn bent(ends: &[(Place, Place)], types: &HashMap<Place, Type>, here: &str) -> BTreeMap<String, Vec<Bent>> {
    let mut all: BTreeMap<String, Vec<Bent>> = BTreeMap::new();
    for group in groups(ends) {
        let of = |place: &Place| types.get(place).map(|text| (place.clone(), text.clone()));
        let group: Vec<(Place, Type)> = group.iter().filter_map(of).collect();
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

/// Foreign keys whose ends differ, or that refer to columns which are not there: who refers is made first.
fn before(keys: &[Key], here: &str, types: &HashMap<Place, Type>) -> BTreeMap<String, BTreeSet<String>> {
    let mut before: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for key in keys.iter().filter(|key| key.parent.0 == here && key.parent.1 != key.table) {
        let ends = ends(std::slice::from_ref(key), here);
        if ends.iter().any(|(a, b)| types.get(a) != types.get(b)) {
            before.entry(key.parent.1.clone()).or_default().insert(key.table.clone());
        }
    }
    before
}

/// What an index is called that stands in for one that is gone.
const STAND_IN: &str = "upkeep_stand_in_";

/// A table's definition with another index, as its first line.
fn with_index(sql: &str, index: &str) -> Option<String> {
    let at = without_quoted(sql).find("(\n")? + "(\n".len();
    Some(format!("{}  {index},\n{}", &sql[..at], &sql[at..]))
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
