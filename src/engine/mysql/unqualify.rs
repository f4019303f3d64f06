//! Taking a database's own name out of a definition, so that it means the same in a database of any name.
//!
//! Pure. Invariant: nothing inside a string, a comment or a body is touched; held by `tests.rs`.

/// Functions whose argument is a sequence, which the server prints with its database.
const SEQUENCE_FUNCTIONS: [&str; 3] = ["nextval", "lastval", "setval"];
/// Words behind which a table is named, beside the `from` of a query.
const TABLE_WORDS: [&str; 3] = ["references", "join", "straight_join"];

/// A lexical piece of a statement, with where it begins and ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Piece<'a> {
    /// `` `name` `` as it stands.
    Quoted(&'a str),
    /// A bare word.
    Word(&'a str),
    /// One other character.
    Mark(char),
    /// White space, a string, a comment.
    Rest(&'a str),
}

/// Takes it out of what the server prints in a form of its own: tables, views, sequences. Only where it can be nothing but
/// a database: before a function or a sequence, behind a word that names a table, or in a name of three parts.
pub(super) fn unqualify(sql: &str, database: &str) -> String {
    rewrite(sql, database, |pieces, at| {
        let follows = |offset: usize| pieces.get(at + offset).copied();
        let is_function = matches!(follows(3), Some(Piece::Mark('(')));
        let is_three = matches!(follows(3), Some(Piece::Mark('.')));
        is_function || is_three || names_a_table(&pieces[..at])
    })
}

/// Takes it out of a trigger's head, which is stored as it was typed: up to `FOR EACH ROW`.
pub(super) fn unqualify_head(sql: &str, database: &str) -> String {
    let lower = sql.to_ascii_lowercase();
    let words: Vec<&str> = lower.split_ascii_whitespace().collect();
    let body = words.windows(3).position(|three| three == ["for", "each", "row"]);
    let Some(body) = body else { return sql.to_owned() };
    // Where the third word of the three ends, counted in the original.
    let mut rest = sql;
    for word in words.iter().take(body + 3) {
        rest = rest.trim_start_matches(|c: char| c.is_ascii_whitespace());
        rest = &rest[word.len()..];
    }
    let head = &sql[..sql.len() - rest.len()];
    rewrite(head, database, |_, _| true) + rest
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
    let is_database = |piece: &Piece<'_>| match piece {
        Piece::Quoted(name) => name[1..name.len() - 1].replace("``", "`") == database,
        Piece::Word(word) => *word == database,
        _ => false,
    };
    let mut text = String::with_capacity(sql.len());
    let mut at = 0;
    while at < pieces.len() {
        let leads = at == 0 || pieces[at - 1] != Piece::Mark('.');
        if leads && is_database(&pieces[at]) && pieces.get(at + 1) == Some(&Piece::Mark('.')) && when(&pieces, at) {
            at += 2;
            continue;
        }
        match pieces[at] {
            Piece::Quoted(piece) | Piece::Word(piece) | Piece::Rest(piece) => text.push_str(piece),
            Piece::Mark(mark) => text.push(mark),
        }
        at += 1;
    }
    text
}

fn cut(sql: &str) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    let mut rest = sql;
    while let Some(first) = rest.chars().next() {
        let is_word = |c: char| c.is_alphanumeric() || c == '_' || c == '$';
        let length = match first {
            '`' | '\'' | '"' => quoted_length(rest, first),
            '/' if rest.starts_with("/*") && !rest.starts_with("/*!") && !rest.starts_with("/*M!") => {
                rest.find("*/").map_or(rest.len(), |end| end + 2)
            }
            _ if is_word(first) => rest.find(|c| !is_word(c)).unwrap_or(rest.len()),
            _ if first.is_whitespace() => rest.find(|c: char| !c.is_whitespace()).unwrap_or(rest.len()),
            _ => first.len_utf8(),
        };
        let (piece, behind) = rest.split_at(length);
        pieces.push(match first {
            '`' if piece.len() > 2 => Piece::Quoted(piece),
            '`' | '\'' | '"' => Piece::Rest(piece),
            '/' if length > 1 => Piece::Rest(piece),
            _ if is_word(first) => Piece::Word(piece),
            _ if first.is_whitespace() => Piece::Rest(piece),
            mark => Piece::Mark(mark),
        });
        rest = behind;
    }
    pieces
}

/// Up to and including the closing quote; a doubled one closes nothing, nor does one behind a backslash in a string.
fn quoted_length(text: &str, quote: char) -> usize {
    let mut characters = text.char_indices().skip(1).peekable();
    while let Some((at, character)) = characters.next() {
        if character == '\\' && quote != '`' {
            characters.next();
        } else if character == quote {
            match characters.peek() {
                Some((_, next)) if *next == quote => drop(characters.next()),
                _ => return at + 1,
            }
        }
    }
    text.len()
}

#[cfg(test)]
mod tests;
