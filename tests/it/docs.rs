//! Documents that move with the code: links lead somewhere, tables equal the code's own, the README's transcript runs.

use std::path::Path;

use upkeep::failure::Class;

use crate::support::world::{Db, World, text};
use crate::support::{mysql, postgres};

const DOCUMENTS: &[&str] = &[
    "README.md",
    "ARCHITECTURE.md",
    "CONTRIBUTING.md",
    "docs/format.md",
    "docs/api.md",
    "docs/host.md",
    "docs/upgrades.md",
    "docs/migrations.md",
    "docs/restore-by-hand.md",
    "docs/offsite.md",
    "docs/new-host.md",
    "docs/openmetadata.md",
];

pub(crate) fn read(path: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn between<'a>(document: &'a str, name: &str) -> &'a str {
    let (begin, end) = (format!("<!-- {name}:begin -->\n"), format!("<!-- {name}:end -->"));
    let start = document.find(&begin).unwrap_or_else(|| panic!("no {begin}")) + begin.len();
    &document[start..start + document[start..].find(&end).unwrap_or_else(|| panic!("no {end}"))]
}

#[test]
fn links_lead_to_files_that_exist() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for document in DOCUMENTS {
        let text = read(document);
        let dir = root.join(document).parent().unwrap().to_owned();
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let file = link.split('#').next().unwrap_or("");
            if !file.is_empty() && !file.contains("://") {
                assert!(dir.join(file).exists(), "{document}: {link} leads nowhere");
            }
        }
    }
}

#[test]
fn architecture_names_files_that_exist() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for name in read("ARCHITECTURE.md").split('`').skip(1).step_by(2) {
        let is_path = name.contains('/') && !name.contains(' ') && !name.starts_with('/') && !name.starts_with("GET");
        if is_path {
            let found = root.join(name).exists() || root.join("src").join(name).exists();
            assert!(found, "ARCHITECTURE.md names {name}, which does not exist");
        }
    }
}

#[test]
fn readme_has_the_codes_of_the_code() {
    let mut table = String::from("| code | meaning |\n|---|---|\n| 0 | success |\n");
    for class in Class::ALL {
        table.push_str(&format!("| {} | {} |\n", class.code(), class.meaning()));
    }
    assert_eq!(between(&read("README.md"), "exit-codes"), table);
}

/// Every command of the README's transcript runs in order on a small host and ends well, and each line it shows that holds
/// no number, time or label is really printed.
#[test]
fn the_readme_transcript_runs() {
    let readme = read("README.md");
    let transcript = between(&readme, "transcript");
    let world = World::new(Db::Sqlite);
    let mut printed = String::new();
    let mut commands = 0;
    for line in transcript.lines() {
        if let Some(command) = line.strip_prefix("$ upkeep ") {
            let words: Vec<&str> = command.split_whitespace().collect();
            let output = world.run(&words);
            assert!(output.status.success(), "{command}: {}", text(&output));
            printed = String::from_utf8_lossy(&output.stdout).into_owned();
            commands += 1;
        } else if !line.starts_with("```") && !line.trim().is_empty() && !line.contains(|c: char| c.is_ascii_digit()) {
            let wanted: Vec<&str> = line.split_whitespace().collect();
            let found = printed.lines().any(|got| got.split_whitespace().collect::<Vec<_>>() == wanted);
            assert!(found, "the README shows `{line}`, but upkeep prints:\n{printed}");
        }
    }
    assert!(commands >= 3, "the README's transcript has only {commands} commands");
}

/// The code blocks of a document below a heading.
pub(crate) fn blocks<'a>(document: &'a str, heading: &str) -> Vec<&'a str> {
    let start = document.find(&format!("\n## {heading}")).unwrap_or_else(|| panic!("no heading {heading}")) + 1;
    let section = &document[start..];
    let section = &section[..section[2..].find("\n## ").map_or(section.len(), |end| end + 2)];
    section.split("```\n").skip(1).step_by(2).collect()
}

/// Runs a block of a document as a person would paste it; both ends of a pipe must end well. Gives what it printed.
#[track_caller]
pub(crate) fn paste(world: &World, block: &str, environment: &[(&str, &str)]) -> String {
    let piped = |line: &str| match line.contains(" | psql ") || line.contains(" | mysql ") {
        true => {
            let ends = vec!["0"; line.matches(" | ").count() + 1].join(" ");
            format!("{line}; [ \"${{PIPESTATUS[*]}}\" = \"{ends}\" ]\n")
        }
        false => format!("{line}\n"),
    };
    let script = block.lines().map(piped).collect::<String>();
    let mut shell = std::process::Command::new("bash");
    shell.args(["-e", "-c", &script]).current_dir(world.root()).envs(environment.iter().copied());
    let output = shell.output().unwrap();
    assert!(output.status.success(), "{block}: {}", text(&output));
    String::from_utf8(output.stdout).unwrap()
}

/// A world with an archive, under the names that the page uses for it.
fn world_with_a_file(db: Db) -> World {
    with_a_file(World::new(db), db)
}

fn with_a_file(world: World, db: Db) -> World {
    let archived = world.json(&["backup", "notes"]);
    let path = archived["path"].as_str().unwrap().to_owned();
    for name in ["FILE", "openmetadata-1.8.2-20261122T023000Z.sql.zst"] {
        std::fs::copy(&path, world.root().join(name)).unwrap();
    }
    let page = read("docs/restore-by-hand.md");
    let [whole, manifest, head] = blocks(&page, "First")[..] else { panic!("three blocks say what a file is") };
    assert!(paste(&world, whole, &[]).ends_with("upkeep\r\n"));
    let manifest: serde_json::Value = serde_json::from_str(&paste(&world, manifest, &[])).unwrap();
    assert_eq!(manifest["label"], archived["label"]);
    // A page image has no beginning for people.
    if !matches!(db, Db::Sqlite) {
        assert!(paste(&world, head, &[]).contains("upkeep archive of target notes"));
    }
    world
}

#[test]
fn a_sqlite_archive_is_restored_by_hand_as_the_page_says() {
    let world = world_with_a_file(Db::Sqlite);
    let page = read("docs/restore-by-hand.md");
    let [load, swap] = blocks(&page, "SQLite")[..] else { panic!("two blocks restore a file") };
    assert_eq!(paste(&world, load, &[]), "ok\n");
    world.sql("UPDATE note SET body = 'lost'");
    paste(&world, swap, &[]);
    assert_eq!((world.whole_version(), world.ask("SELECT body FROM note WHERE id = 7").as_str()), ("1.0.0", "note 7"));
    assert!(world.root().join("before/notes.db").exists());
}

fn restore_by_hand_on(cluster: &'static postgres::Cluster) {
    let world = world_with_a_file(Db::Postgres(cluster));
    let page = read("docs/restore-by-hand.md");
    let [load, swap] = blocks(&page, "PostgreSQL")[..] else { panic!("two blocks restore a database") };
    let host = cluster.socket_dir.display().to_string();
    let environment = [("PGHOST", host.as_str()), ("PGUSER", cluster.superuser.as_str())];
    cluster.psql("postgres", "CREATE DATABASE olddb");
    paste(&world, load, &environment);
    paste(&world, swap, &environment);
    assert_eq!(cluster.psql("olddb", "SELECT count(*), min(body) FROM note"), "100|note 1");
    for name in ["olddb", "olddb_before"] {
        cluster.psql("postgres", &format!("DROP DATABASE {name}"));
    }
}

#[test]
fn a_postgresql_archive_is_restored_by_hand_as_the_page_says() {
    for cluster in [postgres::cluster(), postgres::newer_cluster()].into_iter().flatten() {
        restore_by_hand_on(cluster);
    }
}

/// Everything that a page of a person's shell may do to a definition is in the world: a comment, an end of line of another host, an account
/// that is gone.
fn restore_by_hand_with(server: &'static mysql::Server) {
    let world = World::new(Db::MySql(server));
    let ghost = "CREATE DEFINER=`gh``ost`@`%`";
    world.sql(&format!("DELIMITER $$\n{ghost} PROCEDURE p() BEGIN /* kept */ SELECT 'a\r\nb', 'DEFINER=`x`@`y` z'; -- kept too\nEND$$\nDELIMITER ;"));
    world.sql(&format!("{ghost} VIEW v AS SELECT id FROM note"));
    let world = with_a_file(world, Db::MySql(server));
    let clients = world.root().join("clients");
    std::fs::create_dir(&clients).unwrap();
    server.put_clients(&clients);
    let path = format!("{}:{}", clients.display(), std::env::var("PATH").unwrap());
    let environment = [("PATH", path.as_str())];
    let page = read("docs/restore-by-hand.md");
    let [load, strip, swap] = blocks(&page, "MySQL and MariaDB")[..] else { panic!("three blocks restore a database") };
    server.sql("", "CREATE DATABASE olddb");
    paste(&world, load, &environment);
    let body = |database: &str| server.sql(database, "SHOW CREATE PROCEDURE p");
    let own = world.ask("SELECT DATABASE()");
    assert_eq!(body("newdb"), body(&own));
    assert!(body("newdb").contains("/* kept */") && body("newdb").contains("gh``ost"), "{}", body("newdb"));
    paste(&world, swap, &environment);
    let ask = "SELECT COUNT(*), MIN(body) FROM note";
    assert_eq!((server.sql("newdb", ask), server.sql("olddb", ask)), ("100\tnote 1".to_owned(), "100\tnote 1".to_owned()));
    server.sql("", "DROP DATABASE newdb; CREATE DATABASE newdb");
    paste(&world, strip, &environment);
    assert!(!body("newdb").contains("gh``ost") && body("newdb").contains("DEFINER=`x`@`y` z"), "{}", body("newdb"));
    assert_eq!(server.sql("newdb", "SELECT COUNT(*) FROM v"), "100");
    // The README's own line.
    server.sql("", "DROP DATABASE newdb; CREATE DATABASE newdb");
    let readme = read("README.md");
    let line = readme.lines().find(|line| line.contains(" | mysql ")).unwrap();
    let command = line;
    let file = command.split_whitespace().find(|word| word.ends_with(".zst")).unwrap();
    std::fs::copy(world.root().join("FILE"), world.root().join(file)).unwrap();
    paste(&world, command, &environment);
    assert_eq!((server.sql("newdb", ask).as_str(), body("newdb")), ("100\tnote 1", body(&own)));
    server.sql("", "DROP DATABASE newdb; DROP DATABASE olddb");
}

#[test]
fn a_mysql_archive_is_restored_by_hand_as_the_page_says() {
    for which in [mysql::Which::MariaDb, mysql::Which::NewerMariaDb, mysql::Which::MySql] {
        if let Some(server) = mysql::server(which) {
            let _guard = server.shared_blocking();
            restore_by_hand_with(server);
        }
    }
}

#[test]
fn every_row_of_the_table_of_restores_is_a_case() {
    let page = read("docs/restore-by-hand.md");
    let cases = read("src/restore/plan/tests.rs");
    let mut named = 0;
    for row in between(&page, "restores").lines().skip(2) {
        let last = row.trim_end_matches('|').rsplit('|').next().unwrap();
        for name in last.split('`').skip(1).step_by(2) {
            assert!(cases.contains(&format!("#[case::{name}(")), "{name} is no case");
            named += 1;
        }
    }
    assert!(named >= 10, "{named}");
}
