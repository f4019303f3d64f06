//! The names beside a database's own: pure.

use crate::ids::DrillId;

/// What the new content is called while it is made.
const NEW: &str = "__upkeep_new";
/// What the old content is called once it is fenced or replaced.
pub(in crate::engine) const OLD: &str = "__upkeep_old";
/// What stands between a database's own name and a drill's id in the name of its scratch.
const DRILL: &str = "__upkeep_drill_";

/// How long a name may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::engine) enum Longest {
    /// In bytes: PostgreSQL.
    Bytes(usize),
    /// In characters: MySQL and MariaDB.
    Characters(usize),
}

impl Longest {
    fn most(self) -> usize {
        match self {
            Self::Bytes(most) | Self::Characters(most) => most,
        }
    }

    fn length(self, name: &str) -> usize {
        match self {
            Self::Bytes(_) => name.len(),
            Self::Characters(_) => name.chars().count(),
        }
    }

    /// As much of the beginning of a name as `room` takes.
    fn cut(self, name: &str, room: usize) -> &str {
        let end = match self {
            Self::Bytes(_) => (0..=room.min(name.len())).rev().find(|at| name.is_char_boundary(*at)).unwrap_or(0),
            Self::Characters(_) => name.char_indices().nth(room).map_or(name.len(), |(at, _)| at),
        };
        &name[..end]
    }
}

/// A database's own name and the two beside it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::engine) struct Names {
    /// Its own.
    pub(in crate::engine) own: String,
    /// The new content's, until it has the place.
    pub(in crate::engine) new: String,
    /// The old content's, once it has left the place.
    pub(in crate::engine) old: String,
}

impl Names {
    /// The names beside `database` on a server that takes names up to `longest`.
    pub(in crate::engine) fn of(database: &str, longest: Longest) -> Self {
        Self { own: database.to_owned(), new: beside(database, NEW, longest), old: beside(database, OLD, longest) }
    }
}

/// A name beside a database's own.
fn beside(database: &str, suffix: &str, longest: Longest) -> String {
    if longest.length(database) + suffix.len() <= longest.most() {
        return format!("{database}{suffix}");
    }
    // Cut, and told apart from other long names by a digest.
    let digest = &blake3::hash(database.as_bytes()).to_hex()[..8];
    let room = longest.most() - suffix.len() - digest.len() - 1;
    format!("{}_{digest}{suffix}", longest.cut(database, room))
}

/// The name of a scratch beside `database`, for a drill of this id, which nobody can guess.
pub(in crate::engine) fn scratch_of(database: &str, id: &DrillId, longest: Longest) -> String {
    beside(database, &format!("{DRILL}{id}"), longest)
}

#[cfg(test)]
mod tests;
