//! What the engines of different partitions say to each other.
//!
//! Commands to one peer are numbered from 1 and executed by it in that order, each exactly once:
//! the sender keeps a command until it is acknowledged and sends it again after a while; the
//! receiver acknowledges what it has seen already and ignores what comes too early. So a shell may
//! lose, repeat and reorder these messages.

use bytes::Bytes;

use crate::model::PartitionId;

/// One message between partitions.
#[derive(Clone, Debug, PartialEq)]
pub enum PartitionMessage {
    /// Something to do.
    Command {
        /// Its number among the sender's commands to this receiver.
        sequence: u64,
        /// What to do.
        command: RemoteCommand,
    },
    /// Everything up to this number was done.
    Acknowledge {
        /// The number of the last command done.
        through: u64,
    },
}

/// Something one partition asks of another.
#[derive(Clone, Debug, PartialEq)]
pub enum RemoteCommand {
    /// Take over a deployment.
    Deploy(Bytes),
}

/// The partition that holds the subscriptions of a correlation key (command-api §3.3).
#[must_use]
pub fn partition_of_correlation_key(key: &str, partitions: u16) -> PartitionId {
    let hash = key
        .bytes()
        .fold(0_i32, |hash, byte| hash.wrapping_mul(31).wrapping_add(i32::from(byte as i8)));
    let remainder = hash % i32::from(partitions.max(1));
    PartitionId(remainder.unsigned_abs() as u16 + 1)
}
