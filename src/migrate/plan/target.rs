//! Flyway's `target`: how far is migrated.

use crate::migrate::version::{MigrationVersion, NotAMigrationVersion};

/// How far is migrated.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Target {
    /// All the way.
    #[default]
    Latest,
    /// No further than the newest version applied.
    Current,
    /// One version further.
    Next,
    /// Up to this version.
    Version {
        /// The version.
        version: MigrationVersion,
        /// Whether a script or row of it must be known.
        must_exist: bool,
    },
}

/// Why a text is no target.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("target `{0}` is none of latest, current, next and a version")]
pub struct NotATarget(pub String, #[source] pub NotAMigrationVersion);

impl Target {
    /// Reads a target as Flyway's setting has it; a `?` behind a version allows it to be unknown.
    ///
    /// # Errors
    /// When it is neither a known word nor a version.
    pub fn parse(text: &str) -> Result<Self, NotATarget> {
        Ok(match text.to_lowercase().as_str() {
            "" | "latest" => Self::Latest,
            "current" => Self::Current,
            "next" => Self::Next,
            _ => {
                let (version, must_exist) = text.strip_suffix('?').map_or((text, true), |version| (version, false));
                let version = MigrationVersion::parse(version).map_err(|error| NotATarget(text.to_owned(), error))?;
                Self::Version { version, must_exist }
            }
        })
    }
}
