//! Release versions: how they are written and which of two is newer.
//!
//! Owns the one comparison that decides "upgrade" or "downgrade". Never looks at the disk. Numeric parts compare as
//! numbers (`1.10.0` is newer than `1.9.0`), a pre-release is older than its release (`2.0.0-rc1` before `2.0.0`).

use std::cmp::Ordering;
use std::fmt;

use serde::{Deserialize, Serialize};

/// The version of a release, as its probe printed it, trimmed.
///
/// Two versions that compare equal may be written differently (`1.0` and `1.0.0`).
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Version(String);

/// Why a text is not a version.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is not a version: it must begin with a digit (after an optional `v`) and hold only letters, digits and . _ + ~ : -"
)]
pub struct NotAVersion(pub String);

impl Version {
    /// Parses a version; a leading `v` is dropped, surrounding white space ignored.
    ///
    /// # Errors
    /// When the text is empty, does not begin with a digit, or holds a character no version has.
    pub fn parse(text: &str) -> Result<Self, NotAVersion> {
        let bare = text.trim();
        let bare = bare.strip_prefix(['v', 'V']).unwrap_or(bare);
        let legal = |c: char| c.is_ascii_alphanumeric() || "._+~:-".contains(c);
        if bare.starts_with(|c: char| c.is_ascii_digit()) && bare.chars().all(legal) && bare.len() <= 128 {
            Ok(Self(bare.to_owned()))
        } else {
            Err(NotAVersion(crate::text::line(&text.trim().chars().take(80).collect::<String>()).into_owned()))
        }
    }

    /// The text as parsed.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn parts(&self) -> (Vec<Part<'_>>, Option<Vec<Part<'_>>>) {
        let no_build = self.0.split('+').next().unwrap_or(&self.0);
        let cut = no_build.find(['-', '~']);
        let (release, pre) = match cut {
            Some(at) => (&no_build[..at], Some(&no_build[at + 1..])),
            None => (no_build, None),
        };
        let mut release = split(release);
        while release.len() > 1 && matches!(release.last(), Some(Part::Number(digits)) if digits.is_empty()) {
            release.pop();
        }
        (release, pre.map(split))
    }
}

#[derive(PartialEq, Eq)]
enum Part<'a> {
    /// Digits without leading zeros, so that length then text compares as the number, of any size.
    Number(&'a str),
    Word(&'a str),
}

impl Ord for Part<'_> {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Part::Number(a), Part::Number(b)) => a.len().cmp(&b.len()).then_with(|| a.cmp(b)),
            (Part::Word(a), Part::Word(b)) => a.cmp(b),
            (Part::Number(_), Part::Word(_)) => Ordering::Less,
            (Part::Word(_), Part::Number(_)) => Ordering::Greater,
        }
    }
}

impl PartialOrd for Part<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

fn split(text: &str) -> Vec<Part<'_>> {
    let mut parts = Vec::new();
    for piece in text.split(['.', '_', '-', ':', '~']) {
        let mut rest = piece;
        while let Some(first) = rest.chars().next() {
            let digits = first.is_ascii_digit();
            let end = rest.find(|c: char| c.is_ascii_digit() != digits).unwrap_or(rest.len());
            let (run, after) = rest.split_at(end);
            parts.push(if digits { Part::Number(run.trim_start_matches('0')) } else { Part::Word(run) });
            rest = after;
        }
    }
    parts
}

impl Ord for Version {
    fn cmp(&self, other: &Self) -> Ordering {
        let (mine, my_pre) = self.parts();
        let (theirs, their_pre) = other.parts();
        mine.cmp(&theirs).then_with(|| match (my_pre, their_pre) {
            (None, None) => Ordering::Equal,
            (None, Some(_)) => Ordering::Greater,
            (Some(_), None) => Ordering::Less,
            (Some(a), Some(b)) => a.cmp(&b),
        })
    }
}

impl PartialOrd for Version {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Version {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Version {}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for Version {
    type Error = NotAVersion;
    fn try_from(text: String) -> Result<Self, NotAVersion> {
        Self::parse(&text)
    }
}

impl From<Version> for String {
    fn from(version: Version) -> Self {
        version.0
    }
}

#[cfg(test)]
mod tests;
