use super::*;
use crate::migrate::tests::settings;

fn shown(name: &str, prefix: &str) -> String {
    let settings =
        Migrations { prefix: prefix.to_owned(), suffixes: vec![".sql".to_owned(), ".pgsql".to_owned()], ..settings() };
    match parse(name, &settings) {
        Ok(Name::Migration { kind, version, description }) => {
            format!("{kind:?} {} [{description}]", version.map_or("-".to_owned(), |version| version.to_string()))
        }
        Ok(Name::Callback { event, .. }) => format!("callback {event}"),
        Ok(Name::Undo { version, description }) => format!("Undo {version} [{description}]"),
        Ok(Name::Companion) => "companion".to_owned(),
        Ok(Name::Other { why }) => why.to_owned(),
        Err(error) => format!("error: {}", error.0),
    }
}

#[test]
fn names_are_read_as_flyway_reads_them() {
    let cases = [
        ("V1__init.sql", "Versioned 1 [init]"),
        ("V1__a__b.sql", "Versioned 1 [a  b]"),
        ("V1_1__add_the_column.sql", "Versioned 1.1 [add the column]"),
        ("V001__x.sql", "Versioned 001 [x]"),
        ("V1.sql", "Versioned 1 []"),
        ("V1__.sql", "Versioned 1 []"),
        ("V1__x.SQL", "Versioned 1 [x]"),
        ("V1__x.PgSql", "Versioned 1 [x]"),
        ("V20240101123000999999999__x.sql", "Versioned 20240101123000999999999 [x]"),
        ("V1___x.sql", "Versioned 1 [ x]"),
        ("V1__x .sql", "Versioned 1 [x ]"),
        ("R__views.sql", "Repeatable - [views]"),
        ("R__.sql", "Repeatable - []"),
        ("B3__all_in_one.sql", "Baseline 3 [all in one]"),
        ("U3__undo_it.sql", "Undo 3 [undo it]"),
        ("Readme.sql", "something between prefix and separator"),
        ("R1__x.sql", "something between prefix and separator"),
        ("V__x.sql", "no version after the prefix"),
        ("V.sql", "not named as a migration"),
        ("v1__x.sql", "not named as a migration"),
        ("V1__x.sql.orig", "not named as a migration"),
        ("V1__x.sql~", "not named as a migration"),
        (".V1__x.sql", "not named as a migration"),
        ("notes.txt", "not named as a migration"),
        (".sql", "not named as a migration"),
        ("é", "not named as a migration"),
        ("beforeMigrate.sql", "callback beforeMigrate"),
        ("afterMigrate__grant_all.sql", "callback afterMigrate"),
        ("afterMigrateApplied.sql", "callback afterMigrateApplied"),
        ("afterMigrateX.sql", "something between prefix and separator"),
        ("V1__x.sql.conf", "companion"),
        ("afterMigrate.sql.conf", "companion"),
        ("flyway.conf", "not named as a migration"),
        ("V1a__x.sql", "error: 1a"),
        ("V1..2__x.sql", "error: 1..2"),
    ];
    for (name, meaning) in cases {
        assert_eq!(shown(name, "V"), meaning, "{name}");
    }
}

#[test]
fn a_prefix_of_ones_own_is_case_sensitive_and_gives_way_to_longer_ones() {
    let cases = [
        ("v016__x.sql", "v", "Versioned 016 [x]"),
        ("V016__x.sql", "v", "not named as a migration"),
        ("beforeMigrate.sql", "b", "callback beforeMigrate"),
        ("b1__x.sql", "b", "Versioned 1 [x]"),
        ("migration-7__x.sql", "migration-", "Versioned 7 [x]"),
        ("7__x.sql", "", "Versioned 7 [x]"),
    ];
    for (name, prefix, meaning) in cases {
        assert_eq!(shown(name, prefix), meaning, "{name} with prefix {prefix:?}");
    }
}
