//! A poll, and a question asked for it.

use std::collections::VecDeque;

use super::{PollId, QueueKey, Wait};
use crate::model::{Millis, PartitionId};

/// Partitions asked at the same time for one poll.
pub(super) const FAN_OUT: u32 = 3;

/// A poll of any state.
#[derive(Debug)]
pub(super) struct Poll {
    pub(super) queue: QueueKey,
    pub(super) terms: u64,
    pub(super) wait: Wait,
    /// Jobs it still takes, beside those that are being handed to its client.
    pub(super) remaining: i32,
    /// Jobs asked for in questions under way.
    pub(super) asked_for: i32,
    pub(super) delivered: usize,
    /// Questions under way for it.
    pub(super) asks: u32,
    /// Deliveries that its client did not take yet; until then nothing more is asked.
    pub(super) handing: u32,
    /// Partitions of this pass not yet asked.
    pub(super) todo: VecDeque<PartitionId>,
    /// Emptiness learnt by older questions does not count for it.
    pub(super) since: Millis,
    pub(super) deadline: Option<Millis>,
    /// Its time ran out while it was asking or delivering.
    pub(super) expired: bool,
    /// Whether the partition that failed last in this pass was overloaded.
    pub(super) exhausted: bool,
    pub(super) empty_truncations: u32,
}

impl Poll {
    /// Whether it only waits: for a partition worth asking, or for its time to be up.
    pub(super) fn is_parked(&self) -> bool {
        self.asks == 0 && self.handing == 0
    }

    /// How many jobs the next question may ask for, so that the partitions after it get their share;
    /// 0 when it has to wait.
    pub(super) fn share(&self) -> i32 {
        let free = self.remaining - self.asked_for;
        if self.handing > 0 || self.asks >= FAN_OUT || free <= 0 {
            return 0;
        }
        let others = u32::try_from(self.todo.len()).unwrap_or(u32::MAX);
        let parts = (FAN_OUT - self.asks).min(others.saturating_add(1)).max(1);
        let parts = i32::try_from(parts).unwrap_or(1);
        // Rounded up without overflow: `free` may be the largest number there is.
        free / parts + i32::from(free % parts != 0)
    }

    /// Room for jobs of an answer.
    pub(super) fn room(&self) -> usize {
        usize::try_from(self.remaining).unwrap_or(0)
    }

    /// Promises jobs to its client.
    pub(super) fn promise(&mut self, count: usize) {
        self.handing += 1;
        self.remaining = self.remaining.saturating_sub(i32::try_from(count).unwrap_or(i32::MAX));
    }
}

/// A question under way.
#[derive(Debug)]
pub(super) struct Ask {
    pub(super) queue: QueueKey,
    pub(super) poll: PollId,
    pub(super) terms: u64,
    pub(super) partition: PartitionId,
    pub(super) max_jobs: i32,
    pub(super) epoch: u64,
    pub(super) at: Millis,
    /// Its poll does not wait for it any more; jobs are still welcome.
    pub(super) overdue: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn poll(remaining: i32, asked_for: i32, asks: u32, todo: u16) -> Poll {
        Poll {
            queue: QueueKey { job_type: String::new(), tenant_ids: Vec::new() },
            terms: 0,
            wait: Wait::Never,
            remaining,
            asked_for,
            delivered: 0,
            asks,
            handing: 0,
            todo: (1..=todo).map(PartitionId).collect(),
            since: Millis(0),
            deadline: None,
            expired: false,
            exhausted: false,
            empty_truncations: 0,
        }
    }

    #[test]
    fn partitions_share_what_is_wanted() {
        assert_eq!(poll(32, 0, 0, 2).share(), 11, "three partitions");
        assert_eq!(poll(32, 11, 1, 1).share(), 11);
        assert_eq!(poll(32, 22, 2, 0).share(), 10);
        assert_eq!(poll(32, 0, 0, 0).share(), 32, "one partition");
        assert_eq!(poll(32, 0, 0, 50).share(), 11, "no more than the fan-out");
        assert_eq!(poll(1, 0, 0, 2).share(), 1);
        assert_eq!(poll(1, 1, 1, 1).share(), 0, "all is asked for");
        assert_eq!(poll(32, 0, FAN_OUT, 1).share(), 0);
        assert_eq!(poll(i32::MAX, 0, 0, 2).share(), i32::MAX / 3 + 1);
    }
}
