//! What upkeep knows of server products: how a database stands to a release, by what the release's files and the database's own history say.
//!
//! Owns the judge of each product, a pure function, and reading the files it needs. Most of a product is no code but a profile in
//! `config/profiles`. Never decides what happens, and changes nothing. Invariant: what a judge cannot know is in `blocked`, never
//! in step; held by `product/openmetadata/tests.rs` and `tests/it/openmetadata.rs`.

pub mod openmetadata;

use std::collections::BTreeMap;
use std::path::Path;

use crate::config::{Product, Target};
use crate::shape::Shape;
use crate::version::Version;

/// How a database stands to a release.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Verdict {
    /// Migrations of the release that the database lacks, in their order.
    pub pending: Vec<String>,
    /// Migrations that only a newer release has.
    pub ahead: Vec<String>,
    /// Migrations that began and did not end, beside those that a history itself says failed.
    pub failed: Vec<String>,
    /// What a person has to see to first: what cannot be known, and ways that the product does not go. Each with the way out.
    pub blocked: Vec<String>,
}

/// The product of which a release lies in a directory, where upkeep knows it.
#[must_use]
pub fn recognise(root: &Path) -> Option<Product> {
    openmetadata::files::is_release(root).then_some(Product::OpenMetadata)
}

/// The database that a release's own configuration names, as its JDBC URL with the user in it and no password of ours; `variables` is
/// what its server gets.
///
/// # Errors
/// When it names none that upkeep knows; in words.
pub fn jdbc(product: Product, root: &Path, variables: &BTreeMap<String, String>) -> Result<String, String> {
    match product {
        Product::OpenMetadata => openmetadata::conf::jdbc(root, variables),
    }
}

/// Whether the release's own tool, with the variables that a target gives it, goes to the target's database and no other. What is only likely is not enough.
///
/// # Errors
/// When it does not, or nobody can tell; in words.
pub fn points(product: Product, target: &Target, root: &Path) -> Result<(), String> {
    match product {
        Product::OpenMetadata => openmetadata::preflight::points(target, root),
    }
}

/// How much something weighs that was seen beforehand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Weight {
    /// A migration fails by it, or is of another database.
    Problem,
    /// It may.
    Advice,
}

/// Something seen before an upgrade that it may fail by, with what mends it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remark {
    /// How much it weighs.
    pub weight: Weight,
    /// What was seen.
    pub what: String,
    /// What mends it.
    pub hint: String,
}

impl Remark {
    fn new(weight: Weight, what: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { weight, what: what.into(), hint: hint.into() }
    }
}

/// Looks for what an upgrade may fail by.
pub async fn preflight(product: Product, target: &Target, root: &Path, release: &Version) -> Vec<Remark> {
    match product {
        Product::OpenMetadata => openmetadata::preflight::look(target, root, release).await,
    }
}

/// Judges a target's database by what a release's files say now.
#[must_use]
pub fn judge(product: Product, target: &Target, shape: &Shape, root: &Path, release: &Version) -> Verdict {
    match product {
        Product::OpenMetadata => match openmetadata::files::read(root, &openmetadata::preflight::variables(target)) {
            Ok(files) => {
                let mut verdict = openmetadata::judge(shape, &files, release);
                verdict.blocked.extend(openmetadata::preflight::elsewhere(target, root));
                verdict
            }
            Err(why) => Verdict { blocked: vec![why], ..Verdict::default() },
        },
    }
}
