use super::*;

#[test]
fn a_lane_is_one_workers_until_it_is_left_and_a_gate_is_shut_as_long() {
    let name = TargetName::parse("notes").unwrap();
    let (lanes, lane) = (Lanes::default(), Lane::Target(name.clone()));
    let worked_in = lanes.enter(&lane);
    assert!(worked_in.is_some() && lanes.clone().enter(&lane).is_none());
    assert!(lanes.enter(&Lane::Aside).is_some() && lanes.enter(&Lane::Aside).is_some(), "what stands aside never waits");
    drop(worked_in);
    assert!(lanes.enter(&lane).is_some());
    let shut = lanes.shut(&name);
    assert!(lanes.is_shut(&name));
    drop(shut);
    assert!(!lanes.is_shut(&name));
}
