use rstest::rstest;

use super::*;

#[rstest]
#[case::plainly("ATTACH 'x' AS y", 0)]
#[case::in_other_letters("select 1;\n  aTtAcH DATABASE 'x' AS y", 1)]
#[case::behind_comments("/* a */ -- b\n/**/ATTACH 'x' AS y", 1)]
#[case::behind_a_comment_that_looks_open("/*/ */ATTACH 'x' AS y", 0)]
#[case::explained("EXPLAIN QUERY PLAN ATTACH 'x' AS y", 0)]
#[case::behind_a_variable_that_hides_a_quote("SELECT $a('); ATTACH 'x' AS y; --'", 0)]
#[case::behind_a_variable_of_two_names("SELECT $a::b('); ATTACH 'x' AS y; --'", 0)]
#[case::behind_a_blob("SELECT x'00';ATTACH 'x' AS y", 0)]
#[case::behind_a_bracket("SELECT [a'];ATTACH 'x' AS y", 0)]
#[case::behind_a_doubled_quote("SELECT 'a''';ATTACH 'x' AS y", 0)]
#[case::behind_a_byte_order_mark("\u{feff}ATTACH 'x' AS y", 0)]
#[case::behind_a_trigger("CREATE TRIGGER t AFTER INSERT ON a BEGIN SELECT 1; END;\nATTACH 'x' AS y", 1)]
#[case::copying_out("VACUUM main INTO '/tmp/x'", 0)]
#[case::copying_out_the_name_quoted("VACUUM \"main\"/**/INTO/**/('/tmp/' || 'x')", 0)]
#[case::a_setting_of_the_process("PRAGMA hard_heap_limit = 1", 0)]
#[case::a_setting_with_a_schema_and_quotes("PRAGMA main . \"temp_store_directory\" = '/tmp'", 0)]
#[case::what_sqlite_believes("PRAGMA [writable_schema]=1", 0)]
#[case::a_nul("SELECT 1;\n\0ATTACH 'x' AS y", 1)]
fn what_reaches_out_is_found(#[case] sql: &str, #[case] lines_before: usize) {
    assert_eq!(reaches(sql).map(|reach| reach.lines_before), Some(lines_before), "{sql}");
}

#[rstest]
#[case("SELECT 'ATTACH', \"ATTACH\", [ATTACH], `ATTACH` -- ; ATTACH 'x' AS y")]
#[case("/* ; ATTACH 'x' AS y */ SELECT 1")]
#[case("/* ; ATTACH 'x' AS y")]
#[case("INSERT INTO a VALUES (';ATTACH ''x'' AS y')")]
#[case("CREATE TABLE attach (detach TEXT, vacuum TEXT); SELECT attach.detach FROM attach")]
#[case("VACUUM; REINDEX; ANALYZE; PRAGMA foreign_keys = OFF; PRAGMA user_version = 3; PRAGMA main.journal_mode = WAL")]
#[case("SELECT $a(';ATTACH) FROM b")]
#[case("DETACH y")]
#[case("SELECT x';ATTACH'")]
#[case("")]
fn what_only_looks_so_is_not(#[case] sql: &str) {
    assert_eq!(reaches(sql), None);
}
