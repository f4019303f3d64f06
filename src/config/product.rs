//! Which server product a target is, where upkeep knows the product, and what no command of it may ever say.

use std::fmt;

/// A server product that upkeep knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Product {
    /// OpenMetadata.
    OpenMetadata,
}

/// Words with which OpenMetadata's own tool runs migrations again that ran already, or empties the database.
const OPENMETADATA: [&str; 2] = ["--force", "drop-create"];

/// The names of OpenMetadata's tool, by which it is known where nobody named the product.
const OPENMETADATA_TOOLS: [&str; 2] = ["openmetadata-ops", "bootstrap_storage"];

impl Product {
    /// Every product, by its name in the configuration.
    pub const ALL: [(&'static str, Self); 1] = [("openmetadata", Self::OpenMetadata)];

    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::OpenMetadata => "openmetadata",
        }
    }
}

impl fmt::Display for Product {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The word in a command that upkeep never runs: of the product, or of whatever product's tool the command names.
#[must_use]
pub fn forbidden(product: Option<Product>, words: &[String]) -> Option<&'static str> {
    let names = |tool: &str| words.iter().any(|word| word.contains(tool));
    let openmetadata = product == Some(Product::OpenMetadata) || OPENMETADATA_TOOLS.iter().any(|tool| names(tool));
    let said = |word: &&&str| words.iter().any(|text| text.to_lowercase().contains(**word));
    OPENMETADATA.iter().filter(|_| openmetadata).find(said).copied()
}
