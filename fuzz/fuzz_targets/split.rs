//! Any text cut into statements, in every dialect: nothing panics, no byte is lost or counted twice, every cut is between two
//! characters, and a statement that was cut off has a line.
#![no_main]

use libfuzzer_sys::fuzz_target;
use migrate::split::{Dialect, split};

/// The module by itself: it needs nothing of the rest, and builds in seconds.
#[path = "../../src/migrate"]
#[allow(dead_code, unused_imports, reason = "the rest of the program uses more of it")]
mod migrate {
    pub mod split;
}

fuzz_target!(|text: &str| {
    for dialect in [Dialect::Postgres, Dialect::Sqlite, Dialect::MySql] {
        let Ok(pieces) = split(text, dialect) else { continue };
        let joined: String = pieces.iter().map(|piece| &text[piece.raw.clone()]).collect();
        assert_eq!(joined, text);
        let mut line = 1;
        for piece in &pieces {
            assert!(piece.raw.start <= piece.sql.start && piece.sql.end <= piece.raw.end);
            assert!(text.get(piece.sql.clone()).is_some());
            assert!(piece.line >= line && piece.line <= 1 + text.matches('\n').count());
            line = piece.line;
            if let Some(rows) = &piece.rows {
                assert!(rows.start >= piece.sql.end && rows.end <= piece.raw.end && text.get(rows.clone()).is_some());
            }
        }
    }
});
