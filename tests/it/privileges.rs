//! A dump by who may not read everything: refused, and each complaint names the one statement that helps.

use upkeep::engine::mysql::may_read;
use upkeep::failure::{Class, Explain as _};

use crate::support::engines::{Db, Home, on_every_engine};
use crate::support::mysql::{dump, said};

on_every_engine! {
    a_missing_privilege_is_named_with_its_grant: named;
}

fn named(db: Db) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(Box::pin(grant_by_grant(db)));
}

/// What a stranger cannot read of it are tables, a name that must be quoted, a view, and what the engine has beside them.
fn content(db: Db) -> &'static str {
    match db {
        Db::Sqlite => "CREATE TABLE open (a int); CREATE TABLE \"Secret; table\" (a int); CREATE VIEW v AS SELECT 1 AS a",
        Db::Postgres(_) => {
            "CREATE SCHEMA s; CREATE TABLE s.open (a serial); CREATE TABLE s.\"Secret; table\" (a int); CREATE VIEW s.v AS SELECT 1 AS a"
        }
        Db::MySql(_) => {
            "CREATE TABLE open (a int); CREATE TABLE `Secret; table` (a int); CREATE VIEW v AS SELECT 1 AS a; \
             CREATE TRIGGER t BEFORE INSERT ON open FOR EACH ROW SET NEW.a = 1"
        }
    }
}

async fn grant_by_grant(db: Db) {
    let dir = tempfile::tempdir().unwrap();
    let home = Home::new(db, &dir.path().join("none.db"));
    home.create();
    home.sql(content(db));
    let Some(stranger) = home.as_stranger() else {
        // A file has no users of its own: whoever may open it may read all of it.
        let sealed = dump(&home.database(), dir.path(), 1).await.unwrap();
        assert_eq!(sealed.manifest.tables.len(), 2);
        return;
    };
    let mut given = Vec::new();
    let sealed = loop {
        let error = match dump(&stranger, dir.path(), 1).await {
            Ok(sealed) => break sealed,
            Err(error) => error,
        };
        assert_eq!(error.class(), Class::NoPermission, "{error:?}");
        let said = said(error);
        let grant = said.split("GRANT ").nth(1).unwrap_or_else(|| panic!("{said}"));
        // Not at the first semicolon, which is in a name.
        let grant = grant.split(";\n").next().unwrap().trim_end_matches([';', '\n']).to_owned();
        assert!(!given.contains(&grant), "{grant} did not help: {said}");
        home.sql(&format!("GRANT {grant}"));
        given.push(grant);
        assert!(given.len() < 10, "{given:?}");
    };
    assert!(!given.is_empty());
    assert_eq!(sealed.manifest.tables.len(), 2, "{given:?}");
    if matches!(db, Db::MySql(_)) {
        // What `upkeep check` says of locks helps too.
        home.sql(&may_read(&stranger).await.unwrap().lock.unwrap());
        let may = may_read(&stranger).await.unwrap();
        assert!(may.lock.is_none() && may.moment.contains("LOCK TABLES"), "{may:?}");
    }
}
