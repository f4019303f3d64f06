//! Money moves between accounts while backups are taken: in every restored copy the total is exact.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use sqlx::{AssertSqlSafe, Executor};
use upkeep::engine::LoadMode;

use crate::support::postgres::{cluster, dump, load, name_of};

const ACCOUNTS: u32 = 2000;
const EACH: u32 = 100;
const WRITERS: u32 = 3;
const BACKUPS: u32 = 20;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_total_is_exact_in_every_one_of_twenty_backups_under_transfers() {
    let Some(cluster) = cluster() else { return };
    let source = cluster.fresh();
    let name = name_of(&source).to_owned();
    // Two tables on purpose: a transfer moves money from one to the other, so a copy that is not of one moment shows.
    cluster.psql(
        &name,
        &format!(
            "CREATE TABLE left_side (id int PRIMARY KEY, balance bigint NOT NULL, filler text DEFAULT repeat('x', 200)); \
             CREATE TABLE right_side (LIKE left_side INCLUDING ALL); CREATE TABLE moves (id bigserial PRIMARY KEY, amount bigint); \
             INSERT INTO left_side SELECT g, {EACH} FROM generate_series(1, {ACCOUNTS}) g; \
             INSERT INTO right_side SELECT g, {EACH} FROM generate_series(1, {ACCOUNTS}) g;"
        ),
    );
    let (stop, moved) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let mut writers = Vec::new();
    for writer in 0..WRITERS {
        let (mut connection, stop, moved) = (cluster.connect(&name).await, Arc::clone(&stop), Arc::clone(&moved));
        writers.push(tokio::spawn(async move {
            let mut n = writer;
            while !stop.load(Ordering::Relaxed) {
                n = n.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                let (from, to, amount) = (n % ACCOUNTS + 1, (n / 7) % ACCOUNTS + 1, n % 50);
                let transfer = format!(
                    "BEGIN; UPDATE left_side SET balance = balance - {amount} WHERE id = {from}; INSERT INTO moves (amount) VALUES ({amount}); \
                     UPDATE right_side SET balance = balance + {amount} WHERE id = {to}; COMMIT"
                );
                connection.execute(sqlx::raw_sql(AssertSqlSafe(transfer))).await.unwrap();
                moved.fetch_add(1, Ordering::Relaxed);
            }
        }));
    }
    let dir = tempfile::tempdir().unwrap();
    let mut last = 0;
    for round in 0..BACKUPS {
        let before = moved.load(Ordering::Relaxed);
        let sealed = dump(&source, dir.path(), 2).await.unwrap();
        let copy = cluster.fresh();
        load(&copy, &sealed, LoadMode::Clean).await.unwrap();
        let sums = "SELECT (SELECT sum(balance) FROM left_side) + (SELECT sum(balance) FROM right_side), \
                    (SELECT sum(balance) FROM right_side) - (SELECT COALESCE(sum(amount), 0) FROM moves), (SELECT count(*) FROM moves), \
                    (SELECT COALESCE(max(id), 0) FROM moves) < nextval('moves_id_seq')";
        let found = cluster.psql(name_of(&copy), sums);
        let found: Vec<&str> = found.split('|').collect();
        assert_eq!(found[0], (2 * ACCOUNTS * EACH).to_string(), "round {round}: money was made or lost");
        assert_eq!(found[1], (ACCOUNTS * EACH).to_string(), "round {round}: a transfer is there by half");
        let count: u64 = found[2].parse().unwrap();
        assert!(count >= before.max(last), "round {round}: the backup is older than its own beginning");
        assert_eq!(found[3], "t", "round {round}: the sequence is behind the rows");
        last = count;
        cluster.psql("postgres", &format!("DROP DATABASE {}", name_of(&copy)));
        std::fs::remove_file(&sealed.path).unwrap();
    }
    stop.store(true, Ordering::Relaxed);
    for writer in writers {
        writer.await.unwrap();
    }
    assert!(moved.load(Ordering::Relaxed) > u64::from(BACKUPS), "the writers were at work all along");
}
