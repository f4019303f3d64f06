//! Flyway's checksum of a script: CRC-32 over its lines without their ends, as a signed number.
//!
//! Owns today's formula, which decides, and the formulas of older Flyway releases, which only explain a difference: a
//! history written in 2018 then says "same file, older formula" and not "the file was edited". Pure. Held by the published
//! and measured vectors in `checksum/tests.rs`.

use crc32fast::Hasher;

const BOM: &str = "\u{feff}";

/// The checksum of a script's text. Line ends (`\n`, `\r\n`, a lone `\r`) do not count, nor does one leading byte order mark.
#[must_use]
pub fn of(text: &str) -> i32 {
    over_lines(text.strip_prefix(BOM).unwrap_or(text), |line| line)
}

/// The formula of an older Flyway that gives `recorded` for this text, in words; none when the text itself differs.
#[must_use]
pub fn older_formula(text: &str, recorded: i32) -> Option<&'static str> {
    let bare = text.strip_prefix(BOM).unwrap_or(text);
    let raw = |text: &str| signed(crc32fast::hash(text.as_bytes()));
    let unix = text.replace("\r\n", "\n");
    let formulas: [(i32, &'static str); 6] = [
        (over_lines(text, |line| line), "Flyway 4 and 5.0 (byte order mark counted)"),
        (over_lines(bare, trimmed), "Flyway 5.1.0 (lines trimmed)"),
        (over_lines(text, trimmed), "Flyway 5.1.0 (lines trimmed, byte order mark counted)"),
        (raw(text), "Flyway 3 (line ends counted)"),
        (raw(&unix), "Flyway 3 (line ends counted, and they were those of Unix)"),
        (raw(&unix.replace('\n', "\r\n")), "Flyway 3 (line ends counted, and they were those of Windows)"),
    ];
    formulas.into_iter().find(|(sum, _)| *sum == recorded && *sum != of(text)).map(|(_, name)| name)
}

/// Java's `trim` removes everything up to and including the space, at both ends.
fn trimmed(line: &str) -> &str {
    line.trim_matches(|c: char| c <= ' ')
}

fn over_lines(text: &str, shape: impl Fn(&str) -> &str) -> i32 {
    let mut hasher = Hasher::new();
    // `\r\n` gives an empty piece between its halves, which adds nothing.
    for line in text.split(['\n', '\r']) {
        hasher.update(shape(line).as_bytes());
    }
    signed(hasher.finalize())
}

/// Flyway stores the 32 bits as a Java `int`.
fn signed(sum: u32) -> i32 {
    i32::from_ne_bytes(sum.to_ne_bytes())
}

#[cfg(test)]
mod tests;
