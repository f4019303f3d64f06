//! Moments as they are typed: `2026-11-22T02:30:00Z`, `2026-11-22 02:30`, `now`, or a span from now.

use chrono::{DateTime, NaiveDate, NaiveDateTime, TimeDelta, Utc};

use crate::failure::{Class, Failure};

/// Which way from now a bare span points.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Toward {
    /// `2h` is two hours ago.
    Past,
    /// `2h` is in two hours.
    Future,
}

/// Reads a moment; one without a zone is in UTC, as everything upkeep prints.
pub(super) fn parse(text: &str, toward: Toward, now: DateTime<Utc>) -> Result<DateTime<Utc>, Failure> {
    let text = text.trim();
    if text == "now" {
        return Ok(now);
    }
    if let Ok(moment) = DateTime::parse_from_rfc3339(text) {
        return Ok(moment.with_timezone(&Utc));
    }
    for form in ["%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M", "%Y%m%dT%H%M%SZ"] {
        if let Ok(moment) = NaiveDateTime::parse_from_str(text, form) {
            return Ok(moment.and_utc());
        }
    }
    if let Some(midnight) = NaiveDate::parse_from_str(text, "%Y-%m-%d").ok().and_then(|day| day.and_hms_opt(0, 0, 0)) {
        return Ok(midnight.and_utc());
    }
    let span = crate::config::load::duration(text.trim_end_matches("ago").trim()).ok();
    let moment = span.and_then(|span| TimeDelta::from_std(span).ok()).and_then(|span| match toward {
        Toward::Past => now.checked_sub_signed(span),
        Toward::Future => now.checked_add_signed(span),
    });
    moment.ok_or_else(|| {
        Failure::new(Class::Usage, format!("`{text}` is not a point in time"))
            .hint("write 2026-11-22T02:30:00Z, \"2026-11-22 02:30\" (UTC), or a span from now such as 2h")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments() {
        let now = parse("2026-11-22T12:00:00Z", Toward::Past, DateTime::UNIX_EPOCH).unwrap();
        for (text, toward, wanted) in [
            ("now", Toward::Past, "2026-11-22T12:00:00+00:00"),
            ("2026-11-22T02:30:00+01:00", Toward::Past, "2026-11-22T01:30:00+00:00"),
            ("2026-11-22 02:30", Toward::Past, "2026-11-22T02:30:00+00:00"),
            ("2026-11-22", Toward::Past, "2026-11-22T00:00:00+00:00"),
            ("20261122T023000Z", Toward::Past, "2026-11-22T02:30:00+00:00"),
            ("2h", Toward::Past, "2026-11-22T10:00:00+00:00"),
            ("2h ago", Toward::Past, "2026-11-22T10:00:00+00:00"),
            ("1d", Toward::Future, "2026-11-23T12:00:00+00:00"),
        ] {
            assert_eq!(parse(text, toward, now).unwrap().to_rfc3339(), wanted, "{text}");
        }
        for text in ["", "yesterday", "2026-13-01", "25:00", "99999999w"] {
            assert_eq!(parse(text, Toward::Past, now).unwrap_err().class, Class::Usage, "{text}");
        }
    }
}
