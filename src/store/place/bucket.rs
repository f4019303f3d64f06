//! Part of a bucket as a place: `PREFIX/.upkeep-destination`, and below the prefix one part for each owner.
//!
//! Owns what is asked of the service, and how often. Makes no bucket, deletes nothing that has a name, and asks no machine for keys. Whether an
//! object is there is asked by listing, which is allowed for the owner's part alone and is told apart from "not allowed". An object has its name
//! with its last byte, for a bucket knows no other way; it is read back then, and counts for nothing until its sidecar is there. Held by the
//! suite beside the contract and by `tests/it/offsite/bucket.rs`.

mod build;
mod error;
mod keys;
mod listing;
mod put;
mod service;
mod setup;
mod uploads;

use std::future::Future;
use std::io::Read;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use object_store::aws::AmazonS3;
use object_store::path::Path;
use object_store::{GetOptions, GetRange, ObjectStore as _};

pub use error::BucketError;
pub use setup::Setup;

use super::blocks::Opened;
use super::worker::Worker;
use super::{Object, Place, PlaceError, Put, Tried as TriedOut};
use crate::archive::Source;
use error::{Tried, Way, other_way};
use uploads::Uploads;

/// How often what may pass is asked for again in the middle of long work, each time with a new signature.
const TRIES: u32 = 5;

/// The pause before the second try; it doubles.
const FIRST_PAUSE: Duration = Duration::from_secs(1);

/// How much trouble is borne.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Patience {
    /// The library's own few repetitions: whoever asks wants to know where it stands.
    Short,
    /// Some minutes: gigabytes may have gone before.
    Long,
}

/// What all that use one opened bucket share.
#[derive(Debug)]
struct Shared {
    url: String,
    worker: Worker,
    plain: Arc<AmazonS3>,
    /// The same, with a checksum beside each object: a bucket with a lock demands one, and some services know none.
    checked: Arc<AmazonS3>,
    with_checksums: AtomicBool,
    /// The service has said that it knows no conditions.
    unconditional: Arc<AtomicBool>,
}

impl Shared {
    fn store(&self) -> Arc<AmazonS3> {
        Arc::clone(if self.with_checksums.load(Ordering::Relaxed) { &self.checked } else { &self.plain })
    }

    /// Asks, again where that may help.
    fn ask<T, F>(&self, patience: Patience, tried: Tried<'_>, work: impl Fn(Arc<AmazonS3>) -> F) -> Result<T, BucketError>
    where
        T: Send + 'static,
        F: Future<Output = object_store::Result<T>> + Send + 'static,
    {
        let mut pause = FIRST_PAUSE;
        for left in (0..TRIES).rev() {
            let error = match self.worker.start(work(self.store())).wait() {
                Some(Ok(done)) => return Ok(done),
                Some(Err(error)) => error,
                None => break,
            };
            match other_way(&error, tried.is_conditional) {
                Some(Way::WithChecksum) if !self.with_checksums.swap(true, Ordering::Relaxed) => continue,
                Some(Way::Unconditional) => return Err(BucketError::NoConditions { url: self.url.clone() }),
                _ => {}
            }
            let told = BucketError::of(&error, tried);
            if left == 0 || patience == Patience::Short || !told.may_pass() {
                return Err(told);
            }
            tracing::debug!(place = self.url, error = %told, "asked again");
            std::thread::sleep(pause);
            pause *= 2;
        }
        let said = "the work ended without an answer".to_owned();
        Err(BucketError::Other { doing: tried.doing, object: tried.object.to_owned(), said })
    }
}

/// One owner's part of a bucket, or all of it that is a place.
#[derive(Debug, Clone)]
pub struct Bucket {
    shared: Arc<Shared>,
    /// What the keys of its objects begin with, a slash at the end.
    part: String,
    uploads: Option<Uploads>,
    /// Whom the least rights are for.
    rights: Arc<str>,
}

impl Bucket {
    fn key(&self, name: &str) -> Result<Path, PlaceError> {
        let strange = || PlaceError::Strange {
            path: self.called(&name.replace('/', "_")),
            what: "no name that an object may have".to_owned(),
        };
        if name.is_empty() || name == "." || name == ".." || name.contains(['/', '\0']) {
            return Err(strange());
        }
        // As it is written: made otherwise, the library would write `~` as `%7E`.
        Path::parse(format!("{}{name}", self.part)).map_err(|_| strange())
    }

    fn ask<T, F>(
        &self,
        patience: Patience,
        (doing, name): (&'static str, &str),
        work: impl Fn(Arc<AmazonS3>) -> F,
    ) -> Result<T, BucketError>
    where
        T: Send + 'static,
        F: Future<Output = object_store::Result<T>> + Send + 'static,
    {
        self.asked(patience, (doing, name, false), work)
    }

    fn asked<T, F>(
        &self,
        patience: Patience,
        (doing, name, is_conditional): (&'static str, &str, bool),
        work: impl Fn(Arc<AmazonS3>) -> F,
    ) -> Result<T, BucketError>
    where
        T: Send + 'static,
        F: Future<Output = object_store::Result<T>> + Send + 'static,
    {
        let object = self.called(name);
        let tried = Tried { url: &self.shared.url, doing, object: &object, is_conditional };
        self.shared.ask(patience, tried, work).map_err(|error| error.needing(&self.rights))
    }

    /// Asks for what makes an object, on the condition that nothing has its name. Where the service knows none, it is looked right before.
    fn make<T, F>(
        &self,
        patience: Patience,
        (doing, name): (&'static str, &str),
        work: impl Fn(Arc<AmazonS3>) -> F,
    ) -> Result<T, BucketError>
    where
        T: Send + 'static,
        F: Future<Output = object_store::Result<T>> + Send + 'static,
    {
        if !self.shared.unconditional.load(Ordering::Relaxed) {
            match self.asked(patience, (doing, name, true), &work) {
                Err(BucketError::NoConditions { url }) => {
                    tracing::warn!(
                        place = url,
                        "the service knows no conditions: upkeep looks whether a name is free before it writes"
                    );
                    self.shared.unconditional.store(true, Ordering::Relaxed);
                }
                done => return done,
            }
        }
        match self.find(name) {
            Ok(None) => self.asked(patience, (doing, name, false), work),
            Ok(Some(_)) => Err(BucketError::Taken { object: self.called(name) }),
            Err(PlaceError::Bucket(error)) => Err(error),
            Err(error) => Err(BucketError::Other { doing, object: self.called(name), said: error.to_string() }),
        }
    }

    /// Some bytes of an object, and how many it has.
    fn get(&self, name: &str, patience: Patience, range: std::ops::Range<u64>) -> Result<(Bytes, u64), PlaceError> {
        let key = self.key(name)?;
        Ok(self.ask(patience, ("read", name), move |store| {
            let (key, options) =
                (key.clone(), GetOptions { range: Some(GetRange::Bounded(range.clone())), ..Default::default() });
            async move {
                let answer = store.get_opts(&key, options).await?;
                let size = answer.meta.size;
                Ok((answer.bytes().await?, size))
            }
        })?)
    }

    /// A small object, whole; none where there is none.
    fn small(&self, name: &str, most: u64) -> Result<Option<Vec<u8>>, PlaceError> {
        let Some(found) = self.find(name)? else { return Ok(None) };
        let strange = |what: &str| PlaceError::Strange { path: self.called(name), what: what.to_owned() };
        if found.size > most {
            return Err(strange("longer than anything of its kind"));
        }
        if found.size == 0 {
            return Ok(Some(Vec::new()));
        }
        let (bytes, size) = self.get(name, Patience::Short, 0..found.size)?;
        if size != found.size || bytes.len() as u64 != size {
            return Err(strange("of another length than its listing says"));
        }
        Ok(Some(bytes.to_vec()))
    }
}

impl Place for Bucket {
    fn called(&self, name: &str) -> String {
        format!("{}{name}", url_of(&self.shared.url, &self.part))
    }

    fn list(&self) -> Result<Vec<Object>, PlaceError> {
        listing::all(self)
    }

    fn stat(&self, name: &str) -> Result<Option<u64>, PlaceError> {
        Ok(self.find(name)?.map(|found| found.size))
    }

    fn open(&self, name: &str) -> Result<Arc<dyn Source>, PlaceError> {
        match self.find(name)? {
            Some(found) => {
                let (bucket, name) = (self.clone(), name.to_owned());
                Ok(Arc::new(Opened::of(found.size, move |from, to| bucket.get(&name, Patience::Long, from..to))))
            }
            None => Err(BucketError::Gone { object: self.called(name) }.into()),
        }
    }

    fn put_new(&self, name: &str, length: u64, content: &mut dyn Read) -> Result<Put, PlaceError> {
        put::put_new(self, name, length, content)
    }

    fn sweep(&self, _: &dyn Fn(&str) -> bool) -> Result<u64, PlaceError> {
        match &self.uploads {
            Some(uploads) => uploads.abort_all(self),
            None => Ok(0),
        }
    }

    fn try_out(&self) -> Result<TriedOut, PlaceError> {
        setup::try_out(self)
    }

    fn free_bytes(&self) -> Result<Option<u64>, PlaceError> {
        Ok(None)
    }

    fn needs(&self) -> Option<String> {
        Some(self.rights.to_string())
    }
}

/// What a person calls a part: the URL's bucket, and the part's keys behind it.
fn url_of(url: &str, part: &str) -> String {
    let bucket = url.strip_prefix("s3://").and_then(|rest| rest.split('/').next()).unwrap_or_default();
    format!("s3://{bucket}/{part}")
}
