//! PostgreSQL: a metadata catalogue, as large as one likes, comes back the same by stock tools and by upkeep.
//!
//! `CATALOGUE_SCALE=1` makes it about 1.5 GB; the default is small.

use upkeep::config::Database;
use upkeep::engine::LoadMode;

use crate::support::postgres::{Cluster, cluster, dump, load, name_of, newer_cluster};

/// What `benches/compare` fills its database with.
const CATALOGUE: &str = include_str!("../../benches/openmetadata_like_postgres.sql");

fn filled(cluster: &Cluster) -> Database {
    let scale = std::env::var("CATALOGUE_SCALE").unwrap_or_else(|_| "0.005".to_owned());
    let database = cluster.fresh();
    cluster.psql(name_of(&database), &format!("\\set scale {scale}\n{CATALOGUE}"));
    database
}

/// Rows of each table, and a sum over them that does not depend on their order.
fn rows(cluster: &Cluster, database: &Database) -> String {
    let every_table = "SELECT format('SELECT %L, count(*), sum(hashtextextended(r::text, 0)::numeric) FROM %s r', c.oid::regclass, c.oid::regclass) \
        FROM pg_class c WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace ORDER BY relname \\gexec";
    cluster.psql(name_of(database), every_table)
}

async fn comes_back(cluster: &Cluster) {
    let source = filled(cluster);
    let (schema, content) = (cluster.pg_dump(name_of(&source), &["--schema-only"]), rows(cluster, &source));
    let dir = tempfile::tempdir().unwrap();
    let sealed = dump(&source, dir.path(), 3).await.unwrap();

    let by_hand = cluster.fresh();
    cluster.restore_by_hand(&sealed.path, name_of(&by_hand)).unwrap();
    let by_upkeep = cluster.fresh();
    let loaded = load(&by_upkeep, &sealed, LoadMode::Clean).await.unwrap();
    for (how, copy) in [("zstd and psql", &by_hand), ("upkeep", &by_upkeep)] {
        assert_eq!(cluster.pg_dump(name_of(copy), &["--schema-only"]), schema, "the schema by {how}");
        assert_eq!(rows(cluster, copy), content, "the rows by {how}");
    }
    println!("PostgreSQL {}: {} rows of {} tables came back both ways\n{content}", cluster.major, loaded.rows, loaded.tables);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_catalogue_comes_back_on_the_oldest_major() {
    let Some(cluster) = cluster() else { return };
    comes_back(cluster).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_catalogue_comes_back_on_the_newest_major() {
    let Some(cluster) = newer_cluster() else { return };
    comes_back(cluster).await;
}
