//! What is known about the jobs of one type.

use std::collections::{BTreeMap, BTreeSet};

use super::PollId;
use crate::model::{Millis, PartitionId};

/// First pause before a failed partition is asked again; it doubles up to [`MAX_PAUSE`].
const FIRST_PAUSE: Millis = Millis(100);
const MAX_PAUSE: Millis = Millis(5_000);

/// Jobs that can be asked for together.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct QueueKey {
    /// Job type. First, so that all queues of a type are neighbours.
    pub job_type: String,
    /// Tenants the jobs may belong to.
    pub tenant_ids: Vec<String>,
}

/// The time, and how long emptiness is believed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clock {
    pub(super) now: Millis,
    pub(super) probe: Millis,
}

/// When and in which epoch the question was sent that a partition answered with "no jobs".
#[derive(Clone, Copy, Debug)]
pub(super) struct Emptiness {
    pub(super) epoch: u64,
    pub(super) asked_at: Millis,
}

/// What is known about a partition.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Knowledge {
    /// Questions under way.
    pub(super) in_flight: u32,
    /// Its last answer left jobs behind: any number of polls may ask at once.
    pub(super) hot: bool,
    pub(super) empty: Option<Emptiness>,
    /// Not to be asked before this.
    pub(super) retry_at: Millis,
    /// Failures in a row.
    failures: u32,
    /// Whether the last failure was overload.
    exhausted: bool,
}

impl Knowledge {
    pub(super) fn failed(&mut self, exhausted: bool, now: Millis) {
        let doublings = self.failures.min(6);
        let pause = Millis(FIRST_PAUSE.0 << doublings).min(MAX_PAUSE);
        self.failures = self.failures.saturating_add(1);
        self.exhausted = exhausted;
        self.retry_at = now + pause;
        self.hot = false;
    }

    pub(super) fn answered(&mut self) {
        self.failures = 0;
        self.exhausted = false;
        self.retry_at = Millis(0);
    }

    pub(super) fn is_exhausted(&self) -> bool {
        self.failures > 0 && self.exhausted
    }
}

/// The polls and the knowledge of one queue.
#[derive(Debug, Default)]
pub(super) struct Queue {
    /// Advanced by every notification.
    pub(super) epoch: u64,
    pub(super) partitions: BTreeMap<PartitionId, Knowledge>,
    /// Waiting polls that take jobs, oldest first.
    pub(super) parked: BTreeSet<PollId>,
    /// Polls of any state.
    pub(super) polls: usize,
    /// Questions under way.
    pub(super) asks: usize,
    /// Where in the ring the next pass starts.
    pub(super) cursor: usize,
    /// Until then new polls ask for themselves, because jobs were found without a notification.
    pub(super) doubt_until: Millis,
    /// The entry in the scheduler's list of wake-ups.
    pub(super) wake_at: Option<Millis>,
    /// Last time a poll used it.
    pub(super) used_at: Millis,
}

impl Queue {
    pub(super) fn knowledge(&mut self, partition: PartitionId) -> &mut Knowledge {
        self.partitions.entry(partition).or_default()
    }

    /// Whether the partition is believed to have no jobs, by a question not older than `since`.
    pub(super) fn is_empty(&self, partition: PartitionId, since: Millis, clock: Clock) -> bool {
        let known = self.partitions.get(&partition).and_then(|known| known.empty);
        known.is_some_and(|e| {
            e.epoch == self.epoch && e.asked_at >= since && clock.now < e.asked_at + clock.probe
        })
    }

    /// Whether a poll that waits should ask the partition now.
    pub(super) fn is_askable(&self, partition: PartitionId, clock: Clock) -> bool {
        let known = self.partitions.get(&partition).copied().unwrap_or_default();
        (known.in_flight == 0 || known.hot)
            && known.retry_at <= clock.now
            && !self.is_empty(partition, Millis(i64::MIN), clock)
    }

    /// The partitions of one pass, from the cursor around.
    pub(super) fn next_pass(&mut self, ring: &[PartitionId]) -> Vec<PartitionId> {
        if ring.is_empty() {
            return Vec::new();
        }
        let start = self.cursor % ring.len();
        self.cursor = start + 1;
        let (before, after) = ring.split_at(start);
        after.iter().chain(before).copied().collect()
    }

    /// The next time a partition becomes worth asking without any input.
    pub(super) fn next_wake(&self, ring: &[PartitionId], probe: Millis) -> Option<Millis> {
        let times = ring.iter().filter_map(|partition| {
            let known = self.partitions.get(partition).filter(|known| known.in_flight == 0)?;
            let empty = known.empty.filter(|e| e.epoch == self.epoch);
            let believed_until = empty.map_or(Millis(i64::MIN), |e| e.asked_at + probe);
            Some(believed_until.max(known.retry_at))
        });
        times.min()
    }
}
