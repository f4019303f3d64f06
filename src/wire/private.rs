//! A secret on its way to whoever needs it for one piece of work.
//!
//! Invariant: only [`Private::reveal`] gives it, for the request on its way to the daemon and for the work itself; `Debug` and `Serialize`
//! never do, so that no table, log or answer has it. Held by the test beside this file.

use std::fmt;

use serde::{Deserialize, Serialize, Serializer};

/// What stands in its place.
const HIDDEN: &str = "***";

/// A text that is shown to nobody.
#[derive(Clone, Deserialize)]
#[serde(transparent)]
pub struct Private(String);

impl Private {
    /// From what was read.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text itself: for the work that needs it, and for nothing that is kept or shown.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Private {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(HIDDEN)
    }
}

impl Serialize for Private {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(HIDDEN)
    }
}

/// All are the same to whoever may not see them: one that was written down is compared with one that was just brought.
impl PartialEq for Private {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Private {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_form_of_it_shows_it_but_the_one_that_is_asked_for_by_name() {
        let secret = Private::new("AGE-SECRET-KEY-1");
        assert_eq!((format!("{secret:?}"), serde_json::to_string(&secret).unwrap()), ("***".into(), "\"***\"".into()));
        assert_eq!(secret.reveal(), "AGE-SECRET-KEY-1");
        assert_eq!(secret, Private::new(HIDDEN), "what was written down is what was asked for");
    }
}
