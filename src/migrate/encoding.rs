//! The encodings scripts are written in: the ones that need no table of a thousand entries.
//!
//! Owns bytes to text. Strict: bytes that are no text in the encoding are an error with their line, never a replacement
//! character, for such a script would be applied and recorded as something nobody wrote. Pure; held by `encoding/tests.rs`.

/// How a script's bytes are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Encoding {
    Utf8,
    /// By its byte order mark; without one, high byte first, as Java has it.
    Utf16,
    Utf16Le,
    Utf16Be,
    Ascii,
    Latin1,
    Windows1252,
}

/// The names an encoding goes by in Java, lower-cased.
const NAMES: &[(&str, Encoding)] = &[
    ("utf-8", Encoding::Utf8),
    ("utf8", Encoding::Utf8),
    ("utf-16", Encoding::Utf16),
    ("utf-16le", Encoding::Utf16Le),
    ("utf-16be", Encoding::Utf16Be),
    ("us-ascii", Encoding::Ascii),
    ("ascii", Encoding::Ascii),
    ("iso-8859-1", Encoding::Latin1),
    ("iso8859_1", Encoding::Latin1),
    ("latin1", Encoding::Latin1),
    ("windows-1252", Encoding::Windows1252),
    ("cp1252", Encoding::Windows1252),
];

/// What the bytes 0x80 to 0x9f are in windows-1252; zero for the five that are nothing.
const WINDOWS_1252: [u16; 32] = [
    0x20ac, 0, 0x201a, 0x0192, 0x201e, 0x2026, 0x2020, 0x2021, 0x02c6, 0x2030, 0x0160, 0x2039, 0x0152, 0, 0x017d, 0, 0, 0x2018,
    0x2019, 0x201c, 0x201d, 0x2022, 0x2013, 0x2014, 0x02dc, 0x2122, 0x0161, 0x203a, 0x0153, 0, 0x017e, 0x0178,
];

impl Encoding {
    /// By its name, as Flyway's `encoding` has it.
    pub(super) fn named(name: &str) -> Result<Self, String> {
        let lower = name.to_lowercase();
        NAMES.iter().find(|(known, _)| *known == lower).map(|(_, encoding)| *encoding).ok_or_else(|| {
            format!("encoding `{name}` is not read here; UTF-8, UTF-16(LE, BE), US-ASCII, ISO-8859-1 and windows-1252 are")
        })
    }

    /// The text, with its byte order mark where the encoding keeps it.
    pub(super) fn decode(self, bytes: Vec<u8>) -> Result<String, String> {
        match self {
            Self::Utf8 => String::from_utf8(bytes).map_err(|error| {
                let before = error.as_bytes().get(..error.utf8_error().valid_up_to()).unwrap_or_default();
                not_in(before, "UTF-8")
            }),
            Self::Utf16 => match bytes.as_slice() {
                [0xff, 0xfe, rest @ ..] => utf16(rest, u16::from_le_bytes),
                [0xfe, 0xff, rest @ ..] => utf16(rest, u16::from_be_bytes),
                rest => utf16(rest, u16::from_be_bytes),
            },
            Self::Utf16Le => utf16(&bytes, u16::from_le_bytes),
            Self::Utf16Be => utf16(&bytes, u16::from_be_bytes),
            Self::Ascii => match bytes.iter().position(|byte| !byte.is_ascii()) {
                Some(at) => Err(not_in(bytes.get(..at).unwrap_or_default(), "US-ASCII")),
                None => Ok(bytes.iter().map(|&byte| char::from(byte)).collect()),
            },
            Self::Latin1 => Ok(bytes.iter().map(|&byte| char::from(byte)).collect()),
            Self::Windows1252 => windows_1252(&bytes),
        }
    }
}

fn not_in(before: &[u8], encoding: &str) -> String {
    format!("line {} is not {encoding}", before.iter().filter(|&&byte| byte == b'\n').count() + 1)
}

fn utf16(bytes: &[u8], unit: fn([u8; 2]) -> u16) -> Result<String, String> {
    let (pairs, rest) = bytes.as_chunks::<2>();
    let text = String::from_utf16(&pairs.iter().map(|&pair| unit(pair)).collect::<Vec<_>>());
    text.ok().filter(|_| rest.is_empty()).ok_or_else(|| "it is not UTF-16".to_owned())
}

fn windows_1252(bytes: &[u8]) -> Result<String, String> {
    let mut text = String::with_capacity(bytes.len());
    for (at, &byte) in bytes.iter().enumerate() {
        let unit = match byte {
            0x80..=0x9f => WINDOWS_1252.get(usize::from(byte - 0x80)).copied().unwrap_or(0),
            byte => u16::from(byte),
        };
        match char::from_u32(u32::from(unit)).filter(|_| unit != 0 || byte == 0) {
            Some(letter) => text.push(letter),
            None => return Err(not_in(bytes.get(..at).unwrap_or_default(), "windows-1252")),
        }
    }
    Ok(text)
}

#[cfg(test)]
mod tests;
