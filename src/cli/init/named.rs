//! Databases that are named on the command line of `upkeep init`: SQLite files and URLs.
//!
//! Each is looked at as far as anybody may; a password in a URL is never kept.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use super::ask::{self, Known};
use super::listen::Listener;
use crate::config::load::{Environment, parse_url};
use crate::config::{Database, Location};
use crate::count;
use crate::engine::census::{self, Census, Held};
use crate::failure::{Class, Failure};
use crate::trust;

/// What every SQLite file begins with (<https://www.sqlite.org/fileformat2.html>); an empty one is a database without tables.
const SQLITE: &[u8; 16] = b"SQLite format 3\0";

/// A database that was named.
#[derive(Debug)]
pub(super) enum Named {
    File(PathBuf),
    /// With the account that is to be used.
    Account {
        url: String,
        name: String,
    },
    /// Without one: the server, as having this database alone.
    Server(Box<Known>),
}

/// What a word of the command line names.
pub(super) async fn look(text: &str, environment: &Environment) -> Result<Named, Failure> {
    let wrong = |what: String| Failure::new(Class::Usage, what).safe("nothing was written");
    if let Some(path) = text.strip_prefix("sqlite://").or_else(|| (!text.contains("://")).then_some(text)) {
        // A password may stand before the sign: what holds it is repeated in no message.
        if path.contains('@') && !Path::new(path).exists() {
            return Err(wrong("a `--database` names neither a file that is there nor a URL, which has `://`".to_owned()));
        }
        return file(Path::new(path)).map(Named::File);
    }
    let url = url::Url::parse(text).map_err(|error| {
        let what = if text.contains('@') { "a `--database`".to_owned() } else { format!("`{text}`") };
        wrong(format!("{what} is not a URL: {error}"))
            .hint("in a password and a name, write `/` as %2F, `#` as %23, `?` as %3F, `@` as %40 and `%` as %25")
    })?;
    let account = !url.username().is_empty() || url.query_pairs().any(|(key, _)| key == "user");
    // Who logs in is not said by whoever happens to ask.
    let mut anybody = environment.clone();
    anybody.insert("USER".to_owned(), "upkeep".to_owned());
    anybody.remove("PGUSER");
    let database = parse_url(text, &anybody).map_err(|error| wrong(format!("cannot use this URL: {error}")))?;
    let database = Database { password: None, ..database };
    let name = match &database.location {
        Location::Postgres { database, .. } | Location::MySql { database, .. } => database.clone(),
        Location::Sqlite { path } => return file(path).map(Named::File),
    };
    if account {
        return Ok(Named::Account { url: database.url(), name });
    }
    server(&database.location, name).await.map(|known| Named::Server(Box::new(known)))
}

async fn server(location: &Location, name: String) -> Result<Known, Failure> {
    let (scheme, host, port) = match location {
        Location::Postgres { host, port, .. } => ("postgres", host, *port),
        Location::MySql { host, port, .. } => ("mysql", host, *port),
        Location::Sqlite { .. } => return Err(Failure::new(Class::Usage, "a SQLite file has no server")),
    };
    if name.chars().any(char::is_control) {
        return Err(Failure::new(Class::Usage, "the database's name holds a line break or the like"));
    }
    let socket = host.starts_with('/').then(|| std::fs::canonicalize(host).unwrap_or_else(|_| PathBuf::from(host)));
    if socket.is_none() && !super::super::setup::near(host) {
        let failure =
            Failure::new(Class::Usage, format!("{host} is another host, where nothing can be looked up for an account"));
        return Err(failure
            .safe("nothing was written")
            .hint(format!("name its account in the URL: `{scheme}://USER@{host}/{name}`")));
    }
    let mut listener = Listener::at(scheme, socket, port);
    listener.own();
    let mut known = ask::ask(listener, true).await;
    let called = known.called();
    let alone = |held: Held| vec![held];
    // Of PostgreSQL's everybody is told; MySQL and MariaDB name those that the asker may see.
    let whole = scheme == "postgres" && name != "postgres" && !name.contains("__upkeep_");
    match &mut known.census {
        Some(census) => match census.databases.iter().find(|held| held.name == name).cloned() {
            Some(held) => census.databases = alone(held),
            None if !whole || census.databases.len() >= census::MOST => {
                census.databases = alone(Held { name, ..Held::default() });
                known.unseen = Some("it is not among those that were shown".to_owned());
            }
            None => {
                let there: Vec<&String> = census.databases.iter().map(|held| &held.name).collect();
                let failure = Failure::new(Class::NoInput, format!("there is no database {name} in {called}"));
                let hint = if there.is_empty() { "none was shown".to_owned() } else { count::few(&there, ", ") };
                return Err(failure.safe("nothing was written").hint(format!("its databases: {hint}")));
            }
        },
        none => {
            let version = known.version.clone().unwrap_or_default();
            *none = Some(Census { version, databases: alone(Held { name, ..Held::default() }), ..Census::default() });
        }
    }
    Ok(known)
}

/// A SQLite file, by its whole path.
fn file(path: &Path) -> Result<PathBuf, Failure> {
    let refused = |class: Class, what: String| Failure::new(class, what).safe("nothing was written");
    let path =
        std::path::absolute(path).map_err(|error| refused(Class::Usage, format!("{} is no path: {error}", path.display())))?;
    let mut head = Vec::new();
    let read = trust::open(&path).and_then(|file| file.take(SQLITE.len() as u64).read_to_end(&mut head));
    match read {
        Ok(0) => Ok(path),
        Ok(_) if head == SQLITE => Ok(path),
        Ok(_) => Err(refused(Class::Data, format!("{} is not a SQLite file", path.display()))
            .hint("name a database: a SQLite file, or the URL of one in a server: `postgres:///shop?host=/run/postgresql`")),
        Err(error) => Err(refused(Class::NoInput, format!("cannot read {}: {error}", path.display()))),
    }
}
