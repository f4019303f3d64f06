//! Where a MySQL or MariaDB statement ends: at the delimiter, and while that is `;`, not inside the body of a stored program.
//!
//! Comments are read as the server reads them (`--` wants a blank after it, `/*! … */` is text), `DELIMITER` as the `mysql`
//! client does. A body is followed by its blocks; their keywords count only where a statement or block can begin or end, for
//! most of them are legal names too. `NO_BACKSLASH_ESCAPES` and `sql_mode = ORACLE` are not followed.

use super::token::{Token, TokenKind, is_word};
use super::{Dialect, Head, Verdict};

/// Whether the delimiter stands at the beginning of `rest`. One of letters stands alone.
pub(super) fn delimits(rest: &[u8], delimiter: &str) -> bool {
    let after = || rest.get(delimiter.len()).copied();
    let lettered = delimiter.bytes().all(is_word);
    rest.starts_with(delimiter.as_bytes()) && !(lettered && after().is_some_and(is_word))
}

/// The length of what opens a comment whose content the server executes (`/*!`, `/*!50003`, `/*M!100100`); none for a comment.
/// `99` in front of a version of six digits is more than any server has: such a comment is one everywhere.
pub(super) fn executed(rest: &[u8]) -> Option<usize> {
    let opening = if rest.starts_with(b"/*!") {
        3
    } else if rest.starts_with(b"/*M!") {
        4
    } else {
        return None;
    };
    let digits = rest.get(opening..).unwrap_or_default().iter().take(6).take_while(|byte| byte.is_ascii_digit()).count();
    let never = digits == 6 && rest.get(opening..).is_some_and(|rest| rest.starts_with(b"99"));
    (!never).then_some(opening + digits)
}

/// Where a token stands.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    /// In the middle of a statement.
    pub(super) within: bool,
    /// The first on its line.
    pub(super) first: bool,
}

/// The longest delimiter, in bytes. The client cuts off what is longer than 15; it is compared at every token.
const DELIMITER_BYTES: usize = 64;

/// The `DELIMITER` command at a token, if one is there: the new delimiter and where its line ends. It stands where a statement
/// could begin; in the middle of one it is an error, unless it is a column's name.
pub(super) fn command<'a>(
    text: &'a str,
    token: &Token,
    dialect: Dialect,
    place: Place,
) -> Option<Result<(&'a str, usize), &'static str>> {
    let word = text.get(token.start..token.end)?;
    let is_one = dialect == Dialect::MySql && token.kind == TokenKind::Word && word.eq_ignore_ascii_case("DELIMITER");
    if !is_one || (place.within && !place.first) {
        return None;
    }
    let alone = |line: &str, word: &str| line.trim() == word && !word.bytes().any(is_word);
    let line = text.get(token.end..)?.split('\n').next()?;
    let delimiter = first_word(line);
    if place.within {
        let meant = alone(line, delimiter) && !matches!(delimiter, "" | "," | ")" | "=");
        return meant.then_some(Err("the delimiter is changed in the middle of a statement"));
    }
    let end = token.end + line.len();
    if delimiter.is_empty() {
        // Flyway takes it from a later line too.
        let later = text.get(end..)?;
        let skipped = later.len() - later.trim_start().len();
        let line = later.get(skipped..)?.split('\n').next()?;
        let delimiter = first_word(line);
        let found = alone(line, delimiter) && !delimiter.is_empty();
        return Some(if found {
            checked(delimiter, end + skipped + line.len())
        } else {
            Err("`DELIMITER` is followed by nothing")
        });
    }
    Some(checked(delimiter, end))
}

fn first_word(line: &str) -> &str {
    line.split_whitespace().next().unwrap_or_default()
}

fn checked(delimiter: &str, end: usize) -> Result<(&str, usize), &'static str> {
    match delimiter {
        delimiter if delimiter.contains('\\') => Err("a delimiter cannot hold a backslash"),
        delimiter if delimiter.len() > DELIMITER_BYTES => Err("a delimiter cannot have more than 64 bytes"),
        delimiter => Ok((delimiter, end)),
    }
}

/// What is remembered within one statement.
#[derive(Debug, Default)]
pub(super) struct Tracker {
    /// Whether it has a body whose blocks are followed.
    program: bool,
    /// What its first words say of one.
    body: Option<Body>,
    parentheses: usize,
    /// Inside a comment that the server executes.
    executable: bool,
    blocks: Vec<Block>,
    /// How many of them are `CASE` of either sort.
    cases: usize,
    /// What the next `THEN` belongs to; one for each open `CASE` and one below all.
    waiting: Vec<Waiting>,
    before: Before,
    /// Since the last `;` a `HANDLER` was declared: a block may follow any of its conditions.
    handler: bool,
    /// Since the last `;` a statement that holds no block began.
    plain: bool,
    /// Since the last `;` an `UNTIL` was seen: no other comes before the `END` of its loop.
    until: bool,
    /// A `;` was seen outside of a program.
    ended: bool,
    /// Something of a statement was seen after that.
    several: bool,
}

/// What an `END` closes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Block {
    Begin,
    /// `CASE` where a statement may begin.
    Case,
    /// `CASE` within an expression: no statement is in it.
    Choice,
    /// `IF`, `LOOP`, `WHILE`, `REPEAT`, `FOR`.
    Other,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Waiting {
    #[default]
    Nothing,
    If,
    /// `WHEN` or `ELSEIF`.
    Branch,
}

/// The token before, as far as it matters.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Before {
    #[default]
    Other,
    /// A statement can begin here.
    Start,
    /// As `Start`, after a `;`: a block can end here as well.
    Semicolon,
    /// As `Start`, after `BEGIN`.
    Begin,
    End,
    /// `REPEAT`: a loop, or a function when `(` follows.
    Repeat,
    For,
    /// The word after `FOR`.
    ForName,
    /// A dot or `@`: the next word is a name, whatever it spells.
    Naming,
    /// What an expression follows.
    Expression,
}

impl Tracker {
    pub(super) fn see(&mut self, kind: TokenKind, text: &str, head: &Head, grown: bool) -> Verdict {
        if grown && !self.program {
            self.body = body(head);
        }
        self.several |= self.ended && matches!(kind, TokenKind::Word | TokenKind::Quoted);
        let mut before = std::mem::take(&mut self.before);
        if before == Before::Repeat && text != "(" {
            self.blocks.push(Block::Other);
            before = Before::Start;
        }
        match (kind, text) {
            (TokenKind::Delimiter, ";") if !self.blocks.is_empty() => self.semicolon(),
            (TokenKind::Delimiter, _) => return Verdict::Ends,
            (TokenKind::Symbol, ";") => {
                self.ended |= self.body.is_none();
                self.semicolon();
            }
            (TokenKind::Symbol, "\\") if !self.executable => {
                return Verdict::NotSql("a command of the mysql client (a backslash outside quotes) is not SQL");
            }
            (TokenKind::Symbol, "*/") if !self.executable => {
                return Verdict::NotSql("a comment ends here that began nowhere: MySQL's comments do not nest");
            }
            (TokenKind::Symbol, "*/") => (self.executable, self.before) = (false, before),
            (TokenKind::Symbol, opening) if opening.starts_with("/*") => (self.executable, self.before) = (true, before),
            (TokenKind::Symbol, "(") => self.parentheses += 1,
            (TokenKind::Symbol, ")") => self.parentheses = self.parentheses.saturating_sub(1),
            (TokenKind::Symbol, "." | "@") => self.before = Before::Naming,
            (TokenKind::Symbol, ":") => self.before = Before::Start,
            (TokenKind::Symbol, _) => self.before = Before::Expression,
            (TokenKind::Word, word) if self.parentheses == 0 && before != Before::Naming => self.word(word, before),
            (TokenKind::Quoted, _) if before == Before::For => self.before = Before::ForName,
            _ => {}
        }
        Verdict::Within
    }

    /// Whether more than one statement was seen.
    pub(super) fn several(&self) -> bool {
        self.several
    }

    /// What is open when the text ends.
    pub(super) fn open(&self) -> Option<&'static str> {
        (!self.blocks.is_empty()).then_some("a block of a stored program")
    }

    fn semicolon(&mut self) {
        (self.before, self.handler, self.plain, self.until) = (Before::Semicolon, false, false, false);
        *self.waiting() = Waiting::Nothing;
    }

    fn waiting(&mut self) -> &mut Waiting {
        self.waiting.resize(self.cases + 1, Waiting::Nothing);
        &mut self.waiting[self.cases]
    }

    fn word(&mut self, word: &str, before: Before) {
        if !self.program {
            let Some(body) = self.body else { return };
            self.program = true;
            if body == Body::Open {
                self.blocks.push(Block::Begin);
                self.before = Before::Begin;
                return;
            }
        }
        match (word.to_ascii_uppercase().as_str(), before) {
            // They belong to the `END` before them.
            ("IF" | "CASE" | "LOOP" | "WHILE" | "REPEAT" | "FOR", Before::End) => {}
            ("CASE", _) => {
                self.blocks.push(if self.block_begins(before) { Block::Case } else { Block::Choice });
                self.cases += 1;
                *self.waiting() = Waiting::Nothing;
                self.before = Before::Expression;
            }
            ("BEGIN", _) if self.block_begins(before) => {
                self.blocks.push(Block::Begin);
                self.before = Before::Begin;
            }
            ("END", _) if self.block_ends(before) => {
                let closed = self.blocks.pop();
                self.cases -= usize::from(matches!(closed, Some(Block::Case | Block::Choice)));
                // An expression's end is still within whatever the expression stands in.
                if closed != Some(Block::Choice) {
                    (self.before, self.until) = (Before::End, false);
                }
            }
            ("IF", _) => {
                if *self.waiting() == Waiting::Nothing {
                    *self.waiting() = Waiting::If;
                }
                self.before = Before::Expression;
            }
            ("WHEN" | "ELSEIF", _) => {
                *self.waiting() = Waiting::Branch;
                self.before = Before::Expression;
            }
            ("THEN", _) => {
                if std::mem::take(self.waiting()) == Waiting::If {
                    self.blocks.push(Block::Other);
                }
                self.before = self.after_branch();
            }
            ("ELSE", _) => self.before = self.after_branch(),
            ("DO", _) => self.before = Before::Start,
            ("LOOP", _) => {
                self.blocks.push(Block::Other);
                self.before = Before::Start;
            }
            ("WHILE", _) => {
                self.blocks.push(Block::Other);
                self.before = Before::Expression;
            }
            ("REPEAT", _) => self.before = Before::Repeat,
            ("FOR", _) => self.before = Before::For,
            ("IN", Before::ForName) => self.blocks.push(Block::Other),
            (_, Before::For) => self.before = Before::ForName,
            ("HANDLER", _) => self.handler = true,
            ("UNTIL", _) => (self.until, self.before) = (true, Before::Expression),
            ("SELECT" | "RETURN" | "CALL", _) => (self.plain, self.before) = (true, Before::Expression),
            ("WHERE" | "AND" | "OR" | "NOT" | "BY" | "SET" | "ON", _) => self.before = Before::Expression,
            _ => {}
        }
    }

    /// What comes after `THEN` or `ELSE`.
    fn after_branch(&self) -> Before {
        if self.blocks.last() == Some(&Block::Choice) { Before::Expression } else { Before::Start }
    }

    fn block_begins(&self, before: Before) -> bool {
        match before {
            Before::Start | Before::Semicolon | Before::Begin => true,
            Before::Expression => false,
            _ => !self.plain && (self.handler || self.blocks.is_empty()),
        }
    }

    fn block_ends(&self, before: Before) -> bool {
        match self.blocks.last() {
            Some(Block::Case | Block::Choice) => before != Before::Expression,
            Some(Block::Other) if self.until => before != Before::Expression,
            Some(_) => matches!(before, Before::Semicolon | Before::Begin),
            None => false,
        }
    }
}

/// How a statement that has a body begins it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Body {
    /// With a block of its own, or a single statement.
    Own,
    /// It is inside a block already.
    Open,
}

/// What can be created or altered; the first of them among the first words says what is.
const KINDS: &[&str] = &[
    "DATABASE",
    "EVENT",
    "FUNCTION",
    "INDEX",
    "LOGFILE",
    "PACKAGE",
    "PROCEDURE",
    "RESOURCE",
    "ROLE",
    "SCHEMA",
    "SEQUENCE",
    "SERVER",
    "TABLE",
    "TABLESPACE",
    "TRIGGER",
    "USER",
    "VIEW",
];

/// Whether a statement that begins so has a body of statements.
fn body(head: &Head) -> Option<Body> {
    let words = head.words();
    let kind = words.iter().skip(1).find(|word| KINDS.contains(word));
    match (words.as_slice(), kind) {
        (["CREATE", ..], Some(&("PROCEDURE" | "FUNCTION" | "TRIGGER" | "EVENT"))) | (["ALTER", ..], Some(&"EVENT")) => {
            Some(Body::Own)
        }
        (["CREATE", ..], Some(&"PACKAGE")) => Some(Body::Open),
        // MariaDB takes compound statements outside of programs too.
        (["BEGIN", "NOT", "ATOMIC"], _) => Some(Body::Open),
        (["IF" | "CASE" | "LOOP" | "WHILE" | "REPEAT" | "FOR"], _) => Some(Body::Own),
        _ => None,
    }
}
