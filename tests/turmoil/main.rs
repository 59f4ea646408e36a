//! Whole gateways and the whole embedded broker in a simulated network, with bad days.
//!
//! The actors, the transport, the membership and the broker are the shipped ones; only sockets,
//! time and chance are [turmoil](https://docs.rs/turmoil)'s (feature `simulation`). One life is a
//! broker with three partitions and two gateways with load, a number of faults, a healing, and the
//! questions of `life.rs`.
//!
//! `SIM_SEED=n` runs one seed, `SIM_SEEDS=n` that many besides the pinned ones, `SIM_STEPS=n` sets how
//! many faults each run goes through. A failure prints its seed; add it to `seeds.txt` with the fix.

use std::sync::Mutex;
use std::time::Duration;

mod commands;
mod hosts;
mod ledger;
mod life;

/// Seeds besides the pinned ones, unless `SIM_SEEDS` says.
const SEEDS: u64 = 1;
/// Faults of a life, unless `SIM_STEPS` says.
const FAULTS: u64 = 6;

/// Reads a number from the environment.
fn setting(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name}={text} is not a number")))
}

/// Seeds that once failed, or that are worth keeping for what they do, and some more.
fn seeds() -> Vec<u64> {
    if let Some(seed) = setting("SIM_SEED") {
        return vec![seed];
    }
    let pinned = include_str!("seeds.txt")
        .lines()
        .map(|line| line.split('#').next().unwrap_or_default().trim())
        .filter(|line| !line.is_empty())
        .map(|line| line.parse().expect("a seed per line"));
    pinned.chain(1_000..1_000 + setting("SIM_SEEDS").unwrap_or(SEEDS)).collect()
}

#[test]
fn gateways_and_broker_outlive_partitions_holds_and_crashes() {
    let _logger = env_logger::builder().is_test(true).try_init();
    let faults = setting("SIM_STEPS").unwrap_or(FAULTS);
    let seeds = Mutex::new(seeds().into_iter());
    let simulated = Mutex::new(Duration::ZERO);
    let next = || seeds.lock().ok().and_then(|mut seeds| seeds.next());
    // A simulation is bound to its thread, and several threads have one each.
    let work = || {
        while let Some(seed) = next() {
            let outcome = life::live(seed, faults);
            println!("seed {seed}: {outcome}");
            *simulated.lock().expect("no other life failed") += outcome.simulated;
        }
    };
    let threads = std::thread::available_parallelism().map_or(1, |cores| cores.get().min(4));
    std::thread::scope(|scope| {
        (0..threads).for_each(|_| drop(scope.spawn(work)));
    });
    println!("simulated {:?}", simulated.lock().expect("no life failed"));
}

#[test]
fn the_same_seed_gives_the_same_life() {
    let seed = setting("SIM_SEED").unwrap_or(4);
    assert_eq!(life::live(seed, 2), life::live(seed, 2));
}
