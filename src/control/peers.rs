//! Who is at the other end of the socket, and what may they do.
//!
//! Owns the turn from kernel credentials (`SO_PEERCRED`) to a [`Role`]. Users and groups come from `/etc/passwd` and
//! `/etc/group`; a configured or connecting name that is not in them is asked of `getent`, which knows LDAP and friends.
//! Invariants: root and the daemon's own user are always operators; who is not listed is a stranger; a name that resolves to
//! nothing lets nobody in. Held by the tests beside this file and by `tests/it/control.rs`.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::config::{Control, Principal};
use crate::process::Command;

/// `getent` may ask a directory server; a connection does not wait longer than this for it.
const GETENT_DEADLINE: Duration = Duration::from_secs(2);

/// What a peer may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Nothing.
    Stranger,
    /// Read.
    Observer,
    /// Read and act.
    Operator,
}

/// The kernel's word on who connected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Credentials {
    /// Effective user.
    pub uid: u32,
    /// Effective group.
    pub gid: u32,
}

/// A peer, known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peer {
    /// What it may do.
    pub role: Role,
    /// Its user's name, or its number where there is no name.
    pub name: String,
}

/// The host's users and groups, in the form of `/etc/passwd` and `/etc/group`.
#[derive(Debug, Clone, Default)]
pub struct Accounts {
    passwd: String,
    group: String,
}

/// Who a peer is, under these settings. `own` is the daemon's own user.
pub async fn identify(credentials: Credentials, control: &Control, own: u32) -> Peer {
    let accounts = Accounts::of_host(credentials, control).await;
    let name = accounts.user_name(credentials.uid).map_or_else(|| credentials.uid.to_string(), str::to_owned);
    Peer { role: accounts.role(credentials, control, own), name }
}

impl Accounts {
    /// From the texts of the two files.
    #[must_use]
    pub fn new(passwd: String, group: String) -> Self {
        Self { passwd, group }
    }

    async fn of_host(credentials: Credentials, control: &Control) -> Self {
        // A host without these files is asked through getent alone.
        let read = |path| std::fs::read_to_string(path).unwrap_or_default();
        let mut accounts = Self::new(read("/etc/passwd"), read("/etc/group"));
        if credentials.uid == 0 {
            return accounts;
        }
        let mut unknown = Vec::new();
        if accounts.user_name(credentials.uid).is_none() {
            unknown.push(("passwd", credentials.uid.to_string()));
        }
        for principal in control.observers.iter().chain(&control.operators) {
            match principal {
                Principal::User(name) if accounts.uid(name).is_none() => unknown.push(("passwd", name.clone())),
                Principal::Group(name) if accounts.gid(name).is_none() => unknown.push(("group", name.clone())),
                _ => {}
            }
        }
        for (database, name) in unknown {
            // No getent, no answer, or no such name: then nobody is let in by that name.
            let answer = Command::new(&["getent", "--", database, &name], GETENT_DEADLINE).run().await;
            if let Some(answer) = answer.ok().filter(crate::process::Finished::success) {
                let text = if database == "passwd" { &mut accounts.passwd } else { &mut accounts.group };
                text.push('\n');
                text.push_str(&answer.stdout);
            }
        }
        accounts
    }

    /// What a peer may do.
    #[must_use]
    pub fn role(&self, credentials: Credentials, control: &Control, own: u32) -> Role {
        if credentials.uid == 0 || credentials.uid == own {
            return Role::Operator;
        }
        let groups = self.groups(credentials);
        let listed = |list: &[Principal]| {
            list.iter().any(|principal| match principal {
                Principal::User(name) => self.uid(name) == Some(credentials.uid),
                Principal::Group(name) => self.gid(name).is_some_and(|gid| groups.contains(&gid)),
            })
        };
        match (listed(&control.operators), listed(&control.observers)) {
            (true, _) => Role::Operator,
            (false, true) => Role::Observer,
            (false, false) => Role::Stranger,
        }
    }

    fn user_name(&self, uid: u32) -> Option<&str> {
        let uid = uid.to_string();
        lines(&self.passwd).find(|fields| fields.get(2) == Some(&uid.as_str())).and_then(|fields| fields.first().copied())
    }

    fn uid(&self, name: &str) -> Option<u32> {
        number(name).or_else(|| third(&self.passwd, name))
    }

    fn gid(&self, name: &str) -> Option<u32> {
        number(name).or_else(|| third(&self.group, name))
    }

    /// The groups of a peer: the one it came with, its user's own, and all that list the user. The kernel tells only the
    /// first; a process that has dropped a group still counts as its user's.
    fn groups(&self, credentials: Credentials) -> BTreeSet<u32> {
        let mut groups = BTreeSet::from([credentials.gid]);
        let uid = credentials.uid.to_string();
        for user in lines(&self.passwd).filter(|fields| fields.get(2) == Some(&uid.as_str())) {
            groups.extend(user.get(3).and_then(|gid| gid.parse::<u32>().ok()));
            let member = |fields: &Vec<&str>| {
                fields.get(3).is_some_and(|members| members.split(',').any(|name| user.first() == Some(&name.trim())))
            };
            groups.extend(lines(&self.group).filter(member).filter_map(|fields| fields.get(2)?.parse::<u32>().ok()));
        }
        groups
    }
}

fn lines(text: &str) -> impl Iterator<Item = Vec<&str>> {
    text.lines().filter(|line| !line.starts_with('#')).map(|line| line.split(':').collect())
}

/// The number in the third field of the line of a name: the uid in passwd, the gid in group.
fn third(text: &str, name: &str) -> Option<u32> {
    lines(text).find(|fields| fields.first() == Some(&name))?.get(2)?.parse().ok()
}

fn number(text: &str) -> Option<u32> {
    text.parse().ok()
}

#[cfg(test)]
mod tests;
