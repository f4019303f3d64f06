use super::*;
use crate::archive::manifest::Kind;
use crate::store::tests::{context, seal, target};

const NOW: &str = "2026-11-22T12:00:00Z";

/// Takes, records and verifies one archive for each of `rows`, a day apart.
async fn taken(ctx: &Context, target: &Target, rows: &[u64]) -> Vec<Entry> {
    let mut entries = Vec::new();
    for (day, rows) in (10..).zip(rows) {
        let sealed = seal(&target.backup.directory, &format!("2026-11-{day}T02:30:00Z"), *rows);
        let entry = catalogue::record(&ctx.state, &target.name, &sealed).await.unwrap();
        entries.push(crate::verify::verify(ctx, &entry, &Progress::default()).await.unwrap());
    }
    entries
}

fn there(entries: &[Entry]) -> Vec<bool> {
    entries.iter().map(|entry| entry.path.exists()).collect()
}

#[tokio::test]
async fn what_no_rule_keeps_is_deleted_oldest_first() {
    let (state, archives) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (ctx, target) = (context(state.path(), NOW).await, target(archives.path()));
    let entries = taken(&ctx, &target, &[9, 9, 9, 9, 9]).await;
    // Pinned by the file alone: the catalogue forgot.
    store::pin(&ctx.state, &entries[1], "mine", ctx.clock.now()).await.unwrap();
    catalogue::pinned(&ctx.state, &entries[1].label, None).await.unwrap();

    let dry = prune(&ctx, &target, PruneMode::DryRun, &Progress::default()).await.unwrap();
    assert_eq!(there(&entries), [true; 5]);
    assert_eq!((dry.deleted.len(), dry.freed_bytes), (0, entries[0].size + entries[2].size));

    let done = prune(&ctx, &target, PruneMode::Apply, &Progress::default()).await.unwrap();
    assert_eq!(there(&entries), [false, true, false, true, true]);
    assert_eq!(done.deleted, [entries[0].label.clone(), entries[2].label.clone()]);
    assert_eq!((done.freed_bytes, &done.verdicts), (dry.freed_bytes, &dry.verdicts));
    let labels: Vec<_> = catalogue::list(&ctx.state, None).await.unwrap().into_iter().map(|entry| entry.label).collect();
    assert_eq!(labels, [4, 3, 1].map(|index: usize| entries[index].label.clone()));

    let again = prune(&ctx, &target, PruneMode::Apply, &Progress::default()).await.unwrap();
    assert_eq!(again.deleted, Vec::<Label>::new());
}

/// However many archives come after it, and also after a restart: only a person's word ends it.
#[tokio::test]
async fn a_sudden_drop_freezes_deletion_until_a_person_has_looked() {
    let (state, archives) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (ctx, target) = (context(state.path(), NOW).await, target(archives.path()));
    // The drop is not the newest when retention comes round: two more were taken by hand in between.
    let progress = Progress::default();
    let mut entries = taken(&ctx, &target, &[900, 900, 900]).await;
    prune(&ctx, &target, PruneMode::Apply, &progress).await.unwrap();
    let later = |day: usize| format!("2026-11-{day}T12:00:00Z");
    for day in 13..16 {
        let sealed = seal(&target.backup.directory, &later(day), 0);
        let entry = catalogue::record(&ctx.state, &target.name, &sealed).await.unwrap();
        entries.push(crate::verify::verify(&ctx, &entry, &progress).await.unwrap());
    }
    let standing = there(&entries);
    for day in 16..21 {
        let pruned = prune(&ctx, &target, PruneMode::Apply, &progress).await.unwrap();
        let why = pruned.frozen.unwrap_or_default();
        assert!(why.contains(entries[3].label.as_str()) && why.contains("--looked"), "before day {day}: {why}");
        assert_eq!((there(&entries[..standing.len()]), pruned.deleted), (standing.clone(), Vec::new()), "before day {day}");
        assert_eq!(frozen(state.path(), &target.name).unwrap(), Some(why), "a restart remembers it");
        let sealed = seal(&target.backup.directory, &later(day), 0);
        let entry = catalogue::record(&ctx.state, &target.name, &sealed).await.unwrap();
        crate::verify::verify(&ctx, &entry, &progress).await.unwrap();
    }
    looked(&ctx, &target).await.unwrap();
    assert_eq!(frozen(state.path(), &target.name).unwrap(), None);
    let pruned = prune(&ctx, &target, PruneMode::Apply, &progress).await.unwrap();
    assert!(pruned.frozen.is_none() && pruned.deleted.contains(&entries[1].label), "{pruned:?}");
}

#[tokio::test]
async fn a_name_in_the_catalogue_keeps_nothing_by_itself() {
    let (state, archives) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (ctx, target) = (context(state.path(), NOW).await, target(archives.path()));
    let entries = taken(&ctx, &target, &[9, 9, 9, 9]).await;
    std::fs::remove_file(&entries[3].path).unwrap();
    std::fs::OpenOptions::new().write(true).open(&entries[2].path).unwrap().set_len(60).unwrap();
    let pruned = prune(&ctx, &target, PruneMode::Apply, &Progress::default()).await.unwrap();
    assert_eq!(pruned.deleted, Vec::<Label>::new(), "the two newest are gone, so the two before are the last two");
    assert_eq!(there(&entries), [true, true, true, false]);
}

/// What a restore or a failed upgrade kept aside is newer than the last good archive, and no good archive itself.
#[tokio::test]
async fn what_was_set_aside_pushes_no_good_archive_out() {
    let (state, archives) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (ctx, target) = (context(state.path(), NOW).await, target(archives.path()));
    let entries = taken(&ctx, &target, &[9, 9, 9, 9]).await;
    for (entry, kind) in entries[2..].iter().zip([Kind::FailedState, Kind::PreRestore]) {
        catalogue::insert(&ctx.state, &Entry { kind, ..entry.clone() }).await.unwrap();
        store::pin(&ctx.state, entry, "what was there", ctx.clock.now()).await.unwrap();
    }
    let pruned = prune(&ctx, &target, PruneMode::Apply, &Progress::default()).await.unwrap();
    assert_eq!((there(&entries), pruned.deleted), (vec![true; 4], Vec::new()));
}
