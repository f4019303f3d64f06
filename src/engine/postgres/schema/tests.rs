use super::super::super::EngineError;
use super::super::guard::{Need, inner, needs, restricts, sets_tablespace};
use super::{Cleaner, for_server, head, restriction};

fn try_clean(text: &[u8]) -> Result<String, EngineError> {
    let mut cleaner = Cleaner::new();
    let mut cleaned = cleaner.push(text)?;
    cleaned.push_str(&cleaner.finish()?);
    Ok(cleaned)
}

#[track_caller]
fn clean(text: &str) -> String {
    try_clean(text.as_bytes()).unwrap()
}

#[test]
fn what_only_psql_or_another_major_reads_is_dropped() {
    let text = "\\restrict k\n\nSET transaction_timeout = 0;\nSET default_tablespace = '';\n\\unrestrict k\n";
    assert_eq!(clean(text).trim(), "SET default_tablespace = '';");
    let body = "CREATE FUNCTION f() AS $$\nSET transaction_timeout = 0;\n\\restrict k\n$$;\n";
    assert_eq!(clean(body), body, "a function's body is nobody's to change");
}

#[test]
fn a_name_whose_quotes_pg_dump_forgets_gets_them_and_nothing_else_is_touched() {
    let own = |name: &str| {
        format!(
            "CREATE TABLE app.\"c; x\" (\n    CONSTRAINT {name} NOT NULL a,\n    b integer CONSTRAINT x NOT NULL DEFAULT f(1, 2),\n    CONSTRAINT {name} NOT NULL \"B\"\n)\nINHERITS (app.p);\n"
        )
    };
    for name in ["OwnName", "select", "later"] {
        assert_eq!(clean(&own(name)), own(&format!("\"{name}\"")));
    }
    for untouched in [
        own("\"Own\""),
        "CREATE TABLE t (\n    a text DEFAULT '(\n    CONSTRAINT Own NOT NULL a'::text,\n    CONSTRAINT c CHECK ((NOT NULL))\n);\n".to_owned(),
        "CREATE FUNCTION f() RETURNS TABLE(a text) LANGUAGE sql AS '(CONSTRAINT Own NOT NULL a)';\n".to_owned(),
    ] {
        assert_eq!(clean(&untouched), untouched);
    }
}

#[test]
fn statements_about_roles_do_nothing_where_the_role_is_missing() {
    for (sql, role) in [
        ("GRANT SELECT ON TABLE public.t TO app;", "app"),
        ("REVOKE ALL ON SCHEMA public FROM \"We ird\";", "\"We ird\""),
        ("GRANT ALL ON TABLE public.t TO \"select\";", "\"select\""),
        ("CREATE POLICY p ON public.t TO app USING (true);", "app"),
    ] {
        let cleaned = clean(sql);
        assert!(cleaned.starts_with("DO $upkeep0$") && cleaned.contains(sql), "{cleaned}");
        assert_eq!(needs(&cleaned), [Need::Role(role.to_owned())], "{cleaned}");
    }
    for untouched in [
        "GRANT SELECT ON TABLE public.app TO PUBLIC;",
        "CREATE POLICY p ON public.t USING (true);",
        "SELECT 1;",
        "ALTER TABLE ONLY public.v ALTER COLUMN a SET DEFAULT 'give OWNER TO x'::text;",
    ] {
        assert_eq!(clean(untouched), untouched);
    }
}

#[test]
fn who_must_be_acted_for_is_said_apart() {
    let acting = |role: &str| [Need::Acting(role.to_owned()), Need::Role(role.to_owned())];
    for (sql, role) in [
        ("ALTER TABLE public.t OWNER TO app;", "app"),
        ("ALTER DEFAULT PRIVILEGES FOR ROLE app IN SCHEMA public GRANT SELECT ON TABLES TO PUBLIC;", "app"),
        ("ALTER SCHEMA s OWNER TO \"pg_has_role(to_regrole('x'))\";", "\"pg_has_role(to_regrole('x'))\""),
    ] {
        let cleaned = clean(sql);
        assert!(cleaned.starts_with("DO $upkeep0$") && cleaned.contains(sql), "{cleaned}");
        assert_eq!(needs(&cleaned), acting(role), "{cleaned}");
    }
    let both = needs(&clean("ALTER DEFAULT PRIVILEGES FOR ROLE app GRANT SELECT ON TABLES TO other;"));
    assert_eq!(both, [&acting("app")[..], &[Need::Role("other".to_owned())]].concat());
}

#[test]
fn a_name_that_looks_like_a_guard_is_a_name() {
    for role in ["\"a THEN\n b\"", "\"to_regrole('x')\"", "\"$upkeep0$\"", "\"back\\ 'slash\""] {
        let sql = format!("GRANT SELECT ON TABLE public.t TO {role};");
        let cleaned = clean(&sql);
        assert_eq!(needs(&cleaned), [Need::Role(role.to_owned())], "{cleaned}");
        assert!(inner(&cleaned).starts_with(&sql), "{cleaned}");
    }
}

#[test]
fn a_policy_that_takes_rows_away_is_an_error_without_its_role() {
    let sql = "CREATE POLICY p ON public.t AS RESTRICTIVE TO app, \"We ird\" USING (false);";
    let cleaned = clean(sql);
    assert!(cleaned.contains("ELSE RAISE EXCEPTION USING"), "{cleaned}");
    assert_eq!(restricts(&cleaned), Some(("p on public.t".to_owned(), vec!["app".to_owned(), "\"We ird\"".to_owned()])));
    assert_eq!(restricts(&clean("CREATE POLICY p ON public.t TO app USING (true);")), None);
}

#[test]
fn a_tablespace_is_asked_for_and_the_default_one_is_not() {
    let cleaned = clean("SET default_tablespace = \"Fa st\";");
    assert!(cleaned.contains("spcname = 'Fa st'") && cleaned.contains("\nSET default_tablespace = \"Fa st\";\n"), "{cleaned}");
    assert_eq!(
        (needs(&cleaned), sets_tablespace(&cleaned)),
        (vec![Need::Tablespace("Fa st".to_owned())], Some("Fa st".to_owned()))
    );
    assert_eq!(clean("SET default_tablespace = '';"), "SET default_tablespace = '';");
}

#[test]
fn what_psql_would_run_and_what_is_no_text_is_refused_with_its_object() {
    for text in [
        "CREATE VIEW public.v AS SELECT 1\n\\! touch x\n;\n",
        "\\! touch x\n",
        "-- Name: a\n\\! touch x; Type: TABLE\nSELECT 1;\n",
        "\\restrict `touch x`\n",
        "SELECT 1 \\g |touch x\n",
    ] {
        let error = try_clean(text.as_bytes()).unwrap_err().to_string();
        assert!(error.contains("a backslash outside of quotes"), "{text}: {error}");
    }
    let error = try_clean(b"-- Name: t\n\nCOMMENT ON TABLE public.t IS 'caf\xe9';\n").unwrap_err().to_string();
    assert!(error.contains("COMMENT ON TABLE public.t IS 'caf"), "{error}");
}

#[test]
fn what_is_psql_s_alone_is_left_out_for_a_server() {
    let (begin, end) = restriction("abc");
    let text = format!("-- for people\n\n{begin}\n{}", head("UTF8"));
    assert_eq!(for_server(&text).replace('\n', ""), format!("-- for people{}", head("UTF8").replace('\n', "")));
    assert_eq!(for_server(&format!("\n-- end of archive\n{end}")), "\n-- end of archive\n");
}
