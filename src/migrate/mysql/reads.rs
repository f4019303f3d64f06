//! What a MySQL statement asks of its session and sets in it, told from its tokens.
//!
//! Pure. Follows no statement into a stored program.

use std::collections::BTreeSet;

use crate::migrate::split::{Dialect, Head, TokenKind, tokens};

/// The servers' own functions that change no rows, and words that stand before a parenthesis and call nothing.
const BUILT_IN: &str = "\
    ABS ALL AND ANY ANY_VALUE AS ASCII AVG BETWEEN BIN BINARY BIT_AND BIT_COUNT BIT_OR BIT_XOR BY CASE CAST CEIL CEILING CHAR \
    CHARACTER_LENGTH CHAR_LENGTH COALESCE COLLATION COMPRESS CONCAT CONCAT_WS CONNECTION_ID CONV CONVERT CONVERT_TZ COUNT CRC32 \
    CURDATE CURRENT_DATE CURRENT_ROLE CURRENT_TIME CURRENT_TIMESTAMP CURRENT_USER CURTIME DATABASE DATE DATEDIFF DATETIME \
    DATE_ADD DATE_FORMAT DATE_SUB DAY DAYOFMONTH DAYOFWEEK DAYOFYEAR DECIMAL DISTINCT DIV ELSE ELT EXCEPT EXISTS EXTRACT FIELD \
    FIND_IN_SET FLOOR FORCE FORMAT FOUND_ROWS FROM FROM_BASE64 FROM_DAYS FROM_UNIXTIME GREATEST GROUP_CONCAT HAVING HEX HOUR \
    IF IFNULL IGNORE IN INDEX INET6_ATON INET6_NTOA INET_ATON INET_NTOA INSTR INTERSECT INTERVAL ISNULL JOIN JSON_ARRAY \
    JSON_ARRAYAGG JSON_CONTAINS JSON_EXTRACT JSON_KEYS JSON_LENGTH JSON_OBJECT JSON_OBJECTAGG JSON_QUOTE JSON_SEARCH JSON_SET \
    JSON_UNQUOTE JSON_VALID JSON_VALUE KEY LAST_DAY LAST_INSERT_ID LCASE LEAST LEFT LENGTH LIKE LIMIT LOCALTIME LOCALTIMESTAMP \
    LOCATE LOWER LPAD LTRIM MAKEDATE MAX MD5 MICROSECOND MID MIN MINUTE MOD MONTH MONTHNAME NOT NOW NULLIF NVL OCTET_LENGTH ON \
    OR ORD OVER POSITION POW POWER QUARTER QUOTE RAND RANDOM_BYTES REGEXP REGEXP_INSTR REGEXP_REPLACE REGEXP_SUBSTR REPEAT \
    REPLACE REVERSE RIGHT RLIKE ROUND ROW ROW_COUNT ROW_NUMBER RPAD RTRIM SCHEMA SECOND SELECT SESSION_USER SHA SHA1 SHA2 SIGN \
    SIGNED SOME SPACE SQRT STD STDDEV STRCMP STR_TO_DATE SUBSTR SUBSTRING SUBSTRING_INDEX SUM SYSDATE SYSTEM_USER THEN TIME \
    TIMEDIFF TIMESTAMP TIMESTAMPADD TIMESTAMPDIFF TIME_FORMAT TO_BASE64 TO_DAYS TRIM TRUNCATE UCASE UNHEX UNION UNIX_TIMESTAMP \
    UNSIGNED UPPER USE USER USING UTC_DATE UTC_TIME UTC_TIMESTAMP UUID VALUES VARCHAR VERSION WEEK WEEKDAY WHEN WHERE XOR YEAR";

/// Whether a statement asks about the one before it: how many rows it was about, what the server had to say.
pub(super) fn asks_back(sql: &str, head: &Head) -> bool {
    head.begins("GET")
        || (head.begins("SHOW") && (head.holds("WARNINGS") || head.holds("ERRORS")))
        || asks(sql, &["ROW_COUNT", "FOUND_ROWS"], &["WARNING_COUNT", "ERROR_COUNT"])
}

/// Whether a statement asks which number the last row of its session got.
pub(super) fn asks_last_id(sql: &str) -> bool {
    asks(sql, &["LAST_INSERT_ID"], &["LAST_INSERT_ID", "IDENTITY"])
}

/// Whether a statement calls one of these functions or reads one of these variables of the server.
fn asks(sql: &str, functions: &[&str], server: &[&str]) -> bool {
    let is = |known: &[&str], text: &str| known.iter().any(|known| known.eq_ignore_ascii_case(text));
    let (mut last, mut within) = ("", false);
    for (kind, text) in tokens(sql, Dialect::MySql) {
        within = match text {
            "@" => last == "@",
            "." => within,
            _ => within && matches!(last, "@" | "."),
        };
        if (text == "(" && is(functions, last)) || (within && kind == TokenKind::Word && is(server, text)) {
            return true;
        }
        last = text;
    }
    false
}

/// Whether a statement calls what may be a stored function, which may change rows.
pub(super) fn calls_stored(sql: &str) -> bool {
    let (mut before, mut last) = ("", (TokenKind::Blank, ""));
    for (kind, text) in tokens(sql, Dialect::MySql) {
        let called = match last {
            _ if text != "(" => false,
            (TokenKind::Word, name) => before == "." || !is_built_in(name),
            (TokenKind::Quoted, name) => name.starts_with('`'),
            _ => false,
        };
        if called {
            return true;
        }
        (before, last) = (last.1, (kind, text));
    }
    false
}

fn is_built_in(name: &str) -> bool {
    BUILT_IN.split_ascii_whitespace().any(|known| known.eq_ignore_ascii_case(name))
}

/// What a `SET` sets, and what it reads for that.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Assignment {
    /// The user variables it gives a value.
    pub(super) given: BTreeSet<String>,
    /// The user variables whose value it reads.
    pub(super) read: BTreeSet<String>,
    /// Whether it sets something of the server's for its session.
    pub(super) session: bool,
}

/// What a statement that begins with `SET` sets and reads; of another only what it reads.
pub(super) fn assignment(sql: &str) -> Assignment {
    let all: Vec<(TokenKind, &str)> = tokens(sql, Dialect::MySql).collect();
    let mut found = Assignment::default();
    let (mut depth, mut first, mut before) = (0_usize, false, "");
    for (at, &(kind, text)) in all.iter().enumerate() {
        match (text, all.get(at + 1).copied()) {
            ("(", _) => depth += 1,
            (")", _) => depth = depth.saturating_sub(1),
            ("@", Some((TokenKind::Word | TokenKind::Quoted, name))) if before != "@" => {
                let names = if first { &mut found.given } else { &mut found.read };
                names.insert(plain(name));
            }
            ("@", Some((_, "@"))) if first => {
                found.session |= !all.get(at + 2).is_some_and(|(_, scope)| is_global(scope));
            }
            _ => found.session |= first && kind != TokenKind::Symbol && !is_global(text),
        }
        first = depth == 0 && (text == "," || text.eq_ignore_ascii_case("SET"));
        before = text;
    }
    found
}

/// Whether the word before a variable makes it every session's.
pub(super) fn is_global(scope: &str) -> bool {
    ["GLOBAL", "PERSIST", "PERSIST_ONLY"].iter().any(|known| known.eq_ignore_ascii_case(scope))
}

/// A name without its quotes, lower-cased.
pub(super) fn plain(name: &str) -> String {
    name.trim_matches(['`', '\'', '"']).to_lowercase()
}

#[cfg(test)]
mod tests;
