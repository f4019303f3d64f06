//! What the server's errors mean: the one place that sorts `sqlx::Error`s of this engine.

use sqlx::mysql::MySqlDatabaseError;

use super::super::{EngineError, transport};
use super::place::{Place, quote};
use crate::failure::Class;

/// `ER_BAD_DB_ERROR`.
pub(super) const NO_SUCH_DATABASE: u16 = 1049;
/// `ER_DBACCESS_DENIED_ERROR`.
const NO_ACCESS_TO_DATABASE: u16 = 1044;
/// `ER_LOCK_WAIT_TIMEOUT`.
pub(super) const LOCK_WAIT_TIMEOUT: u16 = 1205;
/// `ER_BAD_FIELD_ERROR`.
pub(super) const NO_SUCH_COLUMN: u16 = 1054;
/// `ER_NO_SUCH_TABLE`.
pub(super) const NO_SUCH_TABLE: u16 = 1146;
/// `ER_NO_SUCH_USER`: a definer that does not exist here.
pub(super) const NO_SUCH_DEFINER: u16 = 1449;
/// `ER_VIEW_INVALID`: also said where a definer may not read what a view reads.
pub(super) const VIEW_INVALID: u16 = 1356;
/// `ER_TABLE_DEF_CHANGED`.
const TABLE_CHANGED: u16 = 1412;
/// Wrong password, host not allowed, no password where one is wanted, account locked.
const REFUSED: [u16; 5] = [1045, 1130, 1698, 3118, 4151];
/// Access denied: to a database, table, column, routine, for want of a global privilege.
const PRIVILEGE: [u16; 7] = [1044, 1142, 1143, 1227, 1370, 1419, 1345];
/// The server shuts down, somebody ended the session, the network broke.
const LOST: [u16; 8] = [1053, 1079, 1158, 1159, 1160, 1161, 1927, 4031];

/// The number of an error the server reported.
pub(super) fn number_of(error: &sqlx::Error) -> Option<u16> {
    error.as_database_error().and_then(|error| error.try_downcast_ref::<MySqlDatabaseError>()).map(MySqlDatabaseError::number)
}

/// Whether the server says that the session has ended.
pub(in super::super) fn is_lost(error: &sqlx::Error) -> bool {
    number_of(error).is_some_and(|number| LOST.contains(&number))
}

/// The number behind an engine error, if the server reported one.
pub(super) fn number_of_error(error: &EngineError) -> Option<u16> {
    match error {
        EngineError::Sql { source, .. }
        | EngineError::Lost { source, .. }
        | EngineError::Connect { source, .. }
        | EngineError::Refused { source, .. } => number_of(source),
        _ => None,
    }
}

fn message_of(error: &sqlx::Error) -> String {
    error.as_database_error().map_or_else(|| error.to_string(), |error| error.message().to_owned())
}

/// What a refusal to connect means that is neither the password's nor the address's: why, and what helps. By the server's number,
/// or sqlx's words.
fn turned_away(number: Option<u16>, words: &str, grantee: &str) -> Option<(&'static str, String, Class)> {
    let socket = "connect through the server's Unix socket: `url = \"mysql:///DATABASE?socket=…\"`";
    Some(match number {
        Some(1040) => ("it has no free connection", "try later, or raise it: SET GLOBAL max_connections = …;".to_owned(), Class::TempFail),
        Some(1203 | 1226) => (
            "the account has used up its limit of connections or queries",
            format!("try later, or raise it: ALTER USER {grantee} WITH MAX_USER_CONNECTIONS 0 MAX_CONNECTIONS_PER_HOUR 0 MAX_QUERIES_PER_HOUR 0;"),
            Class::TempFail,
        ),
        Some(3159) => ("it accepts only TLS connections", format!("set ssl-mode=REQUIRED in the `url`, or {socket}"), Class::NoPermission),
        Some(1820 | 1862) => (
            "the account's password has expired",
            format!("as an administrator: ALTER USER {grantee} IDENTIFIED BY '…' PASSWORD EXPIRE NEVER;"),
            Class::NoPermission,
        ),
        Some(1184) => (
            "it closes the connection at once, because its `init_connect` fails",
            "fix `init_connect` (the server's log says what fails), or let the account bypass it: CONNECTION_ADMIN, on MariaDB CONNECTION ADMIN"
                .to_owned(),
            Class::Unavailable,
        ),
        None if words.contains("authentication plugin") => (
            "the account uses an authentication plugin that upkeep does not support",
            format!("give it another: ALTER USER {grantee} IDENTIFIED VIA mysql_native_password USING PASSWORD('…'); on MySQL IDENTIFIED WITH caching_sha2_password BY '…'"),
            Class::NoPermission,
        ),
        _ => return None,
    })
}

impl Place {
    fn turned_away(&self, source: sqlx::Error) -> Result<EngineError, sqlx::Error> {
        match turned_away(number_of(&source), &source.to_string(), &self.grantee()) {
            Some((why, hint, class)) => Ok(EngineError::TurnedAway {
                location: self.location(),
                why: why.to_owned(),
                hint,
                class,
                source: Some(source),
            }),
            None => Err(source),
        }
    }

    pub(super) fn connecting(&self, source: sqlx::Error) -> EngineError {
        if let Some(refusal) = transport::refusal(&source) {
            return EngineError::untrusted(self.location(), refusal);
        }
        let source = match self.turned_away(source) {
            Ok(turned) => return turned,
            Err(source) => source,
        };
        match number_of(&source) {
            Some(number) if REFUSED.contains(&number) => {
                EngineError::Refused { location: self.location(), user: self.user().to_owned(), source }
            }
            Some(NO_ACCESS_TO_DATABASE) => EngineError::Privilege {
                user: self.user().to_owned(),
                what: format!("use database {}", self.database),
                grant: format!("GRANT SELECT ON {}.* TO {};", quote(&self.database), self.grantee()),
            },
            _ => EngineError::Connect { location: self.location(), source },
        }
    }

    /// What an error on a session of this place means. `doing` completes "cannot …".
    pub(super) fn sort(&self, doing: &str, source: sqlx::Error) -> EngineError {
        let location = self.location();
        let source = match self.turned_away(source) {
            Ok(turned) => return turned,
            Err(source) => source,
        };
        match number_of(&source) {
            Some(number) if PRIVILEGE.contains(&number) => {
                let message = message_of(&source);
                let grant = self.grant_for(&message).unwrap_or_else(|| format!("grant what the server misses ({message})"));
                EngineError::Privilege { user: self.user().to_owned(), what: doing.to_owned(), grant }
            }
            Some(LOCK_WAIT_TIMEOUT) => {
                EngineError::InUse { location, sessions: vec![format!("someone who holds a lock ({})", message_of(&source))] }
            }
            Some(TABLE_CHANGED) => EngineError::Moved { doing: doing.to_owned() },
            Some(number) if LOST.contains(&number) => EngineError::Lost { location, doing: doing.to_owned(), source },
            None if !matches!(source, sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_)) => {
                EngineError::Lost { location, doing: doing.to_owned(), source }
            }
            _ => EngineError::Sql { doing: doing.to_owned(), source },
        }
    }

    /// The statement that would help, read from the server's complaint.
    fn grant_for(&self, message: &str) -> Option<String> {
        if let Some((what, rest)) = message.split_once(" command denied to user ") {
            let object = rest.rsplit_once(" for ").and_then(|(_, object)| object.split_once(' ')).map(|(_, name)| name)?;
            let name = object.trim_matches(['\'', '`']).replace("`.`", ".");
            let name = name.rsplit_once('.').map_or(name.as_str(), |(_, name)| name);
            return Some(format!("GRANT {what} ON {}.{} TO {};", quote(&self.database), quote(name), self.grantee()));
        }
        let (_, rest) = message.split_once("(at least one of) the ")?;
        let (privileges, _) = rest.split_once(" privilege")?;
        let first = privileges.split([',', '/']).next().unwrap_or(privileges).trim();
        let first = first.split(" OR ").flat_map(|part| part.split(" or ")).next().unwrap_or(first);
        Some(format!("GRANT {first} ON *.* TO {};", self.grantee()))
    }
}

#[cfg(test)]
mod tests;
