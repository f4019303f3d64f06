//! What keeps a server or a database from being written to at all: found before an archive is taken, not after.

use super::super::EngineError;
use super::connect::{Session, literal};
use super::privileges::Grants;

/// Why nothing can be written to the place's database; `None` where something can.
pub(super) async fn objection(session: &mut Session) -> Result<Option<String>, EngineError> {
    let doing = "ask whether the server is read-only";
    let is_on = |value: Option<String>| value.is_some_and(|value| value != "0" && value != "OFF");
    if !session.version.is_mariadb() {
        if is_on(session.text(doing, "SELECT @@GLOBAL.super_read_only").await?) {
            return Ok(Some(
                "the server is read-only for everybody: SET GLOBAL super_read_only = OFF, or ask its primary".to_owned(),
            ));
        }
        let database = session.place().database.clone();
        let sql = format!(
            "SELECT COUNT(*) FROM information_schema.SCHEMATA_EXTENSIONS WHERE SCHEMA_NAME = {} AND OPTIONS LIKE '%READ ONLY=1%'",
            literal(&database)
        );
        if session.version.has_schema_options() && session.number(doing, &sql).await? > 0 {
            let open = format!("ALTER SCHEMA {} READ ONLY = 0;", super::connect::quote(&database));
            return Ok(Some(format!("database {database} is read-only: {open}")));
        }
    }
    if is_on(session.text(doing, "SELECT @@GLOBAL.read_only").await?) {
        let grants = Grants::read(session).await?;
        if !session.version.past_read_only().iter().any(|privilege| grants.allow_everywhere(privilege)) {
            return Ok(Some(
                "the server is read-only for this account: SET GLOBAL read_only = OFF, or ask its primary".to_owned(),
            ));
        }
    }
    Ok(None)
}
