//! Jobs on the page: those that live, and the newest that ended.

use chrono::{DateTime, Utc};

use super::html::Html;
use crate::pen::{Tone, human};
use crate::status::words;
use crate::wire::{Job, JobState};

/// What is done now. The script reads from `data-busy` how soon it looks again.
pub(super) fn living(page: &mut Html, jobs: &[Job], now: DateTime<Utc>) {
    page.tag("<section id=now aria-labelledby=now-h data-busy=").tag(if jobs.is_empty() { "no" } else { "yes" });
    page.tag("><h2 id=now-h>Now</h2>");
    if jobs.is_empty() {
        page.tag("<p class=quiet>No job is running.</p>");
    }
    for job in jobs {
        page.tag("<article class=job><p><strong>").text(&words::job(job)).tag("</strong></p>");
        let (done, total) = (job.progress.done_bytes, job.progress.total_bytes);
        if total > 0 && job.state == JobState::Running {
            page.tag("<progress max=").number(total.max(done)).tag(" value=").number(done);
            page.tag(" aria-label=\"").text(&subject(job)).tag("\"></progress>");
        }
        page.tag("<p class=quiet>asked for ").moment(job.created_at, now).tag("</p></article>");
    }
    page.tag("</section>\n");
}

/// The newest that ended, each with what came of it.
pub(super) fn ended(page: &mut Html, jobs: &[Job], now: DateTime<Utc>) {
    page.tag("<section id=ended aria-labelledby=ended-h><h2 id=ended-h>Recent jobs</h2>");
    if jobs.is_empty() {
        page.tag("<p class=quiet>Nothing yet.</p></section>");
        return;
    }
    page.tag("<div class=wide role=region tabindex=0 aria-labelledby=ended-h><table><thead><tr><th scope=col>what<th scope=col>ended");
    page.tag("<th scope=col class=n>asked for, until its end<th scope=col>outcome</thead><tbody>");
    for job in jobs {
        let Some(at) = job.ended_at else { continue };
        page.tag("<tr><th scope=row>").text(&subject(job)).tag("<td>").moment(at, now).tag("<td class=n>");
        page.text(&human::span((at - job.created_at).to_std().unwrap_or_default())).tag("<td>");
        outcome(page, job);
    }
    page.tag("</tbody></table></div></section>\n");
}

fn outcome(page: &mut Html, job: &Job) {
    match (job.state, &job.failure) {
        (_, Some(failure)) => {
            badge(page, Tone::Bad, "failed").sentence(&failure.message);
            for next in failure.causes.iter().chain(&failure.safe).chain(&failure.hints) {
                page.tag("<br>").sentence(next);
            }
        }
        (JobState::Ok, None) => {
            badge(page, Tone::Good, "ok");
        }
        (JobState::Interrupted, None) => {
            badge(page, Tone::Warn, "interrupted").text("the daemon ended before it did");
        }
        (JobState::Queued | JobState::Running | JobState::Failed, None) => {
            badge(page, Tone::Warn, "unknown");
        }
    }
}

fn badge<'a>(page: &'a mut Html, tone: Tone, word: &'static str) -> &'a mut Html {
    page.tag("<span class=\"badge ").tone(tone).tag("\">").tag(word).tag("</span> ")
}

fn subject(job: &Job) -> String {
    let about = job.action.target().map(ToString::to_string).or_else(|| job.action.place().map(ToString::to_string));
    format!("{} {}", job.action.name(), about.unwrap_or_default()).trim_end().to_owned()
}
