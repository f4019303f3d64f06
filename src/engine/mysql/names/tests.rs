use super::*;

#[test]
fn names_that_differ_in_case_alone_are_found() {
    let all = [
        "ALTER DATABASE CHARACTER SET utf8mb4 COLLATE utf8mb4_bin",
        "CREATE TABLE `Order` (\n  `ID` int,\n  `id2` int\n)",
        "CREATE TABLE `other` (\n  `a` int\n)",
        "CREATE SEQUENCE `OTHER` start with 1",
        "CREATE ALGORITHM=MERGE DEFINER=`a`@`%` SQL SECURITY DEFINER VIEW `ORDER` AS select 1",
        "CREATE DEFINER=`a`@`%` TRIGGER `order` BEFORE INSERT ON `other` FOR EACH ROW SET @a = 1",
        "CREATE DEFINER=`a`@`%` PROCEDURE `Other`()\nselect ' VIEW `x`'",
        "SET NAMES utf8mb4",
    ];
    let found = collisions(&all.map(str::to_owned));
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(found[0].starts_with("Order and ORDER are one name"), "{found:?}");
    assert!(found[1].starts_with("other and OTHER are one name"), "{found:?}");
}
