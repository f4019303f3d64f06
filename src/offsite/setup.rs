//! Setting a place up, once, and looking whether it can be used.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::aside::aside;
use super::{OffsiteError, called, unproven, uploads, writing};
use crate::config::{Offsite, OffsiteKind};
use crate::context::Context;
use crate::fault;
use crate::ids::PlaceName;
use crate::store::place::{BucketSetup, Marker, PlaceError, Setup, SftpSetup, Sidecar};
use crate::trust;

/// What was found of a place, and what is so now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checked {
    /// Which.
    pub place: PlaceName,
    /// Its kind.
    pub kind: String,
    /// Where this host's part is.
    pub path: String,
    /// The name this host writes under.
    pub owner: String,
    /// Copies that are sealed there.
    pub copies: u64,
    /// Free room in bytes, where the place knows.
    #[serde(default)]
    pub free_bytes: Option<u64>,
    /// Whether the place itself refuses what upkeep would write over a name that is taken.
    #[serde(default)]
    pub keeps_names: bool,
    /// What works and could be better, in one sentence each.
    #[serde(default)]
    pub advice: Vec<String>,
    /// The least rights that the place needs, as who grants them writes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub needs: Option<String>,
}

/// Sets a place up for this host: the marker, the owner's part, whose it is. May be done again.
///
/// # Errors
/// When it cannot be, or the part is another host's and is not to be taken over.
pub async fn init(ctx: &Context, offsite: &Offsite, adopt: bool) -> Result<Checked, OffsiteError> {
    // Written down before anything is made there: whoever finds it half-way knows that it is his.
    let (marker, host) = match ctx.state.place(&offsite.name).await? {
        Some(known) => (known.marker, known.host),
        None => {
            let host = Marker::random().id;
            ctx.state.set_place(&offsite.name, "", &host).await?;
            (String::new(), host)
        }
    };
    fault::point("offsite.intended");
    let (of, ours, before) = (offsite.clone(), host.clone(), marker.clone());
    let mut beside: Vec<_> = ctx.config.targets.values().map(|target| target.backup.directory.clone()).collect();
    beside.extend([ctx.config.daemon.state_dir.clone(), "/".into()]);
    let uploads = uploads(ctx, offsite);
    let set_up = move || {
        let marker = Some(&*marker).filter(|marker| !marker.is_empty());
        let run = |marker| match &of.kind {
            OffsiteKind::Directory { path, allow_same_device } => {
                let beside: Vec<&Path> =
                    if *allow_same_device { Vec::new() } else { beside.iter().map(|path| &**path).collect() };
                Setup { path, place: &of.name, owner: &of.owner, apart_from: &beside, marker, host: &ours, adopt }.run()
            }
            OffsiteKind::Bucket(bucket) => {
                let uploads = uploads.clone();
                BucketSetup { bucket, place: &of.name, owner: &of.owner, marker, host: &ours, adopt, uploads }.run()
            }
            OffsiteKind::Sftp(sftp) => SftpSetup { sftp, place: &of.name, owner: &of.owner, marker, host: &ours, adopt }.run(),
        };
        match run(marker) {
            // Whoever says so has put another disk in its place.
            Err(PlaceError::Absent { .. }) if adopt && marker.is_some() => run(None),
            done => done,
        }
    };
    let found = aside(&called(offsite, &offsite.owner), set_up).await??;
    let is_another = !before.is_empty() && before != found;
    if is_another {
        // What was seen at the one before is not at this one: it is owed here, where its archive is still there.
        ctx.state.forget_copies(&offsite.name).await?;
    }
    ctx.state.set_place(&offsite.name, &found, &host).await?;
    let mut checked = check(ctx, offsite).await?;
    if is_another {
        let told = "it is another one than before: copies at that one are not counted any more, and what is still here is sent to this one";
        checked.advice.push(told.to_owned());
    }
    Ok(checked)
}

/// Looks whether a place can be used, by trying what a copy needs.
///
/// # Errors
/// When it cannot.
pub async fn check(ctx: &Context, offsite: &Offsite) -> Result<Checked, OffsiteError> {
    let (place, _) = writing(ctx, offsite).await?;
    let at = place.called("");
    let kind = offsite.kind.word().to_owned();
    let (of, unproven) = (offsite.clone(), unproven(&ctx.state, offsite).await?);
    let looked = move || -> Result<Checked, OffsiteError> {
        let tried = place.try_out()?;
        let objects = place.list()?;
        let copies = objects.iter().filter(|object| Sidecar::label_in(&object.name).is_some()).count() as u64;
        let mut advice = keys(&of, &unproven);
        let keeps_names = tried.keeps_names;
        advice.extend(tried.advice);
        let in_clear = objects.iter().filter(|object| crate::store::label_of(&object.name).is_some()).count();
        if !of.encrypt_to.is_empty() && in_clear > 0 {
            let many = format!("{in_clear} there {}", if in_clear == 1 { "is" } else { "are" });
            advice.push(format!(
                "of the archives {many} not encrypted: sent before `encrypt_to` was set, and a person's to take away"
            ));
        }
        if let OffsiteKind::Directory { path: top, .. } = &of.kind
            && let Ok(weak) = trust::weaker(top)
            && let Some(first) = weak.first()
        {
            advice.push(format!(
                "{first} may change what is in {}: whoever may do that decides what a restore from there restores",
                top.display()
            ));
        }
        let (free_bytes, path, needs) = (place.free_bytes()?, place.called(""), place.needs());
        let owner = of.owner.to_string();
        Ok(Checked { place: of.name.clone(), kind, path, owner, copies, free_bytes, keeps_names, advice, needs })
    };
    let checked = aside(&at, looked).await??;
    ctx.state.reached(&offsite.name, None, ctx.clock.now()).await?;
    Ok(checked)
}

/// What should be better with the keys of a place.
#[must_use]
pub fn keys(offsite: &Offsite, unproven: &[String]) -> Vec<String> {
    let name = &offsite.name;
    let mut advice = Vec::new();
    if let [only] = &*offsite.encrypt_to {
        advice.push(format!(
            "copies at {name} are encrypted to one key, {only}: when its identity is lost, so is every copy. Name a second one in \
             `encrypt_to`, whose identity is locked away elsewhere"
        ));
    }
    advice.extend(unproven.iter().map(|recipient| {
        format!(
            "nobody has opened a copy at {name} with the identity of {recipient} yet: `upkeep offsite prove {name} --identity FILE`"
        )
    }));
    advice
}
