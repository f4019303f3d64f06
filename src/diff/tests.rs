use super::*;

fn manifest() -> Manifest {
    serde_json::from_str(include_str!("../../tests/golden/manifest/format-1-postgresql.json")).unwrap()
}

#[test]
fn an_archive_differs_from_itself_in_nothing() {
    let same = diff(&manifest(), &manifest());
    assert!(same.is_empty());
    assert_eq!(same.same_tables, 1);
}

#[test]
fn each_change_of_a_table_has_its_name() {
    type Edit = fn(&mut Manifest);
    type Rows = (Option<u64>, Option<u64>);
    let cases: [(Edit, Change, Rows); 6] = [
        (|after| after.tables[0].rows = 3, Change::Grew, (Some(2), Some(3))),
        (|after| after.tables[0].rows = 0, Change::Shrank, (Some(2), Some(0))),
        (|after| after.tables[0].checksum = "f".repeat(32), Change::Changed, (Some(2), Some(2))),
        (|after| after.tables[0].columns.push("more".to_owned()), Change::Reshaped, (Some(2), Some(2))),
        (|after| after.tables.clear(), Change::Removed, (Some(2), None)),
        (
            |after| {
                let table = Table { schema: "other".to_owned(), ..after.tables[0].clone() };
                after.tables.push(table);
            },
            Change::Added,
            (None, Some(2)),
        ),
    ];
    for (edit, change, rows) in cases {
        let mut after = manifest();
        edit(&mut after);
        let found = diff(&manifest(), &after);
        let [table] = &found.tables[..] else { panic!("{found:#?}") };
        assert_eq!((table.change, (table.rows_before, table.rows_after)), (change, rows));
        assert!(!found.is_empty());
    }
}

#[test]
fn tables_are_paired_by_name_and_listed_by_it() {
    let named = |names: &[&str]| {
        let mut manifest = manifest();
        let table = manifest.tables[0].clone();
        manifest.tables = names.iter().map(|name| Table { name: (*name).to_owned(), ..table.clone() }).collect();
        manifest
    };
    let found = diff(&named(&["c", "b", "a"]), &named(&["d", "a", "b"]));
    let changes: Vec<_> = found.tables.iter().map(|table| (table.table.as_str(), table.change, table.bytes_delta)).collect();
    assert_eq!(changes, [("public.c", Change::Removed, -58), ("public.d", Change::Added, 58)]);
    assert_eq!(found.same_tables, 2);
}

#[test]
fn a_migration_and_a_schema_changed_beside_them_are_told_apart() {
    let mut migrated = manifest();
    migrated.shape.histories[0].applied.pop();
    let found = diff(&manifest(), &migrated);
    assert_eq!((found.shape.len(), found.schema_differs), (1, false));

    let mut drifted = manifest();
    drifted.shape.fingerprint = Some("0".repeat(64));
    let found = diff(&manifest(), &drifted);
    assert_eq!((found.shape.len(), found.schema_differs), (0, true));

    drifted.shape.fingerprint = None;
    assert!(diff(&manifest(), &drifted).is_empty(), "a fingerprint that was not taken says nothing");
}
