//! Foreign keys to tables that are not there, or that are none for them: they cannot leave their database as they are.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::super::super::EngineError;
use super::super::connect::{Session, quote};
use super::super::errors::number_of_error;
use super::super::unqualify::unqualify;
use super::{keys, line_of, parents};

/// `ER_CANT_DROP_FIELD_OR_KEY`.
const NOT_THERE: u16 = 1091;

/// A foreign key to a table that is not there, or is none to refer to, taken out of its table for as long as that stands in another
/// database: it would go on to refer to that one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(in super::super) struct Dangling {
    table: String,
    name: String,
    clause: String,
}

impl Dangling {
    /// Takes all of them out of the tables of the session's database.
    pub(in super::super) async fn take_out(session: &mut Session) -> Result<Vec<Self>, EngineError> {
        let here = session.place().database.clone();
        let keys = keys(session).await?;
        let there = if keys.is_empty() { BTreeSet::new() } else { parents(session).await? };
        let mut taken = Vec::new();
        for key in keys.into_iter().filter(|key| key.parent.0 == here && !there.contains(&key.parent.1)) {
            let doing = format!("read the definition of table {}", key.table);
            let rows = session.texts(&doing, &format!("SHOW CREATE TABLE {}", quote(&key.table))).await?;
            let Some(sql) = rows.into_iter().next().and_then(|row| row.into_iter().nth(1)?) else { continue };
            let sql = unqualify(&sql, &here);
            let named = format!("CONSTRAINT {} FOREIGN KEY", quote(&key.name));
            let Some(clause) = line_of(&sql, &named).map(|line| line.trim().to_owned()) else { continue };
            let dangling = Self { table: key.table, name: key.name, clause };
            dangling.leave(session).await?;
            taken.push(dangling);
        }
        Ok(taken)
    }

    /// Puts it back into its table, in the session's database; as often as it is called.
    pub(in super::super) async fn put_back(&self, session: &mut Session) -> Result<(), EngineError> {
        match self.leave(session).await {
            Err(error) if number_of_error(&error) == Some(NOT_THERE) => {}
            other => other?,
        }
        let sql = format!("ALTER TABLE {} ADD {}", quote(&self.table), self.clause);
        session.run(&format!("make foreign key {} of table {} again", self.name, self.table), &sql).await
    }

    async fn leave(&self, session: &mut Session) -> Result<(), EngineError> {
        let sql = format!("ALTER TABLE {} DROP FOREIGN KEY {}", quote(&self.table), quote(&self.name));
        session.run(&format!("take foreign key {} out of table {}", self.name, self.table), &sql).await
    }
}
