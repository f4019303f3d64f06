use super::*;

const KEY: &str = "ALTER TABLE ONLY public.t\n    ADD CONSTRAINT t_pkey PRIMARY KEY (id);";
const INDEX: &str = "CREATE INDEX i ON public.\"u u\" USING btree (a);";
const FOREIGN: &str =
    "ALTER TABLE ONLY public.\"u u\"\n    ADD CONSTRAINT f FOREIGN KEY (a) REFERENCES public.t(id) ON DELETE CASCADE;";
const TRIGGER: &str = "CREATE TRIGGER t BEFORE INSERT ON public.t FOR EACH ROW EXECUTE FUNCTION public.f();";

#[test]
fn only_indexes_and_keys_are_built_in_parallel() {
    for (sql, table) in [
        ("CREATE INDEX i ON public.t USING btree (a);", Some("public.t")),
        ("CREATE UNIQUE INDEX i ON public.\"T t\" USING btree (a);", Some("public.\"T t\"")),
        ("ALTER TABLE ONLY public.t\n    ADD CONSTRAINT t_pkey PRIMARY KEY (id);", Some("public.t")),
        ("ALTER TABLE ONLY public.t\n    ADD CONSTRAINT x EXCLUDE USING gist (r WITH &&);", Some("public.t")),
        ("ALTER TABLE ONLY public.t\n    ADD CONSTRAINT f FOREIGN KEY (a) REFERENCES public.u(id);", None),
        (TRIGGER, None),
        ("ALTER INDEX public.p_idx ATTACH PARTITION public.c_idx;", None),
    ] {
        assert_eq!(Statement::of(sql).indexed_table(), table, "{sql}");
    }
}

fn sorted(statements: &[&str]) -> Builds {
    let table = |name: &str| Table {
        schema: "public".to_owned(),
        name: name.to_owned(),
        columns: Vec::new(),
        rows: 0,
        bytes: 0,
        checksum: String::new(),
        computed: None,
    };
    let mut seen = Vec::new();
    let builds = Builds::of(&statements.join("\n\n"), &[table("t"), table("u u")], |sql| seen.push(sql.to_owned()));
    assert_eq!(seen, statements, "each statement is shown");
    builds
}

#[test]
fn each_statement_goes_to_its_tables_and_the_rest_keeps_its_order() {
    let builds = sorted(&[TRIGGER, KEY, INDEX, FOREIGN, "COMMENT ON INDEX public.i IS 'i';"]);
    assert_eq!(builds.keys, [(0, KEY.to_owned())]);
    assert_eq!(builds.indexes, [(1, INDEX.to_owned())]);
    assert_eq!(builds.foreign, [(1, 0, FOREIGN.to_owned())]);
    assert_eq!(builds.rest, [TRIGGER, "COMMENT ON INDEX public.i IS 'i';"]);
    assert!(builds.leave_statistics_alone());
    assert!(!sorted(&["CREATE STATISTICS public.s ON a, b FROM public.t;"]).leave_statistics_alone());
}

/// The key of a partitioned table is put together in the rest, and something may refer to it.
#[test]
fn foreign_keys_wait_for_the_end_when_a_key_they_may_need_does() {
    for unknown in [
        "ALTER TABLE ONLY public.partitioned\n    ADD CONSTRAINT p_pkey PRIMARY KEY (id);",
        "CREATE UNIQUE INDEX i ON ONLY public.partitioned USING btree (id);",
        "ALTER INDEX public.p_pkey ATTACH PARTITION public.c_pkey;",
    ] {
        let builds = sorted(&[KEY, unknown, FOREIGN]);
        assert_eq!((builds.keys.len(), builds.foreign.len()), (1, 0), "{unknown}");
        assert_eq!(builds.rest, [unknown, FOREIGN]);
    }
    let elsewhere = "ALTER TABLE ONLY public.t\n    ADD CONSTRAINT f FOREIGN KEY (a) REFERENCES other.t(id);";
    assert_eq!(sorted(&[KEY, elsewhere]).rest, [elsewhere], "a table that is not in the manifest");
}

#[test]
fn a_sort_has_as_little_memory_as_one_merge_needs() {
    for (bytes, mebibytes) in [(0, 16), ((1 << 30) - 1, 16), (1 << 30, 64), (15 << 30, 64), (16 << 30, 256), (1 << 45, 256)] {
        assert_eq!(sort_memory(bytes), mebibytes, "{bytes}");
    }
}

/// A statement says nothing of its tablespace; the one before it does, and the worker that builds it has not seen that one.
#[test]
fn what_is_built_elsewhere_is_built_in_its_tablespace() {
    let (fast, default) = ("SET default_tablespace = fast;", "SET default_tablespace = '';");
    let builds = sorted(&[KEY, fast, INDEX, default, "CREATE INDEX j ON public.t USING btree (app.f(a));"]);
    assert_eq!(builds.keys, [(0, format!("{default}\n{KEY}"))]);
    assert_eq!(builds.indexes, [(1, format!("{fast}\n{INDEX}"))]);
    assert_eq!(builds.computed, [(0, format!("{default}\nCREATE INDEX j ON public.t USING btree (app.f(a));"))]);
    assert_eq!(builds.rest, [fast, default], "for what is run in order");
}
