use proptest::prelude::*;

use super::*;
use crate::failure::Class;

fn failed() -> Failed {
    Failed::new(Class::Io, "no")
}

/// One event of every kind, for every step where it has one.
fn vocabulary() -> Vec<Event> {
    let mut events = vec![
        Event::Planned { direction: Direction::Forward, steps: vec![Step::Preflight, Step::Stop, Step::Migrate] },
        Event::NoReturn,
        Event::TurnedBack { why: "x".to_owned(), steps: vec![Step::Restore, Step::Hold] },
        Event::Halted { why: "y".to_owned(), next_steps: vec!["do".to_owned()] },
        Event::Committed,
        Event::RolledBack { next_steps: Vec::new() },
        Event::Refused { why: "z".to_owned() },
    ];
    for settle in [Settle::Resume, Settle::Abort, Settle::Accept] {
        events.push(Event::Said { settle, who: "root".to_owned(), release: None });
    }
    for step in [Step::Preflight, Step::Stop, Step::Migrate, Step::Restore, Step::Hold] {
        events.extend((1..4).map(|attempt| Event::Intended { step, attempt }));
        events.push(Event::Done { step, note: "n".to_owned(), label: None, between: None });
        events.push(Event::Failed { step, failed: failed() });
    }
    events
}

proptest! {
    /// Any sequence of events: what is accepted folds, as does every prefix of it; nothing follows an end; every event
    /// survives its journey through JSON.
    #[test]
    fn every_prefix_of_a_legal_journal_folds(choices in prop::collection::vec(any::<prop::sample::Index>(), 0..60)) {
        let vocabulary = vocabulary();
        let mut journal = vec![vocabulary[0].clone()];
        let mut state = State::fold(&journal).unwrap();
        for choice in choices {
            let event = choice.get(&vocabulary);
            match state.clone().apply(event) {
                Ok(after) => {
                    prop_assert!(!state.phase.terminal(), "{:?} after {}", event, state.phase);
                    prop_assert_eq!(event.ends(), after.phase.terminal(), "{:?}", event);
                    journal.push(event.clone());
                    state = after;
                }
                Err(illegal) => prop_assert_eq!(illegal.phase, state.phase),
            }
        }
        for length in 1..=journal.len() {
            let json: Vec<Event> = journal[..length]
                .iter()
                .map(|event| serde_json::from_str(&serde_json::to_string(event).unwrap()).unwrap())
                .collect();
            let folded = State::fold(&json).unwrap();
            prop_assert!(folded.at <= folded.route.len());
            prop_assert!(folded.open.is_none() || folded.open == folded.step());
        }
        prop_assert_eq!(State::fold(&journal).unwrap(), state);
    }
}

#[test]
fn an_upgrade_reads_as_its_events() {
    let steps = vec![Step::Preflight, Step::Migrate];
    let done = |step| Event::Done { step, note: String::new(), label: None, between: None };
    let intended = |step, attempt| Event::Intended { step, attempt };
    let planned = Event::Planned { direction: Direction::Forward, steps };
    let mut journal =
        vec![planned, intended(Step::Preflight, 1), done(Step::Preflight), Event::NoReturn, intended(Step::Migrate, 1)];
    let state = State::fold(&journal).unwrap();
    assert_eq!((state.phase, state.open, state.unanswered, state.crashed), (Phase::Running, Some(Step::Migrate), 1, false));
    journal.push(intended(Step::Migrate, 2));
    let state = State::fold(&journal).unwrap();
    assert_eq!((state.attempts, state.unanswered, state.crashed), (2, 2, true), "the first intent never had an outcome");
    journal.push(Event::Failed { step: Step::Migrate, failed: failed() });
    let state = State::fold(&journal).unwrap();
    assert_eq!((state.open, state.unanswered, state.failures), (None, 1, 1));
    journal.push(Event::Halted { why: "w".to_owned(), next_steps: vec!["c".to_owned()] });
    assert_eq!(State::fold(&journal).unwrap().phase, Phase::Stuck);
    journal.push(Event::Said { settle: Settle::Abort, who: "root".to_owned(), release: None });
    assert_eq!(State::fold(&journal).unwrap().phase, Phase::Aborting);
    journal.push(Event::TurnedBack { why: "w".to_owned(), steps: vec![Step::Restore] });
    journal.extend([intended(Step::Restore, 1), done(Step::Restore), Event::RolledBack { next_steps: Vec::new() }]);
    assert_eq!(State::fold(&journal).unwrap().phase, Phase::RolledBack);
}

#[test]
fn a_rollback_that_stopped_once_ends_with_the_reason_it_began_for() {
    let intended = |step| Event::Intended { step, attempt: 1 };
    let done = |step| Event::Done { step, note: String::new(), label: None, between: None };
    let mut journal = vec![
        Event::Planned { direction: Direction::Forward, steps: vec![Step::Migrate] },
        intended(Step::Migrate),
        Event::Failed { step: Step::Migrate, failed: failed() },
        Event::TurnedBack { why: "the script failed".to_owned(), steps: vec![Step::Restore] },
        intended(Step::Restore),
        Event::Failed { step: Step::Restore, failed: failed() },
        Event::Halted { why: "the disk is full".to_owned(), next_steps: Vec::new() },
    ];
    assert_eq!(State::fold(&journal).unwrap().why.as_deref(), Some("the disk is full"));
    journal.extend([
        Event::Said { settle: Settle::Resume, who: "root".to_owned(), release: None },
        Event::Intended { step: Step::Restore, attempt: 2 },
        done(Step::Restore),
        Event::RolledBack { next_steps: Vec::new() },
    ]);
    assert_eq!(State::fold(&journal).unwrap().why.as_deref(), Some("the script failed"));
}

#[test]
fn what_cannot_follow_is_refused_with_its_place() {
    let planned = Event::Planned { direction: Direction::Forward, steps: vec![Step::Preflight, Step::Stop] };
    let done = Event::Done { step: Step::Preflight, note: String::new(), label: None, between: None };
    let cases: Vec<(Vec<Event>, &str)> = vec![
        (vec![Event::Committed], "the journal holds `committed`, which cannot follow in phase idle"),
        (vec![planned.clone(), planned.clone()], "`planned`, which cannot follow in phase running at step preflight"),
        (vec![planned.clone(), Event::Committed], "`committed`, which cannot follow in phase running at step preflight"),
        (vec![planned.clone(), Event::Intended { step: Step::Stop, attempt: 1 }], "`intended`, which cannot follow"),
        (vec![planned.clone(), Event::Intended { step: Step::Preflight, attempt: 2 }], "`intended`, which cannot follow"),
        (vec![planned.clone(), Event::RolledBack { next_steps: Vec::new() }], "`rolled-back`, which cannot follow"),
        (
            vec![planned, done, Event::Intended { step: Step::Stop, attempt: 1 }, Event::Refused { why: String::new() }],
            "`refused`, which cannot follow in phase running at step stop",
        ),
    ];
    for (journal, expected) in cases {
        let error = State::fold(&journal).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
}

#[test]
fn names_in_journals_are_unique_and_never_change() {
    let names: Vec<&str> = Step::ALL.iter().map(|step| step.name()).collect();
    assert_eq!(
        names.join(" "),
        "preflight stop archive migrate inspect start healthy stop-new keep-failed restore point-back start-old healthy-old hold"
    );
    for step in Step::ALL {
        assert_eq!(serde_json::to_string(&step).unwrap(), format!("\"{step}\""));
    }
    for phase in Phase::ALL {
        assert_eq!(serde_json::to_string(&phase).unwrap(), format!("\"{phase}\""));
    }
}
