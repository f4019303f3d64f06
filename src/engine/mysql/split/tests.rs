use proptest::prelude::*;
use rstest::rstest;

use super::*;

/// Cuts `text` fed in pieces of `step` bytes.
fn cut(text: &str, step: usize) -> Vec<String> {
    let mut splitter = Splitter::new();
    let mut all: Vec<Vec<u8>> = text.as_bytes().chunks(step).flat_map(|piece| splitter.push(piece)).collect();
    all.extend(splitter.finish());
    all.into_iter().map(|statement| String::from_utf8(statement).unwrap()).collect()
}

#[rstest]
#[case::plain("SELECT 1;\nSELECT 2;\n", &["SELECT 1", "SELECT 2"])]
#[case::no_end("SELECT 1", &["SELECT 1"])]
#[case::nothing(" ;\n-- only a word\n/* and a note; */ # more\n", &[])]
#[case::comments("-- it's; one\nSELECT 1 -- it's; two\n; /* ; ' */ SELECT /* ' ; */ 2;", &["SELECT 1 -- it's; two\n", "SELECT /* ' ; */ 2"])]
#[case::minus("SELECT 1--1;SELECT 2 - -1;", &["SELECT 1--1", "SELECT 2 - -1"])]
#[case::conditional("/*!40101 SET a = 'x;' */;/*M!100100 SET b */;", &["/*!40101 SET a = 'x;' */", "/*M!100100 SET b */"])]
#[case::strings(r#"INSERT INTO `a;``b` VALUES ('it''s;', 'b\\', 'q\';', "d\";");X;"#, &[r#"INSERT INTO `a;``b` VALUES ('it''s;', 'b\\', 'q\';', "d\";")"#, "X"])]
#[case::backslash_in_a_name(r"SELECT `\`;SELECT 2;", &[r"SELECT `\`", "SELECT 2"])]
#[case::delimited("SET x;\nDELIMITER ;;\nCREATE TRIGGER t BEGIN\n  -- don't\n  SELECT 'a\\';\nEND\n;;\n\nSET y\n;;\nDELIMITER ;\nSELECT 1;\n",
    &["SET x", "CREATE TRIGGER t BEGIN\n  -- don't\n  SELECT 'a\\';\nEND", "SET y", "SELECT 1"])]
#[case::delimiter_in_a_body("DELIMITER ;;\nCREATE x\nDELIMITER ;\n;; not the end\n;;\nDELIMITER ;\n", &["CREATE x\nDELIMITER ;\n;; not the end"])]
#[case::longer_delimiter("DELIMITER ;;;\nCREATE x '\n;;\n;; \n;;;;\n'\n;;;\n;;;\nDELIMITER ;\nA;", &["CREATE x '\n;;\n;; \n;;;;\n'", "A"])]
#[case::one_after_the_other("DELIMITER ;;\nA\n;;\nDELIMITER ;;;\nB\n;;\n;;;\nDELIMITER ;\nC", &["A", "B\n;;", "C"])]
#[case::delimiter_in_a_string("INSERT INTO t VALUES ('\nDELIMITER ;;\n');\nA;", &["INSERT INTO t VALUES ('\nDELIMITER ;;\n')", "A"])]
fn cuts(#[case] text: &str, #[case] expected: &[&str], #[values(1, 2, 3, 7, 4096)] step: usize) {
    assert_eq!(cut(text, step), expected);
}

proptest! {
    /// Whatever stands in strings and bodies, what goes in comes out, at any size of piece.
    #[test]
    fn what_goes_in_comes_out(parts in prop::collection::vec(("[a-z;'\"`\\\\\n#/*-]{0,12}", any::<bool>()), 0..8), step in 1usize..20) {
        let (mut text, mut expected) = (String::new(), Vec::new());
        for (part, in_body) in &parts {
            let statement = if *in_body {
                let body = part.lines().filter(|line| line.trim_end() != ";;").collect::<Vec<_>>().join("\n");
                format!("CREATE\n{body}\nEND")
            } else {
                format!("INSERT '{}'", part.replace('\\', "\\\\").replace('\'', "''"))
            };
            match in_body {
                true => text.push_str(&format!("DELIMITER ;;\n{statement}\n;;\nDELIMITER ;\n")),
                false => text.push_str(&format!("{statement};\n")),
            }
            expected.push(statement);
        }
        prop_assert_eq!(cut(&text, step), expected);
    }
}
