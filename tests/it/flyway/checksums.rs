//! A hundred generated files, their checksums by the real Flyway and by upkeep.

use upkeep::migrate::checksum;

use crate::support::flyway::{Version, flyway};

const FILES: usize = 100;

/// What checksums go wrong with, put together by a fixed recipe.
fn text(mut seed: u64) -> String {
    const ATOMS: [&str; 22] = [
        "SELECT 1;",
        "\n",
        "\r\n",
        "\r",
        "\n\n",
        " ",
        "\t",
        "  \n",
        "é",
        "😀",
        "\u{feff}",
        "\u{2028}",
        "\u{85}",
        "\x0c",
        "\x0b",
        "-- remark",
        "'it''s'",
        "\u{0}",
        "\\",
        "${",
        "ß\r",
        "\u{a0}",
    ];
    let mut text = String::new();
    for _ in 0..seed % 40 {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        text.push_str(ATOMS[usize::try_from(seed >> 33).unwrap() % ATOMS.len()]);
    }
    text
}

fn compare(version: Version) {
    let Some(flyway) = flyway(version) else { return };
    let root = tempfile::tempdir().unwrap();
    let texts: Vec<String> = (0..FILES).map(|number| text(number as u64 * 7919 + 13)).collect();
    for (number, text) in texts.iter().enumerate() {
        std::fs::write(root.path().join(format!("V{number}__x.sql")), text).unwrap();
    }
    let settings = vec![
        ("url".to_owned(), format!("jdbc:sqlite:{}", root.path().join("x.db").display())),
        ("locations".to_owned(), format!("filesystem:{}", root.path().display())),
    ];
    let answer = flyway.ask("info", &settings);
    assert_eq!((answer.failed, answer.rows.len()), (None, FILES));
    for row in &answer.rows {
        let text = &texts[row[1].parse::<usize>().unwrap()];
        assert_eq!(checksum::of(text).to_string(), row[6], "{text:?}");
    }
}

#[test]
fn a_hundred_files_have_flyways_checksums() {
    compare(Version::Current);
    compare(Version::Older);
}
