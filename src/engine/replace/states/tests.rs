use super::*;

const NO: Seen = Seen { is_there: false, is_marked: false };
const YES: Seen = Seen { is_there: true, is_marked: false };
const MARKED: Seen = Seen { is_there: true, is_marked: true };

#[test]
fn every_state_of_three_names_has_one_answer() {
    let cases = [
        (NO, NO, NO, Left::Nothing),
        (YES, NO, NO, Left::Nothing),
        (YES, YES, NO, Left::Loading),
        (YES, MARKED, NO, Left::Loading),
        (NO, YES, NO, Left::Loading),
        (NO, YES, YES, Left::Fenced),
        (NO, NO, YES, Left::Fenced),
        (NO, MARKED, YES, Left::Begun),
        (NO, MARKED, NO, Left::Begun),
        (MARKED, NO, YES, Left::Exchanged),
        (MARKED, NO, NO, Left::Exchanged),
        (YES, NO, YES, Left::Foreign),
        (YES, MARKED, YES, Left::Foreign),
    ];
    for (own, new, old, left) in cases {
        assert_eq!(by_names(own, new, old), left, "own {own:?}, new {new:?}, old {old:?}");
    }
}

/// A name that exists is never one whose content is dropped, unless it is the scratch or has been given up by a mark.
#[test]
fn what_has_its_own_name_and_no_mark_is_never_given_up() {
    let all = [NO, YES, MARKED];
    for (new, old) in all.into_iter().flat_map(|new| all.into_iter().map(move |old| (new, old))) {
        assert!(!matches!(by_names(YES, new, old), Left::Exchanged | Left::Begun | Left::Fenced), "new {new:?}, old {old:?}");
    }
}

#[test]
fn where_the_notes_are_says_whose_the_place_is() {
    assert_eq!(by_notes(false, false, false, false), Left::Loading);
    assert_eq!(by_notes(true, false, false, false), Left::Fenced);
    assert_eq!(by_notes(true, true, false, false), Left::Fenced);
    assert_eq!(by_notes(true, true, false, true), Left::Fenced);
    assert_eq!(by_notes(true, false, false, true), Left::Begun);
    assert_eq!(by_notes(false, false, false, true), Left::Foreign);
    assert_eq!(by_notes(false, false, true, true), Left::Exchanged);
    assert_eq!(by_notes(true, false, true, false), Left::Exchanged);
}
