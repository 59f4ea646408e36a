//! Identifiers, each a type of its own so that two of them cannot be swapped.

use std::fmt;
use std::sync::Arc;

use serde::Serialize;

/// Number of a partition, counted from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct PartitionId(pub u16);

impl PartitionId {
    /// The partition that takes every deployment (command-api §3.2).
    pub const DEPLOYMENT: PartitionId = PartitionId(1);
}

impl fmt::Display for PartitionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Key of an entity: the partition in the upper 13 bits, a counter in the lower 51 (command-api §3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct Key(pub i64);

impl Key {
    /// "No key": what a command carries that addresses no existing entity.
    pub const NONE: Key = Key(-1);

    const COUNTER_BITS: u32 = 51;

    /// The key of `partition` with the given counter; bits of `counter` above 51 are dropped.
    #[must_use]
    pub const fn new(partition: PartitionId, counter: u64) -> Key {
        let local = counter & ((1 << Self::COUNTER_BITS) - 1);
        Key(((partition.0 as i64) << Self::COUNTER_BITS) | local as i64)
    }

    /// The partition number in the key, by arithmetic shift: small keys give 0, negative keys a
    /// negative number. Whether such a partition exists is for the router to say.
    #[must_use]
    pub const fn partition_number(self) -> i64 {
        self.0 >> Self::COUNTER_BITS
    }

    /// The counter within the partition.
    #[must_use]
    pub const fn counter(self) -> u64 {
        (self.0 as u64) & ((1 << Self::COUNTER_BITS) - 1)
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Node id of a broker, as in its member id `"0"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct BrokerId(pub i32);

impl fmt::Display for BrokerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Identity of a cluster member in gossip; a broker's is its node id in decimal.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MemberId(pub Arc<str>);

impl MemberId {
    /// A member id with this text.
    #[must_use]
    pub fn new(id: impl Into<Arc<str>>) -> Self {
        Self(id.into())
    }

    /// The id's text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for MemberId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Serialize for MemberId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}
