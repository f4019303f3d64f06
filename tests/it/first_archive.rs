//! From a database server and no configuration to a first verified archive: the commands that `upkeep init` prints, pasted as they are.

use std::io::{Read as _, Write as _};
use std::process::{Command, Output, Stdio};

use crate::support::mysql::{Server, Which, server};
use crate::support::servers::is_root;
use crate::support::upkeep::{Ran, Upkeep};
use crate::support::{mysql, postgres};

/// A host with a configuration that names no target, whose paths are those of a package below a directory of its own.
struct Host {
    upkeep: Upkeep,
    /// Which sockets there are, and where: a directory's content and the name below /run that it gets.
    run: Option<(String, &'static str)>,
    path: String,
}

const NO_TARGET: &str = "[daemon]\nstate_dir = \"{dir}/var/lib/upkeep\"\n[control]\nsocket = \"{dir}/run/upkeep.sock\"\n";

/// A user of the host's as the package makes one, where a namespace of mounts and sockets shows the host as a person with one server has it.
const NAMESPACE: &str = "mount -t tmpfs tmpfs /run && mkdir /run/$2 && mount --bind $1 /run/$2 && mount -t tmpfs tmpfs /opt && \
    mount -t tmpfs tmpfs /srv && grep -v ^upkeep: /etc/passwd >/run/passwd && echo upkeep:x:62000:62000::/nonexistent:/bin/false >>/run/passwd && \
    mount --bind /run/passwd /etc/passwd && exec bash -e -o pipefail -c \"$3\"";

impl Host {
    /// None (said loudly) where nobody may stand for the administrator.
    fn new(clients: impl FnOnce(&std::path::Path) -> Option<String>) -> Option<Self> {
        let users = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
        if !is_root() || users.lines().any(|user| user.starts_with("upkeep:")) {
            crate::support::skipped("accounts are made as root, and on a host without upkeep's user", &[]);
            return None;
        }
        let upkeep = Upkeep::new();
        upkeep.file("etc/upkeep/upkeep.toml", NO_TARGET);
        let programs = upkeep.path("programs");
        std::fs::create_dir(&programs).unwrap();
        std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_upkeep"), programs.join("upkeep")).unwrap();
        let more = clients(&programs).map_or_else(String::new, |more| format!("{more}:"));
        let path = format!("{}:{more}{}:/usr/sbin:/sbin", programs.display(), std::env::var("PATH").unwrap());
        Some(Self { upkeep, run: None, path })
    }

    /// What a person pastes into a root's shell, with what it printed; paths are as a package has them.
    #[track_caller]
    fn paste(&self, line: &str) -> String {
        let ran = self.try_paste(line);
        assert!(ran.code == 0, "{line}: {ran:?}");
        ran.stdout
    }

    fn try_paste(&self, line: &str) -> Ran {
        let asks = line.contains(ASKS);
        let mut shell = match &self.run {
            _ if asks => {
                let mut shell = Command::new("script");
                shell.args(["-qec", "exec bash -e -o pipefail -c \"$PASTED\"", "/dev/null"]).env("PASTED", line);
                shell
            }
            Some((sockets, name)) => {
                let mut shell = Command::new("unshare");
                shell.args(["-m", "-n", "bash", "-e", "-c", NAMESPACE, "bash", sockets, name, line]);
                shell
            }
            None => {
                let mut shell = Command::new("bash");
                shell.args(["-e", "-o", "pipefail", "-c", line]);
                shell
            }
        };
        shell
            .env("PATH", &self.path)
            .env("UPKEEP_CONFIG", self.upkeep.path("etc/upkeep/upkeep.toml"))
            .current_dir(self.upkeep.root());
        let output = if asks { with_no_password(&mut shell) } else { shell.output().unwrap() };
        let text = |bytes| String::from_utf8(bytes).unwrap().replace(&self.upkeep.root().display().to_string(), "");
        Ran { code: output.status.code().unwrap_or(-1), stdout: text(output.stdout), stderr: text(output.stderr) }
    }

    /// Does what was printed last, each command as it stands there, to a first archive that is verified.
    #[track_caller]
    fn follow(&self, printed: &str) {
        let root = self.upkeep.root().display().to_string();
        let commands: Vec<&str> = printed.lines().filter_map(|line| line.strip_prefix("  ")).collect();
        assert!(commands.len() >= 2, "{printed}");
        for command in &commands {
            let line = command.replace("/etc/upkeep", &format!("{root}/etc/upkeep"));
            // Who changes schemas beside us on a server of all tests keeps a backup from its lock: it says that it may be tried again.
            let said = (0..5).map(|_| self.try_paste(&line)).find(|ran| ran.code != 75).expect("it is busy for ever");
            assert!(said.code == 0, "{line}: {said:?}");
            let said = said.stdout;
            if *command == "upkeep check" {
                assert!(said.lines().last().unwrap().starts_with("all is well"), "{said}");
            }
        }
        let listed = self.paste("upkeep list");
        assert!(listed.lines().nth(1).is_some_and(|line| line.ends_with("verified")), "{listed}");
    }
}

/// How a command ends, or goes on, that asks for the password of the server's root.
const ASKS: &str = " -u root -p";

/// Runs what asks for a password at its terminal, and presses Enter there: root of the tests' servers has none.
fn with_no_password(shell: &mut Command) -> Output {
    let mut child = shell.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let (mut keyboard, mut screen) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
    let (mut shown, mut piece, mut asked) = (Vec::new(), [0; 512], false);
    loop {
        let read = screen.read(&mut piece).unwrap();
        if read == 0 {
            break;
        }
        shown.extend_from_slice(&piece[..read]);
        if !asked && String::from_utf8_lossy(&shown).contains("assword:") {
            keyboard.write_all(b"\n").unwrap();
            asked = true;
        }
    }
    drop(keyboard);
    let output = child.wait_with_output().unwrap();
    assert!(asked || !output.status.success(), "nobody asked for a password");
    Output { stdout: shown, ..output }
}

/// A line without what differs from run to run and from host to host: each number, with its points, is one mark.
fn without_numbers(line: &str) -> String {
    let mut plain = String::new();
    for letter in line.trim_end().chars() {
        let digit = letter.is_ascii_digit();
        if digit && !plain.ends_with('#') {
            plain.push('#');
        }
        let point = letter == '.' && plain.ends_with('#');
        if !(digit || point) {
            plain.push(letter);
        }
    }
    plain
}

/// Runs the README's transcript: each command is pasted, and each line that it shows is printed, in that order.
#[test]
fn the_readmes_first_quarter_of_an_hour_comes_true() {
    let Some(cluster) = postgres::own_cluster("first", &[]) else { return };
    let Some(mut host) = Host::new(|_| Some(cluster.bindir.display().to_string())) else { return };
    let namespaces = Command::new("unshare").args(["-m", "-n", "mount", "-t", "tmpfs", "tmpfs", "/srv"]).output();
    if !namespaces.is_ok_and(|output| output.status.success()) {
        crate::support::skipped("this root may not have a namespace of mounts", &[]);
        return;
    }
    host.run = Some((cluster.socket_dir.display().to_string(), "postgresql"));
    cluster.psql("postgres", "CREATE DATABASE notes");
    // Who asks as the server's own user runs nothing that somebody else has put there.
    cluster.psql(
        "postgres",
        "CREATE FUNCTION public.has_database_privilege(text, oid, text) RETURNS bool LANGUAGE plpgsql AS $$BEGIN RAISE 'a trap'; END$$; \
         CREATE FUNCTION public.current_setting(text) RETURNS text LANGUAGE plpgsql AS $$BEGIN RAISE 'a trap'; END$$; \
         ALTER DATABASE postgres SET search_path = public, pg_catalog; ALTER ROLE postgres SET search_path = public, pg_catalog",
    );
    cluster.psql("notes", "CREATE TABLE note AS SELECT g AS id, 'note ' || g AS body FROM generate_series(1, 100) g");
    let readme = include_str!("../../README.md");
    let (_, transcript) = readme.split_once("<!-- first-archive:begin -->\n```\n").unwrap();
    let (transcript, _) = transcript.split_once("```\n").unwrap();
    let mut printed = String::new();
    let mut rest: Vec<String> = Vec::new();
    let mut commands = 0;
    for line in transcript.lines().filter(|line| !line.is_empty() && *line != "[…]") {
        if let Some(command) = line.strip_prefix("$ ") {
            printed = host.paste(command);
            rest = printed.lines().map(without_numbers).collect();
            commands += 1;
            continue;
        }
        let at = rest.iter().position(|got| *got == without_numbers(line));
        let at = at.unwrap_or_else(|| panic!("the README shows `{line}`, but this is printed:\n{printed}"));
        rest.drain(..=at);
    }
    assert!(commands >= 4, "{commands}");
    // What it wrote is not proposed again, and neither is what is looked after.
    let again = host.paste("upkeep init --print");
    assert!(again.contains("# Looked after by another target: notes.") && !again.contains("[targets."), "{again}");
    let refused = host.try_paste("upkeep init");
    assert!(refused.code == 73 && refused.stderr.contains("found.toml is there already"), "{refused:?}");
    let unknown = host.try_paste("upkeep init --print --database 'postgres:///nots?host=/run/postgresql'");
    assert!(unknown.code == 66 && unknown.stderr.contains("there is no database nots"), "{unknown:?}");
}

fn first_archive_of(server: &'static Server) {
    let _guard = server.shared_blocking();
    let put = |programs: &std::path::Path| {
        server.put_clients(programs);
        None
    };
    let Some(host) = Host::new(put) else { return };
    let name = mysql::name_of(&server.fresh()).to_owned();
    server.sql(&name, "CREATE TABLE note (id int PRIMARY KEY, body text); INSERT INTO note VALUES (1, 'one'), (2, 'two')");
    let url = format!("mysql:///{name}?socket={}", server.socket.display());
    let printed = host.paste(&format!("upkeep init --database '{url}'"));
    let kind = if server.is_mariadb() { "found MariaDB" } else { "found MySQL" };
    assert!(printed.starts_with(kind) && printed.contains(&server.version), "{printed}");
    // A server that knows no user of this host has its administrator give his password.
    assert!(server.is_mariadb() || printed.contains(ASKS), "{printed}");
    host.follow(&printed);
    // Once more changes nothing: the account's password is in use.
    let kept = |host: &Host| {
        let entries = std::fs::read_dir(host.upkeep.path("etc/upkeep")).unwrap().flatten().map(|entry| entry.path());
        let files: Vec<_> = entries.filter(|path| path.extension().is_some_and(|end| end == "password")).collect();
        assert_eq!(files.len(), 1, "{files:?}");
        std::fs::read_to_string(&files[0]).unwrap()
    };
    let password = kept(&host);
    host.follow(&printed);
    assert_eq!(kept(&host), password);
    let file = std::fs::read_to_string(host.upkeep.path("etc/upkeep/conf.d/found.toml")).unwrap();
    assert!(password.len() > 32 && !printed.contains(password.trim()) && !file.contains(password.trim()));
    server.sql("", "DROP USER upkeep@localhost");
}

#[test]
fn a_mysql_or_mariadb_has_a_first_archive_by_the_commands_of_init() {
    for which in [Which::MariaDb, Which::NewerMariaDb, Which::MySql] {
        if let Some(server) = server(which) {
            first_archive_of(server);
        }
    }
}

#[test]
fn a_sqlite_file_has_a_first_archive_by_the_commands_of_init() {
    let Some(host) = Host::new(|_| None) else { return };
    host.upkeep
        .sqlite("My notes.db", "CREATE TABLE note (id INTEGER PRIMARY KEY, text TEXT); INSERT INTO note (text) VALUES ('a')");
    host.upkeep.file("no.db", "this is a text and no database");
    let refused = host.try_paste("upkeep init --database no.db");
    assert!(refused.code == 65 && refused.stderr.contains("no.db is not a SQLite file"), "{refused:?}");
    host.follow(&host.paste("upkeep init --database 'My notes.db'"));
}
