//! `GET /`: where everything stands, as one page for people.
//!
//! Owns what the page shows; it only reads, and says nothing that the socket's other answers do not say. Every fact is in the markup: scripts
//! only fetch it again. Nothing on it comes from elsewhere, which its content security policy holds it to, and what databases, releases
//! and people wrote is text ([`html::Html`]). Invariant: the page never waits for a job or a database server; held by `tests/it/page.rs`.

mod archives;
mod chart;
mod html;
mod jobs;
mod target;
#[cfg(test)]
mod tests;
mod upgrades;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use axum::http::{HeaderName, header};
use chrono::{DateTime, Utc};

use super::board::{Board, Snapshot};
use super::convert;
use crate::expire;
use crate::failure::{Chain, Failure};
use crate::ids::{Label, PlaceName, TargetName};
use crate::pen::{Tone, human};
use crate::retention::VerdictOf;
use crate::state_db::StateDb;
use crate::state_db::catalogue::{self, Entry};
use crate::state_db::copies::CopyState;
use crate::status::words;
use crate::upgrade::{self, Told};
use crate::wire::{Job, Status};
use html::Html;

/// Archives shown on the whole page, shared among the targets: some hundred kilobytes. `upkeep list` has the others.
const ARCHIVES_IN_ALL: usize = 2_000;

/// Archives shown of one target: a season of nightly ones, and what a fleet of many still has room for.
const ARCHIVES_OF_ONE: (usize, usize) = (5, 100);

/// Upgrades of one target that are told step by step.
const UPGRADES: u32 = 3;

/// Ended jobs shown.
const ENDED: u32 = 20;

const STYLE: &str = include_str!("page/style.css");
const SCRIPT: &str = include_str!("page/live.js");

/// Everything the page tells.
#[derive(Debug)]
pub(super) struct Sheet {
    snapshot: Arc<Snapshot>,
    living: Vec<Job>,
    /// None where only the top was asked for.
    rest: Option<Rest>,
}

/// What has to be read from the state database.
#[derive(Debug)]
struct Rest {
    ended: Vec<Job>,
    targets: BTreeMap<TargetName, Details>,
}

/// What is told of a target beyond its status.
#[derive(Debug, Default)]
struct Details {
    /// The newest, newest first.
    archives: Vec<Row>,
    /// How many there are.
    of: usize,
    upgrades: Vec<Told>,
    /// Why its upgrades cannot be told.
    unread: Option<String>,
}

/// An archive, what retention says of it, and where its copies are.
#[derive(Debug)]
struct Row {
    entry: Entry,
    verdict: Option<VerdictOf>,
    copies: Vec<(PlaceName, CopyState)>,
}

/// What is asked for: the page, or only its top, which is refreshed while a job runs and reads nothing but memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    Whole,
    Top,
}

/// Reads what the page tells.
///
/// # Errors
/// When the state database refuses.
pub(super) async fn sheet(board: &Board, part: Part) -> Result<Sheet, Failure> {
    // Before the ended ones: a job that ends meanwhile is in both, and is shown as ended.
    let (snapshot, mut living) = (board.snapshot(), board.living());
    let rest = match part {
        Part::Whole => Some(rest(board, &snapshot.status).await?),
        Part::Top => None,
    };
    let ended = rest.iter().flat_map(|rest: &Rest| &rest.ended);
    let ended: BTreeSet<String> = ended.map(|job| job.id.to_string()).collect();
    living.retain(|job| !ended.contains(job.id.as_str()));
    Ok(Sheet { snapshot, living, rest })
}

async fn rest(board: &Board, status: &Status) -> Result<Rest, Failure> {
    let (db, config) = (board.state(), board.config());
    let mut ended = Vec::new();
    for run in db.ended_runs(ENDED).await.map_err(|error| Failure::of(&error))? {
        // One of another version that cannot be read is in the log, and hides no other.
        ended.extend(convert::job(run).ok().filter(|job| job.ended_at.is_some()));
    }
    let share = (ARCHIVES_IN_ALL / status.targets.len().max(1)).clamp(ARCHIVES_OF_ONE.0, ARCHIVES_OF_ONE.1);
    let mut copies = BTreeMap::<Label, Vec<(PlaceName, CopyState)>>::new();
    for copy in db.copies(None, None).await.map_err(|error| Failure::of(&error))? {
        copies.entry(copy.label).or_default().push((copy.place, copy.state));
    }
    let mut targets = BTreeMap::new();
    for target in &status.targets {
        let entries = catalogue::list(db, Some(&target.name)).await.map_err(|error| Failure::of(&error))?;
        let foreseen = config.targets.get(&target.name).map(|target| expire::foresee(&entries, &target.retention, status.at));
        let mut verdicts: BTreeMap<Label, VerdictOf> =
            foreseen.into_iter().flatten().map(|verdict| (verdict.label.clone(), verdict)).collect();
        let of = entries.len();
        let row = |entry: Entry| Row {
            verdict: verdicts.remove(&entry.label),
            copies: copies.remove(&entry.label).unwrap_or_default(),
            entry,
        };
        let archives = entries.into_iter().take(share).map(row).collect();
        let (upgrades, unread) = told(db, &target.name).await;
        targets.insert(target.name.clone(), Details { archives, of, upgrades, unread });
    }
    Ok(Rest { ended, targets })
}

/// A journal that cannot be read is told where its upgrades would stand, and hides nothing else.
async fn told(db: &StateDb, target: &TargetName) -> (Vec<Told>, Option<String>) {
    match upgrade::told(db, target, UPGRADES).await {
        Ok(told) => (told, None),
        Err(error) => (Vec::new(), Some(Chain(&error).to_string())),
    }
}

/// The page. Style and script are let in by `nonce`, which no other answer has.
pub(super) fn html(sheet: &Sheet, nonce: &str) -> String {
    let status = &sheet.snapshot.status;
    let mut page = Html::default();
    page.tag("<!doctype html>\n<html lang=en><head><meta charset=utf-8><title>").text(&title(status)).tag("</title>");
    page.tag(
        "<meta name=viewport content=\"width=device-width, initial-scale=1\"><meta name=color-scheme content=\"light dark\">",
    );
    page.tag("<noscript><meta http-equiv=refresh content=30></noscript><link rel=icon href=\"data:,\">");
    page.tag("<style nonce=\"").text(nonce).tag("\">").tag(STYLE).tag("</style></head>\n<body>");
    page.tag("<a class=skip href=\"#main\">to what there is to know</a>");
    top(&mut page, sheet);
    if let Some(rest) = &sheet.rest {
        for target in &status.targets {
            target::section(&mut page, target, rest.targets.get(&target.name), status.at);
        }
        jobs::ended(&mut page, &rest.ended, status.at);
    }
    page.tag("</main><script nonce=\"").text(nonce).tag("\">").tag(SCRIPT).tag("</script></body></html>\n");
    page.into_string()
}

/// What holds a browser to the page alone: nothing from elsewhere, nothing that was not written by us, in no frame, kept nowhere.
pub(super) fn headers(nonce: &str) -> [(HeaderName, String); 6] {
    let policy = format!(
        "default-src 'none'; style-src 'nonce-{nonce}'; script-src 'nonce-{nonce}'; connect-src 'self'; img-src data:; \
         base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    );
    [
        (header::CONTENT_SECURITY_POLICY, policy),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff".to_owned()),
        // The address may have a token in it.
        (header::REFERRER_POLICY, "no-referrer".to_owned()),
        (header::CACHE_CONTROL, "no-store".to_owned()),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin".to_owned()),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin".to_owned()),
    ]
}

/// What is most pressing is in the tab's name.
fn title(status: &Status) -> String {
    match problems(status) {
        0 => "upkeep: all is well".to_owned(),
        count => format!("upkeep: {}", human::many(count, "problem")),
    }
}

fn problems(status: &Status) -> u64 {
    (status.problems.len() + status.targets.iter().map(|target| target.problems.len()).sum::<usize>()) as u64
}

/// Head, problems of the daemon itself, what runs now, and one line for each target.
fn top(page: &mut Html, sheet: &Sheet) {
    let status = &sheet.snapshot.status;
    page.tag("<header id=head><h1>upkeep</h1><p>").text(&daemon(status)).tag("; as of ").time(status.at).tag("</p>");
    page.tag("<p id=word class=").tone(if problems(status) == 0 { Tone::Good } else { Tone::Bad }).tag(">");
    page.text(&word(status)).tag("</p></header>\n<p id=live role=status></p><main id=main tabindex=-1>");
    if !status.problems.is_empty() {
        page.tag("<section id=host aria-labelledby=host-h><h2 id=host-h>This host</h2><ul class=problems>");
        for problem in &status.problems {
            page.tag("<li>").sentence(problem);
        }
        page.tag("</ul></section>");
    }
    jobs::living(page, &sheet.living, status.at);
    overview(page, status);
}

fn daemon(status: &Status) -> String {
    let since = status.started_at.map(|at| format!(", up {}", human::when(at, status.at).trim_end_matches(" ago")));
    let pid = status.pid.map(|pid| format!(" (pid {pid})")).unwrap_or_default();
    format!("{}, daemon {}{pid}{}", status.tool, status.state, since.unwrap_or_default())
}

/// One sentence that says whether anybody must do anything.
fn word(status: &Status) -> String {
    let targets = human::many(status.targets.len() as u64, "target");
    match problems(status) {
        0 => format!("All is well: {targets}."),
        1 => format!("{targets}; one problem needs a look."),
        count => format!("{targets}; {count} problems need a look."),
    }
}

fn overview(page: &mut Html, status: &Status) {
    page.tag("<section id=targets aria-labelledby=targets-h><h2 id=targets-h>Targets</h2>");
    if status.targets.is_empty() {
        page.tag("<p>No target is configured.</p></section>");
        return;
    }
    page.tag("<div class=wide role=region tabindex=0 aria-labelledby=targets-h><table><thead><tr><th scope=col>target<th scope=col>state");
    page.tag("<th scope=col>last good archive<th scope=col>next run<th scope=col class=n>problems</thead><tbody>");
    for target in &status.targets {
        let (state, tone) = words::state(target);
        page.tag("<tr><th scope=row><a href=\"#t-")
            .text(target.name.as_str())
            .tag("\">")
            .text(target.name.as_str())
            .tag("</a>");
        page.tag("<td><span class=\"badge ").tone(tone).tag("\">").text(&state).tag("</span>");
        page.tag(if target.overdue { " <span class=\"badge bad\">overdue</span><td>" } else { "<td>" });
        moment(page, target.last_good.as_ref().map(|good| good.taken_at), status.at, "none yet");
        page.tag("<td>");
        moment(page, target.next_run, status.at, "none scheduled");
        page.tag("<td class=n>").number(target.problems.len() as u64);
    }
    page.tag("</tbody></table></div></section>\n");
}

fn moment(page: &mut Html, at: Option<DateTime<Utc>>, now: DateTime<Utc>, none: &'static str) {
    match at {
        Some(at) => page.moment(at, now),
        None => page.tag("<span class=quiet>").tag(none).tag("</span>"),
    };
}
