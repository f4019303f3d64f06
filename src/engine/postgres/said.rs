//! What the server said: its code, its words, and what they mean.

use std::error::Error as StdError;
use std::fmt;

use sqlx::error::{DatabaseError, ErrorKind};
use sqlx::postgres::PgDatabaseError;

use super::super::EngineError;

/// SQLSTATE `out_of_memory`, which also says that the lock table is full.
pub(super) const NO_MEMORY: &str = "53200";
/// SQLSTATE `character_not_in_repertoire`.
const NOT_UTF8: &str = "22021";
/// SQLSTATEs of a table, a function and any other object that is not found.
const NOT_FOUND: [&str; 3] = ["42P01", "42883", "42704"];

/// The server's words alone. The driver's own form of them ends with a line of the server's source, which reads like one of the statement.
#[derive(Debug)]
struct Said {
    code: String,
    message: String,
    hint: Option<String>,
    /// What the server was in, innermost first, a line each.
    context: Option<String>,
}

impl fmt::Display for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        self.hint.as_ref().map_or(Ok(()), |hint| write!(f, "; {hint}"))
    }
}

impl StdError for Said {}

impl DatabaseError for Said {
    fn message(&self) -> &str {
        &self.message
    }

    fn code(&self) -> Option<std::borrow::Cow<'_, str>> {
        Some(self.code.as_str().into())
    }

    fn as_error(&self) -> &(dyn StdError + Send + Sync + 'static) {
        self
    }

    fn as_error_mut(&mut self) -> &mut (dyn StdError + Send + Sync + 'static) {
        self
    }

    fn into_error(self: Box<Self>) -> Box<dyn StdError + Send + Sync + 'static> {
        self
    }

    fn kind(&self) -> ErrorKind {
        ErrorKind::Other
    }
}

/// The error as a person should read it.
pub(crate) fn readable(error: sqlx::Error) -> sqlx::Error {
    let Some(said) = error.as_database_error().and_then(|said| said.try_downcast_ref::<PgDatabaseError>()) else {
        return error;
    };
    sqlx::Error::Database(Box::new(Said {
        code: said.code().to_owned(),
        message: said.message().to_owned(),
        hint: said.hint().map(str::to_owned),
        context: said.r#where().map(str::to_owned),
    }))
}

/// The SQLSTATE of an error the server reported.
pub(super) fn code_of(error: &sqlx::Error) -> Option<String> {
    error.as_database_error().and_then(|error| error.code()).map(|code| code.into_owned())
}

/// The server's message, or the driver's.
pub(super) fn message_of(error: &sqlx::Error) -> String {
    error.as_database_error().map_or_else(|| error.to_string(), |error| error.message().to_owned())
}

/// The SQLSTATE behind an engine error, if the server reported one.
pub(super) fn sqlstate(error: &EngineError) -> Option<String> {
    match error {
        EngineError::Sql { source, .. } | EngineError::Lost { source, .. } | EngineError::Connect { source, .. } => {
            code_of(source)
        }
        _ => None,
    }
}

/// SQLSTATE `lock_not_available`.
pub(super) const NOT_AVAILABLE: &str = "55P03";

/// Whether an error is that somebody else kept a lock for longer than the session waits.
pub(super) fn is_about_a_kept_lock(error: &EngineError) -> bool {
    sqlstate(error).as_deref() == Some(NOT_AVAILABLE)
}

/// Whether a text of the server's or of a client of it is about a lock table that is full. The words may be in any language; the setting
/// is always called the same.
pub(super) fn is_about_locks(text: &str) -> bool {
    text.contains("max_locks_per_transaction")
}

/// Whether an error is about a name that was looked for in the search path and not found: one with a schema is not. The types of a
/// function's and an operator's arguments are named with theirs. The words may be in any language.
fn looks_in_path(code: &str, message: &str) -> bool {
    let words = || message.split_whitespace();
    NOT_FOUND.contains(&code)
        && match message.split_once('(') {
            Some((before, _)) if code == NOT_FOUND[1] => !before.contains('.'),
            None if code == NOT_FOUND[1] => words().any(|word| word.chars().all(|c| "+-*/<>=~!@#%^&|`?".contains(c))),
            _ => !message.contains('.'),
        }
}

/// What is to be said of an error that is known for its cause. `doing` completes "cannot …".
pub(super) fn explained(doing: &str, error: &sqlx::Error) -> Option<EngineError> {
    let said = error.as_database_error()?.try_downcast_ref::<Said>()?;
    if said.code == NO_MEMORY && said.hint.as_deref().is_some_and(is_about_locks) {
        return Some(EngineError::NoLocks { doing: doing.to_owned(), is: None, wanted: None });
    }
    let unqualified = looks_in_path(&said.code, &said.message);
    let inside = said.context.as_deref().and_then(|context| context.lines().next());
    let inside = inside.filter(|inside| unqualified && !inside.starts_with("COPY "))?;
    Some(EngineError::Inexact {
        what: format!("cannot {doing}: {} (in {inside})", said.message),
        hint: format!(
            "the search_path of a session that loads is empty, as pg_dump sets it: in the source, write the schema before each name in that \
             function, or ALTER FUNCTION … SET search_path = … for it; then take another archive ({})",
            said.message
        ),
    })
}

/// The same of a question to the catalogue, whose answer cannot be written in the session's encoding. A statement of an archive's that a
/// server refuses for its bytes says nothing of the source's names.
pub(super) fn unreadable(doing: &str, error: &sqlx::Error) -> Option<EngineError> {
    let said = error.as_database_error().filter(|said| said.code().as_deref() == Some(NOT_UTF8))?;
    Some(EngineError::Inexact {
        what: format!(
            "cannot {doing}: a name or definition holds bytes that are not UTF-8, which no archive can keep ({})",
            said.message()
        ),
        hint: "write it again in UTF-8 (ALTER … RENAME TO …); the rows may hold any bytes".to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::looks_in_path;

    #[test]
    fn a_name_without_a_schema_is_told_from_one_with_one() {
        for (code, message, in_path) in [
            ("42P01", "relation \"t\" does not exist", true),
            ("42P01", "relation \"app.t\" does not exist", false),
            ("42883", "function same(app.mood, integer) does not exist", true),
            ("42883", "function app.same(integer) does not exist", false),
            ("42883", "operator does not exist: app.mood === app.mood", true),
            ("42883", "operator does not exist: integer app.=== integer", false),
            ("42704", "type \"mood\" does not exist", true),
            ("22012", "division by zero", false),
        ] {
            assert_eq!(looks_in_path(code, message), in_path, "{message}");
        }
    }
}
