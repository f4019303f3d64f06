//! The account that upkeep needs on a database server: how it logs in, and the commands that make it, to be pasted into a shell.
//!
//! Owns the least that an account needs for archives, by server and release; it is what `docs/postgresql.md` and `docs/mysql.md` say. Pure. No password
//! is in it: where one is needed, the commands make it up and leave it in a file.

use std::path::{Path, PathBuf};

use super::listen::Listener;
use crate::engine::census::{Census, Held};
use crate::text;

/// As whom upkeep will run.
#[derive(Debug, Clone)]
pub(super) struct Runner {
    /// The account's name.
    pub(super) name: String,
    /// Whether a user of this host has that name, and upkeep runs as that user.
    pub(super) known: bool,
    /// Whether the commands are pasted by root.
    pub(super) root: bool,
    /// The user who pastes them.
    pub(super) uid: u32,
}

/// How the account logs in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Login {
    /// The server knows the user of the host, by this method of its own.
    Host { method: String, guessed: bool },
    /// By a password, over the socket or over TCP.
    Password { socket: bool, guessed: bool },
}

impl Login {
    /// How the account of `runner` can log in at a server. What nobody was told is a guess.
    pub(super) fn of(listener: &Listener, version: Option<&str>, census: Option<&Census>, runner: &Runner) -> Self {
        let method = census.and_then(|census| census.local.as_deref());
        let socket = listener.socket.is_some();
        match (listener.scheme, method) {
            _ if !socket => Self::Password { socket, guessed: false },
            ("postgres", None) if runner.known => Self::Host { method: "peer".to_owned(), guessed: true },
            ("postgres", Some(method @ ("peer" | "trust"))) if runner.known => {
                Self::Host { method: method.to_owned(), guessed: false }
            }
            ("postgres", Some("scram-sha-256" | "md5" | "password" | "trust")) => {
                Self::Password { socket: true, guessed: false }
            }
            // The usual rules take no password over the socket, and take one over TCP.
            ("postgres", _) => Self::Password { socket: !listener.tcp, guessed: true },
            (_, Some(method)) if runner.known => Self::Host { method: method.to_owned(), guessed: false },
            // It is built in, and on, since 10.4.
            (_, None) if runner.known && is_mariadb(version) => Self::Host { method: "unix_socket".to_owned(), guessed: true },
            _ => Self::Password { socket: true, guessed: false },
        }
    }

    /// For a comment in the configuration.
    pub(super) fn said(&self, name: &str) -> String {
        match self {
            Self::Host { method, guessed: false } => {
                format!("The account {name} needs no password: the server knows the user {name} of this host ({method}).")
            }
            Self::Host { method, guessed: true } => format!(
                "A guess: the account {name} needs no password, because the server knows the user {name} of this host ({method})."
            ),
            Self::Password { guessed: true, .. } => {
                format!("The account {name} logs in with a password. A guess: the server accepts one there.")
            }
            Self::Password { guessed: false, .. } => format!("The account {name} logs in with a password."),
        }
    }
}

/// Whether a version is one of MariaDB's.
pub(super) fn is_mariadb(version: Option<&str>) -> bool {
    version.is_some_and(|version| version.to_ascii_lowercase().contains("mariadb"))
}

/// The commands that make the account, one a line, for a root's or an administrator's shell.
pub(super) fn commands(listener: &Listener, about: &About<'_>, runner: &Runner, password_file: &Path) -> Vec<String> {
    let postgres = listener.scheme == "postgres";
    let (create, grants) = match postgres {
        true => (format!("CREATE ROLE {} LOGIN", name(&runner.name, '"')), postgres_grants(about, &runner.name)),
        false => {
            let account = format!("{}@localhost", name(&runner.name, '`'));
            (format!("CREATE USER IF NOT EXISTS {account}"), mysql_grants(about, &account))
        }
    };
    let client = client(listener, about, runner);
    match about.login {
        Login::Host { method, .. } => {
            let with = match method.as_str() {
                _ if postgres => String::new(),
                "auth_socket" => " IDENTIFIED WITH auth_socket".to_owned(),
                method => format!(" IDENTIFIED VIA {method}"),
            };
            let statements = [vec![format!("{create}{with}")], grants].concat();
            vec![if postgres {
                // One transaction each: what is there already does not keep the rest from being done.
                let words: Vec<String> = statements.into_iter().flat_map(|statement| ["-c".to_owned(), statement]).collect();
                format!("{client} {}", text::shell(&words))
            } else {
                format!("{client} -e {}", text::shell(&[statements.join("; ")]))
            }]
        }
        Login::Password { .. } => {
            let file = text::shell(&[password_file.to_string_lossy()]);
            let by = if postgres { "PASSWORD" } else { "IDENTIFIED BY" };
            let rest = text::shell(&[format!("{};", grants.join("; "))]);
            vec![
                made(runner, &file),
                // The shell itself writes it into a pipe to the client: it is in no argument of a process.
                format!(
                    "{{ printf \"%s '%s';\\n\" {} \"$(cat {file})\"; echo {rest}; }} | {client}",
                    text::shell(&[format!("{create} {by}")])
                ),
            ]
        }
    }
}

/// What the commands depend on beside the server's address.
#[derive(Debug, Clone, Copy)]
pub(super) struct About<'a> {
    pub(super) login: &'a Login,
    pub(super) version: Option<&'a str>,
    /// PostgreSQL's, as a number.
    pub(super) number: Option<u32>,
    pub(super) databases: &'a [Held],
    /// What the client of MySQL or MariaDB is called here.
    pub(super) client: Option<&'a str>,
    /// Whether the server was asked and told. One that did not may want a password of its administrator as well.
    pub(super) told: bool,
}

/// A file with a new password in it, which nobody else ever could read. The beginning has all kinds of letters that a policy may ask for.
fn made(runner: &Runner, file: &str) -> String {
    let whose = match (runner.root, runner.known) {
        (true, true) => format!("install -m 640 -g {} /dev/null {file}", text::shell(&[&runner.name])),
        _ => format!("install -m 600 /dev/null {file}"),
    };
    // One that is there may be in use.
    format!("[ -s {file} ] || {{ {whose} && echo \"Up1-$(head -c 24 /dev/urandom | base64)\" >{file}; }}")
}

/// The client, as somebody who may make accounts.
fn client(listener: &Listener, about: &About<'_>, runner: &Runner) -> String {
    let mysql = about.client.unwrap_or("mysql");
    let before = |user: &str| if runner.root { format!("runuser -u {user} -- ") } else { format!("sudo -u {user} ") };
    match (&listener.socket, listener.scheme) {
        (Some(socket), "postgres") => {
            let owner = listener.owner.map(|(uid, gid)| (uid, crate::process::User::numbered(uid, gid)));
            let before = match owner {
                Some((uid, _)) if uid == runner.uid => String::new(),
                Some((_, user)) => before(&text::shell(&[user.name()])),
                None => before("postgres"),
            };
            let at = ["psql", "-X", "-h", &socket.to_string_lossy(), "-p", &listener.port.to_string(), "-d", "postgres"]
                .map(str::to_owned);
            format!("{before}{}", text::shell(&at))
        }
        (None, "postgres") => format!("psql -X -h 127.0.0.1 -p {} -U postgres -d postgres", listener.port),
        (Some(socket), _) => {
            let sudo = if runner.root { "" } else { "sudo " };
            // Who is known to the server as the host's root is let in whatever is typed.
            let account = if about.told { "" } else { " -u root -p" };
            format!("{sudo}{mysql} --socket={}{account}", text::shell(&[socket.to_string_lossy()]))
        }
        (None, _) => format!("{mysql} -h 127.0.0.1 -P {} -u root -p", listener.port),
    }
}

/// The command that lists a server's databases, as somebody who may see all of them.
pub(super) fn listing(listener: &Listener, about: &About<'_>, runner: &Runner) -> String {
    let words = if listener.scheme == "postgres" { "-l" } else { "-e 'SHOW DATABASES'" };
    format!("{} {words}", client(listener, about, runner))
}

/// The role that may read everything came with 14.
pub(super) const READ_ALL_DATA: u32 = 140_000;

fn postgres_grants(about: &About<'_>, account: &str) -> Vec<String> {
    let account = name(account, '"');
    let mut grants = match about.number {
        Some(number) if number < READ_ALL_DATA => {
            let mut owners: Vec<&String> = about.databases.iter().filter_map(|held| held.owner.as_ref()).collect();
            owners.sort();
            owners.dedup();
            owners.into_iter().map(|owner| format!("GRANT {} TO {account}", quote(owner, '"'))).collect()
        }
        _ => vec![format!("GRANT pg_read_all_data TO {account}")],
    };
    let closed = about.databases.iter().filter(|held| held.closed);
    grants.extend(closed.map(|held| format!("GRANT CONNECT ON DATABASE {} TO {account}", quote(&held.name, '"'))));
    grants
}

fn mysql_grants(about: &About<'_>, account: &str) -> Vec<String> {
    let mariadb = is_mariadb(about.version);
    let own = mariadb && about.version.is_some_and(|version| numbers(version) >= (11, 3));
    let (each, all) = match (mariadb, own) {
        (false, _) => ("", "SHOW_ROUTINE, BACKUP_ADMIN, RELOAD, PROCESS, REPLICATION CLIENT"),
        (true, false) => ("", "SELECT, RELOAD, PROCESS, BINLOG MONITOR"),
        (true, true) => (", SHOW CREATE ROUTINE", "RELOAD, PROCESS, BINLOG MONITOR"),
    };
    let of = |held: &Held| {
        // In a grant these two stand for other letters.
        let pattern = held.name.replace('`', "``").replace('_', "\\_").replace('%', "\\%");
        format!("GRANT SELECT, SHOW VIEW, TRIGGER, EVENT, LOCK TABLES{each} ON `{pattern}`.* TO {account}")
    };
    about.databases.iter().map(of).chain([format!("GRANT {all} ON *.* TO {account}")]).collect()
}

/// `(11, 8)`.
fn numbers(version: &str) -> (u32, u32) {
    let mut parts = version.split(['.', '-']).map(|part| part.parse().unwrap_or(0));
    (parts.next().unwrap_or(0), parts.next().unwrap_or(0))
}

/// A name of somebody else's: what is a reserved word differs from release to release.
fn quote(text: &str, quote: char) -> String {
    format!("{quote}{}{quote}", text.replace(quote, &format!("{quote}{quote}")))
}

/// The account's own name, in quotes where it needs them.
fn name(text: &str, quote: char) -> String {
    let plain = text.starts_with(|c: char| c.is_ascii_lowercase())
        && text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
    if plain { text.to_owned() } else { self::quote(text, quote) }
}

/// Where the password of an account is, beside the configuration: one file for each address of a server, whichever servers are found beside it, so
/// that no server is ever offered another's password. The usual address has the plain name.
pub(super) fn password_file(beside: &Path, listener: &Listener) -> PathBuf {
    let kind = if listener.scheme == "postgres" { "postgresql" } else { "mysql" };
    let socket = listener.socket.as_deref().map(|socket| socket.to_string_lossy().into_owned());
    let slug = |path: &str| path.trim_matches('/').replace(|c: char| !c.is_ascii_alphanumeric() && !"._".contains(c), "-");
    let which = match (socket.as_deref(), listener.scheme) {
        (Some("/run/postgresql"), "postgres") if listener.port == 5432 => String::new(),
        (Some("/run/postgresql"), "postgres") => format!("-{}", listener.port),
        (Some(socket), "postgres") => format!("-{}-{}", slug(socket), listener.port),
        (Some("/run/mysqld/mysqld.sock"), _) => String::new(),
        (Some(socket), _) => format!("-{}", slug(socket)),
        (None, _) => format!("-tcp-{}", listener.port),
    };
    beside.join(format!("{kind}{which}.password"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn runner(known: bool) -> Runner {
        Runner { name: "upkeep".to_owned(), known, root: true, uid: 0 }
    }

    fn held(names: &[&str]) -> Vec<Held> {
        names.iter().map(|name| Held { name: (*name).to_owned(), ..Held::default() }).collect()
    }

    #[track_caller]
    fn check(listener: &Listener, census: Option<&Census>, known: bool, expected: &[&str]) {
        let version = census.map(|census| census.version.as_str());
        let runner = runner(known);
        let login = Login::of(listener, version, census, &runner);
        let (number, databases) = (census.map(|census| census.number), census.map_or(&[][..], |census| &census.databases));
        let about = About { login: &login, version, number, databases, client: None, told: census.is_some() };
        assert_eq!(commands(listener, &about, &runner, Path::new("/etc/upkeep/p")), expected);
    }

    #[test]
    fn postgresql_knows_the_user_or_gets_a_password_that_nobody_sees() {
        let socket = Listener { owner: None, ..Listener::at("postgres", Some("/run/postgresql".into()), 5432) };
        let client = "runuser -u postgres -- psql -X -h /run/postgresql -p 5432 -d postgres";
        let census = |number, local: &str| Census {
            number,
            local: Some(local.to_owned()),
            databases: vec![
                Held { name: "shop".to_owned(), owner: Some("shop".to_owned()), ..Held::default() },
                Held { name: "My shop".to_owned(), owner: Some("it's".to_owned()), closed: true, ..Held::default() },
            ],
            ..Census::default()
        };
        let close = "-c 'GRANT CONNECT ON DATABASE \"My shop\" TO upkeep'";
        check(
            &socket,
            Some(&census(170_002, "peer")),
            true,
            &[&format!("{client} -c 'CREATE ROLE upkeep LOGIN' -c 'GRANT pg_read_all_data TO upkeep' {close}")],
        );
        check(
            &socket,
            Some(&census(130_002, "trust")),
            true,
            &[&format!(
                "{client} -c 'CREATE ROLE upkeep LOGIN' -c 'GRANT \"it'\\''s\" TO upkeep' -c 'GRANT \"shop\" TO upkeep' {close}"
            )],
        );
        check(&socket, None, true, &[&format!("{client} -c 'CREATE ROLE upkeep LOGIN' -c 'GRANT pg_read_all_data TO upkeep'")]);
        check(
            &socket,
            None,
            false,
            &[
                "[ -s /etc/upkeep/p ] || { install -m 600 /dev/null /etc/upkeep/p && echo \"Up1-$(head -c 24 /dev/urandom | base64)\" >/etc/upkeep/p; }",
                &format!(
                    "{{ printf \"%s '%s';\\n\" 'CREATE ROLE upkeep LOGIN PASSWORD' \"$(cat /etc/upkeep/p)\"; echo 'GRANT pg_read_all_data TO upkeep;'; }} | {client}"
                ),
            ],
        );
        let login = |tcp: bool, local: &str, known: bool| {
            Login::of(&Listener { tcp, ..socket.clone() }, None, Some(&census(170_000, local)), &runner(known))
        };
        assert_eq!(login(true, "peer", false), Login::Password { socket: false, guessed: true });
        assert_eq!(login(false, "peer", false), Login::Password { socket: true, guessed: true });
        assert_eq!(login(true, "scram-sha-256", true), Login::Password { socket: true, guessed: false });
    }

    /// What is proposed is what the page says, and what a test grants on real servers.
    #[test]
    fn the_grants_are_those_of_the_page() {
        let page = include_str!("../../../docs/mysql.md");
        let socket = Listener::at("mysql", Some("/run/mysqld/mysqld.sock".into()), 3306);
        for (version, mark) in [("8.4.3", "mysql"), ("10.11.14-MariaDB", "mariadb")] {
            let (_, block) = page.split_once(&format!("<!-- grants:backup:{mark} -->\n```sql\n")).unwrap();
            let (block, _) = block.split_once("```").unwrap();
            let said: Vec<String> = block
                .lines()
                .filter(|line| line.starts_with("GRANT"))
                .map(|line| line.trim_end_matches(';').replace("'upkeep'@'localhost'", "upkeep@localhost"))
                .collect();
            let databases = held(&["shop"]);
            let login = Login::of(&socket, Some(version), None, &runner(false));
            let about =
                About { login: &login, version: Some(version), number: None, databases: &databases, client: None, told: true };
            assert_eq!(mysql_grants(&about, "upkeep@localhost"), said, "{version}");
        }
    }

    #[test]
    fn mysql_and_mariadb_know_the_user_where_they_can() {
        let socket = Listener::at("mysql", Some("/run/mysqld/mysqld.sock".into()), 3306);
        let census = |version: &str, local: Option<&str>| Census {
            version: version.to_owned(),
            local: local.map(str::to_owned),
            databases: held(&["my_shop"]),
            ..Census::default()
        };
        let each = "GRANT SELECT, SHOW VIEW, TRIGGER, EVENT, LOCK TABLES";
        check(
            &socket,
            Some(&census("11.8.3-MariaDB", Some("unix_socket"))),
            true,
            &[&format!(
                "mysql --socket=/run/mysqld/mysqld.sock -e 'CREATE USER IF NOT EXISTS upkeep@localhost IDENTIFIED VIA unix_socket; \
             {each}, SHOW CREATE ROUTINE ON `my\\_shop`.* TO upkeep@localhost; GRANT RELOAD, PROCESS, BINLOG MONITOR ON *.* TO upkeep@localhost'"
            )],
        );
        let login = |version: &str, local| {
            let census = census(version, local);
            Login::of(&socket, Some(version), Some(&census), &runner(true))
        };
        assert_eq!(login("8.0.40", Some("auth_socket")), Login::Host { method: "auth_socket".to_owned(), guessed: false });
        assert_eq!(login("8.0.40", None), Login::Password { socket: true, guessed: false });
        assert_eq!(login("10.6.1-MariaDB", None), Login::Host { method: "unix_socket".to_owned(), guessed: true });
    }

    #[test]
    fn each_server_has_a_file_of_its_own() {
        let postgres = |socket: &str, port| Listener::at("postgres", Some(socket.into()), port);
        let mysql = |socket: &str| Listener::at("mysql", Some(socket.into()), 3306);
        for (listener, expected) in [
            (postgres("/run/postgresql", 5432), "postgresql.password"),
            (postgres("/run/postgresql", 5433), "postgresql-5433.password"),
            (postgres("/tmp", 5432), "postgresql-tmp-5432.password"),
            (Listener::at("postgres", None, 5432), "postgresql-tcp-5432.password"),
            (mysql("/run/mysqld/mysqld.sock"), "mysql.password"),
            (mysql("/srv/my db/mysqld.sock"), "mysql-srv-my-db-mysqld.sock.password"),
            (Listener::at("mysql", None, 3307), "mysql-tcp-3307.password"),
        ] {
            let file = password_file(Path::new("/etc/upkeep"), &listener);
            assert_eq!(file, Path::new("/etc/upkeep").join(expected), "{listener:?}");
        }
    }
}
