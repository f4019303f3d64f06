//! Names and identities, each its own type so that none can stand where another belongs.
//!
//! Never touches the world; a value that exists is valid.

use std::fmt;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::version::Version;

/// Why a text cannot be the name it was given as.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` cannot be a {what}: {rule}")]
pub struct NotAName {
    /// Which kind of name was asked for.
    pub what: &'static str,
    /// The text refused, shortened.
    pub text: String,
    /// What the name must be.
    pub rule: &'static str,
}

macro_rules! name {
    ($(#[$doc:meta])* $type:ident, $what:literal, $rule:literal, $max:literal, $legal:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $type(String);

        impl $type {
            /// Checks and wraps a text.
            ///
            /// # Errors
            /// When the text breaks the rule of this name.
            pub fn parse(text: &str) -> Result<Self, NotAName> {
                let legal: fn(char) -> bool = $legal;
                let starts = text.starts_with(|c: char| c.is_ascii_alphanumeric());
                if starts && text.len() <= $max && text.chars().all(legal) {
                    Ok(Self(text.to_owned()))
                } else {
                    Err(NotAName { what: $what, text: text.chars().take(80).collect(), rule: $rule })
                }
            }

            /// The text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl TryFrom<String> for $type {
            type Error = NotAName;
            fn try_from(text: String) -> Result<Self, NotAName> {
                Self::parse(&text)
            }
        }

        impl std::str::FromStr for $type {
            type Err = NotAName;
            fn from_str(text: &str) -> Result<Self, NotAName> {
                Self::parse(text)
            }
        }

        impl From<$type> for String {
            fn from(name: $type) -> Self {
                name.0
            }
        }
    };
}

name! {
    /// A target's name, as its table in the configuration says it.
    TargetName, "target name", "lower-case letters, digits, - and _, beginning with a letter or digit, at most 64", 64,
    |c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_'
}

name! {
    /// An archive's label: its file name without the extension, unique in its target.
    Label, "label", "letters, digits and . _ + ~ -, beginning with a letter or digit, at most 200", 200,
    |c| c.is_ascii_alphanumeric() || "._+~-".contains(c)
}

name! {
    /// A place away from the host, as its table in the configuration says it.
    PlaceName, "name for a place", "lower-case letters, digits, - and _, beginning with a letter, at most 64", 64,
    |c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_'
}

name! {
    /// The name under which one host writes at a place: a directory's name there.
    OwnerName, "name for an owner", "lower-case letters, digits and . _ -, beginning with a letter or digit, at most 64", 64,
    |c| c.is_ascii_lowercase() || c.is_ascii_digit() || "._-".contains(c)
}

name! {
    /// A client-chosen identity of a request: the same one twice is one request.
    RequestId, "request id", "letters, digits, - and _, at most 64", 64,
    |c| c.is_ascii_alphanumeric() || c == '-' || c == '_'
}

name! {
    /// A running or finished piece of work of the daemon.
    JobId, "job id", "letters, digits and -, at most 64", 64,
    |c| c.is_ascii_alphanumeric() || c == '-'
}

name! {
    /// One drill, and the scratch that it makes: 64 random bits.
    DrillId, "drill id", "16 hexadecimal digits", 16,
    |c| c.is_ascii_digit() || ('a'..='f').contains(&c)
}

name! {
    /// One upgrade: target, moment and a random tail.
    UpgradeId, "upgrade id", "letters, digits and . _ + ~ -, at most 200", 200,
    |c| c.is_ascii_alphanumeric() || "._+~-".contains(c)
}

/// The compact moment used in labels, `20261122T023000Z`, to the second.
#[must_use]
pub fn stamp(at: DateTime<Utc>) -> String {
    at.format("%Y%m%dT%H%M%SZ").to_string()
}

/// What beside target and version stands in a composed name at most: two dashes, a stamp, and `-999`.
const AROUND: usize = 2 + 16 + 4;

/// The longest composed name.
const COMPOSED: usize = 200;

/// The version as it stands in a name: whole where there is room, else its beginning and a digest, so that two long ones stay two.
fn fitting(version: &Version, target: &TargetName) -> String {
    let text = version.as_str().replace(':', "_");
    let room = COMPOSED - AROUND - target.as_str().len();
    if text.len() <= room {
        return text;
    }
    let digest = &blake3::hash(version.as_str().as_bytes()).to_hex()[..8];
    format!("{}~{digest}", &text[..room - digest.len() - 1])
}

impl Label {
    /// `TARGET-VERSION-STAMP`, or `TARGET-STAMP` when no version is known; `again` > 0 adds `-N` for a second archive in the
    /// same second. A version for which there is no room is cut.
    #[must_use]
    pub fn compose(target: &TargetName, version: Option<&Version>, at: DateTime<Utc>, again: u32) -> Self {
        let version = version.map(|version| format!("-{}", fitting(version, target))).unwrap_or_default();
        let again = if again == 0 { String::new() } else { format!("-{again}") };
        Self(format!("{target}{version}-{}{again}", stamp(at)))
    }
}

impl JobId {
    /// A fresh identity.
    #[must_use]
    pub fn random() -> Self {
        Self(uuid::Uuid::new_v4().simple().to_string()[..12].to_owned())
    }
}

impl DrillId {
    /// A fresh identity.
    #[must_use]
    pub fn random() -> Self {
        Self(uuid::Uuid::new_v4().simple().to_string()[16..].to_owned())
    }
}

impl RequestId {
    /// A fresh identity.
    #[must_use]
    pub fn random() -> Self {
        Self(uuid::Uuid::new_v4().simple().to_string())
    }
}

impl UpgradeId {
    /// `TARGET-VERSION-STAMP`.
    #[must_use]
    pub fn compose(target: &TargetName, to: &Version, at: DateTime<Utc>) -> Self {
        Self(format!("{target}-{}-{}", fitting(to, target), stamp(at)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_names_still_are_names_and_differ() {
        let at = "2026-11-22T02:30:00Z".parse().unwrap();
        for (target, version) in [(1, 1), (64, 91), (64, 114), (64, 115), (64, 122), (64, 128), (40, 128), (64, 128)] {
            let target = TargetName::parse(&"t".repeat(target)).unwrap();
            let one = Version::parse(&"1".repeat(version)).unwrap();
            let other = Version::parse(&format!("{}2", "1".repeat(version - 1))).unwrap();
            for again in [0, 1, 999] {
                let label = Label::compose(&target, Some(&one), at, again);
                assert_eq!(Label::parse(label.as_str()).as_ref(), Ok(&label));
                assert_ne!(label, Label::compose(&target, Some(&other), at, again));
                assert!(format!(".{label}.sqlite.zst.tmp").len() < 255);
            }
            let upgrade = UpgradeId::compose(&target, &one, at);
            assert_eq!(UpgradeId::parse(upgrade.as_str()), Ok(upgrade));
        }
    }
}
