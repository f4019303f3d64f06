use super::*;

/// Rows as `column=value` pairs between commas; a value of `~` is NULL.
fn rows(lines: &[&str]) -> Vec<Texts> {
    let pair = |pair: &str| {
        let (column, value) = pair.split_once('=').unwrap();
        (column.to_owned(), Some(value.to_owned()).filter(|value| value != "~"))
    };
    lines.iter().map(|line| line.split(',').map(pair).collect()).collect()
}

/// A table is recognised by name and columns in any letter case, and reads as these lines.
#[track_caller]
fn check(table: &str, lines: &[&str], tool: Tool, expected: &[&str]) {
    let rows = rows(lines);
    let columns: Vec<String> = rows[0].keys().map(|column| column.to_uppercase()).collect();
    for name in [table.to_owned(), table.to_lowercase(), table.to_uppercase()] {
        assert_eq!(recognise(&name, &columns), Some(tool), "{name}");
        assert!(may_be_history(&name, &[]), "{name}");
    }
    assert_eq!(recognise(table, &["nothing"]), None, "{table} with other columns");
    let history = read(tool, table, &rows).unwrap();
    let shown = history.applied.iter().map(|row| {
        let version = row.version.as_deref().unwrap_or("-");
        let sum = row.checksum.as_deref().unwrap_or("-");
        format!("{} {version} [{}] {} [{}] {sum} {}", row.rank, row.description, row.kind, row.script, row.success)
    });
    assert_eq!(shown.collect::<Vec<_>>(), expected, "{table}");
}

#[test]
fn openmetadata_in_its_three_forms() {
    check(
        "SERVER_CHANGE_LOG",
        &[
            "installed_rank=2,version=1.10.0,migrationfilename=/opt/om/native/1.10.0/,checksum=uuid,installed_on=2025",
            "installed_rank=1,version=1.9.0,migrationfilename=/opt/om/native/1.9.0,checksum=uuid,installed_on=2025",
        ],
        Tool::OpenMetadata,
        &["1 1.9.0 [] NATIVE [1.9.0] - true", "2 1.10.0 [] NATIVE [1.10.0] - true"],
    );
    check(
        "SERVER_CHANGE_LOG",
        &["installed_rank=1,version=1.3.0,migrationfilename=x,checksum=c,installed_on=2025,metrics={}"],
        Tool::OpenMetadata,
        &["1 1.3.0 [] NATIVE [x] - true"],
    );
    check(
        "SERVER_CHANGE_LOG",
        &[
            "installed_rank=1,version=2.0.0-baseline,migrationfilename=b,checksum=c,installed_on=x,metrics=~,migrationtype=BASELINE,status=COMPLETED",
            "installed_rank=2,version=2.1.0,migrationfilename=n,checksum=c,installed_on=x,metrics=~,migrationtype=NATIVE,status=STARTED",
        ],
        Tool::OpenMetadata,
        &["1 2.0.0-baseline [] BASELINE [b] - true", "2 2.1.0 [] NATIVE [n] - false"],
    );
    check(
        "SERVER_MIGRATION_SQL_LOGS",
        &[
            "version=1.2.0,sqlstatement=ALTER TABLE b,checksum=bb,executedat=2025-02",
            "version=1.1.0,sqlstatement=\nCREATE TABLE a\n(x),checksum=aa,executedat=2025-01",
        ],
        Tool::OpenMetadataStatements,
        &["1 1.1.0 [CREATE TABLE a] STATEMENT [] aa true", "2 1.2.0 [ALTER TABLE b] STATEMENT [] bb true"],
    );
}

#[test]
fn the_histories_of_other_tools() {
    check(
        "DATABASECHANGELOG",
        &[
            "id=2-more,author=ann,filename=db/b.xml,dateexecuted=x,orderexecuted=2,exectype=FAILED,md5sum=~,description=sql",
            "id=1,author=bob,filename=db/a.xml,dateexecuted=x,orderexecuted=1,exectype=RERAN,md5sum=9:ab,description=createTable",
        ],
        Tool::Liquibase,
        &["1 1 [bob: createTable] RERAN [db/a.xml] 9:ab true", "2 2-more [ann: sql] FAILED [db/b.xml] - false"],
    );
    check(
        "_sqlx_migrations",
        &[
            "version=20240102,description=two,installed_on=x,success=f,checksum=\\xAB,execution_time=5",
            "version=20230101,description=one,installed_on=x,success=1,checksum=cd,execution_time=5",
        ],
        Tool::Sqlx,
        &["20230101 20230101 [one] SQL [] cd true", "20240102 20240102 [two] SQL [] ab false"],
    );
    check("schema_migrations", &["version=7,dirty=t"], Tool::GolangMigrate, &["1 7 [] SQL [] - false"]);
    check(
        "schema_migrations",
        &["version=20240101000000", "version=9", "version=010"],
        Tool::Rails,
        &["1 9 [] SQL [] - true", "2 010 [] SQL [] - true", "3 20240101000000 [] SQL [] - true"],
    );
    check(
        "alembic_version",
        &["version_num=ff00", "version_num=aa11"],
        Tool::Alembic,
        &["1 aa11 [] SQL [] - true", "2 ff00 [] SQL [] - true"],
    );
}

#[test]
fn a_row_that_is_none_of_the_tools_is_an_error() {
    for (tool, row, column) in [
        (Tool::GolangMigrate, "version=7,dirty=perhaps", "dirty"),
        (Tool::Liquibase, "id=~,exectype=EXECUTED", "id"),
        (Tool::Sqlx, "version=x,success=t", "version"),
        (Tool::Alembic, "version_num=~", "version_num"),
        (Tool::OpenMetadata, "installed_rank=x,version=1", "installed_rank"),
    ] {
        assert_eq!(read(tool, "t", &rows(&[row])).unwrap_err().column, column, "{tool:?}");
    }
}
