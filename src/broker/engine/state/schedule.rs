//! What becomes due when.

use std::collections::BTreeSet;

use crate::model::{Key, Millis, PartitionId};

/// Something that time brings about. Ordered, so that what is due at one time fires in one order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Due {
    /// A worker held a job too long.
    JobTimeout(Key),
    /// A failed job's back-off is over.
    JobBackoff(Key),
    /// A timer fires.
    Timer(Key),
    /// A buffered message expires.
    MessageExpiry(Key),
    /// A partition has not acknowledged what was sent to it.
    Resend(PartitionId),
}

/// Everything that waits for time to pass.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Schedule {
    entries: BTreeSet<(Millis, Due)>,
}

impl Schedule {
    /// Adds an entry.
    pub fn add(&mut self, at: Millis, due: Due) {
        self.entries.insert((at, due));
    }

    /// Removes an entry, if it is there.
    pub fn remove(&mut self, at: Millis, due: Due) {
        self.entries.remove(&(at, due));
    }

    /// The earliest time at which something is due.
    #[must_use]
    pub fn next(&self) -> Option<Millis> {
        self.entries.first().map(|(at, _)| *at)
    }

    /// What is due at `now`, oldest first, at most `limit` entries.
    #[must_use]
    pub fn due(&self, now: Millis, limit: usize) -> Vec<Due> {
        let until_now = self.entries.iter().take_while(|(at, _)| *at <= now);
        until_now.take(limit).map(|(_, due)| *due).collect()
    }
}
