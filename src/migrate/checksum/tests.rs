use super::*;

#[test]
fn gives_what_flyway_gives() {
    let cases: [(&str, i32); 24] = [
        ("", 0),
        ("\n", 0),
        ("\r\n\r\n", 0),
        ("a", -390_611_389),
        ("\u{feff}a", -390_611_389),
        ("a ", 105_998_545),
        ("ab", -1_635_563_411),
        ("a\nb", -1_635_563_411),
        ("a\r\nb", -1_635_563_411),
        ("a\rb", -1_635_563_411),
        ("a\n\nb", -1_635_563_411),
        ("a\nb\n", -1_635_563_411),
        ("CREATE TABLE t(id INT);", -1_514_976_601),
        ("CREATE TABLE t(id INT);\n", -1_514_976_601),
        ("CREATE TABLE t(id INT);\r\n", -1_514_976_601),
        ("a\u{2028}b", 978_390_342),
        ("a\u{c}b", -1_185_073_283),
        ("a\u{85}b", -709_009_106),
        ("é", 235_179_326),
        ("😀", 88_978_756),
        ("\u{feff}é", 235_179_326),
        ("\u{feff}", 0),
        ("\u{feff}\n", 0),
        ("alter table location_history add column valid_until timestamp with time zone;", -1_039_259_818),
    ];
    for (text, sum) in cases {
        assert_eq!(of(text), sum, "{text:?}");
    }
    assert_ne!(of("\u{feff}\u{feff}a"), of("a"), "only one byte order mark is dropped");
}

#[test]
fn an_older_formula_is_named_and_an_edit_is_not_excused() {
    let text = "\u{feff}  CREATE TABLE t(id INT);  \r\n";
    let trimmed = of("CREATE TABLE t(id INT);");
    assert_eq!(older_formula(text, trimmed), Some("Flyway 5.1.0 (lines trimmed)"));
    assert_eq!(older_formula(text, signed(crc32fast::hash(text.as_bytes()))), Some("Flyway 3 (line ends counted)"));
    let lines = |ends: &str| ["CREATE TABLE t(id INT);", "SELECT 1;", ""].join(ends);
    for (now, then, named) in [("\n", "\r\n", "Windows"), ("\r\n", "\n", "Unix")] {
        let recorded = signed(crc32fast::hash(lines(then).as_bytes()));
        let said = format!("Flyway 3 (line ends counted, and they were those of {named})");
        assert_eq!(older_formula(&lines(now), recorded), Some(said.as_str()));
    }
    assert_eq!(older_formula(text, of(text)), None, "today's own sum is no older formula");
    assert_eq!(older_formula(text, of("CREATE TABLE u(id INT);")), None);
}
