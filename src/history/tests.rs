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
fn a_migration_that_has_not_ended_is_told() {
    // The second broke off and was resolved as rolled back, and then made again; the third broke off.
    let prisma = |name: &str, started: &str, finished: &str, back: &str| {
        format!(
            "id=u,checksum=c,finished_at={finished},migration_name={name},logs=~,rolled_back_at={back},started_at={started},applied_steps_count=1"
        )
    };
    let lines = [
        prisma("20240301_c", "4", "~", "~"),
        prisma("20240201_b", "2", "~", "3"),
        prisma("20240201_b", "3", "5", "~"),
        prisma("20240101_a", "1", "2", "~"),
    ];
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    let shown = ["1 20240101_a [] SQL [] c true", "2 20240201_b [] SQL [] c true", "3 20240301_c [] SQL [] c false"];
    check("_prisma_migrations", &lines, Tool::Prisma, &shown);
    let history = read(Tool::Prisma, "_prisma_migrations", &rows(&lines)).unwrap();
    assert_eq!(history.head(), Some("20240201_b"));
    let shape = Shape { histories: vec![history], fingerprint: None };
    assert_eq!(shape.failed(None), ["20240301_c (_prisma_migrations)"]);
}

#[test]
fn the_histories_of_tools_that_tell_only_of_what_ended() {
    // 2 was taken back and 1 as well, which was then made again; an older goose has rows for the steps down.
    let goose = [
        "id=6,version_id=1,is_applied=t,tstamp=x",
        "id=1,version_id=0,is_applied=t,tstamp=x",
        "id=2,version_id=1,is_applied=1,tstamp=x",
        "id=3,version_id=2,is_applied=true,tstamp=x",
        "id=4,version_id=2,is_applied=f,tstamp=x",
        "id=5,version_id=1,is_applied=0,tstamp=x",
    ];
    check("goose_db_version", &goose, Tool::Goose, &["1 1 [] SQL [] - true"]);
    let django = ["id=9,app=notes,name=0002_more,applied=x", "id=3,app=auth,name=0012_last,applied=x"];
    check(
        "django_migrations",
        &django,
        Tool::Django,
        &["1 auth.0012_last [] SQL [] - true", "2 notes.0002_more [] SQL [] - true"],
    );
    let knex = ["id=2,name=20240102_b.js,batch=1,migration_time=x", "id=1,name=20240101_a.js,batch=1,migration_time=x"];
    check("knex_migrations", &knex, Tool::Knex, &["1 20240101_a.js [] SQL [] - true", "2 20240102_b.js [] SQL [] - true"]);
    let refinery = ["version=2,name=more,applied_on=x,checksum=9", "version=1,name=first,applied_on=x,checksum=8"];
    check("refinery_schema_history", &refinery, Tool::Refinery, &["1 1 [first] SQL [] 8 true", "2 2 [more] SQL [] 9 true"]);
    let head = |tool, table, lines: &[&str]| read(tool, table, &rows(lines)).unwrap().head().map(str::to_owned);
    assert_eq!(head(Tool::Django, "django_migrations", &django).as_deref(), Some("notes.0002_more"));
    assert_eq!(head(Tool::Knex, "knex_migrations", &knex).as_deref(), Some("20240102_b.js"));
    assert_eq!(
        head(Tool::Refinery, "refinery_schema_history", &["version=10,name=j", "version=9,name=i"]).as_deref(),
        Some("10")
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
