//! Values as SQL literals, exact: what the server sends in its text protocol, written so that it stores the same again.
//!
//! Pure. Strings come unconverted, in the character set of their column: what is UTF-8, ASCII or latin1 is written as text, every
//! other byte in hex under the name of its character set, so that nothing is ever converted with loss. Holds under any
//! `sql_mode` without `NO_BACKSLASH_ESCAPES` and `ANSI_QUOTES`, which the archive's header sees to.
//! Invariant: what is written reads back as the same bytes; held by `literal/tests.rs`.

use std::io::Write;

use memchr::memchr3;

use super::json::json_into;

/// How values of a column are written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Encoding {
    /// As sent: integers, decimals, years.
    Plain,
    /// As sent, but for the sign of zero.
    Double,
    /// Single precision, sent as double: the shortest digits that make the same single.
    Single,
    /// In quotes, always ASCII: dates, times, addresses.
    Quoted,
    /// In quotes as long as it is UTF-8, else in hex under this name.
    Utf8(String),
    /// MySQL's own JSON.
    Json,
    /// latin1 as MySQL has it (every byte is a character): in quotes, as UTF-8.
    Latin1,
    /// In quotes as long as it is ASCII, else in hex under this name.
    AsciiSubset(String),
    /// In hex under this name.
    Foreign(String),
    /// In hex: binary strings, bits, geometries, vectors.
    Hex,
}

/// Character sets in which every byte below 0x80 is the ASCII character, there and back.
const ASCII_SUPERSETS: [&str; 31] = [
    "armscii8", "ascii", "geostd8", "keybcs2", "latin2", "latin5", "latin7", "cp1250", "cp1251", "cp1256", "cp1257", "cp850",
    "cp852", "cp866", "koi8r", "koi8u", "greek", "hebrew", "macce", "macroman", "dec8", "hp8", "tis620", "gb2312", "gbk",
    "gb18030", "big5", "euckr", "ujis", "eucjpms", "cp932",
];

impl Encoding {
    /// For strings in a character set.
    #[must_use]
    pub fn of_charset(name: &str) -> Self {
        match name {
            "utf8mb4" | "utf8mb3" | "utf8" => Self::Utf8(name.to_owned()),
            "latin1" => Self::Latin1,
            _ if ASCII_SUPERSETS.contains(&name) => Self::AsciiSubset(name.to_owned()),
            _ => Self::Foreign(name.to_owned()),
        }
    }

    /// Writes one value.
    pub fn write(&self, value: Option<&[u8]>, into: &mut Vec<u8>) {
        let Some(value) = value else { return into.extend_from_slice(b"NULL") };
        match self {
            Self::Plain => into.extend_from_slice(value),
            Self::Double if value == b"-0" => into.extend_from_slice(b"-0e0"),
            Self::Double => into.extend_from_slice(value),
            Self::Single => single_into(into, value),
            Self::Quoted => quote_into(into, value),
            Self::Utf8(_) | Self::AsciiSubset(_) | Self::Foreign(_) | Self::Latin1 if value.is_empty() => {
                into.extend_from_slice(b"''");
            }
            Self::Json => json_into(into, value),
            Self::Utf8(name) if !value.is_ascii() && std::str::from_utf8(value).is_err() => introduced_into(into, name, value),
            Self::Utf8(_) => quote_into(into, value),
            Self::AsciiSubset(_) | Self::Latin1 if value.is_ascii() => quote_into(into, value),
            Self::AsciiSubset(name) | Self::Foreign(name) => introduced_into(into, name, value),
            Self::Latin1 => latin1_into(into, value),
            Self::Hex if value.is_empty() => into.extend_from_slice(b"''"),
            Self::Hex if value.len() > MAX_HEX_BYTES => base64_into(into, value),
            Self::Hex => {
                into.extend_from_slice(b"0x");
                hex_into(into, value);
            }
        }
    }
}

/// What stands for a byte behind a backslash; 0 for a byte that stands for itself.
const ESCAPES: [u8; 256] = {
    let mut escapes = [0; 256];
    escapes[0] = b'0';
    escapes[b'\n' as usize] = b'n';
    escapes[b'\r' as usize] = b'r';
    escapes[0x1a] = b'Z';
    escapes[b'\\' as usize] = b'\\';
    escapes[b'\'' as usize] = b'\'';
    escapes
};

/// Writes bytes in quotes.
pub fn quote_into(into: &mut Vec<u8>, value: &[u8]) {
    // Six bytes are escaped and three are searched for at once: those of text, and those that text hardly ever holds.
    let usual = |from: usize| memchr3(b'\'', b'\\', b'\n', &value[from..]).map_or(value.len(), |at| from + at);
    let rare = |from: usize| memchr3(0, b'\r', 0x1a, &value[from..]).map_or(value.len(), |at| from + at);
    into.reserve(value.len() + 2);
    into.push(b'\'');
    let (mut from, mut next_usual, mut next_rare) = (0, usual(0), rare(0));
    loop {
        let at = next_usual.min(next_rare);
        into.extend_from_slice(&value[from..at]);
        let Some(special) = value.get(at) else { break };
        into.extend_from_slice(&[b'\\', ESCAPES[usize::from(*special)]]);
        from = at + 1;
        if at == next_usual {
            next_usual = usual(from);
        } else {
            next_rare = rare(from);
        }
    }
    into.push(b'\'');
}

const HEX: [[u8; 2]; 256] = {
    let digits = b"0123456789ABCDEF";
    let mut table = [[0; 2]; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] = [digits[byte >> 4], digits[byte & 15]];
        byte += 1;
    }
    table
};

/// Writes bytes as hex digits.
pub fn hex_into(into: &mut Vec<u8>, value: &[u8]) {
    into.reserve(value.len() * 2);
    for byte in value {
        into.extend_from_slice(&HEX[usize::from(*byte)]);
    }
}

/// Binary values longer than this are written in base 64: hex would take twice the bytes the server was once sent, and so
/// perhaps more than it accepts.
const MAX_HEX_BYTES: usize = 8 << 20;

fn base64_into(into: &mut Vec<u8>, value: &[u8]) {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    into.reserve(value.len() / 3 * 4 + 32);
    into.extend_from_slice(b"FROM_BASE64('");
    for three in value.chunks(3) {
        let byte = |at: usize| u32::from(three.get(at).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        let digit = |shift: u32| DIGITS[(bits >> shift & 63) as usize];
        let mut four = [digit(18), digit(12), digit(6), digit(0)];
        four[three.len() + 1..].fill(b'=');
        into.extend_from_slice(&four);
    }
    into.extend_from_slice(b"')");
}

fn introduced_into(into: &mut Vec<u8>, charset: &str, value: &[u8]) {
    into.push(b'_');
    into.extend_from_slice(charset.as_bytes());
    into.extend_from_slice(b" 0x");
    hex_into(into, value);
}

/// What latin1's bytes 0x80 to 0x9f are: Windows-1252, and the five that it leaves out are the control characters.
const LATIN1_C1: [char; 32] = [
    '\u{20ac}', '\u{81}', '\u{201a}', '\u{192}', '\u{201e}', '\u{2026}', '\u{2020}', '\u{2021}', '\u{2c6}', '\u{2030}',
    '\u{160}', '\u{2039}', '\u{152}', '\u{8d}', '\u{17d}', '\u{8f}', '\u{90}', '\u{2018}', '\u{2019}', '\u{201c}', '\u{201d}',
    '\u{2022}', '\u{2013}', '\u{2014}', '\u{2dc}', '\u{2122}', '\u{161}', '\u{203a}', '\u{153}', '\u{9d}', '\u{17e}',
    '\u{178}',
];

fn latin1_into(into: &mut Vec<u8>, value: &[u8]) {
    let character = |byte: &u8| match byte {
        0x80..=0x9f => LATIN1_C1[usize::from(byte - 0x80)],
        other => char::from(*other),
    };
    let text: String = value.iter().map(character).collect();
    quote_into(into, text.as_bytes());
}

/// Exponents outside of which a number is shorter, and exact, with one: the server reads digits without one as a decimal, of
/// which it keeps thirty behind the point.
const PLAIN_SINGLES: std::ops::Range<f32> = 1e-5..1e15;

fn single_into(into: &mut Vec<u8>, sent: &[u8]) {
    let wide = std::str::from_utf8(sent).ok().and_then(|text| text.parse::<f64>().ok());
    #[allow(clippy::cast_possible_truncation)] // It was a single before the server widened it.
    let narrow = wide.map(|wide| wide as f32);
    let Some(single) = narrow.filter(|single| wide == Some(f64::from(*single)) && single.is_finite()) else {
        // Not a single after all: as it was sent, every digit of it.
        return into.extend_from_slice(sent);
    };
    let at = into.len();
    let written = if single == 0.0 || PLAIN_SINGLES.contains(&single.abs()) {
        write!(into, "{single}{}", if single == 0.0 && single.is_sign_negative() { "e0" } else { "" })
    } else {
        write!(into, "{single:e}")
    };
    // The server reads a double and narrows it: in the rare case that this is another single, all digits of the double.
    let read = std::str::from_utf8(&into[at..]).ok().and_then(|text| text.parse::<f64>().ok());
    #[allow(clippy::cast_possible_truncation)]
    let same = read.is_some_and(|read| (read as f32).to_bits() == single.to_bits());
    if written.is_err() || !same {
        into.truncate(at);
        into.extend_from_slice(sent);
    }
}

#[cfg(test)]
mod tests;
