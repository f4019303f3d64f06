//! upkeep beside the real Flyway: the same folders, the same actions in every order, the same histories.

mod checksums;
mod compare;
mod exclusion;
mod ground;
mod scenario;

use std::io::Write;

use compare::{Stage, Who};
use ground::Ground;
use scenario::Scenario;

use crate::support::flyway::{Version, flyway};

/// Up to this many actions are done in every order; longer scenarios by either alone and by turns. `TEST_FLYWAY_ORDERS=all`
/// goes through every order of all.
const EVERY_ORDER: u32 = 3;

fn all_orders() -> bool {
    std::env::var("TEST_FLYWAY_ORDERS").is_ok_and(|orders| orders == "all")
}

fn orders(actions: u32) -> Vec<Vec<Who>> {
    let of = |mask: u32| (0..actions).map(|bit| if mask >> bit & 1 == 1 { Who::Upkeep } else { Who::Flyway }).collect();
    let every = 1_u32 << actions;
    if all_orders() || actions <= EVERY_ORDER {
        return (0..every).map(of).collect();
    }
    let turns = 0x5555_5555 & (every - 1);
    [0, every - 1, turns, !turns & (every - 1)].map(of).to_vec()
}

fn compare_all(ground: Option<Ground>, version: Version) {
    let Some(ground) = ground else { return };
    let Some(mut flyway) = flyway(version) else { return };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let only = std::env::var("TEST_FLYWAY_SCENARIO").ok();
    let wanted = |scenario: &Scenario| {
        scenario.is_for(ground.engine(), version.name())
            && only.as_ref().is_none_or(|only| scenario.name.contains(only.as_str()))
    };
    let scenarios: Vec<Scenario> = scenario::scenarios().into_iter().filter(wanted).collect();
    let mut stage = Stage { ground: &ground, flyway: &mut flyway, runtime: &runtime, compared: 0 };
    let mut steps = 0;
    for scenario in &scenarios {
        let orders = orders(scenario.actions());
        let reference = stage.play(scenario, &orders[0], None);
        for order in &orders[1..] {
            stage.play(scenario, order, Some(&reference));
        }
        steps += orders.len() * reference.len();
    }
    // Past the test harness, which keeps what a passing test prints to itself.
    let mut told = std::io::stderr();
    writeln!(
        told,
        "Flyway {} beside upkeep on {}: {} scenarios, {steps} steps, {} comparisons",
        version.number(),
        ground.name(),
        scenarios.len(),
        stage.compared
    )
    .unwrap();
}

#[test]
fn postgresql_beside_the_current_flyway() {
    compare_all(Ground::postgres(), Version::Current);
}

#[test]
fn postgresql_beside_an_older_flyway() {
    compare_all(Ground::postgres(), Version::Older);
}

#[test]
fn a_newer_postgresql_beside_the_current_flyway() {
    compare_all(Ground::newer_postgres(), Version::Current);
}

#[test]
fn sqlite_beside_the_current_flyway() {
    compare_all(Some(Ground::sqlite()), Version::Current);
}

#[test]
fn sqlite_beside_an_older_flyway() {
    compare_all(Some(Ground::sqlite()), Version::Older);
}
