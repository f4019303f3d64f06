use super::*;
use crate::migrate::tests::settings;

fn placeholders(replacement: bool) -> Placeholders {
    let mut settings = settings();
    settings.placeholder_replacement = replacement;
    settings.placeholders.insert("Owner".to_owned(), "app".to_owned());
    settings.placeholders.insert("empty".to_owned(), String::new());
    let connected = Connected { schema: "public".to_owned(), user: "root".to_owned(), database: Some("shop".to_owned()) };
    Placeholders::new(&settings, &connected)
}

#[test]
fn names_are_replaced_everywhere_without_regard_to_case() {
    let cases = [
        ("GRANT x TO ${owner}; -- ${OWNER}\nSELECT '${Owner}'", "GRANT x TO app; -- app\nSELECT 'app'"),
        ("a${empty}b $5 {x} $", "ab $5 {x} $"),
        ("${flyway:defaultSchema}.${flyway:table} ${flyway:user}@${flyway:database}", "public.flyway_schema_history root@shop"),
        ("${flyway:filename} ${flyway:environment}", "V1__x.sql default"),
        ("", ""),
    ];
    for (text, replaced) in cases {
        assert_eq!(placeholders(true).replace(text, "V1__x.sql", None).as_deref(), Ok(replaced));
        assert_eq!(placeholders(false).replace(text, "V1__x.sql", None).as_deref(), Ok(text), "replacement off");
    }
}

#[test]
fn a_name_without_a_value_is_named_with_its_line() {
    let cases = [
        ("a\nb ${nope} c", "nope", 2, "it has no value"),
        ("{\"a\": \"${\n", "", 1, "it has no closing brace"),
        ("\n\n${flyway:timestamp}", "flyway:timestamp", 3, "its value differs from run to run; use SQL's own `now()`"),
    ];
    for (text, name, line, why) in cases {
        let expected = Unreplaced { name: name.to_owned(), line, why };
        let got = placeholders(true).replace(text, "V1__x.sql", None).unwrap_err();
        assert_eq!((got.line, got.why), (expected.line, expected.why), "{text:?}");
        assert!(got.name.starts_with(name), "{got:?}");
        assert!(placeholders(false).replace(text, "V1__x.sql", None).is_ok());
    }
}
