//! Where a SQLite statement ends: at a `;`, but for a trigger only at the `;` of its closing `;END;`. This is the rule of
//! `sqlite3_complete`, and so of the `sqlite3` shell; a `CASE … END` within a trigger needs no counting.

use super::token::TokenKind;
use super::{Head, Verdict};

/// What is remembered within one statement.
#[derive(Debug, Default)]
pub(super) struct Tracker {
    closing: Closing,
}

/// How much of `;END` was seen.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Closing {
    #[default]
    Nothing,
    Semicolon,
    End,
}

impl Tracker {
    pub(super) fn see(&mut self, kind: TokenKind, text: &str, head: &Head) -> Verdict {
        let closing = std::mem::take(&mut self.closing);
        match (kind, text) {
            (TokenKind::Symbol, ";") if !is_trigger(head) || closing == Closing::End => return Verdict::Ends,
            (TokenKind::Symbol, ";") => self.closing = Closing::Semicolon,
            (TokenKind::Word, word) if closing == Closing::Semicolon && word.eq_ignore_ascii_case("END") => {
                self.closing = Closing::End;
            }
            _ => {}
        }
        Verdict::Within
    }
}

fn is_trigger(head: &Head) -> bool {
    let mut words = head.iter();
    let begins = words.next() == Some("CREATE");
    let next = words.next();
    begins && (next == Some("TRIGGER") || (matches!(next, Some("TEMP" | "TEMPORARY")) && words.next() == Some("TRIGGER")))
}
