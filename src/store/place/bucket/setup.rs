//! Setting part of a bucket up as a place, opening it, and trying what a copy needs without leaving anything.

use std::path::PathBuf;
use std::sync::atomic::Ordering;

use bytes::Bytes;

use super::put::{Upload, whole};
use super::uploads::Uploads;
use super::{Bucket, BucketError, Patience, build};
use crate::config;
use crate::fault;
use crate::ids::{OwnerName, PlaceName};
use crate::store::place::marker::{self, Marker};
use crate::store::place::{Place as _, PlaceError, Put, Tried};

/// What is asked of setting up.
#[derive(Debug, Clone)]
pub struct Setup<'a> {
    /// The bucket.
    pub bucket: &'a config::Bucket,
    /// The place's name.
    pub place: &'a PlaceName,
    /// Under which name this host writes there.
    pub owner: &'a OwnerName,
    /// The marker that this host found when it was set up before.
    pub marker: Option<&'a str>,
    /// This host's id there, which it has written down already.
    pub host: &'a str,
    /// Whether a part that is another host's is taken over.
    pub adopt: bool,
    /// Where begun uploads are written down.
    pub uploads: PathBuf,
}

impl Setup<'_> {
    /// Puts the marker where there is none, and says whose the owner's part is. The marker's id. What was done may be done again.
    ///
    /// # Errors
    /// When the bucket cannot be used, is not the place that it was, or the part is another host's.
    pub fn run(&self) -> Result<String, PlaceError> {
        let top = build::top(self.bucket, self.owner)?;
        let marker = match has_marker(&top, self.marker) {
            Err(PlaceError::Absent { .. }) if self.marker.is_none() && top.find(marker::DESTINATION)?.is_none() => {
                let bytes = Marker::random().encode();
                top.put_new(marker::DESTINATION, bytes.len() as u64, &mut &*bytes)?;
                // Whoever was faster has made it.
                has_marker(&top, None)
            }
            found => found,
        }?;
        fault::point("offsite.marked");
        let own = Bucket { uploads: Some(Uploads::at(self.uploads.clone())), ..part(&top, self.owner) };
        let foreign = || PlaceError::Foreign { path: own.called(""), place: self.place.to_string() };
        let nth = match whose(&own)? {
            Some((_, whose)) if whose.id == self.host => None,
            Some((nth, _)) if self.adopt => Some(nth + 1),
            Some(_) => return Err(foreign()),
            None => Some(1),
        };
        if let Some(nth) = nth {
            let bytes = Marker::of(self.host.to_owned()).encode();
            if own.put_new(&marker::owner(nth), bytes.len() as u64, &mut &*bytes)? == Put::Exists {
                return Err(foreign());
            }
        }
        fault::point("offsite.owned");
        own.sweep(&|_| false)?;
        Ok(marker.id)
    }
}

impl Bucket {
    /// Opens an owner's part for reading.
    ///
    /// # Errors
    /// When the place is not there, or the owner has nothing there.
    pub fn read(bucket: &config::Bucket, owner: &OwnerName, marker: Option<&str>) -> Result<Self, PlaceError> {
        let top = build::top(bucket, owner)?;
        has_marker(&top, marker)?;
        let own = part(&top, owner);
        match whose(&own)? {
            Some(_) => Ok(own),
            None => Err(PlaceError::NoPart(own.called(""))),
        }
    }

    /// Opens this host's own part for writing. `uploads` is where it writes down what it begins.
    ///
    /// # Errors
    /// When the place is not there, is not the one that was set up, or the part is another host's.
    pub fn write(
        bucket: &config::Bucket,
        place: &PlaceName,
        owner: &OwnerName,
        (marker, host): (&str, &str),
        uploads: PathBuf,
    ) -> Result<Self, PlaceError> {
        let top = build::top(bucket, owner)?;
        has_marker(&top, Some(marker))?;
        let own = Self { uploads: Some(Uploads::at(uploads)), ..part(&top, owner) };
        match whose(&own)? {
            Some((_, whose)) if whose.id == host => Ok(own),
            Some(_) => Err(PlaceError::Foreign { path: own.called(""), place: place.to_string() }),
            None => Err(PlaceError::NotSetUp(place.to_string())),
        }
    }
}

fn part(top: &Bucket, owner: &OwnerName) -> Bucket {
    Bucket { part: format!("{}{owner}/", top.part), ..top.clone() }
}

fn has_marker(top: &Bucket, expected: Option<&str>) -> Result<Marker, PlaceError> {
    let absent = |why: String| PlaceError::Absent { path: top.shared.url.clone(), why };
    let missing =
        || absent(format!("it has no marker ({}), so it was never set up, or its URL is another", marker::DESTINATION));
    let bytes = top.small(marker::DESTINATION, marker::MOST_BYTES)?.ok_or_else(missing)?;
    marker::expected(&bytes, expected).map_err(absent)
}

fn whose(own: &Bucket) -> Result<Option<(u32, Marker)>, PlaceError> {
    marker::newest(|name| own.small(name, marker::MOST_BYTES), |name| own.called(name))
}

/// Makes the file that says whose the part is once more, with the content it has, in one request and in parts: a service that keeps names refuses
/// both, and at one that does not nothing has changed. A right that only an object that comes to be needs, and room for it, are not tried.
pub(super) fn try_out(own: &Bucket) -> Result<Tried, PlaceError> {
    let name = marker::owner(1);
    let Some(bytes) = own.small(&name, marker::MOST_BYTES)? else { return Err(PlaceError::NoPart(own.called(""))) };
    let bytes = Bytes::from(bytes);
    // What was only looked for is not kept by the service.
    let is_kept = |done| match done {
        Err(BucketError::Taken { .. }) => Ok(!own.shared.unconditional.load(Ordering::Relaxed)),
        Ok(()) => Ok(false),
        Err(error) => Err(PlaceError::from(error)),
    };
    let keeps = is_kept(whole(own, &name, bytes.clone(), Patience::Short))?;
    let mut upload = Upload::begin(own, &name)?;
    let done = upload.first(bytes).and_then(|()| upload.complete());
    upload.abort();
    let keeps_in_parts = is_kept(done)?;
    if keeps && keeps_in_parts {
        return Ok(Tried { keeps_names: true, advice: Vec::new() });
    }
    let which = if keeps { "of objects in several parts " } else { "" };
    let advice = format!(
        "the service knows no condition by which a name {which}that is taken stays as it is: upkeep looks before it writes, and two hosts with one \
         `owner` would write over each other's; versions or a lock on the bucket keep what was there"
    );
    Ok(Tried { keeps_names: false, advice: vec![advice] })
}
