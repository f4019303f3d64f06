//! What went wrong with a database, what is still safe then, and what to do next.

use serde::{Deserialize, Serialize};

use crate::archive::ArchiveError;
use crate::failure::{Chain, Class, Explain};
use crate::pen::human::size;
use crate::process::memory::{Bound, Room};
use crate::shape::Shape;
use crate::tls::TlsError;

/// One table that is not what the manifest says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mismatch {
    /// The table.
    pub table: String,
    /// Rows expected and found.
    pub rows: (u64, u64),
    /// Checksums expected and found.
    pub checksum: (String, String),
}

/// What went wrong with a database.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// No connection.
    #[error("cannot connect to {location}")]
    Connect {
        /// Where.
        location: String,
        /// The cause.
        source: sqlx::Error,
    },
    /// The server is there and lets us in no further, for a reason that is not the password.
    #[error("cannot connect to {location}: {why}")]
    TurnedAway {
        /// Where.
        location: String,
        /// The reason.
        why: String,
        /// What to do about it.
        hint: String,
        /// What kind of failure it is.
        class: Class,
        /// The cause, where the server gave one.
        source: Option<sqlx::Error>,
    },
    /// What answers at the address lends its backends to several clients.
    #[error("{location} is a connection pooler and not the server itself{}", said.as_ref().map(|said| format!(" (`{said}`)")).unwrap_or_default())]
    Pooler {
        /// Where.
        location: String,
        /// Its words, where it had any.
        said: Option<String>,
    },
    /// The server said no to who we are.
    #[error("{location} refuses user `{user}`")]
    Refused {
        /// Where.
        location: String,
        /// As whom.
        user: String,
        /// The cause.
        source: sqlx::Error,
    },
    /// A privilege is missing.
    #[error("user `{user}` may not {what}")]
    Privilege {
        /// Who.
        user: String,
        /// What (`read table app.secrets`).
        what: String,
        /// The statement that would help (`GRANT SELECT ON …`).
        grant: String,
    },
    /// The connection broke, or the server went away.
    #[error("lost the connection to {location}: cannot {doing}")]
    Lost {
        /// Where.
        location: String,
        /// What was being done.
        doing: String,
        /// The cause.
        source: sqlx::Error,
    },
    /// A statement failed.
    #[error("cannot {doing}")]
    Sql {
        /// What was being done, with its nouns.
        doing: String,
        /// The cause.
        source: sqlx::Error,
    },
    /// The server has no room for the locks that are needed.
    #[error("cannot {doing}: the server has no room for so many locks{}", is.map(|is| format!(" (`max_locks_per_transaction` is {is})")).unwrap_or_default())]
    NoLocks {
        /// What was being done, with its nouns.
        doing: String,
        /// What the setting is, where that is known.
        is: Option<u64>,
        /// What it should be, likewise.
        wanted: Option<u64>,
    },
    /// A row is too large for the memory there is, whatever else takes some.
    #[error("cannot hold {row} in memory: it takes {}, and there is room for {}", size(*needed), size(room.bytes))]
    NoMemory {
        /// Which, with its table.
        row: String,
        /// Bytes it takes at the most.
        needed: u64,
        /// What there is.
        room: Room,
    },
    /// Others have the memory that a row takes.
    #[error("cannot hold {row} in memory now: it takes {}, and {}", size(*needed), room.map_or_else(|| "another large row, whose turn it is, does not move on".to_owned(), |room| format!("there is room for {}", size(room.bytes))))]
    NoMemoryNow {
        /// Which, with its table.
        row: String,
        /// Bytes it takes at the most.
        needed: u64,
        /// What is left; none where another large row did not end.
        room: Option<Room>,
    },
    /// The archive is not one this database can take.
    #[error("archive does not fit: {0}")]
    Unfit(String),
    /// What was asked for by name is not in the archive, or not by that name alone.
    #[error("{what}")]
    NoSuchTable {
        /// What, with its nouns.
        what: String,
        /// What there is.
        hint: String,
    },
    /// The database holds something a dump or load cannot be exact about.
    #[error("{what}")]
    Inexact {
        /// What, with its nouns.
        what: String,
        /// What to do about it.
        hint: String,
    },
    /// A database file that cannot be read as one.
    #[error("{what}")]
    Unreadable {
        /// What, with its nouns.
        what: String,
        /// What to do about it.
        hint: String,
    },
    /// A file is another user's, or in a place where others decide what happens to it.
    #[error("{what}")]
    NotOurs {
        /// What, with its nouns.
        what: String,
        /// What to do about it.
        hint: String,
    },
    /// A crash of whoever writes to it left a database in the middle of a transaction.
    #[error("{what}")]
    Unfinished {
        /// What, with its nouns.
        what: String,
        /// Who ends it.
        hint: String,
    },
    /// Somebody changes the schema: this looked at two of its states.
    #[error("cannot {doing}: the schema was changed in the meantime")]
    Moved {
        /// What was not done, completing "cannot …".
        doing: String,
    },
    /// The schema is another than it was when it was said whose data this is.
    #[error("cannot say whose data it is: the schema was changed since it was looked at")]
    OtherShape(Box<Shape>),
    /// A program that only the database's vendor has is not on this host.
    #[error("there is no {program} on this host")]
    NoProgram {
        /// Which, with its version.
        program: String,
        /// How to get it.
        hint: String,
    },
    /// After the load the content is not the manifest's.
    #[error("{} of the loaded tables differ from the archive, the first is {}", .0.len(), .0.first().map_or("?", |m| m.table.as_str()))]
    Differs(Vec<Mismatch>),
    /// Somebody else is using the database.
    #[error("{location} is in use by {}", sessions.join("; "))]
    InUse {
        /// Where.
        location: String,
        /// The sessions.
        sessions: Vec<String>,
    },
    /// Other nodes of a cluster take writes to the same database, and nothing that is done on one node keeps their clients out.
    #[error("{location} is on {nodes}, and clients of the other nodes cannot be kept from writing while it is replaced")]
    Cluster {
        /// Where.
        location: String,
        /// What cluster, with its nodes.
        nodes: String,
    },
    /// What was to be replaced had changed since it was archived, and could not be archived again.
    #[error("{location} has changed since it was archived, and cannot be archived again before it is replaced")]
    NotKept {
        /// Where.
        location: String,
        /// The cause.
        source: super::NotKept,
    },
    /// Somebody wrote to what was to be replaced as empty.
    #[error("{location} holds rows now (table {table}), but was expected to hold none")]
    Filled {
        /// Where.
        location: String,
        /// The first such table.
        table: String,
    },
    /// The archive could not be read or written.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// A helper program failed.
    #[error(transparent)]
    Process(#[from] crate::process::ProcessError),
    /// A file operation failed.
    #[error(transparent)]
    Durable(#[from] crate::durable::DurableError),
    /// A worker ended without an answer.
    #[error("a worker ended without an answer while {0}")]
    Worker(String),
}

/// What to look at where there is no connection. A server that answered is running.
pub(crate) fn unreached(location: &str, source: &sqlx::Error) -> String {
    if location.starts_with("sqlite:") {
        return "does the file exist, and may this user read it and enter its directory?".to_owned();
    }
    match source.as_database_error() {
        Some(_) => format!(
            "the server answered, and its words above are the cause: is {location} the right address, with the right database?"
        ),
        None => format!("is the server running, and is {location} its address?"),
    }
}

/// The way out where a pooler answers.
pub(crate) const POOLER_HINT: &str = "in `[targets.T.database]`, name the server's own address and not the pooler's: mostly port 5432, or the \
    directory of its socket (`postgres://USER@localhost/DATABASE?host=/run/postgresql`). What is set in a session through a pooler is met by \
    its other clients";

/// What gives a row of so many bytes room: the setting that bounds it, or the host.
fn more_memory(needed: u64, bound: Bound) -> String {
    // Beside the row the daemon itself, and whatever else it is at.
    let gigabytes = (needed + (256 << 20)).div_ceil(1 << 30);
    match bound {
        Bound::Group => format!(
            "raise `MemoryMax` of the unit: `systemctl edit upkeepd`, [Service], MemoryMax={gigabytes}G (docs/host.md, Memory); where \
             another control group bounds it, that one's"
        ),
        Bound::Limit => format!(
            "raise the limit of the process to {gigabytes} GB: `LimitDATA` and `LimitAS` of the unit, or `ulimit -d` and `ulimit -v` in a shell"
        ),
        Bound::Host => format!("the host itself has no more: free {gigabytes} GB of memory, or add swap"),
    }
}

/// What PostgreSQL says of itself and not of what it was told: no room, memory or connections, an administrator, its disk, a conflict between sessions.
const TROUBLED_STATES: [&str; 5] = ["40", "53", "54", "57", "58"];

/// The same of MySQL and MariaDB: a full disk, errors of files, memory, deadlocks, full tables, and what the engine below them failed with.
const TROUBLED_NUMBERS: [u16; 12] = [3, 1021, 1026, 1030, 1037, 1038, 1041, 1114, 1135, 1180, 1205, 1213];

/// And of SQLite: no memory, an error of the file, a full disk.
const TROUBLED_CODES: [i32; 3] = [7, 10, 13];

/// Of SQLite's extended codes the last byte is what they extend.
fn is_troubled_file(code: &str) -> bool {
    code.parse::<i32>().is_ok_and(|code| TROUBLED_CODES.contains(&(code & 0xff)))
}

fn is_troubled_state(code: &str) -> bool {
    TROUBLED_STATES.iter().any(|class| code.starts_with(class))
}

impl EngineError {
    /// Whether the server failed by what it lacks, or this process did, so that it says nothing of what was loaded.
    #[must_use]
    pub fn is_the_servers_trouble(&self) -> bool {
        let Self::Sql { source, .. } = self else { return matches!(self, Self::NoMemory { .. } | Self::NoMemoryNow { .. }) };
        let Some(said) = source.as_database_error() else { return false };
        if let Some(said) = said.try_downcast_ref::<sqlx::mysql::MySqlDatabaseError>() {
            return TROUBLED_NUMBERS.contains(&said.number());
        }
        let code = said.code().unwrap_or_default();
        match said.try_downcast_ref::<sqlx::sqlite::SqliteError>() {
            Some(_) => is_troubled_file(&code),
            None => is_troubled_state(&code),
        }
    }

    /// There is no connection, for there is no TLS as it was asked for.
    pub(super) fn untrusted(location: String, refusal: &TlsError) -> Self {
        let (why, hint) = (Chain(refusal).to_string(), refusal.hints().join("; "));
        Self::TurnedAway { location, why, hint, class: refusal.class(), source: None }
    }
}

impl Explain for EngineError {
    fn class(&self) -> Class {
        match self {
            Self::Connect { .. } | Self::Lost { .. } | Self::NoProgram { .. } | Self::NoLocks { .. } => Class::Unavailable,
            Self::TurnedAway { class, .. } => *class,
            Self::Pooler { .. } => Class::Config,
            Self::NoSuchTable { .. } => Class::NoInput,
            Self::NoMemoryNow { .. } => Class::OsError,
            Self::Refused { .. } | Self::Privilege { .. } | Self::NotOurs { .. } => Class::NoPermission,
            Self::Sql { .. }
            | Self::NoMemory { .. }
            | Self::Unfit(_)
            | Self::Inexact { .. }
            | Self::Unreadable { .. }
            | Self::Differs(_) => Class::Data,
            Self::InUse { .. }
            | Self::Cluster { .. }
            | Self::Moved { .. }
            | Self::OtherShape(_)
            | Self::Filled { .. }
            | Self::Unfinished { .. } => Class::TempFail,
            Self::NotKept { source, .. } => source.class(),
            Self::Archive(error) => error.class(),
            Self::Process(error) => error.class(),
            Self::Durable(error) => error.class(),
            Self::Worker(_) => Class::Software,
        }
    }

    fn safe(&self) -> Option<String> {
        match self {
            Self::Archive(error) => error.safe(),
            Self::Durable(error) => error.safe(),
            Self::NotKept { .. } | Self::Filled { .. } => {
                Some("the old content is still in place and open to everybody as before".to_owned())
            }
            Self::NotOurs { .. } | Self::Unfinished { .. } | Self::Pooler { .. } | Self::Cluster { .. } => {
                Some("nothing was changed".to_owned())
            }
            Self::NoMemory { .. } | Self::NoMemoryNow { .. } => {
                Some("nothing was published and nothing replaced; sealed archives are untouched".to_owned())
            }
            Self::Lost { .. } => Some("nothing half-done was published; sealed archives are untouched".to_owned()),
            _ => None,
        }
    }

    fn hints(&self) -> Vec<String> {
        match self {
            Self::Pooler { .. } => vec![POOLER_HINT.to_owned()],
            Self::Connect { location, source } => vec![unreached(location, source)],
            Self::NoLocks { wanted, .. } => vec![match wanted {
                Some(wanted) => format!(
                    "as a superuser: ALTER SYSTEM SET max_locks_per_transaction = {wanted}; then restart the database server"
                ),
                None => "as a superuser raise `max_locks_per_transaction` (ALTER SYSTEM SET), to twice what it is at first; then restart the database server".to_owned(),
            }],
            Self::Refused { location, source, .. } => {
                let mut hints = vec!["check `password_file` and the user in `[targets.T.database]`".to_owned()];
                if location.starts_with("mysql:") {
                    let tls = "an account that requires TLS is refused the same way: if the `url` does not demand it yet, set ssl-mode=REQUIRED, and for REQUIRE X509 \
                        ssl-cert and ssl-key as well";
                    hints.push(tls.to_owned());
                }
                let said = source.to_string();
                if said.contains("no encryption") || said.contains("SSL off") {
                    hints.push("the server accepts this account only over TLS: set sslmode=require in the `url`, or better verify-full".to_owned());
                }
                if said.contains("client certificate") {
                    hints.push("the server requires a client certificate: set sslcert and sslkey in the `url`".to_owned());
                }
                hints
            }
            Self::NoMemory { needed, room, .. } => vec![more_memory(*needed, room.bound)],
            Self::NoMemoryNow { needed, room: Some(room), .. } => {
                vec!["wait until other jobs are over, then try again".to_owned(), more_memory(*needed, room.bound)]
            }
            Self::NoMemoryNow { room: None, .. } => vec!["see with `upkeep status` which other job does not move on".to_owned()],
            Self::Privilege { grant, .. } => vec![format!("as the owner of the database: {grant}")],
            Self::Inexact { hint, .. }
            | Self::NoSuchTable { hint, .. }
            | Self::TurnedAway { hint, .. }
            | Self::NoProgram { hint, .. }
            | Self::NotOurs { hint, .. }
            | Self::Unreadable { hint, .. }
            | Self::Unfinished { hint, .. } => vec![hint.clone()],
            Self::InUse { .. } => vec!["stop the server and close other sessions, then try again".to_owned()],
            Self::Cluster { .. } => vec![
                "stop the database server on the other nodes, then try again; start them afterwards, and they take over what stands here".to_owned(),
            ],
            Self::Moved { .. } | Self::OtherShape(_) => vec!["wait until the migration or deployment is over, then try again".to_owned()],
            Self::Lost { .. } => vec!["look at the database server's own log, then try again".to_owned()],
            Self::NotKept { source, .. } => source.hints(),
            Self::Filled { .. } => vec!["make sure that nobody uses it, then try again: what it holds is archived first".to_owned()],
            Self::Archive(error) => error.hints(),
            Self::Process(error) => error.hints(),
            Self::Durable(error) => error.hints(),
            _ => Vec::new(),
        }
    }

    fn transient(&self) -> bool {
        match self {
            Self::NotKept { source, .. } => source.transient(),
            Self::TurnedAway { class, .. } => *class == Class::TempFail,
            _ => matches!(
                self,
                Self::Connect { .. }
                    | Self::Lost { .. }
                    | Self::NoMemoryNow { .. }
                    | Self::InUse { .. }
                    | Self::Cluster { .. }
                    | Self::Moved { .. }
                    | Self::OtherShape(_)
                    | Self::Filled { .. }
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_server_lacks_is_told_from_what_it_was_given() {
        // disk_full, out_of_memory, query_canceled, deadlock_detected, io_error; then syntax, unique, undefined table, data.
        for (state, troubled) in [("53100", true), ("53200", true), ("57014", true), ("40P01", true), ("58030", true)]
            .into_iter()
            .chain([("42601", false), ("23505", false), ("42P01", false), ("22P02", false)])
        {
            assert_eq!(is_troubled_state(state), troubled, "{state}");
        }
        // SQLITE_FULL, SQLITE_IOERR_WRITE; then SQLITE_CORRUPT and a constraint.
        for (code, troubled) in [("13", true), ("778", true), ("11", false), ("1555", false)] {
            assert_eq!(is_troubled_file(code), troubled, "{code}");
        }
    }
}
