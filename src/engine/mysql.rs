//! MySQL and MariaDB: logical dumps as consistent as the privileges allow, loads that are compared before they count.
//!
//! Owns everything said to such a server, but for what the migrations say. Which of the two it is, and how old, the server
//! says.

mod catalog;
mod columns;
mod compare;
mod connect;
mod definer;
mod dump;
mod errors;
mod flavour;
mod in_place;
mod indexes;
mod inherit;
mod instance_lock;
mod json;
mod literal;
mod load;
mod long_statements;
mod names;
mod privileges;
mod ranges;
mod rows;
mod schema;
mod script;
pub mod sessions;
mod shape;
mod snapshot;
mod split;
mod survey;
mod swap;
mod unqualify;
mod worker;

use super::frames::shared;
use super::{DumpRequest, Dumped, EngineError, LoadMode, Loaded, Survey};
use crate::archive::manifest::Server;
use crate::archive::{Archive, PendingArchive};
use crate::config::Database;
use crate::progress::Progress;
use crate::shape::Shape;
use connect::Place;

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

    pub(super) async fn survey(&self, history_tables: &[String]) -> Result<Survey, EngineError> {
        let place = Place::of(&self.database)?;
        let half_loaded = in_place::left_half(&place).await?;
        Ok(Survey { half_loaded, ..survey::survey(&place, history_tables).await? })
    }

    pub(super) async fn shape(&self, history_tables: &[String]) -> Result<Shape, EngineError> {
        let mut session = Place::of(&self.database)?.connect().await?;
        let shape = shape::shape(&mut session, history_tables).await?;
        session.close().await;
        Ok(shape)
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
        jobs: usize,
        progress: &Progress,
    ) -> Result<Loaded, EngineError> {
        Box::pin(load::load(&Place::of(&self.database)?, archive, mode, jobs, progress)).await
    }

    pub(super) async fn settle(&self) -> Result<Vec<String>, EngineError> {
        Box::pin(swap::settle(&Place::of(&self.database)?)).await
    }

    pub(super) async fn objections(&self, archive: &Archive) -> Result<Vec<String>, EngineError> {
        let archive = shared(archive, LoadMode::DataOnly).await?;
        let mut session = Place::of(&self.database)?.connect_to_server().await?;
        let objections = names::objections(&mut session, &archive).await?;
        session.close().await;
        Ok(objections)
    }

    pub(super) async fn flavour(&self) -> Result<&'static str, EngineError> {
        let session = Place::of(&self.database)?.connect_to_server().await?;
        let flavour = session.version.name();
        session.close().await;
        Ok(flavour)
    }
}
