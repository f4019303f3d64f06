//! One small file inside a jar, which is a zip archive.
//!
//! Owns finding it by the archive's directory and unpacking it. Reads no more than the directory and that one file, each up to a
//! bound; what does not fit together (lengths, places, the checksum) is an error and never half a file. No ZIP64: no jar of a server
//! needs it.

use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};

/// What the directory's end begins with, and how long it is without its comment.
const END: (&[u8; 4], usize) = (b"PK\x05\x06", 22);
/// What each entry of the directory begins with, and how long it is without its name.
const ENTRY: (&[u8; 4], usize) = (b"PK\x01\x02", 46);
/// What stands before a file's bytes, and how long it is without its name.
const LOCAL: (&[u8; 4], usize) = (b"PK\x03\x04", 30);
/// The longest comment an archive can have.
const COMMENT: u64 = 65_535;
/// A directory longer than this is of no jar: it holds some ten thousand names a megabyte.
const DIRECTORY: u64 = 64 * 1024 * 1024;

/// The content of the file of that name; none where the jar holds no such file.
pub(super) fn read(jar: &mut File, name: &str, most: u64) -> Result<Option<Vec<u8>>, String> {
    let length = jar.seek(SeekFrom::End(0)).map_err(|error| error.to_string())?;
    let from = length.saturating_sub(COMMENT + END.1 as u64);
    let tail = bytes(jar, from, length - from)?;
    let end =
        memchr::memmem::rfind(&tail, END.0).filter(|at| at + END.1 <= tail.len()).ok_or("it has no end of a zip archive")?;
    let (size, offset) = (number(&tail, end + 12, 4)?, number(&tail, end + 16, 4)?);
    if size > DIRECTORY {
        return Err("its directory is longer than any jar's".to_owned());
    }
    let directory = bytes(jar, offset, size)?;
    let Some(entry) = find(&directory, name)? else { return Ok(None) };
    let (method, checksum) = (number(&directory, entry + 10, 2)?, number(&directory, entry + 16, 4)?);
    let (packed, unpacked) = (number(&directory, entry + 20, 4)?, number(&directory, entry + 24, 4)?);
    let local = number(&directory, entry + 42, 4)?;
    if packed > most || unpacked > most {
        return Err(format!("{name} in it is too long"));
    }
    let head = bytes(jar, local, LOCAL.1 as u64)?;
    if !head.starts_with(LOCAL.0) {
        return Err(format!("{name} is not where its directory says"));
    }
    let begin = local + LOCAL.1 as u64 + number(&head, 26, 2)? + number(&head, 28, 2)?;
    let packed = bytes(jar, begin, packed)?;
    let content = match method {
        0 => packed,
        8 => {
            let limit = usize::try_from(unpacked).map_err(|error| error.to_string())?;
            miniz_oxide::inflate::decompress_to_vec_with_limit(&packed, limit)
                .map_err(|error| format!("{name} in it cannot be unpacked: {error}"))?
        }
        other => return Err(format!("{name} in it is packed by method {other}")),
    };
    if content.len() as u64 != unpacked || u64::from(crc32fast::hash(&content)) != checksum {
        return Err(format!("{name} in it does not have its checksum"));
    }
    Ok(Some(content))
}

/// Where the entry of that name begins in the directory.
fn find(directory: &[u8], name: &str) -> Result<Option<usize>, String> {
    let mut at = 0;
    while directory.get(at..).is_some_and(|rest| rest.starts_with(ENTRY.0)) {
        let length = |place: usize| -> Result<usize, String> {
            usize::try_from(number(directory, at + place, 2)?).map_err(|error| error.to_string())
        };
        let (named, extra, comment) = (length(28)?, length(30)?, length(32)?);
        let begin = at + ENTRY.1;
        if directory.get(begin..begin + named) == Some(name.as_bytes()) {
            return Ok(Some(at));
        }
        at = begin + named + extra + comment;
    }
    if at == directory.len() { Ok(None) } else { Err("its directory is cut short".to_owned()) }
}

fn bytes(jar: &mut File, at: u64, length: u64) -> Result<Vec<u8>, String> {
    let mut found = Vec::new();
    jar.seek(SeekFrom::Start(at)).map_err(|error| error.to_string())?;
    (&*jar).take(length).read_to_end(&mut found).map_err(|error| error.to_string())?;
    if found.len() as u64 == length { Ok(found) } else { Err("it is cut short".to_owned()) }
}

/// A number of `width` bytes, the lowest first.
fn number(text: &[u8], at: usize, width: usize) -> Result<u64, String> {
    let digits = text.get(at..at + width).ok_or("it is cut short")?;
    Ok(digits.iter().rev().fold(0, |sum, byte| (sum << 8) | u64::from(*byte)))
}
