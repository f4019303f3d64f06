//! Where a database is and as whom it is spoken to. What of it may be printed holds no password.

use std::fmt;
use std::path::PathBuf;

/// A text that is never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Wraps a secret.
    #[must_use]
    pub fn new(text: String) -> Self {
        Self(text)
    }

    /// The secret itself, for the one call that needs it.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// `[targets.T.database]`.
#[derive(Debug, Clone)]
pub struct Database {
    /// Where it is, without a password.
    pub location: Location,
    /// The password, already read from wherever the configuration said.
    pub password: Option<Secret>,
    /// The environment variable that `password_env` names.
    pub password_variable: Option<String>,
    /// Where the database's client programs are, before the usual places.
    pub client_bindir: Vec<PathBuf>,
    /// Whose its views, routines, triggers and events are in an archive, and after a restore (MySQL and MariaDB).
    pub definers: Definers,
    /// What a connection under TLS goes by, beside the mode that the location names.
    pub tls: Tls,
}

/// Whose certificates are trusted, and what we prove ourselves with.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tls {
    /// Whom a server's certificate must come from; none where nobody was named.
    pub roots: Option<Roots>,
    /// Our own certificate, for a server that asks for one.
    pub identity: Option<Identity>,
    /// Whether the URL says anything of TLS: then no file of the clients' does.
    pub in_url: bool,
}

/// Whom certificates must come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Roots {
    /// Whoever the host trusts.
    System,
    /// Whoever stands in this file, and nobody else.
    File(PathBuf),
}

/// A certificate of ours and its key. The key itself is only read where it is used, and never kept here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The certificate and what leads to its root, in PEM.
    pub certificate: PathBuf,
    /// Its private key, in PEM.
    pub key: PathBuf,
}

impl Database {
    /// The database there, with everything else as it is when nothing is said of it.
    #[must_use]
    pub fn at(location: Location) -> Self {
        Self {
            location,
            password: None,
            password_variable: None,
            client_bindir: Vec::new(),
            definers: Definers::Keep,
            tls: Tls::default(),
        }
    }
}

/// Whose the views, routines, triggers and events of a MySQL or MariaDB database are (`DEFINER`), in an archive and after a restore.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Definers {
    /// His who made them.
    Keep,
    /// Nobody's in the archive: whoever restores it makes them his.
    Strip,
    /// This account's.
    Rewrite {
        /// Its user.
        user: String,
        /// The host it may come from.
        host: String,
    },
}

/// A database's place, by engine. Never holds a password, so it may be printed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Location {
    /// A SQLite file.
    Sqlite {
        /// The file.
        path: PathBuf,
    },
    /// A PostgreSQL database.
    Postgres {
        /// Host name, address, or the directory of a Unix socket.
        host: String,
        /// TCP port, or the socket's number.
        port: u16,
        /// Role.
        user: String,
        /// Database name.
        database: String,
        /// `sslmode` as libpq spells it (`prefer` when not given).
        sslmode: String,
    },
    /// A MySQL or MariaDB database; which of the two it is, the server says.
    MySql {
        /// Host name, address, or the path of a Unix socket.
        host: String,
        /// TCP port; without meaning for a socket.
        port: u16,
        /// Account.
        user: String,
        /// Database name.
        database: String,
        /// `ssl-mode` as MySQL's clients spell it (`PREFERRED` when not given).
        ssl_mode: String,
    },
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite { path } => write!(f, "sqlite://{}", path.display()),
            Self::Postgres { host, port, user, database, .. } if host.starts_with('/') => {
                write!(f, "postgres:///{database}?host={host}&port={port}&user={user}")
            }
            Self::Postgres { host, port, user, database, .. } => write!(f, "postgres://{user}@{host}:{port}/{database}"),
            Self::MySql { host, user, database, .. } if host.starts_with('/') => {
                write!(f, "mysql:///{database}?socket={host}&user={user}")
            }
            Self::MySql { host, port, user, database, .. } => write!(f, "mysql://{user}@{host}:{port}/{database}"),
        }
    }
}
