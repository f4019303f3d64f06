//! OpenMetadata as a product, on PostgreSQL and MySQL, by the shipped profile: a hop whose tool ends badly after the database part, one
//! that fails in the middle, the way by 2.0, two jars, a downgrade, a history that says FAILED, and what `check` says beforehand. The
//! releases are stand-ins (`support/openmetadata.rs`).

use serde_json::Value;

use crate::support::engines::{Db, Home};
use crate::support::mysql::{Which, server};
use crate::support::openmetadata::{histories, install, install_older, put_jar};
use crate::support::upkeep::Upkeep;

struct Place {
    db: Db,
    upkeep: Upkeep,
    home: Home,
}

type Migration = (&'static str, &'static str, &'static str);

const UNTIL_1_5: [Migration; 2] = [("1.1.0", "schemaChanges", "SELECT 1"), ("1.5.0", "schemaChanges", "SELECT 1")];
const OF_1_6: [Migration; 2] = [
    ("1.6.0", "schemaChanges", "ALTER TABLE table_entity ADD COLUMN owner VARCHAR(64)"),
    ("1.6.0", "postDataMigrationSQLScript", "UPDATE table_entity SET owner = 'team'"),
];
/// Its first statement runs, its second does not.
const OF_1_7: [Migration; 2] = [
    ("1.7.0", "schemaChanges", "ALTER TABLE table_entity ADD COLUMN tier VARCHAR(64)"),
    ("1.7.0", "postDataMigrationSQLScript", "UPDATE no_such_table SET tier = 'gold'"),
];
const OF_2_1: [Migration; 2] = [("2.0.0", "schemaChanges", "SELECT 1"), ("2.1.0", "schemaChanges", "SELECT 1")];

impl Place {
    fn new(db: Db) -> Self {
        let upkeep = Upkeep::new();
        let home = Home::new(db, &upkeep.path("om.db"));
        home.create();
        let place = Self { db, upkeep, home };
        place.configure(&place.home.name);
        let postgres = matches!(db, Db::Postgres(_));
        place.home.sql(&histories(postgres));
        place.home.sql("CREATE TABLE table_entity (id int PRIMARY KEY); INSERT INTO table_entity VALUES (1), (2), (3)");
        install(&place.upkeep, "1.5.0", &UNTIL_1_5);
        place.upkeep.file("running", "");
        place
    }

    /// `theirs` is the database that the server is told to use.
    fn configure(&self, theirs: &str) {
        let (engine, scheme) = if matches!(self.db, Db::Postgres(_)) { ("postgres", "postgresql") } else { ("mysql", "mysql") };
        self.upkeep.configure(&format!(
            "[targets.om]\nproduct = \"openmetadata\"\n[targets.om.database]\n{}\n\
             [targets.om.release]\npath = \"{{dir}}/current\"\nsettle = \"0s\"\n\
             [targets.om.migrations]\nenvironment_file = \"{{dir}}/server.env\"\nenvironment = {{ ENGINE = \"{engine}\" }}\n\
             [targets.om.service]\nstart = [\"touch\", \"{{dir}}/running\"]\nstop = [\"rm\", \"-f\", \"{{dir}}/running\"]\n\
             status = [\"sh\", \"-c\", \"test -e {{dir}}/running || exit 3\"]\nhealth = [{{ command = [\"true\"] }}]\n\
             healthy_for = \"10ms\"\n[targets.om.upgrade]\nauto = true\n",
            self.home.keys()
        ));
        let client = self.home.client();
        self.upkeep.file("server.env", &format!("CLIENT=\"{client}\"\nDB_SCHEME={scheme}\nOM_DATABASE={theirs}\n"));
    }

    /// How `status` says that release and database stand, and the head it names.
    fn stands(&self) -> String {
        let status = self.upkeep.json(&["status", "om"]);
        let shape = &status["targets"][0]["shape"];
        format!("{} {}", shape["step"].as_str().unwrap_or("?"), shape["head"].as_str().unwrap_or("-"))
    }

    /// Why `plan` refuses.
    fn refused(&self) -> String {
        let plan = self.upkeep.json(&["plan", "om"]);
        let refusals: Vec<&str> = plan["refusals"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        refusals.join("; ")
    }

    fn columns(&self) -> String {
        let all = self.home.columns_and_tables("table_entity", "1");
        all.split('|').next().unwrap_or_default().to_owned()
    }
}

fn carried_through_its_releases(db: Db) {
    let place = Place::new(db);
    assert_eq!(place.stands(), "in-step 1.5.0", "{db}");
    place.upkeep.ok(&["backup", "om"]);

    // The tool ends badly after the database part: the database says how it stands.
    install(&place.upkeep, "1.6.0", &[UNTIL_1_5, OF_1_6].concat());
    place.upkeep.file("current/search-engine-down", "");
    assert_eq!(place.stands(), "pending 1.5.0", "{db}");
    place.upkeep.ok(&["upgrade", "om"]);
    assert_eq!((place.stands().as_str(), place.columns().as_str()), ("in-step 1.6.0", "id,owner"), "{db}");
    assert_eq!(place.home.ask("SELECT count(*) FROM table_entity WHERE owner = 'team'"), "3", "{db}");

    // One that stops in the middle: everything is put back, and what stood half-way is named.
    install(&place.upkeep, "1.7.0", &[&UNTIL_1_5[..], &OF_1_6, &OF_1_7].concat());
    let failed = place.upkeep.run(&["upgrade", "om"]);
    assert!(failed.code != 0, "{db}: {failed:?}");
    let said = format!("{}{}", failed.stdout, failed.stderr);
    assert!(said.contains("1 statement ran, and it did not end"), "{db}: {said}");
    let current = std::fs::read_link(place.upkeep.path("current")).unwrap();
    assert_eq!(current.to_str(), Some("openmetadata-1.6.0"), "{db}");
    assert_eq!((place.stands().as_str(), place.columns().as_str()), ("in-step 1.6.0", "id,owner"), "{db}");
    assert!(place.upkeep.path("running").exists(), "{db}: the earlier server serves");

    // 2.1 goes by way of 2.0, whoever asks.
    install(&place.upkeep, "2.1.0", &OF_2_1);
    let refused = place.refused();
    assert!(refused.contains("release 2.1.0 takes no database from before 2.0.0, and this one is at 1.6.0"), "{db}: {refused}");
    let asked = place.upkeep.run(&["upgrade", "om"]);
    assert!(asked.code != 0 && asked.stderr.contains("install the newest 2.0 release first"), "{db}: {asked:?}");
    let gate = place.upkeep.run(&["gate", "--look", "om"]);
    assert!(gate.code != 0 && gate.stderr.contains("install the newest 2.0 release first"), "{db}: {gate:?}");

    // A release unpacked over another one, and one that is older than its database.
    install(&place.upkeep, "1.6.0", &[UNTIL_1_5, OF_1_6].concat());
    put_jar(&place.upkeep, "current", "1.5.0");
    let refused = place.refused();
    assert!(refused.contains("openmetadata-service-1.5.0.jar and openmetadata-service-1.6.0.jar"), "{db}: {refused}");
    install(&place.upkeep, "1.5.0", &UNTIL_1_5);
    let refused = place.refused();
    assert!(refused.contains("migrations the release does not know: 1.6.0"), "{db}: {refused}");
    let gate = place.upkeep.run(&["gate", "--look", "om"]);
    assert!(gate.code != 0, "{db}: an older server is not started on it: {gate:?}");
    assert_eq!(place.columns(), "id,owner", "{db}: nothing was changed");
}

fn told_beforehand(db: Db) {
    let place = Place::new(db);
    let findings = |what: &str| {
        let report = place.upkeep.json(&["check"]);
        let of = report["findings"].as_array().unwrap().iter().filter(|finding| finding["what"] == what);
        of.map(|finding| format!("{}{}{}", finding["good"], finding["advice"], finding["problem"]))
            .collect::<Vec<_>>()
            .join("\n")
    };
    assert!(findings("migrations").contains("at 1.5.0, 0 pending"), "{db}: {}", findings("migrations"));
    assert!(findings("tool").contains("the vendor's own, by the profile of openmetadata"), "{db}: {}", findings("tool"));
    let told = findings("openmetadata");
    assert!(!told.contains("names the database"), "{db}: {told}");
    match db {
        Db::Postgres(_) => assert!(told.contains("ALTER DATABASE NAME SET work_mem = '20MB'"), "{db}: {told}"),
        _ => assert!(told.contains("SET GLOBAL sort_buffer_size = 20971520"), "{db}: {told}"),
    }
    // The migration would be of another database than the archive.
    place.configure("elsewhere");
    let told = findings("openmetadata");
    assert!(told.contains("names the database") && told.contains("/elsewhere"), "{db}: {told}");
    let refused = place.refused();
    assert!(refused.contains("else one database is archived and another one migrated"), "{db}: {refused}");
    place.configure(&place.home.name);

    // Since 2.1 a row says how its migration stands.
    place.home.sql("ALTER TABLE SERVER_CHANGE_LOG ADD COLUMN status VARCHAR(20) NOT NULL DEFAULT 'COMPLETED'");
    for status in ["FAILED", "STARTED"] {
        place.home.sql(&format!("UPDATE SERVER_CHANGE_LOG SET status = '{status}' WHERE version = '1.5.0'"));
        assert!(place.refused().contains("failed or never finished: 1.5.0 ("), "{db}: {}", place.refused());
        assert!(findings("migrations").contains("failed or never finished: 1.5.0 ("), "{db}: {}", findings("migrations"));
    }
    // Without a history nothing says which release it is of, and nothing is done.
    place.home.sql("DROP TABLE SERVER_CHANGE_LOG; DROP TABLE SERVER_MIGRATION_SQL_LOGS");
    assert!(place.refused().contains("keeps no history of OpenMetadata's migrations"), "{db}: {}", place.refused());
    assert!(place.upkeep.run(&["upgrade", "om"]).code != 0, "{db}");
    assert!(place.stands().starts_with("unknown"), "{db}: {}", place.stands());
}

/// Of 1.1 and 1.2, whose tool passes over what fails and says that all went well.
const OF_1_1: [Migration; 1] =
    [("1.1.0", "schemaChanges", "CREATE TABLE chart_entity (id INT PRIMARY KEY, name VARCHAR(64), data VARCHAR(64))")];
const OF_1_2: [Migration; 2] = [
    ("1.2.0", "schemaChanges", "ALTER TABLE chart_entity ADD COLUMN hash VARCHAR(64)"),
    ("1.2.0", "postDataMigrationSQLScript", "CREATE INDEX chart_by_name ON chart_entity (name, hash)"),
];

fn swallowed_errors_are_found_before_the_server_is_stopped(db: Db) {
    let place = Place::new(db);
    let postgres = matches!(db, Db::Postgres(_));
    // The database that the tool goes to is the one that its variables name.
    let environment = std::fs::read_to_string(place.upkeep.path("server.env")).unwrap();
    place.upkeep.file("server.env", &environment.replacen(&place.home.name, "$OM_DATABASE", 1));
    place.home.sql("DELETE FROM SERVER_CHANGE_LOG WHERE version = '1.5.0'; DROP TABLE table_entity");
    place.home.sql(OF_1_1[0].2);
    install_older(&place.upkeep, "1.1.0", &OF_1_1, postgres);
    assert_eq!(place.stands(), "in-step 1.1.0", "{db}");
    place.upkeep.ok(&["backup", "om"]);
    install_older(&place.upkeep, "1.2.0", &[&OF_1_1[..], &OF_1_2].concat(), postgres);
    let passed = place.upkeep.run(&["rehearse", "om"]);
    assert!(passed.code == 0 && passed.stdout.contains("release 1.2.0 passed"), "{db}: {passed:?}");
    // A column is gone that the migration needs. The tool says that all went well, and the history that nothing is pending.
    place.home.sql("ALTER TABLE chart_entity DROP COLUMN name");
    place.upkeep.ok(&["backup", "om"]);
    let failed = place.upkeep.run(&["rehearse", "om"]);
    assert!(failed.code == 65 && failed.stderr.contains("chart_by_name"), "{db}: {failed:?}");
    assert!(place.upkeep.path("running").exists(), "{db}: the server was stopped");
    assert_eq!(place.home.ask("SELECT count(*) FROM SERVER_CHANGE_LOG"), "1", "{db}: the real database was migrated");
    let scratches = place.home.ask(if postgres {
        "SELECT count(*) FROM pg_database WHERE datname LIKE '%upkeep_drill%' AND datname LIKE current_database() || '%'"
    } else {
        "SELECT COUNT(*) FROM information_schema.SCHEMATA WHERE SCHEMA_NAME LIKE CONCAT(DATABASE(), '%upkeep_drill%')"
    });
    assert_eq!(scratches, "0", "{db}");
}

/// MariaDB cannot load OpenMetadata's tables.
fn on_its_engines(body: fn(Db)) {
    if let Some(cluster) = crate::support::postgres::cluster() {
        body(Db::Postgres(cluster));
    }
    if let Some(server) = server(Which::MySql) {
        body(Db::MySql(server));
    }
}

#[test]
fn an_openmetadata_is_carried_through_its_releases() {
    on_its_engines(carried_through_its_releases);
}

#[test]
fn what_an_openmetadata_swallows_is_found_by_reference_and_rehearsal() {
    on_its_engines(swallowed_errors_are_found_before_the_server_is_stopped);
}

#[test]
fn what_an_openmetadata_fails_by_is_told_beforehand() {
    on_its_engines(told_beforehand);
}
