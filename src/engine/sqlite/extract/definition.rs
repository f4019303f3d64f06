//! A definition as the `sqlite3` shell is given it.
//!
//! Pure. SQLite keeps a definition as it was typed, with a comment at its end that would take what is printed behind it along. Held by the
//! table below it.

/// A definition that belongs to a table.
pub(super) struct Definition {
    pub(super) kind: String,
    pub(super) name: String,
    pub(super) sql: String,
}

/// What is printed of it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Written {
    /// The statement, ended.
    pub(super) sql: String,
    /// It has CR LF in quotes. The shell drops the CR, and a string of a definition cannot be written in another way.
    pub(super) loses_cr: bool,
}

impl Definition {
    /// The statement.
    pub(super) fn written(&self) -> Written {
        let (mut rest, mut loses_cr, mut end) = (self.sql.as_str(), false, "");
        while let Some(at) = rest.find(['\'', '"', '`', '[', '-', '/']) {
            rest = &rest[at..];
            let (closing, ends, is_comment) = match rest.as_bytes() {
                [b'-', b'-', ..] => ("\n", "\n", true),
                [b'/', b'*', ..] => ("*/", "*/", true),
                [b'-' | b'/', ..] => {
                    rest = &rest[1..];
                    continue;
                }
                [b'[', ..] => ("]", "", false),
                // A doubled quote ends one string and begins another.
                _ => (&rest[..1], "", false),
            };
            let behind = if is_comment { 2 } else { 1 };
            let length = rest[behind..].find(closing).map(|at| behind + at + closing.len());
            end = if length.is_none() { ends } else { "" };
            let (own, further) = rest.split_at(length.unwrap_or(rest.len()));
            loses_cr |= !is_comment && own.contains("\r\n");
            rest = further;
        }
        Written { sql: format!("{}{end};\n", self.sql), loses_cr }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_definition_ends_where_it_ends() {
        for (sql, end, loses_cr) in [
            ("CREATE TABLE t (a)", "", false),
            ("CREATE TABLE t (a) STRICT -- it's", "\n", false),
            ("CREATE TABLE t (a) STRICT -- it's\n", "", false),
            ("CREATE TABLE t (a) /* -- */", "", false),
            ("CREATE INDEX i ON t (a) /* it's", "*/", false),
            ("CREATE INDEX i ON t (a) /*/", "*/", false),
            ("CREATE TABLE t (a DEFAULT '-- it''s', \"/*\", [--], `'` CHECK (a - 1 / 2))", "", false),
            ("CREATE TABLE t (\r\n a, -- it's\r\n b /* \"\r\n */)", "", false),
            ("CREATE TABLE t (a DEFAULT 'x\r\ny')", "", true),
            ("CREATE TABLE t ( -- it's\n [a\r\nb])", "", true),
        ] {
            let definition = Definition { kind: "table".to_owned(), name: "t".to_owned(), sql: sql.to_owned() };
            assert_eq!(definition.written(), Written { sql: format!("{sql}{end};\n"), loses_cr }, "{sql}");
        }
    }
}
