//! What a database is at and whose it is, as a person is told by the commands, on every engine: a half-migrated one is never taken for
//! good, a restored one belongs to its archive's release, and what can be refused is refused before anything is done for it.

use serde_json::Value;
use upkeep::migrate::{self, Intent, MigrateError, Selection};

use crate::support::engines::{Db, Home, on_every_engine};
use crate::support::scripts;
use crate::support::upkeep::Upkeep;

/// A server that migrates itself, keeps its history as OpenMetadata does, and is started and stopped by commands.
struct Place {
    upkeep: Upkeep,
    home: Home,
}

const TARGET: &str = "[targets.notes.release]\npath = \"{dir}/current\"\nversion = { file = \"VERSION\" }\nsettle = \"0s\"\n\
    [targets.notes.migrations]\nrunner = \"on-start\"\n\
    [targets.notes.service]\nstart = [\"touch\", \"{dir}/running\"]\nstop = [\"rm\", \"-f\", \"{dir}/running\"]\n\
    status = [\"sh\", \"-c\", \"test -e {dir}/odd && exit 9; test -e {dir}/running || exit 3\"]\n\
    healthy_for = \"10ms\"\ndeadline = \"5s\"\n[targets.notes.upgrade]\nauto = true\n";

impl Place {
    fn new(db: Db) -> Self {
        let upkeep = Upkeep::new();
        let home = Home::new(db, &upkeep.path("notes.db"));
        home.create();
        upkeep.configure(&format!("[targets.notes.database]\n{}\n{TARGET}", home.keys()));
        home.sql(
            "CREATE TABLE server_change_log (installed_rank int, version varchar(64), migrationFileName varchar(64), \
             checksum varchar(64), installed_on varchar(64), metrics text, migrationType varchar(20), status varchar(20))",
        );
        home.sql("CREATE TABLE notes (id int PRIMARY KEY)");
        let place = Self { upkeep, home };
        for version in ["1.9.12", "1.10.0", "1.9.13", "1.10.1-collate", "1.9.2"] {
            place.migrated(version);
        }
        place.install("1.10.1");
        place
    }

    fn install(&self, version: &str) {
        self.upkeep.file("current/VERSION", version);
    }

    /// What the server of that version does to its database.
    fn migrated(&self, version: &str) {
        self.home.sql(&format!(
            "INSERT INTO server_change_log SELECT 1 + count(*), '{version}', '/x/{version}', 'c', 'then', NULL, 'NATIVE', 'COMPLETED' \
             FROM server_change_log"
        ));
    }

    /// What `plan` decides, in words.
    fn plan(&self) -> String {
        let plan = self.upkeep.json(&["plan", "notes"]);
        let words = |key: &str| plan[key].as_str().unwrap_or_default().to_owned();
        let refusals: Vec<&str> = plan["refusals"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        format!("{} {}{}{}", words("decision"), words("headline"), words("why"), refusals.join("; "))
    }

    /// How `status` says that release and database stand, and the head it names.
    fn stands(&self) -> String {
        let status = self.upkeep.json(&["status", "notes"]);
        let shape = &status["targets"][0]["shape"];
        format!("{} {}", shape["step"].as_str().unwrap(), shape["head"].as_str().unwrap_or("-"))
    }

    /// The release that a new archive is labelled with, and the archive.
    fn archived(&self) -> (Option<String>, String) {
        let entry = self.upkeep.json(&["backup", "notes"]);
        let label = entry["label"].as_str().unwrap_or_else(|| panic!("{entry}")).to_owned();
        (entry["release"].as_str().map(str::to_owned), label)
    }
}

fn whose_a_database_is(db: Db) {
    let place = Place::new(db);
    assert_eq!(place.stands(), "in-step 1.10.1-collate", "{db}: the newest version, in whatever order they came");
    place.upkeep.file("running", "");

    // A history that says FAILED or STARTED is neither in step nor taken for good, and no release's.
    for status in ["FAILED", "STARTED"] {
        place.home.sql(&format!("UPDATE server_change_log SET status = '{status}' WHERE version = '1.10.1-collate'"));
        let plan = place.plan();
        assert!(
            plan.starts_with("refuse the history says that these migrations failed or never finished: 1.10.1-collate ("),
            "{db}: {plan}"
        );
        assert_eq!(place.stands(), "failed 1.10.0", "{db}");
        assert_eq!(place.archived().0, None, "{db}: of a half-migrated database");
        assert!(place.upkeep.run(&["upgrade", "notes"]).code != 0, "{db}");
    }
    place.home.sql("UPDATE server_change_log SET status = 'COMPLETED'");
    assert_eq!(place.stands(), "in-step 1.10.1-collate", "{db}");
    let (release, old) = place.archived();
    assert_eq!(release.as_deref(), Some("1.10.1"), "{db}");

    // A release that was only swapped on the disk changes nothing of what the data is.
    place.install("1.11.0");
    assert_eq!(place.plan(), "plan upgrade notes from 1.10.1 to 1.11.0", "{db}");
    assert_eq!((place.stands().as_str(), place.archived().0.as_deref()), ("pending 1.10.1-collate", Some("1.10.1")), "{db}");
    // One that migrated past upkeep is whose nobody wrote down; a person takes it over.
    place.migrated("1.11.0");
    assert_eq!((place.stands().as_str(), place.archived().0), ("unknown 1.11.0", None), "{db}");
    place.upkeep.ok(&["upgrade", "notes"]);
    assert_eq!((place.stands().as_str(), place.archived().0.as_deref()), ("in-step 1.11.0", Some("1.11.0")), "{db}");

    // Whether the server runs cannot be told: that is not "stopped".
    place.upkeep.file("odd", "");
    let unsure = place.upkeep.run(&["restore", "notes", &old, "--replace"]);
    assert_eq!(unsure.code, 75, "{db}: {unsure:?}");
    assert!(unsure.stderr.contains("cannot tell whether the server of target notes is running"), "{db}: {unsure:?}");
    std::fs::remove_file(place.upkeep.path("odd")).unwrap();

    // What is restored belongs to its archive's release: the server is not started on it, and the upgrade follows.
    let restored = place.upkeep.ok(&["restore", "notes", &old, "--replace", "--stop-server"]);
    assert!(!place.upkeep.path("running").exists(), "{db}: {restored}");
    assert_eq!(place.plan(), "plan upgrade notes from 1.10.1 to 1.11.0", "{db}");
    assert_eq!((place.stands().as_str(), place.archived().0.as_deref()), ("pending 1.10.1-collate", Some("1.10.1")), "{db}");
    assert!(place.upkeep.ok(&["status", "notes"]).contains("next upgrade: about "), "{db}");
    let entries = place.upkeep.json(&["list", "notes"]);
    let entries = entries["archives"].as_array().or(entries.as_array()).cloned().unwrap_or_default();
    let safety = entries.iter().find(|entry| entry["kind"] == "pre-restore").unwrap_or_else(|| panic!("{entries:?}"));
    assert_eq!(safety["release"], "1.11.0", "{db}: what was replaced was the newer release's");
    assert!(place.upkeep.run(&["gate", "--look", "notes"]).code != 0, "{db}: not started on an older database");
    place.migrated("1.11.0");
    place.upkeep.ok(&["upgrade", "notes"]);
    changed_outside(&place, db);
}

/// A package's own script changes the schema past every history: that is no release's, nothing goes on by itself, and no rollback claims to
/// bring back what was there before.
fn changed_outside(place: &Place, db: Db) {
    let (release, last) = place.archived();
    assert_eq!(release.as_deref(), Some("1.11.0"), "{db}");
    place.install("1.11.1");
    place.home.sql("ALTER TABLE notes ADD COLUMN colour int");
    let plan = place.upkeep.ok(&["plan", "notes"]);
    let note = format!(
        "the schema was changed outside of migrations since release 1.11.0 left it: the newest archive of what it left is {last}"
    );
    assert!(plan.contains(&note), "{db}: {plan}");
    assert!(plan.contains("\n  downtime: about ") && plan.contains("; the newest archive took "), "{db}: {plan}");
    let shown = place.upkeep.ok(&["status", "notes"]);
    assert!(!shown.contains("next upgrade: "), "{db}: of what is refused nothing is foretold: {shown}");
    let status = place.upkeep.json(&["status", "notes"])["targets"][0]["refusals"].to_string();
    assert!(status.contains("it is not the one that release 1.11.0 left"), "{db}: {status}");
    assert_eq!((place.stands().as_str(), place.archived().0), ("unknown 1.11.0", None), "{db}");
    let gate = place.upkeep.run(&["gate", "--look", "notes"]);
    assert!(gate.code != 0 && gate.stderr.contains("changed outside of migrations"), "{db}: {gate:?}");
    place.upkeep.ok(&["upgrade", "notes"]);
    assert_eq!(place.stands(), "in-step 1.11.0", "{db}");
    let refused = place.upkeep.run(&["rollback", "notes"]);
    assert_eq!(refused.code, 65, "{db}: {refused:?}");
    assert!(refused.stderr.contains("is not what release 1.11.0 left") && refused.stderr.contains(&last), "{db}: {refused:?}");
    assert!(place.home.columns_and_tables("notes", "1").starts_with("id,colour|"), "{db}: nothing was changed");
    let shown = place.upkeep.ok(&["list", "notes"]);
    assert!(shown.contains(&last), "{db}: the last archive of 1.11.0 is there: {shown}");
}

fn known_beforehand(db: Db) {
    let upkeep = Upkeep::new();
    let home = Home::new(db, &upkeep.path("notes.db"));
    home.create();
    let config =
        format!("[targets.notes.database]\n{}\n[targets.notes.migrations]\nlocations = [\"{{dir}}/sql\"]\n", home.keys());
    let own = "CREATE TABLE server_change_log (installed_rank int, version varchar(64), migrationFileName varchar(64), \
               checksum varchar(64), installed_on varchar(64));";
    upkeep.file("sql/V1__a.sql", "CREATE TABLE a (id int);");
    upkeep.file("sql/V2__native.sql", &format!("-- from here on natively\n{own}"));
    upkeep.file("sql/V3__b.sql", "CREATE TABLE b (id int);");
    let refused = |arguments: &[&str], words: &str| {
        let ran = upkeep.run(&[&["migrate"], arguments].concat());
        assert!(ran.code != 0 && ran.stderr.contains(words), "{db} {arguments:?}: {ran:?}");
        assert!(
            !upkeep.json(&["list", "notes"]).to_string().contains("\"label\""),
            "{db} {arguments:?}: an archive for nothing"
        );
    };
    // Whether the server runs cannot be told: that is not "stopped".
    let odd = "[targets.notes.service]\nstart = [\"true\"]\nstop = [\"true\"]\nstatus = [\"sh\", \"-c\", \"exit 9\"]\n";
    upkeep.configure(&format!("{config}{odd}"));
    for verb in [&["apply", "notes"][..], &["repair", "notes"], &["baseline", "notes", "1"], &["undo", "notes"]] {
        refused(verb, "cannot tell whether the server of `notes` is running");
    }
    upkeep.configure(&config);
    refused(&["apply", "notes"], "hands the migrations over to openmetadata, whose history is server_change_log");
    home.sql("CREATE TABLE c (id int)");
    home.sql(own.trim_end_matches(';'));
    let kept = "kept by openmetadata in server_change_log";
    refused(&["apply", "notes"], kept);
    refused(&["repair", "notes"], kept);
    refused(&["baseline", "notes", "1"], kept);
    home.sql("DROP TABLE server_change_log");

    // An account that may only read.
    std::fs::remove_file(upkeep.path("sql/V2__native.sql")).unwrap();
    let Some(stranger) = home.as_stranger() else { return };
    if let Db::MySql(server) = db {
        server.sql("", &format!("GRANT SELECT ON `{}`.* TO 'stranger_{}'@'%'", home.name, home.name));
    }
    let settings = upkeep::config::Migrations { baseline_on_migrate: Some("0".to_owned()), ..scripts::settings() };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let all = Selection::default();
    for intent in [Intent::Apply(&all), Intent::Baseline("1")] {
        let foreseen = runtime.block_on(migrate::foresee(&stranger, &settings, upkeep.root(), &intent));
        assert!(matches!(foreseen, Err(MigrateError::MayNot { .. })), "{db}: {foreseen:?}");
    }
    let foreseen = runtime.block_on(migrate::foresee(&home.database(), &settings, upkeep.root(), &Intent::Apply(&all)));
    assert!(matches!(foreseen, Ok(migrate::Foreseen::Changes)), "{db}: {foreseen:?}");
    let tables = home.columns_and_tables("c", "1");
    assert!(!tables.contains("upkeep"), "{db}: what was tried left nothing: {tables}");
}

on_every_engine! {
    a_database_belongs_to_a_release_by_its_shape: super::whose_a_database_is;
    what_is_refused_anyway_is_refused_before_an_archive_is_taken: super::known_beforehand;
}
