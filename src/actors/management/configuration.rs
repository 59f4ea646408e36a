//! Requests about the cluster configuration, and its messages as plain data
//! (cluster-protocol §5.3, §5.4; monitoring §5.1).

use std::collections::BTreeMap;

use bytes::Bytes;
use prost::Message as _;

use crate::model::MemberId;
use crate::model::management::{
    ChangeStep, ClusterConfiguration, ConfigurationRequest, ConfiguredBroker, ConfiguredPartition,
    Exporter, Exporting, FinishedChange, ManagementOutcome, MessageCorrelation,
    PartitionConfiguration, PendingChange, PlannedChange, Routing,
};
use crate::routing::management::{ManagementError, Refusal};
use crate::wire::configuration::{
    self as wire, ChangeStatus, ClusterTopology, ExporterStatus, MemberState, Operation,
    PartitionState, RequestErrorCode, State, Timestamp, TopologyChangeResponse,
    message_correlation::Correlation, operation::Step, response, subject,
};

/// How the JVM gateway writes the time of what never happened.
const NEVER: &str = "0000-01-01T00:00:00Z";

/// Subject and payload of a request.
pub(super) fn request(request: &ConfigurationRequest) -> (String, Bytes) {
    use ConfigurationRequest as R;
    let (subject, payload) = match request.clone() {
        R::Query => (subject::QUERY, Vec::new()),
        R::AddBrokers { brokers, dry_run } => (subject::MEMBER_ADD, members(&brokers, dry_run)),
        R::RemoveBrokers { brokers, dry_run } => {
            (subject::MEMBER_REMOVE, members(&brokers, dry_run))
        }
        R::ScaleBrokers { brokers, replication_factor, dry_run } => {
            (subject::MEMBER_SCALE, scale(&brokers, replication_factor, dry_run))
        }
        R::ForceScaleDown { brokers, replication_factor, dry_run } => {
            (subject::FORCE_SCALE_DOWN, scale(&brokers, replication_factor, dry_run))
        }
        R::JoinPartition { broker, partition: partition_id, priority, dry_run } => {
            let member_id = broker.to_string();
            let join = wire::JoinPartitionRequest { member_id, partition_id, priority, dry_run };
            (subject::PARTITION_JOIN, join.encode_to_vec())
        }
        R::LeavePartition { broker, partition: partition_id, dry_run } => {
            let member_id = broker.to_string();
            let leave = wire::LeavePartitionRequest { member_id, partition_id, dry_run };
            (subject::PARTITION_LEAVE, leave.encode_to_vec())
        }
        R::CancelChange(change_id) => {
            (subject::CHANGE_CANCEL, wire::CancelChangeRequest { change_id }.encode_to_vec())
        }
        R::ScaleCluster { brokers, partitions, replication_factor, dry_run } => {
            let scale = wire::ClusterScaleRequest {
                new_cluster_size: brokers,
                new_partition_count: partitions,
                new_replication_factor: replication_factor,
                dry_run,
            };
            (subject::CLUSTER_SCALE, scale.encode_to_vec())
        }
        R::PatchCluster { add, remove, partitions, replication_factor, dry_run } => {
            let patch = wire::ClusterPatchRequest {
                members_to_add: texts(&add),
                members_to_remove: texts(&remove),
                new_partition_count: partitions,
                new_replication_factor: replication_factor,
                dry_run,
            };
            (subject::CLUSTER_PATCH, patch.encode_to_vec())
        }
        R::ForceRemoveBrokers { brokers, dry_run } => {
            let remove = wire::ForceRemoveRequest { members_to_remove: texts(&brokers), dry_run };
            (subject::BROKER_FORCE_REMOVE, remove.encode_to_vec())
        }
        R::DisableExporter { exporter: exporter_id, dry_run } => {
            let disable = wire::DisableExporterRequest { exporter_id, dry_run };
            (subject::EXPORTER_DISABLE, disable.encode_to_vec())
        }
        R::EnableExporter { exporter: exporter_id, initialize_from, dry_run } => {
            let enable = wire::EnableExporterRequest { exporter_id, initialize_from, dry_run };
            (subject::EXPORTER_ENABLE, enable.encode_to_vec())
        }
    };
    (subject.to_owned(), payload.into())
}

/// What the coordinator answered.
pub(super) fn response(payload: &Bytes) -> Result<ManagementOutcome, ManagementError> {
    let unreadable = |cause: String| ManagementError::Unreadable(cause);
    let answer =
        wire::Response::decode(payload.clone()).map_err(|error| unreadable(error.to_string()))?;
    match answer.response {
        Some(response::Response::ClusterTopology(topology)) => {
            configuration(&topology).map(ManagementOutcome::Configuration)
        }
        Some(response::Response::TopologyChangeResponse(change)) => {
            planned(&change).map(ManagementOutcome::Change)
        }
        Some(response::Response::Error(error)) => {
            let refusal = match RequestErrorCode::try_from(error.error_code) {
                Ok(RequestErrorCode::InvalidRequest) => Refusal::Invalid,
                Ok(RequestErrorCode::OperationNotAllowed) => Refusal::NotAllowed,
                Ok(RequestErrorCode::ConcurrentModification) => Refusal::Concurrent,
                Ok(RequestErrorCode::InternalError) | Err(_) => Refusal::Internal,
            };
            Err(ManagementError::Refused { refusal, message: error.error_message })
        }
        None => Err(unreadable("the answer is of an unknown kind".to_owned())),
    }
}

fn members(brokers: &[MemberId], dry_run: bool) -> Vec<u8> {
    wire::MembersRequest { member_ids: texts(brokers), dry_run }.encode_to_vec()
}

fn scale(brokers: &[MemberId], replication_factor: Option<u32>, dry_run: bool) -> Vec<u8> {
    let new_replication_factor = replication_factor;
    let member_ids = texts(brokers);
    wire::MemberScaleRequest { member_ids, dry_run, new_replication_factor }.encode_to_vec()
}

fn texts(brokers: &[MemberId]) -> Vec<String> {
    brokers.iter().map(ToString::to_string).collect()
}

fn planned(change: &TopologyChangeResponse) -> Result<PlannedChange, ManagementError> {
    Ok(PlannedChange {
        change_id: change.change_id,
        current_topology: brokers(&change.current_topology)?,
        planned_changes: change.planned_changes.iter().map(step).collect::<Result<_, _>>()?,
        expected_topology: brokers(&change.expected_topology)?,
    })
}

fn configuration(topology: &ClusterTopology) -> Result<ClusterConfiguration, ManagementError> {
    let last_change = topology.last_change.as_ref().map(|change| FinishedChange {
        id: change.id,
        status: status(change.status()),
        started_at: time(change.started_at.as_ref()),
        completed_at: time(change.completed_at.as_ref()),
    });
    let pending_change = topology.current_change.as_ref().map(pending).transpose()?;
    let routing = topology.routing_state.as_ref().map(|routing| {
        let correlation = routing.message_correlation.as_ref();
        let correlation = correlation.and_then(|correlation| correlation.correlation.as_ref());
        Routing {
            version: routing.version,
            active_partitions: routing.active_partitions.clone(),
            message_correlation: correlation.map(|Correlation::HashMod(hash_mod)| {
                let partition_count = hash_mod.partition_count;
                MessageCorrelation { strategy: "HashMod", partition_count }
            }),
        }
    });
    Ok(ClusterConfiguration {
        version: topology.version,
        brokers: brokers(&topology.members)?,
        last_change,
        pending_change,
        routing,
    })
}

fn pending(plan: &wire::ClusterChangePlan) -> Result<PendingChange, ManagementError> {
    let completed = plan.completed_operations.iter().map(|done| {
        let operation = done.operation.as_ref();
        let operation = operation.map_or_else(|| Ok(unknown_step()), step)?;
        let completed_at = Some(time(done.completed_at.as_ref()));
        Ok(ChangeStep { completed_at, ..operation })
    });
    Ok(PendingChange {
        id: plan.id,
        status: status(plan.status()),
        completed: completed.collect::<Result<_, ManagementError>>()?,
        pending: plan.pending_operations.iter().map(step).collect::<Result<_, _>>()?,
    })
}

fn brokers(
    members: &BTreeMap<String, MemberState>,
) -> Result<Vec<ConfiguredBroker>, ManagementError> {
    let broker = |(id, member): (&String, &MemberState)| {
        Ok(ConfiguredBroker {
            id: number(id)?,
            state: state(member.state()),
            version: member.version,
            last_updated_at: time(member.last_updated.as_ref()),
            partitions: member.partitions.iter().map(|(id, it)| replica(*id, it)).collect(),
        })
    };
    let mut brokers: Vec<_> = members.iter().map(broker).collect::<Result<_, ManagementError>>()?;
    brokers.sort_by_key(|broker| broker.id);
    Ok(brokers)
}

fn replica(id: i32, replica: &PartitionState) -> ConfiguredPartition {
    let config = replica.config.as_ref().and_then(|config| config.exporting.as_ref());
    let exporters = config.into_iter().flat_map(|exporting| &exporting.exporters);
    let exporters = exporters.map(|(id, exporter)| Exporter {
        id: id.clone(),
        state: match exporter.state() {
            ExporterStatus::ExporterEnabled => "ENABLED",
            ExporterStatus::ExporterDisabled => "DISABLED",
            ExporterStatus::ExporterUnknown => "UNKNOWN",
        },
    });
    ConfiguredPartition {
        id,
        state: state(replica.state()),
        priority: replica.priority,
        config: PartitionConfiguration { exporting: Exporting { exporters: exporters.collect() } },
    }
}

/// A step as the JVM gateway shows it.
fn step(operation: &Operation) -> Result<ChangeStep, ManagementError> {
    let Some(kind) = &operation.step else { return Ok(unknown_step()) };
    let by = Some(number(&operation.member_id)?);
    let shown = |operation, partition_id| ChangeStep {
        operation,
        broker_id: by,
        partition_id,
        ..ChangeStep::default()
    };
    Ok(match kind {
        Step::MemberJoin(_) => shown("BROKER_ADD", None),
        Step::MemberLeave(_) => shown("BROKER_REMOVE", None),
        Step::MemberRemove(remove) => {
            let removed = vec![number(&remove.member_to_remove)?];
            ChangeStep { brokers: removed, ..shown("BROKER_REMOVE", None) }
        }
        Step::PartitionJoin(join) => {
            let shown = shown("PARTITION_JOIN", Some(join.partition_id));
            ChangeStep { priority: Some(join.priority), ..shown }
        }
        Step::PartitionLeave(leave) => shown("PARTITION_LEAVE", Some(leave.partition_id)),
        Step::PartitionReconfigurePriority(change) => {
            let shown = shown("PARTITION_RECONFIGURE_PRIORITY", Some(change.partition_id));
            ChangeStep { priority: Some(change.priority), ..shown }
        }
        Step::PartitionForceReconfigure(force) => {
            let remain = force.members.iter().map(|id| number(id)).collect::<Result<_, _>>()?;
            let shown = shown("PARTITION_FORCE_RECONFIGURE", Some(force.partition_id));
            ChangeStep { brokers: remain, ..shown }
        }
        Step::PartitionDisableExporter(disable) => {
            let shown = shown("PARTITION_DISABLE_EXPORTER", Some(disable.partition_id));
            ChangeStep { exporter_id: Some(disable.exporter_id.clone()), ..shown }
        }
        Step::PartitionEnableExporter(enable) => {
            let shown = shown("PARTITION_ENABLE_EXPORTER", Some(enable.partition_id));
            ChangeStep { exporter_id: Some(enable.exporter_id.clone()), ..shown }
        }
        // The JVM gateway has no word for it.
        Step::PartitionBootstrap(_) => unknown_step(),
    })
}

fn unknown_step() -> ChangeStep {
    ChangeStep { operation: "UNKNOWN", ..ChangeStep::default() }
}

fn number(id: &str) -> Result<i32, ManagementError> {
    let unreadable = |_| ManagementError::Unreadable(format!("broker id '{id}' is no number"));
    id.parse().map_err(unreadable)
}

fn state(state: State) -> &'static str {
    match state {
        State::Unknown => "UNKNOWN",
        State::Joining => "JOINING",
        State::Active => "ACTIVE",
        State::Leaving => "LEAVING",
        State::Left => "LEFT",
        State::Bootstrapping => "BOOTSTRAPPING",
    }
}

fn status(status: ChangeStatus) -> &'static str {
    match status {
        ChangeStatus::ChangeUnknown => "UNKNOWN",
        ChangeStatus::ChangeInProgress => "IN_PROGRESS",
        ChangeStatus::ChangeCompleted => "COMPLETED",
        ChangeStatus::ChangeFailed => "FAILED",
        ChangeStatus::ChangeCancelled => "CANCELLED",
    }
}

fn time(time: Option<&Timestamp>) -> String {
    let time = time.and_then(|time| jiff::Timestamp::new(time.seconds, time.nanos).ok());
    time.map_or_else(|| NEVER.to_owned(), |time| time.to_string())
}
