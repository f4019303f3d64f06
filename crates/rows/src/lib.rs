//! What happens once for every row of MySQL and MariaDB: it is received, and written as a tuple of SQL literals.
//!
//! A crate of its own so that it alone of upkeep is built for speed, with the code of sqlx that only exists where it is used; the rest is
//! built small (`[profile.release]`). Knows nothing of tables, statements or archives. Invariant: what is written reads back as the same
//! bytes; held by `literal/tests.rs` and `json/tests.rs`.

mod json;
pub mod literal;

use std::ops::ControlFlow;

use futures_util::TryStreamExt;
use sqlx::mysql::MySqlRow;
use sqlx::{AssertSqlSafe, Either, MySqlConnection, Row};

use literal::Encoding;

/// Runs a query and hands over each of its rows, until the end or until `each` breaks off; the connection is then in the middle of an
/// answer, as it is after an error.
///
/// # Errors
/// sqlx's.
pub async fn read(
    connection: &mut MySqlConnection,
    sql: String,
    each: &mut (dyn FnMut(&MySqlRow) -> ControlFlow<()> + Send),
) -> Result<(), sqlx::Error> {
    let mut stream = sqlx::raw_sql(AssertSqlSafe(sql)).fetch_many(connection);
    while let Some(step) = stream.try_next().await? {
        // The end of the rows is followed by the end of the answer.
        let Either::Right(row) = step else { continue };
        if each(&row).is_break() {
            break;
        }
    }
    Ok(())
}

/// Writes the values of a row from the column `first` on as a tuple: `(1,'a',NULL)`.
///
/// # Errors
/// When the row has fewer columns than that.
pub fn tuple_into(into: &mut Vec<u8>, row: &MySqlRow, first: usize, encodings: &[Encoding]) -> Result<(), sqlx::Error> {
    for (place, encoding) in encodings.iter().enumerate() {
        into.push(if place == 0 { b'(' } else { b',' });
        encoding.write(row.try_get_unchecked::<Option<&[u8]>, _>(place + first)?, into);
    }
    into.extend_from_slice(if encodings.is_empty() { b"()" } else { b")" });
    Ok(())
}
