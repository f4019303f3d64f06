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
use super::super::encryption;
use super::super::errors::number_of_error;
use super::super::fenced;
use super::super::foreign::Dangling;
use super::super::in_place;
use super::super::load::aside::{self, Kept};
use super::super::load::{self, objects};
use super::super::notes::Notes;
use super::super::ours::FENCED;
use super::super::routine_grants;
use super::super::schema::Schema;
use super::{defaults, drop_database};
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
/// A statement that gives a grant on a routine of the old content.
const GRANT: &str = "grant";
/// A foreign key to a table that is not there.
const DANGLING: &str = "dangling";
/// A statement that drops a view, routine, trigger or event of the old content.
const DROP: &str = "drop";
/// The database's character set and collation.
const LIKE: &str = "like";
/// The old content moves out to be proved, and may have to come back.
const FENCE: &str = "fence";
/// All of the above are written.
const READY: &str = "ready";
/// All objects are made.
const DONE: &str = "done";

/// What the name of an old view begins with that had to make room.
const VIEW_ASIDE: &str = "upkeep_view_";
/// A view, routine, trigger or event of this name is there: `ER_TABLE_EXISTS_ERROR`, `ER_SP_ALREADY_EXISTS`, `ER_TRG_ALREADY_EXISTS`,
/// `ER_EVENT_ALREADY_EXISTS`, and MySQL's of libraries.
const EXISTS: [u16; 5] = [1050, 1304, 1359, 1537, 6427];

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
        dangling: &[Dangling],
    ) -> Result<(), EngineError> {
        defaults::demand(session, &self.names.new).await?;
        let schema = Schema::read_beside_tables(session).await?;
        fenced::note(session, &self.names.old, &schema.objects).await?;
        if encryption::is_default(session).await? {
            // By this the server prints which tables are not encrypted. Without it the old content would be archived as another's.
            encryption::switch_on(session, &self.names.old).await?;
        }
        self.before.remove(session).await?;
        let incoming = tables(session, &self.names.new).await?;
        let outgoing = tables(session, &self.names.own).await?;
        self.before.create(session).await?;
        let kept = aside::all(session).await?;
        let kept = kept.iter().map(Kept::note).collect::<Result<Vec<_>, _>>()?;
        let like =
            serde_json::to_string(like).map_err(|error| EngineError::Unfit(format!("cannot note the server: {error}")))?;
        let drops = objects::drops(session).await?;
        // A replacement in place that was cut short has dropped routines: their grants are in its notes alone.
        let mut grants = in_place::noted_grants(session).await?;
        let there = routine_grants::read(session).await?;
        grants.extend(there.into_iter().filter(|grant| !grants.contains(grant)).collect::<Vec<_>>());
        let all = [(HEAD, head), (OBJECT, statements), (ASIDE, &kept), (DROP, &drops), (GRANT, &grants), (LIKE, &[like])];
        for foreign in dangling {
            self.before.write(session, DANGLING, &as_note(foreign)?).await?;
        }
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
        self.before.write(session, FENCE, "").await?;
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
        let is_fenced = new_is_ready && self.is_fenced(session).await?;
        Ok(by_notes(new_is_ready, is_fenced, old_has_notes, old_has_tables))
    }

    /// Whether the way goes back: the fence is noted, and every new table is where it was made. One that has moved in was let in
    /// after the proof, in the statement that moves all of them; on MySQL a crash can stop that between tables of other engines.
    async fn is_fenced(&self, session: &mut Session) -> Result<bool, EngineError> {
        if self.before.read(session, FENCE).await?.is_empty() {
            return Ok(false);
        }
        let in_new = tables(session, &self.names.new).await?;
        Ok(self.before.read(session, IN).await?.iter().all(|table| in_new.contains(table)))
    }

    /// Raises the fence: moves every table of the old content out, to where nobody looks for it. One statement, and it waits for
    /// whoever has changed one of them and not committed.
    pub(super) async fn move_out(&self, session: &mut Session) -> Result<(), EngineError> {
        let Names { own, old, .. } = &self.names;
        let (in_own, in_old) = (tables(session, own).await?, tables(session, old).await?);
        let mut moves = Vec::new();
        for table in in_own {
            // Somebody made a table again whose like has moved out: it goes as well, under a name of its own.
            let there = if in_old.contains(&table) { beside_its_like(&table, &in_old) } else { table.clone() };
            moves.push(step((own, &table), (old, &there)));
        }
        rename(session, &format!("move the tables of database {own} out of reach"), &moves).await
    }

    /// Lifts the fence: the old tables come back, and with them what was set aside. Says what is not as it was.
    pub(super) async fn move_back(&self, session: &mut Session) -> Result<Vec<String>, EngineError> {
        let Names { own, old, .. } = &self.names;
        let (in_own, in_old) = (tables(session, own).await?, tables(session, old).await?);
        let (mut moves, mut told) = (Vec::new(), Vec::new());
        for table in &in_own {
            if in_old.contains(table) {
                let there = beside_its_like(table, &in_own);
                told.push(format!(
                    "database {own}: table {table} was made while its like was out of reach: it is table {there} now"
                ));
                moves.push(step((own, table), (own, &there)));
            }
        }
        moves.extend(in_old.iter().map(|table| step((old, table), (own, table))));
        rename(session, &format!("move the tables of database {own} back"), &moves).await?;
        Ok(told)
    }

    /// Moves whatever has not moved yet: the old tables out, the new ones in, and the notes last.
    pub(super) async fn rename(&self, session: &mut Session) -> Result<(), EngineError> {
        let Names { own, new, old } = &self.names;
        let (in_own, in_new, in_old) = (tables(session, own).await?, tables(session, new).await?, tables(session, old).await?);
        let mut moves = Vec::new();
        for table in self.before.read(session, OUT).await? {
            if in_own.contains(&table) && !in_old.contains(&table) {
                moves.push(step((own, &table), (old, &table)));
            }
        }
        let views = views(session, own).await?;
        for table in self.before.read(session, IN).await? {
            if views.contains(&table) {
                // An old view has the name. It may change it within its database only; `finish` drops it with the others.
                let aside = format!("{VIEW_ASIDE}{}", &blake3::hash(table.as_bytes()).to_hex()[..16]);
                moves.push(step((own, &table), (own, &aside)));
            }
            if in_new.contains(&table) {
                moves.push(step((new, &table), (own, &table)));
            }
        }
        moves.push(step((new, NOTES), (old, NOTES)));
        rename(session, &format!("exchange the tables of database {own}"), &moves).await
    }

    /// Finishes the new content and drops the old. Begins anew as often as it is called.
    pub(super) async fn finish(&self, session: &mut Session) -> Result<Vec<String>, EngineError> {
        let mut warnings = Vec::new();
        if self.after.read(session, DONE).await?.is_empty() {
            let head = self.after.read(session, HEAD).await?;
            load::prepare_by(session, &head).await?;
            let drops = self.drops(session).await?;
            objects::drop_by(session, &drops).await?;
            fault::point("my.swap.emptied");
            let likes = self.after.read(session, LIKE).await?;
            let likes: Vec<_> = likes.iter().filter_map(|like| serde_json::from_str(like).ok()).collect();
            for like in &likes {
                load::alter(session, &self.names.own, like).await?;
            }
            defaults::redirect(session, &self.names.own, &self.names.new, &self.names.own).await?;
            self.mend_foreign_keys(session).await?;
            let statements = self.after.read(session, OBJECT).await?;
            warnings = match objects::make(session, &statements).await {
                // What an earlier call made before it was cut short, or somebody since the old content was noted.
                Err(error) if number_of_error(&error).is_some_and(|number| EXISTS.contains(&number)) => {
                    objects::drop_all(session).await?;
                    objects::make(session, &statements).await?
                }
                made => made?,
            };
            // Settings of the last object must not reach the notes.
            load::prepare_by(session, &head).await?;
            let grants = self.after.read(session, GRANT).await?;
            warnings.extend(routine_grants::give(session, &grants).await?);
            for like in &likes {
                warnings.extend(encryption::restore(session, like).await?);
            }
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

    /// What of the old content is to be dropped in its place: what was there when it was noted, and old views that changed their names.
    async fn drops(&self, session: &mut Session) -> Result<Vec<String>, EngineError> {
        let (noted, mut drops) = (self.after.read(session, DROP).await?, objects::drops(session).await?);
        // Notes of an earlier release name none.
        drops.retain(|drop| noted.is_empty() || noted.contains(drop) || drop.contains(VIEW_ASIDE));
        Ok(drops)
    }

    /// Whether somebody made a view, routine or event since the old content was noted.
    pub(super) async fn has_other_objects(&self, session: &mut Session) -> Result<bool, EngineError> {
        let noted = self.before.read(session, DROP).await?;
        Ok(objects::drops(session).await?.iter().any(|drop| !noted.contains(drop)))
    }

    /// Tables beside the new content that are none of it.
    pub(super) async fn left_beside(&self, session: &mut Session) -> Result<BTreeSet<String>, EngineError> {
        let ours = self.after.read(session, IN).await?;
        let mut beside = tables(session, &self.names.own).await?;
        beside.retain(|table| !ours.contains(table));
        Ok(beside)
    }

    /// Drops the old content, the notes last: a server that drops a database table by table (MariaDB) and dies on the way
    /// leaves what the next run still knows for ours.
    async fn drop_old(&self, session: &mut Session) -> Result<(), EngineError> {
        let old = &self.names.old;
        if load::exists(session, old).await? {
            session.wait_for_backups().await?;
            session.run("drop the old content", "SET SESSION foreign_key_checks = 0").await?;
            load::drop_tables(session, old, |name| name != NOTES).await?;
        }
        drop_database(session, old).await
    }

    /// A foreign key to a table that is not there would refer to one of the database in which it was made.
    async fn mend_foreign_keys(&self, session: &mut Session) -> Result<(), EngineError> {
        for note in self.after.read(session, DANGLING).await? {
            let foreign: Dangling = serde_json::from_str(&note)
                .map_err(|error| EngineError::Unfit(format!("the note `{note}` cannot be read: {error}")))?;
            foreign.put_back(session).await?;
        }
        Ok(())
    }
}

fn as_note(foreign: &Dangling) -> Result<String, EngineError> {
    serde_json::to_string(foreign).map_err(|error| EngineError::Unfit(format!("cannot note a foreign key: {error}")))
}

/// How long others' transactions on these tables are waited for, in seconds. Who comes meanwhile waits behind us.
const MOVE_WITHIN: u32 = 60;

/// One step of a `RENAME TABLE`: from a table of a database to one of another.
fn step((from, table): (&str, &str), (to, name): (&str, &str)) -> String {
    format!("{}.{} TO {}.{}", quote(from), quote(table), quote(to), quote(name))
}

async fn rename(session: &mut Session, doing: &str, moves: &[String]) -> Result<(), EngineError> {
    if moves.is_empty() {
        return Ok(());
    }
    let settings = format!("SET SESSION foreign_key_checks = 0, SESSION lock_wait_timeout = {MOVE_WITHIN}");
    session.run(doing, &settings).await?;
    session.be_lenient().await?;
    session.run(doing, &format!("RENAME TABLE {}", moves.join(", "))).await
}

/// A name for a second table of this name.
fn beside_its_like(table: &str, taken: &BTreeSet<String>) -> String {
    let digest = blake3::hash(table.as_bytes()).to_hex();
    let names = (1..).map(|number| format!("upkeep_second_{}_{number}", &digest[..16]));
    names.into_iter().find(|name| !taken.contains(name)).unwrap_or_else(|| table.to_owned())
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
pub(super) async fn tables(session: &mut Session, database: &str) -> Result<BTreeSet<String>, EngineError> {
    let all = kinds(session, database).await?.into_iter();
    Ok(all
        .filter(|(name, kind)| !kind.ends_with("VIEW") && ![NOTES, FENCED].contains(&name.as_str()))
        .map(|(name, _)| name)
        .collect())
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
