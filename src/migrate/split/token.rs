//! What SQL is cut into: a kind and a place.

/// What a token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::migrate) enum TokenKind {
    /// White space or a comment.
    Blank,
    /// A keyword, a plain name or a number.
    Word,
    /// A string, a quoted name or a dollar-quoted body.
    Quoted,
    /// Any other single byte; for MySQL also the bounds of a comment that the server executes.
    Symbol,
    /// What ends a statement for MySQL's client: `;`, or what `DELIMITER` said last.
    Delimiter,
}

/// A token and where it lies.
#[derive(Debug, Clone, Copy)]
pub(in crate::migrate) struct Token {
    pub(in crate::migrate) kind: TokenKind,
    pub(in crate::migrate) start: usize,
    pub(in crate::migrate) end: usize,
}

/// Letters, digits, `_`, and every byte of a character beyond ASCII, as all engines have it.
pub(super) fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte >= 0x80
}
