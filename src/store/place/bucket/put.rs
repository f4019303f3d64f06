//! Making an object: in one request what fits into a part, in parts what does not; then every byte is read back.
//!
//! If we die before the last request there is no object, and the upload is aborted by the next sweep; after it there is one, which counts for
//! nothing until it is sealed. An answer that is lost says nothing: what is there then is read and compared, and is ours where it is what we
//! sent. One part is in memory while the next is read.

use std::io::{self, Read};
use std::sync::atomic::Ordering;

use bytes::Bytes;
use object_store::multipart::{MultipartStore as _, PartId};
use object_store::{ObjectStore as _, PutMode, PutOptions, PutPayload};

use super::super::worker::Begun;
use super::uploads;
use super::{Bucket, BucketError, Patience};
use crate::fault;
use crate::store::place::{PlaceError, Put};

/// The least that a service takes as a part that is not the last. Small, so that each arrives before its signature is too old on a slow line
/// (at 20 kB/s, the slowest on which the bound on silence holds, it takes four and a half minutes of fifteen), and so that little has to be sent again.
const LEAST_PART: usize = 5 << 20;

/// A service takes 10,000 parts; somewhat fewer leave room for a length that was not quite known.
const MOST_PARTS: u64 = 9_000;

/// All parts are equally long but the last: some services demand that.
fn part_bytes(length: u64) -> usize {
    let mebibytes = length.div_ceil(MOST_PARTS).div_ceil(1 << 20);
    usize::try_from(mebibytes << 20).unwrap_or(usize::MAX).max(LEAST_PART)
}

/// What is sent: its digest and length so far.
struct Sending<'a> {
    content: &'a mut dyn Read,
    called: String,
    part_bytes: usize,
    hasher: blake3::Hasher,
    length: u64,
}

impl Sending<'_> {
    /// The next part; a shorter one is the last.
    fn next(&mut self) -> Result<Bytes, PlaceError> {
        let mut part = Vec::new();
        let failed = |path: &str, source: io::Error| PlaceError::content(path.to_owned(), source);
        // Little content takes little memory.
        let mut piece = vec![0; self.part_bytes.min(1 << 20)];
        while part.len() < self.part_bytes {
            let room = piece.len().min(self.part_bytes - part.len());
            // An interrupted call is the end here: nobody wants it to go on.
            let read = self.content.read(&mut piece[..room]).map_err(|source| failed(&self.called, source))?;
            if read == 0 {
                break;
            }
            part.extend_from_slice(&piece[..read]);
        }
        self.hasher.update(&part);
        self.length += part.len() as u64;
        Ok(part.into())
    }

    /// Whether it is wanted still: whoever gives it up says so by the content, at its end too.
    fn is_wanted(&mut self) -> Result<(), PlaceError> {
        let called = &self.called;
        self.content.read(&mut []).map_err(|source| PlaceError::content(called.clone(), source))?;
        Ok(())
    }
}

pub(super) fn put_new(bucket: &Bucket, name: &str, length: u64, content: &mut dyn Read) -> Result<Put, PlaceError> {
    if bucket.find(name)?.is_some() {
        return Ok(Put::Exists);
    }
    let (called, part_bytes) = (super::Place::called(bucket, name), part_bytes(length));
    let mut sending = Sending { content, called, part_bytes, hasher: blake3::Hasher::new(), length: 0 };
    fault::check("bucket.put").map_err(|source| PlaceError::content(sending.called.clone(), source))?;
    let first = sending.next()?;
    let made = match first.len() < part_bytes {
        true => whole(bucket, name, first, Patience::Long).map_err(PlaceError::from),
        false => in_parts(bucket, name, first, &mut sending),
    };
    fault::point("bucket.put-done");
    match made {
        Ok(()) if is_there(bucket, name, &mut sending)? => Ok(Put::Created),
        Ok(()) => Err(PlaceError::Altered(sending.called)),
        Err(PlaceError::Bucket(error)) => told(bucket, name, &mut sending, error),
        // The content ended badly, or our own disk: nothing has the name.
        Err(error) => Err(error),
    }
}

/// What it means that the service did not say yes: its answer may have been lost after the object was made.
fn told(bucket: &Bucket, name: &str, sending: &mut Sending<'_>, error: BucketError) -> Result<Put, PlaceError> {
    let there = bucket.find(name);
    match there {
        Ok(Some(_)) if is_there(bucket, name, sending)? => Ok(Put::Created),
        Ok(Some(_)) => Ok(Put::Exists),
        Ok(None) | Err(_) => Err(error.into()),
    }
}

/// Makes an object in one request.
pub(super) fn whole(bucket: &Bucket, name: &str, bytes: Bytes, patience: Patience) -> Result<(), BucketError> {
    let Ok(key) = bucket.key(name) else { return Err(BucketError::Gone { object: name.to_owned() }) };
    bucket.make(patience, ("write", name), move |store| {
        // A service that knows no conditions was looked at a moment ago; one host alone writes here.
        let is_bare = bucket.shared.unconditional.load(Ordering::Relaxed);
        let mode = if is_bare { PutMode::Overwrite } else { PutMode::Create };
        let (key, bytes, options) =
            (key.clone(), PutPayload::from_bytes(bytes.clone()), PutOptions { mode, ..Default::default() });
        async move { store.put_opts(&key, bytes, options).await.map(drop) }
    })
}

fn in_parts(bucket: &Bucket, name: &str, first: Bytes, sending: &mut Sending<'_>) -> Result<(), PlaceError> {
    let mut upload = Upload::begin(bucket, name)?;
    let before = bucket.shared.with_checksums.load(Ordering::Relaxed);
    let mut done = upload.first(first.clone());
    if !before && bucket.shared.with_checksums.load(Ordering::Relaxed) {
        // Whether parts have checksums is said when an upload begins.
        upload.abort();
        upload = Upload::begin(bucket, name)?;
        done = upload.first(first);
    }
    let done = done.map_err(PlaceError::from).and_then(|()| upload.rest(sending));
    fault::point("bucket.parts-sent");
    let done = done.and_then(|()| match bucket.find(name)? {
        // Hours may have passed since it was looked for, and not every service that is told the condition knows it.
        Some(_) => Err(BucketError::Taken { object: sending.called.clone() }.into()),
        None => Ok(upload.complete()?),
    });
    match &done {
        Ok(()) => upload.forget()?,
        Err(_) => upload.abort(),
    }
    done
}

/// An upload of many parts.
pub(super) struct Upload<'a> {
    bucket: &'a Bucket,
    name: &'a str,
    id: String,
    parts: Vec<PartId>,
}

impl<'a> Upload<'a> {
    /// Begins one and writes it down.
    pub(super) fn begin(bucket: &'a Bucket, name: &'a str) -> Result<Self, PlaceError> {
        let key = bucket.key(name)?;
        let id = bucket.ask(Patience::Short, ("write", name), move |store| {
            let key = key.clone();
            async move { store.create_multipart(&key).await }
        })?;
        let upload = Self { bucket, name, id, parts: Vec::new() };
        if let Some(uploads) = &bucket.uploads
            && let Err(error) = uploads.note(bucket, name, &upload.id)
        {
            upload.abort();
            return Err(error);
        }
        fault::point("bucket.begun");
        Ok(upload)
    }

    pub(super) fn first(&mut self, part: Bytes) -> Result<(), BucketError> {
        let number = self.parts.len();
        let sent = self.send(number, part, Patience::Long)?;
        self.parts.push(sent);
        Ok(())
    }

    /// Sends what is left; while one part is on its way the next is read.
    fn rest(&mut self, sending: &mut Sending<'_>) -> Result<(), PlaceError> {
        let mut on_its_way: Option<(Bytes, Begun<object_store::Result<PartId>>)> = None;
        loop {
            let next = sending.next();
            if let Some((part, begun)) = on_its_way.take() {
                let sent = match begun.wait() {
                    Some(Ok(sent)) => sent,
                    // Nobody wants the whole any more: its parts are taken away.
                    _ if next.is_err() => return next.map(drop),
                    // Asked again with a new signature, and told by what comes of that.
                    _ => self.send(self.parts.len(), part, Patience::Long)?,
                };
                self.parts.push(sent);
                fault::point("bucket.part");
            }
            let next = next?;
            if next.is_empty() {
                return Ok(());
            }
            on_its_way = Some((next.clone(), self.start(self.parts.len(), next)?));
        }
    }

    fn start(&self, number: usize, part: Bytes) -> Result<Begun<object_store::Result<PartId>>, PlaceError> {
        let (store, key, id) = (self.bucket.shared.store(), self.bucket.key(self.name)?, self.id.clone());
        let payload = PutPayload::from_bytes(part);
        Ok(self.bucket.shared.worker.start(async move { store.put_part(&key, &id, number, payload).await }))
    }

    fn send(&self, number: usize, part: Bytes, patience: Patience) -> Result<PartId, BucketError> {
        let Ok(key) = self.bucket.key(self.name) else { return Err(BucketError::Gone { object: self.name.to_owned() }) };
        self.bucket.ask(patience, ("write", self.name), move |store| {
            let (key, id, payload) = (key.clone(), self.id.clone(), PutPayload::from_bytes(part.clone()));
            async move { store.put_part(&key, &id, number, payload).await }
        })
    }

    /// Makes the object of its parts.
    pub(super) fn complete(&self) -> Result<(), BucketError> {
        let Ok(key) = self.bucket.key(self.name) else { return Err(BucketError::Gone { object: self.name.to_owned() }) };
        self.bucket.make(Patience::Long, ("complete", self.name), move |store| {
            let (key, id, parts) = (key.clone(), self.id.clone(), self.parts.clone());
            async move { store.complete_multipart(&key, &id, parts).await.map(drop) }
        })
    }

    fn forget(&self) -> Result<(), PlaceError> {
        self.bucket.uploads.as_ref().map_or(Ok(()), |uploads| uploads.forget(self.name))
    }

    /// Takes its parts away. What does not work now is still written down, and done by the next sweep.
    pub(super) fn abort(&self) {
        let aborted = uploads::abort(self.bucket, self.name, &self.id, Patience::Short).and_then(|()| self.forget());
        if let Err(error) = aborted {
            let why = error.to_string();
            tracing::warn!(
                place = self.bucket.shared.url,
                name = self.name,
                why,
                "parts of an upload that was cut short stay until the next round"
            );
        }
    }
}

/// Whether what is there, every byte, is what was sent.
fn is_there(bucket: &Bucket, name: &str, sending: &mut Sending<'_>) -> Result<bool, PlaceError> {
    let length = sending.length;
    if length == 0 {
        return Ok(bucket.find(name)?.is_some_and(|found| found.size == 0));
    }
    let (mut found, mut at) = (blake3::Hasher::new(), 0);
    while at < length {
        sending.is_wanted()?;
        let to = (at + LEAST_PART as u64).min(length);
        let (bytes, size) = match bucket.get(name, Patience::Long, at..to) {
            // What has another length may have no byte there.
            Err(PlaceError::Bucket(BucketError::Other { .. }))
                if bucket.find(name)?.is_none_or(|found| found.size != length) =>
            {
                return Ok(false);
            }
            got => got?,
        };
        if size != length || bytes.len() as u64 != to - at {
            return Ok(false);
        }
        found.update(&bytes);
        at = to;
    }
    Ok(found.finalize() == sending.hasher.finalize())
}
