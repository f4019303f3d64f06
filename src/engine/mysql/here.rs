//! The chosen database in a query of `information_schema`, by its exact name: the dictionary's own comparison may not tell two databases
//! apart that differ in case.

/// Restricts a query of what has a `TABLE_SCHEMA`. By the plain comparison the server finds the rows, by the other those that are meant.
pub(super) const HERE: &str = "TABLE_SCHEMA = DATABASE() AND CAST(TABLE_SCHEMA AS BINARY) = CAST(DATABASE() AS BINARY)";

/// The same where the column is called otherwise.
pub(super) fn by(column: &str) -> String {
    HERE.replace("TABLE_SCHEMA", column)
}
