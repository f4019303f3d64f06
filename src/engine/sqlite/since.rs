//! The rows of a database file against those of an archive, in one look: where somebody writes meanwhile it is looked at again.

use std::sync::Arc;

use super::{Sqlite, open, rows};
use crate::archive::Archive;
use crate::engine::EngineError;
use crate::engine::crew::aside;
use crate::progress::Progress;

/// Compares.
///
/// # Errors
/// [`EngineError::Differs`] where they are others, and when the file cannot be read.
pub(super) async fn compare(database: &Sqlite, archive: &Arc<Archive>, progress: &Progress) -> Result<(), EngineError> {
    let (database, shown) = (database.clone(), progress.clone());
    let found = aside("counting rows", move || async move {
        for _ in 0..open::READINGS {
            let mut opened = open::look(&database).await?;
            let begun = sqlx::query("BEGIN").execute(&mut opened.connection).await;
            begun.map_err(open::because(&database.path, "begin to read"))?;
            let found = rows::tally(&mut opened.connection, &database.path, &shown).await;
            if opened.close().await? {
                return found;
            }
        }
        Err(open::restless(&database.path))
    });
    let differing = rows::differing(&archive.manifest().tables, &found.await?);
    if differing.is_empty() { Ok(()) } else { Err(EngineError::Differs(differing)) }
}
