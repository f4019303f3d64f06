use super::*;

#[test]
fn a_text_a_name_and_a_comment_are_never_taken_for_the_statement() {
    for (sql, owner) in [
        ("ALTER TABLE public.t OWNER TO app;", Some("app")),
        ("ALTER FUNCTION public.\" OWNER TO x;\"(integer) OWNER TO \"We ird\";", Some("\"We ird\"")),
        ("ALTER OPERATOR public.=== (integer, integer) OWNER TO app;", Some("app")),
        ("ALTER TABLE ONLY public.v ALTER COLUMN a SET DEFAULT 'give OWNER TO x'::text;", None),
        ("ALTER TABLE ONLY public.v ALTER COLUMN a SET DEFAULT $$ OWNER TO x;$$;", None),
        ("ALTER TABLE ONLY public.v ALTER COLUMN a SET DEFAULT E'\\' OWNER TO x';", None),
        ("ALTER TYPE public.t ADD VALUE ' OWNER TO x;';", None),
        ("ALTER TABLE public.\"a OWNER TO b\" /* OWNER TO c */ ENABLE ROW LEVEL SECURITY; -- OWNER TO d", None),
        ("COMMENT ON TABLE public.t IS 'ALTER x OWNER TO y';", None),
    ] {
        assert_eq!(Statement::of(sql).owner(), owner, "{sql}");
    }
}

#[test]
fn roles_are_found_where_they_stand_and_nowhere_else() {
    for (sql, roles) in [
        ("GRANT SELECT ON TABLE public.t TO app;", vec!["app"]),
        ("GRANT SELECT(\"a TO b\") ON TABLE public.\"TO c\" TO \"We ird\" WITH GRANT OPTION;", vec!["\"We ird\""]),
        ("GRANT SELECT ON TABLE public.app TO PUBLIC;", vec![]),
        ("GRANT SELECT ON TABLE public.t TO \"PUBLIC\";", vec!["\"PUBLIC\""]),
        ("REVOKE ALL ON SCHEMA public FROM \"a, b\";", vec!["\"a, b\""]),
        ("REVOKE GRANT OPTION FOR SELECT ON TABLE public.\"FROM\" FROM app;", vec!["app"]),
        ("ALTER DEFAULT PRIVILEGES FOR ROLE a IN SCHEMA \"TO x\" REVOKE ALL ON TABLES FROM b;", vec!["a", "b"]),
        ("ALTER DEFAULT PRIVILEGES FOR ROLE a GRANT SELECT ON TABLES TO PUBLIC;", vec!["a"]),
        (
            "CREATE POLICY \"TO x\" ON public.\"t TO y\" AS RESTRICTIVE FOR SELECT TO a, \"b c\" USING ((x = ' TO d'::text));",
            vec!["a", "\"b c\""],
        ),
        ("CREATE POLICY p ON public.t USING ((EXTRACT(day FROM a) = 1));", vec![]),
        ("CREATE USER MAPPING FOR \"FOR x\" SERVER s OPTIONS (a 'TO y');", vec!["\"FOR x\""]),
        ("CREATE USER MAPPING FOR PUBLIC SERVER s;", vec![]),
        ("SET SESSION AUTHORIZATION app;", vec!["app"]),
        ("CREATE FUNCTION public.f() AS 'GRANT x TO y';", vec![]),
    ] {
        assert_eq!(Statement::of(sql).names_roles(), roles, "{sql}");
    }
}

#[test]
fn whose_default_privileges_they_are_is_known() {
    let of = |sql: &'static str| Statement::of(sql).roles_acted_for();
    assert_eq!(of("ALTER DEFAULT PRIVILEGES FOR ROLE a, \"b c\" IN SCHEMA s REVOKE ALL ON TABLES FROM d;"), ["a", "\"b c\""]);
    assert!(of("ALTER DEFAULT PRIVILEGES IN SCHEMA s GRANT SELECT ON TABLES TO a;").is_empty());
    assert!(of("GRANT SELECT ON TABLE t TO a;").is_empty());
}

#[test]
fn a_policy_that_takes_rows_away_is_known() {
    let restrictive = |sql: &str| Statement::of(sql).restrictive_policy().map(|(name, table)| format!("{name} on {table}"));
    let sql = "CREATE POLICY p ON public.t AS RESTRICTIVE TO a USING (true);";
    assert_eq!(restrictive(sql).as_deref(), Some("p on public.t"));
    assert_eq!(restrictive("CREATE POLICY \"AS RESTRICTIVE\" ON public.t TO a USING (true);"), None);
    assert_eq!(restrictive("CREATE POLICY p ON public.\"t AS RESTRICTIVE \" TO a USING ((x = 'AS RESTRICTIVE'));"), None);
}

#[test]
fn what_is_built_on_which_table_is_told_by_the_grammar() {
    for (sql, table, foreign) in [
        ("CREATE INDEX i ON public.t USING btree (a);", Some("public.t"), None),
        ("CREATE INDEX \"a ON b USING c\" ON public.\"u ON v\" USING btree (a);", Some("public.\"u ON v\""), None),
        ("CREATE UNIQUE INDEX i ON ONLY public.parted USING btree (a);", None, None),
        ("ALTER TABLE ONLY public.t\n    ADD CONSTRAINT \" FOREIGN KEY \" PRIMARY KEY (id);", Some("public.t"), None),
        ("ALTER TABLE ONLY public.t\n    ADD CONSTRAINT x UNIQUE (\" CHECK \");", Some("public.t"), None),
        ("ALTER TABLE ONLY public.t\n    ADD CONSTRAINT \" UNIQUE \" CHECK ((a <> ' UNIQUE '::text)) NOT VALID;", None, None),
        (
            "ALTER TABLE ONLY public.t\n    ADD CONSTRAINT \"x REFERENCES y(\" FOREIGN KEY (\") REFERENCES z(\") REFERENCES public.u(id);",
            None,
            Some(("public.t", "public.u")),
        ),
        ("ALTER TABLE ONLY public.\"t\n    ADD CONSTRAINT x PRIMARY KEY (\" REPLICA IDENTITY FULL;", None, None),
    ] {
        let statement = Statement::of(sql);
        assert_eq!((statement.indexed_table(), statement.foreign_tables()), (table, foreign), "{sql}");
    }
}

#[test]
fn what_somebody_defined_is_known_by_its_schema() {
    for (sql, calls) in [
        ("CREATE INDEX i ON app.t USING btree (a, \"b.c\");", false),
        ("CREATE INDEX i ON app.t USING btree (lower(a)) WHERE (a IS NOT NULL);", false),
        ("CREATE INDEX i ON app.t USING btree (app.f(a));", true),
        ("CREATE INDEX i ON app.t USING btree (a) WHERE (a OPERATOR(app.===) 1);", true),
        ("ALTER TABLE ONLY app.t\n    ADD CONSTRAINT x EXCLUDE USING gist (app.f(r) WITH &&);", true),
        ("ALTER TABLE ONLY app.t\n    ADD CONSTRAINT x PRIMARY KEY (a);", false),
        ("CREATE INDEX i ON app.t USING btree (a) WHERE (price > 0.5);", false),
        ("CREATE INDEX i ON app.t USING btree (((price * 1.5))) WHERE (price > '-0.5'::numeric);", false),
        ("CREATE INDEX i ON app.t USING btree (a) WHERE (state = 'x'::app.mood);", false),
        ("CREATE INDEX i ON app.t USING btree (a) WHERE (state = ANY (ARRAY['x'::app.mood, NULL::app.\"Mo od\"]));", false),
        ("CREATE INDEX i ON app.t USING btree (a) WHERE (state = ANY ('{x}'::app.mood[]));", false),
        ("CREATE INDEX i ON app.t USING gin (a public.gin_trgm_ops, b COLLATE app.\"C.\" DESC);", false),
        ("CREATE INDEX i ON app.t USING btree (((whole).part));", false),
        ("CREATE INDEX i ON app.t USING btree ((('x'::text)::app.checked));", true),
        ("CREATE INDEX i ON app.t USING btree (((a)::app.mood));", true),
        ("CREATE INDEX i ON app.t USING btree (a) WHERE (((a)::text)::app.mood = 'x'::app.mood);", true),
        ("CREATE INDEX i ON app.t USING btree (((price * 1.5) + app.\"F.\"(a)));", true),
        ("CREATE INDEX i ON app.t USING btree (a) WHERE (0.5 OPERATOR(app.<) price);", true),
        ("CREATE INDEX i ON app.t USING btree (a) WHERE (OPERATOR(app.!!) a);", true),
    ] {
        assert_eq!(Statement::of(sql).calls(), calls, "{sql}");
    }
}

#[test]
fn a_tablespace_is_a_name_whatever_it_is_called() {
    let of = |sql: &str| Statement::of(sql).default_tablespace();
    assert_eq!(of("SET default_tablespace = '';").as_deref(), Some(""));
    assert_eq!(of("SET default_tablespace = fast;").as_deref(), Some("fast"));
    assert_eq!(of("SET default_tablespace = \"Fa \"\"st\";").as_deref(), Some("Fa \"st"));
    assert_eq!(of("SET default_table_access_method = heap;"), None);
}

#[test]
fn a_backslash_counts_outside_of_quotes_alone() {
    for (sql, speaks) in [
        ("SELECT 1 \\! touch x", true),
        ("CREATE VIEW v AS SELECT 1\n\\! touch x\n;", true),
        ("SELECT '\\', \"\\\", E'\\\\', $$\\$$ -- \\\n;", false),
    ] {
        assert_eq!(Statement::of(sql).speaks_to_psql(), speaks, "{sql}");
    }
}

#[test]
fn whose_a_security_label_is_is_known() {
    for (sql, provider) in [
        ("SECURITY LABEL FOR dummy ON TABLE app.t IS 'x OWNER TO y;';", Some("dummy")),
        ("SECURITY LABEL FOR \"Du mmy\" ON COLUMN app.t.\"ON x\" IS 'it''s';", Some("\"Du mmy\"")),
        ("COMMENT ON TABLE app.t IS 'SECURITY LABEL FOR dummy ON TABLE t';", None),
        ("SECURITY LABEL ON TABLE app.t IS 'x';", None),
    ] {
        assert_eq!(Statement::of(sql).label_provider(), provider, "{sql}");
    }
}
