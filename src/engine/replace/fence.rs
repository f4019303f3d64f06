//! What stands where an archive goes, and how it is kept.
//!
//! Filling and comparing the new content takes long, and nobody is kept away meanwhile: whoever connects, commits and leaves is in no
//! archive that was taken before. So the exchange begins with a **fence**: from there on nobody else can write to the old content.
//! Under it the old content is **proved** to be what the archive says that keeps it; where it is not, it is archived again, and only
//! then replaced.

use std::fmt;
use std::future::Future;
use std::pin::Pin;

use crate::archive::Archive;
use crate::config::Database;
use crate::failure::{Class, Explain, Failure};

/// What a load may replace. Whoever asks for the load has decided it; the engine holds it to that under the fence.
#[derive(Debug, Clone, Copy)]
pub enum Standing<'a> {
    /// Nobody's, and so it is not looked at: a part of an archive that an earlier load left, as the database itself says.
    Nobodys,
    /// It held no rows when it was looked at. Where it does under the fence, nothing is replaced.
    Rowless,
    /// Somebody's. It is replaced only as an archive has it.
    Kept {
        /// The archive that keeps it, if it was kept before; without one it is kept under the fence.
        archive: Option<&'a Archive>,
        /// Keeps it again.
        keep: &'a dyn Keep,
    },
}

/// Archives content that is about to be replaced.
pub trait Keep: fmt::Debug + Send + Sync {
    /// Archives what can be read at `there`, reads it back and pins it. The engine calls it under the fence: until it answers nobody
    /// else writes. `there` is the database itself, under whatever name or path the engine made it readable.
    fn keep<'a>(&'a self, there: &'a Database) -> Keeping<'a>;
}

/// The archive, when it is sealed and was read back.
pub type Keeping<'a> = Pin<Box<dyn Future<Output = Result<Archive, NotKept>> + Send + 'a>>;

/// Why content could not be archived under the fence. What it says was decided above: the engine only hands it on.
#[derive(Debug)]
pub struct NotKept {
    failure: Box<Failure>,
    transient: bool,
}

impl NotKept {
    /// An error of whoever archives, as data.
    pub fn of(error: &(impl Explain + ?Sized)) -> Self {
        Self { failure: Box::new(Failure::of(error)), transient: error.transient() }
    }
}

impl fmt::Display for NotKept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.failure.message)?;
        self.failure.causes.iter().try_for_each(|cause| write!(f, ": {cause}"))
    }
}

impl std::error::Error for NotKept {}

impl Explain for NotKept {
    fn class(&self) -> Class {
        self.failure.class
    }

    fn safe(&self) -> Option<String> {
        self.failure.safe.clone()
    }

    fn hints(&self) -> Vec<String> {
        self.failure.hints.clone()
    }

    fn transient(&self) -> bool {
        self.transient
    }
}
