//! Handing out keys.

use crate::model::{Key, PartitionId};

/// Generates the keys of one partition: its number in the upper bits, a counter below
/// (command-api §3.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Keys {
    partition: PartitionId,
    next: u64,
}

impl Keys {
    /// A generator whose first key has counter 1.
    #[must_use]
    pub fn new(partition: PartitionId) -> Self {
        Self { partition, next: 1 }
    }

    /// The counter of the next key.
    #[must_use]
    pub fn next_counter(&self) -> u64 {
        self.next
    }

    /// The key with this counter.
    #[must_use]
    pub fn key(&self, counter: u64) -> Key {
        Key::new(self.partition, counter)
    }

    /// Notes that `key` exists, so that it is not handed out again. Other partitions' keys are
    /// none of this generator's business.
    pub fn used(&mut self, key: Key) {
        if key.partition_number() == i64::from(self.partition.0) {
            self.next = self.next.max(key.counter() + 1);
        }
    }
}
