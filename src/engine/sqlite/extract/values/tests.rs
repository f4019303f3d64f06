use sqlx::{Connection as _, SqliteConnection};

use super::*;

#[test]
fn values_are_written_for_readers_that_err() {
    for (number, written) in [
        (1.0, "1.0"),
        (0.0, "0.0"),
        (-0.5, "-0.5"),
        (19.99, "19.99"),
        (-0.125, "CAST(-1 AS REAL) / 8"),
        (1e16, "CAST(152587890625 AS REAL) * 65536"),
        (f64::INFINITY, "9e999"),
        (f64::NEG_INFINITY, "-9e999"),
    ] {
        assert_eq!(real(number), written);
    }
    assert_eq!(text("it's\n.quit".as_bytes()), "'it''s\n.quit'");
    assert_eq!(text(b"a\r\nb"), "replace('a<0>\nb', '<0>', char(13))");
    assert_eq!(text(b"<0>\0\r"), "replace(replace('<0><2><1>', '<1>', char(13)), '<2>', char(0))");
    assert!(text(b"\xff").contains("CAST(x'FF' AS TEXT)"));
}

/// All at once, by SQLite itself.
#[tokio::test]
async fn values_are_read_back_as_they_were() {
    let mut random = fastrand::Rng::with_seed(7);
    let mut numbers =
        vec![f64::MAX, f64::MIN_POSITIVE, f64::from_bits(1), -2.260_663_114_848_138_5e-299, 7.919_104_729_299_731e-296];
    numbers.extend((0..2_000).map(|_| f64::from_bits(random.u64(..))).filter(|number| number.is_finite()));
    numbers.extend((0..500).map(|_| f64::from_bits(random.u64(..1 << 52))));
    let letters = ["\r", "\n", "\0", "'", "<", "0", "1", ">", "<0>", "ü"];
    let texts: Vec<String> =
        (0..500).map(|_| (0..random.usize(..12)).map(|_| letters[random.usize(..letters.len())]).collect()).collect();
    let written = numbers.iter().map(|number| real(*number)).chain(texts.iter().map(|one| text(one.as_bytes())));
    let rows: Vec<String> = written.map(|value| format!("({value})")).collect();
    let mut connection = SqliteConnection::connect("sqlite::memory:").await.unwrap();
    sqlx::raw_sql("CREATE TABLE t (v)").execute(&mut connection).await.unwrap();
    let insert = sqlx::AssertSqlSafe(format!("INSERT INTO t VALUES {}", rows.join(", ")));
    sqlx::raw_sql(insert).execute(&mut connection).await.unwrap();
    let read = sqlx::query("SELECT v FROM t ORDER BY rowid").fetch_all(&mut connection).await.unwrap();
    for (number, row) in numbers.iter().zip(&read) {
        assert_eq!(row.get::<f64, _>(0).to_bits(), number.to_bits(), "{}", real(*number));
    }
    for (one, row) in texts.iter().zip(&read[numbers.len()..]) {
        assert_eq!(row.get::<String, _>(0), *one, "{}", text(one.as_bytes()));
    }
}
