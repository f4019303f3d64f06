//! Watching releases on disk, for hints only.
//!
//! Owns the inotify watches on the directories above and in the releases. A hint says "look soon" and nothing else; the slow
//! poll is the truth. Whatever goes wrong here (a full queue, no watches left, a network file system) costs speed, not
//! correctness: it is told once, and the poll goes on.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use notify::event::{AccessKind, AccessMode};
use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher as _};
use tokio::sync::mpsc;

use crate::config::{Config, Target};
use crate::ids::TargetName;
use crate::release;

/// One hint waits at most: a second one would say the same.
const HINTS: usize = 1;

static COMPLAINED: AtomicBool = AtomicBool::new(false);

/// Living watches.
pub(super) struct Watch {
    _watcher: Option<RecommendedWatcher>,
    hints: mpsc::Receiver<()>,
    watched: Watched,
    touched: Arc<Mutex<BTreeSet<TargetName>>>,
}

/// The directories of each target's release.
type Watched = BTreeMap<TargetName, BTreeSet<PathBuf>>;

impl Watch {
    /// Watches the releases of every target.
    pub(super) fn on(config: &Config) -> Self {
        let (hint, hints) = mpsc::channel(HINTS);
        let watched: Watched = config.targets.values().map(|target| (target.name.clone(), paths(target))).collect();
        let touched = Arc::default();
        let nothing = watched.values().all(BTreeSet::is_empty);
        let watcher = if nothing { None } else { watcher(hint, &watched, Arc::clone(&touched)) };
        Self { _watcher: watcher, hints, watched, touched }
    }

    /// Whether the directories to watch are others by now: a release was swapped, or the configuration changed.
    pub(super) fn outdated(&self, target: &Target) -> bool {
        self.watched.get(&target.name) != Some(&paths(target))
    }

    /// The targets whose directories were touched since the last time.
    pub(super) fn touched(&self) -> BTreeSet<TargetName> {
        std::mem::take(&mut *self.touched.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The next hint. Cancel-safe: a hint not taken stays.
    pub(super) async fn hint(&mut self) {
        if self.hints.recv().await.is_none() {
            // No watcher, no hints: the poll alone.
            std::future::pending::<()>().await;
        }
    }
}

fn paths(target: &Target) -> BTreeSet<PathBuf> {
    target.release.iter().flat_map(release::watch_paths).collect()
}

fn watcher(hint: mpsc::Sender<()>, watched: &Watched, touched: Arc<Mutex<BTreeSet<TargetName>>>) -> Option<RecommendedWatcher> {
    let mut of: BTreeMap<PathBuf, Vec<TargetName>> = BTreeMap::new();
    for (target, paths) in watched {
        paths.iter().for_each(|path| of.entry(path.clone()).or_default().push(target.clone()));
    }
    let directories: Vec<PathBuf> = of.keys().cloned().collect();
    let watcher = notify::recommended_watcher(move |event: notify::Result<Event>| {
        let mut touched = touched.lock().unwrap_or_else(PoisonError::into_inner);
        let near: Vec<&TargetName> = match &event {
            Ok(event) if event.need_rescan() => {
                complain("the kernel lost file events");
                of.values().flatten().collect()
            }
            Ok(event) if !tells(event) => return,
            // What changed is a directory of ours or something in one; where it cannot be told, it may be any.
            Ok(event) => {
                let known =
                    event.paths.iter().flat_map(|path| path.ancestors().take(2)).filter_map(|path| of.get(path)).flatten();
                let known: Vec<&TargetName> = known.collect();
                if known.is_empty() { of.values().flatten().collect() } else { known }
            }
            Err(error) => {
                complain(&error.to_string());
                of.values().flatten().collect()
            }
        };
        touched.extend(near.into_iter().cloned());
        // A full channel holds a hint already.
        hint.try_send(()).ok();
    });
    let mut watcher = match watcher {
        Ok(watcher) => watcher,
        Err(error) => {
            complain(&error.to_string());
            return None;
        }
    };
    for path in &directories {
        // Not recursive: what is deeper shows in the fingerprint at the next poll.
        if let Err(error) = watcher.watch(path, RecursiveMode::NonRecursive) {
            complain(&error.to_string());
        }
    }
    Some(watcher)
}

/// Reading is no change; our own probes read, and would wake us for ever.
fn tells(event: &Event) -> bool {
    match event.kind {
        EventKind::Access(AccessKind::Close(AccessMode::Write)) => true,
        EventKind::Access(_) => false,
        _ => true,
    }
}

fn complain(why: &str) {
    if !COMPLAINED.swap(true, Ordering::Relaxed) {
        tracing::warn!(error = why, "releases cannot be watched as they should; the slow poll sees their changes");
    }
}

#[cfg(test)]
mod tests {
    use notify::event::{CreateKind, Flag};

    use super::*;

    #[test]
    fn our_own_reading_is_no_hint() {
        for (kind, expect) in [
            (EventKind::Access(AccessKind::Open(AccessMode::Any)), false),
            (EventKind::Access(AccessKind::Read), false),
            (EventKind::Access(AccessKind::Close(AccessMode::Read)), false),
            (EventKind::Access(AccessKind::Close(AccessMode::Write)), true),
            (EventKind::Create(CreateKind::Any), true),
            (EventKind::Other, true),
        ] {
            assert_eq!(tells(&Event::new(kind)), expect, "{kind:?}");
        }
        assert!(tells(&Event::new(EventKind::Other).set_flag(Flag::Rescan)), "lost events are a reason to look");
    }
}
