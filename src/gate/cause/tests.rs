use std::collections::BTreeSet;

use super::super::tests::names;
use super::*;

fn v(version: &str) -> Version {
    Version::parse(version).unwrap()
}

/// A server of a package, at version 2.0, whose database belongs to 1.0.
fn words(cause: &Cause, package: Option<&str>, auto: bool) -> String {
    said_of(cause, package, auto, "1.0")
}

/// The same, whose database belongs to this release.
fn said_of(cause: &Cause, package: Option<&str>, auto: bool, good: &str) -> String {
    let (target, installed, good) = (TargetName::parse("notes").unwrap(), v("2.0"), v(good));
    let known = |package: &str| match package.split_once('=') {
        Some((_, version)) if !version.ends_with('*') => vec![(v("1.0"), package.to_owned())],
        _ => Vec::new(),
    };
    let package = package.map(|package| Package { name: "notes".to_owned(), known: known(package) });
    let names = Names { package: package.as_ref(), auto, ..names(&target, &installed, &good) };
    cause.words(&names).to_string()
}

const BACK: &str = "`apt install notes=1.0-3 --allow-downgrades && apt-mark hold notes && systemctl start notes.service`";

/// The codes of all causes, as they stand in [`Cause::code`]: it has an arm for each, so nobody adds a cause that is not among them.
pub(crate) fn codes() -> BTreeSet<&'static str> {
    let arms = include_str!("../cause.rs").split("fn code(").nth(1).and_then(|rest| rest.split("\n    }\n").next()).unwrap();
    arms.split('"').skip(1).step_by(2).collect()
}

/// Each cause, with what is said of it where the server is of a package.
pub(crate) fn each() -> Vec<(Cause, Words)> {
    let (target, installed, good) = (TargetName::parse("notes").unwrap(), v("2.0"), v("1.0"));
    let causes = table().into_iter().map(|(cause, ..)| cause);
    causes.map(|cause| (cause.clone(), cause.words(&names(&target, &installed, &good)))).collect()
}

/// One row for each cause that gate and upgrade know: what is said, and the command that ends it.
fn table() -> Vec<(Cause, &'static str, &'static str)> {
    let texts = || vec!["V3".to_owned(), "V4".to_owned()];
    let why = || "it broke".to_owned();
    vec![
        (
            Cause::Stuck { to: v("2.0"), next_steps: Vec::new() },
            "the upgrade to 2.0 needs a person",
            "`upkeep upgrade notes --resume`",
        ),
        (
            Cause::Waiting { to: v("2.0"), why: why() },
            "the rollback from 2.0 cannot continue yet",
            "`upkeep upgrade notes --resume`",
        ),
        (Cause::Unended { to: v("2.0") }, "the upgrade to 2.0 is unfinished", "`systemctl start upkeepd`"),
        (Cause::RolledBack { to: v("2.0"), why: why() }, "the upgrade to 2.0 was rolled back: it broke", BACK),
        (Cause::Refused { to: v("2.0"), why: why() }, "the upgrade to 2.0 did not start: it broke", "`upkeep upgrade notes`"),
        (Cause::Lost(why()), "it broke", "`upkeep upgrade notes --accept`"),
        (
            Cause::HalfRestored { label: "notes-1".to_owned(), command: "upkeep restore notes notes-1".to_owned() },
            "the restore of notes-1 into its database stopped half-way",
            "`upkeep restore notes notes-1 && systemctl start notes.service`",
        ),
        (
            Cause::Release(why()),
            "its release cannot be read: it broke",
            "`apt install --reinstall notes && systemctl start notes.service`",
        ),
        (Cause::Database(why()), "its database cannot be looked at: it broke", "`systemctl start notes.service`"),
        (
            Cause::Newer(v("3.0")),
            "its database belongs to the newer release 3.0, and 2.0 is installed",
            "install that release again: `apt install 'notes=3.0*' && systemctl start notes.service`",
        ),
        (Cause::Ahead(texts()), "its database holds migrations that 2.0 does not know: V3, V4", "`upkeep rollback notes`"),
        (
            Cause::Failed(texts()),
            "the history says that these migrations failed",
            "`upkeep migrate repair notes && upkeep upgrade notes`",
        ),
        (Cause::Invalid(texts()), "scripts and history contradict each other: V3; V4", "`upkeep migrate validate notes`"),
        (Cause::Product(texts()), "V3; V4", "then: `upkeep upgrade notes`"),
        (Cause::Unknown(why()), "it broke", "`upkeep upgrade notes`"),
        (Cause::Outside(why()), "it broke", "`upkeep upgrade notes`"),
        (Cause::Held { reason: why(), failed: true }, "2.0 is on hold: it broke", BACK),
        (Cause::Held { reason: why(), failed: false }, "2.0 is on hold: it broke", "`upkeep release-hold notes`; or go back: "),
        (
            Cause::Room { free: 1, needed: 2 },
            "1 bytes are free for archives",
            "in /var/backups/notes: `upkeep prune notes`; it goes on",
        ),
        (Cause::NotAsked, "its upgrade to 2.0 waits for a person, because `auto = false`", "`upkeep upgrade notes`"),
        (Cause::Window(why()), "its upgrade to 2.0 waits: it broke", "`upkeep upgrade notes`"),
        (Cause::Pending, "its upgrade to 2.0 has not run yet", "`upkeep upgrade notes`"),
        (Cause::Skipped, "its last start was refused", "`systemctl start notes.service`"),
        (Cause::Ended("exit-code".to_owned()), "it ended by itself (exit-code)", "`journalctl -u notes.service -n 100`"),
    ]
}

#[test]
fn every_cause_has_its_words_and_the_whole_command_that_ends_it() {
    let mut seen = BTreeSet::new();
    for (cause, why, command) in table() {
        let said = words(&cause, Some("notes=1.0-3"), true);
        assert!(said.starts_with(why) && said.contains(command), "{cause:?}: {said}");
        assert!(!said.contains("TARGET") && !said.contains(" T "), "{cause:?}: {said}");
        seen.insert(cause.code());
    }
    // Whoever adds a cause adds a row; two kinds of hold share their code.
    assert_eq!(seen, codes());
    assert_eq!(seen.len(), table().len() - 1, "two causes have one code");
}

#[test]
fn who_decides_by_himself_is_told_both_commands() {
    let hold = Cause::Held { reason: "not now".to_owned(), failed: false };
    let said = words(&hold, Some("notes=1.0-3"), false);
    assert!(said.contains("`upkeep release-hold notes && upkeep upgrade notes`") && said.contains(BACK), "{said}");
    let said = words(&Cause::Room { free: 1, needed: 2 }, None, false);
    assert!(said.ends_with("`upkeep prune notes`; then `upkeep upgrade notes`"), "{said}");
}

#[test]
fn a_release_that_is_no_package_or_of_an_unknown_revision_is_named_as_far_as_it_is_known() {
    let back = Cause::RolledBack { to: v("2.0"), why: "it broke".to_owned() };
    let said = words(&back, None, true);
    assert!(
        said.ends_with("install version 1.0 of the server again; then start it: `systemctl start notes.service`"),
        "{said}"
    );
    let said = words(&back, Some("notes=1.0*"), true);
    assert!(said.contains("`apt install 'notes=1.0*' --allow-downgrades && apt-mark hold notes && "), "{said}");
    let said = words(&Cause::Newer(v("3.0")), None, true);
    assert!(said.contains("install version 3.0 of the server again"), "{said}");
}

/// The release that the database belongs to may be older than the one that is installed: it knows no more than that.
#[test]
fn the_release_that_is_to_come_back_is_never_an_older_one() {
    let ahead = Cause::Ahead(vec!["V9".to_owned()]);
    for package in [None, Some("notes=1.0-3")] {
        let said = words(&ahead, package, true);
        assert!(said.contains("; install the release that knows them; then start it") && !said.contains("1.0"), "{said}");
    }
    let said = said_of(&ahead, Some("notes=1.0-3"), true, "3.0");
    assert!(said.contains("`apt install 'notes=3.0*' && systemctl start notes.service`"), "{said}");
    assert!(said_of(&ahead, None, true, "3.0").contains("install version 3.0 of the server again"));
}

/// What an upgrade that is stuck asks is what is answered: one that leaves `--abort` out has a reason to.
#[test]
fn a_stuck_upgrade_is_answered_as_it_asks() {
    let next_steps = vec!["look: `one`".to_owned(), "or keep it: `two`".to_owned()];
    let said = words(&Cause::Stuck { to: v("2.0"), next_steps }, None, true);
    assert_eq!(said, "the upgrade to 2.0 needs a person; look: `one`; or keep it: `two`");
    assert!(!words(&Cause::Stuck { to: v("2.0"), next_steps: Vec::new() }, None, true).contains("--abort"));
}
