//! MySQL and MariaDB: what somebody writes while an archive takes a database's place is in the database or in an archive.

use std::path::PathBuf;
use std::sync::Mutex;

use upkeep::archive::Archive;
use upkeep::config::Database;
use upkeep::engine::{Engine, EngineError, Keep, Keeping, LoadMode, Loaded, NotKept, Standing};
use upkeep::progress::Progress;

use crate::support::mysql::{Server, dump, name_of, on_every_server, said};

on_every_server! { shared;
    what_was_written_since_it_was_kept_is_archived_behind_the_fence: kept_again;
    behind_the_fence_nobody_writes_and_nobody_takes_the_database_for_empty: fenced;
    where_it_cannot_be_archived_again_the_old_content_stands: not_kept;
    what_is_made_behind_the_fence_is_lost_to_nobody: made_meanwhile;
    a_crash_behind_the_fence_gives_the_old_content_its_place_again: crashed;
    in_place_nothing_goes_that_no_archive_has: in_place;
    rows_that_came_to_an_empty_database_are_not_cleared: rowless;
    an_account_that_sees_no_sessions_loses_no_rows_either: unseen;
}

/// What happens beside the load, on this server.
type Meanwhile<'a> = Box<dyn Fn(&Server, u32) + Send + Sync + 'a>;

/// Archives into a directory, after somebody did something.
struct Keeper<'a> {
    server: &'a Server,
    dir: PathBuf,
    meanwhile: Meanwhile<'a>,
    kept: Mutex<Vec<PathBuf>>,
    fails: bool,
}

impl std::fmt::Debug for Keeper<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.kept.lock().unwrap().iter()).finish()
    }
}

impl<'a> Keeper<'a> {
    fn new(server: &'a Server, dir: &tempfile::TempDir) -> Self {
        let meanwhile = Box::new(|_: &Server, _| {});
        Self { server, dir: dir.path().to_owned(), meanwhile, kept: Mutex::default(), fails: false }
    }

    fn times(&self) -> usize {
        self.kept.lock().unwrap().len()
    }

    /// What the newest archive holds, as a database of its own.
    async fn restored(&self) -> String {
        let into = self.server.fresh();
        let newest = Archive::open(self.kept.lock().unwrap().last().unwrap()).unwrap();
        let progress = Progress::default();
        Engine::of(&into).load(&newest, LoadMode::Clean, Standing::Nobodys, 2, &progress).await.unwrap();
        name_of(&into).to_owned()
    }
}

impl Keep for Keeper<'_> {
    fn keep<'a>(&'a self, there: &'a Database) -> Keeping<'a> {
        Box::pin(async move {
            (self.meanwhile)(self.server, u32::try_from(self.times()).unwrap());
            if self.fails {
                return Err(NotKept::of(&EngineError::Worker("archiving to a full disk".to_owned())));
            }
            let sealed = dump(there, &self.dir, 2).await.map_err(|error| NotKept::of(&error))?;
            self.kept.lock().unwrap().push(sealed.path.clone());
            Archive::open(&sealed.path).map_err(|error| NotKept::of(&EngineError::from(error)))
        })
    }
}

async fn replace(
    database: &Database,
    sealed: &Archive,
    kept: Option<&Archive>,
    keep: &Keeper<'_>,
) -> Result<Loaded, EngineError> {
    let standing = Standing::Kept { archive: kept, keep };
    Engine::of(database).load(sealed, LoadMode::Replace, standing, 2, &Progress::default()).await
}

/// A small archive of something else.
async fn other(server: &Server, dir: &tempfile::TempDir) -> Archive {
    let source = server.fresh();
    server.sql(
        name_of(&source),
        "CREATE TABLE fresh (a int); INSERT INTO fresh VALUES (1); CREATE VIEW seen AS SELECT a FROM fresh",
    );
    Archive::open(&dump(&source, dir.path(), 1).await.unwrap().path).unwrap()
}

async fn kept_again(server: &Server) {
    let dir = tempfile::tempdir().unwrap();
    let other = other(server, &dir).await;
    // What changed since the database was kept, and what is unchanged.
    let changes = [
        ("nothing", ""),
        ("a row", "INSERT INTO many (id) VALUES (1000001)"),
        ("a value", "UPDATE my_isam SET id = id + 1 LIMIT 1"),
        ("a table", "CREATE TABLE made (a int); INSERT INTO made VALUES (7)"),
        ("a view", "CREATE VIEW made AS SELECT 1 AS a"),
        ("a trigger", "CREATE TRIGGER made BEFORE INSERT ON many FOR EACH ROW SET @made = 1"),
        ("an event", "CREATE EVENT made ON SCHEDULE EVERY 1 YEAR STARTS '2037-01-01 00:00:00' DO DO 1"),
        ("a routine", "CREATE PROCEDURE made() SELECT 1"),
        ("a counter", "INSERT INTO audit (what) VALUES ('gone'); DELETE FROM audit WHERE what = 'gone'"),
    ];
    for (what, sql) in changes {
        let target = server.torture();
        let name = name_of(&target);
        let kept = Archive::open(&dump(&target, dir.path(), 2).await.unwrap().path).unwrap();
        server.sql(name, sql);
        let (schema, content) = (server.schema(name), server.content(name));
        let keep = Keeper::new(server, &dir);
        let loaded =
            replace(&target, &other, Some(&kept), &keep).await.unwrap_or_else(|error| panic!("{what}: {}", said(error)));
        assert_eq!(server.sql(name, "SELECT a FROM seen"), "1", "{what}");
        assert_eq!(server.databases(name), name, "{what}");
        assert_eq!(keep.times(), usize::from(what != "nothing"), "{what}");
        assert_eq!(loaded.kept.is_some(), what != "nothing", "{what}");
        if what != "nothing" {
            let restored = keep.restored().await;
            assert_eq!(server.content(&restored), content, "{what}");
            assert_eq!(server.schema(&restored), schema, "{what}");
        }
    }
    // What no archive has yet is kept behind the fence alone.
    let target = server.torture();
    let content = server.content(name_of(&target));
    let keep = Keeper::new(server, &dir);
    assert!(replace(&target, &other, None, &keep).await.unwrap().kept.is_some());
    assert_eq!(server.content(&keep.restored().await), content);
}

async fn fenced(server: &Server) {
    let dir = tempfile::tempdir().unwrap();
    let other = other(server, &dir).await;
    let target = server.fresh();
    let name = name_of(&target).to_owned();
    server.sql(
        &name,
        "CREATE TABLE mine (a int); INSERT INTO mine VALUES (1); CREATE TRIGGER t AFTER INSERT ON mine FOR EACH ROW SET @a = 1",
    );
    let (seen, database) = (Mutex::new(Vec::new()), target.clone());
    let mut keep = Keeper::new(server, &dir);
    keep.meanwhile = Box::new(|server, _| {
        let error = server.try_sql("", &format!("INSERT INTO {name}.mine VALUES (2)")).unwrap_err();
        assert!(error.contains("exist"), "{error}");
        let looks = std::thread::scope(|scope| {
            let look = || {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
                let engine = Engine::of(&database);
                runtime.block_on(async {
                    let errors = [
                        engine.survey(&[]).await.map(drop),
                        engine.shape(&[]).await.map(drop),
                        dump(&database, dir.path(), 1).await.map(drop),
                    ];
                    errors.map(|looked| said(looked.unwrap_err())).to_vec()
                })
            };
            scope.spawn(look).join().unwrap()
        });
        seen.lock().unwrap().extend(looks);
    });
    replace(&target, &other, None, &keep).await.unwrap();
    drop(keep);
    let seen = seen.into_inner().unwrap();
    assert_eq!(seen.len(), 3);
    assert!(seen.iter().all(|said| said.contains(&format!("{name}__upkeep_old"))), "{seen:?}");
}

async fn not_kept(server: &Server) {
    let dir = tempfile::tempdir().unwrap();
    let other = other(server, &dir).await;
    let target = server.torture();
    let name = name_of(&target);
    let (schema, content) = (server.schema(name), server.content(name));
    let keep = Keeper { fails: true, ..Keeper::new(server, &dir) };
    let error = said(replace(&target, &other, None, &keep).await.unwrap_err());
    assert!(
        error.contains("cannot be archived again") && error.contains("full disk") && error.contains("still in place"),
        "{error}"
    );
    assert_eq!((server.content(name), server.schema(name), server.databases(name)), (content, schema, name.to_owned()));
    assert_eq!(Engine::of(&target).settle().await.unwrap(), Vec::<String>::new());
}

/// Somebody makes again what has moved out, what the archive brings, something else, and a routine, while the old content is archived.
async fn made_meanwhile(server: &Server) {
    let dir = tempfile::tempdir().unwrap();
    let other = other(server, &dir).await;
    let target = server.fresh();
    let name = name_of(&target).to_owned();
    server.sql(&name, "CREATE TABLE mine (a int); INSERT INTO mine VALUES (1)");
    let mut keep = Keeper::new(server, &dir);
    keep.meanwhile = Box::new(|server, time| {
        if time == 0 {
            server.sql(
                &name,
                "CREATE TABLE IF NOT EXISTS mine (a int); INSERT INTO mine VALUES (2); CREATE TABLE fresh (a int); INSERT INTO fresh VALUES (3); \
                 CREATE TABLE beside (a int); INSERT INTO beside VALUES (4); CREATE PROCEDURE late() SELECT 5",
            );
        }
    });
    let loaded = replace(&target, &other, None, &keep).await.unwrap();
    assert_eq!(server.sql(&name, "SELECT a FROM seen"), "1");
    assert_eq!(server.databases(&name), name);
    let restored = keep.restored().await;
    let everywhere = [server.content(&restored), server.content(&name)].join("\n");
    for (row, table) in [(1, "mine"), (2, "mine' again"), (3, "fresh"), (4, "beside")] {
        assert!(
            everywhere.lines().any(|line| line.ends_with(&format!("\t{row}"))),
            "{row} of {table}: {everywhere} {:?}",
            loaded.warnings
        );
    }
    let routines = format!(
        "SELECT COUNT(*) FROM information_schema.routines WHERE routine_name = 'late' AND routine_schema IN ('{name}', '{restored}')"
    );
    assert_ne!(server.sql("", &routines), "0");
}

/// What a kill leaves between the fence and the exchange. Twice each: the second time there is nothing left to do.
async fn crashed(server: &Server) {
    let notes = "(n INT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY, kind VARCHAR(16) NOT NULL, note LONGTEXT NOT NULL)";
    let trigger = r#"{"name":"t","settings":"SET SESSION sql_mode = ''","create":"CREATE TRIGGER t BEFORE INSERT ON content FOR EACH ROW SET NEW.what = 'fired'"}"#;
    let new = format!(
        "CREATE TABLE content AS SELECT 'new' AS what; CREATE TABLE new_alone (a int) ENGINE=MyISAM; CREATE TABLE upkeep_swap {notes}; \
         INSERT INTO upkeep_swap (kind, note) VALUES ('trigger', '{}'), ('in', 'content'), ('in', 'new_alone'), ('out', 'content'), ('out', 'old_alone'), \
         ('fence', ''), ('ready', '');",
        trigger.replace('\'', "''")
    );
    let (moved, alone) = ("CREATE TABLE content AS SELECT 'old' AS what;", "CREATE TABLE old_alone (a int) ENGINE=MyISAM;");
    let fenced = format!("CREATE TABLE upkeep_fenced {notes};");
    let again = "CREATE TABLE content AS SELECT 'again' AS what;";
    let cases = [
        ("one table out", alone.to_owned(), format!("{fenced}{moved}"), "content old_alone"),
        ("all out", String::new(), format!("{fenced}{moved}{alone}"), "content old_alone"),
        ("made again", again.to_owned(), format!("{fenced}{moved}{alone}"), "content old_alone upkeep_second_"),
    ];
    for (what, in_own, in_old, tables) in cases {
        let own = server.fresh_name();
        for (name, sql) in
            [(own.clone(), &in_own), (format!("{own}__upkeep_new"), &new), (format!("{own}__upkeep_old"), &in_old)]
        {
            server.sql("", &format!("CREATE DATABASE {name}"));
            server.sql(&name, sql);
        }
        let engine = Engine::of(&server.database(&own));
        assert!(said(engine.survey(&[]).await.unwrap_err()).contains("__upkeep_old"), "{what}");
        let done = engine.settle().await.unwrap_or_else(|error| panic!("{what}: {}", said(error)));
        assert!(done[0].contains("is back in place"), "{what}: {done:?}");
        let listed = server.sql(&own, "SHOW TABLES").split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(listed.starts_with(tables) && listed.matches(' ').count() == tables.matches(' ').count(), "{what}: {listed}");
        assert_eq!(server.sql(&own, "SELECT what FROM content"), "old", "{what}");
        assert_eq!(server.sql(&own, "SHOW TRIGGERS").lines().count(), 1, "{what}");
        assert_eq!(server.databases(&own), own, "{what}");
        assert_eq!(engine.settle().await.unwrap(), Vec::<String>::new(), "{what}");
    }
}

async fn in_place(server: &Server) {
    let dir = tempfile::tempdir().unwrap();
    let other = other(server, &dir).await;
    let target = server.fresh();
    let name = name_of(&target).to_owned();
    let user = format!("fence_{name}");
    server.user(&user, &name, "ALL");
    let as_user = server.database_as(&name, &user);
    // A view with a `JSON_TABLE` is opened before MariaDB prints it, and that waits for the very locks that are held here.
    let json = "mine, JSON_TABLE('[7]', '$[*]' COLUMNS (a int PATH '$')) x";
    let view = format!(
        "CREATE DEFINER = '{user}'@'%' VIEW v AS SELECT a FROM mine; \
         CREATE DEFINER = '{user}'@'%' VIEW j AS SELECT x.a, _latin1'x' AS l FROM {json}"
    );
    server.sql(
        &name,
        &format!("CREATE TABLE mine (a int); INSERT INTO mine VALUES (1); CREATE TABLE m (a int) ENGINE = MyISAM; {view}"),
    );
    let kept = Archive::open(&dump(&as_user, dir.path(), 1).await.unwrap().path).unwrap();
    server.sql(&name, "INSERT INTO mine VALUES (2)");
    // Nobody else is shut out while it is archived: who writes then, before it is read, is in the archive.
    let mut keep = Keeper::new(server, &dir);
    keep.meanwhile = Box::new(|server, _| drop(server.sql("", &format!("INSERT INTO {name}.mine VALUES (3)"))));
    let mut late = Keeper::new(server, &dir);
    late.meanwhile = Box::new(|_, _| {});
    assert!(replace(&as_user, &other, Some(&kept), &keep).await.unwrap().kept.is_some());
    let restored = keep.restored().await;
    assert_eq!(server.sql(&restored, "SELECT a FROM mine ORDER BY a").split_whitespace().collect::<String>(), "123");
    assert_eq!(server.sql(&name, "SELECT a FROM seen"), "1");
    assert!(!Engine::of(&as_user).survey(&[]).await.unwrap().half_loaded);
    // Unchanged, it needs no second archive.
    let kept = Archive::open(&dump(&as_user, dir.path(), 1).await.unwrap().path).unwrap();
    assert_eq!(replace(&as_user, &other, Some(&kept), &late).await.unwrap().kept, None);
    assert_eq!(late.times(), 0);
    // Where it cannot be archived, it stands.
    server.sql(&name, "INSERT INTO fresh VALUES (8)");
    let keep = Keeper { fails: true, ..Keeper::new(server, &dir) };
    said(replace(&as_user, &other, Some(&kept), &keep).await.unwrap_err());
    assert_eq!(server.sql(&name, "SELECT COUNT(*) FROM seen"), "2");
    assert_eq!(server.sql(&name, "SHOW TABLES LIKE 'upkeep%'"), "");
}

async fn rowless(server: &Server) {
    let dir = tempfile::tempdir().unwrap();
    let (source, target) = (server.fresh(), server.fresh());
    let name = name_of(&target);
    let tables = "CREATE TABLE mine (a int); CREATE TRIGGER t BEFORE INSERT ON mine FOR EACH ROW SET @fired = 1";
    server.sql(name_of(&source), &format!("{tables}; INSERT INTO mine VALUES (1)"));
    server.sql(name, &format!("{tables}; INSERT INTO mine VALUES (9)"));
    let sealed = Archive::open(&dump(&source, dir.path(), 1).await.unwrap().path).unwrap();
    let (engine, progress) = (Engine::of(&target), Progress::default());
    for mode in [LoadMode::DataOnly, LoadMode::Replace] {
        let error = engine.load(&sealed, mode, Standing::Rowless, 2, &progress).await.unwrap_err();
        assert!(matches!(&error, EngineError::Filled { table, .. } if table == "mine"), "{mode:?}: {error:?}");
        assert_eq!(server.sql(name, "SELECT a FROM mine"), "9", "{mode:?}");
        assert_eq!(server.sql(name, "SHOW TRIGGERS").lines().count(), 1, "{mode:?}");
        assert_eq!(server.databases(name), name);
    }
    server.sql(name, "DELETE FROM mine");
    for mode in [LoadMode::DataOnly, LoadMode::Replace] {
        engine.load(&sealed, mode, Standing::Rowless, 2, &progress).await.unwrap();
        assert_eq!(server.sql(name, "SELECT a FROM mine"), "1", "{mode:?}");
        server.sql(name, "DELETE FROM mine");
    }
}

/// A session that has no database chosen, and an account that sees nobody's.
async fn unseen(server: &Server) {
    let dir = tempfile::tempdir().unwrap();
    let other = other(server, &dir).await;
    let target = server.fresh();
    let name = name_of(&target).to_owned();
    let user = format!("blind_{name}");
    server.user(&user, &format!("{name}%"), "ALL");
    server.sql(&name, "CREATE TABLE mine (a int)");
    let as_user = server.database_as(&name, &user);
    let kept = Archive::open(&dump(&as_user, dir.path(), 1).await.unwrap().path).unwrap();
    let mut stranger = server.connect(&name).await;
    sqlx::raw_sql("INSERT INTO mine VALUES (1)").execute(&mut stranger).await.unwrap();
    assert_eq!(Engine::of(&as_user).survey(&[]).await.unwrap().sessions, Vec::<String>::new(), "it sees nobody");
    let seen = upkeep::engine::mysql::may_read(&as_user).await.unwrap().sessions;
    assert!(seen.as_ref().is_some_and(|grant| grant.contains("GRANT PROCESS ON *.*") && grant.contains(&user)), "{seen:?}");
    assert_eq!(upkeep::engine::mysql::may_read(&target).await.unwrap().sessions, None);
    let keep = Keeper::new(server, &dir);
    replace(&as_user, &other, Some(&kept), &keep).await.unwrap();
    assert_eq!(server.sql(&keep.restored().await, "SELECT a FROM mine"), "1");
    // And one who has chosen none, for an account that sees everybody: who holds a lock of the database is in use of it.
    let target = server.fresh();
    let name = name_of(&target).to_owned();
    server.sql(&name, "CREATE TABLE mine (a int)");
    let mut stranger = server.connect("").await;
    sqlx::raw_sql(sqlx::AssertSqlSafe(format!("BEGIN; INSERT INTO {name}.mine VALUES (1)")))
        .execute(&mut stranger)
        .await
        .unwrap();
    if !server.is_mariadb() {
        let survey = Engine::of(&target).survey(&[]).await.unwrap();
        assert_eq!(survey.sessions.len(), 1, "{survey:?}");
    }
    sqlx::raw_sql("COMMIT").execute(&mut stranger).await.unwrap();
    assert_eq!(Engine::of(&target).survey(&[]).await.unwrap().sessions, Vec::<String>::new());
    let keep = Keeper::new(server, &dir);
    replace(&target, &other, None, &keep).await.unwrap();
    assert_eq!(server.sql(&keep.restored().await, "SELECT a FROM mine"), "1");
}
