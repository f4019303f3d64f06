//! What a load defined, read back: rows are compared before anything is published, definitions when all of them are there.

use super::{Engine, EngineError};
use crate::archive::Archive;

/// How many objects are named.
const NAMED: usize = 20;

/// Says where the schema does not read back as it was archived. Only a server of the same version prints the same definition in the same
/// words, so any other is not asked.
///
/// A difference is for a person to look at and no failure: every statement of the archive was run and every row is there.
pub(super) async fn differs(engine: &Engine, archive: &Archive) -> Option<String> {
    let manifest = archive.manifest();
    let label = &manifest.label;
    let wanted = manifest.shape.fingerprint.as_ref()?;
    match fingerprint(engine, &manifest.server.version).await {
        Ok(Some(found)) if found != *wanted => {
            let named = named(engine, archive).await;
            Some(format!(
                "the schema does not read back word for word as it is in archive {label}{named}: the text of a new archive beside that \
                 one's (`zstd -dc FILE`) shows where"
            ))
        }
        Ok(_) => None,
        Err(error) => Some(format!("the schema could not be read back and compared with archive {label}: {error}")),
    }
}

/// ` (view v, event e)`, where the engine can tell.
async fn named(engine: &Engine, archive: &Archive) -> String {
    let names = match engine {
        Engine::MySql(engine) => Box::pin(engine.differing(archive)).await.unwrap_or_default(),
        Engine::Sqlite(_) | Engine::Postgres(_) => Vec::new(),
    };
    match names.len() {
        0 => String::new(),
        1..=NAMED => format!(" ({})", names.join(", ")),
        more => format!(" ({} and {} more)", names[..NAMED].join(", "), more - NAMED),
    }
}

async fn fingerprint(engine: &Engine, version: &str) -> Result<Option<String>, EngineError> {
    if engine.identify().await?.version != version {
        return Ok(None);
    }
    Ok(engine.shape(&[]).await?.fingerprint)
}
