//! JSON values as SQL that makes the same value again.
//!
//! MySQL keeps decimals in JSON (`JSON_OBJECT('price', 0.10)`) and prints them with every digit, but reads every such text back
//! as a double. So a text that holds such a number is written as the functions that make it; every other one as text. Pure.
//! Invariant: the server prints what was read from it; held by `tests.rs` and `tests/it/mysql_traps.rs`.

use memchr::{memchr_iter, memchr2};

use super::literal::quote_into;

/// Doubles of these sizes are printed without an exponent.
const PLAIN_DOUBLES: std::ops::Range<f64> = 1e-15..1e15;

/// Writes a JSON text as the server prints it.
pub(super) fn json_into(into: &mut Vec<u8>, text: &[u8]) {
    if is_stable(text) {
        return quote_into(into, text);
    }
    let (from, mut scan) = (into.len(), Scan { text, at: 0 });
    // A column takes a number only when it was made JSON.
    let is_number = !matches!(scan.next_sign(), Some(b'{' | b'['));
    into.extend_from_slice(if is_number { b"CAST(" } else { b"" });
    let written = value_into(into, &mut scan);
    into.extend_from_slice(if is_number { b" AS JSON)" } else { b"" });
    if written.is_none() || scan.at < text.len() {
        // Not as the server prints it; as text it is at least what was read.
        into.truncate(from);
        quote_into(into, text);
    }
}

/// Whether every number in it is printed by the server as it stands once it was read as a double or an integer.
fn is_stable(text: &[u8]) -> bool {
    looks_stable(text) || has_stable_numbers(text)
}

/// Whether it is stable, as far as can be told without knowing what is in a string: whatever looks like a number must be a
/// stable one. Tells it of nearly every text, in a fraction of the time.
fn looks_stable(text: &[u8]) -> bool {
    let is_digit = |at: usize| text.get(at).is_some_and(u8::is_ascii_digit);
    let is_point = |at: &usize| is_digit(at.wrapping_sub(1)) && is_digit(at + 1);
    let is_stable_with_point = |at: usize| is_stable_number(number_around(text, at));
    // Without a point, more than fifteen digits are none: eight of them fill a word somewhere.
    let is_stable_without = |at: usize| {
        let number = number_around(text, at * WORD);
        number.contains(&b'.') || is_stable_number(number)
    };
    let (words, _) = text.as_chunks::<WORD>();
    memchr_iter(b'.', text).filter(is_point).all(is_stable_with_point)
        && words.iter().enumerate().filter(|(_, word)| are_digits(**word)).all(|(at, _)| is_stable_without(at))
}

const WORD: usize = size_of::<u64>();

/// Whether all bytes are digits, without a look at each: 0x30 to 0x39 are what begins with 3, with 6 added too.
fn are_digits(word: [u8; WORD]) -> bool {
    let begins_with_three = |word: u64| word & 0xf0f0_f0f0_f0f0_f0f0 == 0x3030_3030_3030_3030;
    let word = u64::from_ne_bytes(word);
    begins_with_three(word) && begins_with_three(word.wrapping_add(0x0606_0606_0606_0606))
}

/// The signs of numbers around one of them; exactly a number, if it is one's and not a string's.
fn number_around(text: &[u8], at: usize) -> &[u8] {
    let from = text[..at].iter().rposition(|byte| !is_of_number(*byte)).map_or(0, |before| before + 1);
    let length = text[at..].iter().position(|byte| !is_of_number(*byte));
    &text[from..length.map_or(text.len(), |length| at + length)]
}

fn is_of_number(byte: u8) -> bool {
    byte.is_ascii_digit() || matches!(byte, b'-' | b'+' | b'.' | b'e' | b'E')
}

fn has_stable_numbers(text: &[u8]) -> bool {
    let mut scan = Scan { text, at: 0 };
    while let Some(byte) = scan.peek() {
        match byte {
            b'"' => drop(scan.string()),
            b'-' | b'0'..=b'9' => {
                if !is_stable_number(scan.number()) {
                    return false;
                }
            }
            _ => scan.at += 1,
        }
    }
    true
}

fn is_stable_number(number: &[u8]) -> bool {
    // Nothing of at most fifteen digits is rounded; a zero at the end is the only other thing that is lost.
    if !number.contains(&b'.') {
        let text = std::str::from_utf8(number).unwrap_or_default();
        return number.len() <= 18 || number.contains(&b'e') || text.parse::<i64>().is_ok() || text.parse::<u64>().is_ok();
    }
    if number.contains(&b'e') || number.ends_with(b".0") && number.len() <= 15 {
        return true;
    }
    let plain = !number.ends_with(b"0");
    if number.len() <= 15 {
        return plain;
    }
    let text = std::str::from_utf8(number).unwrap_or_default();
    let Ok(double) = text.parse::<f64>() else { return false };
    let printed = if double.fract() == 0.0 { format!("{double}.0") } else { format!("{double}") };
    PLAIN_DOUBLES.contains(&double.abs()) && printed == text
}

/// A look at JSON text as the server prints it.
struct Scan<'a> {
    text: &'a [u8],
    at: usize,
}

impl<'a> Scan<'a> {
    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    /// The next byte that is no blank.
    fn next_sign(&mut self) -> Option<u8> {
        while self.peek()?.is_ascii_whitespace() {
            self.at += 1;
        }
        self.peek()
    }

    fn expect(&mut self, sign: u8) -> Option<()> {
        (self.next_sign()? == sign).then(|| self.at += 1)
    }

    /// A string with its quotes.
    fn string(&mut self) -> &'a [u8] {
        let from = self.at;
        self.at += 1;
        while let Some(near) = self.text.get(self.at..).and_then(|rest| memchr2(b'"', b'\\', rest)) {
            self.at += near + 1;
            if self.text[self.at - 1] == b'"' {
                return &self.text[from..self.at];
            }
            self.at += 1;
        }
        self.at = self.text.len();
        &self.text[from..]
    }

    fn number(&mut self) -> &'a [u8] {
        let from = self.at;
        while self.peek().is_some_and(is_of_number) {
            self.at += 1;
        }
        &self.text[from..self.at]
    }

    /// One value, whatever it is.
    fn value(&mut self) -> Option<&'a [u8]> {
        self.next_sign()?;
        let (from, mut depth) = (self.at, 0_usize);
        loop {
            match self.next_sign()? {
                b'"' => drop(self.string()),
                b'{' | b'[' => {
                    depth += 1;
                    self.at += 1;
                }
                b'}' | b']' => {
                    depth = depth.checked_sub(1)?;
                    self.at += 1;
                }
                b',' | b':' if depth > 0 => self.at += 1,
                _ => {
                    let word = self.at;
                    while self.peek().is_some_and(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'+' | b'.')) {
                        self.at += 1;
                    }
                    if self.at == word {
                        return None;
                    }
                }
            }
            if depth == 0 {
                return Some(&self.text[from..self.at]);
            }
        }
    }
}

/// An expression that makes the next value.
fn value_into(into: &mut Vec<u8>, scan: &mut Scan<'_>) -> Option<()> {
    let first = scan.next_sign()?;
    let from = scan.at;
    let text = scan.value()?;
    if is_stable(text) {
        into.extend_from_slice(b"CAST(");
        quote_into(into, text);
        into.extend_from_slice(b" AS JSON)");
        return Some(());
    }
    let (function, end): (&[u8], u8) = match first {
        b'{' => (b"JSON_OBJECT(", b'}'),
        b'[' => (b"JSON_ARRAY(", b']'),
        // A decimal, as a literal of its own type.
        _ => {
            into.extend_from_slice(text);
            return Some(());
        }
    };
    into.extend_from_slice(function);
    let mut inner = Scan { text: scan.text, at: from + 1 };
    while inner.next_sign()? != end {
        if inner.peek()? == b',' {
            inner.at += 1;
            into.push(b',');
            inner.next_sign()?;
        }
        if first == b'{' {
            let key: String = serde_json::from_slice(inner.string()).ok()?;
            quote_into(into, key.as_bytes());
            into.push(b',');
            inner.expect(b':')?;
        }
        value_into(into, &mut inner)?;
    }
    into.push(b')');
    Some(())
}

#[cfg(test)]
mod tests;
