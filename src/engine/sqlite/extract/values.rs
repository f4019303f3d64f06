//! Values as SQL, for a reader that is not ours: the `sqlite3` shell of any version.
//!
//! Pure. Invariant: what the shell reads is the value as it was stored, of its type, or the statement fails. Held by the tests below and by
//! `tests/it/extract.rs`.

use std::fmt::Write as _;

use sqlx::sqlite::{SqliteRow, SqliteValueRef};
use sqlx::{Decode, Row, TypeInfo, ValueRef};
use upkeep_rows::literal;

/// A multiplication or division by more than two to this power is written as several; by a power of two none of them rounds.
const STEP: u32 = 62;

/// The values of a row, with commas between them.
pub(super) fn of(row: &SqliteRow, into: &mut String) -> Result<(), sqlx::Error> {
    for at in 0..row.len() {
        if at > 0 {
            into.push_str(", ");
        }
        into.push_str(&value(row.try_get_raw(at)?).map_err(sqlx::Error::Decode)?);
    }
    Ok(())
}

fn value(value: SqliteValueRef<'_>) -> Result<String, sqlx::error::BoxDynError> {
    if value.is_null() {
        return Ok("NULL".to_owned());
    }
    let class = value.type_info().name().to_owned();
    Ok(match class.as_str() {
        "INTEGER" => <i64 as Decode<sqlx::Sqlite>>::decode(value)?.to_string(),
        "REAL" => real(<f64 as Decode<sqlx::Sqlite>>::decode(value)?),
        "TEXT" => text(<&[u8] as Decode<sqlx::Sqlite>>::decode(value)?),
        _ => format!("x'{}'", hex(<&[u8] as Decode<sqlx::Sqlite>>::decode(value)?)),
    })
}

/// SQLite's reader does not always find the number that is nearest to many digits, and each version errs elsewhere: a number of few digits,
/// two of them behind the point, stands as such; all others are a whole number, which every version reads as it is, times powers of two.
fn real(number: f64) -> String {
    if number.is_infinite() {
        return if number < 0.0 { "-9e999" } else { "9e999" }.to_owned();
    }
    let digits = format!("{number:?}");
    if digits.len() <= 15 && digits.split_once('.').is_some_and(|(_, behind)| behind.len() <= 2) {
        return digits;
    }
    let (bits, sign) = (number.to_bits(), if number.is_sign_negative() { "-" } else { "" });
    let (field, fraction) = (i32::try_from((bits >> 52) & 0x7ff).unwrap_or_default(), bits & ((1 << 52) - 1));
    let (whole, exponent) = if field == 0 { (fraction, -1074) } else { (fraction | (1 << 52), field - 1075) };
    let zeros = whole.trailing_zeros();
    let exponent = exponent + zeros.cast_signed();
    let mut text = format!("CAST({sign}{} AS REAL)", whole >> zeros);
    let (operator, mut left) = (if exponent < 0 { '/' } else { '*' }, exponent.unsigned_abs());
    while left > 0 {
        let step = left.min(STEP);
        // Writing to a string does not fail.
        write!(text, " {operator} {}", 1_u64 << step).ok();
        left -= step;
    }
    text
}

/// What the shell does not hand on as it reads it, or not at all, with how SQL writes it.
const UNREAD: [(char, &str); 2] = [('\r', "char(13)"), ('\0', "char(0)")];

/// A text. The shell reads a line that begins with a dot inside of a string as part of it, but drops a CR before LF; that and NUL are put in
/// where a mark stands that the text does not have. Bytes that are no text at all go as they are, which only a database of UTF-8 takes.
pub(super) fn text(bytes: &[u8]) -> String {
    let Ok(text) = std::str::from_utf8(bytes) else {
        let bytes = hex(bytes);
        // An overflow is an error, and the shell stops at it.
        return format!(
            "CASE (SELECT encoding FROM pragma_encoding) WHEN 'UTF-8' THEN CAST(x'{bytes}' AS TEXT) ELSE abs(-9223372036854775808) END"
        );
    };
    let (mut marked, mut heads, mut tails) = (text.replace('\'', "''"), String::new(), String::new());
    for (letter, written) in UNREAD.into_iter().filter(|(letter, _)| text.contains(*letter)) {
        let mark = unused(&marked);
        marked = marked.replace(letter, &mark);
        heads.push_str("replace(");
        tails.push_str(&format!(", '{mark}', {written})"));
    }
    format!("{heads}'{marked}'{tails}")
}

/// A mark that is not in the text. Its first sign stands nowhere else in it, so text before it and its beginning are never taken for one.
fn unused(text: &str) -> String {
    let mut marks = (0_u64..).map(|number| format!("<{number}>"));
    marks.find(|mark| !text.contains(mark.as_str())).unwrap_or_default()
}

fn hex(bytes: &[u8]) -> String {
    let mut digits = Vec::new();
    literal::hex_into(&mut digits, bytes);
    // Digits are text.
    String::from_utf8(digits).unwrap_or_default()
}

#[cfg(test)]
mod tests;
