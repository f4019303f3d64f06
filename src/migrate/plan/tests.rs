use super::*;

/// A row as `rank type version description checksum`, with `-` for NULL and a trailing `!` for a failed one.
fn row(text: &str) -> Row {
    let (text, success) = text.strip_suffix('!').map_or((text, true), |text| (text, false));
    let mut words = text.split_whitespace();
    let mut next = || words.next().unwrap().to_owned();
    let (rank, kind, version, description, checksum) = (next(), next(), next(), next(), next());
    Row {
        rank: rank.parse().unwrap(),
        version: Some(version).filter(|version| version != "-"),
        script: format!("{description}.sql"),
        description,
        kind,
        checksum: checksum.parse().ok(),
        success,
        ..Row::default()
    }
}

/// A script as `V1 description checksum`, `R - description checksum equivalent`.
fn script(text: &str) -> Resolved {
    let words: Vec<&str> = text.split_whitespace().collect();
    let (kind, version) = match words[0].split_at(1) {
        ("V", version) => (Kind::Versioned, Some(version)),
        ("B", version) => (Kind::Baseline, Some(version)),
        _ => (Kind::Repeatable, None),
    };
    Resolved {
        kind,
        version: version.map(|version| MigrationVersion::parse(version).unwrap()),
        description: words[1].to_owned(),
        script: format!("{}__{}.sql", words[0], words[1]),
        checksum: words[2].parse().unwrap(),
        equivalent: words.get(3).map(|sum| sum.parse().unwrap()),
        execute: true,
    }
}

fn existing(rows: &[&str]) -> Existing {
    match rows {
        ["nothing"] => Existing::Nothing,
        ["no history"] => Existing::NoHistory,
        rows => Existing::Rows(rows.iter().map(|text| row(text)).collect()),
    }
}

/// The plan in one line: states, then pending, then problems.
fn planned(rows: &[&str], scripts: &[&str], rules: &Rules) -> String {
    let scripts: Vec<Resolved> = scripts.iter().map(|text| script(text)).collect();
    let plan = plan(&existing(rows), &scripts, rules);
    let entries: Vec<String> = plan
        .entries
        .iter()
        .map(|entry| format!("{} {}", entry.version.as_deref().unwrap_or(&entry.description), entry.state))
        .collect();
    let pending: Vec<String> = plan.pending.iter().map(|&index| shown(&scripts[index])).collect();
    let problems: Vec<String> = plan.problems.iter().map(ToString::to_string).collect();
    let baseline = plan.baseline.map(|version| format!(" baseline {version}")).unwrap_or_default();
    format!("{} | {}{baseline} | {}", entries.join(", "), pending.join(", "), problems.join("; "))
}

#[track_caller]
fn check(rows: &[&str], scripts: &[&str], rules: &Rules, expected: &str) {
    assert_eq!(planned(rows, scripts, rules), expected, "{rows:?} with {scripts:?}");
}

#[test]
fn an_empty_database_gets_everything_in_order() {
    let scripts = ["R zebra 5", "V10 ten 1", "V2 two 2", "R apple 6", "V1.1 more 3"];
    let all = "zebra Pending, 10 Pending, 2 Pending, apple Pending, 1.1 Pending | 1.1, 2, 10, repeatable `apple`, repeatable `zebra` | ";
    check(&["nothing"], &scripts, &Rules::default(), all);
    check(&[], &scripts, &Rules::default(), all);
}

#[test]
fn applied_scripts_are_matched_by_number_and_the_rest_is_pending() {
    check(&["1 SQL 001 one 1"], &["V1.0 one 1", "V2 two 2"], &Rules::default(), "001 Success, 2 Pending | 2 | ");
    check(&["1 SQL 1 one 1", "2 SQL 2 two 2"], &["V1 one 1", "V2 two 2"], &Rules::default(), "1 Success, 2 Success |  | ");
}

#[test]
fn what_was_changed_is_refused() {
    let rules = Rules::default();
    check(
        &["1 SQL 1 one 1"],
        &["V1 one 9"],
        &rules,
        "1 Success |  | V1__one.sql was changed after it was applied as 1: checksum 1 then, 9 now",
    );
    check(
        &["1 SQL 1 one -"],
        &["V1 one 9"],
        &rules,
        "1 Success |  | V1__one.sql was changed after it was applied as 1: checksum none then, 9 now",
    );
    check(
        &["1 SQL 1 uno 1"],
        &["V1 one 1"],
        &rules,
        "1 Success |  | V1__one.sql was applied as 1 under the description `uno`, not `one`",
    );
    check(
        &["1 JDBC 1 one 1"],
        &["V1 one 1"],
        &rules,
        "1 Success |  | 1 was applied as type JDBC, but V1__one.sql is of type SQL",
    );
}

#[test]
fn missing_failed_and_future_rows_are_refused() {
    let rules = Rules::default();
    check(
        &["1 SQL 1 one 1", "2 SQL 2 two 2"],
        &["V2 two 2"],
        &rules,
        "1 Missing, 2 Success |  | 1 (one.sql) was applied and is not in the release",
    );
    check(
        &["1 SQL 1 one 1", "2 SQL 2 two 2", "3 SQL 10 ten 3"],
        &["V1 one 1"],
        &rules,
        "1 Success, 2 Future, 10 Future |  | the database is ahead of the release: it has 2, 10, which the release does not know",
    );
    check(&["1 SQL 1 one 1!"], &["V1 one 1"], &rules, "1 Failed |  | migration 1 (one.sql) failed earlier");
    check(
        &["1 SQL 2 two 1!"],
        &["V1 one 1"],
        &rules,
        "2 Failed (Future), 1 Ignored |  | migration 2 (two.sql) failed earlier; V1__one.sql was never applied, but versions newer than 1 were",
    );
    check(
        &["1 SQL - views 1", "2 SQL 1 one 1"],
        &["V1 one 1"],
        &rules,
        "views Missing, 1 Success |  | repeatable `views` (views.sql) was applied and is not in the release",
    );
    check(
        &["1 TURTLE 1 one 1", "2 SQL 1a two 1"],
        &[],
        &rules,
        " |  | row 1 of the history cannot be understood: type `TURTLE` is none of Flyway's; row 2 of the history cannot be \
         understood: `1a` is not a migration version: it must be numbers with dots or underscores between them, at most 50 characters",
    );
}

#[test]
fn an_older_script_is_skipped_unless_order_does_not_matter() {
    let (rows, scripts) = (["1 SQL 1 one 1", "2 SQL 3 three 3"], ["V1 one 1", "V2 two 2", "V3 three 3", "V4 four 4"]);
    check(
        &rows,
        &scripts,
        &Rules::default(),
        "1 Success, 3 Success, 2 Ignored, 4 Pending | 4 | V2__two.sql was never applied, but versions newer than 2 were",
    );
    let rules = Rules { out_of_order: true, ..Rules::default() };
    check(&rows, &scripts, &rules, "1 Success, 3 Success, 2 Pending, 4 Pending | 2, 4 | ");
    let after = ["1 SQL 1 one 1", "2 SQL 3 three 3", "3 SQL 2 two 2"];
    check(&after, &scripts[..3], &Rules::default(), "1 Success, 3 Success, 2 Out of Order |  | ");
}

#[test]
fn repeatable_scripts_run_again_when_they_changed() {
    let rules = Rules::default();
    check(&["1 SQL - views 5"], &["R views 5"], &rules, "views Success |  | ");
    check(&["1 SQL - views 7"], &["R views 5 7"], &rules, "views Success |  | ");
    check(&["1 SQL - views 4"], &["R views 5 7"], &rules, "views Outdated, views Pending | repeatable `views` | ");
    check(
        &["1 SQL - views 5", "2 SQL - views 4"],
        &["R views 5"],
        &rules,
        "views Superseded, views Outdated, views Pending | repeatable `views` | ",
    );
    check(&["1 SQL - views 4", "2 SQL - views 5"], &["R views 5"], &rules, "views Superseded, views Success |  | ");
    check(
        &["1 SQL - views 4!"],
        &["R views 5"],
        &rules,
        "views Failed |  | migration repeatable `views` (views.sql) failed earlier",
    );
}

#[test]
fn a_baseline_stands_for_what_is_below_it() {
    let scripts = ["V1 one 1", "V2 two 2", "V3 three 3"];
    check(
        &["1 BASELINE 2 base -"],
        &scripts,
        &Rules::default(),
        "2 Baseline, 1 Below Baseline, 2 Ignored (Baseline), 3 Pending | 3 | ",
    );
    let rules = Rules { baseline_on_migrate: Some(MigrationVersion::parse("000").unwrap()), ..Rules::default() };
    check(&["no history"], &scripts, &rules, "1 Pending, 2 Pending, 3 Pending | 1, 2, 3 baseline 000 | ");
    let rules = Rules { baseline_on_migrate: Some(MigrationVersion::parse("2").unwrap()), ..Rules::default() };
    check(&["no history"], &scripts, &rules, "1 Below Baseline, 2 Ignored (Baseline), 3 Pending | 3 baseline 2 | ");
    check(&["nothing"], &scripts, &rules, "1 Pending, 2 Pending, 3 Pending | 1, 2, 3 | ");
    let refused = planned(&["no history"], &scripts, &Rules::default());
    assert!(refused.ends_with("| the database has objects but no migration history"), "{refused}");
    // Scripts below the baseline may differ from what an older history recorded: they do not count any more.
    check(&["1 SQL 1 one 77", "2 BASELINE 1 base -"], &["V1 one 1"], &Rules::default(), "1 Success, 1 Baseline |  | ");
}

#[test]
fn a_baseline_script_opens_an_empty_history_only() {
    let scripts = ["V1 one 1", "V2 two 2", "B2 both 9", "V3 three 3", "B1 old 8"];
    check(
        &["nothing"],
        &scripts,
        &Rules::default(),
        "1 Below Baseline, 2 Ignored (Baseline), 2 Pending, 3 Pending, 1 Below Baseline | 2, 3 | ",
    );
    check(&["1 SQL 1 one 1"], &scripts, &Rules::default(), "1 Success, 2 Pending, 2 Ignored, 3 Pending, 1 Ignored | 2, 3 | ");
    check(
        &["1 SQL_BASELINE 2 both 9"],
        &scripts,
        &Rules::default(),
        "2 Baseline, 1 Below Baseline, 2 Ignored (Baseline), 3 Pending, 1 Below Baseline | 3 | ",
    );
}

#[test]
fn deleted_and_undone_migrations_are_pending_again() {
    let rules = Rules::default();
    check(&["1 SQL 1 one 1", "2 DELETE 1 one 1"], &["V1 one 1"], &rules, "1 Deleted, 1 Pending | 1 | ");
    check(&["1 SQL 1 one 1", "2 DELETE 1 one 1"], &[], &rules, "1 Deleted |  | ");
    check(&["1 SQL 1 one 1", "2 DELETE 1 one 1", "3 SQL 1 one 1"], &["V1 one 1"], &rules, "1 Deleted, 1 Success |  | ");
    check(&["1 SQL 1 one 1", "2 UNDO_SQL 1 one 1"], &["V1 one 1"], &rules, "1 Undone, 1 Pending | 1 | ");
    check(&["0 SCHEMA - made -"], &["V1 one 1"], &rules, "made Success, 1 Pending | 1 | ");
}

#[test]
fn two_scripts_of_one_version_are_refused() {
    let duplicates = planned(&[], &["V1 one 1", "V1.0 uno 2", "R views 1", "R views 2", "B1 base 3"], &Rules::default());
    assert!(
        duplicates.ends_with(
            "| V1__one.sql and V1.0__uno.sql are both migration 1.0; R__views.sql and R__views.sql are both migration repeatable `views`"
        ),
        "{duplicates}"
    );
}

#[test]
fn texts_too_long_for_the_table_are_cut_as_flyway_cuts_them() {
    let long = "é".repeat(201);
    assert_eq!(abbreviated_description(&long), format!("{}...", "é".repeat(197)));
    assert_eq!(abbreviated_description(&"é".repeat(200)), "é".repeat(200));
    let path = format!("abc{}", "x".repeat(1200));
    assert_eq!(abbreviated_script(&path), format!("...{}", "x".repeat(997)));
    let applied = Row { description: abbreviated_description(&long), ..row("1 SQL 1 x 1") };
    let resolved = Resolved { description: long, ..script("V1 x 1") };
    assert_eq!(plan(&Existing::Rows(vec![applied]), &[resolved], &Rules::default()).problems, []);
}

#[test]
fn a_repair_follows_flyways() {
    let rows: Vec<Row> = [
        "1 SQL 1 one 1",
        "2 SQL 2 two 2",
        "3 SQL 3 three 3",
        "4 SQL - views 4",
        "5 SQL - gone 5",
        "6 SQL 4 four 4!",
        "7 SQL 9 nine 9",
        "8 SQL - same 7",
    ]
    .map(row)
    .to_vec();
    let scripts = ["V1 one 1", "V2 deux 22", "V4 four 4", "R views 44", "R same 8 7"].map(script);
    let (amendments, repaired) = repair::repair(&rows, &scripts, &Ignore::default());
    assert_eq!(repaired.removed, ["four.sql"]);
    assert_eq!(repaired.deleted, ["3", "repeatable `gone`"], "9 is newer than the release and stays");
    assert_eq!(repaired.aligned, ["V2__deux.sql", "R__same.sql"], "an edited repeatable script is to run again");
    let ranks: Vec<i32> = amendments
        .iter()
        .filter_map(|amendment| match amendment {
            crate::migrate::host::Amendment::Add(row) => Some(row.rank),
            _ => None,
        })
        .collect();
    assert_eq!(ranks, [9, 10], "ranks are never used again");
}
