//! What a database is at: the migrations its history tables say were applied, and a fingerprint of its actual schema.
//!
//! Pure values and comparisons; the engines and `history` fill them in. Invariant: two shapes are the same only when both
//! their successful migrations and their fingerprints agree; a fingerprint that was not taken never equals anything.

use std::cmp::Ordering;
use std::fmt;

use serde::{Deserialize, Serialize};

/// Tools whose histories records and archives of an upkeep before do not have, though their tables were there.
const READ_LATER: [&str; 5] = ["prisma", "goose", "django", "knex", "refinery"];

/// One row of a history table, in that tool's own terms.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Applied {
    /// Order of application, as the table has it (`installed_rank`).
    pub rank: i64,
    /// The migration's version as written in the table; none for repeatable ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// The description column.
    pub description: String,
    /// The tool's type column (`SQL`, `BASELINE`, `DELETE`, …).
    #[serde(rename = "type")]
    pub kind: String,
    /// The script column.
    pub script: String,
    /// The checksum column, as text so that every tool's form fits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checksum: Option<String>,
    /// Whether the table says it went through.
    pub success: bool,
}

/// One history table found in a database.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct History {
    /// Which tool's table it is (`flyway`).
    pub tool: String,
    /// The table's name, qualified where the engine has schemas.
    pub table: String,
    /// Its rows, by rank.
    pub applied: Vec<Applied>,
}

impl Applied {
    /// Whether the table says that it failed or did not end. What Liquibase skipped did neither.
    #[must_use]
    pub fn failed(&self) -> bool {
        !self.success && self.kind != "SKIPPED"
    }
}

impl History {
    /// The newest version in effect. Newest is the highest version wherever versions have an order: rows are also written out of it, by
    /// scripts that came late and by tools that read a directory as text. Liquibase's identifiers, Alembic's revisions and the migrations of
    /// Django's applications have none, so there it is the last one applied; Prisma and Knex read their names as text.
    #[must_use]
    pub fn head(&self) -> Option<&str> {
        let mut standing: Vec<&str> = Vec::new();
        for row in &self.applied {
            let Some(version) = row.version.as_deref() else { continue };
            match row.kind.as_str() {
                // Taken back: by a repair, an undo, or a step down.
                "DELETE" | "UNDO_SQL" => standing.retain(|known| compare(known, version).is_ne()),
                _ if row.success => standing.push(version),
                _ => {}
            }
        }
        match self.tool.as_str() {
            "liquibase" | "alembic" | "django" => standing.pop(),
            "prisma" | "knex" => standing.into_iter().max(),
            // Of two that are equal (`1` and `1.0`) the later row.
            _ => standing.into_iter().max_by(|a, b| compare(a, b)),
        }
    }

    /// Whether it is a record of single statements, which says nothing that the history beside it does not.
    #[must_use]
    pub fn is_log(&self) -> bool {
        self.tool == "openmetadata-statements"
    }

    fn is_table(&self, name: &str) -> bool {
        self.table.rsplit('.').next().is_some_and(|table| table.trim_matches(['"', '`']).eq_ignore_ascii_case(name))
    }
}

/// Migrations' versions: parts between dots and underscores as numbers of any size, missing ones as nought. What stands behind a dash is
/// an addition to the version (`1.10.1-collate`, `2.0.0-baseline`) and comes after it.
#[must_use]
pub fn compare(a: &str, b: &str) -> Ordering {
    let split = |text: &str| -> (Vec<(usize, String)>, String) {
        let (numbers, rest) = text.split_once('-').unwrap_or((text, ""));
        let mut parts: Vec<(usize, String)> = numbers
            .split(['.', '_'])
            .map(|part| part.trim().trim_start_matches('0').to_owned())
            .map(|part| (part.len(), part))
            .collect();
        while parts.last().is_some_and(|(length, _)| *length == 0) {
            parts.pop();
        }
        (parts, rest.to_owned())
    };
    split(a).cmp(&split(b))
}

/// What a database is at.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Shape {
    /// Every history table found.
    #[serde(default)]
    pub histories: Vec<History>,
    /// A digest of the schema's own definition (not of data); none when it was not taken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fingerprint: Option<String>,
}

impl Shape {
    /// The head of the history that counts, for labels and messages; none for a database without one.
    #[must_use]
    pub fn head(&self) -> Option<&str> {
        self.head_by(None)
    }

    /// As [`Shape::head`], where the migrations are judged by the history in `table`.
    #[must_use]
    pub fn head_by(&self, table: Option<&str>) -> Option<&str> {
        self.counting(table).and_then(History::head)
    }

    /// The history that counts when there are several: OpenMetadata's own wherever it is, for Flyway's beside it is of the past; then
    /// the one in `table`; then the first that is more than a log of statements.
    #[must_use]
    pub fn counting(&self, table: Option<&str>) -> Option<&History> {
        let with_rows = || self.histories.iter().filter(|history| !history.is_log() && !history.applied.is_empty());
        let own = with_rows().find(|history| history.tool == "openmetadata");
        own.or_else(|| with_rows().find(|history| table.is_some_and(|table| history.is_table(table))))
            .or_else(|| with_rows().next())
    }

    /// The migrations that the histories say failed or did not end, as people name them, but for those in the table `but`.
    #[must_use]
    pub fn failed(&self, but: Option<&str>) -> Vec<String> {
        let asked = self.histories.iter().filter(|history| !but.is_some_and(|table| history.is_table(table)));
        let rows = asked.flat_map(|history| history.applied.iter().filter(|row| row.failed()).map(move |row| (history, row)));
        rows.map(|(history, row)| {
            let name = row.version.as_deref().unwrap_or(&row.description);
            format!("{name} ({})", history.table)
        })
        .collect()
    }

    /// BLAKE3 of fingerprint and successful migrations, hex: equal exactly where [`Shape::same_as`] is. None without a fingerprint.
    #[must_use]
    pub fn digest(&self) -> Option<String> {
        let fingerprint = self.fingerprint.as_deref()?;
        let mut keys: Vec<String> = self.keys().iter().map(|key| format!("{key:?}")).collect();
        keys.sort();
        let mut hasher = blake3::Hasher::new();
        for text in std::iter::once(fingerprint).chain(keys.iter().map(String::as_str)) {
            // The length before each, so that no two lists of texts run together alike.
            hasher.update(&(text.len() as u64).to_le_bytes()).update(text.as_bytes());
        }
        Some(hasher.finalize().to_hex().to_string())
    }

    /// Whether both describe the same schema, migration by migration.
    #[must_use]
    pub fn same_as(&self, other: &Shape) -> bool {
        self.fingerprint.is_some() && self.fingerprint == other.fingerprint && self.difference(other).is_empty()
    }

    /// Whether a database that had this shape and now has `now` was migrated by nobody. Where a history says what was applied, that is
    /// what counts: an index that somebody made, or this month's partition, makes no other release of it.
    #[must_use]
    pub fn still(&self, now: &Shape) -> bool {
        let has_history = self.histories.iter().any(|history| !history.is_log() && !history.applied.is_empty());
        self.same_as(now) || (has_history && self.difference(now).is_empty())
    }

    /// The migrations that one has and the other lacks, as lines for people (`only in the archive: V3 add column`). Where the schemas are
    /// one, a table that only one of them has as a history was there for both: an upkeep before did not read that tool's.
    #[must_use]
    pub fn difference(&self, other: &Shape) -> Vec<Difference> {
        let mut lines = Vec::new();
        let one_schema = self.fingerprint.is_some() && self.fingerprint == other.fingerprint;
        let (mine, theirs) = if one_schema { (self.keys_of(other), other.keys_of(self)) } else { (self.keys(), other.keys()) };
        lines.extend(mine.iter().filter(|key| !theirs.contains(key)).cloned().map(Difference::OnlyLeft));
        lines.extend(theirs.iter().filter(|key| !mine.contains(key)).cloned().map(Difference::OnlyRight));
        lines
    }

    /// What this shape is by what an upkeep read that wrote `record`: without the histories of tools that were not read at first, where
    /// the record has none of that tool.
    #[must_use]
    pub fn as_read_for(&self, record: &Shape) -> Shape {
        let read = |history: &&History| !READ_LATER.contains(&history.tool.as_str()) || record.has_table(&history.table);
        Shape { histories: self.histories.iter().filter(read).cloned().collect(), fingerprint: self.fingerprint.clone() }
    }

    /// Whether the histories are one, failed rows included; of one schema those tables count that both have as histories.
    #[must_use]
    pub fn same_histories(&self, other: &Shape) -> bool {
        let of = |one: &Shape, other: &Shape| -> Vec<History> {
            let one_schema = one.fingerprint.is_some() && one.fingerprint == other.fingerprint;
            one.histories.iter().filter(|history| !one_schema || other.has_table(&history.table)).cloned().collect()
        };
        of(self, other) == of(other, self)
    }

    fn has_table(&self, table: &str) -> bool {
        self.histories.iter().any(|history| history.table == table)
    }

    /// The keys of the tables that the other has as histories as well.
    fn keys_of(&self, other: &Shape) -> Vec<MigrationKey> {
        self.keys().into_iter().filter(|key| other.has_table(&key.table)).collect()
    }

    fn keys(&self) -> Vec<MigrationKey> {
        let rows = self.histories.iter().flat_map(|history| history.applied.iter().map(move |row| (history, row)));
        rows.filter(|(_, row)| row.success)
            .map(|(history, row)| MigrationKey {
                table: history.table.clone(),
                version: row.version.clone(),
                description: row.description.clone(),
                checksum: row.checksum.clone(),
            })
            .collect()
    }
}

/// What identifies an applied migration when two shapes are compared.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MigrationKey {
    /// The history table.
    pub table: String,
    /// The version, if any.
    pub version: Option<String>,
    /// The description.
    pub description: String,
    /// The checksum, if any.
    pub checksum: Option<String>,
}

impl fmt::Display for MigrationKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.version {
            Some(version) if self.description.is_empty() => f.write_str(version),
            Some(version) => write!(f, "{version} {}", self.description),
            None => write!(f, "repeatable {}", self.description),
        }
    }
}

/// One migration that only one of two shapes has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub enum Difference {
    /// Only the first has it.
    OnlyLeft(MigrationKey),
    /// Only the second has it.
    OnlyRight(MigrationKey),
}

#[cfg(test)]
mod tests;
