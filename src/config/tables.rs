//! Names of tables as the configuration writes them: `audit_log`, `public.cache_*`.

use std::fmt;

use crate::text::fits;

/// One table or several by a pattern: `*` stands for any letters. A pattern with a dot is held to the name with its schema, one without to the name
/// alone, in whatever schema it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TablePattern(String);

impl TablePattern {
    /// Reads one.
    ///
    /// # Errors
    /// Why it is none.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text.is_empty() || text.contains(['"', '`']) || text.chars().any(char::is_control) {
            return Err(format!("`{text}` is no table: write its name as it is, without quotes, with its schema or without"));
        }
        if text.chars().all(|letter| letter == '*' || letter == '.') {
            return Err(format!("`{text}` would leave out every row: name the tables"));
        }
        Ok(Self(text.to_owned()))
    }

    /// Whether it means this table. Where an engine has no schemas the schema is empty.
    #[must_use]
    pub fn fits(&self, schema: &str, name: &str) -> bool {
        fits(&self.0, name) && (schema.is_empty() || !self.0.contains('.')) || fits(&self.0, &format!("{schema}.{name}"))
    }
}

impl fmt::Display for TablePattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_means_whole_names_by_their_schema_where_it_has_a_dot() {
        for (pattern, schema, name, expect) in [
            ("audit_log", "public", "audit_log", true),
            ("audit_log", "app", "audit_log", true),
            ("audit_log", "public", "audit_log_2", false),
            ("public.cache_*", "public", "cache_x", true),
            ("public.cache_*", "app", "cache_x", false),
            ("public.cache_*", "public", "my_cache_x", false),
            ("*_log", "app", "a_log", true),
            ("a*b*c", "", "a1b2c", true),
            ("a*b*c", "", "a1c2b", false),
            ("a*bc*c", "", "abc", false),
            ("old.*", "old", "t", true),
            ("odd.name", "", "odd.name", true),
        ] {
            assert_eq!(TablePattern::parse(pattern).unwrap().fits(schema, name), expect, "{pattern} {schema}.{name}");
        }
        for bad in ["", "*", "*.*", "\"Quoted\"", "a\nb"] {
            assert!(TablePattern::parse(bad).is_err(), "{bad:?}");
        }
    }
}
