//! Characters outside of Unicode's basic plane in definitions (`ENUM('🍣')`): the servers keep them and print a question mark
//! for each, so that no client can write such a definition again.

use super::super::EngineError;
use super::connect::{Session, quote};
use super::here::HERE;

/// Whether a text in `utf8mb4` holds such a character: one of four bytes, the first of which is F0 to F4.
fn is_wide(expression: &str) -> String {
    format!("HEX(CONVERT({expression} USING utf8mb4)) REGEXP '^(..)*F[0-4]'")
}

/// Refuses a definition that is printed otherwise than it is, where that can be found out: a member of an `ENUM` or `SET` that rows
/// have, and a default. Only what is printed with a question mark is looked at.
pub(super) async fn demand_shown(session: &mut Session) -> Result<(), EngineError> {
    let sql = format!(
        "SELECT TABLE_NAME, COLUMN_NAME, DATA_TYPE IN ('enum', 'set') AND COLUMN_TYPE LIKE '%?%' FROM information_schema.COLUMNS \
         WHERE {HERE} AND ((DATA_TYPE IN ('enum', 'set') AND COLUMN_TYPE LIKE '%?%') OR COLUMN_DEFAULT LIKE '''%?%''') \
         ORDER BY 1, 2"
    );
    for row in session.texts("list columns with question marks", &sql).await? {
        let [Some(table), Some(column), Some(is_member)] = row.as_slice() else { continue };
        let (t, c) = (quote(table), quote(column));
        let sql = match is_member.as_str() {
            "1" => format!("SELECT 1 FROM {t} WHERE {} LIMIT 1", is_wide(&c)),
            _ if !session.version.is_mariadb() => continue,
            _ => format!("SELECT 1 FROM (SELECT 1) one LEFT JOIN {t} ON FALSE WHERE {}", is_wide(&format!("DEFAULT({t}.{c})"))),
        };
        if session.number(&format!("look for characters in column {column} of table {table}"), &sql).await? != 0 {
            return Err(EngineError::Inexact {
                what: format!(
                    "column {column} of table {table} has a member or default with a character that the server prints as a question mark"
                ),
                hint: "keep such values in a table or a VARCHAR column instead of its definition".to_owned(),
            });
        }
    }
    Ok(())
}
