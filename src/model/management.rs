//! Operations on a running cluster, and what comes back: changing its brokers, pausing exporters,
//! backups, flow control (monitoring §5).
//!
//! What is serialised here has the JSON shape of the JVM gateway's management endpoints.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{BackupStatusCode, Key, MemberId, PartitionId};

/// What an operator asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ManagementOperation {
    /// Reads or changes the cluster configuration.
    Configuration(ConfigurationRequest),
    /// Sets what the exporters of all replicas do.
    Exporting(ExportingMode),
    /// Leaders that are not the preferred ones step down.
    Rebalance,
    /// Ends all processing of a process instance.
    BanInstance(Key),
    /// Reads the limits of each leader.
    FlowControl,
    /// Sets the limits of all replicas to this JSON, then reads those of each leader.
    SetFlowControl(String),
    /// Takes a backup.
    TakeBackup(i64),
    /// Reads the state of a backup.
    BackupStatus(i64),
    /// Reads the state of all backups.
    ListBackups,
    /// Deletes a backup.
    DeleteBackup(i64),
}

/// What exporters do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExportingMode {
    /// Export.
    Resumed,
    /// Neither export nor allow the log to be compacted.
    Paused,
    /// Export, but do not tell how far: the log is not compacted.
    SoftPaused,
}

/// A request to the broker that coordinates the cluster configuration (cluster-protocol §5.4).
/// With `dry_run` the change is planned but not begun.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the fields' names say it")]
pub enum ConfigurationRequest {
    /// Reads it.
    Query,
    /// Adds brokers without partitions.
    AddBrokers { brokers: Vec<MemberId>, dry_run: bool },
    /// Removes brokers that have no partitions.
    RemoveBrokers { brokers: Vec<MemberId>, dry_run: bool },
    /// Spreads the partitions over exactly these brokers.
    ScaleBrokers { brokers: Vec<MemberId>, replication_factor: Option<u32>, dry_run: bool },
    /// The same, without consent of the others, which may be dead.
    ForceScaleDown { brokers: Vec<MemberId>, replication_factor: Option<u32>, dry_run: bool },
    /// Makes a broker a replica of a partition.
    JoinPartition { broker: MemberId, partition: i32, priority: i32, dry_run: bool },
    /// Ends that.
    LeavePartition { broker: MemberId, partition: i32, dry_run: bool },
    /// Gives up the change in progress.
    CancelChange(i64),
    /// Changes the numbers that are given.
    ScaleCluster {
        brokers: Option<u32>,
        partitions: Option<u32>,
        replication_factor: Option<u32>,
        dry_run: bool,
    },
    /// Adds and removes brokers, and changes the numbers that are given.
    PatchCluster {
        add: Vec<MemberId>,
        remove: Vec<MemberId>,
        partitions: Option<u32>,
        replication_factor: Option<u32>,
        dry_run: bool,
    },
    /// Removes brokers without their consent.
    ForceRemoveBrokers { brokers: Vec<MemberId>, dry_run: bool },
    /// Stops an exporter on all partitions.
    DisableExporter { exporter: String, dry_run: bool },
    /// Starts one, from the position of another where that is given.
    EnableExporter { exporter: String, initialize_from: Option<String>, dry_run: bool },
}

impl ManagementOperation {
    /// Its name in logs.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Configuration(request) => request.name(),
            Self::Exporting(ExportingMode::Resumed) => "resume_exporting",
            Self::Exporting(ExportingMode::Paused) => "pause_exporting",
            Self::Exporting(ExportingMode::SoftPaused) => "soft_pause_exporting",
            Self::Rebalance => "rebalance",
            Self::BanInstance(_) => "ban_instance",
            Self::FlowControl => "flow_control",
            Self::SetFlowControl(_) => "set_flow_control",
            Self::TakeBackup(_) => "take_backup",
            Self::BackupStatus(_) => "backup_status",
            Self::ListBackups => "list_backups",
            Self::DeleteBackup(_) => "delete_backup",
        }
    }

    /// Whether it changes something.
    #[must_use]
    pub fn changes(&self) -> bool {
        !matches!(
            self,
            Self::Configuration(ConfigurationRequest::Query)
                | Self::FlowControl
                | Self::BackupStatus(_)
                | Self::ListBackups
        )
    }
}

impl ConfigurationRequest {
    /// Its name in logs.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Query => "cluster_configuration",
            Self::AddBrokers { .. } => "add_brokers",
            Self::RemoveBrokers { .. } => "remove_brokers",
            Self::ScaleBrokers { .. } => "scale_brokers",
            Self::ForceScaleDown { .. } => "force_scale_down",
            Self::JoinPartition { .. } => "join_partition",
            Self::LeavePartition { .. } => "leave_partition",
            Self::CancelChange(_) => "cancel_change",
            Self::ScaleCluster { .. } => "scale_cluster",
            Self::PatchCluster { .. } => "patch_cluster",
            Self::ForceRemoveBrokers { .. } => "force_remove_brokers",
            Self::DisableExporter { .. } => "disable_exporter",
            Self::EnableExporter { .. } => "enable_exporter",
        }
    }
}

/// What an operation resulted in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ManagementOutcome {
    /// It is done; there is nothing to tell.
    Done,
    /// The cluster configuration.
    Configuration(ClusterConfiguration),
    /// The change that was planned and, without dry run, begun.
    Change(PlannedChange),
    /// The limits of each partition's leader, as the JSON it sent.
    FlowControl(BTreeMap<PartitionId, String>),
    /// The state of a backup.
    Backup(Backup),
    /// The state of all backups, by id.
    Backups(Vec<Backup>),
}

/// The cluster configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ClusterConfiguration {
    /// Grows with each finished change.
    pub version: i64,
    /// Brokers, by number.
    pub brokers: Vec<ConfiguredBroker>,
    /// The last finished change.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_change: Option<FinishedChange>,
    /// The change in progress.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pending_change: Option<PendingChange>,
    /// How messages and instances are spread over partitions.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub routing: Option<Routing>,
}

/// A broker in the configuration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ConfiguredBroker {
    /// Its number.
    pub id: i32,
    /// How far it has joined or left: `ACTIVE`, `JOINING`, `LEAVING`, `LEFT`, `UNKNOWN`.
    pub state: &'static str,
    /// Grows with each change of the broker.
    pub version: i64,
    /// When it last changed, ISO 8601.
    pub last_updated_at: String,
    /// Its replicas, by partition.
    pub partitions: Vec<ConfiguredPartition>,
}

/// A broker's replica of a partition.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ConfiguredPartition {
    /// The partition.
    pub id: i32,
    /// How far it has joined or left.
    pub state: &'static str,
    /// Priority in leader elections.
    pub priority: i32,
    /// Its configuration.
    pub config: PartitionConfiguration,
}

/// The configuration of a replica.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct PartitionConfiguration {
    /// Its exporters.
    pub exporting: Exporting,
}

/// The exporters of a replica.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Exporting {
    /// By id.
    pub exporters: Vec<Exporter>,
}

/// An exporter of a replica.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Exporter {
    /// Its id.
    pub id: String,
    /// `ENABLED`, `DISABLED` or `UNKNOWN`.
    pub state: &'static str,
}

/// A change that ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct FinishedChange {
    /// Its number.
    pub id: i64,
    /// `COMPLETED`, `FAILED`, `CANCELLED` or `UNKNOWN`.
    pub status: &'static str,
    /// ISO 8601.
    pub started_at: String,
    /// ISO 8601.
    pub completed_at: String,
}

/// A change in progress.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PendingChange {
    /// Its number.
    pub id: i64,
    /// `IN_PROGRESS`, and those of [`FinishedChange`].
    pub status: &'static str,
    /// Steps that are done.
    pub completed: Vec<ChangeStep>,
    /// Steps to do, in order.
    pub pending: Vec<ChangeStep>,
}

/// A step of a change.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ChangeStep {
    /// What is done: `PARTITION_JOIN` and others; `UNKNOWN` for what this version does not know.
    pub operation: &'static str,
    /// The broker that does it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub broker_id: Option<i32>,
    /// The partition.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub partition_id: Option<i32>,
    /// The new priority.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub priority: Option<i32>,
    /// The replicas that remain after a forced change, or the broker that is removed by force.
    pub brokers: Vec<i32>,
    /// The exporter.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exporter_id: Option<String>,
    /// When it was done, ISO 8601.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub completed_at: Option<String>,
}

/// How messages and instances are spread over partitions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Routing {
    /// Grows with each change.
    pub version: i64,
    /// Partitions that take commands without a key.
    pub active_partitions: Vec<i32>,
    /// How a message finds its partition.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message_correlation: Option<MessageCorrelation>,
}

/// How a message finds its partition.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct MessageCorrelation {
    /// `HashMod`: by hash of the correlation key.
    pub strategy: &'static str,
    /// Modulo this.
    pub partition_count: i32,
}

/// A change of the configuration that a broker planned.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PlannedChange {
    /// Its number; 0 where nothing is to do.
    pub change_id: i64,
    /// Brokers before it.
    pub current_topology: Vec<ConfiguredBroker>,
    /// Its steps.
    pub planned_changes: Vec<ChangeStep>,
    /// Brokers after it.
    pub expected_topology: Vec<ConfiguredBroker>,
}

/// State of a backup over all partitions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum BackupState {
    /// No partition has it.
    DoesNotExist,
    /// Some partitions have it.
    Incomplete,
    /// It is being taken.
    InProgress,
    /// All partitions have it.
    Completed,
    /// It failed on some partition.
    Failed,
}

/// A backup over all partitions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Backup {
    /// Its id.
    pub backup_id: i64,
    /// Its state.
    pub state: BackupState,
    /// Why it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure_reason: Option<String>,
    /// By partition.
    pub details: Vec<PartitionBackup>,
}

/// A backup on one partition.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PartitionBackup {
    /// The partition.
    pub partition_id: PartitionId,
    /// Its state.
    #[serde(serialize_with = "by_name")]
    pub state: BackupStatusCode,
    /// Why it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure_reason: Option<String>,
    /// ISO 8601.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created_at: Option<String>,
    /// ISO 8601.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_updated_at: Option<String>,
    /// The snapshot it begins with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub snapshot_id: Option<String>,
    /// Log position of its checkpoint.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub checkpoint_position: Option<i64>,
    /// The broker that took it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub broker_id: Option<u16>,
    /// That broker's version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub broker_version: Option<String>,
}

fn by_name<S: serde::Serializer>(code: &BackupStatusCode, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(code.name())
}
