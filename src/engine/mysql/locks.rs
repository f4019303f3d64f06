//! Locks that keep writers from tables which stay in their place.
//!
//! Two sessions hold them where there are tables without transactions and the server may not write to both kinds in one statement (MySQL that
//! counts transactions by GTIDs): `LOCK TABLES … WRITE` is one. Everywhere else one session does, for triggers may go from one kind to the other,
//! and a table is locked with what its triggers write to. Who waits for a table gets it when the locks go, and finds what is there then.

use std::sync::Arc;

use super::super::{EngineError, Loaded};
use super::catalog;
use super::compare;
use super::connect::{Session, quote};
use super::load::{self, run_one};
use super::relation::Relation;
use super::rowless::has_rows;
use crate::archive::Archive;
use crate::archive::manifest::Manifest;
use crate::progress::Progress;

/// How long somebody's transaction is waited for, in seconds. Who comes meanwhile waits behind us.
const LOCK_WITHIN: u32 = 60;

/// What is locked beside a session that locks the rest.
#[derive(Debug)]
pub(super) struct Locks {
    /// Tables with transactions, and sequences: the session's.
    inside: Vec<String>,
    /// Tables without: the other's.
    outside: Vec<String>,
    other: Option<Session>,
}

impl Locks {
    /// Locks every table of the session's database that keeps rows, its sequences, and a table of our own.
    pub(super) async fn take(session: &mut Session, archive: &Arc<Archive>, own: Option<&str>) -> Result<Self, EngineError> {
        let (inside, outside): (Vec<Relation>, Vec<Relation>) =
            catalog::relations(session).await?.into_iter().partition(Relation::in_snapshot);
        let names = |relations: Vec<Relation>| relations.into_iter().map(|relation| relation.name).collect::<Vec<_>>();
        let (mut inside, mut outside) = (names(inside), names(outside));
        if own.is_some() && !divides(session).await? {
            inside.append(&mut outside);
        }
        let database = quote(&session.place().database.clone());
        for row in session.texts("list the sequences", &format!("SHOW FULL TABLES FROM {database}")).await? {
            if let [Some(name), Some(kind)] = row.as_slice()
                && kind == "SEQUENCE"
            {
                inside.push(name.clone());
            }
        }
        lock(session, inside.iter().map(String::as_str).chain(own)).await?;
        let mut other = None;
        if !outside.is_empty() {
            let mut second = load::open(session.place(), archive).await?;
            lock(&mut second, outside.iter().map(String::as_str)).await?;
            other = Some(second);
        }
        Ok(Self { inside, outside, other })
    }

    /// The session that may touch tables without transactions; the given one where there are none.
    pub(super) fn outside<'a>(&'a mut self, session: &'a mut Session) -> &'a mut Session {
        self.other.as_mut().unwrap_or(session)
    }

    /// The first table with a row that is no history of migrations.
    pub(super) async fn rowless(&mut self, session: &mut Session) -> Result<Option<String>, EngineError> {
        // Looked for among all tables, and read by whoever has the lock.
        for relation in catalog::relations(session).await? {
            let reader = if self.outside.contains(&relation.name) { self.outside(session) } else { &mut *session };
            if has_rows(reader, &relation).await? {
                return Ok(Some(relation.name));
            }
        }
        Ok(None)
    }

    /// Compares every row with a manifest.
    pub(super) async fn compare(
        &mut self,
        session: &mut Session,
        manifest: &Manifest,
        progress: &Progress,
    ) -> Result<Loaded, EngineError> {
        let is_outside = |name: &String| self.outside.iter().any(|outside| outside.eq_ignore_ascii_case(name));
        let (outside, inside) = manifest.tables.iter().cloned().partition(|table| is_outside(&table.name));
        let (outside, inside) =
            (Manifest { tables: outside, ..manifest.clone() }, Manifest { tables: inside, ..manifest.clone() });
        let mut loaded = compare::compare_within(session, &inside, progress).await?;
        if !outside.tables.is_empty() {
            let beside = compare::compare_within(self.outside(session), &outside, progress).await?;
            loaded.tables += beside.tables;
            loaded.rows += beside.rows;
            loaded.warnings.extend(beside.warnings);
        }
        Ok(loaded)
    }

    /// Drops what is locked.
    pub(super) async fn drop_all(&mut self, session: &mut Session) -> Result<(), EngineError> {
        let (inside, outside) = (self.inside.clone(), self.outside.clone());
        let database = session.place().database.clone();
        load::drop_tables(session, &database, |name| inside.iter().any(|locked| locked == name)).await?;
        for name in &outside {
            run_one(self.outside(session), &format!("DROP TABLE IF EXISTS {}", quote(name))).await?;
        }
        Ok(())
    }

    /// Lets everybody in again.
    pub(super) async fn let_go(self, session: &mut Session) -> Result<(), EngineError> {
        if let Some(other) = self.other {
            other.close().await;
        }
        session.run("let go of the locks", "UNLOCK TABLES").await
    }
}

/// Whether the server refuses a statement that writes to tables of both kinds.
async fn divides(session: &mut Session) -> Result<bool, EngineError> {
    if session.version.is_mariadb() {
        return Ok(false);
    }
    let sql = "SELECT @@GLOBAL.enforce_gtid_consistency";
    Ok(session.text("ask whether transactions are counted", sql).await?.is_none_or(|word| word != "OFF"))
}

async fn lock(session: &mut Session, tables: impl Iterator<Item = &str>) -> Result<(), EngineError> {
    let all: Vec<String> = tables.map(|name| format!("{} WRITE", quote(name))).collect();
    if all.is_empty() {
        return Ok(());
    }
    let sql = format!("SET SESSION lock_wait_timeout = {LOCK_WITHIN}; LOCK TABLES {}", all.join(", "));
    session.run("lock out writers", &sql).await
}
