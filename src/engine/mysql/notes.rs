//! What a load writes down in the server itself for whoever comes after a crash: a small table of kinds and texts.

use super::super::EngineError;
use super::connect::{Session, literal, quote};
use super::ours::OWN_TABLES;

/// Where notes are: a table of a database, quoted.
#[derive(Debug, Clone)]
pub(super) struct Notes(String);

impl Notes {
    /// The table of this name in this database.
    pub(super) fn at(database: &str, table: &str) -> Self {
        debug_assert!(OWN_TABLES.contains(&table), "a table that dumps leave out");
        Self(format!("{}.{}", quote(database), quote(table)))
    }

    /// Makes the table.
    pub(super) async fn create(&self, session: &mut Session) -> Result<(), EngineError> {
        let sql = format!(
            "CREATE TABLE {} (n INT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY, kind VARCHAR(16) CHARACTER SET latin1 NOT NULL, \
             note LONGTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL) ENGINE = InnoDB",
            self.0
        );
        session.run(&format!("create table {}", self.0), &sql).await
    }

    /// Writes one note.
    pub(super) async fn write(&self, session: &mut Session, kind: &str, note: &str) -> Result<(), EngineError> {
        let sql = format!("INSERT INTO {} (kind, note) VALUES ({}, {})", self.0, literal(kind), literal(note));
        session.run(&format!("write to table {}", self.0), &sql).await
    }

    /// The notes of a kind, in the order written.
    pub(super) async fn read(&self, session: &mut Session, kind: &str) -> Result<Vec<String>, EngineError> {
        let sql = format!("SELECT note FROM {} WHERE kind = {} ORDER BY n", self.0, literal(kind));
        let rows = session.texts(&format!("read table {}", self.0), &sql).await?;
        Ok(rows.into_iter().map(|row| row.into_iter().next().flatten().unwrap_or_default()).collect())
    }

    /// Removes what is written, and leaves the table.
    pub(super) async fn clear(&self, session: &mut Session) -> Result<(), EngineError> {
        session.run(&format!("clear table {}", self.0), &format!("DELETE FROM {}", self.0)).await
    }

    /// Removes the table.
    pub(super) async fn remove(&self, session: &mut Session) -> Result<(), EngineError> {
        session.run(&format!("drop table {}", self.0), &format!("DROP TABLE IF EXISTS {}", self.0)).await
    }
}
