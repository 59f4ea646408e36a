//! Values that every module speaks: identifiers, protocol enums, commands, the cluster view.
//!
//! Plain data. Nothing here does IO, reads a clock or knows a byte layout.

pub mod actor;
pub mod cluster;
pub mod command;
pub mod ids;
pub mod intent;
pub mod jobs;
pub mod management;
pub mod protocol;
pub mod time;

pub use actor::{ActorSnapshot, ActorState, RestartCounts};
pub use cluster::{BrokerView, ClusterView, MemberState, MemberView, PartitionView, ReplicaView};
pub use command::{Command, CommandKind, Reply, Route};
pub use ids::{BrokerId, Key, MemberId, PartitionId};
pub use jobs::{ActivateJobs, Frontend, StreamJobs};
pub use protocol::{
    AdminRequestType, BackupRequestType, BackupStatusCode, ErrorCode, PartitionHealth,
    PartitionRole, RecordType, RejectionType, StreamErrorCode, ValueType,
};
pub use time::Millis;

/// Name of the tenant that exists without multi-tenancy (command-api §2.6).
pub const DEFAULT_TENANT: &str = "<default>";
