//! Who is at the other end of the socket, and what may they do.
//!
//! Owns the turn from kernel credentials (`SO_PEERCRED`) to a [`Role`]. Users and groups come from `/etc/passwd` and
//! `/etc/group`; a configured or connecting name that is not in them is asked of `getent`, which knows LDAP and friends.
//! Invariants: root and the daemon's own user are always operators, and nothing is looked up for them; who is not listed is a
//! stranger; a name that resolves to nothing lets nobody in; a directory server is asked for the same name once in a while,
//! however often somebody connects. Held by the tests beside this file and by `tests/it/control.rs`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Semaphore;

use crate::config::{Control, Principal};
use crate::process::Command;

/// `getent` may ask a directory server; a connection does not wait longer than this for it.
const GETENT_DEADLINE: Duration = Duration::from_secs(2);

/// How many `getent` run at once. What waits for them is a connection of somebody who is neither root nor ourselves.
const GETENTS: usize = 4;

/// How long an answer of `getent` is believed, and how long none is: a directory server that is slow or gone is not asked at
/// every connection, and whoever was put into a group is let in within the minute.
const BELIEVED: Duration = Duration::from_secs(60);

/// How many answers are remembered: every name in the configuration, and more users than have business here.
const REMEMBERED: usize = 512;

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
    /// Whether it is root or the daemon's own user.
    pub own: bool,
}

/// The host's users and groups, in the form of `/etc/passwd` and `/etc/group`.
#[derive(Debug, Clone, Default)]
pub struct Accounts {
    passwd: String,
    group: String,
}

/// A database of `getent` and what is asked of it.
type Question = (&'static str, String);

/// Knows peers, and what was lately looked up of them.
#[derive(Debug)]
pub struct Judge {
    /// The daemon's own user.
    own: u32,
    /// The program that knows accounts which are in no file.
    getent: String,
    answers: Mutex<BTreeMap<Question, (Instant, String)>>,
    getents: Semaphore,
}

impl Judge {
    /// For a daemon of this user.
    #[must_use]
    pub fn new(own: u32) -> Self {
        Self::asking(own, "getent")
    }

    /// The same with another program in the place of `getent`.
    #[must_use]
    pub fn asking(own: u32, getent: &str) -> Self {
        Self { own, getent: getent.to_owned(), answers: Mutex::default(), getents: Semaphore::new(GETENTS) }
    }

    /// Whether a peer is root or the daemon's own user: nobody needs to be asked about those.
    #[must_use]
    pub fn ours(&self, credentials: Credentials) -> bool {
        credentials.uid == 0 || credentials.uid == self.own
    }

    /// Who a peer is, under these settings.
    pub async fn identify(&self, credentials: Credentials, control: &Control) -> Peer {
        let mut accounts = Accounts::of_files();
        // Nothing that could be looked up makes more of an operator.
        if accounts.role(credentials, control, self.own) != Role::Operator {
            for question in accounts.unknown(credentials, control) {
                let answer = self.looked_up(&question).await;
                accounts.add(question.0, &answer);
            }
        }
        let name = accounts.user_name(credentials.uid).map_or_else(|| credentials.uid.to_string(), str::to_owned);
        Peer { role: accounts.role(credentials, control, self.own), name, own: self.ours(credentials) }
    }

    /// A user's name, or its number where it has none.
    pub async fn name_of(&self, uid: u32) -> String {
        let mut accounts = Accounts::of_files();
        if accounts.user_name(uid).is_none() {
            accounts.add("passwd", &self.looked_up(&("passwd", uid.to_string())).await);
        }
        accounts.user_name(uid).map_or_else(|| uid.to_string(), str::to_owned)
    }

    /// The line of a name in one of the databases, or nothing.
    async fn looked_up(&self, question: &Question) -> String {
        if let Some(known) = self.remembered(question) {
            return known;
        }
        // The semaphore is never closed.
        let _one_of_few = self.getents.acquire().await;
        // Whoever waited here may have waited for the very answer.
        if let Some(known) = self.remembered(question) {
            return known;
        }
        // No getent, no answer in time, or no such name: then nobody is let in by that name.
        let asked = Command::new(&[self.getent.as_str(), "--", question.0, &question.1], GETENT_DEADLINE).run().await;
        let answer = asked.ok().filter(crate::process::Finished::success).map(|found| found.stdout).unwrap_or_default();
        let mut answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        if answers.len() >= REMEMBERED {
            answers.retain(|_, (at, _)| at.elapsed() < BELIEVED);
        }
        if answers.len() < REMEMBERED {
            answers.insert(question.clone(), (Instant::now(), answer.clone()));
        }
        answer
    }

    fn remembered(&self, question: &Question) -> Option<String> {
        let answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        answers.get(question).filter(|(at, _)| at.elapsed() < BELIEVED).map(|(_, answer)| answer.clone())
    }
}

impl Accounts {
    /// From the texts of the two files.
    #[must_use]
    pub fn new(passwd: String, group: String) -> Self {
        Self { passwd, group }
    }

    fn of_files() -> Self {
        // A host without these files is asked through getent alone.
        let read = |path| std::fs::read_to_string(path).unwrap_or_default();
        Self::new(read("/etc/passwd"), read("/etc/group"))
    }

    /// What the files do not say and what matters for this peer.
    fn unknown(&self, credentials: Credentials, control: &Control) -> Vec<Question> {
        let accounts = self;
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
        unknown
    }

    fn add(&mut self, database: &str, lines: &str) {
        let text = if database == "passwd" { &mut self.passwd } else { &mut self.group };
        text.push('\n');
        text.push_str(lines);
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
