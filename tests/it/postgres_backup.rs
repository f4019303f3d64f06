//! PostgreSQL: what an archive holds is what the database held, by the word of PostgreSQL's own tools.

use upkeep::archive::Archive;
use upkeep::engine::{Engine, LoadMode};

use crate::support::postgres::{cluster, dump, load, name_of, newer_cluster};

macro_rules! on_every_cluster {
    ($name:ident, $newer:ident, $body:ident) => {
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $name() {
            if let Some(cluster) = cluster() {
                $body(cluster).await;
            }
        }

        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $newer() {
            if let Some(cluster) = newer_cluster() {
                $body(cluster).await;
            }
        }
    };
}

type Cluster = crate::support::postgres::Cluster;

on_every_cluster!(stock_tools_restore_everything, stock_tools_restore_everything_on_a_newer_major, by_hand);
on_every_cluster!(upkeep_restores_everything, upkeep_restores_everything_on_a_newer_major, by_upkeep);

async fn by_hand(cluster: &Cluster) {
    let (source, copy) = (cluster.torture(), cluster.fresh());
    let dir = tempfile::tempdir().unwrap();
    let sealed = dump(&source, dir.path(), 2).await.unwrap();
    cluster.restore_by_hand(&sealed.path, name_of(&copy)).unwrap();
    same(cluster, name_of(&source), name_of(&copy));
}

async fn by_upkeep(cluster: &Cluster) {
    let (source, copy) = (cluster.torture(), cluster.database(&cluster.fresh_name()));
    let dir = tempfile::tempdir().unwrap();
    let sealed = dump(&source, dir.path(), 3).await.unwrap();
    let loaded = load(&copy, &sealed, LoadMode::Clean).await.unwrap();
    assert_eq!(loaded.warnings, Vec::<String>::new());
    assert_eq!(loaded.rows, sealed.manifest.rows());
    same(cluster, name_of(&source), name_of(&copy));
    // And once more round: the same tables, rows and checksums, and the same shape.
    let again = dump(&copy, dir.path(), 1).await.unwrap();
    assert_eq!(again.manifest.tables, sealed.manifest.tables);
    assert_eq!(again.manifest.shape, sealed.manifest.shape);
    assert!(again.manifest.shape.same_as(&Engine::of(&source).shape(&[]).await.unwrap()));
}

#[track_caller]
fn same(cluster: &Cluster, source: &str, copy: &str) {
    let schema = |name| cluster.pg_dump(name, &["--schema-only"]);
    let (wanted, found) = (schema(source), schema(copy));
    let differs = wanted.lines().zip(found.lines()).position(|(a, b)| a != b);
    assert!(
        wanted == found,
        "schema differs at line {differs:?}:\n{}\n---\n{}",
        wanted.lines().skip(differs.unwrap_or(0).saturating_sub(5)).take(12).collect::<Vec<_>>().join("\n"),
        found.lines().skip(differs.unwrap_or(0).saturating_sub(5)).take(12).collect::<Vec<_>>().join("\n"),
    );
    pretty(&cluster.content(source), &cluster.content(copy));
}

#[track_caller]
fn pretty(wanted: &str, found: &str) {
    for (wanted, found) in wanted.lines().zip(found.lines()) {
        assert_eq!(wanted, found);
    }
    assert_eq!(wanted.lines().count(), found.lines().count());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_manifest_says_what_is_there() {
    let Some(cluster) = cluster() else { return };
    let source = cluster.torture();
    let dir = tempfile::tempdir().unwrap();
    let sealed = dump(&source, dir.path(), 2).await.unwrap();
    let manifest = sealed.manifest;
    assert_eq!(manifest.server.flavour, "postgresql");
    assert_eq!(manifest.server.version.split('.').next().unwrap(), cluster.major.to_string());
    assert_eq!((manifest.server.charset.as_str(), manifest.server.collation.as_str()), ("UTF8", "C.UTF-8"));
    assert_eq!(manifest.server.extra["unlogged"], "app.unlogged_table");
    assert!(!manifest.data_only);
    assert!(manifest.consistency.position.is_some() && manifest.consistency.snapshot.is_some());
    let left_out: Vec<&str> = manifest.left_out.iter().map(|left| left.what.as_str()).collect();
    assert_eq!(left_out, ["rows of table app.far_away"]);
    let table = |name: &str| manifest.tables.iter().find(|table| table.name == name);
    assert_eq!(table("parent").unwrap().rows, 1, "a child's rows are the child's");
    assert_eq!(table("no_columns").unwrap().rows, 2);
    assert_eq!(table("dropped_column").unwrap().columns, ["a", "b"], "neither dropped nor generated columns");
    assert!(table("parted").is_none() && table("passing").is_none() && table("far_away").is_none());
    let history = &manifest.shape.histories[0];
    assert_eq!(
        (history.table.as_str(), history.head(), history.applied.len()),
        ("public.flyway_schema_history", Some("1.1.2"), 3)
    );
    assert_eq!(history.applied[0].checksum.as_deref(), Some("-123"));
    let archive = Archive::open(&sealed.path).unwrap();
    archive.verify(2, &upkeep::progress::Progress::default()).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_big_table_is_read_in_ranges_by_all_workers() {
    let Some(cluster) = cluster() else { return };
    let source = cluster.fresh();
    let name = name_of(&source);
    cluster.psql(name, "CREATE TABLE big AS SELECT g AS id, repeat(md5(g::text), 30) AS t FROM generate_series(1, 150000) g");
    cluster.psql(name, "DELETE FROM big WHERE id % 3 = 0; UPDATE big SET t = 'moved' WHERE id % 5 = 0");
    let dir = tempfile::tempdir().unwrap();
    let sealed = dump(&source, dir.path(), 3).await.unwrap();
    assert_eq!(sealed.manifest.tables[0].rows, 100_000);
    let frames = sealed.manifest.frames.iter().filter(|frame| frame.table == Some(0));
    assert!(frames.clone().count() >= 5, "frames of about 16 MiB");
    assert_eq!(frames.map(|frame| frame.rows).sum::<u64>(), 100_000);
    let copy = cluster.fresh();
    load(&copy, &sealed, LoadMode::Clean).await.unwrap();
    assert_eq!(cluster.content(name), cluster.content(name_of(&copy)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_survey_tells_empty_from_filled_and_who_is_there() {
    let Some(cluster) = cluster() else { return };
    let nowhere = cluster.database(&cluster.fresh_name());
    assert!(!Engine::of(&nowhere).survey(&[]).await.unwrap().exists);
    let database = cluster.fresh();
    let name = name_of(&database).to_owned();
    let engine = Engine::of(&database);
    let empty = engine.survey(&[]).await.unwrap();
    assert!(empty.exists && !empty.holds_rows && empty.tables.is_empty() && empty.sessions.is_empty(), "{empty:?}");
    cluster.psql(
        &name,
        "CREATE TABLE \"SCHEMA_VERSION\" (installed_rank int, version text, description text, type text, script text, checksum int, \
         success boolean); INSERT INTO \"SCHEMA_VERSION\" VALUES (1, '7', 'd', 'SQL', 's', 1, true); CREATE TABLE t (a int);",
    );
    let shaped = engine.survey(&[]).await.unwrap();
    assert!(!shaped.holds_rows, "a migration's own history is not application rows");
    assert_eq!(engine.shape(&[]).await.unwrap().head(), Some("7"));
    let mut other = cluster.connect(&name).await;
    cluster.psql(&name, "INSERT INTO t VALUES (1)");
    let filled = engine.survey(&[]).await.unwrap();
    assert!(filled.holds_rows && filled.bytes > 0);
    assert_eq!(filled.sessions.len(), 1, "{:?}", filled.sessions);
    assert!(filled.sessions[0].contains("user postgres"), "{:?}", filled.sessions);
    sqlx::raw_sql("SELECT 1").execute(&mut other).await.unwrap();
}
