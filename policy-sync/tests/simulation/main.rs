//! Thousands of seeded runs of proxies, control planes and a network that delays, cuts, duplicates and lies.
//!
//! In each run the clock is a number and all chance comes from the seed, so that hours pass in milliseconds and a run that
//! fails can be run again: its seed is in the message.

#![cfg(test)]

mod control_plane;
mod network;
mod proxy;
mod random;
mod world;

use world::{Plan, World};

/// Runs of each plan.
const SEEDS: u64 = 250;

fn run_all(plan: Plan) {
    for seed in 0..SEEDS {
        let mut world = World::new(seed, plan);
        world.trouble();
        world.heal();
        world.check_the_end();
    }
}

#[test]
fn links_that_are_slow_and_cut() {
    run_all(Plan { cuts: true, ..Plan::default() });
}

#[test]
fn control_planes_and_proxies_that_are_killed() {
    run_all(Plan { cuts: true, kills: true, ..Plan::default() });
}

#[test]
fn a_network_that_duplicates_and_lies() {
    run_all(Plan { cuts: true, lies: true, ..Plan::default() });
}

#[test]
fn all_of_it_at_once_with_documents_that_do_not_compile_and_disks_that_fail() {
    run_all(Plan { cuts: true, kills: true, lies: true, mistakes: true, full_disks: true });
}

#[test]
fn runs_of_one_seed_are_the_same() {
    let plan = Plan { cuts: true, kills: true, lies: true, mistakes: true, full_disks: true };
    let told = [0; 2].map(|_| {
        let mut world = World::new(7, plan);
        world.trouble();
        world.heal();
        world.told()
    });
    assert_eq!(told[0], told[1]);
    assert!(told[0].refused > 0 && told[0].links > 10 && told[0].in_force > 10, "{:?}", told[0]);
}
