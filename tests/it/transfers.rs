//! Money moves between accounts while backups are taken: in every restored copy the total is exact.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use upkeep::engine::LoadMode;

use crate::support::engines::{Db, Home, on_every_engine};
use crate::support::postgres::{dump, load};

const ACCOUNTS: u32 = 2000;
const EACH: u32 = 100;
const WRITERS: u32 = 3;
const BACKUPS: u32 = 20;

on_every_engine! {
    the_total_is_exact_in_every_one_of_twenty_backups_under_transfers: transfers;
}

fn transfers(db: Db) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(Box::pin(under_transfers(db)));
}

/// Two tables on purpose: a transfer moves money from one to the other, so a copy that is not of one moment shows.
fn bank(db: Db) -> String {
    let (serial, begin) = match db {
        Db::Sqlite => ("integer PRIMARY KEY AUTOINCREMENT", "PRAGMA journal_mode = WAL; "),
        Db::Postgres(_) => ("bigserial PRIMARY KEY", ""),
        Db::MySql(_) => ("bigint AUTO_INCREMENT PRIMARY KEY", ""),
    };
    let accounts = (1..=ACCOUNTS).map(|id| format!("({id}, {EACH}, '{}')", "x".repeat(200))).collect::<Vec<_>>().join(", ");
    let side = |name: &str| {
        format!(
            "CREATE TABLE {name} (id int PRIMARY KEY, balance bigint NOT NULL, filler varchar(200)); INSERT INTO {name} VALUES {accounts}; "
        )
    };
    format!("{begin}{}{}CREATE TABLE moves (id {serial}, amount bigint);", side("left_side"), side("right_side"))
}

/// Whether the next number handed out is behind every one in the rows.
fn next_is_behind(db: Db) -> &'static str {
    match db {
        Db::Sqlite => {
            "(SELECT COALESCE(max(id), 0) FROM moves) <= (SELECT COALESCE(max(seq), 0) FROM sqlite_sequence WHERE name = 'moves')"
        }
        Db::Postgres(_) => "(SELECT CASE WHEN COALESCE(max(id), 0) < nextval('moves_id_seq') THEN 1 ELSE 0 END FROM moves)",
        Db::MySql(_) => {
            "(SELECT COALESCE(max(id), 0) FROM moves) < \
             (SELECT auto_increment FROM information_schema.tables WHERE table_schema = DATABASE() AND table_name = 'moves')"
        }
    }
}

async fn under_transfers(db: Db) {
    let dir = tempfile::tempdir().unwrap();
    let source = Home::new(db, &dir.path().join("source.db"));
    source.create();
    source.sql(&bank(db));
    let begin = if matches!(db, Db::Sqlite) { "BEGIN IMMEDIATE" } else { "BEGIN" };
    let (stop, moved) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let mut writers = Vec::new();
    for writer in 0..WRITERS {
        let (mut connection, stop, moved) = (source.connect().await, Arc::clone(&stop), Arc::clone(&moved));
        writers.push(tokio::spawn(async move {
            let mut n = writer;
            while !stop.load(Ordering::Relaxed) {
                n = n.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                let (from, to, amount) = (n % ACCOUNTS + 1, (n / 7) % ACCOUNTS + 1, n % 50);
                let transfer = format!(
                    "{begin}; UPDATE left_side SET balance = balance - {amount} WHERE id = {from}; INSERT INTO moves (amount) VALUES ({amount}); \
                     UPDATE right_side SET balance = balance + {amount} WHERE id = {to}; COMMIT"
                );
                connection.execute(&transfer).await;
                moved.fetch_add(1, Ordering::Relaxed);
            }
        }));
    }
    let mut last = 0;
    for round in 0..BACKUPS {
        let before = moved.load(Ordering::Relaxed);
        let sealed = dump(&source.database(), dir.path(), 2).await.unwrap();
        let copy = Home::new(db, &dir.path().join("copy.db"));
        load(&copy.database(), &sealed, LoadMode::Clean).await.unwrap();
        let found = copy.ask(&format!(
            "SELECT (SELECT sum(balance) FROM left_side) + (SELECT sum(balance) FROM right_side), \
             (SELECT sum(balance) FROM right_side) - (SELECT COALESCE(sum(amount), 0) FROM moves), (SELECT count(*) FROM moves), {}",
            next_is_behind(db)
        ));
        let found: Vec<&str> = found.split('|').collect();
        assert_eq!(found[0], (2 * ACCOUNTS * EACH).to_string(), "round {round}: money was made or lost");
        assert_eq!(found[1], (ACCOUNTS * EACH).to_string(), "round {round}: a transfer is there by half");
        let count: u64 = found[2].parse().unwrap();
        assert!(count >= before.max(last), "round {round}: the backup is older than its own beginning");
        assert_eq!(found[3], "1", "round {round}: the next number is one that a row has");
        last = count;
        copy.remove();
        std::fs::remove_file(&sealed.path).unwrap();
    }
    stop.store(true, Ordering::Relaxed);
    for writer in writers {
        writer.await.unwrap();
    }
    assert!(moved.load(Ordering::Relaxed) > u64::from(BACKUPS), "the writers were at work all along");
}
