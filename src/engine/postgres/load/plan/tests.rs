use super::*;
use crate::archive::manifest::{Consistency, Frame, Kind, Server};
use crate::ids::{Label, TargetName};
use crate::shape::Shape;

#[test]
fn only_indexes_and_keys_are_built_in_parallel() {
    for (sql, table) in [
        ("CREATE INDEX i ON public.t USING btree (a);", Some("public.t")),
        ("CREATE UNIQUE INDEX i ON public.\"T t\" USING btree (a);", Some("public.\"T t\"")),
        ("ALTER TABLE ONLY public.t\n    ADD CONSTRAINT t_pkey PRIMARY KEY (id);", Some("public.t")),
        ("ALTER TABLE ONLY public.t\n    ADD CONSTRAINT x EXCLUDE USING gist (r WITH &&);", Some("public.t")),
        ("ALTER TABLE ONLY public.t\n    ADD CONSTRAINT f FOREIGN KEY (a) REFERENCES public.u(id);", None),
        ("CREATE TRIGGER t BEFORE INSERT ON public.t FOR EACH ROW EXECUTE FUNCTION public.f();", None),
        ("ALTER INDEX public.p_idx ATTACH PARTITION public.c_idx;", None),
    ] {
        assert_eq!(indexed_table(sql), table, "{sql}");
    }
}

/// A manifest of tables with these many frames of one byte each.
fn manifest(frames: &[usize]) -> Manifest {
    let table = |(place, _): (usize, &usize)| Table {
        schema: "public".to_owned(),
        name: format!("t{place}"),
        columns: Vec::new(),
        rows: 0,
        bytes: 0,
        checksum: String::new(),
    };
    let of = |(place, count): (usize, &usize)| vec![u32::try_from(place).unwrap(); *count];
    let frame = |table: u32| Frame {
        kind: FrameKind::Data,
        table: Some(table),
        offset: 0,
        stored: 1,
        raw: 1,
        rows: 1,
        digest: String::new(),
    };
    Manifest {
        format: 1,
        tool: String::new(),
        label: Label::parse("bench").unwrap(),
        target: TargetName::parse("bench").unwrap(),
        kind: Kind::Manual,
        note: None,
        taken_at: chrono::DateTime::UNIX_EPOCH,
        duration_ms: 0,
        server: Server::default(),
        release: None,
        shape: Shape::default(),
        tables: frames.iter().enumerate().map(table).collect(),
        consistency: Consistency::default(),
        left_out: Vec::new(),
        data_only: false,
        level: 3,
        raw_bytes: 0,
        stored_bytes: 0,
        frames: frames.iter().enumerate().flat_map(of).map(frame).collect(),
    }
}

fn key(table: usize) -> (usize, String) {
    (table, format!("ALTER TABLE ONLY public.t{table}\n    ADD CONSTRAINT k PRIMARY KEY (id);"))
}

fn index(table: usize) -> (usize, String) {
    (table, format!("CREATE INDEX i ON public.t{table} USING btree (a);"))
}

fn taken(plan: &mut Plan) -> Step {
    match plan.next() {
        Next::Take(step) => step,
        other => panic!("a step, not {other:?}"),
    }
}

#[test]
fn a_table_is_whole_unless_it_is_more_than_its_share() {
    for (what, frames, jobs, kept, wholes, parts) in [
        ("even tables", &[3, 3, 3][..], 3, "", 3, 0),
        ("one that is half of all", &[6, 3, 3], 3, "", 3, 0),
        ("one that is more", &[7, 3, 3], 3, "", 2, 7),
        ("one worker", &[7, 3], 1, "", 2, 0),
        ("an extension's", &[1, 2, 2], 3, "t0", 2, 1),
        ("one without rows", &[0, 2, 2], 3, "", 2, 0),
    ] {
        let kept = [("public".to_owned(), kept.to_owned())];
        let mut plan = Plan::of(&manifest(frames), jobs, &kept, Vec::new());
        let mut steps = Vec::new();
        while let Next::Take(step) = plan.next() {
            steps.push(step);
        }
        let whole = steps.iter().filter(|step| matches!(step, Step::Whole(..))).count();
        assert_eq!((whole, steps.len() - whole), (wholes, parts), "{what}");
    }
}

#[test]
fn a_table_is_free_when_its_key_is_built_and_loaded_when_its_indexes_are() {
    let mut plan = Plan::of(&manifest(&[2, 1]), 2, &[], vec![key(0), index(0), index(0), index(1)]);
    let (large, small) = (taken(&mut plan), taken(&mut plan));
    assert!(matches!((&large, &small), (Step::Whole(0, _), Step::Whole(1, _))), "largest first");
    assert_eq!(plan.next(), Next::Wait, "nothing is loaded yet");
    assert!(!plan.done(&small));
    let other = taken(&mut plan);
    assert!(matches!(other, Step::Index(1, _)), "the small one's index, while the large one loads");
    assert!(plan.done(&large), "all rows are loaded");
    let lock = taken(&mut plan);
    assert!(matches!(lock, Step::Key(0, _)));
    assert_eq!(plan.next(), Next::Wait, "a key has its table alone");
    assert!(!plan.done(&other) && !plan.done(&lock));
    assert!(matches!((taken(&mut plan), taken(&mut plan)), (Step::Index(0, _), Step::Index(0, _))), "indexes side by side");
    assert_eq!(plan.next(), Next::Done);
}
