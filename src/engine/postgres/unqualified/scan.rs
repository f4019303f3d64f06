//! What a function's text names without a schema.
//!
//! Pure. Knows the places in which a statement names a relation, a function or a type, and compares what stands there with what there is;
//! a column or a variable of the same name stands elsewhere. Held by `scan/tests.rs`.

use std::collections::{BTreeMap, BTreeSet};

use super::super::tokens::{Kind, Token, tokens};

/// What is in the user's schemas and not under the same name in the system's: each name with its schemas.
#[derive(Debug, Default)]
pub(super) struct Names {
    /// Tables, views, sequences.
    pub(super) relations: BTreeMap<String, BTreeSet<String>>,
    /// Functions.
    pub(super) functions: BTreeMap<String, BTreeSet<String>>,
    /// Types.
    pub(super) types: BTreeMap<String, BTreeSet<String>>,
}

impl Names {
    /// In which schemas something of this name is.
    pub(super) fn schemas(&self, name: &str) -> BTreeSet<&str> {
        let all = [&self.relations, &self.functions, &self.types];
        all.iter().filter_map(|names| names.get(name)).flatten().map(String::as_str).collect()
    }
}

/// What was found in a text.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Found {
    /// The first name without a schema.
    pub(super) missing: Option<String>,
    /// Functions that are called, with a schema or without.
    pub(super) calls: BTreeSet<String>,
}

impl Found {
    fn miss(&mut self, name: &str) {
        self.missing.get_or_insert_with(|| name.to_owned());
    }
}

/// Looks through the text of a function.
pub(super) fn scan(text: &str, names: &Names) -> Found {
    let mut found = Found::default();
    let tokens = tokens(text);
    look(&tokens, names, &mut found);
    // What is put together is in strings.
    if tokens.iter().any(|token| is(token, "execute")) {
        for text in tokens.iter().filter(|token| token.kind == Kind::Text) {
            let inner = unquoted(text.text);
            look(&super::super::tokens::tokens(&inner), names, &mut found);
        }
    }
    found
}

fn look(tokens: &[Token<'_>], names: &Names, found: &mut Found) {
    let view = View { tokens, own: own_names(tokens), names };
    // In which of the open parentheses a statement stands: `FROM` is a word of `extract` and `substring`, too.
    let mut reads = vec![false];
    for (at, token) in tokens.iter().enumerate() {
        let depth = token.depth as usize;
        reads.resize(depth + 1, false);
        if token.is_sign("(") {
            reads.push(false);
        } else if token.is_sign(";") {
            reads[depth] = false;
        } else if is(token, "select") || is(token, "delete") || is(token, "merge") {
            reads[depth] = true;
        }
        if let Some(name) = view.relation_behind(at, reads[depth]).or_else(|| view.type_at(at)).or_else(|| view.text_at(at)) {
            found.miss(&name);
        }
        if let Some((name, qualified)) = view.call_at(at) {
            if !qualified {
                found.miss(&name);
            }
            found.calls.insert(name);
        }
    }
}

/// Names that a statement makes for itself: `WITH name AS (…)`.
fn own_names(tokens: &[Token<'_>]) -> BTreeSet<String> {
    let mut own = BTreeSet::new();
    for (at, token) in tokens.iter().enumerate().filter(|(_, token)| token.is_name()) {
        let begins = at.checked_sub(1).is_some_and(|before| {
            let before = &tokens[before];
            is(before, "with") || is(before, "recursive") || before.is_sign(",")
        });
        let mut next = at + 1;
        if tokens.get(next).is_some_and(|token| token.is_sign("(")) {
            next = behind_parentheses(tokens, next);
        }
        let is_query = |token: &Token<'_>| token.is_sign("(") || is(token, "materialized") || is(token, "not");
        let named = tokens.get(next).is_some_and(|token| is(token, "as")) && tokens.get(next + 1).is_some_and(is_query);
        if begins && named {
            own.insert(folded(token));
        }
    }
    own
}

/// The place behind the parentheses that open here.
fn behind_parentheses(tokens: &[Token<'_>], open: usize) -> usize {
    let depth = tokens[open].depth;
    let closed = tokens.iter().skip(open).position(|token| token.is_sign(")") && token.depth == depth);
    closed.map_or(tokens.len(), |length| open + length + 1)
}

struct View<'a> {
    tokens: &'a [Token<'a>],
    own: BTreeSet<String>,
    names: &'a Names,
}

impl View<'_> {
    fn is(&self, at: Option<usize>, word: &str) -> bool {
        at.and_then(|at| self.tokens.get(at)).is_some_and(|token| is(token, word))
    }

    fn sign(&self, at: Option<usize>, sign: &str) -> bool {
        at.and_then(|at| self.tokens.get(at)).is_some_and(|token| token.is_sign(sign))
    }

    /// The first relation without a schema that a keyword at this place is followed by.
    fn relation_behind(&self, at: usize, reads: bool) -> Option<String> {
        let before = at.checked_sub(1);
        let lists = self.is(Some(at), "from") && reads && !self.is(before, "distinct");
        let one = self.is(Some(at), "join")
            || self.is(Some(at), "update")
            || self.is(Some(at), "using") && reads
            || self.is(Some(at), "into") && (self.is(before, "insert") || self.is(before, "merge"));
        if !lists && !one {
            return None;
        }
        let mut next = at + 1;
        loop {
            if self.is(Some(next), "only") || self.is(Some(next), "lateral") {
                next += 1;
            }
            let token = self.tokens.get(next)?;
            let mut behind = if token.is_sign("(") { behind_parentheses(self.tokens, next) } else { next + 1 };
            if token.is_name() && !self.sign(Some(behind), ".") && (one || !self.sign(Some(behind), "(")) {
                let name = folded(token);
                if self.names.relations.contains_key(&name) && !self.own.contains(&name) {
                    return Some(name);
                }
            }
            // The rest of the name, arguments, and what it is called here, up to the next one of the list.
            while self.sign(Some(behind), ".") {
                behind += 2;
            }
            if self.sign(Some(behind), "(") {
                behind = behind_parentheses(self.tokens, behind);
            }
            while self.tokens.get(behind).is_some_and(Token::is_name) && !self.sign(Some(behind), ",") && behind < next + 8 {
                behind += 1;
            }
            if !lists || !self.sign(Some(behind), ",") {
                return None;
            }
            next = behind + 1;
        }
    }

    /// The function that is called here, and whether with a schema.
    fn call_at(&self, at: usize) -> Option<(String, bool)> {
        let token = &self.tokens[at];
        let before = at.checked_sub(1);
        if !token.is_name() || !self.sign(Some(at + 1), "(") || self.is(before, "into") || self.is(before, "table") {
            return None;
        }
        let name = folded(token);
        let qualified = self.sign(before, ".");
        let called = self.names.functions.contains_key(&name) && (qualified || !self.own.contains(&name));
        called.then_some((name, qualified))
    }

    /// The type without a schema that something is cast to here.
    fn type_at(&self, at: usize) -> Option<String> {
        let cast = self.sign(at.checked_sub(1), ":") && self.sign(at.checked_sub(2), ":");
        let name = folded(&self.tokens[at]);
        (cast && !self.sign(Some(at + 1), ".") && self.names.types.contains_key(&name)).then_some(name)
    }

    /// The relation without a schema that a text here is the name of.
    fn text_at(&self, at: usize) -> Option<String> {
        let token = &self.tokens[at];
        let is_cast = self.sign(Some(at + 1), ":") && self.sign(Some(at + 2), ":") && self.is(Some(at + 3), "regclass");
        let of_sequence = ["nextval", "currval", "setval"].iter().any(|word| self.is(at.checked_sub(2), word));
        let is_named = is_cast || of_sequence && self.sign(at.checked_sub(1), "(");
        if token.kind != Kind::Text || !is_named {
            return None;
        }
        let name = unquoted(token.text).to_lowercase();
        self.names.relations.contains_key(&name).then_some(name)
    }
}

/// Whether it is this keyword, however it is written.
fn is(token: &Token<'_>, word: &str) -> bool {
    token.kind == Kind::Word && token.text.eq_ignore_ascii_case(word)
}

/// The name, as the server keeps it.
fn folded(token: &Token<'_>) -> String {
    match token.kind {
        Kind::Name => super::super::grammar::unquoted(token.text),
        _ => token.text.to_lowercase(),
    }
}

/// What a string says, near enough for the names in it.
fn unquoted(text: &str) -> String {
    if let Some(tag) = super::super::split::tag(text.as_bytes()) {
        return text.get(tag..text.len().saturating_sub(tag)).unwrap_or_default().to_owned();
    }
    let plain = text.trim_start_matches(['e', 'E']);
    plain.trim_matches('\'').replace("''", "'")
}

#[cfg(test)]
mod tests;
