//! Which table a statement of the schema is about, and what it names beside that.
//!
//! Pure. Knows a statement by the way `pg_dump` writes it; of what it does not know it says nothing. Held by the table below it.

use super::super::grammar::{Kind, Statement, unquoted};
use super::super::guard::unliteral;

/// A relation, unquoted.
pub(super) type Name = (String, String);

/// What a statement behind the rows is about.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Subject {
    /// A table or a sequence as such.
    Relation(Name),
    /// It makes something on a table, of this name.
    Made { table: Name, object: String, what: &'static str },
    /// Things that were made on tables, with the tables' schemas.
    Of { objects: Vec<Name> },
    /// A thing that was made on this table.
    OnTable { table: Name, object: String },
}

/// What a statement is about.
pub(super) fn of(statement: &Statement<'_>) -> Option<Subject> {
    made(statement).or_else(|| of_made(statement)).or_else(|| relation(statement).map(Subject::Relation))
}

/// The table or sequence that a statement makes, alters, comments on or gives privileges on.
pub(super) fn relation(statement: &Statement<'_>) -> Option<Name> {
    const HEADS: [&[&str]; 9] = [
        &["CREATE", "TABLE"],
        &["CREATE", "UNLOGGED", "TABLE"],
        &["CREATE", "SEQUENCE"],
        &["CREATE", "UNLOGGED", "SEQUENCE"],
        &["ALTER", "TABLE", "ONLY"],
        &["ALTER", "TABLE"],
        &["ALTER", "SEQUENCE"],
        &["COMMENT", "ON", "TABLE"],
        &["COMMENT", "ON", "SEQUENCE"],
    ];
    if let Some(head) = HEADS.iter().find(|head| statement.has(0, head)) {
        return name_at(statement, head.len());
    }
    if statement.has(0, &["COMMENT", "ON", "COLUMN"]) {
        return name_at(statement, 3);
    }
    let gives = statement.has(0, &["GRANT"]) || statement.has(0, &["REVOKE"]) || statement.has(0, &["SECURITY", "LABEL"]);
    let on = statement.place_of("ON", 1).filter(|_| gives)?;
    let is_one = ["TABLE", "SEQUENCE", "COLUMN"].iter().any(|word| statement.has(on + 1, &[*word]));
    name_at(statement, on + 2).filter(|_| is_one)
}

/// A sequence that is a column's own, and the column's table.
pub(super) fn own_sequence(statement: &Statement<'_>) -> Option<(Name, Name)> {
    if statement.has(0, &["ALTER", "SEQUENCE"]) {
        let owned = statement.place_of("OWNED", 2).filter(|at| statement.has(*at, &["OWNED", "BY"]))?;
        return Some((name_at(statement, 2)?, name_at(statement, owned + 2)?));
    }
    let identity = (0..statement.tokens().len()).find(|at| statement.has(*at, &["SEQUENCE", "NAME"]))?;
    let table = relation(statement).filter(|_| statement.has(0, &["ALTER", "TABLE"]))?;
    Some((name_at(statement, identity + 2)?, table))
}

/// A partitioned table and one of its partitions.
pub(super) fn partition(statement: &Statement<'_>) -> Option<(Name, Name)> {
    let attach = statement.place_of("ATTACH", 3).filter(|at| statement.has(*at, &["ATTACH", "PARTITION"]))?;
    let table = relation(statement).filter(|_| statement.has(0, &["ALTER", "TABLE"]))?;
    Some((table, name_at(statement, attach + 2)?))
}

/// The tables that one inherits from.
pub(super) fn inherited(statement: &Statement<'_>) -> Vec<Name> {
    let Some(at) = statement.place_of("INHERITS", 2) else { return Vec::new() };
    let end = statement.tokens()[at + 1..].iter().position(|token| token.is_sign(")")).unwrap_or(0);
    (at + 2..at + 1 + end).filter_map(|at| name_at(statement, at)).collect()
}

/// A schema that a statement makes, or puts an extension into.
pub(super) fn schema(statement: &Statement<'_>) -> Option<String> {
    let at = if statement.has(0, &["CREATE", "SCHEMA"]) {
        2
    } else {
        let is_extension = statement.has(0, &["CREATE", "EXTENSION"]);
        statement.place_of("SCHEMA", 2).filter(|_| is_extension)? + 1
    };
    statement.tokens().get(at).filter(|token| token.is_name()).map(|token| unquoted(token.text))
}

/// The sequence whose value a statement sets.
pub(super) fn set_sequence(sql: &str) -> Option<Name> {
    let statement = Statement::of(sql);
    let fits = statement.has(0, &["SELECT", "pg_catalog"]) && statement.has(3, &["setval"]);
    let text = statement.tokens().iter().find(|token| token.kind == Kind::Text).filter(|_| fits)?;
    name_at(&Statement::of(&unliteral(text.text)), 0)
}

/// The setting that holds for all tables and indexes made after it.
pub(super) fn default_setting<'a>(statement: &Statement<'a>) -> Option<&'a str> {
    let name = statement.tokens().get(1).filter(|_| statement.has(0, &["SET"]))?;
    name.text.starts_with("default_table").then_some(name.text)
}

/// What is made on a table.
fn made(statement: &Statement<'_>) -> Option<Subject> {
    let subject = |name: usize, table: Name, what| {
        let object = last_of(statement, name)?;
        Some(Subject::Made { table, object, what })
    };
    let index = [["CREATE", "INDEX"].as_slice(), &["CREATE", "UNIQUE", "INDEX"]];
    if let Some(head) = index.iter().find(|head| statement.has(0, head)) {
        let on = statement.place_of("ON", head.len())?;
        let table = if statement.has(on + 1, &["ONLY"]) { on + 2 } else { on + 1 };
        return subject(head.len(), name_at(statement, table)?, "index");
    }
    for (head, word, what) in [
        (["CREATE", "TRIGGER"].as_slice(), "ON", "trigger"),
        (&["CREATE", "CONSTRAINT", "TRIGGER"], "ON", "trigger"),
        (&["CREATE", "RULE"], "TO", "rule"),
        (&["CREATE", "POLICY"], "ON", "policy"),
        (&["CREATE", "STATISTICS"], "FROM", "statistics"),
    ] {
        if statement.has(0, head) {
            let table = statement.place_of(word, head.len() + 1)?;
            return subject(head.len(), name_at(statement, table + 1)?, what);
        }
    }
    let table = relation(statement).filter(|_| statement.has(0, &["ALTER", "TABLE"]))?;
    let add = statement.place_of("ADD", 3).filter(|at| statement.has(*at, &["ADD", "CONSTRAINT"]))?;
    subject(add + 2, table, "constraint")
}

/// What is said of things that were made on tables.
fn of_made(statement: &Statement<'_>) -> Option<Subject> {
    for head in
        [["ALTER", "INDEX"].as_slice(), &["ALTER", "STATISTICS"], &["COMMENT", "ON", "INDEX"], &["COMMENT", "ON", "STATISTICS"]]
    {
        if statement.has(0, head) {
            let attached = statement.place_of("ATTACH", head.len()).filter(|at| statement.has(*at, &["ATTACH", "PARTITION"]));
            let places = std::iter::once(head.len()).chain(attached.map(|at| at + 2));
            return Some(Subject::Of { objects: places.map(|at| name_at(statement, at)).collect::<Option<_>>()? });
        }
    }
    if ["CONSTRAINT", "TRIGGER", "POLICY", "RULE"].iter().any(|word| statement.has(0, &["COMMENT", "ON", word])) {
        let (table, object) = (name_at(statement, 5)?, last_of(statement, 3)?);
        return statement.has(4, &["ON"]).then_some(Subject::OnTable { table, object });
    }
    // ALTER TABLE … ENABLE TRIGGER x, … CLUSTER ON x, … REPLICA IDENTITY USING INDEX x.
    let table = relation(statement).filter(|_| statement.has(0, &["ALTER", "TABLE"]))?;
    let words = ["TRIGGER", "RULE", "CLUSTER", "INDEX"];
    words.iter().find_map(|word| statement.place_of(word, 3))?;
    let last = statement.tokens().len().checked_sub(2)?;
    Some(Subject::OnTable { table, object: last_of(statement, last)? })
}

/// How a statement uses what it names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Use {
    /// As a relation, a type, a collation or an operator.
    Named,
    /// As a function, or a type with a size.
    Called,
    /// Perhaps: it may as well be a column of a relation, or of `new` and `old`.
    Column,
}

/// Everything that a statement names with a schema, or as the text of a relation's name, but for what is the server's own.
pub(super) fn names_in(statement: &Statement<'_>) -> Vec<(Name, Use)> {
    let tokens = statement.tokens();
    let mut found: Vec<(Name, Use)> = Vec::new();
    let mut at = 0;
    while at + 2 < tokens.len() {
        let name = if tokens[at].kind == Kind::Text {
            let cast = tokens[at + 1..].iter().take(3).map(|token| token.text).eq([":", ":", "regclass"]);
            let name = name_at(&Statement::of(&unliteral(tokens[at].text)), 0);
            name.filter(|_| cast).map(|name| (name, Use::Named))
        } else if tokens[at].can_be_part() && tokens[at + 1].is_sign(".") && tokens[at + 2].can_be_part() {
            let name = name_at(statement, at).map(|name| (name, used(statement, at)));
            at += 2;
            while at + 2 < tokens.len() && tokens[at + 1].is_sign(".") {
                at += 2;
            }
            name
        } else {
            operator(statement, at).map(|name| (name, Use::Named))
        };
        at += 1;
        found.extend(name.filter(|((schema, _), _)| !["pg_catalog", "information_schema"].contains(&schema.as_str())));
    }
    found.sort();
    found.dedup();
    found
}

/// How the name is used that begins at this place.
fn used(statement: &Statement<'_>, at: usize) -> Use {
    let tokens = statement.tokens();
    let before = at.checked_sub(1).map_or("", |at| tokens[at].text);
    // What is called has its parentheses at its name; a list of columns has them there behind one word alone.
    let end = tokens[at + 2].at + tokens[at + 2].text.len();
    let is_open = tokens.get(at + 3).is_some_and(|token| token.is_sign("(") && token.at == end);
    if is_open && !["REFERENCES", "INTO"].contains(&before) {
        return Use::Called;
    }
    let has_columns = ["RULE", "POLICY", "TRIGGER", "CONSTRAINT"].iter().any(|word| statement.has(0, &["CREATE", word]));
    let is_certain = [":", "COLLATE", "INTO", "JOIN", "UPDATE"].contains(&before);
    if has_columns && !is_certain { Use::Column } else { Use::Named }
}

/// The operator that is named at this place as `OPERATOR(schema.sign)`.
fn operator(statement: &Statement<'_>, at: usize) -> Option<Name> {
    let tokens = statement.tokens();
    let is_one = at >= 2 && tokens[at - 2].text == "OPERATOR" && tokens[at - 1].is_sign("(") && tokens[at + 1].is_sign(".");
    let signs = tokens[at + 2..].iter().take_while(|token| token.kind == Kind::Sign && !token.is_sign(")"));
    let signs: String = signs.map(|token| token.text).collect();
    (is_one && tokens[at].can_be_part() && !signs.is_empty()).then(|| (unquoted(tokens[at].text), signs))
}

/// A name with its schema at this place.
fn name_at(statement: &Statement<'_>, at: usize) -> Option<Name> {
    let tokens = statement.tokens();
    let (schema, name) = (tokens.get(at)?, tokens.get(at + 2)?);
    let fits = schema.can_be_part() && tokens[at + 1].is_sign(".") && name.is_name();
    fits.then(|| (unquoted(schema.text), unquoted(name.text)))
}

/// The last part of a name at this place.
fn last_of(statement: &Statement<'_>, at: usize) -> Option<String> {
    match name_at(statement, at) {
        Some((_, name)) => Some(name),
        None => statement.tokens().get(at).filter(|token| token.is_name()).map(|token| unquoted(token.text)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(schema: &str, name: &str) -> Name {
        (schema.to_owned(), name.to_owned())
    }

    #[test]
    fn the_table_of_a_statement_is_told_from_what_only_looks_like_it() {
        for (sql, found) in [
            ("CREATE TABLE public.t (a integer);", Some(("public", "t"))),
            ("CREATE UNLOGGED TABLE \"s. x\".\"We \"\"ird\" (a integer);", Some(("s. x", "We \"ird"))),
            ("ALTER TABLE ONLY public.t ALTER COLUMN a SET DEFAULT 1;", Some(("public", "t"))),
            ("ALTER TABLE public.t OWNER TO app;", Some(("public", "t"))),
            ("COMMENT ON COLUMN public.t.a IS 'CREATE TABLE x.y';", Some(("public", "t"))),
            ("GRANT SELECT(a),INSERT(\"ON\") ON TABLE public.t TO app;", Some(("public", "t"))),
            ("REVOKE ALL ON SEQUENCE public.s FROM PUBLIC;", Some(("public", "s"))),
            ("GRANT ALL ON SCHEMA public TO app;", None),
            ("GRANT ALL ON FUNCTION public.t(a integer) TO app;", None),
            ("COMMENT ON FUNCTION public.t(a integer) IS 'x';", None),
            ("CREATE VIEW public.t AS SELECT 1;", None),
            ("CREATE FUNCTION public.f() RETURNS integer LANGUAGE sql AS $$CREATE TABLE public.t (a int)$$;", None),
        ] {
            let found = found.map(|(schema, table)| name(schema, table));
            assert_eq!(relation(&Statement::of(sql)), found, "{sql}");
        }
    }

    #[test]
    fn what_is_built_on_a_table_and_said_of_that_is_told() {
        let made = |object: &str, what| Some(Subject::Made { table: name("public", "t"), object: object.to_owned(), what });
        let on = |object: &str| Some(Subject::OnTable { table: name("public", "t"), object: object.to_owned() });
        let of_two = |one: &str, two: &str| Some(Subject::Of { objects: vec![name("public", one), name("public", two)] });
        for (sql, found) in [
            ("CREATE UNIQUE INDEX \"ON\" ON public.t USING btree (a) WHERE (a > 0);", made("ON", "index")),
            ("CREATE INDEX i ON ONLY public.t USING btree (a);", made("i", "index")),
            ("ALTER TABLE ONLY public.t\n    ADD CONSTRAINT k PRIMARY KEY (a);", made("k", "constraint")),
            ("ALTER TABLE public.t\n    ADD CONSTRAINT c CHECK ((a > 0)) NOT VALID;", made("c", "constraint")),
            ("CREATE TRIGGER g BEFORE UPDATE OF a ON public.t FOR EACH ROW EXECUTE FUNCTION public.f();", made("g", "trigger")),
            ("CREATE RULE r AS\n    ON INSERT TO public.t DO INSTEAD NOTHING;", made("r", "rule")),
            ("CREATE POLICY p ON public.t USING (true);", made("p", "policy")),
            ("CREATE STATISTICS public.st ON a, b FROM public.t;", made("st", "statistics")),
            ("ALTER INDEX public.i ATTACH PARTITION public.j;", of_two("i", "j")),
            ("COMMENT ON CONSTRAINT k ON public.t IS 'x';", on("k")),
            ("ALTER TABLE public.t ENABLE ALWAYS TRIGGER g;", on("g")),
            ("ALTER TABLE public.t CLUSTER ON i;", on("i")),
            ("ALTER TABLE ONLY public.t REPLICA IDENTITY USING INDEX i;", on("i")),
            ("ALTER TABLE public.t ENABLE ROW LEVEL SECURITY;", Some(Subject::Relation(name("public", "t")))),
            ("ALTER PUBLICATION p ADD TABLE ONLY public.t;", None),
            ("CREATE EVENT TRIGGER e ON ddl_command_end EXECUTE FUNCTION public.f();", None),
        ] {
            assert_eq!(of(&Statement::of(sql)), found, "{sql}");
        }
    }

    #[test]
    fn sequences_and_partitions_are_found() {
        let own = |sql: &str| own_sequence(&Statement::of(sql));
        let both = Some((name("public", "t_id_seq"), name("public", "t")));
        assert_eq!(own("ALTER SEQUENCE public.t_id_seq OWNED BY public.t.id;"), both);
        let identity = "ALTER TABLE public.t ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (\n    SEQUENCE NAME public.t_id_seq\n    START WITH 1\n);";
        assert_eq!(own(identity), both);
        assert_eq!(own("ALTER SEQUENCE public.s OWNER TO app;"), None);
        assert_eq!(set_sequence("SELECT pg_catalog.setval('public.\"a''b\"', 5, true);"), Some(name("public", "a'b")));
        let attach = "ALTER TABLE ONLY public.p ATTACH PARTITION s.\"p 1\" FOR VALUES FROM (1) TO (2);";
        assert_eq!(partition(&Statement::of(attach)), Some((name("public", "p"), name("s", "p 1"))));
    }

    #[test]
    fn what_else_is_named_is_found_and_nothing_of_the_servers_own() {
        let sql = "CREATE TABLE public.t (a public.mood DEFAULT 'x.y'::public.mood, b numeric DEFAULT 1.5, \
                   c integer DEFAULT nextval('other.s'::regclass), d text COLLATE pg_catalog.\"C\");";
        let found = names_in(&Statement::of(sql));
        let expected = [("other", "s"), ("public", "mood"), ("public", "t")];
        assert_eq!(found, expected.map(|(schema, one)| (name(schema, one), Use::Named)));
    }

    #[test]
    fn a_column_and_a_function_are_told_from_a_relation() {
        let rule = "CREATE RULE r AS\n    ON UPDATE TO public.t WHERE (new.body IS DISTINCT FROM old.body) DO ALSO  INSERT INTO public.log (a)\n  \
                    VALUES (public.t(new.id), (new.how)::public.mood);";
        for (sql, expected) in [
            (
                rule,
                &[
                    (("new", "body"), Use::Column),
                    (("new", "how"), Use::Column),
                    (("new", "id"), Use::Column),
                    (("old", "body"), Use::Column),
                    (("public", "log"), Use::Named),
                    (("public", "mood"), Use::Named),
                    (("public", "t"), Use::Called),
                    (("public", "t"), Use::Column),
                ][..],
            ),
            (
                "ALTER TABLE ONLY public.t\n    ADD CONSTRAINT k FOREIGN KEY (a) REFERENCES public.p(id);",
                &[(("public", "p"), Use::Named), (("public", "t"), Use::Named)],
            ),
            (
                "CREATE INDEX i ON public.t USING btree (((a OPERATOR(public.+@) b)));",
                &[(("public", "+@"), Use::Named), (("public", "t"), Use::Named)],
            ),
        ] {
            let mut found = names_in(&Statement::of(sql));
            found.sort();
            let expected: Vec<_> = expected.iter().map(|((schema, one), how)| (name(schema, one), *how)).collect();
            assert_eq!(found, expected, "{sql}");
        }
    }

    #[test]
    fn what_a_table_inherits_from_and_schemas_are_told() {
        let kid = "CREATE TABLE public.kid (\n    a integer\n)\nINHERITS (public.par, s.\"p 2\");";
        assert_eq!(inherited(&Statement::of(kid)), [name("public", "par"), name("s", "p 2")]);
        assert!(inherited(&Statement::of("CREATE TABLE public.t (\n    \"INHERITS\" integer\n);")).is_empty());
        for (sql, found) in [
            ("CREATE SCHEMA \"s. x\";", Some("s. x")),
            ("CREATE EXTENSION IF NOT EXISTS pg_trgm WITH SCHEMA ext;", Some("ext")),
            ("COMMENT ON SCHEMA public IS 'x';", None),
        ] {
            assert_eq!(schema(&Statement::of(sql)).as_deref(), found, "{sql}");
        }
    }
}
