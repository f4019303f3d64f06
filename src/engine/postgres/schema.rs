//! The schema sections: what `pg_dump` writes, made readable for every loader.
//!
//! Pure but for the catalogue of roles it is given. Drops `psql`'s own lines and the settings another major cannot read,
//! and puts statements that name roles into a block which does nothing, loudly, where the role is missing. Everything else
//! passes untouched; held by `tests/it/postgres_backup.rs`, which compares `pg_dump`'s word for both databases.

use super::split::{Chunk, Splitter};

/// Settings `pg_dump` puts at the head of its output; the archive's own header has them, but for those that other majors
/// do not know (`transaction_timeout` came with 17).
const SETTINGS: [&str; 11] = [
    "statement_timeout",
    "lock_timeout",
    "idle_in_transaction_session_timeout",
    "transaction_timeout",
    "client_encoding",
    "standard_conforming_strings",
    "check_function_bodies",
    "xmloption",
    "client_min_messages",
    "row_security",
    "escape_string_warning",
];

/// The settings every loading session begins with, and the head of every archive.
pub(super) fn head(encoding: &str) -> String {
    format!(
        "SET statement_timeout = 0;\nSET lock_timeout = 0;\nSET idle_in_transaction_session_timeout = 0;\n\
         SET client_encoding = '{encoding}';\nSET standard_conforming_strings = on;\n\
         SELECT pg_catalog.set_config('search_path', '', false);\nSET check_function_bodies = false;\n\
         SET xmloption = content;\nSET client_min_messages = warning;\nSET row_security = off;\n\
         SET DateStyle = ISO;\nSET IntervalStyle = postgres;\n"
    )
}

/// Cleans one section as it streams by.
#[derive(Debug)]
pub(super) struct Cleaner {
    splitter: Splitter,
    roles: Vec<String>,
}

impl Cleaner {
    /// `roles` are the source's, so that a name in a statement can be told to be one.
    pub(super) fn new(roles: Vec<String>) -> Self {
        Self { splitter: Splitter::new(), roles }
    }

    /// Takes more of the section and gives what is ready.
    pub(super) fn push(&mut self, text: &[u8]) -> String {
        let chunks = self.splitter.push(text);
        chunks.into_iter().map(|chunk| clean(chunk, &self.roles)).collect()
    }

    /// Ends the section.
    pub(super) fn finish(self) -> String {
        let roles = self.roles;
        self.splitter.finish().into_iter().map(|chunk| clean(chunk, &roles)).collect()
    }
}

fn clean(chunk: Chunk, roles: &[String]) -> String {
    match chunk {
        Chunk::Meta(_) => String::new(),
        Chunk::Rest(text) => text,
        Chunk::Statement { lead, sql } if is_setting(&sql) => lead.trim_start_matches('\n').to_owned(),
        Chunk::Statement { lead, sql } => format!("{lead}{}", guard(&sql, roles)),
    }
}

fn is_setting(sql: &str) -> bool {
    let mut words = sql.split([' ', '=', ';']).filter(|word| !word.is_empty());
    match words.next() {
        Some("SET") => words.next().is_some_and(|name| SETTINGS.contains(&name)),
        Some("SELECT") => sql.starts_with("SELECT pg_catalog.set_config('search_path'"),
        _ => false,
    }
}

/// Wraps a statement that cannot run where a role is missing, or where we may not act for it.
fn guard(sql: &str, roles: &[String]) -> String {
    let words: Vec<&str> = sql.split_whitespace().collect();
    let owns = (words.first() == Some(&"ALTER") && sql.contains(" OWNER TO ")).then(|| after(sql, " OWNER TO ")).flatten();
    let (condition, why, named) = if let Some(role) = owns {
        let asked = format!("pg_catalog.pg_has_role(pg_catalog.to_regrole({}), 'MEMBER')", quoted(&role));
        (asked, "is missing or not ours to act for", vec![role])
    } else if is_about_roles(&words) {
        let named = roles.iter().map(|role| ident(role)).filter(|role| mentions(sql, role)).collect::<Vec<_>>();
        let exists = |role: &String| format!("pg_catalog.to_regrole({}) IS NOT NULL", quoted(role));
        (named.iter().map(exists).collect::<Vec<_>>().join(" AND "), "is missing", named)
    } else if let Some(extension) = sql.strip_prefix("COMMENT ON EXTENSION ") {
        // Only the extension's owner may; a trusted extension may belong to somebody else here.
        let name = extension.split(" IS ").next().unwrap_or_default().trim();
        let owner = format!(
            "(SELECT pg_catalog.pg_has_role(extowner, 'MEMBER') FROM pg_catalog.pg_extension WHERE pg_catalog.quote_ident(extname) = {})",
            quoted(name)
        );
        (owner, "belongs to somebody else", vec![name.to_owned()])
    } else {
        return sql.to_owned();
    };
    if named.is_empty() {
        return sql.to_owned();
    }
    let tag = (0..).map(|n| format!("$upkeep{n}$")).find(|tag| !sql.contains(tag.as_str())).unwrap_or_default();
    let warning = quoted(&format!("left out: {} {why}", named.join(", "))).replace('%', "%%");
    format!("DO {tag}BEGIN IF {condition} THEN\n{sql}\nELSE RAISE WARNING {warning}; END IF; END{tag};")
}

/// Statements in which a name can be a role's: grants, default privileges, policies, user mappings.
fn is_about_roles(words: &[&str]) -> bool {
    matches!(
        words,
        ["GRANT" | "REVOKE", ..]
            | ["ALTER", "DEFAULT", "PRIVILEGES", ..]
            | ["CREATE", "POLICY" | "USER", ..]
            | ["SET", "SESSION", "AUTHORIZATION", ..]
    )
}

/// The roles that a schema's guarded statements name, for a loader that wants to say which are missing.
pub(super) fn roles_in(sql: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut rest = sql;
    if !sql.starts_with("DO $upkeep") {
        return found;
    }
    let end = rest.find(" THEN\n").unwrap_or(0);
    rest = &rest[..end];
    while let Some(at) = rest.find("to_regrole('") {
        let name = &rest[at + "to_regrole('".len()..];
        let end = name.find("')").unwrap_or(name.len());
        found.push(name[..end].replace("''", "'"));
        rest = &name[end..];
    }
    found
}

fn after(sql: &str, mark: &str) -> Option<String> {
    let at = sql.rfind(mark)? + mark.len();
    Some(sql[at..].trim_end().trim_end_matches(';').to_owned())
}

/// A role as `quote_ident` and so `pg_dump` spell it, as far as telling needs it: plain, or in double quotes.
fn ident(role: &str) -> String {
    let plain = role.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
        && role.starts_with(|c: char| c.is_ascii_lowercase() || c == '_');
    if plain { role.to_owned() } else { format!("\"{}\"", role.replace('"', "\"\"")) }
}

/// Whether the statement names the role after `TO`, `FROM`, `ROLE`, `FOR` or a comma, or quoted in full.
fn mentions(sql: &str, role: &str) -> bool {
    let quoted = format!("\"{}\"", role.trim_matches('"'));
    ["TO ", "FROM ", "ROLE ", "FOR ", ", ", "AUTHORIZATION "].iter().any(|before| {
        [role, quoted.as_str()].iter().any(|name| {
            sql.match_indices(&format!("{before}{name}")).any(|(at, found)| {
                let next = sql[at + found.len()..].chars().next();
                !next.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == '$')
            })
        })
    })
}

fn quoted(text: &str) -> String {
    super::connect::literal(text)
}

#[cfg(test)]
mod tests;
