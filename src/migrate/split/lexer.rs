//! Tokens of SQL: just fine enough to know what is text and what is syntax.
//!
//! Every token begins where the one before ended. Scans bytes; all quotes and delimiters are ASCII, so tokens end at
//! character boundaries. Each byte is looked at a bounded number of times.

use super::token::{Token, TokenKind, is_word};
use super::{Dialect, mysql};

/// Something that was begun and never ended.
#[derive(Debug)]
pub(super) struct Unclosed {
    pub(super) start: usize,
    pub(super) what: String,
}

pub(super) struct Lexer<'a> {
    text: &'a str,
    bytes: &'a [u8],
    at: usize,
    dialect: Dialect,
    /// What ends a statement; MySQL's client can change it.
    delimiter: &'a str,
    /// Where a comment that the server executes began, while inside one.
    executable: Option<usize>,
    /// Whether a statement was begun.
    within: bool,
    /// How many bytes were looked at.
    #[cfg(test)]
    looked: std::cell::Cell<usize>,
}

/// The tokens of one statement of a script that was split; what cannot be read ends them.
pub(in crate::migrate) fn tokens(sql: &str, dialect: Dialect) -> impl Iterator<Item = (TokenKind, &str)> {
    let mut lexer = Lexer::new(sql, dialect);
    let all = std::iter::from_fn(move || lexer.next_token().ok().flatten());
    all.filter(|token| token.kind != TokenKind::Blank)
        .map(|token| (token.kind, sql.get(token.start..token.end).unwrap_or_default()))
}

/// How many line ends come before the place where a statement names something; none when it does so several times or never.
pub(in crate::migrate) fn lines_before(sql: &str, dialect: Dialect, name: &str) -> Option<usize> {
    let mut lexer = Lexer::new(sql, dialect);
    let mut found = None;
    while let Ok(Some(token)) = lexer.next_token() {
        let text = sql.get(token.start..token.end).unwrap_or_default();
        let bare = text.trim_matches(['`', '"', '\'', '[', ']']);
        if token.kind != TokenKind::Blank && (text == name || bare.eq_ignore_ascii_case(name)) {
            if found.is_some() {
                return None;
            }
            found = Some(token.start);
        }
    }
    Some(sql.get(..found?)?.matches('\n').count())
}

impl<'a> Lexer<'a> {
    pub(super) fn new(text: &'a str, dialect: Dialect) -> Self {
        Self {
            text,
            bytes: text.as_bytes(),
            at: 0,
            dialect,
            delimiter: ";",
            executable: None,
            within: true,
            #[cfg(test)]
            looked: std::cell::Cell::new(0),
        }
    }

    /// From here on this ends a statement.
    pub(super) fn delimit(&mut self, delimiter: &'a str) {
        self.delimiter = delimiter;
    }

    /// Whether what comes next is in the middle of a statement.
    pub(super) fn within(&mut self, within: bool) {
        self.within = within;
    }

    /// Counts the work for the test that shows it to be linear.
    fn look(&self, bytes: usize) {
        #[cfg(test)]
        self.looked.set(self.looked.get() + bytes);
        #[cfg(not(test))]
        let _ = bytes;
    }

    /// How many bytes were looked at.
    #[cfg(test)]
    pub(super) fn looked(&self) -> usize {
        self.looked.get()
    }

    /// Goes on at `offset`, past bytes that are no SQL.
    pub(super) fn jump(&mut self, offset: usize) {
        self.at = offset;
    }

    pub(super) fn next_token(&mut self) -> Result<Option<Token>, Unclosed> {
        let start = self.at;
        let Some(&first) = self.bytes.get(start) else {
            return match self.executable {
                Some(start) => Err(Unclosed { start, what: "a comment".to_owned() }),
                None => Ok(None),
            };
        };
        if self.dialect == Dialect::MySql {
            return self.mysql_token(start, first).map(Some);
        }
        let second = self.bytes.get(start + 1).copied();
        let (kind, end) = match (first, second) {
            (b' ' | b'\t' | b'\n' | b'\r' | b'\x0b' | b'\x0c', _) => {
                (TokenKind::Blank, self.run(start, |byte| matches!(byte, b' ' | b'\t'..=b'\r')))
            }
            (b'-', Some(b'-')) => (TokenKind::Blank, self.line_comment(start)),
            (b'/', Some(b'*')) => (TokenKind::Blank, self.comment(start)?),
            (b'\'', _) => (TokenKind::Quoted, self.quoted(start, b'\'', Escapes::Doubling, "a string")?),
            (b'"', _) => (TokenKind::Quoted, self.quoted(start, b'"', Escapes::Doubling, "a quoted name")?),
            (b'e' | b'E', Some(b'\'')) if self.dialect == Dialect::Postgres => (TokenKind::Quoted, self.escape_string(start)?),
            (b'`', _) if self.dialect == Dialect::Sqlite => {
                (TokenKind::Quoted, self.quoted(start, b'`', Escapes::Doubling, "a quoted name")?)
            }
            (b'[', _) if self.dialect == Dialect::Sqlite => {
                (TokenKind::Quoted, self.quoted(start, b']', Escapes::None, "a name in brackets")?)
            }
            (b'$', _) if self.dialect == Dialect::Postgres => match self.dollar_tag(start) {
                Some(body) => (TokenKind::Quoted, self.dollar_quoted(start, body)?),
                None => (TokenKind::Symbol, start + 1),
            },
            (byte, _) if is_word(byte) => (TokenKind::Word, self.run(start, |byte| is_word(byte) || byte == b'$')),
            _ => (TokenKind::Symbol, start + 1),
        };
        self.at = end;
        Ok(Some(Token { kind, start, end }))
    }

    fn mysql_token(&mut self, start: usize, first: u8) -> Result<Token, Unclosed> {
        let second = self.bytes.get(start + 1).copied();
        let rest = self.bytes.get(start..).unwrap_or_default();
        let (kind, end) = match (first, second) {
            _ if self.executable.is_none() && mysql::delimits(rest, self.delimiter) => {
                (TokenKind::Delimiter, start + self.delimiter.len())
            }
            (b' ' | b'\t'..=b'\r', _) => (TokenKind::Blank, self.run(start, |byte| matches!(byte, b' ' | b'\t'..=b'\r'))),
            // As the server has it, two dashes alone are an operator. No statement begins with one: what
            // Flyway takes for a comment is one there.
            (b'-', Some(b'-')) if !self.within || self.bytes.get(start + 2).is_none_or(|&byte| byte <= b' ') => {
                (TokenKind::Blank, self.run(start, |byte| byte != b'\n'))
            }
            (b'#', _) => (TokenKind::Blank, self.run(start, |byte| byte != b'\n')),
            (b'/', Some(b'*')) => match mysql::executed(rest) {
                Some(length) => {
                    self.executable.get_or_insert(start);
                    (TokenKind::Symbol, start + length)
                }
                None => (TokenKind::Blank, self.comment(start)?),
            },
            // Not `2 */* two */ 3`, which is a product.
            (b'*', Some(b'/')) if self.executable.take().is_some() || self.bytes.get(start + 2) != Some(&b'*') => {
                (TokenKind::Symbol, start + 2)
            }
            (b'\'', _) => (TokenKind::Quoted, self.quoted(start, b'\'', Escapes::Backslash, "a string")?),
            (b'"', _) => (TokenKind::Quoted, self.quoted(start, b'"', Escapes::Backslash, "a string")?),
            (b'`', _) => (TokenKind::Quoted, self.quoted(start, b'`', Escapes::Doubling, "a quoted name")?),
            (b'\\', Some(b'N')) => (TokenKind::Word, start + 2),
            (byte, _) if is_word(byte) || byte == b'$' => (TokenKind::Word, self.mysql_word(start)),
            _ => (TokenKind::Symbol, start + 1),
        };
        self.at = end;
        Ok(Token { kind, start, end })
    }

    /// A word ends before a delimiter that begins inside it (`END$$`).
    fn mysql_word(&self, start: usize) -> usize {
        let mut end = start + 1;
        while let Some(&byte) = self.bytes.get(end).filter(|&&byte| is_word(byte) || byte == b'$') {
            self.look(1);
            let rest = || self.bytes.get(end..).unwrap_or_default();
            if byte == b'$' && rest().starts_with(self.delimiter.as_bytes()) {
                break;
            }
            end += 1;
        }
        end
    }

    /// The end of the run of bytes that belong, from `start`, which belongs.
    fn run(&self, start: usize, belongs: impl Fn(u8) -> bool) -> usize {
        let rest = self.bytes.get(start + 1..).unwrap_or_default();
        let length = rest.iter().position(|&byte| !belongs(byte)).unwrap_or(rest.len());
        self.look(length + 2);
        start + 1 + length
    }

    /// A lone carriage return ends PostgreSQL's line comments, but not SQLite's.
    fn line_comment(&self, start: usize) -> usize {
        let postgres = self.dialect == Dialect::Postgres;
        self.run(start, |byte| byte != b'\n' && !(postgres && byte == b'\r'))
    }

    /// PostgreSQL's comments nest; the others' do not, and SQLite's are ended by the end of the text too.
    fn comment(&self, start: usize) -> Result<usize, Unclosed> {
        let nests = self.dialect == Dialect::Postgres;
        let (mut depth, mut at) = (1, start + 2);
        loop {
            self.look(2);
            match (self.bytes.get(at), self.bytes.get(at + 1)) {
                (None, _) if self.dialect != Dialect::Sqlite => return Err(Unclosed { start, what: "a comment".to_owned() }),
                (None, _) => return Ok(at),
                (Some(b'*'), Some(b'/')) => {
                    depth -= 1;
                    at += 2;
                    if depth == 0 {
                        return Ok(at);
                    }
                }
                (Some(b'/'), Some(b'*')) if nests => {
                    depth += 1;
                    at += 2;
                }
                _ => at += 1,
            }
        }
    }

    /// The end of what is quoted by `close`, from its opening quote at `start`.
    fn quoted(&self, start: usize, close: u8, escapes: Escapes, what: &str) -> Result<usize, Unclosed> {
        let mut at = start + 1;
        while let Some(&byte) = self.bytes.get(at) {
            self.look(1);
            if byte == b'\\' && escapes == Escapes::Backslash {
                at += 2;
            } else if byte != close {
                at += 1;
            } else if escapes != Escapes::None && self.bytes.get(at + 1) == Some(&close) {
                at += 2;
            } else {
                return Ok(at + 1);
            }
        }
        Err(Unclosed { start, what: what.to_owned() })
    }

    /// `E'…'`; a string that goes on after a line break keeps its escapes there.
    fn escape_string(&self, start: usize) -> Result<usize, Unclosed> {
        let mut end = self.quoted(start + 1, b'\'', Escapes::Backslash, "a string")?;
        while let Some(quote) = self.goes_on(end) {
            end = self.quoted(quote, b'\'', Escapes::Backslash, "a string")?;
        }
        Ok(end)
    }

    /// Where a string goes on that ended at `end`: behind a line break, with blanks and line comments between.
    fn goes_on(&self, end: usize) -> Option<usize> {
        let (mut at, mut breaks) = (end, false);
        loop {
            self.look(1);
            match self.bytes.get(at)? {
                b'\'' if breaks => return Some(at),
                b'\n' | b'\r' => (at, breaks) = (at + 1, true),
                b' ' | b'\t' | b'\x0b' | b'\x0c' => at += 1,
                b'-' if self.bytes.get(at + 1) == Some(&b'-') => at = self.line_comment(at),
                _ => return None,
            }
        }
    }

    /// Where the body of a dollar quote begins, when `$` at `start` opens one (`$$` or `$tag$`).
    fn dollar_tag(&self, start: usize) -> Option<usize> {
        let rest = self.bytes.get(start + 1..)?;
        // A tag ends where something other than a name's letter stands, so that a lone `$` costs no more than its own word.
        let length = rest.iter().position(|&byte| !is_word(byte))?;
        self.look(length + 1);
        if rest.get(length) != Some(&b'$') {
            return None;
        }
        let tag = rest.get(..length)?;
        let legal = tag.iter().all(|&byte| is_word(byte)) && !tag.first().is_some_and(u8::is_ascii_digit);
        legal.then_some(start + length + 2)
    }

    fn dollar_quoted(&self, start: usize, body: usize) -> Result<usize, Unclosed> {
        let tag = self.text.get(start..body).unwrap_or_default();
        let found = self.text.get(body..).and_then(|rest| rest.find(tag));
        self.look(found.unwrap_or(self.bytes.len() - body) + tag.len());
        found.map(|at| body + at + tag.len()).ok_or_else(|| Unclosed { start, what: format!("the body in {tag}") })
    }
}

/// How a quoted text holds its own closing quote.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Escapes {
    /// Not at all.
    None,
    /// Twice.
    Doubling,
    /// Twice, or after a backslash.
    Backslash,
}
