//! PostgreSQL: logical dumps in one snapshot, loads that are compared before they count.
//!
//! Owns everything said to a PostgreSQL server, but for what the migrations say. Each job is a file: `direct`, `relay`, `said` and `connect` sessions,
//! `catalog` what the server says of itself, `shape` and `survey` looking, `client` and `schema` the schema sections with `grammar`
//! and `guard` for single statements, `order` which tables must come after others, `dump`, `worker` and `rows` reading, `load` and `compare` writing, `in_place` and `swap` taking a database's place with `proof`
//! of what is replaced, `marks` and `settle` for what a crash leaves, and above them `way`, which chooses.

mod accounts;
mod catalog;
mod client;
mod compare;
mod computed;
mod connect;
mod create;
mod direct;
mod dump;
mod extract;
mod grammar;
mod guard;
mod identity;
mod in_place;
mod kinds;
mod large_objects;
mod left_out;
mod likeness;
mod load;
mod locks;
mod marks;
mod members;
mod order;
mod printed;
mod proof;
mod rows;
mod said;
mod schema;
pub(super) mod scratch;
mod settle;
mod shape;
mod since;
mod split;
mod standby;
mod strangers;
mod subscriptions;
mod survey;
mod swap;
mod tokens;
mod way;
mod without;
mod worker;

use std::sync::Arc;

pub(crate) use super::transport::tls_options;
use super::{DumpRequest, Dumped, EngineError, Glance, LoadMode, Loaded, MayRestore, Standing, Survey};
use crate::archive::manifest::{LeftOut, Server};
use crate::archive::{Archive, PendingArchive};
use crate::config::Database;
use crate::progress::Progress;
use crate::shape::Shape;
pub use connect::application_name;
pub(crate) use connect::literal;
use connect::{Place, Session};
pub(crate) use direct::{NotDirect, plain as connect_plain};
pub(super) use extract::extract;
pub(crate) use said::readable;

/// Of what we own; that we do not own the system's tables is no news, and the server says it of each.
const ANALYZE: &str = "SET client_min_messages = error; ANALYZE; RESET client_min_messages";

/// One PostgreSQL database.
#[derive(Debug, Clone)]
pub struct Postgres {
    database: Database,
}

impl Postgres {
    /// No I/O.
    #[must_use]
    pub fn new(database: Database) -> Self {
        Self { database }
    }

    pub(super) async fn identify(&self) -> Result<Server, EngineError> {
        let mut session = Place::of(&self.database)?.connect().await?;
        let server = catalog::identify(&mut session).await?;
        session.close().await;
        Ok(server)
    }

    pub(super) async fn glance(&self) -> Result<Glance, EngineError> {
        survey::glance(&Place::of(&self.database)?).await
    }

    pub(super) async fn survey(&self, history_tables: &[String]) -> Result<Survey, EngineError> {
        survey::survey(&Place::of(&self.database)?, history_tables).await
    }

    pub(super) async fn shape(&self, history_tables: &[String]) -> Result<Shape, EngineError> {
        looked(&self.database, async |session| shape::shape(session, history_tables).await).await
    }

    pub(super) async fn definitions(&self) -> Result<Vec<String>, EngineError> {
        looked(&self.database, async |session| shape::lines(session, shape::Columns::Alone).await).await
    }

    pub(super) async fn can_dump_schema(&self, server: &Server) -> Result<(), EngineError> {
        let major = server.version.split(|c: char| !c.is_ascii_digit()).next().unwrap_or_default();
        if let Ok(number) = major.parse()
            && client::Client::find(number, &self.database.client_bindir).await.is_some()
        {
            return Ok(());
        }
        Err(EngineError::NoProgram {
            program: format!("pg_dump of the server's major, {major},"),
            hint: format!("install it: `apt-get install postgresql-client-{major}`"),
        })
    }

    pub(super) async fn dump(
        &self,
        request: &DumpRequest,
        pending: &PendingArchive,
        progress: &Progress,
    ) -> Result<Dumped, EngineError> {
        Box::pin(dump::dump(&Place::of(&self.database)?, request, pending, progress)).await
    }

    pub(super) async fn load(
        &self,
        archive: &Archive,
        mode: LoadMode,
        standing: Standing<'_>,
        jobs: usize,
        progress: &Progress,
    ) -> Result<Loaded, EngineError> {
        Box::pin(way::load(&Place::of(&self.database)?, archive, mode, standing, jobs, progress)).await
    }

    pub(super) async fn sums_differ(&self, archive: &Arc<Archive>, progress: &Progress) -> Result<(), EngineError> {
        since::compare(&Place::of(&self.database)?, archive, progress).await
    }

    pub(super) async fn settle(&self) -> Result<Vec<String>, EngineError> {
        Ok(Box::pin(settle::settle(&Place::of(&self.database)?)).await?.lines)
    }

    pub(super) async fn may_replace(&self) -> Result<Option<String>, EngineError> {
        Box::pin(way::may_replace(&Place::of(&self.database)?)).await
    }
}

/// Looks at a database over a session of its own, which waits for nobody long; who is in the way is named.
async fn looked<T>(
    database: &Database,
    look: impl AsyncFnOnce(&mut Session) -> Result<T, EngineError>,
) -> Result<T, EngineError> {
    let place = Place::of(database)?;
    let mut session = place.connect_to_look().await?;
    let answer = look(&mut session).await;
    session.close().await;
    match answer {
        Err(error) => Err(locks::blame(&place, error).await),
        answer => answer,
    }
}

/// Looks whether every row of a database could be read, and be restored: privileges on schemas, tables and sequences, row-level security,
/// what `pg_dump` cannot print, room for the locks, and bytes in a definition that no archive keeps.
///
/// # Errors
/// The first kind of thing that is missing or in the way, with the exact statement that helps; or when it cannot be asked.
pub async fn can_read_all(database: &Database) -> Result<(), EngineError> {
    looked(database, look_at_all).await
}

async fn look_at_all(session: &mut Session) -> Result<(), EngineError> {
    catalog::demand_every_row(session).await?;
    left_out::demand_restorable(session).await?;
    dump::demand_room(session).await?;
    dump::demand_readable_schema(session).await
}

/// What a connection is worth, in words; none where it is not under TLS.
///
/// # Errors
/// When there is none.
pub async fn worth(database: &Database) -> Result<Option<String>, EngineError> {
    let session = Place::of(database)?.connect().await?;
    let worth = session.worth();
    session.close().await;
    Ok(worth)
}

/// What is there and would not be in an archive, because the role may not see it.
///
/// # Errors
/// When the server cannot be asked.
pub async fn hidden(database: &Database) -> Result<Vec<LeftOut>, EngineError> {
    looked(database, left_out::hidden).await
}

/// What extensions keep from dumps, and so from archives, each with the statement that changes it.
///
/// # Errors
/// When the server cannot be asked.
pub async fn kept_by_extensions(database: &Database) -> Result<Vec<LeftOut>, EngineError> {
    let members = looked(database, members::all).await?;
    Ok(members.iter().map(members::Member::left_out).collect())
}

/// What a hot standby cannot give of a database: its unlogged tables, by name. None where the server is a primary one.
///
/// # Errors
/// When the server cannot be asked.
pub async fn missing_on_standby(database: &Database) -> Result<Option<Vec<String>>, EngineError> {
    looked(database, standby::missing).await
}

/// Which way a restore may go, as far as its privileges say.
///
/// # Errors
/// When nothing in the database may be replaced by anybody as it is (a subscription), or the server cannot be asked.
pub async fn may_restore(database: &Database) -> Result<MayRestore, EngineError> {
    looked(database, way::may_restore).await
}

/// The directory of the server's data, where it says so and it is on this host: what a restore fills.
///
/// # Errors
/// When the server cannot be asked at all.
pub async fn data_directory(database: &Database) -> Result<Option<std::path::PathBuf>, EngineError> {
    let mut session = Place::of(database)?.connect().await?;
    // Not everybody is told.
    let told = catalog::texts(&mut session, "ask for the data directory", "SHOW data_directory").await.unwrap_or_default();
    session.close().await;
    Ok(told.into_iter().next().map(Into::into))
}

/// Asks small questions that change nothing, each a query whose answer is one text; none for a question that the server does not answer.
///
/// # Errors
/// When the server cannot be reached.
pub async fn ask(database: &Database, questions: &[&str]) -> Result<Vec<Option<String>>, EngineError> {
    looked(database, async |session| {
        let mut told = Vec::with_capacity(questions.len());
        for question in questions {
            // One that fails is an answer too: this server does not know what was asked for.
            let answer = session.text("ask about the server", question).await;
            told.push(answer.ok().map(Option::unwrap_or_default));
        }
        Ok(told)
    })
    .await
}
