//! What a configuration is given as, and what is said of it when it is wrong: below all that reads one.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

/// The environment a configuration is read in: handed down, never asked of the process here.
pub type Environment = BTreeMap<String, String>;

/// What the names of environment variables that set a key begin with; parts are separated by two underscores.
pub(crate) const ENVIRONMENT_PREFIX: &str = "UPKEEP__";

/// One thing wrong with the configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The file or environment variable that says it.
    pub origin: String,
    /// The full key; empty when the file as a whole is meant.
    pub key: String,
    /// What is wrong, and where it can be said what would be right.
    pub what: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.key.as_str() {
            "" => write!(f, "{}: {}", self.origin, self.what),
            key => write!(f, "{}: {key}: {}", self.origin, self.what),
        }
    }
}

/// Units of a duration, in milliseconds.
const UNITS: [(&str, u64); 6] =
    [("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000), ("w", 604_800_000)];

/// `10m`, `26h`, `7d`, `1h30m`, `500ms`.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || format!("`{text}` is not a duration; write a number and a unit: 500ms, 10s, 5m, 26h, 7d, 2w");
    let mut rest = text.trim();
    let mut total_ms: u64 = 0;
    if rest.is_empty() {
        return Err(wrong());
    }
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).ok_or_else(wrong)?;
        let (number, tail) = rest.split_at(digits);
        let letters = tail.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(letters);
        let (_, unit_ms) = UNITS.iter().find(|(name, _)| *name == unit).ok_or_else(wrong)?;
        let number: u64 = number.parse().map_err(|_| wrong())?;
        total_ms = number.checked_mul(*unit_ms).and_then(|ms| total_ms.checked_add(ms)).ok_or_else(wrong)?;
        rest = tail.trim_start();
    }
    Ok(Duration::from_millis(total_ms))
}
