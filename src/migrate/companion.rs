//! A script's companion, `SCRIPT.conf`: settings for that script alone.
//!
//! Owns its four keys. A key or value that is none of them is an error, as in Flyway: a setting that is passed over would run
//! the script in a way its author ruled out. Pure; held by `companion/tests.rs`.

use super::encoding::Encoding;

/// What a companion says of its script; none where it says nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Companion {
    /// Whether it runs in a transaction, whatever its statements are.
    pub(super) in_transaction: Option<bool>,
    /// Its encoding.
    pub(super) encoding: Option<Encoding>,
    /// Whether its placeholders are replaced.
    pub(super) placeholders: Option<bool>,
    /// Whether it runs at all.
    pub(super) execute: Option<bool>,
}

impl Companion {
    /// Reads a companion's text: `key=value` lines, `#` before a remark.
    ///
    /// # Errors
    /// At the first line that is neither, in words.
    pub(super) fn read(text: &str) -> Result<Self, String> {
        let mut companion = Self::default();
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        for (number, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with(['#', '!']) {
                continue;
            }
            let at = |what: String| format!("line {}: {what}", number + 1);
            let (key, value) = line.split_once(['=', ':']).map(|(key, value)| (key.trim(), value.trim())).unwrap_or((line, ""));
            let flag = || match value.to_lowercase().as_str() {
                "true" => Ok(Some(true)),
                "false" => Ok(Some(false)),
                _ => Err(at(format!("`{key}` must be true or false, and is `{value}`"))),
            };
            match key {
                "executeInTransaction" => companion.in_transaction = flag()?,
                "placeholderReplacement" => companion.placeholders = flag()?,
                "shouldExecute" => companion.execute = flag()?,
                "encoding" => companion.encoding = Some(Encoding::named(value).map_err(at)?),
                _ => return Err(at(format!("`{key}` is no setting of a script"))),
            }
        }
        Ok(companion)
    }
}

#[cfg(test)]
mod tests;
