//! What a database is: every spelling of one is the same, and no two databases are.

use std::os::unix::fs::symlink;
use std::path::Path;

use upkeep::config::{Database, Location};
use upkeep::engine::Engine;

use crate::support::engines::{Db, Home, on_every_engine};
use crate::support::mysql::{Which, folding_server, server};

on_every_engine! {
    every_spelling_of_a_database_is_that_database_and_no_other: spelt;
}

fn spelt(db: Db) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(Box::pin(spellings(db)));
}

async fn is_same(one: &Database, two: &Database) -> bool {
    let (one, two) = (Engine::of(one), Engine::of(two));
    let forth = one.is_same(&two).await.unwrap();
    assert_eq!(forth, two.is_same(&one).await.unwrap());
    let lasting = one.identity().await.unwrap().lasting() == two.identity().await.unwrap().lasting();
    assert!(!lasting || forth, "a lasting name is one database's alone");
    forth
}

/// The same address by another socket or path; with another name of a database, if one is given.
pub(crate) fn by(database: &Database, way: &Path, other: Option<&str>) -> Database {
    let mut spelt = database.clone();
    match &mut spelt.location {
        Location::Sqlite { path } => way.clone_into(path),
        Location::Postgres { host, database, sslmode, .. } => {
            *host = way.display().to_string();
            "prefer".clone_into(sslmode);
            *database = other.unwrap_or(database).to_owned();
        }
        Location::MySql { host, database, port, ssl_mode, .. } => {
            *host = way.display().to_string();
            (*port, *ssl_mode) = (*port + 1, "PREFERRED".to_owned());
            *database = other.unwrap_or(database).to_owned();
        }
    }
    spelt
}

/// Where it is: a socket, or the directory of one.
pub(crate) fn way(database: &Database) -> &Path {
    match &database.location {
        Location::Sqlite { path } => path,
        Location::Postgres { host, .. } | Location::MySql { host, .. } => Path::new(host),
    }
}

async fn spellings(db: Db) {
    let dir = tempfile::tempdir().unwrap();
    let (one, two) = (Home::new(db, &dir.path().join("one.db")), Home::new(db, &dir.path().join("two.db")));
    one.create();
    two.create();
    let (one, two) = (one.database(), two.database());
    assert!(is_same(&one, &one).await);
    assert!(!is_same(&one, &two).await);
    let link = dir.path().join("link");
    symlink(way(&one), &link).unwrap();
    assert!(is_same(&one, &by(&one, &link, None)).await, "another way to it");
    if let Db::Sqlite = db {
        return files(&one, dir.path()).await;
    }
    assert!(!is_same(&one, &by(&one, &link, Some("another"))).await, "another database by another way");
    let missing = by(&one, way(&one), Some("not_there"));
    assert!(is_same(&missing, &by(&one, &link, Some("not_there"))).await, "where one would be");
    assert!(!is_same(&one, &missing).await);
    if let Db::MySql(this) = db {
        for which in [Which::MariaDb, Which::NewerMariaDb, Which::MySql] {
            let Some(other) = server(which).filter(|other| other.socket != this.socket) else { continue };
            let elsewhere = by(&one, &other.socket, None);
            assert!(!is_same(&one, &elsewhere).await, "a database of this name on {which:?}");
        }
        assert!(!is_same(&one, &by(&one, way(&one), Some(&crate::support::mysql::name_of(&one).to_uppercase()))).await);
        let folding = folding_server(this.which).unwrap();
        let (lower, upper) = (folding.database("spelt"), folding.database("SPELT"));
        assert!(is_same(&lower, &upper).await, "names that the server keeps in lower case");
    }
}

async fn files(one: &Database, dir: &Path) {
    let (path, at) = (way(one).to_owned(), |path: &Path| by(one, path, None));
    let hard = dir.join("hard.db");
    std::fs::hard_link(&path, &hard).unwrap();
    assert!(is_same(one, &at(&hard)).await, "another name of the file");
    std::fs::create_dir(dir.join("sub")).unwrap();
    symlink("sub", dir.join("round")).unwrap();
    symlink("../one.db", dir.join("sub/relative.db")).unwrap();
    for spelt in ["sub/../one.db", "round/../one.db", "round/relative.db", "./one.db"] {
        assert!(is_same(one, &at(&dir.join(spelt))).await, "{spelt}");
    }
    // A file that is not there yet, and a link that leads to nothing.
    symlink("new.db", dir.join("dangling.db")).unwrap();
    assert!(is_same(&at(&dir.join("new.db")), &at(&dir.join("dangling.db"))).await);
    assert!(is_same(&at(&dir.join("new.db")), &at(&dir.join("round/../new.db"))).await);
    assert!(!is_same(&at(&dir.join("new.db")), &at(&dir.join("sub/new.db"))).await);
    assert!(!is_same(one, &at(&dir.join("no/such/one.db"))).await);
}

/// A server that accepts and never answers is a failure within a bound, for a look and for migrations alike.
#[tokio::test]
async fn a_server_that_accepts_and_never_answers_is_not_waited_for_for_ever() {
    use upkeep::failure::{Class, Explain as _};
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("sql")).unwrap();
    let (host, user, database) = ("127.0.0.1".to_owned(), "someone".to_owned(), "notes".to_owned());
    let postgres = Location::Postgres {
        host: host.clone(),
        port,
        user: user.clone(),
        database: database.clone(),
        sslmode: "disable".to_owned(),
    };
    let mysql = Location::MySql { host, port, user, database, ssl_mode: "DISABLED".to_owned() };
    let looks = [postgres, mysql].map(|location| {
        let root = dir.path().to_owned();
        tokio::spawn(async move {
            let database = Database::at(location);
            let migrations = crate::support::scripts::settings();
            let (engine, folder) = (Engine::of(&database), root);
            let (looked, migrated) = tokio::join!(engine.survey(&[]), upkeep::migrate::info(&database, &migrations, &folder));
            let (looked, migrated) = (looked.unwrap_err(), migrated.unwrap_err());
            assert_eq!((looked.class(), looked.transient()), (Class::Unavailable, true), "{looked:?}");
            assert_eq!((migrated.class(), migrated.transient()), (Class::Unavailable, true), "{migrated:?}");
            assert!(migrated.hints()[0].contains("is the server running"), "{migrated:?}");
        })
    });
    let mut held = Vec::new();
    let accepting = async {
        loop {
            held.push(listener.accept().await.unwrap());
        }
    };
    tokio::select! {
        () = async { for look in looks { look.await.unwrap() } } => {}
        () = accepting => {}
    }
}
