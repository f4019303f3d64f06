use super::*;

fn column(data_type: &str, column_type: &str, charset: &str, extra: &str, generation: &str) -> RawColumn {
    RawColumn {
        name: "c".to_owned(),
        data_type: data_type.to_owned(),
        column_type: column_type.to_owned(),
        charset: charset.to_owned(),
        extra: extra.to_owned(),
        generation: generation.to_owned(),
    }
}

fn mysql() -> Version {
    Version::of("9.7.4", "").unwrap()
}

#[test]
fn a_default_that_is_an_expression_generates_nothing() {
    for (extra, generation, generated) in [
        ("DEFAULT_GENERATED", "", false),
        ("DEFAULT_GENERATED on update CURRENT_TIMESTAMP", "", false),
        ("DEFAULT_GENERATED INVISIBLE", "", false),
        ("auto_increment INVISIBLE", "", false),
        ("STORED GENERATED", "(`a` + 1)", true),
        ("VIRTUAL GENERATED INVISIBLE", "", true),
        ("PERSISTENT", "", true),
        ("", "`a` + 1", true),
    ] {
        assert_eq!(is_generated(&column("int", "int", "", extra, generation)), generated, "{extra}");
    }
}

#[test]
fn each_type_is_read_so_that_nothing_is_lost() {
    let read = |data_type, column_type, charset| {
        let column = read_as("t", column(data_type, column_type, charset, "", ""), &mysql()).unwrap();
        (column.expression, column.encoding)
    };
    assert_eq!(read("int", "int unsigned", ""), ("`c`".to_owned(), Encoding::Plain));
    assert_eq!(read("float", "float", ""), ("`c` * 1e0".to_owned(), Encoding::Single));
    assert_eq!(read("double", "double", ""), ("`c`".to_owned(), Encoding::Double));
    assert_eq!(read("double", "double(10,3)", ""), ("`c` * 1e0".to_owned(), Encoding::Double));
    assert_eq!(read("enum", "enum('a','b')", "latin1"), ("`c`".to_owned(), Encoding::Latin1));
    assert_eq!(read("enum", "enum('','b')", "latin1"), ("CAST(`c` AS UNSIGNED)".to_owned(), Encoding::Plain));
    assert_eq!(read("json", "json", ""), ("`c`".to_owned(), Encoding::Json));
    assert_eq!(read("vector", "vector(3)", ""), ("CAST(`c` AS BINARY)".to_owned(), Encoding::Hex));
    assert_eq!(read("geomcollection", "geomcollection", ""), ("`c`".to_owned(), Encoding::Hex));
}

#[test]
fn an_unknown_type_is_refused_by_name() {
    let error = read_as("t", column("hologram", "hologram", "", "", ""), &mysql()).unwrap_err().to_string();
    assert!(error.contains("column c of table t has type hologram"), "{error}");
}

#[test]
fn history_brings_the_hidden_columns() {
    let maria = Version::of("11.8.9-MariaDB", "").unwrap();
    let names = |raw, history| {
        let columns = dumped_columns("t", raw, history, &maria).unwrap();
        columns.into_iter().map(|column| column.name).collect::<Vec<_>>()
    };
    let plain = vec![column("int", "int", "", "", "")];
    assert_eq!(names(plain.clone(), false), ["c"]);
    assert_eq!(names(plain, true), ["c", "row_start", "row_end"]);
    let mut start = column("timestamp", "timestamp(6)", "", "STORED GENERATED", "ROW START");
    start.name = "since".to_owned();
    assert_eq!(names(vec![start.clone()], false), Vec::<String>::new());
    assert_eq!(names(vec![start], true), ["since"]);
}

#[test]
fn a_history_by_transactions_is_refused_with_its_table() {
    let maria = Version::of("11.8.9-MariaDB", "").unwrap();
    let period = |name: &str, end: &str| {
        let mut column = column("bigint", "bigint(20) unsigned", "", "STORED GENERATED", end);
        column.name = name.to_owned();
        column
    };
    let raw = vec![column("int", "int", "", "", ""), period("since", "ROW START"), period("until", "ROW END")];
    let error = dumped_columns("t", raw.clone(), true, &maria).unwrap_err().to_string();
    assert!(error.contains("table t keeps its history by the numbers of transactions (column since)"), "{error}");
    // Where the past is not dumped there is nothing that could differ.
    assert_eq!(dumped_columns("t", raw, false, &maria).unwrap().len(), 1);
}
