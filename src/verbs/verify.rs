//! `verify`: every byte of archives read back, and the verdict noted.

use serde::{Deserialize, Serialize};

use super::{Effect, Lane, Spec, Subject, Work, entry, target};
use crate::failure::{Class, Failure};
use crate::pen::{Pen, human};
use crate::state_db::catalogue::{self, Entry};
use crate::verify;
use crate::wire::{Verified, Verify};

/// Of one archive, or of several.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub(super) enum Answer {
    All(Verified<Entry>),
    One(Box<Entry>),
}

pub(super) fn spec(ask: &Verify) -> Spec<'_> {
    match (&ask.label, &ask.target) {
        (_, Some(target)) => Spec::of(target, Effect::Notes),
        (Some(label), None) => Spec { subject: Subject::Archive(label), lane: Lane::Host, effect: Effect::Notes },
        (None, None) => Spec { subject: Subject::All, lane: Lane::Host, effect: Effect::Notes },
    }
}

pub(super) async fn run(ask: &Verify, work: Work<'_>) -> Result<Answer, Failure> {
    let ctx = work.ctx;
    if let Some(label) = &ask.label {
        let whole = verify::verify(ctx, &entry(ctx, label).await?, work.progress).await?;
        return Ok(Answer::One(Box::new(whole)));
    }
    if let Some(name) = &ask.target {
        target(ctx, name)?;
    }
    let (mut whole, mut bad) = (Vec::new(), Vec::new());
    for known in catalogue::list(&ctx.state, ask.target.as_ref()).await? {
        if work.stop.is_cancelled() {
            return Err(
                Failure::new(Class::TempFail, "stopped before every archive was read").hint("run `upkeep verify` again")
            );
        }
        match verify::verify(ctx, &known, work.progress).await {
            Ok(entry) => whole.push(entry),
            // Retention let it go since we made the list.
            Err(_) if catalogue::find(&ctx.state, &known.label).await?.is_none() => {}
            Err(error) => bad.push(Failure::of(&error)),
        }
    }
    let Some(first) = bad.first() else {
        return Ok(Answer::All(Verified { verified: whole.len() as u64, archives: whole }));
    };
    let read = whole.len() + bad.len();
    let message = format!("not good: {} of {}", bad.len(), human::many(read as u64, "archive"));
    let mut failure = Failure::new(first.class, message);
    failure.causes = bad.iter().map(|one| one.message.clone()).collect();
    failure.hints.clone_from(&first.hints);
    Err(failure.safe("the others were read back whole"))
}

pub(super) fn tell(_: &Verify, answer: &Answer, _: Pen) -> Option<String> {
    Some(match answer {
        Answer::One(entry) => format!("{} is whole: every byte is as it was sealed", entry.label),
        Answer::All(all) => format!("{} read back: every byte is as it was sealed", human::many(all.verified, "archive")),
    })
}
