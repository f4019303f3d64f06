//! Setting a mounted directory up as a place, once, and looking at whether it is one that can be used.

use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::Mode;
use rustix::io::Errno;

use super::super::marker::{self, Marker};
use super::super::{Place as _, PlaceError, Put};
use super::{Directory, create, has_marker, sweep, top};
use crate::durable::At as _;
use crate::fault;
use crate::ids::{OwnerName, PlaceName};

/// What is asked of setting up.
#[derive(Debug, Clone, Copy)]
pub struct Setup<'a> {
    /// Where.
    pub path: &'a Path,
    /// The place's name.
    pub place: &'a PlaceName,
    /// Under which name this host writes there.
    pub owner: &'a OwnerName,
    /// What it must not share a file system with; nothing where that was allowed.
    pub apart_from: &'a [&'a Path],
    /// The marker that this host found when it was set up before.
    pub marker: Option<&'a str>,
    /// This host's id there, which it has written down already: what a crash leaves half-way is then known for its own.
    pub host: &'a str,
    /// Whether a part that is another host's is taken over.
    pub adopt: bool,
}

impl Setup<'_> {
    /// Puts the marker where there is none and takes one that another host put for what it is; makes the owner's part and says whose it
    /// is. The marker's id. What was done may be done again.
    ///
    /// # Errors
    /// When it lies on a file system of ours, is not the place that it was, or the part is another host's.
    pub fn run(&self) -> Result<String, PlaceError> {
        let top = top(self.path)?;
        self.is_apart(&top)?;
        let marker = self.marker(&top)?;
        fault::point("offsite.marked");
        let directory = self.part(&top)?;
        self.own(&directory)?;
        fault::point("offsite.owned");
        // Of a try that died.
        sweep(&top, self.path, |name| name.starts_with(&format!(".{}.", marker::DESTINATION)))?;
        directory.sweep(&|_| false)?;
        Ok(marker.id)
    }

    fn is_apart(&self, top: &OwnedFd) -> Result<(), PlaceError> {
        let device = rustix::fs::fstat(top).map_err(io::Error::from).at("look at", self.path)?.st_dev;
        for beside in self.apart_from {
            // One that is not there yet lies where the nearest one above it lies.
            let there = beside.ancestors().find_map(|dir| rustix::fs::stat(dir).ok());
            if there.is_some_and(|stat| stat.st_dev == device) {
                let (path, beside) = (self.path.display().to_string(), beside.display().to_string());
                return Err(PlaceError::SameDevice { path, beside, place: self.place.to_string() });
            }
        }
        Ok(())
    }

    fn marker(&self, top: &OwnedFd) -> Result<Marker, PlaceError> {
        // A place that was set up before and has lost its marker is not set up anew: more likely nothing is mounted there.
        match has_marker(top, self.path, self.marker) {
            Err(PlaceError::Absent { .. }) if self.marker.is_none() && !self.has_something(top)? => {
                create::put_new(top, self.path, marker::DESTINATION, &mut &*Marker::random().encode())?;
                // Other hosts' daemons read it, whoever they are for the file system; one that knows no modes has nothing to be asked.
                rustix::fs::chmodat(top, marker::DESTINATION, Mode::from(0o644), rustix::fs::AtFlags::empty()).ok();
                // Whoever was faster has made it.
                has_marker(top, self.path, None)
            }
            found => found,
        }
    }

    /// Whether something has the marker's name: what cannot be read is not written over.
    fn has_something(&self, top: &OwnedFd) -> Result<bool, PlaceError> {
        match rustix::fs::statat(top, marker::DESTINATION, rustix::fs::AtFlags::SYMLINK_NOFOLLOW) {
            Err(Errno::NOENT) => Ok(false),
            stat => Ok(stat.map(|_| true).map_err(io::Error::from).at("look at", self.path)?),
        }
    }

    fn part(&self, top: &OwnedFd) -> Result<Directory, PlaceError> {
        match rustix::fs::mkdirat(top, self.owner.as_str(), Mode::from(0o750)) {
            Err(Errno::EXIST) => {}
            made => {
                made.map_err(io::Error::from).at("make the directory", &self.path.join(self.owner.as_str()))?;
                create::sync(top, self.path)?;
            }
        }
        Directory::below(top, self.path, self.owner)
    }

    /// Says that the part is this host's where nobody has said whose it is.
    fn own(&self, part: &Directory) -> Result<(), PlaceError> {
        let foreign = || PlaceError::Foreign { path: part.path.display().to_string(), place: self.place.to_string() };
        let nth = match part.whose()? {
            Some((_, whose)) if whose.id == self.host => return Ok(()),
            Some((nth, _)) if self.adopt => nth + 1,
            Some(_) => return Err(foreign()),
            None => 1,
        };
        let bytes = Marker::of(self.host.to_owned()).encode();
        match part.put_new(&marker::owner(nth), bytes.len() as u64, &mut &*bytes)? {
            Put::Created => Ok(()),
            Put::Exists => Err(foreign()),
        }
    }
}
