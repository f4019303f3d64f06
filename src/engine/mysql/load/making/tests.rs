use super::*;

/// Settings before and behind an object go with it, whoever makes it again and when.
#[test]
fn an_object_has_its_settings_around_it() {
    let all = [
        "SET a",
        "CREATE VIEW `v` AS select 1",
        "SET NAMES utf8mb4",
        "ALTER DATABASE x",
        "SET b",
        "CREATE FUNCTION `f`() RETURN 1",
        "SET NAMES utf8mb4",
        "ALTER DATABASE y",
        "ALTER DATABASE z",
        "SET c",
        "CREATE FUNCTION `g`() RETURN 1",
        "SET NAMES utf8mb4",
        "ALTER DATABASE y",
        "SET SESSION d",
    ];
    let (objects, rest) = grouped(all.map(str::to_owned).to_vec());
    let around = |object: &Object| format!("{} | {}", object.before.join(", "), object.after.join(", "));
    let all: Vec<String> = objects.iter().map(around).collect();
    assert_eq!(
        all,
        [
            "SET a | SET NAMES utf8mb4",
            "ALTER DATABASE x, SET b | SET NAMES utf8mb4, ALTER DATABASE y",
            "ALTER DATABASE z, SET c | SET NAMES utf8mb4, ALTER DATABASE y"
        ]
    );
    assert_eq!(rest, ["SET SESSION d"]);
}

#[test]
fn a_definer_has_one_spelling() {
    assert_eq!(account("\"a`b\"@\"%\""), "`a``b`@`%`");
    assert_eq!(account("`gh``ost`@`localhost`"), "`gh``ost`@`localhost`");
    assert_eq!(account("`role`"), "`role`");
}
