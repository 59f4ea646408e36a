//! Whether the gateway starts, serves or stops, as its health shows it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

/// Where the gateway is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Its frontends do not all listen yet.
    Starting,
    /// It serves.
    Started,
    /// It finishes what is in flight.
    Stopping,
}

/// The phase, shared by whoever starts and stops the gateway and whoever reports it.
#[derive(Clone, Debug, Default)]
pub struct Lifecycle(Arc<AtomicU8>);

impl Lifecycle {
    const STARTING: u8 = 0;
    const STARTED: u8 = 1;
    const STOPPING: u8 = 2;

    /// All frontends listen. Has no effect once it stops.
    pub fn started(&self) {
        let order = Ordering::AcqRel;
        // Failing means that it is past this phase already.
        let _ = self.0.compare_exchange(Self::STARTING, Self::STARTED, order, Ordering::Acquire);
    }

    /// It begins to stop.
    pub fn stopping(&self) {
        self.0.store(Self::STOPPING, Ordering::Release);
    }

    /// The phase.
    #[must_use]
    pub fn phase(&self) -> Phase {
        match self.0.load(Ordering::Acquire) {
            Self::STARTING => Phase::Starting,
            Self::STARTED => Phase::Started,
            _ => Phase::Stopping,
        }
    }
}
