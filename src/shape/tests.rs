use super::*;

fn row(version: &str, kind: &str, success: bool) -> Applied {
    Applied {
        rank: 0,
        version: Some(version.to_owned()),
        description: String::new(),
        kind: kind.to_owned(),
        script: String::new(),
        checksum: None,
        success,
    }
}

fn history(tool: &str, table: &str, rows: Vec<Applied>) -> History {
    let applied = rows.into_iter().zip(1..).map(|(row, rank)| Applied { rank, ..row }).collect();
    History { tool: tool.to_owned(), table: table.to_owned(), applied }
}

fn plain(tool: &str, versions: &[&str]) -> History {
    history(tool, tool, versions.iter().map(|version| row(version, "SQL", true)).collect())
}

#[test]
fn the_head_is_the_newest_version_where_versions_have_an_order() {
    for (tool, versions, head) in [
        ("openmetadata", &["1.9.12", "1.10.0", "1.9.13", "1.10.1-collate", "1.9.2"][..], Some("1.10.1-collate")),
        ("openmetadata", &["2.0.0-baseline", "1.13.4", "2.0.0"], Some("2.0.0-baseline")),
        ("openmetadata", &["1.5.11", "1.5.9"], Some("1.5.11")),
        ("flyway", &["001", "014", "3", "2.1"], Some("014")),
        ("flyway", &["20240101123000999999999", "9"], Some("20240101123000999999999")),
        ("flyway", &["1_2", "1.1"], Some("1_2")),
        ("sqlx", &["20240102", "20230101"], Some("20240102")),
        ("rails", &["20240101000000", "010", "9"], Some("20240101000000")),
        ("golang-migrate", &["7"], Some("7")),
        // These have no order: the last one applied.
        ("liquibase", &["zz", "1.10", "aa"], Some("aa")),
        ("alembic", &["ff00", "aa11"], Some("aa11")),
        ("flyway", &[], None),
    ] {
        assert_eq!(plain(tool, versions).head(), head, "{tool} {versions:?}");
    }
}

#[test]
fn what_failed_or_was_taken_back_is_no_head() {
    let rows = vec![row("1", "SQL", true), row("3", "SQL", true), row("2", "SQL", true), row("3", "DELETE", true)];
    assert_eq!(history("flyway", "t", rows).head(), Some("2"), "deleted by a repair");
    let rows = vec![row("1", "SQL", true), row("1", "DELETE", true), row("1.0", "SQL", true), row("2", "SQL", false)];
    assert_eq!(history("flyway", "t", rows).head(), Some("1.0"), "applied again, and what failed does not count");
    let rows = vec![row("2.0.0", "BASELINE", true), row("2.1.0", "NATIVE", false), row("2.1.1", "NATIVE", false)];
    let shape = Shape { histories: vec![history("openmetadata", "public.server_change_log", rows)], fingerprint: None };
    assert_eq!(shape.head(), Some("2.0.0"));
    assert_eq!(shape.failed(None), ["2.1.0 (public.server_change_log)", "2.1.1 (public.server_change_log)"]);
    assert_eq!(shape.failed(Some("SERVER_CHANGE_LOG")), [""; 0]);
    assert!(!row("1", "SKIPPED", false).failed() && row("1", "FAILED", false).failed());
}

#[test]
fn of_several_histories_the_one_that_counts_gives_the_head() {
    let flyway = history("flyway", "public.DATABASE_CHANGE_LOG", vec![row("014", "SQL", true)]);
    let log = history("openmetadata-statements", "public.server_migration_sql_logs", vec![row("9.9", "STATEMENT", true)]);
    let own = history("openmetadata", "public.server_change_log", vec![row("1.2.0", "NATIVE", true)]);
    let liquibase = history("liquibase", "databasechangelog", vec![row("init", "EXECUTED", true)]);
    let shape = |histories: &[&History]| Shape { histories: histories.iter().copied().cloned().collect(), fingerprint: None };
    assert_eq!(shape(&[&flyway, &log, &own]).head(), Some("1.2.0"), "not the first table's");
    assert_eq!(shape(&[&flyway, &own]).head_by(Some("DATABASE_CHANGE_LOG")), Some("1.2.0"), "Flyway's is of the past");
    assert_eq!(shape(&[&log, &flyway]).head(), Some("014"), "a log of statements is none");
    assert_eq!(shape(&[&liquibase, &flyway]).head_by(Some("database_change_log")), Some("014"), "the configured table's");
    assert_eq!(shape(&[&liquibase, &flyway]).head(), Some("init"));
    let empty = history("openmetadata", "server_change_log", Vec::new());
    assert_eq!(shape(&[&flyway, &empty]).head(), Some("014"), "a table without rows says nothing");
}

#[test]
fn a_digest_is_the_same_exactly_where_shapes_are() {
    let shape = |versions: &[&str], fingerprint: &str| Shape {
        histories: vec![plain("flyway", versions)],
        fingerprint: Some(fingerprint.to_owned()),
    };
    let one = shape(&["1", "2"], "f");
    assert_eq!(one.digest(), shape(&["2", "1"], "f").digest(), "in whatever order");
    for other in [shape(&["1"], "f"), shape(&["1", "2"], "g"), shape(&["12"], "f")] {
        assert_ne!(one.digest(), other.digest());
        assert!(!one.same_as(&other));
    }
    assert_eq!(Shape { fingerprint: None, ..one }.digest(), None);
}

#[test]
fn a_history_that_an_upkeep_before_did_not_read_is_no_difference() {
    let shape = |fingerprint: &str, histories: &[History]| Shape {
        histories: histories.to_vec(),
        fingerprint: Some(fingerprint.to_owned()),
    };
    let (own, django) = (plain("flyway", &["1"]), plain("django", &["auth.0001", "notes.0001"]));
    let (before, now) = (shape("a", std::slice::from_ref(&own)), shape("a", &[own.clone(), django.clone()]));
    assert!(before.same_as(&now) && now.same_as(&before) && before.still(&now) && now.same_histories(&before));
    // Another schema: the table may have come with it.
    let later = shape("b", &[own.clone(), django.clone()]);
    assert_eq!(before.difference(&later).len(), 2);
    assert!(!later.same_histories(&before));
    assert!(before.difference(&later.as_read_for(&before)).is_empty(), "by the tools that were read then");
    // What was read then counts, whatever the schema.
    let migrated = shape("a", &[plain("flyway", &["1", "2"]), django]);
    assert_eq!(before.difference(&migrated).len(), 1);
    assert!(!migrated.same_histories(&before));
    assert_eq!(before.difference(&migrated.as_read_for(&before)).len(), 1);
}
