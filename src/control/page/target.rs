//! One target on the page: its problems first, then what there is to know.

use chrono::{DateTime, Utc};

use super::html::Html;
use super::{Details, archives, upgrades};
use crate::pen::{Tone, human};
use crate::status::{downtime, drills, rehearsals, words};
use crate::wire::TargetStatus;

/// The whole section.
pub(super) fn section(page: &mut Html, target: &TargetStatus, details: Option<&Details>, now: DateTime<Utc>) {
    let name = target.name.as_str();
    let (state, tone) = words::state(target);
    page.tag("<section class=target id=\"t-")
        .text(name)
        .tag("\" aria-labelledby=\"h-")
        .text(name)
        .tag("\"><h2 id=\"h-")
        .text(name);
    page.tag("\">").text(name).tag(" <span class=\"badge ").tone(tone).tag("\">").text(&state).tag("</span>");
    page.tag(if target.overdue { " <span class=\"badge bad\">overdue</span></h2>" } else { "</h2>" });
    problems(page, target);
    facts(page, target, now);
    if let Some(details) = details {
        archives::chart(page, target, details);
        archives::table(page, target, details, now);
        upgrades::list(page, target, details, now);
    }
    page.tag("</section>\n");
}

/// What a person should look at. Each problem ends in its next step; a stuck upgrade has whole commands.
fn problems(page: &mut Html, target: &TargetStatus) {
    let steps: Vec<&String> = target.upgrade.iter().flat_map(|upgrade| &upgrade.next_steps).collect();
    if target.problems.is_empty() && steps.is_empty() {
        return;
    }
    page.tag("<ul class=problems>");
    for problem in &target.problems {
        page.tag("<li>").sentence(problem);
    }
    page.tag("</ul>");
    if !steps.is_empty() {
        page.tag("<p>Next steps:</p><ol class=steps>");
        for step in steps {
            page.tag("<li>").sentence(step);
        }
        page.tag("</ol>");
    }
}

fn facts(page: &mut Html, target: &TargetStatus, now: DateTime<Utc>) {
    page.tag("<dl>").fact("database", Tone::Plain, |page| {
        page.text(&words::database(target));
    });
    if let Some(release) = &target.release {
        page.fact("release", Tone::Plain, |page| {
            page.text(&words::release(target, release));
        });
    }
    match &target.last_good {
        Some(good) => page.fact("last good", if target.overdue { Tone::Bad } else { Tone::Plain }, |page| {
            page.text(good.label.as_str()).tag(", ").moment(good.taken_at, now).tag(", ");
            page.text(&human::many(good.rows, "row")).tag(", ").text(&human::size(good.size));
            if let Some(at) = good.verified_at {
                page.tag("; every byte read back ").moment(at, now);
            }
        }),
        None => page.fact("last good", Tone::Warn, |page| {
            page.tag("no verified archive yet");
        }),
    };
    page.fact("archives", Tone::Plain, |page| {
        page.text(&words::room(target));
    });
    kept(page, target);
    for copies in &target.copies {
        let (text, tone) = words::copies(copies, now);
        page.fact("copies", tone, |page| {
            page.text(&text);
            if let Some(error) = &copies.error {
                page.tag("; ").sentence(error);
            }
        });
    }
    if let Some(drill) = &target.drill {
        let failed = drill.outcome.as_deref() == Some("failed");
        page.fact("drill", if failed { Tone::Bad } else { Tone::Plain }, |page| {
            page.text(&drills::said(drill, now));
        });
    }
    if let Some(rehearsal) = &target.rehearsal {
        let failed = rehearsal.outcome.as_deref() == Some("failed");
        page.fact("rehearsal", if failed { Tone::Bad } else { Tone::Plain }, |page| {
            page.text(&rehearsals::said(rehearsal, now));
        });
    }
    runs(page, target, now);
    if let Some(expected) = &target.expected_downtime {
        page.fact("downtime", Tone::Plain, |page| {
            page.tag("next upgrade: ").text(&downtime::foretold(expected));
        });
    }
    for hold in &target.holds {
        page.fact("hold", Tone::Warn, |page| {
            page.text(&words::hold(hold, now));
        });
    }
    for refusal in &target.refusals {
        page.fact("no upgrade", Tone::Warn, |page| {
            page.sentence(refusal);
        });
    }
    page.fact("looked at", Tone::Quiet, |page| {
        super::moment(page, target.looked_at, now, "not since the daemon started or began work")
    });
    page.tag("</dl>");
}

/// What retention keeps.
fn kept(page: &mut Html, target: &TargetStatus) {
    let Some(kept) = &target.kept else { return };
    page.fact("retention", Tone::Plain, |page| {
        page.number(kept.kept).tag(" of ").number(kept.kept + kept.let_go).tag(" kept");
        for (at, rule) in kept.rules.iter().enumerate() {
            page.tag(if at == 0 { "; by rule: " } else { ", " }).text(&rule.rule).tag(" ").number(rule.archives);
        }
        if kept.let_go > 0 {
            page.tag("; ").number(kept.let_go).tag(" to delete next");
        }
    });
}

/// The last run where it failed, and those to come.
fn runs(page: &mut Html, target: &TargetStatus, now: DateTime<Utc>) {
    if let Some(run) = target.last_run.as_ref().filter(|run| run.outcome != "ok") {
        page.fact("last run", Tone::Bad, |page| {
            page.text(&run.outcome).tag(" ").moment(run.ended_at, now).tag(": ").sentence(&run.message);
        });
    }
    if let Some(at) = target.retry_at {
        page.fact("retried", Tone::Warn, |page| {
            page.moment(at, now);
        });
    }
    page.fact("next runs", Tone::Plain, |page| {
        super::moment(page, target.next_run, now, "none scheduled");
        for at in &target.then {
            page.tag(", then ").time(*at);
        }
    });
}
