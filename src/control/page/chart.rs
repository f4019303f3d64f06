//! Bars over time, as SVG that needs nothing else.
//!
//! Pure. A bar stands at its moment and is as high as its share of the largest, so that gaps and sudden losses are seen as what they are. Colours are
//! classes, for light and dark; each bar says in words what it shows, and the table beside the chart has the same numbers.

use chrono::{DateTime, Utc};

use super::html::Html;
use crate::pen::{Tone, human};

/// The drawing's own units; it is stretched to the room there is.
const WIDTH: u64 = 1_000;
const HEIGHT: u64 = 100;

/// A bar is never narrower: a hundred of them still are bars on a phone.
const NARROWEST: u64 = 4;

/// One bar.
#[derive(Debug)]
pub(super) struct Bar {
    /// Where it stands.
    pub(super) at: DateTime<Utc>,
    /// How high it is.
    pub(super) value: u64,
    /// Its colour.
    pub(super) tone: Tone,
    /// What it says.
    pub(super) words: String,
}

/// A chart with its words: what is shown, the newest, the least and the most. The bars stand oldest first.
pub(super) fn bars(page: &mut Html, what: &'static str, target: &str, bars: &[Bar], shown: impl Fn(u64) -> String) {
    let values = || bars.iter().map(|bar| bar.value);
    let (Some(first), Some(last), Some(least), Some(most)) = (bars.first(), bars.last(), values().min(), values().max()) else {
        return;
    };
    let span = u64::try_from((last.at - first.at).num_seconds()).unwrap_or_default().max(1);
    let width = (WIDTH / (bars.len() as u64 * 2)).clamp(NARROWEST, WIDTH / 20);
    page.tag("<figure><figcaption id=\"c-")
        .tag(what)
        .tag("-")
        .text(target)
        .tag("\">")
        .tag(what)
        .tag(": newest ")
        .text(&shown(last.value));
    page.tag(", ").text(&shown(least)).tag(" to ").text(&shown(most)).tag("</figcaption>");
    page.tag("<svg role=img preserveAspectRatio=none viewBox=\"0 0 1000 100\" aria-labelledby=\"c-")
        .tag(what)
        .tag("-")
        .text(target)
        .tag("\">");
    for bar in bars {
        let since = u64::try_from((bar.at - first.at).num_seconds()).unwrap_or_default();
        let x = scaled(since, span, WIDTH - width);
        let height = scaled(bar.value, most.max(1), HEIGHT).max(1);
        page.tag("<rect class=")
            .tone(bar.tone)
            .tag(" x=")
            .number(x)
            .tag(" y=")
            .number(HEIGHT - height)
            .tag(" width=")
            .number(width);
        page.tag(" height=").number(height).tag("><title>").text(&bar.words).tag("</title></rect>");
    }
    page.tag("</svg><p class=axis aria-hidden=true><span>").text(&human::moment(first.at)).tag("</span><span>");
    page.text(&human::moment(last.at)).tag("</span></p></figure>");
}

/// A share of a length; what is more than the whole is the whole.
fn scaled(value: u64, whole: u64, length: u64) -> u64 {
    let scaled = u128::from(value.min(whole)) * u128::from(length) / u128::from(whole.max(1));
    u64::try_from(scaled).unwrap_or(length)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_stand_at_their_moments_and_are_as_high_as_their_share() {
        let bar = |hour: u32, value| Bar {
            at: format!("2026-11-22T{hour:02}:00:00Z").parse().unwrap(),
            value,
            tone: Tone::Good,
            words: "<b>".to_owned(),
        };
        let mut page = Html::default();
        bars(&mut page, "size", "notes", &[bar(0, 50), bar(6, 100), bar(12, u64::MAX / 2), bar(12, 0)], |value| {
            value.to_string()
        });
        let page = page.into_string();
        let rects: Vec<&str> = page.split("<rect ").skip(1).map(|rect| rect.split('>').next().unwrap()).collect();
        assert_eq!(
            rects,
            [
                "class=good x=0 y=99 width=50 height=1",
                "class=good x=475 y=99 width=50 height=1",
                "class=good x=950 y=0 width=50 height=100",
                "class=good x=950 y=99 width=50 height=1",
            ]
        );
        assert!(page.contains("<title>&lt;b&gt;</title>") && page.contains("newest 0, 0 to"), "{page}");
        let mut none = Html::default();
        super::bars(&mut none, "size", "notes", &[], |value| value.to_string());
        assert_eq!(none.into_string(), "");
    }
}
