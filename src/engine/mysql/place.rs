//! Where a database is and as whom, and how that is written in SQL.

use std::sync::{Arc, OnceLock};

use super::super::EngineError;
use super::sessions::is_own;
use crate::config::{Database, Definers, Location};

/// Where a database is and as whom; cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Place {
    pub(super) inner: Arc<Inner>,
    /// The database's name.
    pub(super) database: String,
}

/// What of it is the same for every database of the server.
#[derive(Debug)]
pub(super) struct Inner {
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) user: String,
    pub(super) ssl_mode: String,
    definers: Definers,
    /// As it is configured.
    configured: Database,
    /// The account the server knows us by (`app@localhost`), once it was asked.
    pub(super) account: OnceLock<String>,
}

impl Place {
    /// The place a configuration names.
    pub(super) fn of(database: &Database) -> Result<Self, EngineError> {
        let Location::MySql { host, port, user, database: name, ssl_mode } = &database.location else {
            return Err(EngineError::Unfit(format!("{} is not a MySQL or MariaDB database", database.location)));
        };
        let inner = Inner {
            host: host.clone(),
            port: *port,
            user: user.clone(),
            ssl_mode: ssl_mode.clone(),
            definers: database.definers.clone(),
            configured: database.clone(),
            account: OnceLock::new(),
        };
        Ok(Self { inner: Arc::new(inner), database: name.clone() })
    }

    /// The same server and account, another database.
    pub(super) fn beside(&self, database: &str) -> Self {
        Self { inner: Arc::clone(&self.inner), database: database.to_owned() }
    }

    /// As a configuration would name it.
    pub(super) fn configured(&self) -> Database {
        let mut configured = self.inner.configured.clone();
        if let Location::MySql { database, .. } = &mut configured.location {
            database.clone_from(&self.database);
        }
        configured
    }

    /// Whether a session that the server lists is one of this process.
    pub(super) fn is_own(&self, id: u64) -> bool {
        is_own(&self.inner.host, self.inner.port, id)
    }

    /// Whose objects are to be.
    pub(super) fn definers(&self) -> &Definers {
        &self.inner.definers
    }

    /// The account's name.
    pub(super) fn user(&self) -> &str {
        &self.inner.user
    }

    /// The address, without a password.
    pub(super) fn location(&self) -> String {
        let Inner { host, port, user, ssl_mode, .. } = &*self.inner;
        Location::MySql {
            host: host.clone(),
            port: *port,
            user: user.clone(),
            database: self.database.clone(),
            ssl_mode: ssl_mode.clone(),
        }
        .to_string()
    }

    /// The account as a `GRANT` names it.
    pub(super) fn grantee(&self) -> String {
        let account = self.inner.account.get().map_or_else(|| format!("{}@%", self.inner.user), Clone::clone);
        let (user, host) = account.rsplit_once('@').unwrap_or((&account, "%"));
        format!("{}@{}", literal(user), literal(host))
    }
}

/// An identifier, quoted.
pub(super) fn quote(name: &str) -> String {
    format!("`{}`", name.replace('`', "``"))
}

/// A string literal for a session without `NO_BACKSLASH_ESCAPES`.
pub(super) fn literal(text: &str) -> String {
    let mut quoted = Vec::with_capacity(text.len() + 2);
    upkeep_rows::literal::quote_into(&mut quoted, text.as_bytes());
    String::from_utf8_lossy(&quoted).into_owned()
}
