use super::{Cleaner, roles_in};

fn clean(text: &str) -> String {
    let mut cleaner = Cleaner::new(vec!["app".to_owned(), "We ird".to_owned(), "select".to_owned()]);
    let mut cleaned = cleaner.push(text.as_bytes());
    cleaned.push_str(&cleaner.finish());
    cleaned
}

#[test]
fn what_only_psql_or_another_major_reads_is_dropped() {
    let text = "\\restrict k\n\nSET transaction_timeout = 0;\nSET default_tablespace = '';\n\\unrestrict k\n";
    assert_eq!(clean(text).trim(), "SET default_tablespace = '';");
    let body = "CREATE FUNCTION f() AS $$\nSET transaction_timeout = 0;\n\\restrict k\n$$;\n";
    assert_eq!(clean(body), body, "a function's body is nobody's to change");
}

#[test]
fn statements_about_roles_do_nothing_where_the_role_is_missing() {
    for (sql, role) in [
        ("ALTER TABLE public.t OWNER TO app;", "app"),
        ("GRANT SELECT ON TABLE public.t TO app;", "app"),
        ("REVOKE ALL ON SCHEMA public FROM \"We ird\";", "\"We ird\""),
        ("GRANT ALL ON TABLE public.t TO \"select\";", "\"select\""),
        ("CREATE POLICY p ON public.t TO app USING (true);", "app"),
        ("ALTER DEFAULT PRIVILEGES FOR ROLE app IN SCHEMA public GRANT SELECT ON TABLES TO PUBLIC;", "app"),
    ] {
        let cleaned = clean(sql);
        assert!(cleaned.starts_with("DO $upkeep0$") && cleaned.contains(sql), "{cleaned}");
        if role != "\"select\"" {
            assert_eq!(roles_in(&cleaned), [role], "{cleaned}");
        }
    }
    for untouched in ["GRANT SELECT ON TABLE public.app TO PUBLIC;", "CREATE POLICY p ON public.t USING (true);", "SELECT 1;"] {
        assert_eq!(clean(untouched), untouched);
    }
}
