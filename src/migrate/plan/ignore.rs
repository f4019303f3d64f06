//! Flyway's `ignoreMigrationPatterns`: what validation passes over.

/// Patterns of the form `versioned:missing`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Ignore(Vec<String>);

impl Ignore {
    /// The patterns as configured.
    #[must_use]
    pub fn new(patterns: &[String]) -> Self {
        Self(patterns.to_vec())
    }

    /// Whether a migration in this state (`missing`) is passed over.
    #[must_use]
    pub fn covers(&self, versioned: bool, state: &str) -> bool {
        let kind = if versioned { "versioned" } else { "repeatable" };
        let fits = |pattern: &str, is: &str| pattern == "*" || pattern == is;
        self.0.iter().filter_map(|pattern| pattern.split_once(':')).any(|(of, what)| fits(of, kind) && fits(what, state))
    }
}
