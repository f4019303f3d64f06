//! The three databases of an exchange as the server lists them: names, marks, renaming, dropping.
//!
//! The mark is the comment of the new database, written only after it was compared and the old content was proved to be kept.

use super::super::EngineError;
use super::super::replace::names::{Longest, Names};
use super::super::replace::states::Seen;
use super::connect::{Place, Session, literal, quote};
use super::likeness;
use super::subscriptions::{self, Which};

/// How long a database's name may be (NAMEDATALEN − 1).
pub(super) const LONGEST_NAME: Longest = Longest::Bytes(63);
/// Begins the comment on a marked database; the comment the old one had follows on the next lines.
const MARK: &str = "upkeep: compared with ";

/// The names of an exchange.
pub(super) fn names_of(place: &Place) -> Names {
    Names::of(&place.database, LONGEST_NAME)
}

/// Whether a database is there, and marked.
pub(super) async fn look(session: &mut Session, name: &str) -> Result<Seen, EngineError> {
    let sql = format!("SELECT EXISTS (SELECT FROM pg_catalog.pg_database WHERE datname = {})", literal(name));
    let is_there = session.truth("look for databases of our own", &sql).await?;
    let comment = comment_on(session, name).await?;
    Ok(Seen { is_there, is_marked: comment.is_some_and(|comment| comment.starts_with(MARK)) })
}

/// Gives a database another name. The server refuses while anybody is in it or a transaction is prepared there, and waits a few seconds
/// for those who are leaving; who arrives meanwhile waits, and then finds no database of that name.
pub(super) async fn rename(session: &mut Session, from: &str, to: &str) -> Result<(), EngineError> {
    session
        .run(&format!("rename database {from} to {to}"), &format!("ALTER DATABASE {} RENAME TO {}", quote(from), quote(to)))
        .await
}

/// Drops a database of the exchange with what would keep the server from dropping it and is nobody's.
pub(super) async fn drop_database(session: &mut Session, place: &Place, which: Which) -> Result<(), EngineError> {
    let name = &place.database;
    let doing = format!("drop database {name}");
    // The server drops those of which nobody reads at this moment, and says nothing.
    likeness::demand_no_slot(session, name, "").await?;
    subscriptions::drop_from(session, place, which).await?;
    let sql = format!("SELECT datistemplate FROM pg_catalog.pg_database WHERE datname = {}", literal(name));
    if session.truth(&doing, &sql).await? {
        session.run(&doing, &format!("ALTER DATABASE {} IS_TEMPLATE false", quote(name))).await?;
    }
    session.run(&doing, &format!("DROP DATABASE IF EXISTS {}", quote(name))).await
}

async fn comment_on(session: &mut Session, name: &str) -> Result<Option<String>, EngineError> {
    let sql = format!(
        "SELECT pg_catalog.shobj_description(oid, 'pg_database') FROM pg_catalog.pg_database WHERE datname = {}",
        literal(name)
    );
    let rows = session.rows("read a database's comment", &sql).await?;
    rows.first().map_or(Ok(None), |row| session.cell("read a database's comment", row, 0))
}

/// Marks `new` as what takes the place; it keeps the comment that `old` has.
pub(super) async fn mark(session: &mut Session, new: &str, old: &str, label: &str) -> Result<(), EngineError> {
    let comment = comment_on(session, old).await?.unwrap_or_default();
    let mark = literal(&format!("{MARK}{label}\n{comment}"));
    session.run("mark the new database", &format!("COMMENT ON DATABASE {} IS {mark}", quote(new))).await
}

/// Gives a database the comment that it had, or was to have, without the mark.
pub(super) async fn unmark(session: &mut Session, name: &str) -> Result<(), EngineError> {
    let Some(comment) = comment_on(session, name).await?.filter(|comment| comment.starts_with(MARK)) else { return Ok(()) };
    let before = without_mark(&comment).map_or("NULL".to_owned(), literal);
    session.run("take the mark off", &format!("COMMENT ON DATABASE {} IS {before}", quote(name))).await
}

/// A database's comment as somebody wrote it.
pub(super) fn without_mark(comment: &str) -> Option<&str> {
    if !comment.starts_with(MARK) {
        return Some(comment);
    }
    comment.split_once('\n').map(|(_, before)| before).filter(|before| !before.is_empty())
}
