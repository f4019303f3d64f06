//! Views: how their definitions are read where the server cannot print them, or must not be asked to.
//!
//! Only reads. MariaDB dies of `SHOW CREATE VIEW` where a view has a `JSON_TABLE` and reads a table that is not there; MySQL answers it with an
//! error, and both do where a function's definer is gone. `information_schema.VIEWS` is answered safely by both, and is less exact:
//! it lacks the character sets of strings, on MySQL the algorithm and names of columns that the view alone has.
//! Held by `tests/it/mysql_views.rs`.

use std::collections::HashMap;

use super::super::super::EngineError;
use super::super::connect::{Session, literal, quote};
use super::super::definition::{Context, Kind};
use super::super::errors::{NO_SUCH_DEFINER, VIEW_INVALID, number_of_error};
use super::super::here::HERE;
use super::{Shown, show};
use crate::failure::Chain;

/// `ER_CANT_EXECUTE_IN_READ_ONLY_TRANSACTION`.
const READ_ONLY: u16 = 1792;

/// A view as `information_schema` has it.
#[derive(Debug, Clone, Default)]
struct Listed {
    /// Whether the server could open it; MySQL does not tell.
    opens: bool,
    /// What it selects; empty where this account is not shown it.
    body: String,
    check: String,
    definer: String,
    security: String,
    client: String,
    connection: String,
    algorithm: String,
}

/// Whose locks keep what a view reads from being dropped while it is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(in super::super) enum Locked {
    /// Nobody's yet.
    #[default]
    Not,
    /// Another session's of ours, on every table of the database. It keeps everybody from opening a view that reads one.
    ByUs,
}

/// Reads definitions of views, one after the other.
#[derive(Debug, Default)]
pub(super) struct Views {
    locked: Locked,
    listed: Option<HashMap<String, Listed>>,
    /// Holds what a view reads while it is printed.
    beside: Option<Session>,
}

impl Views {
    /// None read yet.
    pub(super) fn new(locked: Locked) -> Self {
        Self { locked, ..Self::default() }
    }

    /// The definition of a view; `None` where it is not shown to this account.
    pub(super) async fn define(&mut self, session: &mut Session, name: &str) -> Result<Option<Shown>, EngineError> {
        if session.version.is_mariadb() {
            let listed = self.listed(session).await?.get(name).cloned().unwrap_or_default();
            let mut shown = match listed.body.is_empty() || listed.body.to_ascii_lowercase().contains("json_table") {
                true => self.held(session, name, &listed).await?,
                false => self.shown(session, name).await?,
            };
            if let Some(shown) = shown.as_mut().filter(|shown| shown.broken.is_none() && !listed.opens) {
                shown.broken = Some(MISSING.to_owned());
            }
            return Ok(shown);
        }
        self.shown(session, name).await
    }

    /// Ends the session beside.
    pub(super) async fn close(self) {
        if let Some(beside) = self.beside {
            beside.close().await;
        }
    }

    /// As the server prints it, or else as it lists it.
    async fn shown(&mut self, session: &mut Session, name: &str) -> Result<Option<Shown>, EngineError> {
        match show(session, Kind::View, name).await {
            Err(error @ EngineError::Sql { .. }) if number_of_error(&error).is_some() => {
                session.run("set up a session", "SET SESSION character_set_results = utf8mb4").await?;
                // With its definer there it works; what else cannot be printed reads what is nowhere.
                let why = match number_of_error(&error) {
                    Some(NO_SUCH_DEFINER) => format!("the server cannot print it ({})", Chain(&error)),
                    _ => MISSING.to_owned(),
                };
                self.as_listed(session, name, &why).await
            }
            other => other,
        }
    }

    /// A view with a `JSON_TABLE`, printed only while all that it reads is held: then nobody can drop it meanwhile.
    async fn held(&mut self, session: &mut Session, name: &str, listed: &Listed) -> Result<Option<Shown>, EngineError> {
        if listed.opens && self.locked == Locked::ByUs {
            if !reads_elsewhere(session, &listed.body).await? {
                return self.shown(session, name).await;
            }
        } else if listed.opens {
            if self.beside.is_none() {
                self.beside = Some(session.place().connect().await?);
            }
            if let Some(beside) = &mut self.beside {
                let begin = format!("START TRANSACTION READ ONLY; SELECT 1 FROM {} LIMIT 0", quote(name));
                let shown = match beside.rows(&format!("open view {name}"), &begin).await {
                    Ok(_) => Some(show(beside, Kind::View, name).await?),
                    // It asks a sequence for its next value: the server opened all of it before it said so.
                    Err(error) if number_of_error(&error) == Some(READ_ONLY) => {
                        beside.run("let a view go", "ROLLBACK").await?;
                        Some(show(beside, Kind::View, name).await?)
                    }
                    Err(EngineError::Sql { .. } | EngineError::Privilege { .. }) => None,
                    Err(error) => return Err(error),
                };
                beside.run("let a view go", "ROLLBACK").await?;
                if let Some(shown) = shown {
                    return Ok(shown);
                }
            }
        }
        self.as_listed(session, name, MISSING).await
    }

    async fn listed(&mut self, session: &mut Session) -> Result<&HashMap<String, Listed>, EngineError> {
        if self.listed.is_none() {
            self.listed = Some(list(session).await?);
        }
        Ok(self.listed.get_or_insert_default())
    }

    async fn as_listed(&mut self, session: &mut Session, name: &str, why: &str) -> Result<Option<Shown>, EngineError> {
        let Some(listed) = self.listed(session).await?.get(name).filter(|listed| !listed.body.is_empty()).cloned() else {
            return Ok(None);
        };
        // MySQL prints the names where they are not the body's.
        let columns = if session.version.is_mariadb() { Vec::new() } else { columns(session, name).await? };
        let context = Context { client: listed.client.clone(), connection: listed.connection.clone(), ..Context::default() };
        let strings = if listed.body.contains('\'') { STRINGS } else { "" };
        Ok(Some(Shown { sql: listed.statement(name, &columns), context, broken: Some(format!("{why}{strings}")) }))
    }
}

/// Whether a view may read something of another database: any mention of one counts.
async fn reads_elsewhere(session: &mut Session, body: &str) -> Result<bool, EngineError> {
    let sql = "SELECT SCHEMA_NAME FROM information_schema.SCHEMATA WHERE SCHEMA_NAME <> DATABASE()";
    let others = session.texts("list the databases", sql).await?;
    let body = body.to_lowercase();
    Ok(others.into_iter().flatten().flatten().any(|other| body.contains(&format!("{}.", quote(&other.to_lowercase())))))
}

/// What is wrong with most views that are broken.
pub(in super::super) const MISSING: &str =
    "it reads a table, column or function that is not there, or that its definer may not read";

/// What else is to be said of one that is not printed.
const STRINGS: &str = ", and the server lists it without the character sets of its strings (_latin1'…'), which its definition in the archive lacks";

/// What a server's warnings beside a definition say of it.
pub(super) fn broken_by(codes: &[String]) -> Option<String> {
    codes.iter().any(|code| code.parse() == Ok(VIEW_INVALID)).then(|| MISSING.to_owned())
}

async fn list(session: &mut Session) -> Result<HashMap<String, Listed>, EngineError> {
    let algorithm = if session.version.is_mariadb() { "ALGORITHM" } else { "'UNDEFINED'" };
    let sql = format!(
        "SELECT TABLE_NAME, COALESCE(IS_UPDATABLE, '') IN ('YES', 'NO'), VIEW_DEFINITION, CHECK_OPTION, DEFINER, SECURITY_TYPE, \
         CHARACTER_SET_CLIENT, COLLATION_CONNECTION, {algorithm} FROM information_schema.VIEWS WHERE {HERE}"
    );
    let mut all = HashMap::new();
    for row in session.texts("list the views", &sql).await? {
        let mut cells = row.into_iter().map(Option::unwrap_or_default);
        let mut next = || cells.next().unwrap_or_default();
        let (name, opens) = (next(), next() == "1");
        let (body, check, definer, security) = (next(), next(), next(), next());
        let (client, connection, algorithm) = (next(), next(), next());
        all.insert(name, Listed { opens, body, check, definer, security, client, connection, algorithm });
    }
    Ok(all)
}

async fn columns(session: &mut Session, view: &str) -> Result<Vec<String>, EngineError> {
    let sql = format!(
        "SELECT COLUMN_NAME FROM information_schema.COLUMNS WHERE {HERE} AND TABLE_NAME = {} ORDER BY ORDINAL_POSITION",
        literal(view)
    );
    let rows = session.texts(&format!("list the columns of view {view}"), &sql).await?;
    Ok(rows.into_iter().filter_map(|row| row.into_iter().next().flatten()).collect())
}

impl Listed {
    /// The statement, as `SHOW CREATE VIEW` would spell it.
    fn statement(&self, name: &str, columns: &[String]) -> String {
        let Self { body, check, definer, security, algorithm, .. } = self;
        let definer = match definer.rsplit_once('@') {
            Some((user, host)) if !host.is_empty() => format!("{}@{}", quote(user), quote(host)),
            // A role.
            Some((role, _)) => quote(role),
            None => quote(definer),
        };
        let names = columns.iter().map(|column| quote(column)).collect::<Vec<_>>().join(",");
        let names = if names.is_empty() { names } else { format!(" ({names})") };
        let check = match check.as_str() {
            "" | "NONE" => String::new(),
            kind => format!(" WITH {kind} CHECK OPTION"),
        };
        let name = quote(name);
        format!("CREATE ALGORITHM={algorithm} DEFINER={definer} SQL SECURITY {security} VIEW {name}{names} AS {body}{check}")
    }
}

#[cfg(test)]
mod tests;
