//! The Sqlite engine.

use std::path::PathBuf;

use super::{DumpRequest, Dumped, EngineError, LoadMode, Loaded, Survey};
use crate::archive::manifest::Server;
use crate::archive::{Archive, PendingArchive};
use crate::progress::Progress;
use crate::shape::Shape;

/// One Sqlite database.
#[derive(Debug, Clone)]
pub struct Sqlite {
    path: PathBuf,
}

impl Sqlite {
    /// No I/O.
    #[must_use]
    pub fn new(path: PathBuf) -> Self {
        Self { path }
    }

    pub(super) async fn identify(&self) -> Result<Server, EngineError> {
        Err(EngineError::Worker("not built yet".to_owned()))
    }

    pub(super) async fn survey(&self, _history_tables: &[String]) -> Result<Survey, EngineError> {
        Err(EngineError::Worker("not built yet".to_owned()))
    }

    pub(super) async fn shape(&self, _history_tables: &[String]) -> Result<Shape, EngineError> {
        Err(EngineError::Worker("not built yet".to_owned()))
    }

    pub(super) async fn dump(
        &self,
        _request: &DumpRequest,
        _pending: &PendingArchive,
        _progress: &Progress,
    ) -> Result<Dumped, EngineError> {
        Err(EngineError::Worker("not built yet".to_owned()))
    }

    pub(super) async fn load(
        &self,
        _archive: &Archive,
        _mode: LoadMode,
        _jobs: usize,
        _progress: &Progress,
    ) -> Result<Loaded, EngineError> {
        Err(EngineError::Worker("not built yet".to_owned()))
    }

    pub(super) async fn settle(&self) -> Result<Vec<String>, EngineError> {
        Err(EngineError::Worker("not built yet".to_owned()))
    }
}
