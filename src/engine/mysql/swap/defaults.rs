//! Defaults that ask a sequence: MariaDB has them name the database in which they were made, for ever.
//!
//! Owns what has them name another when tables moved. What the account may not do then is found out before, while the old content
//! stands. Held by `tests/it/mysql_grants.rs`.

use std::collections::BTreeMap;

use super::super::super::EngineError;
use super::super::connect::{Session, literal, quote};
use super::super::load::run_one;

/// Has the defaults in a database's tables that ask a sequence of the database `from` ask that of the database `to`.
pub(super) async fn redirect(session: &mut Session, within: &str, from: &str, to: &str) -> Result<(), EngineError> {
    if !session.version.has_sequences() {
        return Ok(());
    }
    let (there, here) = (format!("{}.", quote(from)), format!("{}.", quote(to)));
    let sql = format!(
        "SELECT TABLE_NAME, COLUMN_NAME, COLUMN_DEFAULT FROM information_schema.COLUMNS \
         WHERE TABLE_SCHEMA = {} AND INSTR(COLUMN_DEFAULT, {}) > 0",
        literal(within),
        literal(&there)
    );
    let mut changes: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for row in session.texts("look for defaults that ask a sequence", &sql).await? {
        let [Some(table), Some(column), Some(default)] = row.as_slice() else { continue };
        let change = format!("ALTER COLUMN {} SET DEFAULT ({})", quote(column), default.replace(&there, &here));
        changes.entry(table.clone()).or_default().push(change);
    }
    // All of a table at once: it cannot be opened while one of them asks a sequence that is not there any more.
    for (table, changes) in changes {
        session.run("set up a session", "SET SESSION system_versioning_alter_history = KEEP").await?;
        run_one(session, &format!("ALTER TABLE {}.{} {}", quote(within), quote(&table), changes.join(", "))).await?;
    }
    Ok(())
}

/// Has those of the new content ask what they ask already. MariaDB 11.4.5 lets an account do so only where it may insert into and alter
/// the sequence by a grant on the whole server or on the sequence itself, and passes by the database's: that is told before the exchange.
pub(super) async fn demand(session: &mut Session, new: &str) -> Result<(), EngineError> {
    match redirect(session, new, new, new).await {
        Err(EngineError::Privilege { user, .. }) => Err(EngineError::Privilege {
            user,
            what: "have a column's default ask a sequence, on this release of the server".to_owned(),
            grant: format!("GRANT INSERT, ALTER ON *.* TO {};", session.place().grantee()),
        }),
        other => other,
    }
}
