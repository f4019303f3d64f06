//! The name of the lock a real Flyway takes, so that the two never migrate the same table at once.
//!
//! Pure. Held by measured vectors in `lock/tests.rs`.

/// What Flyway adds to the hash of the table's name on PostgreSQL.
const POSTGRES_BASE: i64 = 77_431_708_279_161;

/// The key of PostgreSQL's advisory lock for a quoted, qualified table name (`"public"."flyway_schema_history"`).
#[must_use]
pub(super) fn postgres_key(table: &str) -> i64 {
    POSTGRES_BASE + i64::from(java_hash(table))
}

/// The name of the lock on MySQL and MariaDB for a quoted, qualified table name. A negative hash gives two dashes.
#[must_use]
pub(super) fn mysql_name(table: &str) -> String {
    format!("Flyway-{}", java_hash(table))
}

/// Java's `String.hashCode`: over UTF-16 units, wrapping.
pub(super) fn java_hash(text: &str) -> i32 {
    text.encode_utf16().fold(0_i32, |hash, unit| hash.wrapping_mul(31).wrapping_add(i32::from(unit)))
}

#[cfg(test)]
mod tests;
