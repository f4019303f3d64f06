//! Text of others on its way to a terminal or a log: what would act there instead of being read is shown as what it is.
//!
//! Control characters (C0, DEL, C1), separators of lines that are none, and characters that turn the direction of what follows
//! are written as JSON writes them (`\u001b`), so that a JSON text means the same afterwards; and commands for whoever types them
//! again. Pure.

use std::borrow::Cow;
use std::fmt::Write as _;

/// The colours that we use ourselves; whoever has one of them printed changes a colour and nothing else.
const COLOURS: [&str; 10] =
    ["\x1b[0m", "\x1b[1m", "\x1b[2m", "\x1b[3m", "\x1b[32m", "\x1b[33m", "\x1b[34m", "\x1b[35m", "\x1b[31m", "\x1b[1;31m"];

/// Whether a character acts instead of being read.
#[must_use]
pub fn acts(letter: char) -> bool {
    letter.is_control()
        || matches!(letter, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Text of several lines: line ends and tabs stay.
#[must_use]
pub fn printable(text: &str) -> Cow<'_, str> {
    escaped(text, |letter| letter == '\n' || letter == '\t', false)
}

/// One line: line ends are shown as well.
#[must_use]
pub fn line(text: &str) -> Cow<'_, str> {
    escaped(text, |_| false, false)
}

/// As [`printable`], with the colours we use.
#[must_use]
pub fn coloured(text: &str) -> Cow<'_, str> {
    escaped(text, |letter| letter == '\n' || letter == '\t', true)
}

/// Words as a POSIX shell reads them back: each in single quotes, unless every character of it is plain to every shell.
#[must_use]
pub fn shell<T: AsRef<str>>(words: &[T]) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-+./,:@%".contains(c);
    let quote = |word: &str| {
        if !word.is_empty() && word.chars().all(plain) { word.to_owned() } else { format!("'{}'", word.replace('\'', r"'\''")) }
    };
    words.iter().map(|word| quote(word.as_ref())).collect::<Vec<_>>().join(" ")
}

/// Whether a pattern means a whole text: `*` stands for any letters. Each part between the stars comes in order: the first at the beginning, the last at the end, the others as early as they can.
#[must_use]
pub fn fits(pattern: &str, text: &str) -> bool {
    let Some((first, rest)) = pattern.split_once('*') else { return pattern == text };
    let Some(mut left) = text.strip_prefix(first) else { return false };
    let mut parts: Vec<&str> = rest.split('*').collect();
    let last = parts.pop().unwrap_or_default();
    for part in parts {
        match left.split_once(part) {
            Some((_, after)) => left = after,
            None => return false,
        }
    }
    left.ends_with(last)
}

/// A next step whose writer knew of no target: `TARGET` in a command or file of ours, and `[targets.T.`, become this one.
#[must_use]
pub fn naming(step: &str, target: &str) -> String {
    let ours = |at: usize, piece: &str| at % 2 == 1 && (piece.starts_with("upkeep ") || piece.starts_with("RECOVERY-"));
    let named = |(at, piece)| if ours(at, piece) { piece.replace("TARGET", target) } else { piece.to_owned() };
    let pieces: Vec<String> = step.split('`').enumerate().map(named).collect();
    pieces.join("`").replace("[targets.T.", &format!("[targets.{target}."))
}

fn escaped(text: &str, stays: fn(char) -> bool, colours: bool) -> Cow<'_, str> {
    if !text.chars().any(|letter| acts(letter) && !stays(letter)) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 16);
    let mut rest = text;
    while let Some(letter) = rest.chars().next() {
        let colour = COLOURS.iter().find(|colour| colours && letter == '\x1b' && rest.starts_with(**colour));
        let taken = colour.map_or(letter.len_utf8(), |colour| colour.len());
        let (piece, after) = rest.split_at(taken);
        if colour.is_some() || !acts(letter) || stays(letter) {
            shown.push_str(piece);
        } else {
            // Writing to a string does not fail.
            write!(shown, "\\u{:04x}", u32::from(letter)).ok();
        }
        rest = after;
    }
    Cow::Owned(shown)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_act_is_shown() {
        for (text, shown) in [
            ("grün, 日本, 👍", "grün, 日本, 👍"),
            ("\x1b[2J\x1b]0;owned\x07", "\\u001b[2J\\u001b]0;owned\\u0007"),
            ("c1 \u{9b}31m \u{85}", "c1 \\u009b31m \\u0085"),
            ("over\rwritten\x08\x7f", "over\\u000dwritten\\u0008\\u007f"),
            ("\u{202e}gpj.exe\u{2066}\u{200f}", "\\u202egpj.exe\\u2066\\u200f"),
        ] {
            assert_eq!(printable(text), shown);
            assert_eq!(line(text), shown);
            assert_eq!(coloured(text), shown);
        }
    }

    #[test]
    fn lines_stay_lines_where_they_may_and_only_our_colours_are_colours() {
        assert_eq!(printable("a\n\tb"), "a\n\tb");
        assert_eq!(line("a\n\tb"), "a\\u000a\\u0009b");
        assert_eq!(coloured("\x1b[1;31mbad\x1b[0m"), "\x1b[1;31mbad\x1b[0m");
        assert_eq!(coloured("\x1b[8mhidden\x1b[0m"), "\\u001b[8mhidden\x1b[0m");
        assert_eq!(printable("\x1b[1mx"), "\\u001b[1mx");
    }

    #[test]
    fn words_are_read_back_by_a_shell() {
        let words = ["sh", "-c", "echo 'a b' && : $HOME", "", "a=b", "sample*"];
        assert_eq!(shell(&words), r"sh -c 'echo '\''a b'\'' && : $HOME' '' 'a=b' 'sample*'");
    }

    #[test]
    fn a_next_step_names_its_target() {
        for (step, named) in [
            (
                "look: `upkeep list TARGET`, `upkeep restore TARGET LABEL`",
                "look: `upkeep list notes`, `upkeep restore notes LABEL`",
            ),
            ("read `RECOVERY-TARGET.txt` beside the archives", "read `RECOVERY-notes.txt` beside the archives"),
            (
                "allow it with `mixed = true` in `[targets.T.migrations]`",
                "allow it with `mixed = true` in `[targets.notes.migrations]`",
            ),
            ("MERGE INTO TARGET; `MERGE INTO TARGET`", "MERGE INTO TARGET; `MERGE INTO TARGET`"),
        ] {
            assert_eq!(naming(step, "notes"), named);
        }
    }

    #[test]
    fn a_json_text_means_the_same_afterwards() {
        let said = "bidi \u{202e} and C1 \u{9b}2J";
        let json = serde_json::to_string(said).unwrap();
        assert_eq!(serde_json::from_str::<String>(&printable(&json)).unwrap(), said);
    }
}
