//! Which release is meant: the installed one, or one that lies beside it.
//!
//! A directory that somebody names is taken only where the target's releases lie: what is in it is run.

use std::path::PathBuf;

use super::RehearseError;
use crate::config::{Release, Target};
use crate::context::Context;
use crate::ids::Label;
use crate::release::{self, Installed};
use crate::state_db::catalogue;

/// As many directories are looked into for a version.
const LOOKED_INTO: usize = 200;

/// Finds it.
pub(super) async fn find(ctx: &Context, target: &Target, to: Option<&str>) -> Result<Installed, RehearseError> {
    let Some(settings) = &target.release else {
        let what = format!(
            "target `{}` has no release configured: say where it is in `[targets.{}.release]`",
            target.name, target.name
        );
        return Err(RehearseError::NoRelease(what));
    };
    let Some(to) = to else { return Ok(release::read(settings).await?) };
    let seen = ctx.state.seen_releases(&target.name).await?;
    let beside = beside(settings);
    if to.contains('/') {
        let path = std::fs::canonicalize(to).unwrap_or_else(|_| PathBuf::from(to));
        let is_known = beside.contains(&path) || seen.iter().any(|seen| seen.path == path);
        if !is_known && std::fs::canonicalize(&settings.path).ok().as_ref() != Some(&path) {
            let what = format!("{to} is no directory beside the installed release of `{}`", target.name);
            return Err(RehearseError::NoRelease(what));
        }
        return Ok(release::read_at(settings, &path).await?);
    }
    let known = seen.into_iter().filter(|seen| seen.version.as_str() == to).map(|seen| seen.path);
    for path in known.chain(std::fs::canonicalize(&settings.path).ok()).chain(beside) {
        if let Ok(found) = release::read_at(settings, &path).await
            && found.version.as_str() == to
        {
            return Ok(found);
        }
    }
    Err(RehearseError::NoRelease(format!("there is no release {to} of `{}` beside the installed one", target.name)))
}

/// The release that the archive is of, which is the good one unless a person names an archive, where it still lies there.
pub(super) async fn earlier(ctx: &Context, target: &Target, (from, to): (Option<&Label>, &Installed)) -> Option<Installed> {
    let entries = catalogue::list(&ctx.state, Some(&target.name)).await.ok()?;
    let entry = match from {
        Some(label) => entries.iter().find(|entry| entry.label == *label),
        None => catalogue::newest_good(&entries, ctx.clock.now()),
    };
    let version = entry?.release.clone()?;
    let settings = target.release.as_ref()?;
    let seen = ctx.state.seen_releases(&target.name).await.ok()?;
    let known = seen.into_iter().filter(|seen| seen.version == version).map(|seen| seen.path);
    for path in known.chain(beside(settings)) {
        if let Ok(found) = release::read_at(settings, &path).await
            && found.version == version
            && found.version != to.version
        {
            return Some(found);
        }
    }
    None
}

/// The directories where the installed one lies.
fn beside(settings: &Release) -> Vec<PathBuf> {
    let Ok(installed) = std::fs::canonicalize(&settings.path) else { return Vec::new() };
    let entries = installed.parent().and_then(|parent| std::fs::read_dir(parent).ok()).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).filter(|path| path.is_dir() && !path.is_symlink()).take(LOOKED_INTO).collect()
}
