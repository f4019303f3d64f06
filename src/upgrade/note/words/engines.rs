//! The steps that put the archive back, engine by engine: keep aside what is there, load into a clean place, exchange.

use std::path::{Path, PathBuf};

use super::{Facts, Note, quote, quoted};
use crate::archive::manifest::Server as Origin;
use crate::config::{Location, Roots};
use crate::text::shell;

pub(super) fn put_back(note: &mut Note, facts: &Facts<'_>) {
    match &facts.location {
        Location::Sqlite { path } => sqlite(note, facts, path),
        Location::Postgres { .. } => postgres(note, facts),
        Location::MySql { .. } => mysql(note, facts),
    }
}

/// The files SQLite keeps of one database; a log of another database would be played into it.
const FILES: [&str; 4] = ["", "-wal", "-shm", "-journal"];

fn sqlite(note: &mut Note, facts: &Facts<'_>, path: &Path) {
    let with = |suffix: &str| {
        let mut name = path.as_os_str().to_owned();
        name.push(suffix);
        PathBuf::from(name)
    };
    let (database, aside, fresh) = (quoted(path), with(&format!(".before-{}", facts.id)), with(&format!(".new-{}", facts.id)));
    let kept = aside.join(path.file_name().unwrap_or_default());
    let (aside, fresh, kept) = (quoted(&aside), quoted(&fresh), quoted(&kept));
    note.step("Keep aside what is there: the file, and with it its logs. Whatever was kept there before stays (numbered).");
    note.run(&format!("mkdir -p -m 700 -- {aside}"));
    for suffix in FILES {
        let file = quoted(&with(suffix));
        note.run(&format!("if test -e {file}; then mv --backup=numbered -t {aside} -- {file}; fi"));
    }
    note.step(
        "Load into a file of its own, with owner, mode and labels of the old one, and look at it (where sqlite3 is installed).",
    );
    note.run(&format!("rm -f -- {fresh}"));
    note.run(&format!("if test -e {kept}; then cp --attributes-only --preserve=all -- {kept} {fresh}; fi"));
    note.run(&format!("zstd -dcq {} > {fresh}", quoted(&facts.archive)));
    note.run(&format!(
        "if command -v sqlite3 > /dev/null; then test \"$(sqlite3 {fresh} 'PRAGMA quick_check')\" = ok && rm -f -- {0} {1}; fi",
        quoted(&with(&format!(".new-{}-wal", facts.id))),
        quoted(&with(&format!(".new-{}-shm", facts.id)))
    ));
    note.run(&format!("sync -- {fresh}"));
    note.step("Put it in its place. (Whatever is there by now stays beside it, numbered.)");
    note.run(&format!("mv --backup=numbered -T -- {fresh} {database}"));
}

fn postgres(note: &mut Note, facts: &Facts<'_>) {
    let Location::Postgres { database, .. } = &facts.location else { return };
    let psql = program(facts.client_bindir, "psql");
    let maintenance = if database == "postgres" { "template1" } else { "postgres" };
    let on = |name: &str| format!("{psql} -Xq -v ON_ERROR_STOP=1 -d {}", quote(&conninfo(facts, name)));
    let (fresh, before) = (beside(database, "_new_", &facts.id), beside(database, "_before_", &facts.id));
    let run = |sql: &str| format!("{} -c {}", on(maintenance), quote(sql));
    // What the server makes of the names; a database that has none of them is nothing to do.
    let rename = |from: &str, to: &str| {
        let sql = format!(
            "SELECT format('ALTER DATABASE %I RENAME TO %I', datname, {to}) FROM pg_catalog.pg_database WHERE datname = {}",
            literal(from)
        );
        // One that could not be asked is not one that has none of them.
        format!("(s=$({} -At -c {}) && printf '%s\\n' \"$s\" | {})", on(maintenance), quote(&sql), on(maintenance))
    };
    note.say("(If the role may not make databases, a superuser allows it: ALTER ROLE … CREATEDB. If the server knows the role only by");
    note.say("the name of its user, begin the commands with: runuser -u USER --)");
    note.step("Load into a database of its own; what an earlier attempt left of it goes first.");
    note.run(&run(&format!("DROP DATABASE IF EXISTS {}", identifier(&fresh))));
    note.run(&run(&create(&fresh, facts.manifest.map(|manifest| &manifest.server))));
    note.run(&format!("({})", unpacked(&facts.archive, &on(&fresh))));
    note.step(&format!(
        "Keep aside what is there, as database {before} (numbered, where one is kept there already), and put the new one in its place.\n\
         (Settings and privileges of the database itself stay with the old one: ALTER DATABASE … SET, GRANT … ON DATABASE.)"
    ));
    note.run(&rename(database, &first_free(&before)));
    note.run(&rename(&fresh, &literal(database)));
}

/// An expression for the first of a name and its numbered successors that no database has: whoever begins again from the first step
/// keeps aside what the last attempt put in place, beside what the first one kept.
fn first_free(name: &str) -> String {
    let name = literal(name);
    format!(
        "(SELECT free FROM (SELECT 1, {name} UNION ALL SELECT i, {name} || '_' || i FROM generate_series(2, 99) i) names (i, free) \
         WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_database taken WHERE taken.datname = free) ORDER BY i LIMIT 1)"
    )
}

/// As the archive's own database was made.
fn create(name: &str, like: Option<&Origin>) -> String {
    let plain = format!("CREATE DATABASE {} TEMPLATE template0", identifier(name));
    let Some(like) = like else { return plain };
    let kind = like.extra.get("lc_ctype").unwrap_or(&like.collation);
    let (charset, collation, kind) = (literal(&like.charset), literal(&like.collation), literal(kind));
    let provider = match (like.extra.get("locale_provider").map(String::as_str), like.extra.get("locale")) {
        (Some("i"), Some(locale)) => format!(" LOCALE_PROVIDER icu ICU_LOCALE {}", literal(locale)),
        (Some("b"), Some(locale)) => format!(" LOCALE_PROVIDER builtin BUILTIN_LOCALE {}", literal(locale)),
        _ => String::new(),
    };
    format!("{plain} ENCODING {charset} LC_COLLATE {collation} LC_CTYPE {kind}{provider}")
}

/// A name for a database of ours: its beginning, what it is, and the moment of the upgrade, within what a server takes.
fn beside(database: &str, what: &str, id: &str) -> String {
    const LONGEST_BYTES: usize = 63;
    /// `_99` behind it.
    const NUMBER_BYTES: usize = 3;
    // Upgrades of one second are told apart by a number behind the moment, which says nothing alone.
    let parts: Vec<&str> = id.rsplit('-').take(2).collect();
    let stamp = match parts.as_slice() {
        [number, moment] if number.len() < 4 => format!("{moment}_{number}"),
        [moment, ..] => (*moment).to_owned(),
        [] => id.to_owned(),
    };
    let stamp = stamp.to_lowercase();
    let room = LONGEST_BYTES.saturating_sub(what.len() + stamp.len() + NUMBER_BYTES);
    let end = (0..=room.min(database.len())).rev().find(|at| database.is_char_boundary(*at)).unwrap_or(0);
    format!("{}{what}{stamp}", database.get(..end).unwrap_or_default())
}

fn conninfo(facts: &Facts<'_>, database: &str) -> String {
    let Location::Postgres { host, port, user, sslmode, .. } = &facts.location else { return String::new() };
    let value = |value: &str| format!("'{}'", value.replace('\\', r"\\").replace('\'', r"\'"));
    let tls = crate::engine::postgres::tls_options(&facts.location, &facts.tls);
    let tls: String = tls.into_iter().map(|(name, path)| format!(" {name}={}", value(&path))).collect();
    format!("host={} port={port} user={} dbname={} sslmode={}{tls}", value(host), value(user), value(database), value(sslmode))
}

/// What the clients of either vendor understand, which is no less than upkeep asks for.
fn tls_of_mysql(facts: &Facts<'_>, mariadb: bool) -> String {
    let Location::MySql { ssl_mode, host, .. } = &facts.location else { return String::new() };
    let mut words = match (ssl_mode.as_str(), mariadb) {
        // The clients' own choice.
        ("PREFERRED", _) => Vec::new(),
        ("DISABLED", true) => vec!["--skip-ssl".to_owned()],
        ("REQUIRED", true) => vec!["--ssl".to_owned(), "--disable-ssl-verify-server-cert".to_owned()],
        // MariaDB's looks at name and chain together.
        (_, true) => vec!["--ssl".to_owned(), "--ssl-verify-server-cert".to_owned()],
        (mode, false) if host.starts_with('/') && mode == "DISABLED" => Vec::new(),
        (mode, false) => vec![format!("--ssl-mode={mode}")],
    };
    let roots = match (&facts.tls.roots, ssl_mode.as_str()) {
        (Some(Roots::File(path)), "VERIFY_CA" | "VERIFY_IDENTITY") => Some(path.clone()),
        (None | Some(Roots::System), "VERIFY_IDENTITY") => crate::tls::system_file().map(Path::to_owned),
        _ => None,
    };
    words.extend(roots.map(|path| format!("--ssl-ca={}", quoted(&path))));
    if let Some(identity) = &facts.tls.identity {
        words.push(format!("--ssl-cert={} --ssl-key={}", quoted(&identity.certificate), quoted(&identity.key)));
    }
    words.into_iter().map(|word| format!(" {word}")).collect()
}

fn mysql(note: &mut Note, facts: &Facts<'_>) {
    let Location::MySql { host, port, user, database, .. } = &facts.location else { return };
    let mariadb = facts.manifest.is_some_and(|manifest| manifest.server.flavour == "mariadb");
    let (client, dump) = if mariadb { ("mariadb", "mariadb-dump") } else { ("mysql", "mysqldump") };
    let place = match host.starts_with('/') {
        true => format!("--socket={}", quote(host)),
        false => format!("--protocol=tcp --host={} --port={port}", quote(host)),
    };
    let password = if facts.asks_password { " -p" } else { "" };
    let tls = tls_of_mysql(facts, mariadb);
    let with = |name: &str| format!("{} {place} --user={}{password}{tls}", program(facts.client_bindir, name), quote(user));
    let (client, dump) = (with(client), with(dump));
    // Masking policies, which MySQL 9 has, are for whoever may read the tables that hold them; a program that knows none passes over it.
    let gtid = if mariadb { "" } else { " --set-gtid-purged=OFF --loose-skip-masking-policies" };
    let directory = facts.archive.parent().unwrap_or(Path::new("/"));
    let kept = |name: &str, end: &str| {
        let name = name.replace('/', "_");
        quoted(&directory.join(format!("before-recovery-{name}-{}.sql.zst.kept{end}", facts.id)))
    };
    // What an exchange that was cut short may have left has a part of the content.
    let old = format!("{database}__upkeep_old");
    note.step(
        "Keep aside what is there, as a dump beside the archive. (Databases are not renamed here. What an exchange that was cut short\n\
         moved away is kept too. Whatever was kept there before stays, numbered. If the dump may not read something, nothing is dropped:\n\
         use an administrator's name for --user.)",
    );
    for name in [database, &old] {
        let sql = format!("SELECT count(*) FROM information_schema.schemata WHERE schema_name = {}", literal_of_mysql(name));
        let (new, said) = (kept(name, ".new"), kept(name, ".said"));
        let dump = format!(
            "{dump} --no-tablespaces --single-transaction --skip-lock-tables --force --routines --events --triggers{gtid} {} 2> {said}",
            shell(&[name])
        );
        // Nobody but who runs it reads what it keeps. A count that could not be had is no "nothing is there". What drops it asks for the
        // mark, for whoever pastes the whole note does not stop at what fails.
        note.run(&format!(
            "(umask 077; rm -f -- {mark}; n=$({client} -NBe {}) && case $n in 0) ;; [1-9]*) {} && sync -- {new} && \
             mv --backup=numbered -T -- {new} {} && rm -f -- {said};; *) false;; esac && : > {mark})",
            quote(&sql),
            piped(&dump, &format!("zstd -qf -o {new}"), &format!("{{ cat {said} >&2; {}; }}", but_for_views(&new, &said))),
            kept(name, ""),
            mark = kept(name, ".done")
        ));
    }
    let marks = [database, &old].map(|name| kept(name, ".done"));
    let drops = [database.clone(), old.clone(), format!("{database}__upkeep_new")]
        .map(|name| format!("DROP DATABASE IF EXISTS {}", of_mysql(&name)))
        .join("; ");
    note.step("Make the database anew, and load. (If the load stops, fix the cause and begin this step again.)");
    let anew = format!("SET foreign_key_checks = 0; {drops}; CREATE DATABASE {}", of_mysql(database));
    let load = format!("{client} --default-character-set=utf8mb4 --database={}", quote(database));
    note.run(&format!(
        "(test -e {} && test -e {} && {client} -e {} && {} && rm -f -- {})",
        marks[0],
        marks[1],
        quote(&anew),
        unpacked(&facts.archive, &load),
        marks.join(" ")
    ));
}

/// Two commands with a pipe between them, which end well where both do: a shell asks the last alone. Where the first does not, `else_`
/// says whether that is well all the same. What the second prints is dropped. Leaves `s` in the shell it runs in.
fn piped(first: &str, last: &str, else_: &str) -> String {
    format!("s=$({{ {{ {first}; echo $? >&3; }} | {last} > /dev/null; }} 3>&1) && {{ test \"$s\" = 0 || {else_}; }}")
}

/// An archive read by a client.
fn unpacked(archive: &Path, client: &str) -> String {
    piped(&format!("zstd -dcq {}", quoted(archive)), client, "false")
}

/// Whether a dump came to its end, and all that it could not read are views whose tables are gone: an exchange that was cut short may
/// leave some, and they hold no row.
fn but_for_views(dump: &str, said: &str) -> String {
    format!(
        "zstd -dcq {dump} | tail -n 1 | grep -q '^-- Dump completed' && grep -q '(1356)$' {said} && ! grep -qv '(1356)$' {said}"
    )
}

/// A client program: where the configuration says, or wherever the shell finds it.
fn program(directories: &[PathBuf], name: &str) -> String {
    let found = directories.iter().map(|directory| directory.join(name)).find(|path| path.is_file());
    found.map_or_else(|| name.to_owned(), |path| quoted(&path))
}

fn identifier(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

fn of_mysql(name: &str) -> String {
    format!("`{}`", name.replace('`', "``"))
}

fn literal_of_mysql(text: &str) -> String {
    format!("'{}'", text.replace('\\', r"\\").replace('\'', "''"))
}
