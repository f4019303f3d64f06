//! What a person is told when something does not work: the real binary, its standard error and exit code, as snapshots.
//! Each message names the thing, says what is safe where that is in doubt, and ends in a next step.

use crate::support::postgres;
use crate::support::upkeep::Upkeep;

const NOTES: &str = "
[targets.notes.database]
url = \"sqlite://{dir}/notes.db\"
";

/// A target with a release behind a symlink and Flyway scripts in it.
const RELEASED: &str = "
[targets.notes.database]
url = \"sqlite://{dir}/notes.db\"
[targets.notes.release]
path = \"{dir}/current\"
version = [{ symlink = true }, { file = \"VERSION\" }]
[targets.notes.migrations]
";

fn released() -> Upkeep {
    let upkeep = Upkeep::with(RELEASED);
    release(&upkeep, "1.0.0", &[("V1__notes.sql", "CREATE TABLE note (id INTEGER PRIMARY KEY, text TEXT);\n")]);
    upkeep.sqlite("notes.db", "PRAGMA journal_mode = WAL;");
    upkeep.ok(&["migrate", "apply", "notes"]);
    upkeep
}

/// Installs a release with its scripts.
fn release(upkeep: &Upkeep, version: &str, scripts: &[(&str, &str)]) {
    upkeep.file(&format!("releases/{version}/VERSION"), version);
    for (name, text) in scripts {
        upkeep.file(&format!("releases/{version}/migrations/{name}"), text);
    }
    std::fs::remove_file(upkeep.path("current")).ok();
    std::os::unix::fs::symlink(format!("releases/{version}"), upkeep.path("current")).unwrap();
}

#[test]
fn everything_wrong_with_a_configuration_at_once() {
    let upkeep = Upkeep::with(
        "
[targets.notes]
profile = \"genric\"
[targets.notes.database]
url = \"sqlite:notes.db\"
[targets.notes.backup]
schedule = \"0 0 31 2 *\"
shedule = \"30 2 * * *\"
catch_up = \"yes\"
level = 99
[targets.orders.database]
url = \"mysql://orders:secret@127.0.0.1/orders\"
",
    );
    upkeep.snapshot("configuration", &upkeep.run(&["check"]));
}

#[test]
fn no_configuration_at_all() {
    let upkeep = Upkeep::new();
    upkeep.snapshot("no_configuration", &upkeep.run(&["status"]));
}

#[test]
fn database_file_missing() {
    let upkeep = Upkeep::with(NOTES);
    upkeep.snapshot("database_file_missing", &upkeep.run(&["backup", "notes"]));
}

#[test]
fn database_server_down() {
    // Port 1 is nobody's.
    let upkeep = Upkeep::with("[targets.notes.database]\nurl = \"postgres://app@127.0.0.1:1/notes\"\n");
    upkeep.snapshot("server_down", &upkeep.run(&["backup", "notes"]));
}

#[test]
fn wrong_password() {
    let Some(cluster) = postgres::cluster() else { return };
    let database = cluster.fresh_name();
    cluster.psql("postgres", &format!("CREATE DATABASE {database}"));
    cluster.psql("postgres", "CREATE ROLE locked LOGIN PASSWORD 'right'");
    // The cluster trusts everybody; this one role must show its password.
    cluster.psql(
        "postgres",
        "CREATE TEMP TABLE hba (line text);
         INSERT INTO hba SELECT 'local all locked scram-sha-256';
         INSERT INTO hba SELECT regexp_split_to_table(pg_read_file(current_setting('hba_file')), E'\\n');
         DO $$ BEGIN EXECUTE format('COPY hba TO %L', current_setting('hba_file')); END $$;
         SELECT pg_reload_conf();",
    );
    let socket = cluster.socket_dir.display();
    let upkeep = Upkeep::with(&format!(
        "[targets.notes.database]\nurl = \"postgres:///{database}?host={socket}&user=locked\"\npassword_env = \"PW\"\n"
    ));
    let mut upkeep = upkeep;
    upkeep.set("PW", "wr0ng-and-secret");
    crate::support::wait::until("the new rule is in force", || upkeep.run(&["backup", "notes"]).code == 77);
    let ran = upkeep.run(&["backup", "notes"]);
    assert!(!ran.stderr.contains("wr0ng-and-secret"), "{ran:?}");
    upkeep.snapshot("wrong_password", &ran);
}

#[test]
fn privilege_missing() {
    let Some(cluster) = postgres::cluster() else { return };
    let database = cluster.fresh_name();
    cluster.psql("postgres", &format!("CREATE DATABASE {database}"));
    cluster.psql("postgres", "CREATE ROLE onlooker LOGIN");
    cluster.psql(&database, "CREATE TABLE secrets (id int PRIMARY KEY, word text); INSERT INTO secrets VALUES (1, 'x')");
    let socket = cluster.socket_dir.display();
    let upkeep =
        Upkeep::with(&format!("[targets.notes.database]\nurl = \"postgres:///{database}?host={socket}&user=onlooker\"\n"));
    upkeep.snapshot("privilege_missing", &upkeep.run(&["backup", "notes"]));
    // `check` says it before the first backup does; one thing after the other is granted as it says.
    let said = || upkeep.run(&["check"]);
    let ran = said();
    assert!(ran.code == 77 && ran.stdout.contains("GRANT SELECT ON TABLE public.secrets TO \"onlooker\";"), "{ran:?}");
    cluster.psql(&database, "GRANT SELECT ON TABLE public.secrets TO onlooker; ALTER TABLE secrets ENABLE ROW LEVEL SECURITY;");
    let ran = said();
    assert!(ran.code == 77 && ran.stdout.contains("ALTER ROLE \"onlooker\" BYPASSRLS;"), "{ran:?}");
    cluster.psql(&database, "ALTER ROLE onlooker BYPASSRLS;");
    assert!(said().stdout.contains("every row can be read"), "{:?}", said());
    // Who only backs up may lack what a restore needs; it is said with its statement all the same.
    let ran = said();
    assert!(ran.code == 0 && ran.stdout.contains("this account may not restore"), "{ran:?}");
    assert!(
        ran.stdout.contains(&format!("ALTER ROLE \"onlooker\" CREATEDB; ALTER DATABASE \"{database}\" OWNER TO")),
        "{ran:?}"
    );
}

/// A database on a server whose client programs are not where everybody looks.
fn elsewhere() -> Option<(&'static postgres::Cluster, String)> {
    let cluster = postgres::newer_cluster()?;
    if cluster.bindir.starts_with("/usr/lib/postgresql") {
        crate::support::skipped("the newer server's client programs are where everybody looks", &[]);
        return None;
    }
    let database = cluster.fresh_name();
    cluster.psql("postgres", &format!("CREATE DATABASE {database}"));
    Some((cluster, database))
}

#[test]
fn client_programs_elsewhere_are_found_where_the_configuration_says() {
    let Some((cluster, database)) = elsewhere() else { return };
    let url = format!("[targets.notes.database]\nurl = \"{}\"\n", cluster.url(&database));
    let upkeep = Upkeep::with(&url);
    let ran = upkeep.run(&["check"]);
    assert!(ran.code == 69 && ran.stdout.contains("`client_bindir` in `[targets.notes.database]`"), "{ran:?}");
    upkeep.configure(&format!("{url}client_bindir = [\"/nowhere\", \"{}\"]\n", cluster.bindir.display()));
    let found = upkeep.ok(&["check"]);
    assert!(found.contains(&format!("one for PostgreSQL {}", cluster.major)), "{found}");
}

/// Rows without their schema are no way back from a migration.
#[test]
fn without_its_pg_dump_a_backup_says_what_it_lacks_and_nothing_is_changed() {
    let Some((cluster, database)) = elsewhere() else { return };
    let (url, bindir) = (cluster.url(&database), cluster.bindir.display());
    let target = RELEASED.replace("sqlite://{dir}/notes.db\"\n", &format!("{url}\"\n{{bindir}}"));
    let target = format!(
        "{target}[targets.notes.service]\nstart = [\"true\"]\nstop = [\"true\"]\nstatus = [\"sh\", \"-c\", \"exit 3\"]\n"
    );
    let upkeep = Upkeep::with(&target.replace("{bindir}", &format!("client_bindir = \"{bindir}\"\n")));
    let first = ("V1__notes.sql", "CREATE TABLE note (body text); INSERT INTO note VALUES ('kept');\n");
    release(&upkeep, "1.0.0", &[first]);
    upkeep.ok(&["migrate", "apply", "notes"]);
    let whole = upkeep.json(&["backup", "notes"]);

    upkeep.configure(&target.replace("{bindir}", ""));
    let said = upkeep.ok(&["backup", "notes"]);
    assert!(said.contains("NOT IN IT: schema sections: no pg_dump of major"), "{said}");
    assert!(upkeep.ok(&["list"]).contains("verified, rows only"), "{}", upkeep.ok(&["list"]));
    assert!(upkeep.run(&["status"]).stdout.contains("holds rows but no schema"), "{:?}", upkeep.run(&["status"]));

    release(&upkeep, "1.1.0", &[first, ("V2__more.sql", "ALTER TABLE note ADD more int;\n")]);
    let why = format!("there is no pg_dump of the server's major, {}, on this host", cluster.major);
    let label = whole["label"].as_str().unwrap();
    let refusals = [
        (&["upgrade", "notes"][..], 75, "upkeep check"),
        (&["migrate", "apply", "notes"], 69, "client_bindir"),
        (&["restore", "notes", label, "--replace"], 69, "client_bindir"),
    ];
    for (refused, code, hint) in refusals {
        let ran = upkeep.run(refused);
        assert!(ran.code == code && ran.stderr.contains(&why) && ran.stderr.contains(hint), "{refused:?}: {ran:?}");
        assert_eq!(cluster.psql(&database, "SELECT * FROM note"), "kept", "{refused:?}");
    }
}

#[test]
fn release_missing() {
    let upkeep = released();
    std::fs::remove_file(upkeep.path("current")).unwrap();
    upkeep.snapshot("release_missing", &upkeep.run(&["upgrade", "notes"]));
}

#[test]
fn two_releases_at_once() {
    let upkeep = released();
    upkeep.file("releases/1.0.0/VERSION", "1.0.1");
    upkeep.snapshot("two_releases", &upkeep.run(&["upgrade", "notes"]));
}

#[test]
fn migration_that_cannot_be_read() {
    let upkeep = released();
    std::fs::write(upkeep.path("releases/1.0.0/migrations/V2__torn.sql"), b"ALTER TABLE note ADD \xff\xfe").unwrap();
    upkeep.snapshot("migration_unreadable", &upkeep.run(&["migrate", "info", "notes"]));
}

#[test]
fn migration_changed_after_it_was_applied() {
    let upkeep = released();
    upkeep.file("releases/1.0.0/migrations/V1__notes.sql", "CREATE TABLE note (id INTEGER PRIMARY KEY, text TEXT NOT NULL);\n");
    upkeep.snapshot("checksum_changed", &upkeep.run(&["migrate", "validate", "notes"]));
    let info = upkeep.ok(&["migrate", "info", "notes"]);
    assert!(info.contains("problem: V1__notes.sql was changed after it was applied as 1:"), "{info}");
    assert!(info.contains("  hint: install the release whose scripts were applied"), "{info}");
}

#[test]
fn database_ahead_of_the_release() {
    let upkeep = released();
    let v1 = ("V1__notes.sql", "CREATE TABLE note (id INTEGER PRIMARY KEY, text TEXT);\n");
    release(&upkeep, "1.1.0", &[v1, ("V2__tags.sql", "ALTER TABLE note ADD COLUMN tag TEXT;\n")]);
    upkeep.ok(&["migrate", "apply", "notes"]);
    release(&upkeep, "1.0.0", &[v1]);
    upkeep.snapshot("database_ahead", &upkeep.run(&["gate", "notes"]));
}

#[test]
fn migration_that_fails() {
    let upkeep = released();
    upkeep.file(
        "releases/1.0.0/migrations/V2__tags.sql",
        "ALTER TABLE note ADD COLUMN tag TEXT;\nINSERT INTO nowhere VALUES (1);\n",
    );
    upkeep.snapshot("migration_fails", &upkeep.run(&["migrate", "apply", "notes"]));
}

#[test]
fn a_second_daemon() {
    let upkeep = Upkeep::with(NOTES);
    upkeep.sqlite("notes.db", "CREATE TABLE note (id INTEGER PRIMARY KEY)");
    let _first = upkeep.daemon();
    upkeep.snapshot("second_daemon", &upkeep.run(&["daemon"]));
}

#[test]
fn a_socket_that_is_a_file() {
    let upkeep = Upkeep::with(NOTES);
    upkeep.sqlite("notes.db", "CREATE TABLE note (id INTEGER PRIMARY KEY)");
    upkeep.file("upkeep.sock", "precious");
    upkeep.snapshot("socket_is_a_file", &upkeep.run(&["daemon"]));
    assert_eq!(std::fs::read_to_string(upkeep.path("upkeep.sock")).unwrap(), "precious");
}

#[test]
fn an_archive_that_was_damaged() {
    let upkeep = Upkeep::with(NOTES);
    upkeep.sqlite("notes.db", "CREATE TABLE note (id INTEGER PRIMARY KEY, text TEXT); INSERT INTO note VALUES (1, 'a');");
    let made = upkeep.json(&["backup", "notes"]);
    let path = made["path"].as_str().unwrap();
    let mut bytes = std::fs::read(path).unwrap();
    let middle = bytes.len() / 3;
    bytes[middle] ^= 0xff;
    std::fs::write(path, bytes).unwrap();
    let ran = upkeep.run(&["verify", made["label"].as_str().unwrap()]);
    assert!(ran.code == 65 && ran.stderr.contains("damaged") && ran.stderr.contains("hint:"), "{ran:?}");
}

#[test]
fn a_restore_over_rows() {
    let upkeep = Upkeep::with(NOTES);
    upkeep.sqlite("notes.db", "CREATE TABLE note (id INTEGER PRIMARY KEY, text TEXT); INSERT INTO note VALUES (1, 'a');");
    upkeep.ok(&["backup", "notes"]);
    upkeep.snapshot("restore_over_rows", &upkeep.run(&["restore", "notes"]));
}
