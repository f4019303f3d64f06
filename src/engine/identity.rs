//! What a database *is*, whatever the address calls it: asked of the server, or of the file.
//!
//! An address is only a way there: a server has several (names, a loopback, a socket), a file has links. Whoever guards a database
//! guards it by what it is. Invariant: of one database every address gives one identity, at one moment; held by `tests/it/identity.rs`.

use std::collections::BTreeSet;

use super::{Engine, EngineError};

/// What a database is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// Each is no other database's while it lives: whoever has one of them is it.
    names: BTreeSet<String>,
    /// What it is called also after a restart of its server, and after it was replaced: no other database that is here has it.
    lasting: String,
}

impl Identity {
    pub(super) fn new(names: impl IntoIterator<Item = String>, lasting: String) -> Self {
        Self { names: names.into_iter().collect(), lasting }
    }

    /// Whether both are one database.
    #[must_use]
    pub fn is(&self, other: &Self) -> bool {
        !self.names.is_disjoint(&other.names)
    }

    /// A name for what is noted of it and read again after a restart.
    #[must_use]
    pub fn lasting(&self) -> &str {
        &self.lasting
    }
}

impl Engine {
    /// What the database is. One that does not exist yet has an identity too: the place where it would be.
    ///
    /// # Errors
    /// When the server cannot be reached or asked, or the file's directory cannot be looked at.
    pub async fn identity(&self) -> Result<Identity, EngineError> {
        match self {
            Self::Sqlite(engine) => engine.identity().await,
            Self::Postgres(engine) => engine.identity().await,
            Self::MySql(engine) => engine.identity().await,
        }
    }

    /// Whether two addresses are of one database.
    ///
    /// # Errors
    /// When one of them cannot be asked.
    pub async fn is_same(&self, other: &Self) -> Result<bool, EngineError> {
        match (self, other) {
            (Self::Sqlite(_), Self::Sqlite(_)) | (Self::Postgres(_), Self::Postgres(_)) | (Self::MySql(_), Self::MySql(_)) => {}
            _ => return Ok(false),
        }
        if !self.identity().await?.is(&other.identity().await?) {
            return Ok(false);
        }
        match (self, other) {
            // Copies of a server's directory, and containers, may call themselves alike: a lock is seen by one server alone.
            (Self::MySql(one), Self::MySql(two)) => one.shares_locks_with(two).await,
            _ => Ok(true),
        }
    }
}
