//! MySQL and MariaDB: logical dumps as consistent as the privileges allow, loads that are compared before they count.
//!
//! Owns everything said to such a server, but for what the migrations say. Which of the two it is, and how old, the server
//! says.

mod accounts;
mod catalog;
mod cluster;
mod columns;
mod compare;
mod computed;
mod connect;
mod counter;
mod definer;
mod definition;
mod dump;
mod encryption;
mod errors;
mod extract;
mod fence;
mod fenced;
mod flavour;
mod foreign;
mod here;
mod identity;
mod in_place;
mod indexes;
mod inherit;
mod instance_lock;
mod libraries;
mod load;
mod locks;
pub mod login;
mod long_statements;
mod names;
mod notes;
mod obstacles;
mod others;
mod ours;
mod packets;
mod place;
mod plain;
mod privileges;
mod ranges;
mod read_back;
mod relation;
mod routine_grants;
mod rowless;
mod rows;
mod schema;
pub(super) mod scratch;
mod script;
mod second_engine;
mod secure;
mod sequences;
pub mod sessions;
mod shape;
mod since;
mod snapshot;
mod split;
mod statistics;
mod survey;
mod swap;
mod unqualify;
mod way;
mod wide;
mod without;
mod worker;
mod writable;

use std::sync::Arc;

use super::frames::shared;
use super::{DumpRequest, Dumped, EngineError, Glance, LoadMode, Loaded, MayRestore, Standing, Survey};
use crate::archive::manifest::{LeftOut, Server};
use crate::archive::{Archive, PendingArchive};
use crate::config::Database;
use crate::progress::Progress;
use crate::shape::Shape;
use connect::Place;
pub(super) use errors::is_lost;
pub(super) use extract::extract;

/// One MySQL or MariaDB database.
#[derive(Debug, Clone)]
pub struct MySql {
    database: Database,
}

impl MySql {
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
        let mut session = Place::of(&self.database)?.connect().await?;
        swap::demand_in_place(&mut session).await?;
        let shape = shape::shape(&mut session, history_tables).await?;
        session.close().await;
        Ok(shape)
    }

    pub(super) async fn definitions(&self) -> Result<Vec<String>, EngineError> {
        let mut session = Place::of(&self.database)?.connect().await?;
        let schema = schema::Schema::read(&mut session).await?;
        session.close().await;
        Ok(shape::lines(&schema))
    }

    pub(super) async fn dump(
        &self,
        request: &DumpRequest,
        pending: &PendingArchive,
        progress: &Progress,
    ) -> Result<Dumped, EngineError> {
        Box::pin(dump::dump(&Place::of(&self.database)?, request, pending, progress)).await
    }

    /// A routine that is listed and not shown would be gone with what is replaced.
    pub(super) async fn can_dump_schema(&self) -> Result<(), EngineError> {
        let mut session = Place::of(&self.database)?.connect().await?;
        let hidden = schema::Schema::read_beside_tables(&mut session).await?.left_out.into_iter().next();
        let shown = match hidden {
            None => Ok(()),
            Some(hidden) => {
                let grants = privileges::Grants::read(&mut session).await?;
                let place = session.place();
                let owner = || format!("GRANT SELECT ON *.* TO {};", place.grantee());
                Err(EngineError::Privilege {
                    user: place.user().to_owned(),
                    what: format!("see the definition of {}, which no archive would hold", hidden.what),
                    grant: grants.blind_to_routines(&session).unwrap_or_else(owner),
                })
            }
        };
        session.close().await;
        shown
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
        Box::pin(since::compare(&Place::of(&self.database)?, archive, progress)).await
    }

    pub(super) async fn settle(&self) -> Result<Vec<String>, EngineError> {
        Box::pin(swap::settle(&Place::of(&self.database)?)).await
    }

    pub(super) async fn objections(&self, archive: &Archive) -> Result<Vec<String>, EngineError> {
        let archive = shared(archive, LoadMode::DataOnly)?;
        let mut session = Place::of(&self.database)?.connect_to_server().await?;
        let mut objections = names::objections(&mut session, &archive).await?;
        objections.extend(writable::objection(&mut session).await?);
        session.close().await;
        Ok(objections)
    }

    pub(super) async fn may_replace(&self) -> Result<(), EngineError> {
        let mut session = Place::of(&self.database)?.connect_to_server().await?;
        let alone = cluster::demand_alone(&mut session).await;
        session.close().await;
        alone
    }

    pub(super) async fn differing(&self, archive: &Archive) -> Result<Vec<String>, EngineError> {
        let archive = shared(archive, LoadMode::DataOnly)?;
        read_back::differing(&Place::of(&self.database)?, &archive).await
    }

    pub(super) async fn flavour(&self) -> Result<&'static str, EngineError> {
        let session = Place::of(&self.database)?.connect_to_server().await?;
        let flavour = session.version.name();
        session.close().await;
        Ok(flavour)
    }
}

/// What the account may do, beyond seeing everything.
#[derive(Debug)]
pub struct MayRead {
    /// What would show every routine, where those of others stay hidden.
    pub routines: Option<String>,
    /// What lets several connections read one moment (`LOCK TABLES held every table …`), or that only one reads.
    pub moment: String,
    /// What would let several, where only one may.
    pub lock: Option<String>,
    /// What would show other accounts' sessions, where they stay hidden.
    pub sessions: Option<String>,
    /// What no server makes again as it is.
    pub obstacles: Vec<LeftOut>,
    /// Why no archive can be taken.
    pub refused: Vec<EngineError>,
    /// How a restore may be made.
    pub restore: MayRestore,
}

/// What a replacement does with databases.
const REPLACES: [&str; 4] = ["CREATE", "DROP", "ALTER", "INSERT"];

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

/// Whether the account sees everything in the database, so that a backup can hold it.
///
/// # Errors
/// The privileges that are missing, with the exact statement that grants them; or when it cannot be asked.
pub async fn may_read(database: &Database) -> Result<MayRead, EngineError> {
    let mut session = Place::of(database)?.connect().await?;
    let grants = privileges::Grants::read(&mut session).await;
    let scratch = swap::beside_of(&session.place().database);
    let beside = privileges::Grants::read_for(&mut session, &scratch).await;
    let (obstacles, refused) = obstacles::seen(&mut session).await;
    let answer = grants.and_then(|grants| {
        grants.demand_sight(&session)?;
        let may = |grants: &privileges::Grants| REPLACES.iter().all(|privilege| grants.allow(privilege));
        let (restores, restores_beside) = (may(&grants), may(&beside?));
        let ways = snapshot::ways(&grants, session.version.is_mariadb());
        let way = ways.first().copied().unwrap_or(snapshot::Way::Single);
        let place = session.place();
        let lock = format!("GRANT LOCK TABLES ON {}.* TO {};", connect::quote(&place.database), place.grantee());
        let all = |pattern: &str| format!("GRANT ALL ON {pattern}.* TO {};", place.grantee());
        // Both names beside its own, of which long ones are cut.
        let beside = scratch.trim_end_matches("new").replace('\\', "\\\\").replace('_', "\\_").replace('%', "\\%");
        Ok(MayRead {
            restore: match (restores, restores_beside) {
                (true, true) => MayRestore::Beside,
                (true, false) => MayRestore::InPlace(all(&connect::quote(&format!("{beside}%")))),
                (false, _) => MayRestore::Not(all(&connect::quote(&place.database))),
            },
            obstacles,
            refused,
            routines: grants.blind_to_routines(&session),
            sessions: grants.blind_to_sessions(&session),
            moment: way.sentence(2),
            lock: (way == snapshot::Way::Single).then_some(lock),
        })
    });
    session.close().await;
    answer
}

/// The directory of the server's data: what a restore fills, where it is on this host.
///
/// # Errors
/// When the server cannot be asked.
pub async fn data_directory(database: &Database) -> Result<Option<std::path::PathBuf>, EngineError> {
    let mut session = Place::of(database)?.connect_to_server().await?;
    let told = session.text("ask for the data directory", "SELECT @@datadir").await;
    session.close().await;
    Ok(told?.map(Into::into))
}

/// Asks small questions that change nothing, each a query whose answer is one text; none for a question that the server does not answer.
///
/// # Errors
/// When the server cannot be reached.
pub async fn ask(database: &Database, questions: &[&str]) -> Result<Vec<Option<String>>, EngineError> {
    let mut session = Place::of(database)?.connect().await?;
    let mut told = Vec::with_capacity(questions.len());
    for question in questions {
        // One that fails is an answer too: this server does not know what was asked for.
        let answer = session.text("ask about the server", question).await;
        told.push(answer.ok().map(Option::unwrap_or_default));
    }
    session.close().await;
    Ok(told)
}
