//! Databases that upkeep makes to try an archive in, and that it removes whatever happens.
//!
//! Owns what is the same for every engine: where a scratch is and what proves that it is ours. Nothing is dropped for its name alone, or because it looks
//! empty: a scratch is named by 64 random bits that were written down before it was made, and has a mark that comes of them. Never touches the database
//! that the archive is of. Held by `tests/it/drill.rs`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

pub use super::mark::Removed;
use super::{Engine, EngineError, Loaded, mysql, postgres, readback, sqlite};
use crate::archive::Archive;
use crate::archive::manifest::Server;
use crate::config::load::parse_url;
use crate::config::{Database, Location};
use crate::ids::DrillId;
use crate::progress::Progress;

/// A scratch, made or not.
#[derive(Debug, Clone)]
pub struct Scratch {
    id: DrillId,
    /// Its own place on a server; for a file that of the database, which is never opened.
    database: Database,
    /// Where an image of a file is unpacked.
    directory: PathBuf,
}

impl Scratch {
    /// One beside a database on its server; of a file, in a directory of ours.
    ///
    /// # Errors
    /// When the address is none.
    pub fn beside(database: &Database, directory: &Path, id: &DrillId) -> Result<Self, EngineError> {
        let place = match &database.location {
            Location::Sqlite { .. } => database.clone(),
            Location::Postgres { .. } => postgres::scratch::beside(database, id)?,
            Location::MySql { .. } => mysql::scratch::beside(database, id)?,
        };
        Ok(Self { id: id.clone(), database: place, directory: directory.to_owned() })
    }

    /// The one that a row says is at `location`, reached through a database whose server is the same: its account or its name may be others now. None where
    /// the server is another.
    #[must_use]
    pub fn again(location: &str, through: &Database, directory: &Path, id: &DrillId) -> Option<Self> {
        let was = parse_url(location, &BTreeMap::new()).ok()?.location;
        let location = match (through.location.clone(), was) {
            (
                Location::Postgres { host, port, user, sslmode, .. },
                Location::Postgres { host: was, port: at, database, .. },
            ) if host == was && port == at => Location::Postgres { host, port, user, database, sslmode },
            (Location::MySql { host, port, user, ssl_mode, .. }, Location::MySql { host: was, port: at, database, .. })
                if host == was && (port == at || host.starts_with('/')) =>
            {
                Location::MySql { host, port, user, database, ssl_mode }
            }
            _ => return None,
        };
        let database = Database { location, ..through.clone() };
        Some(Self { id: id.clone(), database, directory: directory.to_owned() })
    }

    /// One of a file, which is in our own directory whatever became of the file.
    #[must_use]
    pub fn of_a_file(directory: &Path, id: &DrillId) -> Self {
        let database = Database::at(Location::Sqlite { path: PathBuf::new() });
        Self { id: id.clone(), database, directory: directory.to_owned() }
    }

    /// Where it is, for people, without a password: one text is one place.
    #[must_use]
    pub fn location(&self) -> String {
        match &self.database.location {
            Location::Sqlite { .. } => format!("a file in {}", self.directory.display()),
            location => location.to_string(),
        }
    }

    /// Whether it is a file of ours and no database of a server.
    #[must_use]
    pub fn is_file(&self) -> bool {
        matches!(self.database.location, Location::Sqlite { .. })
    }

    /// Where its bytes go, where that is a directory of this host and is told.
    pub async fn directory(&self) -> Option<PathBuf> {
        let near = |host: &str| host.starts_with('/') || ["localhost", "127.0.0.1", "::1"].contains(&host);
        match &self.database.location {
            Location::Sqlite { .. } => Some(self.directory.clone()),
            Location::Postgres { host, .. } if near(host) => postgres::scratch::data_directory(&self.database).await,
            Location::MySql { host, .. } if near(host) => mysql::data_directory(&self.database).await.ok().flatten(),
            Location::Postgres { .. } | Location::MySql { .. } => None,
        }
    }

    /// What keeps the archive from being tried there: reasons, for people. Nothing is changed.
    ///
    /// # Errors
    /// When the server cannot be reached or asked.
    pub async fn objections(&self, archive: &Archive) -> Result<Vec<String>, EngineError> {
        let manifest = archive.manifest();
        if manifest.data_only {
            return Ok(vec!["it has rows and no schema, so no database can be made of it alone".to_owned()]);
        }
        let engine = Engine::of(&self.database);
        if let Err(refused) = engine.demand_memory(archive) {
            return Ok(vec![refused.to_string()]);
        }
        let flavour = engine.server_flavour().await?;
        if manifest.server.flavour != flavour {
            return Ok(vec![format!("it is of a {} database, and the scratch would be {flavour}", manifest.server.flavour)]);
        }
        match engine {
            Engine::Sqlite(_) => Ok(Vec::new()),
            Engine::Postgres(_) => Ok(postgres::scratch::objection(&self.database).await?.into_iter().collect()),
            Engine::MySql(_) => Box::pin(mysql::scratch::objections(&self.database, archive)).await,
        }
    }

    /// Makes it, loads the archive, and compares every row with the manifest. It stays, to be removed ([`Scratch::remove`]).
    ///
    /// # Errors
    /// When the archive does not come back as it was; what was made stays as well.
    pub async fn try_out(&self, archive: &Archive, jobs: usize, progress: &Progress) -> Result<Loaded, EngineError> {
        let (id, database) = (&self.id, &self.database);
        let mut loaded = match database.location {
            Location::Sqlite { .. } => return sqlite::scratch::try_out(&self.directory, archive, jobs, progress).await,
            Location::Postgres { .. } => Box::pin(postgres::scratch::try_out(database, id, archive, jobs, progress)).await?,
            Location::MySql { .. } => Box::pin(mysql::scratch::try_out(database, id, archive, jobs, progress)).await?,
        };
        loaded.warnings.extend(readback::differs(&Engine::of(database), archive).await);
        Ok(loaded)
    }

    /// The database in it, for whoever tries something there: what it holds after that is no archive's any more.
    ///
    /// # Errors
    /// When the file of one cannot be written.
    pub async fn open(&self, archive: &Archive, jobs: usize, progress: &Progress) -> Result<Database, EngineError> {
        match &self.database.location {
            Location::Sqlite { .. } => {
                let path = sqlite::scratch::open(&self.directory, &self.id, archive, jobs, progress).await?;
                Ok(Database { location: Location::Sqlite { path }, ..self.database.clone() })
            }
            Location::Postgres { .. } | Location::MySql { .. } => Ok(self.database.clone()),
        }
    }

    /// Removes it and makes it again with nothing in it, like the database of a server that an archive is of. The same name, the same mark.
    ///
    /// # Errors
    /// When it cannot be removed or made.
    pub async fn renew(&self, like: &Server) -> Result<Database, EngineError> {
        if let Removed::NotOurs(what) = self.remove().await? {
            return Err(EngineError::Inexact { what, hint: "look what it is, and drop it by hand".to_owned() });
        }
        match &self.database.location {
            Location::Sqlite { .. } => sqlite::scratch::empty(&self.directory, &self.id)?,
            Location::Postgres { .. } => Box::pin(postgres::scratch::empty(&self.database, &self.id, like)).await?,
            Location::MySql { .. } => Box::pin(mysql::scratch::empty(&self.database, &self.id, like)).await?,
        }
        Ok(self.database())
    }

    /// Makes extensions of PostgreSQL in one that was renewed, as far as this account may.
    ///
    /// # Errors
    /// When the server cannot be reached.
    pub async fn extend(&self, names: &[&str]) -> Result<(), EngineError> {
        match &self.database.location {
            Location::Postgres { .. } => Box::pin(postgres::scratch::extend(&self.database, names)).await,
            Location::Sqlite { .. } | Location::MySql { .. } => Ok(()),
        }
    }

    /// Where that database is, or will be.
    #[must_use]
    pub fn database(&self) -> Database {
        match &self.database.location {
            Location::Sqlite { .. } => {
                let path = sqlite::scratch::file(&self.directory, &self.id);
                Database { location: Location::Sqlite { path }, ..self.database.clone() }
            }
            Location::Postgres { .. } | Location::MySql { .. } => self.database.clone(),
        }
    }

    /// Removes it, if it is there and is proved to be ours. May be repeated.
    ///
    /// # Errors
    /// When the server cannot be reached, or does not drop it.
    pub async fn remove(&self) -> Result<Removed, EngineError> {
        match self.database.location {
            // What was only compared went with the work, or goes as every temporary file of the directory does.
            Location::Sqlite { .. } => sqlite::scratch::remove(&self.directory, &self.id),
            Location::Postgres { .. } => Box::pin(postgres::scratch::remove(&self.database, &self.id)).await,
            Location::MySql { .. } => Box::pin(mysql::scratch::remove(&self.database, &self.id)).await,
        }
    }
}
