//! Sizes, counts, ages and moments as people read them.

use std::time::Duration;

use chrono::{DateTime, Utc};

pub use crate::count::{count, many, many_of};

const UNITS: [&str; 6] = ["B", "kB", "MB", "GB", "TB", "PB"];

/// `812 B`, `1.4 MB`, `23 GB`: powers of 1000, as disks are sold and `df -H` counts.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "two digits are shown")]
pub fn size(bytes: u64) -> String {
    let mut value = bytes as f64;
    let mut unit = 0;
    while value >= 999.5 && unit + 1 < UNITS.len() {
        value /= 1000.0;
        unit += 1;
    }
    if unit == 0 || value >= 9.95 { format!("{value:.0} {}", UNITS[unit]) } else { format!("{value:.1} {}", UNITS[unit]) }
}

/// `0.4 s`, `12 s`, `3 min`, `5 h`, `9 d`: the largest unit that says enough.
#[must_use]
pub fn span(span: Duration) -> String {
    let seconds = span.as_secs();
    match seconds {
        0..10 if span.subsec_millis() >= 50 || seconds == 0 => format!("{:.1} s", span.as_secs_f32()),
        0..120 => format!("{seconds} s"),
        120..7_200 => format!("{} min", seconds / 60),
        7_200..172_800 => format!("{} h", seconds / 3_600),
        _ => format!("{} d", seconds / 86_400),
    }
}

/// `3 h ago`, or `in 3 h` for a moment to come.
#[must_use]
pub fn when(moment: DateTime<Utc>, now: DateTime<Utc>) -> String {
    match (now - moment).to_std() {
        Ok(past) if past < Duration::from_secs(1) => "just now".to_owned(),
        Ok(past) => format!("{} ago", span(Duration::from_secs(past.as_secs()))),
        Err(_) => format!("in {}", span(Duration::from_secs((moment - now).to_std().unwrap_or_default().as_secs()))),
    }
}

/// `2026-11-22 02:30:00`, in UTC; headings say so.
#[must_use]
pub fn moment(moment: DateTime<Utc>) -> String {
    moment.format("%Y-%m-%d %H:%M:%S").to_string()
}

/// A moment as machines write it, as people read it; any other text as it is.
#[must_use]
pub fn as_moment(text: &str) -> String {
    let parsed = DateTime::parse_from_rfc3339(text);
    parsed.map_or_else(|_| text.to_owned(), |at| format!("{} UTC", moment(at.to_utc())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        for (bytes, shown) in
            [(0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (1_440_000, "1.4 MB"), (9_960_000, "10 MB"), (999_999, "1.0 MB")]
        {
            assert_eq!(size(bytes), shown);
        }
    }

    #[test]
    fn spans() {
        for (ms, shown) in
            [(0, "0.0 s"), (420, "0.4 s"), (5_000, "5 s"), (119_000, "119 s"), (150_000, "2 min"), (9_000_000, "2 h")]
        {
            assert_eq!(span(Duration::from_millis(ms)), shown);
        }
    }
}
