//! Seeded simulations of the cores: no sockets, no clock, any number of bad days per second.
//!
//! `SIM_SEED=n` runs one seed, `SIM_SEEDS=n` that many random ones, `SIM_STEPS=n` sets how many
//! faults each run goes through. A failure prints its seed; add it to `seeds.txt` with the fix.

mod gossip;

/// Reads a number from the environment.
fn setting(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name}={text} is not a number")))
}

/// Seeds that once failed, or that are worth keeping for what they do.
fn pinned_seeds() -> Vec<u64> {
    include_str!("seeds.txt")
        .lines()
        .map(|line| line.split('#').next().unwrap_or_default().trim())
        .filter(|line| !line.is_empty())
        .map(|line| line.parse().expect("a seed per line"))
        .collect()
}
