use rstest::rstest;

use super::*;
use crate::archive::manifest::{Consistency, Frame, FrameKind, Kind, LeftOut, ReleaseNote, Server, Table};
use crate::shape::{Applied, History};

fn shape(versions: &[&str], fingerprint: &str) -> Shape {
    let applied = versions.iter().zip(1..).map(|(version, rank)| Applied {
        rank,
        version: Some((*version).to_owned()),
        description: format!("step {version}"),
        kind: "SQL".to_owned(),
        script: format!("V{version}.sql"),
        checksum: Some(rank.to_string()),
        success: true,
    });
    let history = History { tool: "flyway".to_owned(), table: "flyway_schema_history".to_owned(), applied: applied.collect() };
    Shape { histories: vec![history], fingerprint: Some(fingerprint.to_owned()) }
}

fn manifest() -> Manifest {
    let moment = "2026-11-22T02:30:00Z".parse().unwrap();
    let table = Table {
        schema: String::new(),
        name: "notes".to_owned(),
        columns: vec!["a".to_owned()],
        rows: 7,
        bytes: 70,
        checksum: "0".repeat(32),
        computed: None,
    };
    let frame = Frame { kind: FrameKind::Image, table: None, offset: 0, stored: 10, raw: 100, rows: 0, digest: String::new() };
    Manifest {
        format: 1,
        tool: "upkeep".to_owned(),
        label: Label::parse("notes-1").unwrap(),
        target: TargetName::parse("notes").unwrap(),
        kind: Kind::Scheduled,
        note: None,
        taken_at: moment,
        duration_ms: 1,
        server: Server { flavour: "sqlite".to_owned(), ..Server::default() },
        release: Some(ReleaseNote { version: Version::parse("1.1").unwrap(), probe: "symlink".to_owned() }),
        shape: shape(&["1", "2"], "X"),
        tables: vec![table],
        consistency: Consistency::default(),
        left_out: Vec::new(),
        data_only: false,
        files: None,
        configuration: None,
        level: 3,
        raw_bytes: 100,
        stored_bytes: 10,
        frames: vec![frame],
    }
}

fn empty() -> Survey {
    Survey { exists: true, ..Survey::default() }
}

fn tables() -> Survey {
    Survey { exists: true, tables: vec![("notes".to_owned(), 4096)], bytes: 8192, ..Survey::default() }
}

fn rows() -> Survey {
    Survey { holds_rows: true, ..tables() }
}

fn half(mode: LoadMode) -> Unfinished {
    let begun_at = "2026-11-22T02:30:00Z".parse().unwrap();
    Unfinished { label: Label::parse("notes-0").unwrap(), location: "here".to_owned(), of: None, mode, begun_at, safety: None }
}

/// One situation, changed case by case.
struct Case {
    manifest: Manifest,
    survey: Survey,
    shape: Shape,
    unfit: Vec<String>,
    server: ServerState,
    replace: Replace,
    unfinished: Option<Unfinished>,
    installed: &'static str,
    whose: Whose,
}

impl Case {
    fn new() -> Self {
        Self {
            manifest: manifest(),
            survey: empty(),
            shape: Shape::default(),
            unfit: Vec::new(),
            server: ServerState::Stopped,
            replace: Replace::Refuse,
            unfinished: None,
            installed: "1.1",
            whose: Whose::Target,
        }
    }

    fn decide(&self) -> Result<RestorePlan, Box<Refusal>> {
        plan(&Situation {
            manifest: &self.manifest,
            home: &self.manifest.target,
            location: "here",
            flavour: "sqlite",
            unfit: &self.unfit,
            whose: self.whose,
            survey: &self.survey,
            shape: &self.shape,
            server: self.server,
            installed: Some(&Version::parse(self.installed).unwrap()),
            replace: self.replace,
            unfinished: self.unfinished.as_ref(),
        })
    }
}

fn with(change: impl FnOnce(&mut Case)) -> Case {
    let mut case = Case::new();
    change(&mut case);
    case
}

use LoadMode::{Clean, DataOnly};
use Safety::{ArchiveFirst, NotNeeded};

#[rstest]
#[case::no_database(with(|c| c.survey = Survey::default()), Clean, NotNeeded)]
#[case::no_tables(with(|_| ()), Clean, NotNeeded)]
#[case::no_tables_and_replace(with(|c| c.replace = Replace::Allow), Clean, NotNeeded)]
#[case::same_shape_without_rows(with(|c| { c.survey = tables(); c.shape = shape(&["1", "2"], "X") }), DataOnly, NotNeeded)]
#[case::same_shape_without_rows_data_only(
    with(|c| { c.survey = tables(); c.shape = shape(&["1", "2"], "X"); c.manifest.data_only = true }), DataOnly, NotNeeded)]
#[case::rows_and_replace(
    with(|c| { c.survey = rows(); c.shape = shape(&["1", "2"], "X"); c.replace = Replace::Allow }), LoadMode::Replace, ArchiveFirst)]
#[case::other_shape_and_replace(
    with(|c| { c.survey = tables(); c.shape = shape(&["1"], "Y"); c.replace = Replace::Allow }), LoadMode::Replace, ArchiveFirst)]
#[case::views_alone_and_replace(
    with(|c| { c.survey = Survey { others: 2, ..empty() }; c.replace = Replace::Allow }), LoadMode::Replace, ArchiveFirst)]
#[case::half_way_by_its_own_word(
    with(|c| c.survey = Survey { half_loaded: true, ..rows() }), LoadMode::Replace, NotNeeded)]
#[case::half_way_and_emptied(
    with(|c| c.survey = Survey { half_loaded: true, ..empty() }), LoadMode::Replace, NotNeeded)]
#[case::half_way(
    with(|c| { c.survey = tables(); c.unfinished = Some(half(Clean)) }), LoadMode::Replace, NotNeeded)]
#[case::half_way_and_perhaps_used_since(
    with(|c| { c.survey = rows(); c.unfinished = Some(half(Clean)) }), LoadMode::Replace, ArchiveFirst)]
#[case::half_way_with_rows_and_perhaps_used_since(
    with(|c| { c.survey = rows(); c.unfinished = Some(half(DataOnly)) }), LoadMode::Replace, ArchiveFirst)]
#[case::server_of_another_database(
    with(|c| { c.server = ServerState::Running; c.whose = Whose::Other }), Clean, NotNeeded)]
fn plans(#[case] case: Case, #[case] mode: LoadMode, #[case] safety: Safety) {
    let plan = case.decide().unwrap();
    assert_eq!((plan.mode, plan.safety), (mode, safety), "{plan}");
}

#[rstest]
#[case::other_shape(with(|c| { c.survey = tables(); c.shape = shape(&["1", "3"], "Y") }), Class::Data,
    &["the archive is at migration 2 and the destination at migration 3",
      "only the archive has migration 2 step 2", "only the destination has migration 3 step 3"], &["--replace", "--into"])]
#[case::same_history_other_schema(with(|c| { c.survey = tables(); c.shape = shape(&["1", "2"], "Y") }), Class::Data,
    &["their histories agree, but their schemas differ"], &["--replace"])]
#[case::rows(with(|c| { c.survey = rows(); c.shape = shape(&["1", "2"], "X") }), Class::Data,
    &["the destination holds rows"], &["--replace", "--into"])]
#[case::half_way_by_replacing_is_somebodys(
    with(|c| { c.survey = rows(); c.shape = shape(&["1", "2"], "X"); c.unfinished = Some(half(LoadMode::Replace)) }), Class::Data,
    &["the destination holds rows"], &["--replace"])]
#[case::views_alone(with(|c| c.survey = Survey { others: 2, ..empty() }), Class::Data,
    &["the destination has no tables, and 2 other objects (views, routines, events)"], &["--replace"])]
#[case::data_only_into_nothing(with(|c| c.manifest.data_only = true), Class::Data,
    &["no schema"], &["migrations up to migration 2"])]
#[case::data_only_over_rows(
    with(|c| { c.survey = rows(); c.shape = shape(&["1", "2"], "X"); c.manifest.data_only = true; c.replace = Replace::Allow }),
    Class::Data, &["holds rows"], &["without rows"])]
#[case::other_engine(with(|c| c.manifest.server.flavour = "postgresql".to_owned()), Class::Data,
    &["of a postgresql database and the destination is sqlite"], &["--into"])]
#[case::names_that_are_one(with(|c| { c.unfit = vec!["a and A are one name".to_owned()]; c.replace = Replace::Allow }), Class::Data,
    &["a and A are one name"], &["--into"])]
#[case::server_unknown(with(|c| c.server = ServerState::Unknown), Class::TempFail,
    &["cannot tell whether the server of target notes is running"], &["upkeep check"])]
#[case::server_runs(with(|c| c.server = ServerState::Running), Class::TempFail,
    &["the server of target notes is running"], &["stop the server", "--stop-server"])]
#[case::sessions(with(|c| c.survey.sessions = vec!["pid 8, psql".to_owned()]), Class::TempFail,
    &["in use by pid 8, psql"], &["close"])]
#[case::everything_at_once(
    with(|c| { c.server = ServerState::Running; c.survey = rows(); c.shape = shape(&["1"], "Y") }), Class::Data,
    &["is running", "only the archive has migration 2", "holds rows"], &["stop the server", "--replace"])]
fn refuses(#[case] case: Case, #[case] class: Class, #[case] reasons: &[&str], #[case] ways_out: &[&str]) {
    let refusal = case.decide().unwrap_err();
    assert_eq!(refusal.class, class, "{refusal}");
    for reason in reasons {
        assert!(refusal.reasons.iter().any(|given| given.contains(reason)), "{reason}: {refusal}");
    }
    for way in ways_out {
        assert!(refusal.ways_out.iter().any(|given| given.contains(way)), "{way}: {:?}", refusal.ways_out);
    }
}

#[rstest]
#[case::newer(with(|c| c.installed = "1.2"), &["release 1.2 is installed and the archive is of 1.1: an upgrade will follow"])]
#[case::older(with(|c| c.installed = "1.0"), &["release 1.0 is installed and the archive is of 1.1: install 1.1 before starting the server"])]
#[case::same(with(|_| ()), &[])]
#[case::no_server(with(|c| c.server = ServerState::NoService), &["cannot tell whether the server is running; only open sessions were looked for"])]
#[case::elsewhere(with(|c| { c.installed = "1.2"; c.whose = Whose::Other }), &[])]
#[case::left_out(
    with(|c| c.manifest.left_out = vec![LeftOut { what: "table a".to_owned(), why: "unlogged".to_owned() }]),
    &["not in the archive: table a (unlogged)"])]
fn says_what_to_know(#[case] case: Case, #[case] notes: &[&str]) {
    assert_eq!(case.decide().unwrap().notes, notes);
}

#[test]
fn a_plan_reads_as_steps() {
    let case = with(|c| {
        c.survey = rows();
        c.replace = Replace::Allow;
        c.installed = "1.2";
    });
    assert_eq!(
        case.decide().unwrap().to_string(),
        "restore notes-1 of 2026-11-22 02:30:00 UTC into here\n  \
         first: archive what is there now, read it back and pin it\n  \
         then: replace what is there with the archive, all at once\n  \
         then: compare 7 rows of 1 table with the manifest\n  \
         note: release 1.2 is installed and the archive is of 1.1: an upgrade will follow"
    );
}
