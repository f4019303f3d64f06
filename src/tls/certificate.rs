//! What a certificate says of itself: for people who must know which one it was, and for names that stand in its subject alone.
//!
//! Reads the outermost parts of X.509's encoding and no more. Never proves anything: the library does. What cannot be read is empty.

use std::net::IpAddr;

use chrono::NaiveDateTime;

/// What is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Certificate {
    /// 1 or 3.
    pub(super) version: u8,
    /// Who made it: the common name.
    pub(super) issuer: String,
    /// Whose it is: the common name.
    pub(super) subject: String,
    /// The hosts and addresses it is for, beside the subject.
    pub(super) names: Vec<String>,
    time: (Option<NaiveDateTime>, Option<NaiveDateTime>),
}

impl Default for Certificate {
    fn default() -> Self {
        Self { version: 3, issuer: String::new(), subject: String::new(), names: Vec::new(), time: (None, None) }
    }
}

/// Where a moment stands to a certificate's time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Time {
    Now,
    Over,
    ToCome,
}

/// Tags of the encoding.
const SEQUENCE: u8 = 0x30;
const VERSION: u8 = 0xa0;
const EXTENSIONS: u8 = 0xa3;
const UTC_TIME: u8 = 0x17;
const OBJECT: u8 = 0x06;
/// `dNSName` and `iPAddress` of a list of names.
const DNS_NAME: u8 = 0x82;
const IP_ADDRESS: u8 = 0x87;

/// `2.5.4.3`.
const COMMON_NAME: [u8; 3] = [0x55, 0x04, 0x03];
/// `2.5.29.17`.
const ALTERNATIVE_NAMES: [u8; 3] = [0x55, 0x1d, 0x11];

impl Certificate {
    pub(super) fn read(der: &[u8]) -> Option<Self> {
        let (SEQUENCE, whole, _) = part(der)? else { return None };
        let (SEQUENCE, content, _) = part(whole)? else { return None };
        let mut parts = Parts(content).peekable();
        let version = parts.next_if(|(tag, _)| *tag == VERSION);
        // Counted from 0; a certificate that says nothing is of the first.
        let version = version.and_then(|(_, value)| value.last()).map_or(1, |number| number.saturating_add(1));
        // A serial number and how it is signed.
        let (_, _) = (parts.next()?, parts.next()?);
        let (issuer, times, subject) = (parts.next()?.1, parts.next()?.1, parts.next()?.1);
        let extensions = parts.find(|(tag, _)| *tag == EXTENSIONS).map_or(&[][..], |(_, extensions)| extensions);
        let mut times = Parts(times).map(|(tag, text)| moment(tag, text));
        Some(Self {
            version,
            issuer: common_name(issuer),
            subject: common_name(subject),
            names: names(extensions),
            time: (times.next().flatten(), times.next().flatten()),
        })
    }

    /// When its time begins, for people.
    pub(super) fn from(&self) -> String {
        shown(self.time.0)
    }

    /// When its time ends.
    pub(super) fn until(&self) -> String {
        shown(self.time.1)
    }

    /// Where a moment, in seconds since 1970, stands to its time. What cannot be read is over.
    pub(super) fn time(&self, now: u64) -> Time {
        let (Some(from), Some(until)) = self.time else { return Time::Over };
        let now = i64::try_from(now).unwrap_or(i64::MAX);
        match (from.and_utc().timestamp(), until.and_utc().timestamp()) {
            (_, until) if until < now => Time::Over,
            (from, _) if from > now => Time::ToCome,
            _ => Time::Now,
        }
    }
}

/// Whether a name in a certificate is that of a host; a star stands for its first part.
pub(super) fn is_for(name: &str, host: &str) -> bool {
    let (name, host) = (name.trim_end_matches('.').to_ascii_lowercase(), host.trim_end_matches('.').to_ascii_lowercase());
    let below = |name: &str| name.strip_prefix("*.").filter(|rest| rest.contains('.')).map(str::to_owned);
    match (below(&name), host.split_once('.')) {
        (Some(name), Some((first, rest))) => !first.is_empty() && rest == name && host.parse::<IpAddr>().is_err(),
        _ => !name.is_empty() && name == host,
    }
}

/// One part of an encoding: its tag, its content, and what follows it.
fn part(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&tag, rest) = bytes.split_first()?;
    let (&first, rest) = rest.split_first()?;
    let (length, rest) = match usize::from(first) {
        short @ 0..0x80 => (short, rest),
        long => {
            let (digits, rest) = rest.split_at_checked(long - 0x80).filter(|(digits, _)| digits.len() <= 4)?;
            (digits.iter().fold(0, |length, digit| length << 8 | usize::from(*digit)), rest)
        }
    };
    let (content, rest) = rest.split_at_checked(length)?;
    Some((tag, content, rest))
}

/// The parts of a content, up to where it cannot be read.
#[derive(Clone)]
struct Parts<'a>(&'a [u8]);

impl<'a> Iterator for Parts<'a> {
    type Item = (u8, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let (tag, content, rest) = part(self.0)?;
        self.0 = rest;
        Some((tag, content))
    }
}

/// The last common name of a subject or issuer; one that has none is shown as such.
fn common_name(name: &[u8]) -> String {
    let attributes = Parts(name).flat_map(|(_, set)| Parts(set)).filter_map(|(_, attribute)| {
        let mut parts = Parts(attribute);
        let (OBJECT, object) = parts.next()? else { return None };
        (object == COMMON_NAME).then(|| parts.next()).flatten().map(|(_, text)| String::from_utf8_lossy(text).into_owned())
    });
    attributes.last().unwrap_or_default()
}

fn names(extensions: &[u8]) -> Vec<String> {
    let list = Parts(extensions).flat_map(|(_, all)| Parts(all)).find_map(|(_, extension)| {
        let mut parts = Parts(extension);
        let (OBJECT, object) = parts.next()? else { return None };
        // Whether it is critical may stand in between.
        (object == ALTERNATIVE_NAMES).then(|| parts.last()).flatten().map(|(_, value)| value)
    });
    let names = list.into_iter().flat_map(Parts).flat_map(|(_, names)| Parts(names)).filter_map(|(tag, name)| match tag {
        DNS_NAME => Some(String::from_utf8_lossy(name).into_owned()),
        IP_ADDRESS => address(name).map(|address| address.to_string()),
        _ => None,
    });
    names.collect()
}

fn address(bytes: &[u8]) -> Option<IpAddr> {
    let short = <[u8; 4]>::try_from(bytes).map(IpAddr::from);
    short.or_else(|_| <[u8; 16]>::try_from(bytes).map(IpAddr::from)).ok()
}

fn moment(tag: u8, text: &[u8]) -> Option<NaiveDateTime> {
    let form = if tag == UTC_TIME { "%y%m%d%H%M%SZ" } else { "%Y%m%d%H%M%SZ" };
    NaiveDateTime::parse_from_str(std::str::from_utf8(text).ok()?, form).ok()
}

fn shown(moment: Option<NaiveDateTime>) -> String {
    moment.map_or_else(|| "a time nobody can read".to_owned(), |moment| moment.format("%Y-%m-%d %H:%M:%S UTC").to_string())
}

#[cfg(test)]
mod tests;
