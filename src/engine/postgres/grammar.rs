//! What a statement that `pg_dump` wrote is about: told by its words, never by what stands in its strings, names or comments.
//!
//! Pure. Not a parser of SQL: it knows the few forms that the archive has to treat in a way of its own, and answers `None` for all
//! others. Held by `grammar/tests.rs`, where every form stands beside one that only looks like it.

pub(super) use super::tokens::Kind;
use super::tokens::{Token, tokens};

/// A statement in tokens.
#[derive(Debug)]
pub(super) struct Statement<'a> {
    sql: &'a str,
    tokens: Vec<Token<'a>>,
}

impl<'a> Statement<'a> {
    /// Cuts it up.
    pub(super) fn of(sql: &'a str) -> Self {
        Self { sql, tokens: tokens(sql) }
    }

    /// As it stands.
    pub(super) fn sql(&self) -> &'a str {
        self.sql
    }

    /// All tokens.
    pub(super) fn tokens(&self) -> &[Token<'a>] {
        &self.tokens
    }

    /// Whether these keywords stand at this place, one after the other.
    pub(super) fn has(&self, at: usize, words: &[&str]) -> bool {
        let here = self.tokens.get(at..at + words.len());
        here.is_some_and(|here| here.iter().zip(words).all(|(token, word)| token.kind == Kind::Word && token.text == *word))
    }

    /// A name of one or more parts that begins at this place, as it is spelled, and the place behind it.
    fn name(&self, at: usize) -> Option<(&'a str, usize)> {
        let first = self.tokens.get(at).filter(|token| token.is_name())?;
        let mut last = at;
        while self.tokens.get(last + 1).is_some_and(|token| token.is_sign("."))
            && self.tokens.get(last + 2).is_some_and(Token::is_name)
        {
            last += 2;
        }
        let end = self.tokens[last].at + self.tokens[last].text.len();
        Some((&self.sql[first.at..end], last + 1))
    }

    /// Names of roles from this place on, with commas between them; `PUBLIC` is none.
    fn roles(&self, mut at: usize, into: &mut Vec<&'a str>) {
        while let Some(token) = self.tokens.get(at).filter(|token| token.is_name()) {
            if !(token.kind == Kind::Word && token.text == "PUBLIC") {
                into.push(token.text);
            }
            if !self.tokens.get(at + 1).is_some_and(|token| token.is_sign(",")) {
                return;
            }
            at += 2;
        }
    }

    /// The place of a keyword outside of parentheses.
    pub(super) fn place_of(&self, word: &str, from: usize) -> Option<usize> {
        let is_it = |token: &Token<'_>| token.depth == 0 && token.kind == Kind::Word && token.text == word;
        self.tokens.iter().enumerate().skip(from).find(|(_, token)| is_it(token)).map(|(at, _)| at)
    }

    /// Where a keyword ends that stands outside of parentheses.
    pub(super) fn end_of(&self, word: &str) -> Option<usize> {
        self.place_of(word, 0).map(|at| self.tokens[at].at + word.len())
    }

    /// Whether it is the one call with which `pg_dump` empties the search path.
    pub(super) fn sets_search_path(&self) -> bool {
        let words = ["pg_catalog", ".", "set_config", "(", "'search_path'"];
        self.has(0, &["SELECT"]) && words.iter().zip(self.tokens.iter().skip(1)).all(|(word, token)| token.text == *word)
    }

    /// Whom a thing is given to: `ALTER … OWNER TO role;` and nothing behind it.
    pub(super) fn owner(&self) -> Option<&'a str> {
        let at = self.tokens.len().checked_sub(4)?;
        let fits = self.has(0, &["ALTER"]) && at > 1 && self.tokens[at].depth == 0 && self.has(at, &["OWNER", "TO"]);
        let role = self.tokens.get(at + 2).filter(|token| fits && token.is_name())?;
        self.tokens.last().is_some_and(|last| last.is_sign(";")).then_some(role.text)
    }

    /// The schema of what is given to somebody; none of what is in no schema.
    pub(super) fn owner_in(&self) -> Option<&'a str> {
        let dot = self.tokens.iter().position(|token| token.is_sign(".") && token.depth == 0)?;
        dot.checked_sub(1).map(|at| self.tokens[at].text)
    }

    /// Whether it gives a privilege on a schema.
    pub(super) fn grants_on_schema(&self) -> bool {
        let on = self.place_of("ON", 0);
        self.has(0, &["GRANT"]) && on.is_some_and(|on| self.has(on, &["ON", "SCHEMA"]))
    }

    /// The roles without which it cannot run, where it is a statement that names roles: a grant, default privileges, a policy,
    /// a user mapping, another session's name. An owner is not among them.
    pub(super) fn names_roles(&self) -> Vec<&'a str> {
        let mut found = Vec::new();
        if self.has(0, &["GRANT"]) || self.has(0, &["REVOKE"]) {
            self.granted(0, &mut found);
        } else if self.has(0, &["ALTER", "DEFAULT", "PRIVILEGES"]) {
            found.extend(self.roles_acted_for());
            let verb = self.place_of("GRANT", 3).or_else(|| self.place_of("REVOKE", 3));
            self.granted(verb.unwrap_or(0), &mut found);
        } else if self.has(0, &["CREATE", "POLICY"]) {
            if let Some(to) = self.policy_part("TO") {
                self.roles(to + 1, &mut found);
            }
        } else if self.has(0, &["CREATE", "USER", "MAPPING", "FOR"]) {
            self.roles(4, &mut found);
        } else if self.has(0, &["SET", "SESSION", "AUTHORIZATION"]) {
            self.roles(3, &mut found);
        }
        found
    }

    /// Those of them for whom the session must act: whose default privileges these are.
    pub(super) fn roles_acted_for(&self) -> Vec<&'a str> {
        let mut found = Vec::new();
        if self.has(0, &["ALTER", "DEFAULT", "PRIVILEGES", "FOR", "ROLE"]) {
            self.roles(5, &mut found);
        }
        found
    }

    /// The last `TO` or `FROM` of a grant: a privilege, a column or an object of that name stands before it, or in quotes.
    fn granted(&self, verb: usize, into: &mut Vec<&'a str>) {
        let mark = if self.has(verb, &["GRANT"]) { "TO" } else { "FROM" };
        let is_it = |token: &Token<'_>| token.depth == 0 && token.kind == Kind::Word && token.text == mark;
        if let Some(at) = self.tokens.iter().rposition(is_it) {
            self.roles(at + 1, into);
        }
        if let Some(at) = self.place_of("GRANTED", verb).filter(|at| self.has(*at, &["GRANTED", "BY"])) {
            self.roles(at + 2, into);
        }
    }

    /// A clause of `CREATE POLICY name ON table [AS …] [FOR …] [TO …] [USING (…)]`.
    fn policy_part(&self, word: &str) -> Option<usize> {
        let (_, behind) = self.policy()?;
        self.place_of(word, behind)
    }

    /// The table a policy is for, as it is spelled, and the place behind it.
    fn policy(&self) -> Option<(&'a str, usize)> {
        if !(self.has(0, &["CREATE", "POLICY"]) && self.has(3, &["ON"])) {
            return None;
        }
        self.name(4)
    }

    /// The policy's name and table, where it is a policy that takes rows away.
    pub(super) fn restrictive_policy(&self) -> Option<(&'a str, &'a str)> {
        let (table, behind) = self.policy()?;
        let name = self.tokens.get(2)?.text;
        self.has(behind, &["AS", "RESTRICTIVE"]).then_some((name, table))
    }

    /// The extension that a comment is on.
    pub(super) fn commented_extension(&self) -> Option<&'a str> {
        let name = self.tokens.get(3).filter(|_| self.has(0, &["COMMENT", "ON", "EXTENSION"]))?;
        self.has(4, &["IS"]).then_some(name.text)
    }

    /// Whose a security label is: a provider that the server must have loaded.
    pub(super) fn label_provider(&self) -> Option<&'a str> {
        let name = self.tokens.get(3).filter(|token| self.has(0, &["SECURITY", "LABEL", "FOR"]) && token.is_name())?;
        self.has(4, &["ON"]).then_some(name.text)
    }

    /// The tablespace that what follows is to be in: empty for the database's own.
    pub(super) fn default_tablespace(&self) -> Option<String> {
        let at = if self.has(0, &["SET", "default_tablespace"]) { 2 } else { return None };
        let value = self.tokens.get(at + 1).filter(|_| self.tokens[at].is_sign("="))?;
        match value.kind {
            Kind::Word | Kind::Name => Some(unquoted(value.text)),
            Kind::Text => Some(value.text.trim_matches('\'').replace("''", "'")),
            Kind::Sign => None,
        }
    }

    /// The table an index or a key is built on, as it is spelled.
    pub(super) fn indexed_table(&self) -> Option<&'a str> {
        let index = ["CREATE INDEX", "CREATE UNIQUE INDEX"].iter().find_map(|words| {
            let words: Vec<&str> = words.split(' ').collect();
            self.has(0, &words).then_some(words.len())
        });
        if let Some(at) = index {
            let (_, on) = self.name(at)?;
            let (table, using) = self.name(on + 1).filter(|_| self.has(on, &["ON"]) && !self.has(on + 1, &["ONLY"]))?;
            return self.has(using, &["USING"]).then_some(table);
        }
        let (table, kind) = self.constraint()?;
        let key = self.has(kind, &["PRIMARY", "KEY"]) || self.has(kind, &["UNIQUE"]) || self.has(kind, &["EXCLUDE"]);
        key.then_some(table)
    }

    /// Whether a foreign key could refer to what this builds.
    pub(super) fn may_be_referred_to(&self) -> bool {
        let constraint = self.constraint_of("ALTER TABLE ONLY").or_else(|| self.constraint_of("ALTER TABLE"));
        let key = constraint.is_some_and(|(_, kind)| self.has(kind, &["PRIMARY", "KEY"]) || self.has(kind, &["UNIQUE"]));
        key || self.has(0, &["CREATE", "UNIQUE", "INDEX"]) || self.has(0, &["ALTER", "INDEX"])
    }

    /// The table that refers and the one referred to, as they are spelled.
    pub(super) fn foreign_tables(&self) -> Option<(&'a str, &'a str)> {
        let (table, kind) = self.constraint()?;
        let references = self.place_of("REFERENCES", kind).filter(|_| self.has(kind, &["FOREIGN", "KEY"]))?;
        let (referred, _) = self.name(references + 1)?;
        Some((table, referred))
    }

    /// `ALTER TABLE ONLY table ADD CONSTRAINT name …`: the table, and the place behind the name.
    fn constraint(&self) -> Option<(&'a str, usize)> {
        self.constraint_of("ALTER TABLE ONLY")
    }

    fn constraint_of(&self, begin: &str) -> Option<(&'a str, usize)> {
        let words: Vec<&str> = begin.split(' ').collect();
        let (table, add) = self.name(words.len()).filter(|_| self.has(0, &words))?;
        let name = self.tokens.get(add + 2).filter(|token| token.is_name() && self.has(add, &["ADD", "CONSTRAINT"]));
        name.map(|_| (table, add + 3))
    }

    /// Whether what it builds is computed by what somebody defined: a function, an operator or a cast that is named with a schema.
    /// The archive has no search path, so the server's own are named without one.
    pub(super) fn calls(&self) -> bool {
        let condition = self.place_of("WHERE", 0).unwrap_or(self.tokens.len());
        let inside = |(at, token): (usize, &Token<'_>)| token.is_sign(".") && (token.depth > 0 || at > condition);
        self.tokens.iter().enumerate().filter(|found| inside(*found)).any(|(dot, _)| self.is_call_at(dot))
    }

    /// Whether what is named with a schema around this dot is called. Not called are an operator class, a collation and the type of a
    /// literal, which is what it is: a domain is behind parentheses, like every cast. A number has a dot as well.
    fn is_call_at(&self, dot: usize) -> bool {
        let token = |at: Option<usize>| at.and_then(|at| self.tokens.get(at));
        let sign = |at: Option<usize>, sign: &str| token(at).is_some_and(|token| token.is_sign(sign));
        let word = |at: Option<usize>, words: &[&str]| {
            token(at).is_some_and(|token| token.kind == Kind::Word && words.contains(&token.text))
        };
        let before = |count: usize| dot.checked_sub(count);
        if sign(before(2), "(") && word(before(3), &["OPERATOR"]) {
            return true;
        }
        if !token(before(1)).is_some_and(Token::can_be_part) || !token(Some(dot + 1)).is_some_and(Token::can_be_part) {
            return false;
        }
        if sign(before(2), ":") && sign(before(3), ":") {
            let of_literal = token(before(4)).is_some_and(|token| token.kind == Kind::Text) || word(before(4), &["NULL"]);
            return !of_literal;
        }
        sign(Some(dot + 2), "(")
    }

    /// Whether `psql` would take something in it for a command of its own.
    pub(super) fn speaks_to_psql(&self) -> bool {
        self.tokens.iter().any(|token| token.is_sign("\\"))
    }
}

/// A name without its quotes.
pub(super) fn unquoted(name: &str) -> String {
    match name.strip_prefix('"').and_then(|name| name.strip_suffix('"')) {
        Some(inner) => inner.replace("\"\"", "\""),
        None => name.to_owned(),
    }
}

#[cfg(test)]
mod tests;
