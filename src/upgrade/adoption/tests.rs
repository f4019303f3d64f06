use super::super::plan::{Asked, Decision, decide, tests::due};
use super::*;
use crate::store::tests::{context, target};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_those_who_adopt_and_end_at_once_one_does_it_and_the_others_find_it_done() {
    let now = "2026-11-22T02:30:00Z";
    for _ in 0..50 {
        let dir = tempfile::tempdir().unwrap();
        let (ctx, target) = (context(dir.path(), now).await, target(dir.path()));
        let Decision::Plan(plan) = decide(&due(), Asked::ByPerson, ctx.clock.now()) else { panic!("no plan") };
        let plan = Plan { purpose: Purpose::Adopt, steps: Vec::new(), ..*plan };
        assert_eq!(plan.target, target.name);
        let adopting = || {
            let (ctx, target, plan) = (ctx.clone(), target.clone(), plan.clone());
            tokio::spawn(async move { adopt_unless_known(&ctx, &target, plan, None, ctx.clock.now()).await })
        };
        let ending = || {
            let (ctx, target) = (ctx.clone(), target.clone());
            tokio::spawn(async move { end_adoption(&ctx, &target.name).await })
        };
        for done in [adopting(), ending(), adopting(), ending(), adopting(), ending()] {
            done.await.unwrap().unwrap();
        }
        assert!(record::open(&ctx.state, &target.name).await.unwrap().is_none());
        let good = record::good(&ctx.state, &target.name).await.unwrap().unwrap();
        assert_eq!(good.version, plan.to.version);
    }
}
