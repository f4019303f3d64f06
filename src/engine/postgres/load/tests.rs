use super::indexed_table;

#[test]
fn only_indexes_and_keys_are_built_in_parallel() {
    for (sql, table) in [
        ("CREATE INDEX i ON public.t USING btree (a);", Some("public.t")),
        ("CREATE UNIQUE INDEX i ON public.\"T t\" USING btree (a);", Some("public.\"T t\"")),
        ("ALTER TABLE ONLY public.t\n    ADD CONSTRAINT t_pkey PRIMARY KEY (id);", Some("public.t")),
        ("ALTER TABLE ONLY public.t\n    ADD CONSTRAINT x EXCLUDE USING gist (r WITH &&);", Some("public.t")),
        ("ALTER TABLE ONLY public.t\n    ADD CONSTRAINT f FOREIGN KEY (a) REFERENCES public.u(id);", None),
        ("CREATE TRIGGER t BEFORE INSERT ON public.t FOR EACH ROW EXECUTE FUNCTION public.f();", None),
        ("ALTER INDEX public.p_idx ATTACH PARTITION public.c_idx;", None),
    ] {
        assert_eq!(indexed_table(sql), table, "{sql}");
    }
}
