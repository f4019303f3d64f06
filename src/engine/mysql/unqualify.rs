//! Taking a database's own name out of a definition, so that it means the same in a database of any name.
//!
//! Pure. Invariant: nothing inside a string, a comment or a body is touched; held by `tests.rs`.

use super::connect::quote;
use super::plain::length_in_quotes;

/// Functions whose argument is a sequence, which the server prints with its database.
const SEQUENCE_FUNCTIONS: [&str; 3] = ["nextval", "lastval", "setval"];
/// Words behind which a table is named, beside the `from` of a query.
const TABLE_WORDS: [&str; 3] = ["references", "join", "straight_join"];

/// A lexical piece of a statement, with where it begins and ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Piece<'a> {
    /// `` `name` `` as it stands; in double quotes, too, where a head was typed so.
    Quoted(&'a str),
    /// A bare word.
    Word(&'a str),
    /// One other character.
    Mark(char),
    /// White space, a string, a comment.
    Rest(&'a str),
}

impl Piece<'_> {
    fn print(self, text: &mut String) {
        match self {
            Self::Quoted(piece) | Self::Word(piece) | Self::Rest(piece) => text.push_str(piece),
            Self::Mark(mark) => text.push(mark),
        }
    }
}

/// Takes it out of what the server prints in a form of its own: tables, views, sequences. Only where it can be nothing but
/// a database: before a function or a sequence, behind a word that names a table, or in a name of three parts.
pub(super) fn unqualify(sql: &str, database: &str) -> String {
    rewrite(sql, database, |pieces, at| {
        let follows = |offset: usize| pieces.get(at + offset).copied();
        let is_function = matches!(follows(3), Some(Piece::Mark('(')));
        let is_three = matches!(follows(3), Some(Piece::Mark('.')));
        // A packaged function is called with its database or not found.
        if is_three && is_packaged(pieces, at) {
            return false;
        }
        is_function || is_three || names_a_table(&pieces[..at])
    })
}

/// What stands for the database that a view is made in, where it calls a packaged function. No database is called so.
pub(super) const HERE: &str = " ";

/// A view's statement with another database where it calls a packaged function of one that `is_meant`, as that is printed.
pub(super) fn call_packages_of(sql: &str, database: &str, is_meant: impl Fn(&str) -> bool) -> String {
    let pieces = cut(sql);
    let mut text = String::with_capacity(sql.len());
    for (at, piece) in pieces.iter().enumerate() {
        match piece {
            Piece::Quoted(name) if is_packaged(&pieces, at) && is_meant(name) => text.push_str(&quote(database)),
            piece => piece.print(&mut text),
        }
    }
    text
}

/// Whether a call of three parts begins there: `` `database`.`package`.`function`( ``.
fn is_packaged(pieces: &[Piece<'_>], at: usize) -> bool {
    use Piece::{Mark, Quoted};
    matches!(pieces[at..], [Quoted(_), Mark('.'), Quoted(_), Mark('.'), Quoted(_), Mark('('), ..])
}

/// Takes any database out of a trigger's head, up to `FOR EACH ROW`, which MariaDB stores as it was typed: a trigger is in its
/// table's database and no other. `None` for what has no such head.
pub(super) fn unqualify_head(sql: &str) -> Option<String> {
    let pieces = cut(sql);
    let body = body_of(&pieces)?;
    let mut text = String::with_capacity(sql.len());
    let mut at = 0;
    while at < pieces.len() {
        let is_name = at < body && matches!(pieces[at], Piece::Word(_) | Piece::Quoted(_));
        let dot = behind_rest(&pieces, at + 1);
        if is_name && pieces.get(dot) == Some(&Piece::Mark('.')) {
            // It may have been its quote alone that kept two words apart.
            if at > 0 && matches!(pieces[at - 1], Piece::Word(_)) {
                text.push(' ');
            }
            at = behind_rest(&pieces, dot + 1);
        } else {
            pieces[at].print(&mut text);
            at += 1;
        }
    }
    Some(text)
}

/// Where the body of a trigger begins.
fn body_of(pieces: &[Piece<'_>]) -> Option<usize> {
    (0..pieces.len()).find_map(|first| {
        let second = behind_rest(pieces, first + 1);
        let third = behind_rest(pieces, second + 1);
        let is = |at: usize, known: &str| matches!(pieces.get(at), Some(Piece::Word(word)) if word.eq_ignore_ascii_case(known));
        (is(first, "for") && is(second, "each") && is(third, "row")).then_some(third + 1)
    })
}

/// The first piece from there that says something.
fn behind_rest(pieces: &[Piece<'_>], at: usize) -> usize {
    let rest = pieces.iter().skip(at).take_while(|piece| matches!(piece, Piece::Rest(_)));
    at + rest.count()
}

/// Whether a table is named at the end of the pieces, or a sequence.
fn names_a_table(before: &[Piece<'_>]) -> bool {
    let is_passed = |piece: &Piece<'_>| matches!(piece, Piece::Rest(_) | Piece::Mark('('));
    let Some(last) = before.iter().rposition(|piece| !is_passed(piece)) else { return false };
    let Piece::Word(word) = before[last] else { return false };
    if word.eq_ignore_ascii_case("from") {
        return is_of_a_query(&before[..last]);
    }
    let is = |known: &&str| word.eq_ignore_ascii_case(known);
    let is_inside = before[last..].contains(&Piece::Mark('('));
    TABLE_WORDS.iter().any(is) || (is_inside && SEQUENCE_FUNCTIONS.iter().any(is))
}

/// Whether a `from` behind the pieces is a query's: its `select` is in the same parentheses. There is also that of a function,
/// as in `trim(leading 'x' from …)`.
fn is_of_a_query(before: &[Piece<'_>]) -> bool {
    let mut depth = 0_usize;
    for piece in before.iter().rev() {
        match piece {
            Piece::Mark(')') => depth += 1,
            Piece::Mark('(') if depth == 0 => return false,
            Piece::Mark('(') => depth -= 1,
            Piece::Word(word) if depth == 0 && word.eq_ignore_ascii_case("select") => return true,
            _ => {}
        }
    }
    true
}

/// Drops `` `database`. `` wherever `when` says so.
fn rewrite(sql: &str, database: &str, when: impl Fn(&[Piece<'_>], usize) -> bool) -> String {
    let pieces = cut(sql);
    let quoted = quote(database);
    let mut text = String::with_capacity(sql.len());
    let mut at = 0;
    while at < pieces.len() {
        let leads = at == 0 || pieces[at - 1] != Piece::Mark('.');
        let is_database = pieces[at] == Piece::Quoted(&quoted) || pieces[at] == Piece::Word(database);
        if leads && is_database && pieces.get(at + 1) == Some(&Piece::Mark('.')) && when(&pieces, at) {
            at += 2;
        } else {
            pieces[at].print(&mut text);
            at += 1;
        }
    }
    text
}

fn cut(sql: &str) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    let mut rest = sql;
    while let Some(first) = rest.chars().next() {
        let (piece, behind) = rest.split_at(length_of_piece(rest, first));
        pieces.push(match first {
            '`' | '"' if piece.len() > 2 => Piece::Quoted(piece),
            '`' | '\'' | '"' => Piece::Rest(piece),
            '/' | '-' if piece.len() > 1 => Piece::Rest(piece),
            '#' => Piece::Rest(piece),
            _ if is_word(first) => Piece::Word(piece),
            _ if is_blank(first) => Piece::Rest(piece),
            mark => Piece::Mark(mark),
        });
        rest = behind;
    }
    pieces
}

fn length_of_piece(rest: &str, first: char) -> usize {
    let up_to = |end: Option<usize>| end.unwrap_or(rest.len());
    let is_block = rest.starts_with("/*") && !rest.starts_with("/*!") && !rest.starts_with("/*M!");
    let is_line = first == '#' || rest.strip_prefix("--").is_some_and(|behind| behind.chars().next().is_none_or(is_blank));
    match first {
        '`' | '\'' | '"' => length_in_quotes(rest),
        _ if is_block => up_to(rest.find("*/").map(|end| end + 2)),
        _ if is_line => up_to(rest.find('\n')),
        _ if is_word(first) => up_to(rest.find(|c| !is_word(c))),
        _ if is_blank(first) => up_to(rest.find(|c| !is_blank(c))),
        _ => first.len_utf8(),
    }
}

/// What a bare name is made of: all that is not ASCII, too.
fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_' || c == '$' || !c.is_ascii()
}

fn is_blank(c: char) -> bool {
    c.is_ascii_whitespace() || c == '\x0b'
}

#[cfg(test)]
mod tests;
