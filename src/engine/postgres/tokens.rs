//! Cutting one statement into words, names, strings and signs.
//!
//! Pure. Comments and white space are left out. Knows the same quotes as `split`, which cannot look ahead; `split/tests.rs` holds both to
//! one table.

use super::split::{is_line_end, is_space, is_word};

/// What a token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A keyword, a plain name or a number.
    Word,
    /// A name in double quotes.
    Name,
    /// A string of any kind.
    Text,
    /// One character of anything else.
    Sign,
}

/// A token, as it stands in the statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Token<'a> {
    /// What it is.
    pub(super) kind: Kind,
    /// Its text, quotes included.
    pub(super) text: &'a str,
    /// How many parentheses and brackets are open around it.
    pub(super) depth: u32,
    /// Where it begins.
    pub(super) at: usize,
}

impl Token<'_> {
    /// Whether it can be a name.
    pub(super) fn is_name(&self) -> bool {
        self.kind == Kind::Name || self.kind == Kind::Word
    }

    /// Whether it can be part of a name that has a schema: a number has a dot, too.
    pub(super) fn can_be_part(&self) -> bool {
        self.is_name() && !self.text.starts_with(|c: char| c.is_ascii_digit())
    }

    /// Whether it is this sign.
    pub(super) fn is_sign(&self, sign: &str) -> bool {
        self.kind == Kind::Sign && self.text == sign
    }
}

/// The tokens of a statement.
pub(super) fn tokens(sql: &str) -> Vec<Token<'_>> {
    let bytes = sql.as_bytes();
    let (mut found, mut at, mut depth) = (Vec::new(), 0, 0_u32);
    while at < bytes.len() {
        let begin = at;
        let rest = &bytes[at..];
        let kind = match bytes[at] {
            byte if is_space(byte) => {
                at += 1;
                continue;
            }
            b'-' if rest.starts_with(b"--") => {
                at += line(rest);
                continue;
            }
            b'/' if rest.starts_with(b"/*") => {
                at += comment(rest);
                continue;
            }
            b'"' => {
                at += quoted(rest, b'"');
                Kind::Name
            }
            b'\'' => {
                at += quoted(rest, b'\'');
                Kind::Text
            }
            b'e' | b'E' if rest.get(1) == Some(&b'\'') => {
                at += 1 + escaped(&rest[1..]);
                Kind::Text
            }
            b'$' => match dollars(rest) {
                Some(length) => {
                    at += length;
                    Kind::Text
                }
                None => {
                    at += 1;
                    Kind::Sign
                }
            },
            byte if is_word(byte) => {
                at += rest.iter().position(|byte| !is_word(*byte)).unwrap_or(rest.len());
                Kind::Word
            }
            byte => {
                at += 1;
                if matches!(byte, b')' | b']') {
                    depth = depth.saturating_sub(1);
                }
                Kind::Sign
            }
        };
        found.push(Token { kind, text: &sql[begin..at], depth, at: begin });
        if matches!(bytes[begin], b'(' | b'[') && kind == Kind::Sign {
            depth += 1;
        }
    }
    found
}

/// The length of a comment that ends with its line.
fn line(text: &[u8]) -> usize {
    text.iter().position(|byte| is_line_end(*byte)).unwrap_or(text.len())
}

/// The length of what stands in these quotes; a doubled quote is part of it.
fn quoted(text: &[u8], quote: u8) -> usize {
    let mut at = 1;
    while at < text.len() {
        if text[at] == quote {
            if text.get(at + 1) != Some(&quote) {
                return at + 1;
            }
            at += 1;
        }
        at += 1;
    }
    text.len()
}

/// The length of a string with escapes: behind a line end it goes on with them.
fn escaped(text: &[u8]) -> usize {
    let mut at = 1;
    while at < text.len() {
        match text[at] {
            b'\\' => at += 2,
            b'\'' if text.get(at + 1) == Some(&b'\'') => at += 2,
            b'\'' => match goes_on(&text[at + 1..]) {
                Some(behind) => at += 1 + behind,
                None => return at + 1,
            },
            _ => at += 1,
        }
    }
    text.len()
}

/// How far behind its quote a string goes on: behind a line end, with white space and comments of lines between.
fn goes_on(text: &[u8]) -> Option<usize> {
    let (mut at, mut ended) = (0, false);
    loop {
        match text.get(at)? {
            b'\'' if ended => return Some(at + 1),
            byte if is_space(*byte) => {
                ended |= is_line_end(*byte);
                at += 1;
            }
            b'-' if text[at..].starts_with(b"--") => at += line(&text[at..]),
            _ => return None,
        }
    }
}

fn comment(text: &[u8]) -> usize {
    let (mut at, mut depth) = (2, 1);
    while at < text.len() && depth > 0 {
        let step = match &text[at..] {
            [b'/', b'*', ..] => 1,
            [b'*', b'/', ..] => -1,
            _ => 0,
        };
        depth += step;
        at += if step == 0 { 1 } else { 2 };
    }
    at.min(text.len())
}

/// The length of a dollar-quoted string.
fn dollars(text: &[u8]) -> Option<usize> {
    let tag = super::split::tag(text)?;
    let end = memchr::memmem::find(&text[tag..], &text[..tag]);
    Some(end.map_or(text.len(), |end| tag + end + tag))
}
