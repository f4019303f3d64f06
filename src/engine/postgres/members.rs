//! Rows in tables that belong to an extension and that it does not mark for dumps.
//!
//! `pg_dump` takes such a table for a part of the extension, which makes it anew: empty, or as it was at first. So no archive has what
//! somebody wrote into it, and every backup says so. A database with such rows is replaced where it stands (`likeness`), where extensions
//! and what is theirs stay; and where it is exchanged for another (`swap`), the other must have the same. Only reads. Held by
//! `tests/it/postgres_left_out.rs`.

use super::super::EngineError;
use super::catalog::USER_SCHEMA;
use super::connect::{LOCK_WAIT, Place, Session, literal, quote};
use crate::archive::manifest::LeftOut;

/// What is asked, in messages.
const DOING: &str = "look for rows that extensions keep from dumps";

/// A table with rows, or a sequence that has moved on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Member {
    is_table: bool,
    /// Its qualified name, as the server quotes it.
    name: String,
    extension: String,
    /// Whether we could look, or it only may have rows.
    seen: bool,
    /// Whether some are not of the transaction that made the extension.
    written: bool,
    /// Whether it would go with a schema where the database is replaced where it stands.
    goes: bool,
}

impl Member {
    /// How it becomes part of archives.
    pub(super) fn way_out(&self) -> String {
        let keyword = if self.is_table { "TABLE" } else { "SEQUENCE" };
        format!("ALTER EXTENSION {} DROP {keyword} {};", quote(&self.extension), self.name)
    }

    /// Whether it has rows of somebody's that only this database has.
    pub(super) fn is_written(&self) -> bool {
        self.is_table && self.written
    }

    /// Whether it would go, even so.
    pub(super) fn goes_in_place(&self) -> bool {
        self.goes
    }

    /// What is told of it.
    pub(super) fn left_out(&self) -> LeftOut {
        let (what, has) = match (self.is_table, self.seen) {
            (false, _) => ("value of sequence", "has moved on"),
            (true, true) => ("rows of table", "holds rows"),
            (true, false) => ("rows of table", "may hold rows, which we may not read"),
        };
        let why = format!(
            "it is part of extension {}, which does not mark it for dumps (pg_extension_config_dump), and {has}: a restore elsewhere has it as the \
             extension makes it, or not at all; to have it archived: {}",
            self.extension,
            self.way_out()
        );
        LeftOut { what: format!("{what} {}", self.name), why }
    }
}

/// Members that may hold what the extension does not make: name, whether it is a table, extension, whether we may look, whether there can
/// be anything, by which transactions the extension came, whether it would be dropped with a schema.
fn candidates() -> String {
    format!(
        "SELECT pg_catalog.format('%I.%I', n.nspname, c.relname), c.relkind = 'r', x.extname::text, \
           pg_catalog.has_schema_privilege(n.oid, 'USAGE') AND pg_catalog.has_table_privilege(c.oid, 'SELECT') \
             AND NOT pg_catalog.row_security_active(c.oid), \
           c.relkind = 'S' OR pg_catalog.pg_relation_size(c.oid) > 0, pg_catalog.format('''%s'', ''%s''', x.xmin, e.xmin), \
           EXISTS (SELECT FROM pg_catalog.pg_namespace n WHERE n.oid IN (c.relnamespace, x.extnamespace) AND {USER_SCHEMA} AND n.nspname <> 'public' \
             AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d WHERE d.classid = 'pg_catalog.pg_namespace'::pg_catalog.regclass \
                             AND d.objid = n.oid AND d.deptype = 'e')) \
         FROM pg_catalog.pg_depend e JOIN pg_catalog.pg_extension x ON x.oid = e.refobjid \
         JOIN pg_catalog.pg_class c ON c.oid = e.objid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
         WHERE e.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND e.objsubid = 0 AND e.deptype = 'e' \
           AND e.refclassid = 'pg_catalog.pg_extension'::pg_catalog.regclass AND c.relkind IN ('r', 'S') AND c.relpersistence <> 't' \
           AND NOT COALESCE(c.oid = ANY (x.extconfig), false) AND NOT (c.relpersistence = 'u' AND pg_catalog.pg_is_in_recovery()) ORDER BY 1"
    )
}

/// All of them.
///
/// # Errors
/// When the server cannot be asked, or somebody keeps such a table locked: a backup that waited for him would keep everybody from every table.
pub(super) async fn all(session: &mut Session) -> Result<Vec<Member>, EngineError> {
    let before = session.text(DOING, "SELECT pg_catalog.current_setting('lock_timeout')").await?.unwrap_or_default();
    session.wait_at_most(LOCK_WAIT).await?;
    let found = look(session).await?;
    session.run("wait for locks as before", &format!("SET lock_timeout = {}", literal(&before))).await?;
    Ok(found)
}

async fn look(session: &mut Session) -> Result<Vec<Member>, EngineError> {
    let mut found = Vec::new();
    for row in session.rows(DOING, &candidates()).await? {
        let name: String = session.cell(DOING, &row, 0)?;
        let (is_table, seen): (bool, bool) = (session.cell(DOING, &row, 1)?, session.cell(DOING, &row, 3)?);
        let made_by: String = session.cell(DOING, &row, 5)?;
        let mut member = Member {
            is_table,
            name,
            extension: session.cell(DOING, &row, 2)?,
            seen,
            written: true,
            goes: session.cell(DOING, &row, 6)?,
        };
        let can_be: bool = session.cell(DOING, &row, 4)?;
        let is_there = match (can_be && seen, is_table) {
            (true, true) => {
                let rows = format!("SELECT EXISTS (SELECT FROM ONLY {} t", member.name);
                member.written = session.truth(DOING, &format!("{rows} WHERE t.xmin::text NOT IN ({made_by}))")).await?;
                member.written || session.truth(DOING, &format!("{rows})")).await?
            }
            (true, false) => session.truth(DOING, &format!("SELECT is_called FROM {}", member.name)).await?,
            // What we may not read counts, if it is a table.
            (false, _) => can_be && is_table,
        };
        if is_there {
            found.push(member);
        }
    }
    Ok(found)
}

/// Refuses to drop `old` where rows of such a table would go with it: `new` does not have the same. `told` is what `old` is called outside.
pub(super) async fn demand_same(old: &Place, new: &Place, told: &Place) -> Result<(), EngineError> {
    let mut session = old.connect().await?;
    let here: Vec<Member> = all(&mut session).await?.into_iter().filter(|member| member.is_table).collect();
    let mut other = new.connect().await?;
    for member in here {
        // What the extension itself puts there is nobody's, and another version of it puts something else there.
        if !member.written && is_there(&mut other, &member.name).await? {
            continue;
        }
        if !member.seen || sum(&mut session, &member.name).await? != sum(&mut other, &member.name).await? {
            return Err(lost(&member, told));
        }
    }
    session.close().await;
    other.close().await;
    Ok(())
}

async fn is_there(session: &mut Session, name: &str) -> Result<bool, EngineError> {
    session.truth(DOING, &format!("SELECT pg_catalog.to_regclass({}) IS NOT NULL", literal(name))).await
}

/// A sum of a table's rows; none where there is no such table.
async fn sum(session: &mut Session, name: &str) -> Result<Option<String>, EngineError> {
    if !is_there(session, name).await? {
        return Ok(None);
    }
    let sums = "pg_catalog.string_agg(r.sum, '' ORDER BY r.sum COLLATE \"C\")";
    let sql = format!(
        "SELECT pg_catalog.count(*) || ' ' || COALESCE(pg_catalog.md5({sums}), '') FROM (SELECT pg_catalog.md5(t::text) AS sum FROM ONLY {name} t) r"
    );
    session.text(DOING, &sql).await
}

/// Refuses where one of them went with what was dropped around it.
pub(super) async fn demand_still_there(session: &mut Session, before: &[Member]) -> Result<(), EngineError> {
    let now = all(session).await?;
    let gone = before.iter().find(|member| member.is_written() && !now.iter().any(|now| now.name == member.name));
    let told = session.place().clone();
    gone.map_or(Ok(()), |member| Err(lost(member, &told)))
}

fn lost(member: &Member, told: &Place) -> EngineError {
    EngineError::Inexact {
        what: format!(
            "{} belong to extension {} and are in no archive: they would go with what database {} holds",
            member.left_out().what,
            member.extension,
            told.database
        ),
        hint: format!("nothing was changed; let the table be archived like any other, and begin again: {}", member.way_out()),
    }
}
