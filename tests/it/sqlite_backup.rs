//! The SQLite engine by itself: what goes into an archive comes out of it, to the byte where bytes are promised.

use std::path::{Path, PathBuf};

use upkeep::archive::manifest::{Kind, Manifest};
use upkeep::archive::{Archive, PendingArchive};
use upkeep::config::{Database, Location};
use upkeep::engine::{DumpRequest, Dumped, Engine, EngineError, LoadMode};
use upkeep::failure::{Class, Explain};
use upkeep::ids::{Label, TargetName};
use upkeep::progress::Progress;

use crate::support::env::{execute, names, texts};

fn engine(path: &Path) -> Engine {
    Engine::of(&Database::at(Location::Sqlite { path: path.to_owned() }))
}

fn manifest(label: &Label, dumped: Dumped) -> Manifest {
    Manifest {
        format: 1,
        tool: "test".to_owned(),
        label: label.clone(),
        target: TargetName::parse("notes").expect("a name"),
        kind: Kind::Manual,
        note: None,
        taken_at: dumped.taken_at,
        duration_ms: 0,
        server: dumped.server,
        release: None,
        shape: dumped.shape,
        tables: dumped.tables,
        consistency: dumped.consistency,
        left_out: dumped.left_out,
        data_only: dumped.data_only,
        files: None,
        configuration: None,
        level: 3,
        raw_bytes: 0,
        stored_bytes: 0,
        frames: Vec::new(),
    }
}

/// Dumps and seals.
async fn dump(path: &Path, directory: &Path, label: &str) -> Result<Archive, EngineError> {
    let label = Label::parse(label).expect("a label");
    let pending = PendingArchive::create(directory, &label, "sqlite.zst")?;
    let request = DumpRequest {
        level: 3,
        jobs: 3,
        preamble: Vec::new(),
        history_tables: Vec::new(),
        expected: None,
        without_rows: Vec::new(),
    };
    let dumped = engine(path).dump(&request, &pending, &Progress::default()).await?;
    let sealed = pending.seal(manifest(&label, dumped))?;
    let archive = Archive::open(&sealed.path)?;
    archive.verify(2, &Progress::default())?;
    Ok(archive)
}

async fn load(archive: &Archive, path: &Path, mode: LoadMode) -> Result<upkeep::engine::Loaded, EngineError> {
    engine(path).load(archive, mode, upkeep::engine::Standing::Nobodys, 2, &Progress::default()).await
}

/// Everything that naive tools lose, in one database. `encoding` must be the first statement.
fn torture(encoding: &str) -> String {
    format!(
        "PRAGMA encoding = '{encoding}'; PRAGMA page_size = 8192; PRAGMA auto_vacuum = INCREMENTAL;
         PRAGMA journal_mode = WAL; PRAGMA user_version = 42; PRAGMA application_id = 1234567;
         CREATE TABLE gaps (word TEXT);
         INSERT INTO gaps (rowid, word) VALUES (1, 'one'), (3, 'three'), (1000000007, 'far'), (-5, 'below');
         CREATE TABLE shadowed (rowid TEXT, _rowid_ TEXT, other BLOB);
         INSERT INTO shadowed (rowid, _rowid_, other) VALUES ('a', 'b', 1), ('c', 'd', 2);
         DELETE FROM shadowed WHERE rowid = 'a';
         CREATE TABLE bytes (id INTEGER PRIMARY KEY, text TEXT, blob BLOB, number, real REAL);
         INSERT INTO bytes VALUES
           (1, 'a' || char(0) || 'b', x'00ff00', 1, 1.5), (2, '', x'', '1', 9e999), (3, NULL, NULL, 1.0, -9e999),
           (4, 'äöü€😀', zeroblob(100000), x'31', 0.1), (5, 'x''y\"z\\', randomblob(70000), 9223372036854775807, 1e-300);
         CREATE TABLE counted (id INTEGER PRIMARY KEY AUTOINCREMENT, v TEXT);
         INSERT INTO counted (v) VALUES ('a'), ('b'), ('c'); DELETE FROM counted WHERE id = 3;
         CREATE TABLE strict_one (a INT NOT NULL, b ANY) STRICT; INSERT INTO strict_one VALUES (1, 'x'), (2, 2.5);
         CREATE TABLE keyed (k TEXT PRIMARY KEY, v) WITHOUT ROWID; INSERT INTO keyed VALUES ('k', 1), ('l', NULL);
         CREATE TABLE made (g INTEGER GENERATED ALWAYS AS (a * 2) STORED, a INTEGER, v TEXT AS (a || '!'));
         INSERT INTO made (a) VALUES (21), (NULL);
         CREATE TABLE parent (id INTEGER PRIMARY KEY); INSERT INTO parent VALUES (1);
         CREATE TABLE child (p INTEGER REFERENCES parent (id) DEFERRABLE INITIALLY DEFERRED);
         INSERT INTO child VALUES (1), (NULL);
         CREATE TABLE \"odd \"\"name; --\" (\"a b\" TEXT, \"ä\" TEXT DEFAULT 'x  y'); INSERT INTO \"odd \"\"name; --\" VALUES ('1', '2');
         CREATE INDEX partial ON bytes (lower(text)) WHERE text IS NOT NULL;
         CREATE VIEW seen AS SELECT word FROM gaps;
         CREATE TABLE log (line TEXT);
         CREATE TRIGGER noted AFTER INSERT ON gaps BEGIN INSERT INTO log VALUES (new.word); END;
         CREATE VIRTUAL TABLE words USING fts5(body, tokenize = 'porter');
         INSERT INTO words VALUES ('running dogs'), ('sleeping cats'); DELETE FROM words WHERE rowid = 1;
         CREATE VIRTUAL TABLE outside USING fts5(word, content = 'gaps');
         INSERT INTO outside (outside) VALUES ('rebuild');
         CREATE VIRTUAL TABLE boxes USING rtree(id, x0, x1); INSERT INTO boxes VALUES (7, 1.0, 2.0);
         CREATE TABLE flyway_schema_history (installed_rank INT PRIMARY KEY, version VARCHAR(50), description VARCHAR(200),
           type VARCHAR(20), script VARCHAR(1000), checksum INT, installed_by VARCHAR(100), installed_on TEXT,
           execution_time INT, success BOOLEAN);
         INSERT INTO flyway_schema_history VALUES (1, '1', 'init', 'SQL', 'V1__init.sql', -77, 'u', 't', 3, 1),
           (2, '2.1', 'more', 'SQL', 'V2.1__more.sql', 12, 'u', 't', 3, 1), (3, NULL, 'views', 'SQL', 'R__views.sql', 9, 'u', 't', 1, 1);
         ANALYZE;"
    )
}

/// Questions whose answers naive tools change.
const QUESTIONS: &[&str] = &[
    "SELECT group_concat(rowid || '=' || word) FROM (SELECT rowid, word FROM gaps ORDER BY rowid)",
    "SELECT group_concat(oid || '=' || rowid) FROM shadowed",
    "SELECT group_concat(hex(text) || hex(blob) || typeof(number) || quote(number) || quote(real)) FROM bytes",
    "SELECT group_concat(name || seq) FROM sqlite_sequence",
    "SELECT group_concat(typeof(b)) FROM strict_one",
    "SELECT group_concat(k || ifnull(v, '-')) FROM keyed",
    "SELECT group_concat(ifnull(g, '-') || ifnull(v, '-')) FROM made",
    "SELECT group_concat(\"a b\" || \"ä\") FROM \"odd \"\"name; --\"",
    "SELECT group_concat(rowid || body) FROM words WHERE words MATCH 'sleep'",
    "SELECT group_concat(rowid) FROM outside WHERE outside MATCH 'three'",
    "SELECT group_concat(id || x0 || x1) FROM boxes",
    "SELECT group_concat(sql, ';') FROM (SELECT sql FROM sqlite_schema ORDER BY type, name)",
    "SELECT group_concat(tbl || ifnull(idx, '-') || stat) FROM (SELECT * FROM sqlite_stat1 ORDER BY 1, 2)",
    "SELECT user_version FROM pragma_user_version",
    "SELECT application_id FROM pragma_application_id",
    "SELECT encoding FROM pragma_encoding",
    "SELECT page_size FROM pragma_page_size",
    "SELECT auto_vacuum FROM pragma_auto_vacuum",
    "SELECT journal_mode FROM pragma_journal_mode",
    "SELECT group_concat(integrity_check) FROM pragma_integrity_check",
    "SELECT count(*) FROM log",
];

async fn answers(path: &Path) -> Vec<(String, String)> {
    let mut answers = Vec::new();
    for question in QUESTIONS {
        let cast = format!("SELECT CAST(({question}) AS TEXT)");
        answers.push(((*question).to_owned(), texts(path, &cast).await.join("|")));
    }
    answers
}

#[rstest::rstest]
#[case::utf8("UTF-8")]
#[case::utf16le("UTF-16le")]
#[case::utf16be("UTF-16be")]
#[tokio::test(flavor = "multi_thread")]
async fn everything_naive_tools_lose_survives(#[case] encoding: &str) {
    let dir = tempfile::tempdir().expect("a directory");
    let source = dir.path().join("notes.db");
    execute(&source, &torture(encoding)).await;
    // A connection that stays open keeps its frames in the WAL: none of this is in the database file yet.
    let mut writer = crate::support::env::connect(&source).await;
    let late = "PRAGMA wal_autocheckpoint = 0; INSERT INTO bytes (id, text) VALUES (77, 'only in the WAL')";
    sqlx::raw_sql(late).execute(&mut writer).await.expect("written");
    assert!(source.with_file_name("notes.db-wal").metadata().expect("a WAL").len() > 0);

    let archive = dump(&source, &dir.path().join("archives"), "notes-1").await.expect("dumped");
    assert_eq!(names(&dir.path().join("archives")), ["notes-1.sqlite.zst"], "nothing is left beside the archive");
    let manifest = archive.manifest();
    assert_eq!(manifest.shape.head(), Some("2.1"));
    assert_eq!(manifest.shape.histories[0].applied[0].checksum.as_deref(), Some("-77"));
    assert_eq!(manifest.server.charset, encoding);
    assert_eq!(manifest.left_out, []);
    let rows = |name: &str| manifest.tables.iter().find(|table| table.name == name).map(|table| table.rows);
    assert_eq!((rows("gaps"), rows("bytes"), rows("keyed"), rows("words")), (Some(4), Some(6), Some(2), None));

    // Into a file that does not exist, and over one that does.
    let clean = dir.path().join("clean.db");
    let loaded = load(&archive, &clean, LoadMode::Clean).await.expect("loaded");
    assert_eq!(loaded.rows, manifest.rows());
    let over = dir.path().join("over.db");
    execute(&over, "PRAGMA journal_mode = WAL; CREATE TABLE old (a); INSERT INTO old VALUES (1)").await;
    load(&archive, &over, LoadMode::Replace).await.expect("replaced");
    let expected = answers(&source).await;
    for restored in [clean, over] {
        assert!(!restored.with_extension("db-wal").exists() && !restored.with_extension("db-shm").exists());
        assert_eq!(answers(&restored).await, expected, "{}", restored.display());
    }
    drop(writer);
}

#[tokio::test(flavor = "multi_thread")]
async fn stock_zstd_gives_a_database_that_opens() {
    let dir = tempfile::tempdir().expect("a directory");
    let source = dir.path().join("notes.db");
    execute(&source, &torture("UTF-8")).await;
    let archive = dump(&source, dir.path(), "notes-1").await.expect("dumped");
    let by_hand = dir.path().join("by-hand.db");
    let command = upkeep::process::Command {
        argv: ["zstd", "-q", "-dc", "-o"]
            .map(str::to_owned)
            .into_iter()
            .chain([by_hand.display().to_string(), archive.path().display().to_string()])
            .collect(),
        directory: None,
        environment: std::collections::BTreeMap::new(),
        input: Vec::new(),
        deadline: std::time::Duration::from_secs(60),
        output: None,
    };
    let finished = command.run().await.expect("zstd runs");
    assert!(finished.success(), "{finished:?}");
    assert_eq!(answers(&by_hand).await, answers(&source).await);
}

/// Money moves between accounts while archives are taken; it must be all there in each of them.
#[rstest::rstest]
#[case::wal("WAL")]
#[case::rollback("DELETE")]
#[tokio::test(flavor = "multi_thread")]
async fn no_archive_of_a_busy_database_loses_money(#[case] journal: &str) {
    const ACCOUNTS: i64 = 50;
    const TOTAL: i64 = ACCOUNTS * 1000;
    let dir = tempfile::tempdir().expect("a directory");
    let source = dir.path().join("bank.db");
    execute(
        &source,
        &format!(
            "PRAGMA journal_mode = {journal};
             CREATE TABLE account (id INTEGER PRIMARY KEY, balance INTEGER NOT NULL);
             CREATE TABLE move (id INTEGER PRIMARY KEY AUTOINCREMENT, amount INTEGER, note TEXT);
             WITH RECURSIVE n (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < {ACCOUNTS} - 1)
             INSERT INTO account SELECT i, 1000 FROM n;"
        ),
    )
    .await;
    let stop = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let mut writers = tokio::task::JoinSet::new();
    for writer in 0..3_i64 {
        let (path, stop) = (source.clone(), stop.clone());
        writers.spawn(async move {
            let mut connection = crate::support::env::connect(&path).await;
            // Commits that do not wait for the disk, and a moment's thought (which takes no lock) between two of them: with a
            // rollback journal, writers that never pause would keep every reader out.
            sqlx::raw_sql("PRAGMA synchronous = OFF").execute(&mut connection).await.expect("set");
            let thought =
                "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000) SELECT count(*) FROM n";
            let mut moved = 0_i64;
            while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                let (from, to) = ((moved * 7 + writer) % ACCOUNTS, (moved * 13 + writer * 5) % ACCOUNTS);
                let sql = format!(
                    "BEGIN IMMEDIATE; UPDATE account SET balance = balance - 3 WHERE id = {from};
                     UPDATE account SET balance = balance + 3 WHERE id = {to};
                     INSERT INTO move (amount, note) VALUES (3, hex(randomblob(200))); COMMIT;"
                );
                sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).execute(&mut connection).await.expect("money moved");
                sqlx::raw_sql(thought).execute(&mut connection).await.expect("thought");
                moved += 1;
            }
            moved
        });
    }
    let mut moves_seen = Vec::new();
    for round in 0..20 {
        let archive = dump(&source, &dir.path().join("archives"), &format!("bank-{round}")).await.expect("dumped");
        let copy = dir.path().join(format!("copy-{round}.db"));
        load(&archive, &copy, LoadMode::Clean).await.expect("loaded");
        assert_eq!(texts(&copy, "SELECT CAST(sum(balance) AS TEXT) FROM account").await, [TOTAL.to_string()]);
        let moves = texts(&copy, "SELECT CAST(count(*) AS TEXT) FROM move").await;
        moves_seen.push(moves[0].parse::<i64>().expect("a number"));
    }
    stop.store(true, std::sync::atomic::Ordering::Relaxed);
    let moved: i64 = writers.join_all().await.into_iter().sum();
    assert!(moves_seen.is_sorted(), "later archives show later moments: {moves_seen:?}");
    assert!(moves_seen[0] < moves_seen[19], "the writers wrote between the archives: {moves_seen:?}");
    assert_eq!(texts(&source, "SELECT CAST(count(*) AS TEXT) FROM move").await, [moved.to_string()], "no commit was lost");
    assert_eq!(texts(&source, "SELECT integrity_check FROM pragma_integrity_check").await, ["ok"]);
}

/// What a refusal says, and that no archive and no temporary file is left after it.
async fn check_refusal(path: &Path, class: Class, words: &[&str]) {
    let archives = tempfile::tempdir().expect("a directory");
    let error = dump(path, archives.path(), "notes-1").await.expect_err("no archive can be made of this");
    let text = format!("{error} {}", upkeep::failure::Chain(&error));
    for word in words {
        assert!(text.contains(word), "`{word}` in: {text}");
    }
    assert_eq!(error.class(), class, "{text}");
    assert_eq!(names(archives.path()), [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_sound_database_is_refused_by_name() {
    let dir = tempfile::tempdir().expect("a directory");
    let missing = dir.path().join("missing.db");
    check_refusal(&missing, Class::NoInput, &["missing.db", "No such file"]).await;
    assert_eq!(names(dir.path()), [""; 0], "a look at a missing database does not make it");

    check_refusal(dir.path(), Class::Data, &["is not a file"]).await;

    let text = dir.path().join("text.db");
    crate::support::env::put(&text, &b"this is no database, only text\n".repeat(100));
    check_refusal(&text, Class::Data, &["text.db", "not a SQLite database, or it is encrypted"]).await;

    // Garbage over the pages of a table.
    let torn = dir.path().join("torn.db");
    let rows = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5000)";
    execute(&torn, &format!("CREATE TABLE t (a TEXT); {rows} INSERT INTO t SELECT hex(randomblob(20)) FROM n")).await;
    let mut bytes = std::fs::read(&torn).expect("read");
    bytes[4096 * 5..4096 * 9].fill(0xa5);
    crate::support::env::put(&torn, &bytes);
    check_refusal(&torn, Class::Data, &["torn.db is damaged"]).await;

    // An index that is not the table's.
    let crossed = dir.path().join("crossed.db");
    execute(&crossed, "CREATE TABLE t (a, b); CREATE INDEX i ON t (a); INSERT INTO t VALUES (1, 2), (3, 4)").await;
    execute(&crossed, "PRAGMA writable_schema = ON; UPDATE sqlite_schema SET sql = 'CREATE INDEX i ON t (b)' WHERE name = 'i'")
        .await;
    check_refusal(&crossed, Class::Data, &["crossed.db fails its integrity check", "index i"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_database_is_a_database() {
    let dir = tempfile::tempdir().expect("a directory");
    let source = dir.path().join("empty.db");
    crate::support::env::put(&source, b"");
    let archive = dump(&source, dir.path(), "empty-1").await.expect("dumped");
    assert_eq!((archive.manifest().tables.len(), archive.manifest().rows()), (0, 0));
    let copy = dir.path().join("copy.db");
    load(&archive, &copy, LoadMode::Clean).await.expect("loaded");
    assert_eq!(texts(&copy, "SELECT CAST(count(*) AS TEXT) FROM sqlite_schema").await, ["0"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lock_that_is_never_let_go_is_an_error_that_says_so() {
    let dir = tempfile::tempdir().expect("a directory");
    let source = dir.path().join("notes.db");
    execute(&source, "CREATE TABLE t (a); INSERT INTO t VALUES (1)").await;
    let mut holder = crate::support::env::connect(&source).await;
    sqlx::raw_sql("BEGIN EXCLUSIVE").execute(&mut holder).await.expect("locked");
    let hasty = Engine::Sqlite(upkeep::engine::sqlite::Sqlite::new(source).patient_for(std::time::Duration::from_millis(50)));
    let error = hasty.survey(&[]).await.expect_err("locked");
    assert!(error.to_string().contains("notes.db is in use by a connection that keeps its lock"), "{error}");
    assert_eq!((error.class(), error.transient()), (Class::TempFail, true));
    sqlx::raw_sql("ROLLBACK").execute(&mut holder).await.expect("unlocked");
    assert!(hasty.survey(&[]).await.expect("free again").holds_rows);
}

#[tokio::test(flavor = "multi_thread")]
async fn broken_references_are_kept_and_named() {
    let dir = tempfile::tempdir().expect("a directory");
    let source = dir.path().join("notes.db");
    execute(&source, "CREATE TABLE p (id INTEGER PRIMARY KEY); CREATE TABLE c (p REFERENCES p); INSERT INTO c VALUES (1), (2)")
        .await;
    let archive = dump(&source, dir.path(), "notes-1").await.expect("a backup of what is there");
    let left = &archive.manifest().left_out[0];
    assert_eq!(left.what, "rows that 2 foreign keys refer to (the first: c refers to p)");
    let loaded = load(&archive, &dir.path().join("copy.db"), LoadMode::Clean).await.expect("loaded");
    assert!(loaded.warnings.iter().any(|line| line.contains("c refers to p")), "{:?}", loaded.warnings);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crashed_writers_journal_is_rolled_back_first() {
    let dir = tempfile::tempdir().expect("a directory");
    let (live, crashed) = (dir.path().join("live.db"), dir.path().join("crashed.db"));
    let rows = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000)";
    execute(&live, &format!("CREATE TABLE t (a TEXT); {rows} INSERT INTO t SELECT 'old' FROM n")).await;
    // A transaction too large for the cache is partly in the file when the machine stops.
    let mut writer = crate::support::env::connect(&live).await;
    let half = "PRAGMA cache_size = 5; PRAGMA cache_spill = 1; BEGIN; UPDATE t SET a = 'new'";
    sqlx::raw_sql(half).execute(&mut writer).await.expect("half written");
    for suffix in ["", "-journal"] {
        let from = dir.path().join(format!("live.db{suffix}"));
        std::fs::copy(&from, dir.path().join(format!("crashed.db{suffix}"))).expect("copied");
    }
    assert!(std::fs::read(&crashed).expect("read").windows(3).any(|bytes| bytes == b"new"), "the half is in the file");
    let archive = dump(&crashed, &dir.path().join("archives"), "notes-1").await.expect("dumped");
    let copy = dir.path().join("copy.db");
    load(&archive, &copy, LoadMode::Clean).await.expect("loaded");
    assert_eq!(texts(&copy, "SELECT DISTINCT a FROM t").await, ["old"]);
    drop(writer);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_survey_tells_histories_from_rows() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("notes.db");
    let survey = |path: PathBuf| async move { engine(&path).survey(&[]).await.expect("surveyed") };
    assert!(!survey(path.clone()).await.exists);
    execute(&path, "CREATE TABLE notes (a); CREATE VIRTUAL TABLE words USING fts5(body)").await;
    let history = torture("UTF-8");
    let history = history[history.find("CREATE TABLE flyway").expect("there")..].replace("ANALYZE;", "");
    execute(&path, &history).await;
    let found = survey(path.clone()).await;
    assert!(found.exists && !found.holds_rows && found.bytes > 0 && found.sessions.is_empty(), "{found:?}");
    let tables: Vec<_> = found.tables.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(tables, ["flyway_schema_history", "notes", "words"], "neither shadows nor sqlite's own");
    assert!(found.tables.iter().any(|(name, bytes)| name == "notes" && *bytes >= 4096), "{found:?}");
    execute(&path, "INSERT INTO words VALUES ('x')").await;
    assert!(survey(path.clone()).await.holds_rows);
    let other = crate::support::env::Bystander::reading(&path, &["sleep", "600"]);
    assert_eq!(survey(path).await.sessions, [format!("pid {}, sleep", other.pid())]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fingerprint_follows_the_definitions_and_nothing_else() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut prints = Vec::new();
    for (number, statements) in [
        "CREATE TABLE t (a TEXT, b INT); CREATE INDEX i ON t (a)",
        "CREATE TABLE t\n(a TEXT,   b INT);\nCREATE INDEX i\nON t (a); INSERT INTO t VALUES (1, 2); ANALYZE",
        "CREATE TABLE t (a TEXT, b INT); CREATE INDEX i ON t (b)",
        "CREATE TABLE t (a TEXT, b INT)",
    ]
    .iter()
    .enumerate()
    {
        let path = dir.path().join(format!("{number}.db"));
        execute(&path, statements).await;
        prints.push(engine(&path).shape(&[]).await.expect("a shape").fingerprint.expect("taken"));
    }
    assert_eq!(prints[0], prints[1]);
    assert_ne!(prints[0], prints[2]);
    assert_ne!(prints[0], prints[3]);
}
