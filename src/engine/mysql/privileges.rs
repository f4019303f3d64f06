//! What the account may do, read from `SHOW GRANTS`: managed servers are less than truthful in `information_schema`.
//!
//! Decides nothing but what must not be missing: tables, triggers and events that an account may not see are not listed for it
//! either, so that a dump without the privilege on the whole database could silently lack some. Such a dump is refused.

mod patterns;

use std::collections::BTreeMap;

use super::super::EngineError;
use super::connect::{Session, quote};
use super::definer::quoted_length;
pub(super) use patterns::Choice;
pub(super) use patterns::is_like;
use patterns::{ALL, Privileges, chosen};

/// Privileges on one database, whether granted on it or on all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Grants {
    all: Privileges,
    here: Privileges,
    revoked: Privileges,
}

/// Whose a grant is. A server chooses among the patterns of each, and adds up what it found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Holder {
    Account,
    /// The active role of MariaDB with those that it brings along.
    Role,
    /// MariaDB's `PUBLIC`.
    Everybody,
}

impl Grants {
    /// Asks.
    pub(super) async fn read(session: &mut Session) -> Result<Self, EngineError> {
        let database = session.place().database.clone();
        Self::read_for(session, &database).await
    }

    /// The same for another database of the server.
    pub(super) async fn read_for(session: &mut Session, database: &str) -> Result<Self, EngineError> {
        let doing = "read the account's privileges";
        let (mut sql, mut choice) = ("SHOW GRANTS".to_owned(), Choice::FewestNames);
        if !session.version.is_mariadb() {
            choice = Choice::FirstWildcard;
            // MySQL leaves out what active roles give unless they are named.
            let roles = session.text(doing, "SELECT CURRENT_ROLE()").await?.unwrap_or_default();
            if !roles.is_empty() && roles != "NONE" {
                sql = format!("SHOW GRANTS FOR CURRENT_USER() USING {roles}");
                choice = Choice::Together;
            }
        }
        if let Some(ask) = session.version.takes_grants_literally()
            && session.number(doing, ask).await? == 1
        {
            choice = Choice::Names;
        }
        let lines = session.texts(doing, &sql).await?.into_iter().filter_map(|row| row.into_iter().next().flatten());
        Ok(Self::of(lines, database, choice))
    }

    /// Reads the lines that `SHOW GRANTS` gives.
    pub(super) fn of(lines: impl Iterator<Item = String>, database: &str, choice: Choice) -> Self {
        let mut grants = Self::default();
        let mut on_patterns: BTreeMap<Holder, BTreeMap<String, Privileges>> = BTreeMap::new();
        for line in lines {
            let (verb, rest) = line.split_once(' ').unwrap_or((&line, ""));
            let Some((privileges, object)) = rest.split_once(" ON ") else { continue };
            let into = match (verb, pattern_of(object)) {
                ("GRANT", None) if object.starts_with("*.*") => &mut grants.all,
                ("GRANT", Some((pattern, holder))) => on_patterns.entry(holder).or_default().entry(pattern).or_default(),
                ("REVOKE", Some((pattern, _))) if pattern == database || is_like(&pattern, database) => &mut grants.revoked,
                _ => continue,
            };
            into.extend(privileges.split(',').map(|privilege| privilege.trim().to_ascii_uppercase()));
        }
        grants.here = on_patterns.values().flat_map(|patterns| chosen(patterns, database, choice)).collect();
        grants
    }

    /// Whether a privilege is there for the database, or for the server if it is one of those.
    pub(super) fn allow(&self, privilege: &str) -> bool {
        let given = |set: &Privileges| set.contains(ALL) || set.contains(privilege);
        (given(&self.here) || given(&self.all)) && !given(&self.revoked)
    }

    /// Whether it is there for everything on the server.
    pub(super) fn allow_everywhere(&self, privilege: &str) -> bool {
        self.all.contains(ALL) || self.all.contains(privilege)
    }

    /// Refuses when something of the database could be hidden from us.
    pub(super) fn demand_sight(&self, session: &Session) -> Result<(), EngineError> {
        let sights = [
            ("SELECT", "read every table"),
            ("SHOW VIEW", "read the definition of every view"),
            ("TRIGGER", "see every trigger"),
            ("EVENT", "see every event"),
        ];
        let missing: Vec<_> = sights.iter().filter(|(privilege, _)| !self.allow(privilege)).collect();
        let Some((_, what)) = missing.first() else { return Ok(()) };
        let place = session.place();
        let names = missing.iter().map(|(privilege, _)| *privilege).collect::<Vec<_>>().join(", ");
        Err(EngineError::Privilege {
            user: place.user().to_owned(),
            what: format!("{what} of database {}", place.database),
            grant: format!("GRANT {names} ON {}.* TO {};", quote(&place.database), place.grantee()),
        })
    }

    /// What would show the sessions of other accounts, if it is not given.
    pub(super) fn blind_to_sessions(&self, session: &Session) -> Option<String> {
        let grant = || format!("GRANT PROCESS ON *.* TO {};", session.place().grantee());
        (!self.allow_everywhere("PROCESS")).then(grant)
    }

    /// What would show every routine, if it is not given: those of others are not listed at all.
    pub(super) fn blind_to_routines(&self, session: &Session) -> Option<String> {
        let own = session.version.routine_privilege();
        // MySQL's is a privilege on the whole server, which all privileges on a database do not include.
        let gives =
            |privilege| if session.version.is_mariadb() { self.allow(privilege) } else { self.allow_everywhere(privilege) };
        let sees = self.allow_everywhere("SELECT") || own.is_some_and(gives);
        if sees {
            return None;
        }
        let grantee = session.place().grantee();
        Some(match own {
            Some(privilege) if session.version.is_mariadb() => {
                format!("GRANT {privilege} ON {}.* TO {grantee};", quote(&session.place().database))
            }
            Some(privilege) => format!("GRANT {privilege} ON *.* TO {grantee};"),
            None => format!("GRANT SELECT ON *.* TO {grantee};"),
        })
    }
}

/// The name or pattern of names, and whose the grant is, where the object of a grant is the whole of a database: `` `shop`.* TO … ``.
fn pattern_of(object: &str) -> Option<(String, Holder)> {
    let length = quoted_length(object).filter(|_| object.starts_with('`'))?;
    let whose = object[length..].strip_prefix(".* ")?;
    let (_, whose) = whose.split_once(' ')?;
    let holder = match quoted_length(whose) {
        Some(name) if !whose[name..].starts_with('@') => Holder::Role,
        None if whose.starts_with("PUBLIC") => Holder::Everybody,
        _ => Holder::Account,
    };
    Some((object[1..length - 1].replace("``", "`"), holder))
}

#[cfg(test)]
mod tests;
