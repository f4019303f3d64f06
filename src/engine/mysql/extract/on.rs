//! The table that a trigger is on, which stands in its statement as somebody typed it.
//!
//! Pure. Passes over comments; nothing in quotes is taken for a word. Held by the table below it.

use super::super::plain::length_in_quotes;
use crate::engine::excerpt::Name;

/// Whether a trigger is on this table of all. One that does not say so in a way known here may be.
pub(super) fn is_on(sql: &str, trigger: &str, table: &str, all: &[Name]) -> bool {
    let behind = sql.split_once(trigger).map_or("", |(_, behind)| behind);
    let Some(typed) = named(behind) else { return true };
    // On some servers the case of a name does not count.
    let is_like = || typed.to_lowercase() == table.to_lowercase() && !all.iter().any(|(_, name)| *name == typed);
    typed == table || is_like()
}

/// The table that is named behind the first `ON`, with or without its database.
fn named(text: &str) -> Option<String> {
    let mut tokens = Tokens { rest: text };
    tokens.find(|token| matches!(token, Token::Word(word) if word.eq_ignore_ascii_case("ON")))?;
    let first = tokens.next()?.name()?;
    match tokens.next() {
        Some(Token::Sign('.')) => tokens.next()?.name(),
        _ => Some(first),
    }
}

/// A part of a statement.
enum Token<'a> {
    Word(&'a str),
    /// With its quotes.
    Quoted(&'a str),
    Sign(char),
}

impl Token<'_> {
    fn name(&self) -> Option<String> {
        match self {
            Self::Word(word) => Some((*word).to_owned()),
            Self::Quoted(text) => {
                let quote = text.get(..1)?;
                let inner = text.strip_prefix(quote)?.strip_suffix(quote)?;
                Some(inner.replace(&quote.repeat(2), quote))
            }
            Self::Sign(_) => None,
        }
    }
}

/// Those of a text.
struct Tokens<'a> {
    rest: &'a str,
}

impl<'a> Iterator for Tokens<'a> {
    type Item = Token<'a>;

    fn next(&mut self) -> Option<Token<'a>> {
        let rest = behind_blanks(self.rest);
        let first = rest.chars().next()?;
        let is_quote = matches!(first, '`' | '"' | '\'');
        let length = match first {
            _ if is_quote => length_in_quotes(rest),
            _ if is_word(first) => rest.find(|letter| !is_word(letter)).unwrap_or(rest.len()),
            _ => first.len_utf8(),
        };
        let (own, behind) = rest.split_at(length);
        self.rest = behind;
        Some(match first {
            _ if is_quote => Token::Quoted(own),
            _ if is_word(first) => Token::Word(own),
            _ => Token::Sign(first),
        })
    }
}

fn is_word(letter: char) -> bool {
    letter.is_alphanumeric() || letter == '_' || letter == '$' || letter > '\u{7f}'
}

/// What is behind white space and comments. What a comment has for servers of some version is no comment.
fn behind_blanks(mut text: &str) -> &str {
    loop {
        text = text.trim_start();
        let end = if text.starts_with("/*!") || text.starts_with("/*M!") {
            text.find(|letter: char| !"/*M!0123456789".contains(letter))
        } else if text.starts_with("/*") {
            text.find("*/").map(|at| at + 2)
        } else if text.starts_with('#') || text.starts_with("-- ") || text.starts_with("--\n") {
            text.find('\n')
        } else {
            return text;
        };
        text = &text[end.unwrap_or(text.len())..];
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trigger_is_on_the_table_that_it_names_however_it_was_typed() {
        let all = ["note", "notes", "Plan", "plan", "a  b", "mynote"].map(|name| (String::new(), name.to_owned()));
        for (typed, table) in [
            ("BEFORE INSERT ON `note` FOR EACH ROW SET @a = 1", Some("note")),
            ("before insert on\ndb.note\n  for each row SET @a = 1", Some("note")),
            ("BEFORE INSERT ON `notes` FOR EACH ROW INSERT INTO x SELECT 1 ON note FOR EACH ROW", Some("notes")),
            ("BEFORE INSERT ON mynote FOR EACH ROW SET @a = 1", Some("mynote")),
            ("BEFORE INSERT ON `a  b` FOR EACH ROW SET @a = 1", Some("a  b")),
            ("AFTER DELETE ON/* ON notes */db . `note` -- it's\nFOR /**/ EACH ROW SET @a = 1", Some("note")),
            ("AFTER DELETE # ON notes\nON \"a  b\" FOR EACH ROW SET @a = 1", Some("a  b")),
            ("/*!50003 BEFORE INSERT ON NOTE FOR EACH ROW SET @a = 1 */", Some("note")),
            ("BEFORE INSERT ON Plan FOR EACH ROW SET @a = 1", Some("Plan")),
            ("BEFORE INSERT", None),
        ] {
            let sql = format!("CREATE DEFINER=`a`@`%` TRIGGER `g` {typed}");
            for (_, one) in &all {
                assert_eq!(is_on(&sql, "`g`", one, &all), table.is_none_or(|table| table == one), "{sql}: {one}");
            }
        }
    }
}
