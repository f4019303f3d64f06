//! What the account may do, read from `SHOW GRANTS`: managed servers are less than truthful in `information_schema`.
//!
//! Decides nothing but what must not be missing: tables, triggers and events that an account may not see are not listed for it
//! either, so that a dump without the privilege on the whole database could silently lack some. Such a dump is refused.

use std::collections::BTreeSet;

use super::super::EngineError;
use super::connect::{Session, quote};

/// Privileges on one database, whether granted on it or on all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Grants {
    all: BTreeSet<String>,
    here: BTreeSet<String>,
    revoked: BTreeSet<String>,
}

/// Everything.
const ALL: &str = "ALL PRIVILEGES";

impl Grants {
    /// Asks.
    pub(super) async fn read(session: &mut Session) -> Result<Self, EngineError> {
        let doing = "read the account's privileges";
        let database = session.place().database.clone();
        let mut sql = "SHOW GRANTS".to_owned();
        if !session.version.is_mariadb() {
            // MySQL leaves out what active roles give unless they are named.
            let roles = session.text(doing, "SELECT CURRENT_ROLE()").await?.unwrap_or_default();
            if !roles.is_empty() && roles != "NONE" {
                sql = format!("SHOW GRANTS FOR CURRENT_USER() USING {roles}");
            }
        }
        let lines = session.texts(doing, &sql).await?.into_iter().filter_map(|row| row.into_iter().next().flatten());
        Ok(Self::of(lines, &database))
    }

    /// Reads the lines that `SHOW GRANTS` gives.
    pub(super) fn of(lines: impl Iterator<Item = String>, database: &str) -> Self {
        let mut grants = Self::default();
        for line in lines {
            let (verb, rest) = line.split_once(' ').unwrap_or((&line, ""));
            let Some((privileges, object)) = rest.split_once(" ON ") else { continue };
            let into = match verb {
                "GRANT" if object.starts_with("*.*") => &mut grants.all,
                "GRANT" if is_on(object, database) => &mut grants.here,
                "REVOKE" if is_on(object, database) => &mut grants.revoked,
                _ => continue,
            };
            into.extend(privileges.split(',').map(|privilege| privilege.trim().to_ascii_uppercase()));
        }
        grants
    }

    /// Whether a privilege is there for the database, or for the server if it is one of those.
    pub(super) fn allow(&self, privilege: &str) -> bool {
        let given = |set: &BTreeSet<String>| set.contains(ALL) || set.contains(privilege);
        given(&self.here) || (given(&self.all) && !given(&self.revoked))
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

    /// What would show every routine, if it is not given: those of others are not listed at all.
    pub(super) fn blind_to_routines(&self, session: &Session) -> Option<String> {
        let own = session.version.routine_privilege();
        let sees = self.allow_everywhere("SELECT") || own.is_some_and(|privilege| self.allow(privilege));
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

/// Whether the object of a grant is the whole of a database: `` `shop`.* ``, or a pattern of names.
fn is_on(object: &str, database: &str) -> bool {
    let Some(rest) = object.strip_prefix('`') else { return false };
    let Some((pattern, _)) = rest.split_once("`.* ") else { return false };
    matches(&pattern.replace("``", "`").chars().collect::<Vec<_>>(), &database.chars().collect::<Vec<_>>())
}

/// SQL's `LIKE`, as grants use it.
fn matches(pattern: &[char], name: &[char]) -> bool {
    match pattern {
        [] => name.is_empty(),
        ['\\', literal, pattern @ ..] => name.first() == Some(literal) && matches(pattern, &name[1..]),
        ['%', pattern @ ..] => (0..=name.len()).any(|skipped| matches(pattern, &name[skipped..])),
        ['_', pattern @ ..] => !name.is_empty() && matches(pattern, &name[1..]),
        [literal, pattern @ ..] => name.first() == Some(literal) && matches(pattern, &name[1..]),
    }
}

#[cfg(test)]
mod tests;
