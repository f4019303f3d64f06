//! Which server product a target is, where upkeep knows the product, and what no command of it may ever say.

use std::fmt;

/// A server product that upkeep knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Product {
    /// OpenMetadata.
    OpenMetadata,
}

/// The names of OpenMetadata's tools, by which a command of theirs is known.
const OPENMETADATA_TOOLS: [&str; 3] = ["openmetadata-ops", "bootstrap_storage", "OpenMetadataOperations"];

/// The command of a wrapper of theirs, behind which the tool's words may stand as well.
const MIGRATES: [&str; 2] = ["migrate", "migrate-all"];

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

/// The word in a command with which OpenMetadata's tool runs old migrations again or empties the database; none where the command is not
/// that tool's. A script for a shell is looked at word by word.
#[must_use]
pub fn forbidden(product: Option<Product>, argv: &[String]) -> Option<String> {
    let apart = |c: char| c.is_whitespace() || ";&|()<>'\"`=$".contains(c);
    let words: Vec<&str> = argv.iter().flat_map(|word| word.split(apart)).filter(|word| !word.is_empty()).collect();
    let tool = |word: &&&str| OPENMETADATA_TOOLS.iter().any(|tool| word.contains(tool));
    let migrates = product == Some(Product::OpenMetadata) && words.iter().any(|word| MIGRATES.contains(word));
    let of_tool = words.iter().any(|word| tool(&word)) || migrates;
    let word = words.into_iter().find(|word| {
        let word = word.to_ascii_lowercase();
        // No other tool has this one.
        (product.is_some() && word.starts_with("drop-create"))
            || (of_tool
                && (matches!(&*word, "-f" | "-force" | "--force" | "drop" | "es-drop") || word.starts_with("drop-create")))
    });
    word.map(str::to_owned)
}
