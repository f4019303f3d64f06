//! Migration versions as Flyway orders them: numbers of any size between dots, compared part by part.
//!
//! Owns the one reading of a version text. Never rounds or overflows: `20240101123000999999999` is an ordinary part.
//! Invariant: two versions are equal exactly when Flyway takes them for the same migration (`001`, `1` and `1.0`), while the
//! text keeps its leading zeros because that text goes into the history table. Held by `version/tests.rs`.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};

use serde::{Serialize, Serializer};

/// The most characters the history table's `version` column takes.
const MAX_TEXT: usize = 50;

/// A migration's version.
#[derive(Debug, Clone)]
pub struct MigrationVersion(String);

/// Why a text is not a migration version.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a migration version: it must be numbers with dots or underscores between them, at most 50 characters")]
pub struct NotAMigrationVersion(pub String);

impl MigrationVersion {
    /// Reads a version as a file name or the history table has it; underscores count as dots.
    ///
    /// Java would also take `-1`, `+1` and digits of other scripts; such a version is refused here rather than guessed at.
    ///
    /// # Errors
    /// When the text is anything but numbers with single dots or underscores between them, or too long for the table.
    pub fn parse(text: &str) -> Result<Self, NotAMigrationVersion> {
        let dotted = text.replace('_', ".");
        let number = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
        if dotted.len() <= MAX_TEXT && dotted.split('.').all(number) {
            Ok(Self(dotted))
        } else {
            Err(NotAMigrationVersion(text.chars().take(80).collect()))
        }
    }

    /// The text that goes into the history table: dots for underscores, leading zeros kept.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The parts without leading zeros (a zero is empty), without trailing zero parts.
    fn parts(&self) -> Vec<&str> {
        let mut parts: Vec<&str> = self.0.split('.').map(|part| part.trim_start_matches('0')).collect();
        while parts.last().is_some_and(|part| part.is_empty()) {
            parts.pop();
        }
        parts
    }
}

impl Ord for MigrationVersion {
    fn cmp(&self, other: &Self) -> Ordering {
        let (mine, theirs) = (self.parts(), other.parts());
        // Without leading zeros a longer number is a larger one; equally long ones compare as text.
        let differing = mine.iter().zip(&theirs).map(|(a, b)| a.len().cmp(&b.len()).then_with(|| a.cmp(b)));
        differing.into_iter().find(|ordering| ordering.is_ne()).unwrap_or_else(|| mine.len().cmp(&theirs.len()))
    }
}

impl PartialOrd for MigrationVersion {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for MigrationVersion {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for MigrationVersion {}

impl Hash for MigrationVersion {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.parts().hash(state);
    }
}

impl fmt::Display for MigrationVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Serialize for MigrationVersion {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

#[cfg(test)]
mod tests;
