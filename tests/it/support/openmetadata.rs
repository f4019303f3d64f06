//! A stand-in for OpenMetadata: releases with its layout on the disk, and a tool that migrates as its own does. It is no OpenMetadata; what
//! of that it has is written here: one jar that says its version inside, `conf/openmetadata.yaml` with variables one inside another,
//! directories of migrations named after versions and read below the working directory, the histories with their statements, a run that
//! ends at a statement that fails and leaves what ran before, and a search engine that is asked after the database.

use std::os::unix::fs::symlink;

use super::upkeep::Upkeep;

/// What the server reads, as its tarball has it.
const CONF: &str = "database:\n  driverClass: ${DB_DRIVER_CLASS:-com.mysql.cj.jdbc.Driver}\n  user: ${DB_USER:-openmetadata_user}\n\
  \x20 url: jdbc:${DB_SCHEME:-mysql}://${DB_HOST:-localhost}:${DB_PORT:-3306}/${OM_DATABASE:-openmetadata_db}?${DB_PARAMS:-useSSL=false}\n\
migrationConfiguration:\n  nativePath: \"./bootstrap/sql/migrations/native\"\n  extensionPath: \"\"\n";

/// The tool. `$CLIENT` runs statements, `$ENGINE` is the directory of the engine's; both are what the server would get.
const TOOL: &str = r#"#!/bin/sh
[ "$*" = migrate ] || { echo "unknown: $*"; exit 1; }
native=./bootstrap/sql/migrations/native
sql() { $CLIENT; }
ran=$(echo "SELECT version FROM SERVER_CHANGE_LOG" | sql)
for version in $(ls $native | sort -V); do
  case " $(echo $ran) " in *" $version "*) continue ;; esac
  at=0
  for file in schemaChanges postDataMigrationSQLScript; do
    statement=$native/$version/$ENGINE/$file.sql
    [ -e $statement ] || continue
    at=$((at + 1))
    if ! sql < $statement; then
      echo "ERROR Failed to run sql of $version"
      exit 1
    fi
    echo "INSERT INTO SERVER_MIGRATION_SQL_LOGS (version, sqlStatement, checksum) VALUES ('$version', 'one', '$version-$at')" | sql
  done
  echo "INSERT INTO SERVER_CHANGE_LOG (version, migrationFileName, checksum) VALUES ('$version', '$PWD/$native/$version/$ENGINE', 'drawn')" | sql
done
[ ! -e search-engine-down ] || { echo "ERROR search engine: connection refused"; exit 1; }
"#;

/// The tool of 1.1 and 1.2 (mode A): a statement that fails is logged and passed over, the row is written, and the run ends with 0. It makes the histories
/// where there are none. `$CLIENT` is read as a shell reads it, so that it may name `$OM_DATABASE`.
const OLDER_TOOL: &str = r#"#!/bin/sh
[ "$*" = migrate-all ] || { echo "unknown: $*"; exit 1; }
native=./bootstrap/sql/migrations/native
sql() { eval "$CLIENT"; }
sql < bootstrap/histories.sql
ran=$(echo "SELECT version FROM SERVER_CHANGE_LOG" | sql)
for version in $(ls $native | sort -V); do
  case " $(echo $ran) " in *" $version "*) continue ;; esac
  at=0
  for file in schemaChanges postDataMigrationSQLScript; do
    statement=$native/$version/$ENGINE/$file.sql
    [ -e $statement ] || continue
    at=$((at + 1))
    if sql < $statement; then
      echo "INSERT INTO SERVER_MIGRATION_SQL_LOGS (version, sqlStatement, checksum) VALUES ('$version', 'one', '$version-$at')" | sql
    else
      echo "ERROR Failed to run sql of $version"
    fi
  done
  echo "INSERT INTO SERVER_CHANGE_LOG (version, migrationFileName, checksum) VALUES ('$version', '$PWD/$native/$version/$ENGINE', 'drawn')" | sql
done
"#;

/// The histories as OpenMetadata makes them, those columns that are asked for; the engines' own ways to count rows.
pub(crate) fn histories(postgres: bool) -> String {
    format!(
        "{}INSERT INTO SERVER_CHANGE_LOG (version, migrationFileName, checksum) VALUES ('1.1.0', '/old/1.1.0', 'drawn'), ('1.5.0', '/old/1.5.0', 'drawn');\n",
        empty_histories(postgres)
    )
}

/// The same without rows.
fn empty_histories(postgres: bool) -> String {
    let rank = if postgres { "SERIAL" } else { "BIGINT UNSIGNED NOT NULL AUTO_INCREMENT UNIQUE" };
    format!(
        "CREATE TABLE IF NOT EXISTS SERVER_CHANGE_LOG (installed_rank {rank}, version VARCHAR(256) NOT NULL PRIMARY KEY, migrationFileName VARCHAR(256) \
         NOT NULL, checksum VARCHAR(256) NOT NULL, installed_on TIMESTAMP NULL DEFAULT CURRENT_TIMESTAMP);\n\
         CREATE TABLE IF NOT EXISTS SERVER_MIGRATION_SQL_LOGS (version VARCHAR(256) NOT NULL, sqlStatement VARCHAR(10000) NOT NULL, \
         checksum VARCHAR(256) PRIMARY KEY, executedAt TIMESTAMP DEFAULT CURRENT_TIMESTAMP);\n"
    )
}

/// A jar with one file in it, not packed.
fn jar(inside: &str, content: &str) -> Vec<u8> {
    let short = |number: usize| u16::try_from(number).unwrap().to_le_bytes();
    let long = |number: usize| u32::try_from(number).unwrap().to_le_bytes();
    let (sum, size, name) = (crc32fast::hash(content.as_bytes()).to_le_bytes(), long(content.len()), inside.as_bytes());
    let facts = [&[0; 6][..], &sum, &size, &size, &short(name.len())].concat();
    let local = [b"PK\x03\x04\x14\0\0\0", &facts[..], &[0; 2], name, content.as_bytes()].concat();
    let entry = [b"PK\x01\x02\x14\0\x14\0\0\0", &facts[..], &[0; 16], name].concat();
    let end = [b"PK\x05\x06\0\0\0\0", &short(1)[..], &short(1), &long(entry.len()), &long(local.len()), &[0; 2]].concat();
    [local, entry, end].concat()
}

/// The service's jar of a version, in a release.
pub(crate) fn put_jar(upkeep: &Upkeep, release: &str, version: &str) {
    let content = format!("name=openmetadata-service\nversion={version}\nrevision=0\ntimestamp=0\n");
    let path = upkeep.file(&format!("{release}/libs/openmetadata-service-{version}.jar"), "");
    std::fs::write(path, jar("catalog/VERSION", &content)).unwrap();
}

/// Unpacks a release and points `current` to it. A migration is `version file statement`, for both engines.
pub(crate) fn install(upkeep: &Upkeep, version: &str, migrations: &[(&str, &str, &str)]) {
    let release = format!("openmetadata-{version}");
    put_jar(upkeep, &release, version);
    upkeep.file(&format!("{release}/libs/common-{version}.jar"), "");
    upkeep.file(&format!("{release}/conf/openmetadata.yaml"), CONF);
    upkeep.file(&format!("{release}/bootstrap/openmetadata-ops.sh"), TOOL);
    for (migration, file, statement) in migrations {
        for engine in ["mysql", "postgres"] {
            let path = format!("{release}/bootstrap/sql/migrations/native/{migration}/{engine}/{file}.sql");
            upkeep.file(&path, &format!("{statement};\n"));
        }
    }
    std::fs::remove_file(upkeep.path("current")).ok();
    symlink(&release, upkeep.path("current")).unwrap();
}

/// The same of a release up to 1.2, with the tool that these have.
pub(crate) fn install_older(upkeep: &Upkeep, version: &str, migrations: &[(&str, &str, &str)], postgres: bool) {
    install(upkeep, version, migrations);
    let release = format!("openmetadata-{version}");
    std::fs::remove_file(upkeep.path(&format!("{release}/bootstrap/openmetadata-ops.sh"))).unwrap();
    upkeep.file(&format!("{release}/bootstrap/bootstrap_storage.sh"), OLDER_TOOL);
    upkeep.file(&format!("{release}/bootstrap/histories.sql"), &empty_histories(postgres));
}
