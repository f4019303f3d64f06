use sqlx::Connection;
use sqlx::sqlite::SqliteConnectOptions;

use super::super::{scan, schema::tables};
use super::*;

/// Large rows in every kind of table, beside small ones and ones at the borders, with names that mislead.
const CONTENT: &str = "CREATE TABLE plain (at INTEGER PRIMARY KEY, \"a b\", real REAL);
    INSERT INTO plain VALUES (1, zeroblob(1048576), 1.5), (2, zeroblob(1048577), 2), (-3, randomblob(2097152), NULL), (4, 'small', 0),
      (5, replace(hex(zeroblob(1500000)), '00', 'ä€😀' || char(0)), 9e999), (6, NULL, NULL), (7, zeroblob(3145728), -1), (8, zeroblob(17825792), 1), (9, zeroblob(16777216), 1);
    CREATE TABLE piece (rowid TEXT, _rowid_, oid, at, v);
    INSERT INTO piece VALUES ('a', 1, NULL, zeroblob(700000), hex(zeroblob(200000))), ('b', 2, 2, x'00', 'short'), ('c', 3, 3, 'x', hex(randomblob(1500000)));
    CREATE TABLE named (rowid TEXT, _rowid_, v);
    INSERT INTO named VALUES ('a', 1, zeroblob(1200000)), ('b', 2, 3), ('c', zeroblob(700000), hex(zeroblob(200000)));
    CREATE TABLE one (k TEXT PRIMARY KEY, column1, v) WITHOUT ROWID;
    INSERT INTO one VALUES ('a', 1, randomblob(1200000)), ('b', 2, 3), (hex(zeroblob(600000)), 3, randomblob(5)), ('z', 4, randomblob(1048570));
    CREATE TABLE small (v); INSERT INTO small VALUES (zeroblob(1000)), (1);
    CREATE TABLE none (v);";

#[tokio::test(flavor = "multi_thread")]
async fn large_rows_are_summed_as_all_others() {
    for encoding in ["UTF-8", "UTF-16le"] {
        for hidden in ["", "CREATE TABLE dbstat (name, aggregate); INSERT INTO dbstat VALUES (zeroblob(2000000), 1);"] {
            let dir = tempfile::tempdir().unwrap();
            let path = dir.path().join("a.db");
            let options =
                SqliteConnectOptions::new().filename(&path).create_if_missing(true).pragma("encoding", format!("'{encoding}'"));
            let mut connection = SqliteConnection::connect_with(&options).await.unwrap();
            sqlx::raw_sql(AssertSqlSafe(format!("{CONTENT}{hidden}"))).execute(&mut connection).await.unwrap();
            let mut found = Vec::new();
            for table in tables(&mut connection, &path).await.unwrap() {
                let whole = scan(&mut connection, &table, "", &Default::default()).await.unwrap();
                let (rowid, mut rows) = (may_be_in(&mut connection, &table).await, 0);
                if let Some(rowid) = rowid {
                    let others = format!(" WHERE {} <= {LARGE}", size(&table.columns));
                    let mut apart = scan(&mut connection, &table, &others, &Default::default()).await.unwrap();
                    let bytes;
                    (rows, bytes) = add(&mut connection, &table, rowid, &mut apart.sum, &Progress::default()).await.unwrap();
                    let apart = (apart.rows + rows, apart.bytes + bytes, apart.sum);
                    assert_eq!((whole.rows, whole.bytes, whole.sum), apart, "{}", table.name);
                }
                found.push((table.name.clone(), rows, rowid.is_some()));
            }
            // Those without a name for the rowid are left to be read as a whole.
            let all = [("named", 2), ("none", 0), ("one", 0), ("piece", 0), ("plain", 6), ("small", 0)];
            let may = |name, rows| rows > 0 || (!hidden.is_empty() && !["one", "piece"].contains(&name));
            let expected = all.map(|(name, rows)| (name.to_owned(), rows, may(name, rows)));
            found.retain(|(name, ..)| name != "dbstat");
            if encoding == "UTF-8" {
                assert_eq!(found, expected, "{hidden}");
            }
        }
    }
}
