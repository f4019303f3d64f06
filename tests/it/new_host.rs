//! A new host from nothing: database, roles and accounts are back by the commands of `docs/new-host.md`, each run as it is printed; once with
//! upkeep and once by stock tools alone.

use std::os::unix::fs::PermissionsExt as _;

use age::secrecy::ExposeSecret as _;

use crate::docs::{blocks, paste, read};
use crate::support::mysql::{self, Which};
use crate::support::postgres;
use crate::support::world::{Db, World, text};

/// A world with a place that takes encrypted copies, and the key beside it.
fn world_with_a_place(db: Db) -> World {
    let world = World::new(db);
    let root = world.root();
    let identity = age::x25519::Identity::generate();
    let file = root.join("identity.txt");
    std::fs::write(&file, identity.to_string().expose_secret()).unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
    std::fs::create_dir(root.join("nas")).unwrap();
    world.write_config(&format!(
        "[offsite.nas]\nkind = \"directory\"\npath = \"{}/nas\"\nowner = \"db1\"\nallow_same_device = true\nencrypt_to = [\"{}\"]\n\
         [targets.notes.offsite]\nto = [\"nas\"]\n",
        root.display(),
        identity.to_public()
    ));
    works(&world, &["offsite", "init", "nas"]);
    world
}

#[track_caller]
fn works(world: &World, arguments: &[&str]) -> String {
    let output = world.run(arguments);
    assert!(output.status.success(), "{arguments:?}: {}", text(&output));
    String::from_utf8(output.stdout).unwrap()
}

/// Archives it, copies it to the place, and loses the host; `FILE.age` is the copy.
fn archived_and_lost(world: &World) {
    let archived = world.json(&["backup", "notes"]);
    works(world, &["copy"]);
    let label = archived["label"].as_str().unwrap();
    let ending = if matches!(world.home().db, Db::Sqlite) { "sqlite" } else { "sql" };
    std::fs::copy(world.root().join(format!("nas/db1/{label}.{ending}.zst.age")), world.root().join("FILE.age")).unwrap();
    for directory in ["archives", "state"] {
        std::fs::remove_dir_all(world.root().join(directory)).unwrap();
    }
}

/// Runs the one block of a section as a person would paste it.
#[track_caller]
fn run(world: &World, section: &str, environment: &[(&str, &str)]) {
    let page = read("docs/new-host.md");
    let [block] = blocks(&page, section)[..] else { panic!("one block below {section}") };
    // A test's own database has a name that no other test's has.
    let block = match world.home().db {
        Db::MySql(_) if section.contains("by stock tools") => &block.replace("notes", &world.home().name),
        _ => block,
    };
    // Nor is its place or its server where the page has them; and there is no configuration.
    let (place, url) = (world.root().join("nas").display().to_string(), format!("--into '{}'", world.home().url()));
    let block = block.replace("/mnt/nas/upkeep", &place);
    let block =
        block.lines().map(|line| line.split_once("--into ").map_or(line.to_owned(), |(before, _)| format!("{before}{url}")));
    let block = block.collect::<Vec<_>>().join("\n");
    let (config, bin) = (world.root().join("none.toml"), world.programs());
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap());
    let state = world.root().join("home");
    let mut all =
        vec![("UPKEEP_CONFIG", config.to_str().unwrap()), ("PATH", path.as_str()), ("XDG_STATE_HOME", state.to_str().unwrap())];
    all.extend(environment);
    paste(world, &block, &all);
}

fn on_postgresql(cluster: &'static postgres::Cluster) {
    let world = world_with_a_place(Db::Postgres(cluster));
    let name = world.home().name.clone();
    let (app, group, odd) = (format!("app_{name}"), format!("readers_{name}"), format!("\"o'd\"\"d {name}\""));
    world.sql(&format!(
        "CREATE ROLE {group} NOLOGIN; CREATE ROLE {app} LOGIN CREATEDB CONNECTION LIMIT 7 PASSWORD 'secret'; CREATE ROLE {odd} NOINHERIT; \
         CREATE ROLE above_{name}; GRANT above_{name} TO {app}; CREATE ROLE member_{name} LOGIN VALID UNTIL '2031-01-02 03:04:05+00'; \
         GRANT {group} TO member_{name} WITH ADMIN OPTION; ALTER ROLE {app} SET search_path = app; \
         ALTER TABLE note OWNER TO {app}; GRANT SELECT ON note TO {group}; ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT ON TABLES TO {odd}"
    ));
    let roles = || {
        let of_ours = format!("rolname LIKE '%{name}%'");
        let roles = format!(
            "SELECT string_agg(concat_ws('/', rolname, rolsuper, rolcanlogin, rolinherit, rolcreatedb, rolcreaterole, rolconnlimit, rolvaliduntil), ';' ORDER BY rolname) \
             FROM pg_roles WHERE {of_ours}"
        );
        let members = format!(
            "SELECT string_agg(concat_ws('/', roleid::regrole, member::regrole, admin_option), ';' ORDER BY roleid::regrole::text, member::regrole::text) \
             FROM pg_auth_members WHERE roleid IN (SELECT oid FROM pg_roles WHERE {of_ours})"
        );
        (cluster.psql("postgres", &roles), cluster.psql("postgres", &members))
    };
    let owned = "SELECT c.relowner::regrole, c.relacl, (SELECT string_agg(defaclacl::text, ';') FROM pg_default_acl), \
                 (SELECT concat_ws('/', count(*), min(body), max(body)) FROM note) FROM pg_class c WHERE c.oid = 'note'::regclass";
    let (roles_before, owned_before) = (roles(), world.ask(owned));
    archived_and_lost(&world);
    let lose = |database: &str| {
        cluster.psql("postgres", &format!("DROP DATABASE {database} WITH (FORCE)"));
        cluster.psql("postgres", &format!("DROP ROLE {app}, {group}, {odd}, above_{name}, member_{name}"));
    };
    let host = cluster.socket_dir.display().to_string();
    let environment = [("PGHOST", host.as_str()), ("PGUSER", cluster.superuser.as_str())];
    lose(&name);
    run(&world, "PostgreSQL, with upkeep", &environment);
    assert_eq!((roles(), world.ask(owned)), (roles_before.clone(), owned_before.clone()));
    lose(&name);
    run(&world, "PostgreSQL, by stock tools alone", &environment);
    assert_eq!((roles(), cluster.psql("restored", owned)), (roles_before, owned_before));
    let head = accounts(&world);
    assert!(
        head.contains(&format!("\"{app}\" logs in")) && !head.contains("secret") && head.contains("not kept: search_path"),
        "{head}"
    );
    lose("restored");
}

/// What upkeep prints of the file that stock tools made of the copy.
fn accounts(world: &World) -> String {
    works(world, &["accounts", world.root().join("FILE").to_str().unwrap()])
}

#[test]
fn a_new_host_has_database_and_roles_of_postgresql_by_the_commands_of_the_page() {
    if let Some(cluster) = postgres::cluster() {
        on_postgresql(cluster);
    }
}

fn on_mysql(server: &'static mysql::Server) {
    let _guard = server.shared_blocking();
    let world = world_with_a_place(Db::MySql(server));
    let name = world.home().name.clone();
    let (app, ghost) = (format!("'app_{name}'@'%'"), format!("'gh`ost_{name}'@'10.%'"));
    let role = if server.is_mariadb() { format!("readers_{name}") } else { format!("'readers_{name}'@'%'") };
    server.sql(
        "",
        &format!(
            "CREATE USER {app} IDENTIFIED BY 'secret'; CREATE USER {ghost} IDENTIFIED BY 'secret'; CREATE ROLE {role}; \
             GRANT SELECT, INSERT ON {name}.* TO {app}; GRANT SELECT ON {name}.* TO {role}; GRANT {role} TO {app}; GRANT ALL ON {name}.* TO {ghost}"
        ),
    );
    world.sql(&format!("CREATE DEFINER={ghost} VIEW v AS SELECT id FROM note"));
    let grants = || {
        let all = [&app, &ghost, &role].map(|account| server.sql("", &format!("SHOW GRANTS FOR {account}")));
        let lines = all.iter().flat_map(|lines| lines.lines()).filter(|line| !line.contains(" ON *.*"));
        let mut lines: Vec<String> = lines.map(str::to_owned).collect();
        lines.sort();
        lines
    };
    let before = grants();
    assert!(before.len() >= 4, "{before:?}");
    archived_and_lost(&world);
    let lose = || drop(server.sql("", &format!("DROP DATABASE {name}; DROP USER {app}, {ghost}; DROP ROLE {role}")));
    lose();
    run(&world, "MySQL and MariaDB, with upkeep", &[]);
    let content = "SELECT (SELECT count(*) FROM v), min(body), max(body) FROM note";
    assert_eq!((grants(), world.ask(content).as_str()), (before.clone(), "100|note 1|note 99"));
    lose();
    run(&world, "MySQL and MariaDB, by stock tools alone", &[]);
    assert_eq!((grants(), world.ask(content).as_str()), (before, "100|note 1|note 99"));
    let head = accounts(&world);
    assert!(head.contains("ACCOUNT LOCK;") && !head.contains("secret") && !head.contains("PASSWORD"), "{head}");
    lose();
}

#[test]
fn a_new_host_has_database_and_accounts_of_mysql_by_the_commands_of_the_page() {
    for which in [Which::MariaDb, Which::MySql] {
        if let Some(server) = mysql::server(which) {
            on_mysql(server);
        }
    }
}

/// Without a configuration: whose copies are meant is said or plain, where they go is said, and a configuration is not gone past.
#[test]
fn a_restore_from_an_address_says_what_it_lacks_and_goes_past_no_configuration() {
    let world = world_with_a_place(Db::Sqlite);
    archived_and_lost(&world);
    let (root, into) = (world.root(), format!("sqlite://{}/new.db", world.root().display()));
    let place = root.join("nas");
    let place = place.to_str().unwrap();
    let run = |config: &str, arguments: &[&str]| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_upkeep"));
        command
            .args(["--config", &*root.join(config).to_string_lossy()])
            .args(arguments)
            .env("XDG_STATE_HOME", root.join("home"));
        let output = command.current_dir(&root).output().unwrap();
        (output.status.code(), text(&output))
    };
    let restore = ["restore", "notes", "--at", place, "--identity", "identity.txt", "--into", &into];
    let (code, said) = run("upkeep.toml", &restore);
    assert!(code == Some(78) && said.contains("stands beside no configuration"), "{code:?} {said}");
    let (code, said) = run("none.toml", &restore[..6]);
    assert!(code == Some(64) && said.contains("name the database: `--into"), "{code:?} {said}");
    std::fs::create_dir(root.join("nas/db2")).unwrap();
    std::fs::copy(root.join("nas/db1/.upkeep-owner.json"), root.join("nas/db2/.upkeep-owner.json")).unwrap();
    let (code, said) = run("none.toml", &restore);
    assert!(code == Some(64) && said.contains("db1, db2") && said.contains("--owner db1"), "{code:?} {said}");
    assert!(!root.join("new.db").exists());
    let (code, said) = run("none.toml", &[&restore[..], &["--owner", "db1"]].concat());
    assert!(code == Some(0) && said.contains("compared, all as in the archive"), "{code:?} {said}");
    let (code, said) = run("none.toml", &[&restore[..], &["--owner", "db1"]].concat());
    assert!(code != Some(0) && said.contains("holds rows"), "{code:?} {said}");
    let (code, said) = run("none.toml", &["list", "--at", "s3://acme-backups/upkeep", "--owner", "db1"]);
    assert!(code == Some(78) && said.contains("AWS_ACCESS_KEY_ID"), "{code:?} {said}");
}
