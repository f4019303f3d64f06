//! A database's URL, written so that reading it gives the same place and the same demands on its connection.
//!
//! Never writes a password. Whatever could end a part of a URL, or a line of a file it is written into, is percent-encoded. Pure; held by the tests of
//! `cli::init`, which read what was written.

use std::fmt::Write as _;
use std::path::Path;

use super::database::{Database, Location, Roots};

impl Database {
    /// Its URL without a password, with what it says of TLS.
    #[must_use]
    pub fn url(&self) -> String {
        let mut query: Vec<(&str, String)> = Vec::new();
        let mut url = match &self.location {
            Location::Sqlite { path } => format!("sqlite://{}", encoded(&path.to_string_lossy())),
            Location::Postgres { host, port, user, database, .. } if host.starts_with('/') => {
                query.extend([("host", host.clone()), ("port", port.to_string()), ("user", user.clone())]);
                format!("postgres:///{}", part(database))
            }
            Location::Postgres { host, port, user, database, .. } => {
                format!("postgres://{}@{}:{port}/{}", part(user), authority(host), part(database))
            }
            Location::MySql { host, user, database, .. } if host.starts_with('/') => {
                query.extend([("socket", host.clone()), ("user", user.clone())]);
                format!("mysql:///{}", part(database))
            }
            Location::MySql { host, port, user, database, .. } => {
                format!("mysql://{}@{}:{port}/{}", part(user), authority(host), part(database))
            }
        };
        query.extend(self.of_tls());
        for (at, (key, value)) in query.iter().enumerate() {
            // Writing to a String cannot fail.
            write!(url, "{}{key}={}", if at == 0 { '?' } else { '&' }, encoded(value)).ok();
        }
        url
    }

    fn of_tls(&self) -> Vec<(&'static str, String)> {
        let (mode, names) = match &self.location {
            Location::Sqlite { .. } => return Vec::new(),
            Location::Postgres { sslmode, .. } => (sslmode, ["sslmode", "sslrootcert", "sslcert", "sslkey"]),
            Location::MySql { ssl_mode, .. } => (ssl_mode, ["ssl-mode", "ssl-ca", "ssl-cert", "ssl-key"]),
        };
        let whole = |path: &Path| path.to_string_lossy().into_owned();
        let roots = self.tls.roots.as_ref().map(|roots| match roots {
            Roots::System => "system".to_owned(),
            Roots::File(path) => whole(path),
        });
        let own = self.tls.identity.as_ref();
        let values = [
            self.tls.in_url.then(|| mode.clone()),
            roots,
            own.map(|own| whole(&own.certificate)),
            own.map(|own| whole(&own.key)),
        ];
        names.into_iter().zip(values).filter_map(|(name, value)| Some((name, value?))).collect()
    }
}

/// A host; an address of IPv6 in its brackets.
fn authority(host: &str) -> String {
    if host.contains(':') { format!("[{host}]") } else { part(host) }
}

/// A part in which a slash would begin the next.
fn part(text: &str) -> String {
    encoded(text).replace('/', "%2F")
}

fn encoded(text: &str) -> String {
    let mut written = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte) {
            written.push(char::from(byte));
        } else {
            write!(written, "%{byte:02X}").ok();
        }
    }
    written
}
