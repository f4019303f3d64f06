//! The exchange itself: what is noted before it, the one `RENAME TABLE`, and what finishes the new content after it.
//!
//! `RENAME TABLE` of many tables is one change on MySQL where all are InnoDB's, and on MariaDB since 10.6 whatever they are: a
//! server that is killed in the middle has none of it or all of it when it is up again. On MySQL other engines' tables may
//! leave it in between; what is still to be moved is then read from the databases, and the same statement goes on from there.

use std::collections::BTreeSet;

use super::super::super::EngineError;
use super::super::super::replace::names::Names;
use super::super::super::replace::states::{Left, by_notes};
use super::super::connect::{Session, quote};
use super::super::load::aside::{self, Kept};
use super::super::load::notes::Notes;
use super::super::load::{self, objects, run_one};
use super::drop_database;
use crate::archive::manifest::Server;
use crate::fault;

/// The table of notes.
const NOTES: &str = "upkeep_swap";
/// A table of the old content that moves out.
const OUT: &str = "out";
/// A table of the new content that moves in.
const IN: &str = "in";
/// A trigger or an event of the old content.
const ASIDE: &str = "trigger";
/// A statement that sets up a session.
const HEAD: &str = "head";
/// A statement that makes a view, routine, trigger or event of the new content.
const OBJECT: &str = "object";
/// The database's character set and collation.
const LIKE: &str = "like";
/// All of the above are written.
const READY: &str = "ready";
/// All objects are made.
const DONE: &str = "done";

/// An exchange between three databases.
#[derive(Debug)]
pub(super) struct Exchange {
    names: Names,
    before: Notes,
    after: Notes,
}

impl Exchange {
    pub(super) fn new(names: Names) -> Self {
        let (before, after) = (Notes::at(&names.new, NOTES), Notes::at(&names.old, NOTES));
        Self { names, before, after }
    }

    pub(super) fn names(&self) -> &Names {
        &self.names
    }

    /// Writes down, beside the new content, all that is needed to finish or to undo without the archive.
    pub(super) async fn note(
        &self,
        session: &mut Session,
        like: &Server,
        head: &[String],
        statements: &[String],
    ) -> Result<(), EngineError> {
        let incoming = tables(session, &self.names.new).await?;
        let outgoing = tables(session, &self.names.own).await?;
        self.before.create(session).await?;
        let kept = aside::all(session).await?;
        let kept = kept.iter().map(Kept::note).collect::<Result<Vec<_>, _>>()?;
        let like =
            serde_json::to_string(like).map_err(|error| EngineError::Unfit(format!("cannot note the server: {error}")))?;
        let all = [(HEAD, head), (OBJECT, statements), (ASIDE, &kept), (LIKE, &[like])];
        let tables = [(IN, &incoming), (OUT, &outgoing)];
        for (kind, texts) in all {
            for text in texts {
                self.before.write(session, kind, text).await?;
            }
        }
        for (kind, names) in tables {
            for name in names {
                self.before.write(session, kind, name).await?;
            }
        }
        fault::point("my.swap.noted");
        self.before.write(session, READY, "").await?;
        fault::point("my.swap.ready");
        Ok(())
    }

    /// The triggers and events of the old content, as noted.
    pub(super) async fn kept(&self, session: &mut Session) -> Result<Vec<Kept>, EngineError> {
        let texts = self.before.read(session, ASIDE).await?;
        texts.iter().map(|text| Kept::noted(text)).collect()
    }

    /// Whether the new content has the place and is not finished.
    pub(super) async fn is_unfinished(&self, session: &mut Session) -> Result<bool, EngineError> {
        Ok(has(session, &self.names.old).await? && self.after.read(session, DONE).await?.is_empty())
    }

    /// Looks how far it came.
    pub(super) async fn state(&self, session: &mut Session) -> Result<Left, EngineError> {
        let old_has_tables = match load::exists(session, &self.names.old).await? {
            true => holds_tables(session, &self.names.old).await?,
            false => false,
        };
        let old_has_notes = has(session, &self.names.old).await?;
        let new_is_ready = has(session, &self.names.new).await? && !self.before.read(session, READY).await?.is_empty();
        Ok(by_notes(new_is_ready, old_has_notes, old_has_tables))
    }

    /// Moves whatever has not moved yet: the old tables out, the new ones in, and the notes last.
    pub(super) async fn rename(&self, session: &mut Session) -> Result<(), EngineError> {
        let Names { own, new, old } = &self.names;
        let (in_own, in_new, in_old) = (tables(session, own).await?, tables(session, new).await?, tables(session, old).await?);
        let mut moves = Vec::new();
        let step =
            |table: &str, from: &str, to: &str| format!("{}.{} TO {}.{}", quote(from), quote(table), quote(to), quote(table));
        for table in self.before.read(session, OUT).await? {
            if in_own.contains(&table) && !in_old.contains(&table) {
                moves.push(step(&table, own, old));
            }
        }
        let views = views(session, own).await?;
        for table in self.before.read(session, IN).await? {
            if views.contains(&table) {
                // An old view has the name. It may change it within its database only; `finish` drops it with the others.
                let aside = format!("upkeep_view_{}", &blake3::hash(table.as_bytes()).to_hex()[..16]);
                moves.push(format!("{0}.{1} TO {0}.{2}", quote(own), quote(&table), quote(&aside)));
            }
            if in_new.contains(&table) {
                moves.push(step(&table, new, own));
            }
        }
        moves.push(step(NOTES, new, old));
        session.run("exchange", "SET SESSION foreign_key_checks = 0, SESSION lock_wait_timeout = 60").await?;
        let doing = format!("exchange the tables of database {own}");
        session.run(&doing, &format!("RENAME TABLE {}", moves.join(", "))).await
    }

    /// Finishes the new content and drops the old. Begins anew as often as it is called.
    pub(super) async fn finish(&self, session: &mut Session) -> Result<Vec<String>, EngineError> {
        let mut warnings = Vec::new();
        if self.after.read(session, DONE).await?.is_empty() {
            let head = self.after.read(session, HEAD).await?;
            load::prepare_by(session, &head).await?;
            objects::drop_all(session).await?;
            fault::point("my.swap.emptied");
            for like in self.after.read(session, LIKE).await?.iter().filter_map(|like| serde_json::from_str(like).ok()) {
                load::alter(session, &self.names.own, &like).await?;
            }
            self.mend_defaults(session).await?;
            let statements = self.after.read(session, OBJECT).await?;
            warnings = objects::make(session, &statements).await?;
            // Settings of the last object must not reach the notes.
            load::prepare_by(session, &head).await?;
            fault::point("my.swap.made");
            self.after.write(session, DONE, "").await?;
        }
        fault::point("my.swap.done");
        drop_database(session, &self.names.new).await?;
        fault::point("my.swap.dropped");
        self.drop_old(session).await?;
        fault::point("my.swap.finished");
        Ok(warnings)
    }

    /// Drops the old content, the notes last: a server that drops a database table by table (MariaDB) and dies on the way
    /// leaves what the next run still knows for ours.
    async fn drop_old(&self, session: &mut Session) -> Result<(), EngineError> {
        let old = &self.names.old;
        if load::exists(session, old).await? {
            session.wait_for_backups().await?;
            session.run("drop the old content", "SET SESSION foreign_key_checks = 0").await?;
            load::drop_tables(session, old, NOTES).await?;
        }
        drop_database(session, old).await
    }

    /// A default that asks a sequence names the database in which it was made, for ever (MariaDB).
    async fn mend_defaults(&self, session: &mut Session) -> Result<(), EngineError> {
        if !session.version.has_sequences() {
            return Ok(());
        }
        let (here, there) = (format!("{}.", quote(&self.names.own)), format!("{}.", quote(&self.names.new)));
        let sql = format!(
            "SELECT TABLE_NAME, COLUMN_NAME, COLUMN_DEFAULT FROM information_schema.COLUMNS \
             WHERE CAST(TABLE_SCHEMA AS BINARY) = CAST(DATABASE() AS BINARY) AND INSTR(COLUMN_DEFAULT, {}) > 0",
            super::literal(&there)
        );
        for row in session.texts("look for defaults that ask a sequence", &sql).await? {
            let [Some(table), Some(column), Some(default)] = row.as_slice() else { continue };
            session.run("set up a session", "SET SESSION system_versioning_alter_history = KEEP").await?;
            let sql = format!(
                "ALTER TABLE {} ALTER COLUMN {} SET DEFAULT ({})",
                quote(table),
                quote(column),
                default.replace(&there, &here)
            );
            run_one(session, &sql).await?;
        }
        Ok(())
    }
}

/// Whether a database holds the notes.
async fn has(session: &mut Session, database: &str) -> Result<bool, EngineError> {
    if !load::exists(session, database).await? {
        return Ok(false);
    }
    let sql = format!("SHOW TABLES FROM {} LIKE '{}'", quote(database), NOTES.replace('_', "\\_"));
    Ok(!session.rows(&format!("look into database {database}"), &sql).await?.is_empty())
}

/// Whether a database has any table but the notes.
pub(super) async fn holds_tables(session: &mut Session, database: &str) -> Result<bool, EngineError> {
    Ok(!tables(session, database).await?.is_empty())
}

/// The tables and sequences of a database, without the notes.
async fn tables(session: &mut Session, database: &str) -> Result<BTreeSet<String>, EngineError> {
    let all = kinds(session, database).await?.into_iter();
    Ok(all.filter(|(name, kind)| !kind.ends_with("VIEW") && name != NOTES).map(|(name, _)| name).collect())
}

/// The views of a database.
async fn views(session: &mut Session, database: &str) -> Result<BTreeSet<String>, EngineError> {
    let all = kinds(session, database).await?.into_iter();
    Ok(all.filter(|(_, kind)| kind.ends_with("VIEW")).map(|(name, _)| name).collect())
}

/// Names and kinds of what is like a table in a database.
async fn kinds(session: &mut Session, database: &str) -> Result<Vec<(String, String)>, EngineError> {
    let sql = format!("SHOW FULL TABLES FROM {}", quote(database));
    let rows = session.texts(&format!("list the tables of database {database}"), &sql).await?;
    let rows = rows.into_iter().filter_map(|row| match row.as_slice() {
        [Some(name), Some(kind)] => Some((name.clone(), kind.clone())),
        _ => None,
    });
    Ok(rows.collect())
}
