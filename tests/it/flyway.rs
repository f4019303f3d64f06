//! upkeep beside the real Flyway: the same folders, the same actions in every order, the same histories.

mod checksums;
mod compare;
mod exclusion;
mod ground;
mod scenario;
mod verdicts;
mod words;

use std::io::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};

use compare::{Stage, Who};
use ground::Ground;
use scenario::Scenario;

use crate::support::flyway::{Version, flyway};

/// How many of the orders in which two tools can share a scenario's actions are gone through. `TEST_FLYWAY_ORDERS=all` makes
/// it every order everywhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Orders {
    /// Every order of up to three actions; longer scenarios by either alone and by turns.
    Every,
    /// Either alone and by turns.
    Few,
}

impl Orders {
    /// The first is Flyway alone.
    fn of(self, actions: u32) -> Vec<Vec<Who>> {
        let of = |mask: u32| (0..actions).map(|bit| if mask >> bit & 1 == 1 { Who::Upkeep } else { Who::Flyway }).collect();
        let every = 1_u32 << actions;
        if all_orders() || (self == Self::Every && actions <= 3) {
            return (0..every).map(of).collect();
        }
        let turns = 0x5555_5555 & (every - 1);
        let mut masks = vec![0, every - 1, turns];
        if self == Self::Every {
            masks.push(!turns & (every - 1));
        }
        // Of a single action "by turns" is upkeep alone.
        masks.dedup();
        masks.into_iter().map(of).collect()
    }
}

fn all_orders() -> bool {
    std::env::var("TEST_FLYWAY_ORDERS").is_ok_and(|orders| orders == "all")
}

fn compare_all(ground: Option<Ground>, version: Version, orders: Orders) {
    let Some(ground) = ground else { return };
    let Some(flyway) = flyway(version) else { return };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let only = std::env::var("TEST_FLYWAY_SCENARIO").ok();
    let wanted = |scenario: &Scenario| {
        scenario.is_for(ground.engine(), version.name())
            && only.as_ref().is_none_or(|only| scenario.name.contains(only.as_str()))
    };
    let scenarios: Vec<Scenario> = scenario::scenarios().into_iter().filter(wanted).collect();
    let mut stage = Stage { ground: &ground, flyway, runtime: &runtime, compared: 0 };
    let (mut steps, mut different) = (0, Vec::new());
    for scenario in &scenarios {
        let orders = orders.of(scenario.actions());
        // One difference does not hide the others; what it was is printed where it was found.
        let played = catch_unwind(AssertUnwindSafe(|| {
            let _settings = stage.ground.shared();
            let reference = stage.play(scenario, &orders[0], None);
            for order in &orders[1..] {
                stage.play(scenario, order, Some(&reference));
            }
            orders.len() * reference.seen.len()
        }));
        match played {
            Ok(compared) => steps += compared,
            Err(_) => different.push(scenario.name.as_str()),
        }
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
    assert_eq!(different, Vec::<&str>::new(), "scenarios on {}", ground.name());
}

#[test]
fn postgresql_beside_the_current_flyway() {
    compare_all(Ground::postgres(), Version::Current, Orders::Every);
}

#[test]
fn postgresql_beside_an_older_flyway() {
    compare_all(Ground::postgres(), Version::Older, Orders::Few);
}

#[test]
fn a_newer_postgresql_beside_the_current_flyway() {
    compare_all(Ground::newer_postgres(), Version::Current, Orders::Few);
}

#[test]
fn mysql_beside_the_current_flyway() {
    compare_all(Ground::mysql(), Version::Current, Orders::Every);
}

#[test]
fn mariadb_beside_the_current_flyway() {
    compare_all(Ground::mariadb(), Version::Current, Orders::Few);
}

#[test]
fn mariadb_beside_an_older_flyway() {
    compare_all(Ground::mariadb(), Version::Older, Orders::Few);
}

#[test]
fn sqlite_beside_the_current_flyway() {
    compare_all(Some(Ground::sqlite()), Version::Current, Orders::Every);
}

#[test]
fn sqlite_beside_an_older_flyway() {
    compare_all(Some(Ground::sqlite()), Version::Older, Orders::Few);
}
