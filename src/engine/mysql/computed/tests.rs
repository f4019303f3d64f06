use rstest::rstest;

use super::*;

#[rstest]
#[case::of_a_moment("cast(`ts` as char charset utf8mb4)", "STORED GENERATED", true)]
#[case::of_a_date_alone("year(`d`)", "STORED GENERATED", false)]
#[case::a_quotient("concat(`a` / `b`,_utf8mb4'')", "STORED GENERATED", true)]
#[case::a_name("date_format(`d`,_utf8mb4'%W')", "STORED GENERATED", true)]
#[case::of_json("json_unquote(json_extract(`json`,_utf8mb4'$.id'))", "STORED GENERATED", false)]
#[case::computed_when_read("date(`ts`)", "VIRTUAL GENERATED", false)]
#[case::a_version("ROW START", "STORED GENERATED", false)]
fn what_the_session_decides(#[case] expression: &str, #[case] extra: &str, #[case] expected: bool) {
    let plain = |name: &str, data_type: &str| RawColumn {
        name: name.to_owned(),
        data_type: data_type.to_owned(),
        ..RawColumn::default()
    };
    let generated = RawColumn { extra: extra.to_owned(), generation: expression.to_owned(), ..plain("made", "varchar") };
    let columns = [plain("ts", "timestamp"), plain("d", "date"), generated];
    assert_eq!(of(&columns), if expected { vec!["made"] } else { Vec::new() });
}
