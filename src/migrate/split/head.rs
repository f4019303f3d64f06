//! The first words of a statement, by which it is told what it does.

/// How many words are kept; Flyway looks at ten as well.
const WORDS: usize = 10;
/// How much of a word is kept, in bytes: no keyword is longer, and a script may be one word.
const WORD_BYTES: usize = 64;

/// The first words of a statement, upper-cased: small, for a script may hold a million of them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Head {
    /// With a blank between two of them; no word holds one.
    words: String,
    count: usize,
}

impl Head {
    /// Takes a further word as long as there is room. Whether there was.
    pub(super) fn push(&mut self, word: &str) -> bool {
        if self.count == WORDS {
            return false;
        }
        if self.count > 0 {
            self.words.push(' ');
        }
        let mut end = word.len().min(WORD_BYTES);
        while !word.is_char_boundary(end) {
            end -= 1;
        }
        self.words.extend(word.get(..end).unwrap_or_default().chars().flat_map(char::to_uppercase));
        self.count += 1;
        true
    }

    /// Gives back what it does not need.
    pub(super) fn whole(mut self) -> Self {
        self.words.shrink_to_fit();
        self
    }

    /// The words.
    #[must_use]
    pub fn words(&self) -> Vec<&str> {
        self.iter().collect()
    }

    /// The words, one after the other.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.words.split(' ').take(self.count)
    }

    /// Whether the first word is this one.
    #[must_use]
    pub fn begins(&self, word: &str) -> bool {
        self.iter().next() == Some(word)
    }

    /// Whether one of the words is this one.
    #[must_use]
    pub fn holds(&self, word: &str) -> bool {
        self.iter().any(|known| known == word)
    }

    /// What it takes beside itself, in bytes.
    #[cfg(test)]
    pub(super) fn bytes(&self) -> usize {
        self.words.capacity()
    }
}
