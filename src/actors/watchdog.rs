//! Notices actors that have work and do not run.
//!
//! A thread of its own looks at the actors' cells: whatever blocks an arbiter cannot block it. A
//! stuck actor cannot be killed, only reported: here once in the log, and in every snapshot.

use std::collections::BTreeSet;
use std::io;
use std::time::Duration;

use super::cell::Registry;

/// Pause between two looks.
const INTERVAL: Duration = Duration::from_secs(1);

/// Watches these actors until the gateway is gone.
///
/// # Errors
/// The system refuses a thread.
pub fn start(registry: &Registry) -> io::Result<()> {
    let registry = registry.downgrade();
    let watch = move || {
        let mut stalled = BTreeSet::new();
        while let Some(registry) = registry.upgrade() {
            look(&registry, &mut stalled);
            drop(registry);
            std::thread::sleep(INTERVAL);
        }
    };
    std::thread::Builder::new().name("watchdog".to_owned()).spawn(watch).map(drop)
}

/// Logs what stalled or recovered since the last look.
fn look(registry: &Registry, stalled: &mut BTreeSet<String>) {
    let cells = registry.cells();
    let now: BTreeSet<String> =
        cells.iter().filter(|cell| cell.stalled()).map(|cell| cell.name().to_owned()).collect();
    for name in now.difference(stalled) {
        log::error!("event=actor_stalled actor={name}");
    }
    for name in stalled.difference(&now) {
        log::warn!("event=actor_runs_again actor={name}");
    }
    *stalled = now;
}
