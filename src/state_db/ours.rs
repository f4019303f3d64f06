//! The migrations of the state database, as files of `migrations/` in the program.
//!
//! Not `sqlx::migrate!`: that macro needs every driver a second time, for the compiler, SQLite's C included, which was a tenth of what
//! building upkeep took. Invariants: each file of `migrations/` is here, under the number and name it has there, with the checksum
//! that the macro gave it; held by the tests beside.

use std::borrow::Cow;

use sqlx::SqlSafeStr as _;
use sqlx::migrate::{Migration, MigrationType, Migrator};

macro_rules! files {
    ($($number:literal $name:literal $file:literal),* $(,)?) => {
        &[$(($number, $name, include_str!(concat!("../../migrations/", $file)))),*]
    };
}

/// Number, description and text.
const FILES: &[(i64, &str, &str)] = files![
    1 "state" "0001_state.sql",
    2 "left out" "0002_left_out.sql",
    3 "belongs" "0003_belongs.sql",
    4 "package" "0004_package.sql",
    5 "offsite" "0005_offsite.sql",
    6 "proven" "0006_proven.sql",
    7 "drill" "0007_drill.sql",
    8 "rehearsal" "0008_rehearsal.sql",
];

/// All of them, oldest first.
pub(super) fn migrations() -> Migrator {
    let one = |&(number, name, sql): &(i64, &'static str, &'static str)| {
        Migration::new(number, Cow::Borrowed(name), MigrationType::Simple, sql.into_sql_str(), false)
    };
    Migrator::with_migrations(FILES.iter().map(one).collect())
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    #[tokio::test]
    async fn they_are_the_files_of_the_directory_as_sqlx_reads_them() {
        let read = sqlx::migrate::Migrator::new(Path::new("migrations")).await.unwrap();
        let seen = |all: &sqlx::migrate::Migrator| {
            let one = |m: &sqlx::migrate::Migration| {
                (m.version, m.description.clone(), m.migration_type, m.checksum.clone(), m.no_tx)
            };
            all.iter().map(one).collect::<Vec<_>>()
        };
        assert!(!seen(&read).is_empty());
        assert_eq!(seen(&super::migrations()), seen(&read));
    }
}
