//! Why a management operation has no result.

use crate::model::{ErrorCode, MemberId, PartitionId};

/// Kind of a refusal by the broker that coordinates the cluster configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The request makes no sense.
    Invalid,
    /// It is not possible as the cluster is now.
    NotAllowed,
    /// Another change is in progress.
    Concurrent,
    /// The broker failed, or gave a reason that this version does not know.
    Internal,
}

/// Why a management operation has no result. Texts of brokers are passed on as they are.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ManagementError {
    /// Not all partitions and replicas are known, and the operation needs all; nothing was sent.
    #[error("Topology is not complete: {0}")]
    IncompleteTopology(String),
    /// The key belongs to no partition of the cluster; nothing was sent.
    #[error("Expected a key of a partition of the cluster, but {0} belongs to none")]
    UnknownPartition(i64),
    /// The broker that coordinates the configuration is not a member now; nothing was sent.
    #[error("Broker {0} coordinates the cluster configuration, but is not a member of the cluster")]
    UnknownMember(MemberId),
    /// The partition has no leader now; nothing was sent to it.
    #[error("Partition {0} has no leader")]
    NoLeader(PartitionId),
    /// The broker is not known now; nothing was sent to it.
    #[error("Broker {broker} of partition {partition} is not known")]
    NoBroker {
        /// The partition.
        partition: PartitionId,
        /// The broker, by number.
        broker: i32,
    },
    /// No connection, or the broker has no handler: it did nothing.
    #[error("{0}")]
    Unreachable(String),
    /// No answer in time; the broker may have done it.
    #[error("Request from gateway to broker timed out. {0}")]
    Timeout(String),
    /// The connection broke, or the broker's handler failed; it may have done it.
    #[error("{0}")]
    Failed(String),
    /// The coordinator refused the request.
    #[error("{message}")]
    Refused {
        /// Why, for programs.
        refusal: Refusal,
        /// Why, in its words.
        message: String,
    },
    /// A partition answered with an error.
    #[error("{message}")]
    Broker {
        /// Its code.
        code: ErrorCode,
        /// Its text.
        message: String,
    },
    /// Backups must have growing ids.
    #[error(
        "Requested backup has id {requested}. The latest backup has id {newest}. Id of new backups \
         must be higher than the previous one."
    )]
    BackupExists {
        /// The id asked for.
        requested: i64,
        /// The highest id.
        newest: i64,
    },
    /// No partition has the backup.
    #[error("Backup with id {0} does not exist")]
    NoBackup(i64),
    /// The answer cannot be read.
    #[error("Unreadable answer: {0}")]
    Unreadable(String),
    /// As many operations as are allowed at a time are running; nothing was sent.
    #[error("{0} management operations are running; try again when one of them has ended")]
    Busy(usize),
    /// The gateway stops, or the operation's actor failed; it may have been done.
    #[error("The operation was interrupted: the gateway stops or had to restart the operation")]
    Interrupted,
}
