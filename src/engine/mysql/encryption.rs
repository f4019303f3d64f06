//! Whether a database has its new tables encrypted (MySQL's `DEFAULT ENCRYPTION`), which stands in no table's definition.

use super::super::EngineError;
use super::connect::{Session, quote};
use crate::archive::manifest::Server;
use crate::failure::Chain;

/// The key under which an archive says so.
pub(super) const DEFAULT_ENCRYPTION: &str = "default_encryption";

/// Whether the session's database does. None does where there is no such thing.
pub(super) async fn is_default(session: &mut Session) -> Result<bool, EngineError> {
    if !session.version.encrypts_databases() {
        return Ok(false);
    }
    let sql = "SELECT COUNT(*) FROM information_schema.SCHEMATA WHERE CAST(SCHEMA_NAME AS BINARY) = CAST(DATABASE() AS BINARY) \
        AND DEFAULT_ENCRYPTION = 'YES'";
    Ok(session.number("ask whether the database encrypts", sql).await? != 0)
}

/// Has the session's database encrypt new tables where the archive's did; what is to be said where it cannot. Nothing is ever switched off.
pub(super) async fn restore(session: &mut Session, like: &Server) -> Result<Option<String>, EngineError> {
    if !like.extra.contains_key(DEFAULT_ENCRYPTION) || is_default(session).await? {
        return Ok(None);
    }
    let database = session.place().database.clone();
    switch_on(session, &database).await
}

/// Has a database encrypt new tables; what is to be said where it cannot.
pub(super) async fn switch_on(session: &mut Session, database: &str) -> Result<Option<String>, EngineError> {
    let sql = format!("ALTER DATABASE {} DEFAULT ENCRYPTION = 'Y'", quote(database));
    match session.run("have the database encrypt new tables", &sql).await {
        Ok(()) => Ok(None),
        Err(error @ (EngineError::Privilege { .. } | EngineError::Sql { .. })) => {
            Ok(Some(format!("new tables are not encrypted as they were ({}): as an administrator: {sql};", Chain(&error))))
        }
        Err(error) => Err(error),
    }
}
