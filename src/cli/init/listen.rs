//! Which database servers listen on this host, and where.
//!
//! Owns the looking: at the sockets that the kernel lists, at the usual places of sockets, at ports. A socket counts when somebody answers there;
//! nothing is sent. Whose a port is, root sees of every process and anybody else of his own.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use futures_util::future::join_all;
use serde::Serialize;

/// Where sockets of database servers are, unless somebody says otherwise.
const PLACES: [&str; 5] = ["/run/postgresql", "/run/mysqld", "/run/mysql", "/var/lib/mysql", "/tmp"];

/// Ordinary users begin here (login.defs, `UID_MIN`); below are those of the host's own services.
const ORDINARY: u32 = 1000;

/// A server that does not let anybody knock within this time is none to log in to.
const KNOCK_WITHIN: Duration = Duration::from_secs(2);

/// What the programs of database servers are called.
const PROGRAMS: [(&str, &str); 4] =
    [("postgres", "postgres"), ("postmaster", "postgres"), ("mysqld", "mysql"), ("mariadbd", "mysql")];

/// The state of a line in `/proc/net/tcp` that listens.
const LISTENS: &str = "0A";

/// A database server that listens.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Listener {
    /// As a URL begins (`postgres`).
    pub(super) scheme: &'static str,
    /// The socket's directory or path; none for one that listens on the network only.
    pub(super) socket: Option<PathBuf>,
    pub(super) port: u16,
    /// User and group of the socket: as whom its server runs.
    #[serde(skip)]
    pub(super) owner: Option<(u32, u32)>,
    /// Whether the port is listened at over TCP as well.
    pub(super) tcp: bool,
}

impl Listener {
    /// One of which no more is known than its address.
    pub(super) fn at(scheme: &'static str, socket: Option<PathBuf>, port: u16) -> Self {
        let tcp = socket.is_none();
        Self { scheme, socket, port, owner: None, tcp }
    }

    /// Looks up whose its socket is, and whether it listens over TCP.
    pub(super) fn own(&mut self) {
        self.owner = self.file().and_then(|file| fs::metadata(file).ok()).map(|meta| (meta.uid(), meta.gid()));
        self.tcp = Ports::read().all.iter().any(|(port, _)| *port == self.port);
    }

    /// Whether its socket is an ordinary user's: anybody may have put it there, and answers as he likes.
    pub(super) fn is_ordinary(&self, asker: u32) -> bool {
        self.owner.is_some_and(|(uid, _)| uid >= ORDINARY && uid != asker)
    }

    /// The socket itself.
    pub(super) fn file(&self) -> Option<PathBuf> {
        let socket = self.socket.as_ref()?;
        Some(if self.scheme == "postgres" { socket.join(format!(".s.PGSQL.{}", self.port)) } else { socket.clone() })
    }

    /// Where it listens, for a person.
    pub(super) fn place(&self) -> String {
        match &self.socket {
            Some(socket) if self.scheme == "postgres" => format!("in {}, port {}", socket.display(), self.port),
            Some(socket) => format!("at {}", socket.display()),
            None => format!("at port {}", self.port),
        }
    }
}

/// Sockets that are knocked at, the host's own before those of ordinary users: anybody can make any number of them.
const MOST_SOCKETS: usize = 64;

/// All of them, PostgreSQL's first; and how many sockets beyond [`MOST_SOCKETS`] were left alone.
pub(super) async fn listeners() -> (Vec<Listener>, usize) {
    let unix = fs::read_to_string("/proc/net/unix").unwrap_or_default();
    let listed = unix.lines().filter_map(|line| line.split_whitespace().last()).map(PathBuf::from);
    let usual = PLACES.iter().flat_map(|place| fs::read_dir(place).into_iter().flatten().flatten()).map(|entry| entry.path());
    let mut paths: Vec<PathBuf> = listed.chain(usual).filter(|path| socket(path).is_some()).collect();
    // Links, and `/var/run`, lead to sockets that are here already.
    paths = paths.iter().filter_map(|path| fs::canonicalize(path).ok()).collect();
    paths.sort();
    paths.dedup();
    let ports = Ports::read();
    let asker = rustix::process::geteuid().as_raw();
    let mut doors: Vec<Listener> = paths.iter().filter_map(|path| socket(path)).collect();
    for door in &mut doors {
        door.owner = door.file().and_then(|file| fs::symlink_metadata(file).ok()).map(|meta| (meta.uid(), meta.gid()));
        door.tcp = ports.all.iter().any(|(port, _)| *port == door.port);
    }
    doors.sort_by_key(|door| door.is_ordinary(asker));
    let left = doors.split_off(doors.len().min(MOST_SOCKETS)).len();
    // All at once: the whole takes no longer than the slowest of them may.
    let knocked = join_all(doors.into_iter().map(|door| async move { answers(&door).await.then_some(door) })).await;
    let mut found: Vec<Listener> = knocked.into_iter().flatten().collect();
    for (scheme, port) in ports.without_sockets(&unix, &paths) {
        if !found.iter().any(|listener| listener.scheme == scheme && listener.port == port) {
            found.push(Listener::at(scheme, None, port));
        }
    }
    // The host's own before those of ordinary users: names are given in this order.
    found.sort_by_key(|listener| {
        (listener.scheme != "postgres", listener.is_ordinary(asker), listener.port, listener.socket.clone())
    });
    found.dedup();
    (found, left)
}

/// Whether somebody lets us knock at a socket.
async fn answers(door: &Listener) -> bool {
    let Some(path) = door.file() else { return false };
    let knock = tokio::net::UnixStream::connect(path);
    tokio::time::timeout(KNOCK_WITHIN, knock).await.is_ok_and(|knocked| knocked.is_ok())
}

/// A database server's socket, by its path.
fn socket(path: &Path) -> Option<Listener> {
    // Names are shown, and put into commands.
    let name = path.to_str().filter(|path| !path.chars().any(char::is_control)).and_then(|_| path.file_name()?.to_str())?;
    if let Some(port) = name.strip_prefix(".s.PGSQL.") {
        return Some(Listener::at("postgres", Some(path.parent()?.to_owned()), port.parse().ok()?));
    }
    let stem = name.strip_suffix(".sock")?;
    let mysql = (stem.contains("mysql") || stem.contains("mariadb")) && !stem.contains("mysqlx");
    mysql.then(|| Listener::at("mysql", Some(path.to_owned()), 3306))
}

/// The ports at which somebody listens, and the processes of database servers that we may look into.
struct Ports {
    /// With the number by which a process has it open.
    all: Vec<(u16, String)>,
    /// Scheme, and what each has open.
    servers: Vec<(&'static str, BTreeSet<String>)>,
}

impl Ports {
    fn read() -> Self {
        let tables = ["/proc/net/tcp", "/proc/net/tcp6"].map(|table| fs::read_to_string(table).unwrap_or_default());
        let all = tables.iter().flat_map(|table| table.lines()).filter_map(listening).collect();
        let processes = fs::read_dir("/proc").into_iter().flatten().flatten().map(|entry| entry.path());
        let servers = processes.filter_map(|process| {
            let name = fs::read_to_string(process.join("comm")).ok()?;
            let (_, scheme) = PROGRAMS.iter().find(|(program, _)| *program == name.trim_end())?;
            let links = fs::read_dir(process.join("fd")).ok()?.flatten().filter_map(|entry| fs::read_link(entry.path()).ok());
            let open = links.filter_map(|link| Some(link.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.to_owned()));
            Some((*scheme, open.collect()))
        });
        Self { all, servers: servers.collect() }
    }

    /// Servers of which no socket was found: at their usual port whoever listens there, and at others where the process is known.
    fn without_sockets(&self, unix: &str, sockets: &[PathBuf]) -> Vec<(&'static str, u16)> {
        let named: BTreeSet<&str> = unix.lines().filter_map(|line| numbered(line, sockets)).collect();
        let usual = self.all.iter().filter_map(|(port, _)| match port {
            5432 => Some(("postgres", 5432)),
            3306 => Some(("mysql", 3306)),
            _ => None,
        });
        let other = self.servers.iter().filter(|(_, open)| !open.iter().any(|number| named.contains(number.as_str())));
        let other = other.flat_map(|(scheme, open)| {
            let ports = self.all.iter().filter(|(port, number)| open.contains(number) && *port != X_PROTOCOL);
            ports.map(|(port, _)| (*scheme, *port))
        });
        let known = |number: &String| {
            let of = |open: &BTreeSet<String>| open.contains(number) && open.iter().any(|other| named.contains(other.as_str()));
            self.servers.iter().any(|(_, open)| of(open))
        };
        let usual = usual.filter(|(_, port)| !self.all.iter().any(|(other, number)| other == port && known(number)));
        let found: BTreeSet<(&str, u16)> = usual.chain(other).collect();
        found.into_iter().collect()
    }
}

/// Where MySQL speaks another protocol.
const X_PROTOCOL: u16 = 33060;

/// The number of a socket that was found, in a line of `/proc/net/unix`.
fn numbered<'a>(line: &'a str, sockets: &[PathBuf]) -> Option<&'a str> {
    let fields: Vec<&str> = line.split_whitespace().collect();
    let path = fs::canonicalize(fields.get(7)?).ok()?;
    sockets.contains(&path).then(|| fields.get(6).copied()).flatten()
}

/// The port of a line of `/proc/net/tcp` (proc_net_tcp) that listens, and the socket's number: the local address is the second field, the state
/// the fourth, the number the tenth.
fn listening(line: &str) -> Option<(u16, String)> {
    let fields: Vec<&str> = line.split_whitespace().collect();
    let (address, state, number) = (fields.get(1)?, fields.get(3)?, fields.get(9)?);
    let port = u16::from_str_radix(address.rsplit_once(':')?.1, 16).ok()?;
    (*state == LISTENS).then(|| (port, (*number).to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn listening_servers_are_known_by_socket_and_port() {
        let at = |path: &str| socket(Path::new(path));
        let postgres = at("/run/postgresql/.s.PGSQL.5433").unwrap();
        assert_eq!(
            (postgres.scheme, postgres.socket.as_deref(), postgres.port),
            ("postgres", Some(Path::new("/run/postgresql")), 5433)
        );
        assert_eq!(postgres.file().unwrap(), Path::new("/run/postgresql/.s.PGSQL.5433"));
        for path in ["/tmp/mysql.sock", "/run/mysqld/mysqld.sock", "/run/mysqld/mysqld-3307.sock", "/run/mariadb.sock"] {
            assert_eq!(at(path).map(|found| found.scheme), Some("mysql"), "{path}");
        }
        for path in [
            "/tmp/a\n  curl x/mysql.sock",
            "/run/systemd/notify",
            "/run/mysqld/mysqlx.sock",
            "/run/postgresql/.s.PGSQL.5433.lock",
        ] {
            assert_eq!(at(path), None, "{path}");
        }
        let line = "   0: 0100007F:1538 00000000:0000 0A 00000000:00000000 00:00000000 00000000   113        0 21234";
        assert_eq!(listening(line), Some((5432, "21234".to_owned())));
        assert_eq!(listening(&line.replace(" 0A ", " 01 ")), None);
    }

    #[test]
    fn a_port_counts_where_its_server_has_no_socket() {
        let open = |numbers: &[&str]| numbers.iter().map(|number| (*number).to_owned()).collect::<BTreeSet<_>>();
        let all = [(5432, "1"), (5433, "2"), (3306, "3"), (3307, "4"), (33060, "5"), (80, "6")];
        let all = all.map(|(port, number)| (port, number.to_owned())).into();
        let servers = vec![("postgres", open(&["2", "9"])), ("mysql", open(&["4", "5"]))];
        let ports = Ports { all, servers };
        assert_eq!(ports.without_sockets("", &[]), [("mysql", 3306), ("mysql", 3307), ("postgres", 5432), ("postgres", 5433)]);
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().canonicalize().unwrap().join(".s.PGSQL.5433");
        crate::durable::write(&path, b"").unwrap();
        let unix = format!("0000: 00000002 00000000 00010000 0001 01 9 {}\n", path.display());
        assert_eq!(ports.without_sockets(&unix, &[path]), [("mysql", 3306), ("mysql", 3307), ("postgres", 5432)]);
    }
}
