use super::*;
use crate::archive::manifest::{Consistency, Frame, Kind, Server, Table};
use crate::ids::{Label, TargetName};
use crate::shape::Shape;

/// A manifest of tables with these many frames of one byte each.
fn manifest(frames: &[usize]) -> Manifest {
    let table = |(place, _): (usize, &usize)| Table {
        schema: "public".to_owned(),
        name: format!("t{place}"),
        columns: Vec::new(),
        rows: 0,
        bytes: 0,
        checksum: String::new(),
        computed: None,
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
        files: None,
        configuration: None,
        level: 3,
        raw_bytes: 0,
        stored_bytes: 0,
        frames: frames.iter().enumerate().flat_map(of).map(frame).collect(),
    }
}

/// One key or index, or foreign key, on these tables.
fn builds(keys: &[usize], indexes: &[usize], foreign: &[(usize, usize)]) -> Builds {
    Builds {
        keys: keys.iter().map(|table| (*table, "key".to_owned())).collect(),
        indexes: indexes.iter().map(|table| (*table, "index".to_owned())).collect(),
        computed: Vec::new(),
        foreign: foreign.iter().map(|(from, to)| (*from, *to, "foreign".to_owned())).collect(),
        rest: Vec::new(),
    }
}

fn taken(plan: &mut Plan) -> Step {
    match plan.next() {
        Next::Take(step) => step,
        other => panic!("a step, not {other:?}"),
    }
}

/// Cuts a table into so many tasks.
fn cut(plan: &mut Plan, table: usize, tasks: u64) {
    let relation = Arc::new(large_objects::relation());
    let task = |from| Task { table: 0, pages: Some((from, None)), bytes: 0 };
    plan.measured(table, &relation, (0..tasks).map(task).collect());
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
        let mut plan = Plan::of(&manifest(frames), jobs, &kept, &[], Builds::default(), false);
        let mut steps = Vec::new();
        while let Next::Take(step) = plan.next() {
            steps.push(step);
        }
        let whole = steps.iter().filter(|step| matches!(step, Step::Whole(..))).count();
        let part = steps.iter().filter(|step| matches!(step, Step::Part(..))).count();
        assert_eq!((whole, part), (wholes, parts), "{what}");
    }
}

#[test]
fn a_table_is_free_when_its_key_is_built_and_loaded_when_its_indexes_are() {
    let mut plan = Plan::of(&manifest(&[2, 1]), 2, &[], &[], builds(&[0], &[0, 0, 1], &[]), false);
    let (large, small) = (taken(&mut plan), taken(&mut plan));
    assert!(matches!((&large, &small), (Step::Whole(0, _), Step::Whole(1, _))), "largest first");
    assert_eq!(plan.next(), Next::Wait, "nothing is loaded yet");
    plan.done(&small);
    let other = taken(&mut plan);
    assert!(matches!(other, Step::Index(1, _)), "the small one's index, while the large one loads");
    let proof = taken(&mut plan);
    assert!(matches!(&proof, Step::Compare(_, task) if task.table == 1), "and its comparison beside it");
    plan.done(&large);
    let lock = taken(&mut plan);
    assert!(matches!(lock, Step::Key(0, _)));
    assert_eq!(plan.next(), Next::Wait, "a key has its table alone: it is not even measured");
    for step in [&other, &proof, &lock] {
        plan.done(step);
    }
    let measure = taken(&mut plan);
    assert!(matches!(measure, Step::Measure(0)), "two frames are more than one task for all we know");
    assert!(matches!((taken(&mut plan), taken(&mut plan)), (Step::Index(0, _), Step::Index(0, _))), "indexes side by side");
    assert_eq!(plan.next(), Next::Wait, "what is being measured is not done");
    cut(&mut plan, 0, 2);
    plan.done(&measure);
    for _ in 0..2 {
        assert!(matches!(taken(&mut plan), Step::Compare(_, task) if task.table == 0));
    }
    assert_eq!(plan.next(), Next::Done);
}

#[test]
fn statistics_wait_for_indexes_and_for_nobody_who_reads() {
    let mut plan = Plan::of(&manifest(&[1]), 3, &[], &[], builds(&[], &[0], &[]), true);
    let load = taken(&mut plan);
    plan.done(&load);
    let (index, proof) = (taken(&mut plan), taken(&mut plan));
    assert!(matches!((&index, &proof), (Step::Index(0, _), Step::Compare(..))));
    assert_eq!(plan.next(), Next::Wait, "ANALYZE and CREATE INDEX exclude each other");
    plan.done(&index);
    assert_eq!(taken(&mut plan), Step::Analyze(0), "and it does not matter that somebody reads");
    assert_eq!(plan.next(), Next::Done);
}

#[test]
fn a_foreign_key_has_both_its_tables_and_others_go_on_beside_it() {
    let foreign = [(0, 1), (2, 1), (2, 3)];
    let mut plan = Plan::of(&manifest(&[1, 1, 1, 1]), 5, &[], &[], builds(&[1], &[], &foreign), true);
    let loads: Vec<Step> = (0..4).map(|_| taken(&mut plan)).collect();
    loads.iter().for_each(|load| plan.done(load));
    let key = taken(&mut plan);
    assert!(matches!(key, Step::Key(1, _)));
    let early = taken(&mut plan);
    assert!(matches!(early, Step::Foreign(2, 3, _)), "what is referred to has its key");
    let proofs: Vec<Step> = (0..3).map(|_| taken(&mut plan)).collect();
    assert!(proofs.iter().all(|step| matches!(step, Step::Compare(_, task) if task.table != 1)), "reading goes on beside it");
    assert_eq!(taken(&mut plan), Step::Analyze(0));
    assert_eq!(plan.next(), Next::Wait);
    plan.done(&key);
    assert!(matches!(taken(&mut plan), Step::Compare(_, task) if task.table == 1), "table 0 has somebody at it, table 2 too");
    plan.done(&early);
    let second = taken(&mut plan);
    assert!(matches!(second, Step::Foreign(2, 1, _)));
    plan.done(&Step::Analyze(0));
    assert_eq!(taken(&mut plan), Step::Analyze(3), "the first still waits for table 1");
    plan.done(&second);
    assert!(matches!(taken(&mut plan), Step::Foreign(0, 1, _)));
    assert_eq!(taken(&mut plan), Step::Analyze(2));
    assert_eq!(plan.next(), Next::Wait, "statistics of table 1");
}

/// Whatever the order in which workers are done, everything is handed out once and no two exclude each other.
#[test]
fn every_step_is_handed_out_once_and_none_beside_one_it_would_wait_for() {
    proptest::proptest!(|(picks in proptest::collection::vec(0..8_usize, 200), jobs in 1..5_usize)| {
        let wanted = builds(&[0, 1, 2], &[0, 0, 1, 3], &[(0, 1), (1, 0), (2, 2), (3, 0)]);
        let mut plan = Plan::of(&manifest(&[4, 1, 2, 0, 1]), jobs, &[], &[], wanted, true);
        let (mut running, mut all): (Vec<Step>, usize) = (Vec::new(), 0);
        let mut picks = picks.iter().cycle();
        loop {
            match plan.next() {
                Next::Take(step) if running.len() < jobs => {
                    for other in &running {
                        assert!(!exclude(&step, other), "{step:?} beside {other:?}");
                    }
                    running.push(step);
                    all += 1;
                    if running.len() < jobs { continue }
                }
                Next::Take(step) => unreachable!("asked for {step:?} with nobody free"),
                Next::Wait => assert!(!running.is_empty(), "nobody is left to wait for"),
                Next::Done if running.is_empty() => break,
                Next::Done => {}
            }
            let step = running.swap_remove(picks.next().unwrap() % running.len());
            if let Step::Measure(table) = step {
                cut(&mut plan, table, 3);
            }
            plan.done(&step);
        }
        let loads = if jobs < 4 { 4 } else { 3 + 4 };
        let builds = 3 + 4 + 4;
        let proofs = 2 * (1 + 3) + 3;
        proptest::prop_assert_eq!(all, loads + builds + proofs + 5);
    });
}

/// Whether PostgreSQL's locks of two steps exclude each other.
fn exclude(one: &Step, other: &Step) -> bool {
    // The strength of each lock, by table: 1 ACCESS SHARE, 3 ROW EXCLUSIVE, 4 SHARE UPDATE EXCLUSIVE, 5 SHARE, 6 SHARE ROW
    // EXCLUSIVE, 8 ACCESS EXCLUSIVE.
    let locks = |step: &Step| match step {
        Step::Whole(table, _) | Step::Key(table, _) => vec![(*table, 8)],
        Step::Part(table, _) => vec![(*table, 3)],
        Step::Index(table, _) => vec![(*table, 5)],
        Step::Foreign(from, to, _) => vec![(*from, 6), (*to, 6)],
        Step::Measure(table) => vec![(*table, 1)],
        Step::Compare(_, task) => vec![(task.table, 1)],
        Step::Analyze(table) => vec![(*table, 4)],
    };
    let clash = |a: u8, b: u8| match (a.min(b), a.max(b)) {
        (_, 8) => true,
        (1, _) | (3, 3..=4) | (5, 5) => false,
        _ => true,
    };
    locks(one).iter().any(|(table, a)| locks(other).iter().any(|(same, b)| table == same && clash(*a, *b)))
}

/// What reads other tables is loaded after them and in its order, however large; and no index that somebody's function computes is
/// built before all rows are there.
#[test]
fn tables_in_turn_and_computed_indexes_wait_for_all_rows() {
    let wanted = Builds { computed: vec![(1, "computed".to_owned())], ..builds(&[], &[], &[]) };
    let mut plan = Plan::of(&manifest(&[9, 1, 1]), 4, &[], &[2, 0], wanted, false);
    let first = taken(&mut plan);
    assert_eq!(first, Step::Whole(1, vec![9]));
    assert_eq!(plan.next(), Next::Wait, "nothing else before the tables that wait for none are there");
    plan.done(&first);
    let (second, mut others) = (Step::Whole(2, vec![10]), Vec::new());
    while let Next::Take(step) = plan.next() {
        others.push(step);
    }
    assert!(others.contains(&second), "{others:?}");
    assert!(!others.iter().any(|step| matches!(step, Step::Whole(0, _) | Step::Part(0, _) | Step::Index(..))), "{others:?}");
    plan.done(&second);
    let third = taken(&mut plan);
    assert_eq!(third, Step::Whole(0, (0..9).collect()), "whole, though it is more than its share");
    plan.done(&third);
    let mut others = Vec::new();
    while let Next::Take(step) = plan.next() {
        others.push(step);
    }
    assert!(others.contains(&Step::Index(1, "computed".to_owned())), "{others:?}");
}

/// Each of them is a step of its own for everybody else: only who does them is one.
#[test]
fn small_tables_are_loaded_together_and_larger_ones_alone() {
    let mut manifest = manifest(&[1; 40]);
    manifest.frames[7].raw = SMALL_BYTES + 1;
    let mut plan = Plan::of(&manifest, 1, &[], &[], builds(&[], &[], &[]), true);
    let mut together = Vec::new();
    while let Next::Take(step) = plan.next() {
        let steps = plan.with_company(step);
        steps.iter().for_each(|step| plan.done(step));
        together.push((matches!(steps[0], Step::Whole(..)), matches!(steps[0], Step::Analyze(_)), steps.len()));
    }
    let of =
        |what: fn(&(bool, bool, usize)) -> bool| together.iter().filter(|one| what(one)).map(|one| one.2).collect::<Vec<_>>();
    assert_eq!(of(|one| one.0), [1, FEW, 39 - FEW], "the large one, and the others");
    assert_eq!(of(|one| one.1), [1, FEW, 39 - FEW], "others are not kept from the large one's keys by it");
    assert_eq!(of(|one| !one.0 && !one.1), [1; 40], "what is compared is compared by itself");
}

#[test]
fn what_is_built_on_small_tables_is_built_together() {
    let mut manifest = manifest(&[1; 40]);
    manifest.frames[7].raw = SMALL_BYTES + 1;
    let (all, rings): (Vec<usize>, Vec<_>) = ((0..40).collect(), (0..20).map(|at| (2 * at, 2 * at + 1)).collect());
    let mut plan = Plan::of(&manifest, 1, &[], &[], builds(&all, &all, &rings), false);
    let (mut keys, mut indexes, mut foreign) = (Vec::new(), Vec::new(), Vec::new());
    while let Next::Take(step) = plan.next() {
        let steps = plan.with_company(step);
        steps.iter().for_each(|step| plan.done(step));
        match steps[0] {
            Step::Key(..) => keys.push(steps.len()),
            Step::Index(..) => indexes.push(steps.len()),
            Step::Foreign(..) => foreign.push(steps.len()),
            _ => {}
        }
    }
    assert_eq!((keys, indexes), (vec![1, FEW, 39 - FEW], vec![1, FEW, 39 - FEW]));
    assert_eq!(foreign, [19, 1], "the large one has nobody with it");
}

#[test]
fn a_large_row_is_asked_for_before_it_is_compared() {
    let mut manifest = manifest(&[1, 1]);
    manifest.frames[0].raw = memory::LARGE + 1;
    let mut plan = Plan::of(&manifest, 1, &[], &[], builds(&[], &[], &[]), false);
    let mut asked = Vec::new();
    while let Next::Take(step) = plan.next() {
        match &step {
            Step::Measure(place) => {
                asked.push(*place);
                plan.measured(*place, &Arc::new(relation_of(&manifest.tables[*place])), Vec::new());
            }
            Step::Compare(_, task) => assert_eq!(task.table, 1),
            _ => {}
        }
        plan.done(&step);
    }
    assert_eq!(asked, [0]);
}
