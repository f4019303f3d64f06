//! Who and what a place is: two small files that are made once.
//!
//! Pure. The marker at the top proves that the place is the one that was set up, and no empty directory below an absent mount; the
//! owner's says which host writes under a name.

use serde::{Deserialize, Serialize};

use super::PlaceError;

/// The marker at the top of a place.
pub(super) const DESTINATION: &str = ".upkeep-destination";

/// The first file that says whose an owner's part is.
pub(super) const OWNER: &str = ".upkeep-owner.json";

/// A marker longer than this is none.
pub(super) const MOST_BYTES: u64 = 4096;

/// A part that was taken over more often is none.
const MOST_OWNERS: u32 = 1000;

/// The form that is written.
const FORMAT: u32 = 1;

/// What either file says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Marker {
    /// Its form.
    pub format: u32,
    /// A random name that nothing else has.
    pub id: String,
    /// What made it.
    #[serde(default)]
    pub tool: String,
}

impl Marker {
    /// With an id that nothing else has.
    #[must_use]
    pub fn random() -> Self {
        Self::of(uuid::Uuid::new_v4().simple().to_string())
    }

    /// With a known id.
    #[must_use]
    pub fn of(id: String) -> Self {
        Self { format: FORMAT, id, tool: concat!("upkeep ", env!("CARGO_PKG_VERSION")).to_owned() }
    }

    /// The bytes written.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        // A struct of texts and a number always has a JSON form.
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// Reads one back.
    ///
    /// # Errors
    /// When it is none, or a newer upkeep's.
    pub fn decode(bytes: &[u8]) -> Result<Self, String> {
        let marker: Self = serde_json::from_slice(bytes).map_err(|error| format!("its marker cannot be read: {error}"))?;
        match (marker.format, marker.id.is_empty()) {
            (FORMAT, false) => Ok(marker),
            (FORMAT, true) => Err("its marker has no id".to_owned()),
            (newer, _) => Err(format!("its marker has format {newer}; this upkeep knows {FORMAT}")),
        }
    }
}

/// A marker that was read, where it is the one that was put there.
pub(super) fn expected(bytes: &[u8], expected: Option<&str>) -> Result<Marker, String> {
    let marker = Marker::decode(bytes)?;
    match expected {
        Some(expected) if marker.id != expected => {
            Err("its marker is another one than was found when it was set up".to_owned())
        }
        _ => Ok(marker),
    }
}

/// The newest word on whose a part is, and how many there are.
pub(super) fn newest(
    read: impl Fn(&str) -> Result<Option<Vec<u8>>, PlaceError>,
    called: impl Fn(&str) -> String,
) -> Result<Option<(u32, Marker)>, PlaceError> {
    let mut newest = None;
    for nth in 1..=MOST_OWNERS {
        let name = owner(nth);
        let Some(bytes) = read(&name)? else { return Ok(newest) };
        let marker = Marker::decode(&bytes).map_err(|what| PlaceError::Strange { path: called(&name), what })?;
        newest = Some((nth, marker));
    }
    Err(PlaceError::Strange { path: called(OWNER), what: "followed by more files of its kind than anybody makes".to_owned() })
}

/// The name of the file that says whose it is for the N-th time: whoever takes a part over adds one, for none is written over.
pub(super) fn owner(nth: u32) -> String {
    match nth {
        0 | 1 => OWNER.to_owned(),
        nth => format!(".upkeep-owner-{nth}.json"),
    }
}
