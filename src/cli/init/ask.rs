//! What `upkeep init` learns of a database server before anything is configured.
//!
//! Asks only where nobody needs a password: as the user whose server it is when root asks, else as whoever asks. What is not told is
//! kept as the reason for it, so that nothing is passed over in silence.

use std::path::Path;

use futures_util::stream::{self, StreamExt as _};
use serde::Serialize;

use super::listen::{Listener, listeners};
use crate::config::Location;
use crate::engine::census::{self, Census};
use crate::engine::mysql::login;
use crate::process::User;

/// A database server, and what it told.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Known {
    #[serde(flatten)]
    pub(super) listener: Listener,
    /// Its version, where it is told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) version: Option<String>,
    /// What it holds, where somebody was let in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) census: Option<Census>,
    /// Why nothing of it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) unseen: Option<String>,
}

impl Known {
    /// What it is and where, for a person.
    pub(super) fn called(&self) -> String {
        let version = self.version.as_deref().unwrap_or_default();
        let (kind, version) = match self.listener.scheme {
            "postgres" => ("PostgreSQL", version.to_owned()),
            // `10.11.14-MariaDB-0+deb12u2` is the release and who built it.
            _ if super::account::is_mariadb(Some(version)) => {
                ("MariaDB", version.split('-').next().unwrap_or_default().to_owned())
            }
            _ if version.is_empty() => ("MySQL or MariaDB", String::new()),
            _ => ("MySQL", version.split('-').next().unwrap_or_default().to_owned()),
        };
        let called = if version.is_empty() { kind.to_owned() } else { format!("{kind} {version}") };
        format!("{called} {}", self.listener.place())
    }

    /// Whether a database of this server, by its name, is the one at a configured place.
    pub(super) fn is_at(&self, name: &str, location: &Location) -> bool {
        let (scheme, host, port, database) = match location {
            Location::Sqlite { .. } => return false,
            Location::Postgres { host, port, database, .. } => ("postgres", host, *port, database),
            Location::MySql { host, port, database, .. } => ("mysql", host, *port, database),
        };
        let there = match &self.listener.socket {
            Some(socket) if host.starts_with('/') => {
                let same = std::fs::canonicalize(host).is_ok_and(|path| path == *socket) || Path::new(host) == socket;
                same && (scheme == "mysql" || port == self.listener.port)
            }
            _ => super::super::setup::near(host) && port == self.listener.port,
        };
        scheme == self.listener.scheme && there && database == name
    }
}

/// How many servers are asked at once: each may take as long as [`census`] lets it, and runs two programs.
const AT_ONCE: usize = 8;

/// All servers that listen here, each once; and how many sockets were left alone.
pub(super) async fn servers() -> (Vec<Known>, usize) {
    let (listeners, left) = listeners().await;
    let asked: Vec<Known> = stream::iter(listeners).map(|listener| ask(listener, false)).buffered(AT_ONCE).collect().await;
    (each_once(asked), left)
}

fn each_once(asked: Vec<Known>) -> Vec<Known> {
    let mut known: Vec<Known> = Vec::new();
    for found in asked {
        let since = |known: &Known| known.census.as_ref().map(|census| census.since.clone()).filter(|since| !since.is_empty());
        // One server with a socket in two directories.
        // What a server says of itself is not enough: another user's may say the same.
        let user = |known: &Known| known.listener.owner.map(|(uid, _)| uid);
        let again = |other: &Known| {
            other.listener.port == found.listener.port && since(other) == since(&found) && user(other) == user(&found)
        };
        match known.iter_mut().find(|other| since(&found).is_some() && again(other)) {
            // Where everybody looks first.
            Some(other) if found.listener.socket.as_deref() == Some(Path::new("/run/postgresql")) => *other = found,
            Some(_) => {}
            None => known.push(found),
        }
    }
    known
}

/// Asks one; `named` is whether a person named it.
pub(super) async fn ask(listener: Listener, named: bool) -> Known {
    let asker = rustix::process::geteuid();
    let root = asker.is_root();
    // As its own server's user, and never as root, whatever it is that answers there.
    let user = listener.owner.filter(|(uid, _)| root && *uid != 0).map(|(uid, gid)| User::numbered(uid, gid));
    let told = match (&listener.socket, listener.scheme) {
        (None, _) => Err("it has no socket on this host, and over the network a password is needed".to_owned()),
        (Some(_), _) if !named && listener.is_ordinary(asker.as_raw()) => {
            Err("its socket is an ordinary user's, and nobody named it".to_owned())
        }
        (Some(_), _) if root && user.is_none() => Err("its socket is root's, and nothing is asked as root".to_owned()),
        (Some(directory), "postgres") => census::postgres(directory, listener.port, user.as_ref()).await,
        (Some(socket), _) => census::mysql(socket, user.as_ref()).await,
    };
    let version = match (&told, &listener.socket) {
        (Ok(census), _) => Some(census.version.clone()),
        (Err(_), Some(socket)) if listener.scheme == "mysql" => {
            login::greeting(socket).await.ok().as_deref().and_then(census::version_in)
        }
        (Err(_), _) => None,
    };
    let (census, unseen) = match told {
        Ok(census) => (Some(census), None),
        Err(why) => (None, Some(user.as_ref().map_or_else(|| why.clone(), |user| format!("{why} (asked as {})", user.name())))),
    };
    Known { listener, version, census, unseen }
}
