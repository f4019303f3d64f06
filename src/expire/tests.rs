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

#[tokio::test]
async fn a_sudden_drop_freezes_deletion() {
    let (state, archives) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (ctx, target) = (context(state.path(), NOW).await, target(archives.path()));
    let entries = taken(&ctx, &target, &[900, 900, 900, 0]).await;
    let pruned = prune(&ctx, &target, PruneMode::Apply, &Progress::default()).await.unwrap();
    assert!(pruned.frozen.as_deref().is_some_and(|why| why.contains(entries[3].label.as_str())), "{:?}", pruned.frozen);
    assert_eq!((there(&entries), pruned.deleted), (vec![true; 4], Vec::new()));
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
