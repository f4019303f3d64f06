//! Whether a database is still what an archive says: schema, histories, and of every table rows and checksum.
//!
//! Owns putting the answer together; each engine sums its rows up within one moment, as a comparison after a load does. It fences
//! nobody off: whoever replaces content on the strength of it proves it again under its fence. Never changes anything. What cannot be
//! proved (another version of the server, a table that cannot be read) differs. Held by `tests/it/way_back.rs`.

use super::frames::shared;
use super::{Engine, EngineError, LoadMode};
use crate::archive::Archive;
use crate::progress::Progress;

/// How many tables an answer names.
const NAMED: usize = 3;

/// How a database stands to an archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Compared {
    /// It is what the archive says: schema, histories, rows and checksums.
    Same,
    /// There is no such database.
    Gone,
    /// It is not what the archive says, or that cannot be proved; in words.
    Differs(String),
}

impl Engine {
    /// How the database stands to what an archive says.
    ///
    /// # Errors
    /// When it cannot be reached or asked.
    pub async fn compare(
        &self,
        archive: &Archive,
        history_tables: &[String],
        progress: &Progress,
    ) -> Result<Compared, EngineError> {
        let manifest = archive.manifest();
        if !self.survey(history_tables).await?.exists {
            return Ok(Compared::Gone);
        }
        // Cheap, and after a migration the answer already. Only a server of the same version prints a schema in the same words.
        if self.identify().await?.version != manifest.server.version {
            return Ok(Compared::Differs(format!("its server is not {} any more", manifest.server.version)));
        }
        let shape = self.shape(history_tables).await?;
        if shape != manifest.shape || shape.fingerprint.is_none() {
            return Ok(Compared::Differs("its schema or its history is another".to_owned()));
        }
        let shared = shared(archive, LoadMode::DataOnly)?;
        let compared = match self {
            Self::Sqlite(engine) => Box::pin(engine.sums_differ(&shared, progress)).await,
            Self::Postgres(engine) => Box::pin(engine.sums_differ(&shared, progress)).await,
            Self::MySql(engine) => Box::pin(engine.sums_differ(&shared, progress)).await,
        };
        match compared {
            Ok(()) => Ok(Compared::Same),
            Err(EngineError::Differs(tables)) => {
                let named: Vec<&str> = tables.iter().take(NAMED).map(|mismatch| mismatch.table.as_str()).collect();
                let more = tables.len().saturating_sub(NAMED);
                let more = if more > 0 { format!(" and {more} more") } else { String::new() };
                Ok(Compared::Differs(format!("other rows in {}{more}", named.join(", "))))
            }
            Err(error) => Err(error),
        }
    }
}
