//! Old content that stands fenced: its tables were moved to the database beside, where nobody looks for them, to be proved or archived.
//!
//! Owns the notes that make it whole there. Views, routines, triggers and events cannot leave their database, so their definitions are
//! written down beside the tables, and whoever reads the schema of that database reads them with it. Invariant: an archive of fenced
//! content is the one that the database itself would have given; held by `tests/it/mysql_fence.rs`.

use serde::{Deserialize, Serialize};

use super::super::EngineError;
use super::connect::{Session, literal};
use super::definition::Definition;
use super::notes::Notes;
use super::ours::{self, FENCED};

/// The name of the database that the content belongs to.
const NAME: &str = "name";
/// A definition of what stayed behind.
const OBJECT: &str = "object";

/// What is noted beside tables that were moved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Fenced {
    /// The database that the content belongs to.
    pub(super) name: String,
    /// What could not leave it.
    pub(super) objects: Vec<Definition>,
}

/// Notes, in the database `aside`, which of these objects will stay behind when the tables of the session's database move there.
pub(super) async fn note(session: &mut Session, aside: &str, objects: &[Definition]) -> Result<(), EngineError> {
    let notes = Notes::at(aside, FENCED);
    notes.remove(session).await?;
    notes.create(session).await?;
    for object in objects.iter().filter(|object| !object.kind.moves()) {
        let text = serde_json::to_string(object)
            .map_err(|error| EngineError::Unfit(format!("cannot note {}: {error}", object.name)))?;
        notes.write(session, OBJECT, &text).await?;
    }
    // Last: who finds it finds all of them.
    let name = session.place().database.clone();
    notes.write(session, NAME, &name).await
}

/// What was noted in the session's database; `None` for a database like any other.
pub(super) async fn read(session: &mut Session) -> Result<Option<Fenced>, EngineError> {
    if !ours::is_aside(&session.place().database) {
        return Ok(None);
    }
    let sql = format!("SHOW TABLES LIKE {}", literal(&FENCED.replace('_', "\\_")));
    if session.rows("look whether the content stands fenced", &sql).await?.is_empty() {
        return Ok(None);
    }
    let database = session.place().database.clone();
    let notes = Notes::at(&database, FENCED);
    let Some(name) = notes.read(session, NAME).await?.into_iter().next() else { return Ok(None) };
    let objects = notes.read(session, OBJECT).await?;
    let unreadable = |error| EngineError::Unfit(format!("a note of database {database} cannot be read: {error}"));
    let objects = objects.iter().map(|text| serde_json::from_str(text)).collect::<Result<_, _>>().map_err(unreadable)?;
    Ok(Some(Fenced { name, objects }))
}
