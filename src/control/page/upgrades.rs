//! Upgrades on the page, step by step.

use chrono::{DateTime, Utc};

use super::Details;
use super::html::Html;
use crate::pen::{Tone, human};
use crate::status::downtime;
use crate::upgrade::{Told, Went};
use crate::wire::TargetStatus;

/// The newest upgrades; an open one stands open.
pub(super) fn list(page: &mut Html, target: &TargetStatus, details: &Details, now: DateTime<Utc>) {
    if let Some(why) = &details.unread {
        page.tag("<p class=bad>Its upgrades cannot be shown: ").sentence(why).tag(". Next: <code>upkeep check</code></p>");
    }
    if details.upgrades.is_empty() {
        return;
    }
    page.tag("<details id=\"u-").text(target.name.as_str()).tag("\"");
    let open = details.upgrades.iter().any(|told| told.summary.ended_at.is_none());
    page.tag(if open { " open><summary>" } else { "><summary>" });
    page.text(&human::many(details.upgrades.len() as u64, "upgrade")).tag(", step by step</summary>");
    for told in &details.upgrades {
        one(page, told, now);
    }
    page.tag("</details>");
}

fn one(page: &mut Html, told: &Told, now: DateTime<Utc>) {
    let summary = &told.summary;
    page.tag("<h3>");
    if let Some(from) = &summary.from {
        page.text(&from.to_string()).tag(" ");
    }
    page.tag("to ").text(&summary.to.to_string()).tag(": ").text(&summary.phase.to_string()).tag("</h3><p class=quiet>begun ");
    page.moment(summary.started_at, now);
    if let Some(ended) = summary.ended_at {
        page.tag(", ended ")
            .time(ended)
            .tag(", took ")
            .text(&human::span((ended - summary.started_at).to_std().unwrap_or_default()));
    }
    page.tag("</p>");
    if let Some(downtime) = &summary.downtime {
        page.tag("<p>").sentence(&downtime::said(&downtime::happened(downtime), summary.ended_at.is_some())).tag("</p>");
    }
    if let Some(message) = &summary.message {
        page.tag("<p>").sentence(message).tag("</p>");
    }
    page.tag("<ol class=steps>");
    for line in &told.lines {
        let (tone, word) = match line.went {
            Went::Done => (Tone::Good, "done"),
            Went::Failed => (Tone::Bad, "failed"),
            Went::Underway => (Tone::Warn, "underway"),
            Went::Turn => (Tone::Quiet, "decided"),
        };
        page.tag("<li><strong>")
            .text(&line.what)
            .tag("</strong> <span class=\"badge ")
            .tone(tone)
            .tag("\">")
            .tag(word)
            .tag("</span> ");
        page.time(line.began);
        if let Some(ended) = line.ended.filter(|_| line.went != Went::Turn) {
            page.tag(", took ").text(&human::span((ended - line.began).to_std().unwrap_or_default()));
        }
        if line.attempts > 1 {
            page.tag(", begun ").number(u64::from(line.attempts)).tag(" times");
        }
        if !line.note.is_empty() {
            page.tag(": ").sentence(&line.note);
        }
    }
    for step in &told.to_come {
        page.tag("<li class=quiet>").text(step).tag(" <span class=badge>to come</span>");
    }
    page.tag("</ol>");
}
