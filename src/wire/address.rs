//! Where a database is, as somebody typed it: with a password in it, perhaps.
//!
//! Owns the one form in which such a text is written down, shown or logged: without what could be a secret. Invariant: only
//! [`Address::reveal`] gives the text as it was typed, for the request on its way to the daemon and for the connection itself;
//! `Debug`, `Display` and `Serialize` never do. Held by the tests beside this file.

use std::fmt;

use serde::{Deserialize, Serialize, Serializer};

/// What stands in the place of a secret, as in a URL that may be shown.
const HIDDEN: &str = "***";

/// A database's URL that may hold a password.
#[derive(Clone, Deserialize)]
#[serde(transparent)]
pub struct Address(String);

impl Address {
    /// From what was typed.
    #[must_use]
    pub fn new(typed: impl Into<String>) -> Self {
        Self(typed.into())
    }

    /// As it was typed, with its password: for connecting, and for nothing that is kept or shown.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&without_secrets(&self.0))
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", without_secrets(&self.0))
    }
}

impl Serialize for Address {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Two are the same when they are the same to whoever may not see the secret: one that was written down is compared with one
/// that was just asked for.
impl PartialEq for Address {
    fn eq(&self, other: &Self) -> bool {
        without_secrets(&self.0) == without_secrets(&other.0)
    }
}

impl Eq for Address {}

/// The text without what could be a secret. It need not be a URL: what nobody can read is hidden rather than shown.
fn without_secrets(text: &str) -> String {
    let (scheme, rest) = text.split_once("://").map_or(("", text), |(scheme, rest)| (&text[..scheme.len() + 3], rest));
    // A file has no accounts, and `@` and `:` in its path mean nothing.
    let (place, query) = rest.find('?').map_or((rest, None), |at| (&rest[..at], Some(&rest[at + 1..])));
    // The last `@`: a password may hold one, and slashes, when somebody forgot to write them as `%40` and `%2F`. With a `?` in
    // it, it reaches into what looks like the query.
    let (place, query) = match query {
        Some(query) if !scheme.starts_with("sqlite") && query.contains('@') && !place.contains('@') => (rest, None),
        other => (place, other),
    };
    let place = match place.rsplit_once('@') {
        Some((account, host)) if !scheme.starts_with("sqlite") => match account.split_once(':') {
            Some((user, _)) => format!("{user}:{HIDDEN}@{host}"),
            None => format!("{account}@{host}"),
        },
        _ => place.to_owned(),
    };
    let query = query.map(|query| format!("?{}", query.split('&').map(parameter).collect::<Vec<_>>().join("&")));
    format!("{scheme}{place}{}", query.unwrap_or_default())
}

/// One parameter of a query; the value of one whose name speaks of a secret is hidden.
fn parameter(parameter: &str) -> String {
    match parameter.split_once('=') {
        Some((name, _)) if ["pass", "pwd", "secret", "token"].iter().any(|word| name.to_lowercase().contains(word)) => {
            format!("{name}={HIDDEN}")
        }
        _ => parameter.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_form_of_an_address_shows_a_secret_but_the_one_that_is_asked_for_by_name() {
        for (typed, shown) in [
            ("postgres://notes:s3cret@db/notes", "postgres://notes:***@db/notes"),
            ("postgres://notes:s3c:r@et@db:5432/notes", "postgres://notes:***@db:5432/notes"),
            ("postgres://notes:s3/cret@db/notes?sslmode=disable", "postgres://notes:***@db/notes?sslmode=disable"),
            ("postgres://notes:s3?cret@db/notes", "postgres://notes:***@db/notes"),
            ("mysql://notes@db/notes?password=s3cret&x=1", "mysql://notes@db/notes?password=***&x=1"),
            ("postgres:///notes?user=a&PGPASSWORD=s3cret", "postgres:///notes?user=a&PGPASSWORD=***"),
            ("notes:s3cret@db", "notes:***@db"),
            ("postgres://notes@db/notes", "postgres://notes@db/notes"),
            ("postgres://db:5432/notes", "postgres://db:5432/notes"),
            ("sqlite:///srv/a:b@c.db?mode=ro", "sqlite:///srv/a:b@c.db?mode=ro"),
            ("", ""),
        ] {
            let address = Address::new(typed);
            assert_eq!(address.to_string(), shown);
            assert_eq!(format!("{address:?}"), format!("{shown:?}"));
            assert_eq!(serde_json::to_string(&address).unwrap(), format!("{shown:?}"));
            assert_eq!(address.reveal(), typed);
            assert_eq!(address, Address::new(shown), "what was written down is what was asked for");
        }
    }
}
