use super::*;
use crate::migrate::keep::{keep, lay_out};
use crate::migrate::tests::{put, settings};

fn listed(found: &Scripts) -> Vec<&str> {
    found.scripts.iter().map(|script| script.file.script.as_str()).collect()
}

#[test]
fn scripts_are_found_below_every_location_in_the_order_of_paths() {
    let root = tempfile::tempdir().unwrap();
    for (path, text) in [
        ("sql/postgresql/V2__b.sql", "SELECT 2;"),
        ("sql/postgresql/V10__c.sql", "SELECT 10;"),
        ("sql/postgresql/deeper/down/V1__a.sql", "SELECT 1;"),
        ("sql/postgresql/.hidden/V9__x.sql", "no"),
        ("sql/postgresql/..data/V9__x.sql", "no"),
        ("sql/postgresql/.V8__x.sql", "hidden file"),
        ("sql/postgresql/V7__x.sql.orig", "leftover"),
        ("sql/postgresql/U2__b.sql", "undo"),
        ("sql/sqlite/V3__other_engine.sql", "no"),
        ("more/R__views.sql", "\u{feff}SELECT 1;"),
        ("more/afterMigrate.sql", "SELECT 1;"),
        ("more/R__views.sql.conf", "executeInTransaction=false"),
    ] {
        put(root.path(), path, text);
    }
    let settings = Migrations {
        locations: vec!["sql/{engine}".to_owned(), "filesystem:more".to_owned(), "sql/{engine}/deeper".to_owned()],
        ..settings()
    };
    let found = scripts(&settings, "postgresql", root.path()).unwrap();
    assert_eq!(listed(&found), ["V10__c.sql", "V2__b.sql", "deeper/down/V1__a.sql", "R__views.sql"]);
    let callbacks = found.callbacks.iter().map(|callback| format!("{} {}", callback.event, callback.script.file.script));
    let companions = found.companions.iter().map(|file| format!("companion {}", file.script));
    let undo = found.undo.iter().map(|script| format!("undo {}", script.file.script));
    let asides: Vec<String> = callbacks.chain(companions).chain(undo).collect();
    assert_eq!(asides, ["afterMigrate afterMigrate.sql", "companion R__views.sql.conf", "undo U2__b.sql"]);
    let alone: Vec<_> = found.left_alone.iter().map(|file| file.script.as_str()).collect();
    assert_eq!(alone, [".V8__x.sql", "V7__x.sql.orig"]);
    let views = &found.scripts[3];
    assert_eq!(views.text().unwrap(), "SELECT 1;", "without its byte order mark");
    assert_eq!(views.checksum, checksum::of("SELECT 1;"));
    put(root.path(), "more/R__views.sql", "SELECT 2;");
    assert!(views.text().unwrap_err().to_string().contains("changed while"));

    let absolute = Migrations { locations: vec![root.path().join("more").display().to_string()], ..settings };
    assert_eq!(listed(&scripts(&absolute, "postgresql", Path::new("/nowhere")).unwrap()), ["R__views.sql"]);
}

#[test]
fn what_cannot_be_read_as_it_should_is_named() {
    type Prepare = fn(&Path);
    let cases: [(&str, Prepare, &str); 7] = [
        ("gone", |_| {}, "migration location `gone` is not a directory"),
        ("sql", |root| put(root, "sql/V1a__x.sql", "x"), "V1a__x.sql cannot be a migration: `1a` is not a migration version"),
        (
            "sql",
            |root| {
                put(root, "sql/V1__x.sql", "x");
                std::fs::File::create(root.join("sql/V1__x.sql"))
                    .and_then(|mut file| std::io::Write::write_all(&mut file, b"a\nb\xff"))
                    .unwrap();
            },
            "V1__x.sql cannot be a migration: line 2 is not UTF-8",
        ),
        (
            "sql",
            |root| {
                put(root, "sql/a/V1__x.sql", "x");
                std::os::unix::fs::symlink("..", root.join("sql/a/up")).unwrap();
            },
            "directories nest too deep",
        ),
        (
            "sql",
            |root| {
                put(root, "sql/x", "x");
                std::os::unix::fs::symlink("nowhere", root.join("sql/V1__x.sql")).unwrap();
            },
            "cannot read",
        ),
        ("classpath:db/migration", |_| {}, "location `classpath:db/migration` cannot be used"),
        ("sql/*", |root| put(root, "sql/x", "x"), "migration location `sql/*` is not a directory"),
    ];
    for (location, prepare, said) in cases {
        let root = tempfile::tempdir().unwrap();
        prepare(root.path());
        let settings = Migrations { locations: vec![location.to_owned()], ..settings() };
        let error = scripts(&settings, "sqlite", root.path()).unwrap_err();
        assert!(error.to_string().contains(said), "{error} should say {said}");
    }
}

/// A look and an upgrade of one target, or two targets with a script alike, keep the same text at once.
#[test]
fn scripts_that_several_keep_at_once_are_kept() {
    let release = tempfile::tempdir().unwrap();
    put(release.path(), "sql/V1__a.sql", "SELECT 1;");
    let found = scripts(&Migrations { locations: vec!["sql".to_owned()], ..settings() }, "sqlite", release.path()).unwrap();
    for _ in 0..50 {
        let state = tempfile::tempdir().unwrap();
        let (store, together) = (state.path().join("scripts"), std::sync::Barrier::new(6));
        std::fs::create_dir(&store).unwrap();
        std::thread::scope(|scope| {
            let one = || {
                together.wait();
                keep(&found, &store).map(drop)
            };
            let all: Vec<_> = (0..6).map(|_| scope.spawn(one)).collect();
            all.into_iter().for_each(|thread| thread.join().unwrap().unwrap());
        });
    }
}

#[test]
fn kept_scripts_serve_as_the_release_did_after_it_is_gone() {
    let release = tempfile::tempdir().unwrap();
    let outside = tempfile::tempdir().unwrap();
    put(release.path(), "sql/V1__a.sql", "SELECT 1;");
    put(release.path(), "sql/sub/V2__b.sql", "SELECT 1;");
    put(outside.path(), "R__c.sql", "SELECT 3;");
    let settings = Migrations { locations: vec!["sql".to_owned(), outside.path().display().to_string()], ..settings() };
    let before = scripts(&settings, "sqlite", release.path()).unwrap();
    let state = tempfile::tempdir().unwrap();
    let store = state.path().join("scripts");
    let kept = keep(&before, &store).unwrap();
    assert_eq!(keep(&before, &store).unwrap(), kept, "keeping twice is keeping once");
    assert_eq!(std::fs::read_dir(&store).unwrap().count(), 2, "equal content is stored once");
    drop((release, outside));

    let dir = state.path().join("laid-out");
    lay_out(&kept, &store, &dir).unwrap();
    lay_out(&kept, &store, &dir).unwrap();
    let after = scripts(&settings, "sqlite", &dir).unwrap();
    let essence = |found: &Scripts| -> Vec<_> {
        found.scripts.iter().map(|script| (script.file.script.clone(), script.checksum, script.file.digest.clone())).collect()
    };
    assert_eq!(essence(&after), essence(&before));

    std::fs::remove_file(dir.join("location-0/V1__a.sql")).unwrap();
    assert!(scripts(&settings, "sqlite", &dir).unwrap_err().to_string().contains("damaged: it is missing"));
    put(&store, &kept.files[0].digest, "SELECT 666;");
    assert!(lay_out(&kept, &store, &dir).unwrap_err().to_string().contains("not what its name says"));
    let mut evil = kept;
    evil.files[0].script = "../../evil.sql".to_owned();
    put(&store, &evil.files[0].digest, "SELECT 1;");
    assert!(lay_out(&evil, &store, &dir).unwrap_err().to_string().contains("leads out of its folder"));
}
