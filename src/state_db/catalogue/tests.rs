use super::*;

fn entry(label: &str, taken_at: &str) -> Entry {
    Entry {
        target: TargetName::parse("notes").unwrap(),
        label: Label::parse(label).unwrap(),
        path: PathBuf::from(format!("/srv/archives/{label}.sql.zst")),
        size: 1,
        kind: Kind::Scheduled,
        taken_at: taken_at.parse().unwrap(),
        duration_ms: 2,
        release: None,
        head: None,
        rows: 3,
        raw_bytes: 4,
        note: None,
        pinned: None,
        verified_at: None,
        verdict: Verdict::Unverified,
        data_only: false,
        left_out: Vec::new(),
    }
}

#[tokio::test]
async fn what_was_entered_is_found() {
    let directory = tempfile::tempdir().unwrap();
    let db = StateDb::open(directory.path()).await.unwrap();
    let bare = entry("bare", "2026-11-22T02:30:00Z");
    let full = Entry {
        kind: Kind::PreUpgrade,
        release: Some(Version::parse("1.8.2").unwrap()),
        head: Some("1.8.0".to_owned()),
        note: Some("it's \"quoted\"".to_owned()),
        pinned: Some("upgrade x".to_owned()),
        verified_at: Some("2026-11-22T03:00:00.123456789Z".parse().unwrap()),
        verdict: Verdict::Whole,
        data_only: true,
        left_out: vec![LeftOut { what: "schema".to_owned(), why: "it's \"left\" out".to_owned() }],
        rows: u64::from(u32::MAX) * 9,
        ..entry("full", "2026-11-22T02:30:00.5Z")
    };
    for entry in [&bare, &full, &full] {
        insert(&db, entry).await.unwrap();
    }
    assert_eq!(list(&db, None).await.unwrap(), [full.clone(), bare.clone()], "newest first, and twice is once");
    assert_eq!(find(&db, &full.label).await.unwrap(), Some(full.clone()));
    assert_eq!(find(&db, &Label::parse("none").unwrap()).await.unwrap(), None);
    assert_eq!(list(&db, Some(&TargetName::parse("other").unwrap())).await.unwrap(), []);

    let at = "2026-11-23T00:00:00Z".parse().unwrap();
    verdict(&db, &bare.label, Verdict::Torn, at).await.unwrap();
    pinned(&db, &bare.label, Some("keep")).await.unwrap();
    let changed = find(&db, &bare.label).await.unwrap().unwrap();
    assert_eq!((changed.verdict, changed.verified_at, changed.pinned.as_deref()), (Verdict::Torn, Some(at), Some("keep")));
    verdict(&db, &bare.label, Verdict::Unverified, at).await.unwrap();
    assert_eq!(find(&db, &bare.label).await.unwrap().unwrap().verified_at, None);

    delete(&db, &bare.label).await.unwrap();
    delete(&db, &bare.label).await.unwrap();
    assert_eq!(list(&db, Some(&full.target)).await.unwrap(), [full]);
}

#[tokio::test]
async fn a_row_of_another_hand_is_named_and_hides_no_other() {
    let directory = tempfile::tempdir().unwrap();
    let db = StateDb::open(directory.path()).await.unwrap();
    let (spoilt, whole) = (entry("a", "2026-11-22T02:30:00Z"), entry("b", "2026-11-23T02:30:00Z"));
    insert(&db, &spoilt).await.unwrap();
    insert(&db, &whole).await.unwrap();
    sqlx::query("UPDATE archive SET taken_at = 'yesterday' WHERE label = 'a'").execute(db.pool()).await.unwrap();
    assert_eq!(list(&db, None).await.unwrap(), [whole]);
    let error = find(&db, &spoilt.label).await.unwrap_err();
    assert!(matches!(&error, StateError::Unreadable { what, .. } if what.contains("archive a")), "{error}");
}
