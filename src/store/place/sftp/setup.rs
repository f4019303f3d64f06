//! Setting a directory of a server's up as a place, and opening it.

use std::sync::Arc;

use russh_sftp::client::error::Error as Said;
use russh_sftp::protocol::{FileAttributes, StatusCode};

use super::session::Session;
use super::{Sftp, SftpError};
use crate::config;
use crate::durable;
use crate::fault;
use crate::ids::{OwnerName, PlaceName};
use crate::store::place::marker::{self, Marker};
use crate::store::place::{Place as _, PlaceError, Put};

/// What is asked of setting up.
#[derive(Debug, Clone, Copy)]
pub struct Setup<'a> {
    /// The directory.
    pub sftp: &'a config::Sftp,
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
}

impl Setup<'_> {
    /// Puts the marker where there is none, makes the owner's part, and says whose it is. The marker's id. What was done may be done again.
    ///
    /// # Errors
    /// When the server cannot be used, it is not the place that it was, or the part is another host's.
    pub fn run(&self) -> Result<String, PlaceError> {
        let top = top(self.sftp)?;
        let marker = match has_marker(&top, self.marker) {
            Err(PlaceError::Absent { .. })
                if self.marker.is_none() && is_dir(&top)? && top.look(marker::DESTINATION)?.is_none() =>
            {
                top.put_new(marker::DESTINATION, 0, &mut &*Marker::random().encode())?;
                // Whoever was faster has made it.
                has_marker(&top, None)
            }
            found => found,
        }?;
        fault::point("offsite.marked");
        let own = part(&top, self.owner);
        make(&top, self.owner)?;
        let foreign = || PlaceError::Foreign { path: own.called(""), place: self.place.to_string() };
        let nth = match whose(&own)? {
            Some((_, whose)) if whose.id == self.host => None,
            Some((nth, _)) if self.adopt => Some(nth + 1),
            Some(_) => return Err(foreign()),
            None => Some(1),
        };
        if let Some(nth) = nth
            && own.put_new(&marker::owner(nth), 0, &mut &*Marker::of(self.host.to_owned()).encode())? == Put::Exists
        {
            return Err(foreign());
        }
        fault::point("offsite.owned");
        own.sweep(&|_| true)?;
        // Of a try that died.
        for (name, _) in top.entries()? {
            if name.starts_with(&format!(".{}.", marker::DESTINATION)) && durable::is_temporary(&name) {
                top.remove(&name)?;
            }
        }
        Ok(marker.id)
    }
}

impl Sftp {
    /// Opens an owner's part for reading.
    ///
    /// # Errors
    /// When the place is not there, or the owner has nothing there.
    pub fn read(sftp: &config::Sftp, owner: &OwnerName, marker: Option<&str>) -> Result<Self, PlaceError> {
        let top = top(sftp)?;
        has_marker(&top, marker)?;
        let own = part(&top, owner);
        match whose(&own)? {
            Some(_) => Ok(own),
            None => Err(PlaceError::NoPart(own.called(""))),
        }
    }

    /// Who has a part there, by name.
    ///
    /// # Errors
    /// When the place is not there.
    pub fn owners(sftp: &config::Sftp) -> Result<Vec<OwnerName>, PlaceError> {
        let top = top(sftp)?;
        has_marker(&top, None)?;
        let names = top.entries()?.into_iter().filter(|(_, found)| !found.is_file);
        let parts = names.filter_map(|(name, _)| OwnerName::parse(&name).ok());
        let mut owners: Vec<OwnerName> =
            parts.filter(|owner| whose(&part(&top, owner)).is_ok_and(|whose| whose.is_some())).collect();
        owners.sort();
        Ok(owners)
    }

    /// Opens this host's own part for writing.
    ///
    /// # Errors
    /// When the place is not there, is not the one that was set up, or the part is another host's.
    pub fn write(
        sftp: &config::Sftp,
        place: &PlaceName,
        owner: &OwnerName,
        (marker, host): (&str, &str),
    ) -> Result<Self, PlaceError> {
        let top = top(sftp)?;
        has_marker(&top, Some(marker))?;
        let own = part(&top, owner);
        match whose(&own)? {
            Some((_, whose)) if whose.id == host => Ok(own),
            Some(_) => Err(PlaceError::Foreign { path: own.called(""), place: place.to_string() }),
            None => Err(PlaceError::NotSetUp(place.to_string())),
        }
    }
}

fn top(sftp: &config::Sftp) -> Result<Sftp, PlaceError> {
    let session = Arc::new(Session::new(sftp)?);
    Ok(Sftp { session, dir: sftp.path.clone(), rights: rights(&sftp.user).into() })
}

fn part(top: &Sftp, owner: &OwnerName) -> Sftp {
    Sftp { dir: top.path(owner.as_str()), ..top.clone() }
}

/// Makes the owner's directory where there is none.
fn make(top: &Sftp, owner: &OwnerName) -> Result<(), PlaceError> {
    match top.look(owner.as_str())? {
        Some(found) if !found.is_file => return Ok(()),
        Some(_) => return Err(PlaceError::Strange { path: top.called(owner.as_str()), what: "no directory".to_owned() }),
        None => {}
    }
    let (path, called) = (top.path(owner.as_str()), top.called(owner.as_str()));
    let made = top.session.ask(("make the directory", &called), |line| async move {
        let attributes = FileAttributes { permissions: Some(0o750), ..FileAttributes::empty() };
        line.raw.mkdir(path, attributes).await.map(drop)
    });
    match made {
        // Whoever was faster has made it.
        Err(SftpError::Other { .. }) if top.look(owner.as_str())?.is_some() => Ok(()),
        made => Ok(made?),
    }
}

fn has_marker(top: &Sftp, expected: Option<&str>) -> Result<Marker, PlaceError> {
    let absent = |why: String| PlaceError::Absent { path: top.session.url(), why };
    match top.small(marker::DESTINATION, marker::MOST_BYTES)? {
        Some(bytes) => marker::expected(&bytes, expected).map_err(absent),
        None if is_dir(top)? => {
            Err(absent(format!("it has no marker ({}), so it was never set up, or its URL is another", marker::DESTINATION)))
        }
        None => Err(absent("there is no such directory at the server, and upkeep makes none".to_owned())),
    }
}

fn is_dir(top: &Sftp) -> Result<bool, PlaceError> {
    let path = top.path(".");
    Ok(top.session.ask(("look at", &top.called("")), |line| async move {
        match line.raw.stat(path).await {
            Err(Said::Status(status)) if status.status_code == StatusCode::NoSuchFile => Ok(false),
            found => found.map(|_| true),
        }
    })?)
}

fn whose(own: &Sftp) -> Result<Option<(u32, Marker)>, PlaceError> {
    marker::newest(|name| own.small(name, marker::MOST_BYTES), |name| own.called(name))
}

/// What the account needs, as who runs the server writes it.
fn rights(user: &str) -> String {
    format!(
        "  # sshd_config of the server, for an account of upkeep's own; the directory of the chroot is root's and writable for nobody else\n\
         \x20 Match User {user}\n    ChrootDirectory /srv/%u\n    ForceCommand internal-sftp\n    AllowTcpForwarding no\n    X11Forwarding no\n\
         \x20 # no right of SFTP keeps an account from changing its own files: snapshots on that side do, or `chattr +i` of what is sealed"
    )
}
