use super::*;

#[test]
fn texts_come_out_the_same_whatever_they_were_written_in() {
    let text = "é €\n";
    let utf16 = |unit: fn(u16) -> [u8; 2]| text.encode_utf16().flat_map(unit).collect::<Vec<u8>>();
    let marked = |mark: [u8; 2], rest: Vec<u8>| [mark.to_vec(), rest].concat();
    let cases = [
        ("UTF-8", text.as_bytes().to_vec()),
        ("utf8", text.as_bytes().to_vec()),
        ("UTF-16LE", utf16(u16::to_le_bytes)),
        ("UTF-16BE", utf16(u16::to_be_bytes)),
        ("UTF-16", utf16(u16::to_be_bytes)),
        ("UTF-16", marked([0xff, 0xfe], utf16(u16::to_le_bytes))),
        ("UTF-16", marked([0xfe, 0xff], utf16(u16::to_be_bytes))),
        ("windows-1252", vec![0xe9, b' ', 0x80, b'\n']),
    ];
    for (name, bytes) in cases {
        assert_eq!(Encoding::named(name).unwrap().decode(bytes), Ok(text.to_owned()), "{name}");
    }
    assert_eq!(Encoding::Latin1.decode(vec![0xe9, 0x80]), Ok("é\u{80}".to_owned()));
    assert_eq!(Encoding::Utf16Le.decode(vec![0xff, 0xfe, b'a', 0]), Ok("\u{feff}a".to_owned()), "kept, as Java keeps it");
}

#[test]
fn what_is_no_text_in_an_encoding_is_refused_with_its_line() {
    let cases = [
        (Encoding::Utf8, b"a\nb\xff".to_vec(), "line 2 is not UTF-8"),
        (Encoding::Ascii, b"a\n\n\xe9".to_vec(), "line 3 is not US-ASCII"),
        (Encoding::Windows1252, vec![0x81], "line 1 is not windows-1252"),
        (Encoding::Utf16Le, vec![b'a'], "it is not UTF-16"),
        (Encoding::Utf16Be, vec![0xd8, 0], "it is not UTF-16"),
    ];
    for (encoding, bytes, said) in cases {
        assert_eq!(encoding.decode(bytes).unwrap_err(), said);
    }
    assert!(Encoding::named("EBCDIC").unwrap_err().contains("`EBCDIC` is not read here"));
}
