use super::*;
use proptest::prelude::*;

fn written(encoding: &Encoding, value: &[u8]) -> String {
    let mut into = Vec::new();
    encoding.write(Some(value), &mut into);
    String::from_utf8(into).unwrap()
}

/// Reads a quoted literal as the server does.
fn unquoted(literal: &str) -> Vec<u8> {
    let inner = literal.strip_prefix('\'').and_then(|rest| rest.strip_suffix('\'')).unwrap();
    let (mut bytes, mut rest) = (Vec::new(), inner.bytes());
    while let Some(byte) = rest.next() {
        assert_ne!(byte, b'\'', "{literal}");
        bytes.push(match byte {
            b'\\' => match rest.next().unwrap() {
                b'0' => 0,
                b'n' => b'\n',
                b'r' => b'\r',
                b'Z' => 0x1a,
                other => other,
            },
            other => other,
        });
    }
    bytes
}

#[test]
fn each_encoding_writes_its_values() {
    let utf8 = Encoding::of_charset("utf8mb4");
    assert_eq!(written(&utf8, "grüße \u{1f600}".as_bytes()), "'grüße \u{1f600}'");
    assert_eq!(written(&utf8, b"it's\0\n\r\x1a\\ \t\x08\""), "'it\\'s\\0\\n\\r\\Z\\\\ \t\x08\"'");
    assert_eq!(written(&utf8, b"\xff\xfe"), "_utf8mb4 0xFFFE");
    assert_eq!(written(&Encoding::Latin1, b"\xe9\x80\x81'"), "'\u{e9}\u{20ac}\u{81}\\''");
    assert_eq!(written(&Encoding::of_charset("cp1251"), b"\xc0a"), "_cp1251 0xC061");
    assert_eq!(written(&Encoding::of_charset("cp1251"), b"plain"), "'plain'");
    assert_eq!(written(&Encoding::of_charset("ucs2"), b"\0a"), "_ucs2 0x0061");
    assert_eq!(written(&Encoding::of_charset("swe7"), b""), "''");
    assert_eq!(written(&Encoding::Hex, b"\0\xab"), "0x00AB");
    assert_eq!(written(&Encoding::Hex, b""), "''");
    assert_eq!(written(&Encoding::Double, b"-0"), "-0e0");
    let mut null = Vec::new();
    Encoding::Hex.write(None, &mut null);
    assert_eq!(null, b"NULL");
}

#[test]
fn singles_are_short_and_exact() {
    for (single, expected) in [
        (0.1_f32, "0.1"),
        (-0.0, "-0e0"),
        (0.0, "0"),
        (16_777_216.0, "16777216"),
        (f32::MAX, "3.4028235e38"),
        (f32::MIN_POSITIVE, "1.1754944e-38"),
        (f32::from_bits(1), "1e-45"),
        (1e-6, "1e-6"),
    ] {
        assert_eq!(written(&Encoding::Single, f64::from(single).to_string().as_bytes()), expected);
    }
    // What is no single keeps every digit.
    assert_eq!(written(&Encoding::Single, b"0.1"), "0.1");
    assert_eq!(written(&Encoding::Single, b"123456789.123"), "123456789.123");
}

proptest! {
    #[test]
    fn quoted_text_reads_back(text in "(?s).{0,200}") {
        let literal = written(&Encoding::of_charset("utf8mb4"), text.as_bytes());
        if !text.is_empty() {
            prop_assert_eq!(unquoted(&literal), text.into_bytes());
        }
    }

    #[test]
    fn quoted_specials_read_back(bytes in prop::collection::vec(prop::sample::select(vec![0_u8, 10, 13, 26, 39, 92, 97, 98]), 0..200)) {
        let mut literal = Vec::new();
        quote_into(&mut literal, &bytes);
        prop_assert_eq!(unquoted(std::str::from_utf8(&literal).unwrap()), bytes);
    }

    #[test]
    fn every_single_reads_back(bits in any::<u32>()) {
        let single = f32::from_bits(bits);
        prop_assume!(single.is_finite());
        let literal = written(&Encoding::Single, format!("{:e}", f64::from(single)).as_bytes());
        #[allow(clippy::cast_possible_truncation)]
        let narrowed = literal.parse::<f64>().unwrap() as f32;
        prop_assert_eq!(narrowed.to_bits(), bits);
    }
}
