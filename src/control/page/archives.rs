//! A target's archives on the page: a timeline, and all there is to know of each.

use std::time::Duration;

use chrono::{DateTime, Utc};

use super::chart::{Bar, bars};
use super::html::Html;
use super::{Details, Row};
use crate::pen::{Tone, human};
use crate::retention::Fate;
use crate::state_db::catalogue::Verdict;
use crate::state_db::copies::CopyState;
use crate::wire::TargetStatus;

/// Sizes and durations over time. What they show stands in the table too.
pub(super) fn chart(page: &mut Html, target: &TargetStatus, details: &Details) {
    if details.archives.len() < 2 {
        return;
    }
    let oldest_first = || details.archives.iter().rev();
    let took = |ms| human::span(Duration::from_millis(ms));
    let bar = |row: &Row, value: u64| {
        let entry = &row.entry;
        let words = format!(
            "{} UTC: {} in {}, {}",
            human::moment(entry.taken_at),
            human::size(entry.size),
            took(entry.duration_ms),
            entry.verdict
        );
        Bar { at: entry.taken_at, value, tone: tone(entry.verdict), words }
    };
    page.tag("<div class=charts>");
    let sizes: Vec<Bar> = oldest_first().map(|row| bar(row, row.entry.size)).collect();
    bars(page, "size", target.name.as_str(), &sizes, human::size);
    let durations: Vec<Bar> = oldest_first().map(|row| bar(row, row.entry.duration_ms)).collect();
    bars(page, "duration", target.name.as_str(), &durations, took);
    page.tag("</div>");
}

fn tone(verdict: Verdict) -> Tone {
    match verdict {
        Verdict::Whole => Tone::Good,
        Verdict::Unverified => Tone::Warn,
        _ => Tone::Bad,
    }
}

/// Each archive with what it holds, why it is kept and where its copies are.
pub(super) fn table(page: &mut Html, target: &TargetStatus, details: &Details, now: DateTime<Utc>) {
    if details.archives.is_empty() {
        return;
    }
    let name = target.name.as_str();
    page.tag("<details id=\"a-")
        .text(name)
        .tag("\"><summary id=\"as-")
        .text(name)
        .tag("\">")
        .text(&human::many(details.of as u64, "archive"));
    page.tag("</summary><div class=wide role=region tabindex=0 aria-labelledby=\"as-").text(name).tag("\"><table><thead><tr>");
    page.tag("<th scope=col>taken<th scope=col>label<th scope=col>kind<th scope=col class=n>rows<th scope=col class=n>size");
    page.tag("<th scope=col class=n>took<th scope=col>proof<th scope=col>retention<th scope=col>copies</thead><tbody>");
    for row in &details.archives {
        line(page, row, now);
    }
    page.tag("</tbody></table></div>");
    if details.of > details.archives.len() {
        page.tag("<p>The newest ").number(details.archives.len() as u64).tag(" are shown; all of them: <code>upkeep list ");
        page.text(name).tag("</code></p>");
    }
    page.tag("</details>");
}

fn line(page: &mut Html, row: &Row, now: DateTime<Utc>) {
    let entry = &row.entry;
    page.tag("<tr><td>").moment(entry.taken_at, now).tag("<th scope=row>").text(entry.label.as_str());
    if let Some(note) = &entry.note {
        page.tag("<br><span class=quiet>").text(note).tag("</span>");
    }
    page.tag("<td>").text(&entry.kind.to_string());
    if entry.data_only {
        page.tag("<br><span class=warn>rows without a schema</span>");
    }
    for left in &entry.left_out {
        page.tag("<br><span class=warn>without ").text(&left.what).tag("</span>");
    }
    page.tag("<td class=n>")
        .text(&human::count(entry.rows))
        .tag("<td class=n>")
        .text(&human::size(entry.size))
        .tag("<td class=n>");
    page.text(&human::span(Duration::from_millis(entry.duration_ms)))
        .tag("<td><span class=\"badge ")
        .tone(tone(entry.verdict))
        .tag("\">");
    page.text(&entry.verdict.to_string()).tag("</span>");
    if let Some(at) = entry.verified_at {
        page.tag("<br>").moment(at, now);
    }
    page.tag("<td>");
    if let Some(verdict) = &row.verdict {
        page.tag(if verdict.fate == Fate::Keep { "kept: " } else { "<span class=warn>to delete</span>: " })
            .text(&verdict.reasons.join(", "));
    }
    page.tag("<td>");
    for (at, (place, state)) in row.copies.iter().enumerate() {
        page.tag(if at == 0 { "" } else { "<br>" }).text(place.as_str()).tag(": <span class=");
        page.tone(if *state == CopyState::Copied { Tone::Plain } else { Tone::Bad })
            .tag(">")
            .text(state.as_str())
            .tag("</span>");
    }
}
