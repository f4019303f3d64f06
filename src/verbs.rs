//! What can be asked for: one file for each verb, with what it is about, its work and its words.
//!
//! Owns the one table of verbs and the one way to carry an [`Action`] out, in the daemon's jobs and without a daemon. Each verb
//! says by [`Spec`] whom it is about, where it waits and what it changes; lanes, gate and settling read that and know no verb.
//! Decides nothing about when. A new verb is its words in `wire`, one file here, and one line in the table.

mod backup;
mod copy;
mod course;
mod drill;
mod gate;
mod hold;
mod lanes;
mod migrate;
mod offsite_check;
mod offsite_init;
mod offsite_prove;
mod open;
mod pin;
mod plan;
mod prune;
mod rehearse;
mod release_hold;
mod restore;
mod rollback;
mod settle;
mod spec;
mod unknown;
mod unpin;
mod upgrade;
mod verify;
mod verify_copies;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use crate::cipher;
use crate::config::Target;
use crate::context::Context;
use crate::failure::{Class, Failure};
use crate::ids::{Label, TargetName};
use crate::offsite::Halt;
use crate::pen::Pen;
use crate::progress::Progress;
use crate::state_db::catalogue::{self, Entry};
use crate::text;
use crate::wire::{Action, Asker, Private};

pub use drill::sweep;
pub use gate::{answer as gate_answer, look as gate};
pub use lanes::{InLane, Lanes, Shut};
pub use settle::{settle, tidy};
pub use spec::{Effect, Lane, Spec, Subject};

/// What a verb works with.
#[derive(Debug, Clone, Copy)]
pub struct Work<'a> {
    /// Configuration, state and clock.
    pub ctx: &'a Context,
    /// Who asks.
    pub asker: &'a Asker,
    /// Where it says how far it is.
    pub progress: &'a Progress,
    /// Set when it should stop at the next boundary.
    pub stop: &'a CancellationToken,
    /// Who else works where.
    pub lanes: &'a Lanes,
}

impl Work<'_> {
    /// For work at a place: how far it is, and who wants it.
    fn halt(&self) -> Halt {
        Halt { progress: self.progress.clone(), stop: self.stop.clone() }
    }
}

macro_rules! table {
    ($($action:ident => $verb:ident,)*) => {
        /// Whom an action is about, where it waits and what it changes.
        #[must_use]
        pub fn spec(action: &Action) -> Spec<'_> {
            match action {
                $(Action::$action(ask) => $verb::spec(ask),)*
            }
        }

        async fn run(action: &Action, work: Work<'_>) -> Result<Value, Failure> {
            match action {
                $(Action::$action(ask) => written(&Box::pin($verb::run(ask, work)).await?),)*
            }
        }

        fn told(action: &Action, answer: &Value, pen: Pen) -> Option<String> {
            match action {
                $(Action::$action(ask) => $verb::tell(ask, &read(answer)?, pen),)*
            }
        }
    };
}

table! {
    Backup => backup,
    Verify => verify,
    Restore => restore,
    Plan => plan,
    Upgrade => upgrade,
    Rollback => rollback,
    Hold => hold,
    ReleaseHold => release_hold,
    Migrate => migrate,
    Prune => prune,
    Pin => pin,
    Unpin => unpin,
    Gate => gate,
    Copy => copy,
    VerifyCopies => verify_copies,
    OffsiteInit => offsite_init,
    OffsiteCheck => offsite_check,
    OffsiteProve => offsite_prove,
    Drill => drill,
    Rehearse => rehearse,
}

/// Carries an action out; the answer is the object that the socket and `--json` show.
///
/// # Errors
/// When the work fails; the failure names the target.
pub async fn perform(action: &Action, work: Work<'_>) -> Result<Value, Failure> {
    let done = async {
        open::admit(work.ctx, action).await?;
        Box::pin(run(action, work)).await
    };
    match (done.await, action.target()) {
        (Ok(answer), Some(target)) => Ok(naming(answer, target)),
        (Err(failure), Some(target)) if failure.target.is_none() => Err(failure.on(target)),
        (done, _) => done,
    }
}

/// An answer whose problems name the target in their next steps.
fn naming(mut answer: Value, target: &TargetName) -> Value {
    for problem in answer.get_mut("problems").and_then(Value::as_array_mut).into_iter().flatten() {
        if let Some(Value::String(hint)) = problem.get_mut("hint") {
            *hint = text::naming(hint, target.as_str());
        }
    }
    answer
}

/// Whether an action, while it is carried out, changes a target's database in a way that no journal shows to the gate.
#[must_use]
pub fn keeps_the_gate_shut(action: &Action, target: &TargetName) -> bool {
    let spec = spec(action);
    let is_its_own = matches!(spec.subject, Subject::Target(of) if of == target);
    is_its_own && spec.effect == Effect::Changes && !open::is_journaled(action)
}

/// What came of an action, in words. An answer of no form that we know (a daemon of another version) is shown as it is.
#[must_use]
pub fn tell(action: &Action, answer: &Value, pen: Pen) -> String {
    told(action, answer, pen).unwrap_or_else(|| unknown::tell(answer, pen))
}

/// A configured target.
///
/// # Errors
/// When there is none of that name.
pub fn target<'a>(ctx: &'a Context, name: &TargetName) -> Result<&'a Target, Failure> {
    ctx.config.targets.get(name).ok_or_else(|| {
        let names: Vec<&str> = ctx.config.targets.keys().map(TargetName::as_str).collect();
        Failure::new(Class::NoInput, format!("there is no target `{name}`")).hint(format!("configured: {}", names.join(", ")))
    })
}

/// The keys that somebody brought, to be forgotten with the work.
fn identity(given: &Private) -> Result<cipher::Identity, Failure> {
    cipher::Identity::parse(given.reveal()).map_err(|why| {
        let failure = Failure::new(Class::Usage, format!("the identity file {why}")).safe("nothing was changed");
        failure.hint("lines that begin with AGE-SECRET-KEY-1, or an ssh-ed25519 key without a passphrase")
    })
}

async fn entry(ctx: &Context, label: &Label) -> Result<Entry, Failure> {
    catalogue::find(&ctx.state, label).await?.ok_or_else(|| {
        Failure::new(Class::NoInput, format!("there is no archive `{label}`")).hint("see which archives exist: `upkeep list`")
    })
}

fn written(answer: &impl Serialize) -> Result<Value, Failure> {
    serde_json::to_value(answer).map_err(|error| Failure::new(Class::Software, format!("cannot write an answer: {error}")))
}

fn read<T: DeserializeOwned>(answer: &Value) -> Option<T> {
    T::deserialize(answer).ok()
}

#[cfg(test)]
mod tests;
