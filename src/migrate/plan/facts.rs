//! What the history's rows say together: which are in effect, which were taken back, where the baseline is.

use std::collections::BTreeMap;

use super::{Problem, Resolved, State};
use crate::history::flyway::Row;
use crate::migrate::naming::Kind;
use crate::migrate::version::MigrationVersion;

/// What a row is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// A migration that ran.
    Script,
    /// The baseline.
    Baseline,
    /// A remark: the schema's creation, a deletion, an undo.
    Note,
}

/// A row with what follows from the others.
#[derive(Debug)]
pub(super) struct Fact<'a> {
    pub(super) row: &'a Row,
    pub(super) role: Role,
    pub(super) version: Option<MigrationVersion>,
    /// Deleted or undone by a later row.
    pub(super) gone: Option<State>,
    /// A newer version had been applied before.
    pub(super) out_of_order: bool,
    /// A repeatable script that ran again later.
    pub(super) superseded: bool,
}

/// All rows.
#[derive(Debug, Default)]
pub(super) struct Facts<'a> {
    pub(super) rows: Vec<Fact<'a>>,
    /// The version everything up to which counts as there.
    pub(super) baseline: Option<MigrationVersion>,
    /// The highest version applied.
    pub(super) newest: Option<MigrationVersion>,
    /// Where in `rows` a version's are.
    by_version: BTreeMap<MigrationVersion, Vec<usize>>,
}

impl Fact<'_> {
    /// Whether this row is of that script: same version and kind, or same description of a repeatable one.
    pub(super) fn is_of(&self, script: &Resolved) -> bool {
        if self.role != Role::Script {
            return false;
        }
        match (&self.version, &script.version) {
            (Some(applied), Some(version)) => {
                applied == version && (script.kind == Kind::Baseline) == self.row.kind.ends_with("_BASELINE")
            }
            (None, None) => abbreviated(&script.description, DESCRIPTION_MAX) == self.row.description,
            _ => false,
        }
    }
}

impl<'a> Facts<'a> {
    /// Reads the rows, which are in the order of their ranks.
    pub(super) fn read(rows: &'a [Row], problems: &mut Vec<Problem>) -> Self {
        let mut facts = Self::default();
        for row in rows {
            let version = match row.version.as_deref().map(MigrationVersion::parse).transpose() {
                Ok(version) => version,
                Err(error) => {
                    problems.push(Problem::Unreadable { rank: row.rank, why: error.to_string() });
                    continue;
                }
            };
            let Some(role) = role(&row.kind) else {
                problems.push(Problem::Unreadable { rank: row.rank, why: format!("type `{}` is none of Flyway's", row.kind) });
                continue;
            };
            if role == Role::Note && row.success {
                facts.take_back(row, version.as_ref());
            }
            facts.rows.push(Fact { row, role, version, gone: None, out_of_order: false, superseded: false });
        }
        facts.order();
        for (index, fact) in facts.rows.iter().enumerate() {
            if let Some(version) = &fact.version {
                facts.by_version.entry(version.clone()).or_default().push(index);
            }
        }
        facts
    }

    /// A deletion or an undo ends the effect of the latest earlier row of the same migration.
    fn take_back(&mut self, note: &Row, version: Option<&MigrationVersion>) {
        let gone = match note.kind.as_str() {
            "DELETE" => State::Deleted,
            kind if kind.starts_with("UNDO_") => State::Undone,
            _ => return,
        };
        let same = |fact: &&mut Fact<'_>| match version {
            Some(version) => fact.version.as_ref() == Some(version),
            None => fact.version.is_none() && fact.row.description == note.description,
        };
        let in_effect = |fact: &&mut Fact<'_>| fact.role != Role::Note && fact.gone.is_none();
        if let Some(fact) = self.rows.iter_mut().rev().filter(in_effect).find(same) {
            fact.gone = Some(gone);
        }
    }

    fn order(&mut self) {
        let mut latest: BTreeMap<&str, usize> = BTreeMap::new();
        for index in 0..self.rows.len() {
            let Some(fact) = self.rows.get_mut(index) else { continue };
            if fact.role == Role::Note || fact.gone.is_some() {
                continue;
            }
            match &fact.version {
                Some(version) => {
                    if fact.role == Role::Baseline || (fact.row.kind.ends_with("_BASELINE") && fact.row.success) {
                        self.baseline = Some(version.clone());
                    }
                    if self.newest.as_ref().is_none_or(|newest| version > newest) {
                        self.newest = Some(version.clone());
                    } else {
                        fact.out_of_order = true;
                    }
                }
                None => {
                    let before = latest.insert(&fact.row.description, index);
                    if let Some(before) = before.and_then(|before| self.rows.get_mut(before)) {
                        before.superseded = true;
                    }
                }
            }
        }
    }

    /// Whether a newer version was applied.
    pub(super) fn is_past(&self, version: &MigrationVersion) -> bool {
        self.newest.as_ref().is_some_and(|newest| version < newest)
    }

    fn in_effect(&self) -> impl DoubleEndedIterator<Item = &Fact<'a>> {
        self.rows.iter().filter(|fact| fact.role != Role::Note && fact.gone.is_none())
    }

    /// The row of a versioned script, if one is in effect.
    pub(super) fn row_of(&self, script: &Resolved) -> Option<&'a Row> {
        let in_effect = |fact: &&Fact<'a>| fact.role != Role::Note && fact.gone.is_none() && fact.is_of(script);
        let indices = self.by_version.get(script.version.as_ref()?)?;
        indices.iter().filter_map(|&index| self.rows.get(index)).find(in_effect).map(|fact| fact.row)
    }

    /// The latest row in effect of a repeatable script.
    pub(super) fn repeatable(&self, description: &str) -> Option<&'a Row> {
        let description = abbreviated(description, DESCRIPTION_MAX);
        let of_it =
            |fact: &&Fact<'_>| fact.version.is_none() && fact.role == Role::Script && fact.row.description == description;
        self.in_effect().rev().find(of_it).map(|fact| fact.row)
    }

    /// The newest version in effect, as written.
    pub(super) fn head(&self) -> Option<String> {
        let succeeded = self.in_effect().filter(|fact| fact.row.success).filter_map(|fact| fact.version.as_ref());
        succeeded.max().map(ToString::to_string)
    }
}

/// The most characters of a description the table takes.
pub(super) const DESCRIPTION_MAX: usize = 200;

/// A text cut as Flyway cuts a description: the end gives way to three dots. Counts UTF-16 units, as Java does.
pub(super) fn abbreviated(text: &str, max: usize) -> String {
    if text.encode_utf16().count() <= max {
        return text.to_owned();
    }
    let units: Vec<u16> = text.encode_utf16().take(max.saturating_sub(3)).collect();
    format!("{}...", String::from_utf16_lossy(&units))
}

/// What a row of this type is; none for a type Flyway would stop at.
fn role(kind: &str) -> Option<Role> {
    Some(match kind {
        "BASELINE" => Role::Baseline,
        "SCHEMA" | "DELETE" | "UNDO_SQL" | "UNDO_JDBC" | "UNDO_SCRIPT" | "UNDO_CUSTOM" | "UNDO_SPRING_JDBC" => Role::Note,
        "SQL" | "JDBC" | "SCRIPT" | "CUSTOM" | "SPRING_JDBC" | "SQL_BASELINE" | "JDBC_BASELINE" | "SCRIPT_BASELINE"
        | "CUSTOM_BASELINE" | "SQL_STATE_SCRIPT" | "JDBC_STATE_SCRIPT" => Role::Script,
        _ => return None,
    })
}
