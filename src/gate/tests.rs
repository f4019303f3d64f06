use super::*;
use crate::ids::TargetName;

fn facts(starter: Starter, open: Open, standing: Standing, held: Option<&str>) -> Facts {
    let held = held.map(|reason| Cause::Held { reason: reason.to_owned(), failed: false });
    Facts { starter, standing, open, release: Version::parse("2.0").ok(), held }
}

/// Of a server that no package brought, for which nobody is asked.
pub(super) fn names<'a>(target: &'a TargetName, installed: &'a Version, good: &'a Version) -> Names<'a> {
    Names {
        target,
        start: Some("systemctl start notes.service"),
        unit: Some("notes.service"),
        installed: Some(installed),
        good: Some(good),
        package: None,
        archives: "/var/backups/notes",
        auto: true,
    }
}

#[test]
fn the_gate_answers_every_case() {
    let pending = || Standing::Pending(vec!["V2 add".to_owned()]);
    let ahead = || Standing::Ahead(vec!["V3 drop".to_owned()]);
    let unknown = || Standing::Unknown("no route to host".to_owned());
    let (target, installed, good) =
        (TargetName::parse("notes").unwrap(), Version::parse("2.0").unwrap(), Version::parse("1.0").unwrap());
    let names = names(&target, &installed, &good);
    let contradicts = || Standing::Contradicts(Cause::Invalid(vec!["V1: checksum".to_owned()]));
    let settling = |version| Open::Settling(Version::parse(version).unwrap());
    let cases = [
        (facts(Starter::Daemon, Open::Underway, ahead(), None), "pass: the daemon itself"),
        (facts(Starter::Daemon, Open::Nothing, unknown(), None), "pass: the daemon itself"),
        (facts(Starter::Other, Open::Nothing, Standing::InStep, None), "pass: release and database are in step"),
        (facts(Starter::Other, Open::Nothing, Standing::InStep, Some("bad")), "pass: release and database are in step"),
        (facts(Starter::Other, Open::Nothing, pending(), None), "upgrade first: V2 add pending"),
        (facts(Starter::Other, Open::Nothing, Standing::Pending(Vec::new()), None), "upgrade first: the release is new"),
        (facts(Starter::Other, Open::Nothing, pending(), Some("it failed")), "refused: 2.0 is on hold: it failed"),
        (
            facts(Starter::Other, Open::Nothing, ahead(), None),
            "refused: its database holds migrations that 2.0 does not know: V3 drop (install the release that knows them",
        ),
        (facts(Starter::Other, Open::Nothing, unknown(), None), "wait: cannot tell"),
        (facts(Starter::Other, Open::Nothing, contradicts(), None), "refused: "),
        (facts(Starter::Daemon, Open::Nothing, contradicts(), None), "pass: the daemon itself"),
        (facts(Starter::Other, Open::Underway, contradicts(), None), "wait: an upgrade of this target is underway"),
        (
            facts(Starter::Other, Open::Nothing, Standing::Newer(Version::parse("3.0").unwrap()), None),
            "refused: its database belongs to the newer release 3.0, and 2.0 is installed (install version 3.0",
        ),
        (
            facts(Starter::Other, Open::Nothing, Standing::Failed(vec!["2.1.0".to_owned()]), None),
            "refused: the history says that these migrations failed or never finished: 2.1.0",
        ),
        (
            facts(Starter::Other, Open::Nothing, Standing::Outside("changed".to_owned()), None),
            "refused: changed (see what changed",
        ),
        (
            facts(Starter::Other, Open::Stuck { to: installed.clone(), next_steps: Vec::new() }, Standing::InStep, None),
            "refused: the upgrade to 2.0 needs a person",
        ),
        (facts(Starter::Other, Open::Underway, Standing::InStep, None), "wait: an upgrade of this target is underway"),
        (facts(Starter::Other, settling("2.0"), Standing::InStep, None), "pass: the upgrade underway has started this"),
        (facts(Starter::Other, settling("2.0"), pending(), None), "pass: the upgrade underway has started this"),
        (facts(Starter::Other, settling("1.0"), Standing::InStep, None), "wait: an upgrade of this target is underway"),
    ];
    for (facts, expected) in cases {
        let answer = decide(&facts, &names).to_string();
        assert!(answer.starts_with(expected), "{facts:?}: {answer}");
    }
}

#[test]
fn what_is_still_pending_is_said_also_where_no_script_is_known() {
    assert_eq!(still_pending(&["2 tag".to_owned(), "3 star".to_owned()]), "still pending: 2 tag, 3 star");
    assert!(!still_pending(&[]).ends_with(": "));
}
