//! MySQL and MariaDB: whom a dump keeps waiting, for how long, and whom it waits for.

use upkeep::config::Database;
use upkeep::engine::mysql::sessions::Own;

use crate::mysql_backup::text_of;
use crate::support::engines::Db;
use crate::support::held::Held;
use crate::support::mysql::{Server, Which, dump, folding_server, name_of, on_every_server};
use crate::support::wait::until;
use crate::support::world::{World, text};

on_every_server! { alone;
    a_schema_change_waits_for_the_dump_of_its_own_table_alone: elsewhere;
    an_upgrade_and_a_restore_pass_by_the_dump_of_another_database: passed_by;
    a_schema_change_that_waits_for_somebody_else_is_waited_for_by_a_bound: stuck_change;
    a_routine_made_right_after_the_snapshots_is_in_no_archive_without_its_row: routine_meanwhile;
    a_lock_that_was_lost_before_the_end_fails_the_dump: lock_lost;
    who_changes_accounts_meanwhile_is_not_waited_for: accounts_meanwhile;
}

/// How a client gives up on a lock, so that a test that fails says so and does not hang.
const SOON: &str = "SET SESSION lock_wait_timeout = 5, SESSION innodb_lock_wait_timeout = 5;";

/// The newest archive's word on how it was taken.
fn consistency(world: &World) -> serde_json::Value {
    let archives = world.json(&["list", "notes"]);
    let label = archives[0]["label"].as_str().unwrap();
    world.json(&["inspect", label])["consistency"].take()
}

fn ends_well(held: Held) {
    let output = held.go_on();
    assert!(output.status.success(), "{}", text(&output));
}

/// What keeps tables without transactions as they are: who reads them does not notice that it is gone.
async fn lock_lost(server: &'static Server) {
    if server.is_mariadb() {
        return; // Does not show who holds which lock.
    }
    let world = World::new(Db::MySql(server));
    server.sql(name_of(&world.database()), "CREATE TABLE kept (a int) ENGINE = MyISAM; INSERT INTO kept VALUES (1)");
    let before = world.json(&["list", "notes"]);
    let held = Held::at(&world, &["backup", "notes"], "my.dump.held");
    let keeper = "SELECT DISTINCT t.processlist_id FROM performance_schema.metadata_locks l JOIN performance_schema.threads t \
        ON t.thread_id = l.owner_thread_id WHERE l.object_name = 'kept' AND l.lock_type LIKE 'SHARED\\_READ\\_ONLY%'";
    let keeper = server.sql("", keeper);
    assert!(keeper.parse::<u64>().is_ok(), "{keeper}");
    server.sql("", &format!("KILL {keeper}"));
    let output = held.go_on();
    assert!(!output.status.success() && text(&output).contains("the tables outside the snapshot"), "{}", text(&output));
    assert_eq!(world.json(&["list", "notes"]), before);
}

/// As a migration does it: an object, then its row. MariaDB has no lock on routines, MySQL lets it wait.
async fn routine_meanwhile(server: &'static Server) {
    let world = World::new(Db::MySql(server));
    let own = name_of(&world.database()).to_owned();
    let held = Held::at(&world, &["backup", "notes"], "my.dump.opened");
    std::thread::scope(|scope| {
        let made = "CREATE PROCEDURE made() SELECT 1; UPDATE note SET body = 'made' WHERE id = 1";
        let making = scope.spawn(|| server.sql(&own, made));
        let waiting = "SELECT count(*) FROM information_schema.processlist WHERE state = 'Waiting for backup lock'";
        until("the procedure is made or waits", || making.is_finished() || server.sql("", waiting) != "0");
        ends_well(held);
        making.join().unwrap();
    });
    let archives = world.json(&["list", "notes"]);
    let text = text_of(std::path::Path::new(archives[0]["path"].as_str().unwrap()));
    assert_eq!(text.contains("PROCEDURE `made`"), text.contains("'made'"), "{text}");
}

/// While it looks for long statements nothing is locked; from its snapshots until it has read the definitions, definitions are, and
/// rows are not; after that, only what changes a table that it reads waits for it.
async fn elsewhere(server: &'static Server) {
    let world = World::new(Db::MySql(server));
    let (own, other) = (name_of(&world.database()).to_owned(), server.fresh());
    let change = format!(
        "{SOON} CREATE TABLE t (a int); ALTER TABLE t ADD b int; DROP TABLE t; CREATE VIEW v AS SELECT 1 AS a; DROP VIEW v"
    );
    let held = Held::at(&world, &["backup", "notes"], "my.dump.looking");
    server.sql(name_of(&other), &change);
    ends_well(held);

    server.sql(name_of(&other), "CREATE TABLE filled (a int)");
    let held = Held::at(&world, &["backup", "notes"], "my.dump.opened");
    server.sql(name_of(&other), &format!("{SOON} INSERT INTO filled VALUES (1)"));
    server.sql(&own, &format!("{SOON} UPDATE note SET body = 'later' WHERE id = 100"));
    if server.is_mariadb() {
        server.sql(name_of(&other), &change);
        ends_well(held);
    } else {
        std::thread::scope(|scope| {
            let changing = scope.spawn(|| server.sql(name_of(&other), &change.replace("= 5", "= 60")));
            let waiting = "SELECT count(*) FROM information_schema.processlist WHERE state = 'Waiting for backup lock'";
            until("the change waits", || server.sql("", waiting) != "0");
            ends_well(held);
            changing.join().unwrap();
        });
    }
    let held = Held::at(&world, &["backup", "notes"], "my.dump.held");
    server.sql(name_of(&other), &change);
    server.sql(&own, &format!("{SOON} CREATE TABLE not_yet (a int); CREATE PROCEDURE not_yet() SELECT 1"));
    let refused = server.try_sql(&own, "SET SESSION lock_wait_timeout = 1; ALTER TABLE note ADD not_yet int").unwrap_err();
    assert!(refused.contains("Lock wait timeout"), "{refused}");
    ends_well(held);

    let consistency = consistency(&world);
    let technique = consistency["technique"].as_str().unwrap();
    let strongest = if server.is_mariadb() { "BACKUP STAGE" } else { "FLUSH TABLES WITH READ LOCK" };
    assert!(technique.contains(strongest), "{consistency}");
    let locked = consistency["locks"].to_string().contains("LOCK INSTANCE FOR BACKUP, until the definitions were read");
    assert!(locked != server.is_mariadb(), "{consistency}");
    server.sql(&own, "DROP TABLE not_yet; DROP PROCEDURE not_yet");
}

/// Two targets on one server: what the one does to its definitions does not wait for the dump of the other.
async fn passed_by(server: &'static Server) {
    let (dumped, other) = (World::new(Db::MySql(server)), World::new(Db::MySql(server)));
    let held = Held::at(&dumped, &["backup", "notes"], "my.dump.held");
    other.start_server();
    other.install("1.1.0");
    for command in [&["upgrade", "notes"][..], &["restore", "notes", "--replace", "--stop-server"]] {
        let output = other.run(command);
        assert!(output.status.success(), "{}", text(&output));
    }
    assert_eq!(other.whole_version(), "1.0.0", "the archive from before the upgrade");
    ends_well(held);
}

/// A change of a table that somebody else's open transaction reads waits for him, and holds what the server's own locks need: the
/// dump of another database takes a weaker way and is made.
async fn stuck_change(server: &'static Server) {
    let (source, other) = (server.fresh(), server.fresh());
    server.sql(name_of(&source), "CREATE TABLE a (id int PRIMARY KEY); INSERT INTO a VALUES (1)");
    server.sql(name_of(&other), "CREATE TABLE b (id int PRIMARY KEY); INSERT INTO b VALUES (1)");
    let mut reader = server.connect(name_of(&other)).await;
    sqlx::raw_sql("START TRANSACTION; SELECT * FROM b").execute(&mut reader).await.unwrap();
    let mut changer = server.connect(name_of(&other)).await;
    let changing = tokio::spawn(async move { sqlx::raw_sql("ALTER TABLE b ADD c int").execute(&mut changer).await.unwrap() });
    let waiting = "SELECT count(*) FROM information_schema.processlist WHERE state = 'Waiting for table metadata lock'";
    until("the change waits", || server.sql("", waiting) != "0");
    let dir = tempfile::tempdir().unwrap();
    let sealed = dump(&source, dir.path(), 2).await.unwrap();
    assert_eq!(sealed.manifest.rows(), 1);
    assert!(!changing.is_finished(), "{:?}", sealed.manifest.consistency);
    sqlx::raw_sql("COMMIT").execute(&mut reader).await.unwrap();
    changing.await.unwrap();
}

/// On a server that nobody else locks: a database with a table, and a session that is in the middle of reading it until it is killed.
async fn long_reader(server: &'static Server) -> (Database, u64, sqlx::MySqlConnection) {
    let source = server.fresh();
    server.sql(name_of(&source), "CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t VALUES (1), (2)");
    let mut reader = server.connect(name_of(&source)).await;
    let id: u64 = sqlx::query_scalar("SELECT CONNECTION_ID()").fetch_one(&mut reader).await.unwrap();
    (source, id, reader)
}

fn seconds_at_it(server: &Server, id: u64) -> u64 {
    let sql = format!("SELECT time FROM information_schema.processlist WHERE id = {id} AND command IN ('Query', 'Execute')");
    server.sql("", &sql).parse().unwrap_or(0)
}

/// Nobody else's use of the table waits, as it would after a `FLUSH TABLES WITH READ LOCK` that was given up on.
#[track_caller]
fn table_is_free(server: &Server, database: &str) {
    server.sql(
        database,
        &format!("{SOON} SELECT * FROM t; UPDATE t SET id = id + 10 WHERE id = 2; UPDATE t SET id = 2 WHERE id = 12"),
    );
}

const LONG: &str = "SELECT id, SLEEP(100) FROM t LIMIT 1";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_does_not_see_what_others_run_takes_no_lock_that_waits_for_it() {
    let Some(server) = folding_server(Which::MySql) else { return };
    let _guard = server.alone().await;
    let (source, id, mut reader) = long_reader(server).await;
    let (name, user) = (name_of(&source).to_owned(), format!("blind_{}", name_of(&source)));
    server.user(&user, &name, "SELECT, SHOW VIEW, TRIGGER, EVENT, LOCK TABLES");
    server.sql("", &format!("GRANT RELOAD ON *.* TO '{user}'@'%'"));
    let reading = tokio::spawn(async move { sqlx::raw_sql(LONG).execute(&mut reader).await.ok() });
    until("somebody reads for long", || seconds_at_it(server, id) >= 1);
    let dir = tempfile::tempdir().unwrap();
    let sealed = dump(&server.database_as(&name, &user), dir.path(), 2).await.unwrap();
    assert!(sealed.manifest.consistency.technique.contains("LOCK TABLES"), "{:?}", sealed.manifest.consistency);
    table_is_free(server, &name);
    server.sql("", &format!("KILL {id}"));
    reading.await.unwrap();
}

/// The dump of another target of the same daemon may be reading a large table.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_long_statement_of_this_very_process_is_waited_for_like_any_other() {
    let Some(server) = folding_server(Which::MySql) else { return };
    let _guard = server.alone().await;
    let (source, id, mut reader) = long_reader(server).await;
    let _own = Own::begin(server.socket.to_str().unwrap(), 3306, id);
    let reading = tokio::spawn(async move { sqlx::raw_sql(LONG).execute(&mut reader).await.ok() });
    until("it reads for long", || seconds_at_it(server, id) >= 2);
    let looks = || -> u64 {
        let counted = server.sql("", "SHOW GLOBAL STATUS LIKE 'Com_show_processlist'");
        counted.rsplit('\t').next().unwrap().parse().unwrap()
    };
    let before = looks();
    let dir = tempfile::tempdir().unwrap();
    let dumping = tokio::spawn({
        let (source, dir) = (source.clone(), dir.path().to_owned());
        async move { dump(&source, &dir, 2).await.unwrap() }
    });
    until("the dump has looked more than once", || looks() >= before + 3);
    table_is_free(server, name_of(&source));
    server.sql("", &format!("KILL {id}"));
    reading.await.unwrap();
    let consistency = dumping.await.unwrap().manifest.consistency;
    assert!(consistency.technique.contains("FLUSH TABLES WITH READ LOCK"), "{consistency:?}");
}

/// Who changes accounts holds what every look at grants needs, while he waits for the lock that commits wait for: neither may wait for
/// the other. An account of one database needs such looks for each table, and an administrator for logging in.
async fn accounts_meanwhile(server: &'static Server) {
    let source = server.torture();
    let (name, user) = (name_of(&source).to_owned(), format!("looked_{}", name_of(&source)));
    let everywhere =
        if server.is_mariadb() { "RELOAD, BINLOG MONITOR" } else { "RELOAD, PROCESS, REPLICATION CLIENT, BACKUP_ADMIN" };
    server.user(&user, &name, "SELECT, SHOW VIEW, TRIGGER, EVENT, LOCK TABLES");
    server.sql("", &format!("GRANT {everywhere} ON *.* TO '{user}'@'%'"));
    let dir = tempfile::tempdir().unwrap();
    let changing = [1, 2].map(|which| {
        let changes =
            format!("CREATE USER 'meanwhile{which}'@'localhost'; DROP USER 'meanwhile{which}'@'localhost';").repeat(20);
        Changing::begin(server, changes)
    });
    let accounts = [source.clone(), server.database_as(&name, &user)];
    for account in accounts.iter().cycle().take(4) {
        assert!(dump(account, dir.path(), 2).await.unwrap().manifest.rows() > 0);
    }
    for changing in changing {
        assert!(changing.end() > 0);
    }
}

/// Somebody who runs the same statements again and again until he is told to end, or the test fails.
struct Changing {
    ended: std::sync::Arc<std::sync::atomic::AtomicBool>,
    rounds: Option<std::thread::JoinHandle<usize>>,
}

impl Changing {
    fn begin(server: &'static Server, sql: String) -> Self {
        let ended = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
        let is_ended = std::sync::Arc::clone(&ended);
        let rounds = std::thread::spawn(move || {
            let mut rounds = 0;
            while !is_ended.load(std::sync::atomic::Ordering::SeqCst) {
                server.sql("", &sql);
                rounds += 1;
            }
            rounds
        });
        Self { ended, rounds: Some(rounds) }
    }

    fn end(mut self) -> usize {
        self.ended.store(true, std::sync::atomic::Ordering::SeqCst);
        self.rounds.take().unwrap().join().unwrap()
    }
}

impl Drop for Changing {
    fn drop(&mut self) {
        self.ended.store(true, std::sync::atomic::Ordering::SeqCst);
    }
}
