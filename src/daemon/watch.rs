//! Watching releases on disk, for hints only.
//!
//! Owns the inotify watches on the directories above and in the releases. A hint says "look soon" and nothing else; the slow
//! poll is the truth. Whatever goes wrong here (a full queue, no watches left, a network file system) costs speed, not
//! correctness: it is told once, and the poll goes on.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};

use notify::event::{AccessKind, AccessMode};
use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher as _};
use tokio::sync::mpsc;

use crate::config::Config;
use crate::release;

/// One hint waits at most: a second one would say the same.
const HINTS: usize = 1;

static COMPLAINED: AtomicBool = AtomicBool::new(false);

/// Living watches.
pub(super) struct Watch {
    _watcher: Option<RecommendedWatcher>,
    hints: mpsc::Receiver<()>,
    watched: BTreeSet<PathBuf>,
}

impl Watch {
    /// Watches the releases of every target.
    pub(super) fn on(config: &Config) -> Self {
        let (hint, hints) = mpsc::channel(HINTS);
        let watched = paths(config);
        let watcher = if watched.is_empty() { None } else { watcher(hint, &watched) };
        Self { _watcher: watcher, hints, watched }
    }

    /// Whether the directories to watch are others by now: a release was swapped, or the configuration changed.
    pub(super) fn outdated(&self, config: &Config) -> bool {
        paths(config) != self.watched
    }

    /// The next hint. Cancel-safe: a hint not taken stays.
    pub(super) async fn hint(&mut self) {
        if self.hints.recv().await.is_none() {
            // No watcher, no hints: the poll alone.
            std::future::pending::<()>().await;
        }
    }
}

fn paths(config: &Config) -> BTreeSet<PathBuf> {
    config.targets.values().filter_map(|target| target.release.as_ref()).flat_map(release::watch_paths).collect()
}

fn watcher(hint: mpsc::Sender<()>, paths: &BTreeSet<PathBuf>) -> Option<RecommendedWatcher> {
    let watcher = notify::recommended_watcher(move |event: notify::Result<Event>| match event {
        Ok(event) => {
            if event.need_rescan() {
                complain("the kernel lost file events");
            }
            if tells(&event) {
                // A full channel holds a hint already.
                hint.try_send(()).ok();
            }
        }
        Err(error) => {
            complain(&error.to_string());
            hint.try_send(()).ok();
        }
    });
    let mut watcher = match watcher {
        Ok(watcher) => watcher,
        Err(error) => {
            complain(&error.to_string());
            return None;
        }
    };
    for path in paths {
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
