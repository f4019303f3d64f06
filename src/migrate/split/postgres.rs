//! Where a PostgreSQL statement ends: at a `;` outside parentheses (rules hold statements in them) and outside
//! `BEGIN ATOMIC … END`. Follows `psql`, which is what scripts are written against.

use super::token::TokenKind;
use super::{Head, Verdict};

/// What is remembered within one statement.
#[derive(Debug, Default)]
pub(super) struct Tracker {
    parentheses: usize,
    /// Open `BEGIN ATOMIC` and, within it, `CASE`.
    atomic: usize,
    before: Before,
    copy: Copy,
}

/// The token before, as far as it matters.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Before {
    #[default]
    Other,
    Begin,
    From,
    /// `AS` or a dot: the next word is a name, whatever it spells.
    Naming,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Copy {
    #[default]
    No,
    FromStdin,
}

impl Tracker {
    pub(super) fn see(&mut self, kind: TokenKind, text: &str, head: &Head) -> Verdict {
        let before = std::mem::take(&mut self.before);
        match (kind, text) {
            (TokenKind::Symbol, ";") if self.parentheses == 0 && self.atomic == 0 => {
                return if self.copy == Copy::FromStdin { Verdict::EndsBeforeRows } else { Verdict::Ends };
            }
            (TokenKind::Symbol, "\\") => {
                return Verdict::NotSql("a command of the psql client (a backslash outside quotes) is not SQL");
            }
            (TokenKind::Symbol, "(") => self.parentheses += 1,
            (TokenKind::Symbol, ")") => self.parentheses = self.parentheses.saturating_sub(1),
            (TokenKind::Symbol, ".") => self.before = Before::Naming,
            (TokenKind::Word, word) => self.word(word, before, head),
            _ => {}
        }
        Verdict::Within
    }

    fn word(&mut self, word: &str, before: Before, head: &Head) {
        let is = |keyword: &str| word.eq_ignore_ascii_case(keyword);
        let first = |keyword: &str| head.begins(keyword);
        if before == Before::Naming {
            return;
        }
        if is("AS") {
            self.before = Before::Naming;
        } else if is("BEGIN") {
            self.before = Before::Begin;
        } else if is("FROM") {
            self.before = Before::From;
        } else if is("ATOMIC") && before == Before::Begin && first("CREATE") {
            self.atomic = 1;
        } else if self.atomic > 0 && is("CASE") {
            self.atomic += 1;
        } else if self.atomic > 0 && is("END") {
            self.atomic -= 1;
        } else if is("STDIN") && before == Before::From && first("COPY") && self.parentheses == 0 {
            self.copy = Copy::FromStdin;
        }
    }
}
