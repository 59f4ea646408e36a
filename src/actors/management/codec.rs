//! Management operations as requests to brokers, and their answers (command-api §1.2, §8;
//! cluster-protocol §5.4).

use bytes::{Bytes, BytesMut};
use serde_json::value::RawValue;

use super::configuration;
use crate::model::management::{ExportingMode, ManagementOperation, PartitionBackup};
use crate::model::{
    AdminRequestType, BackupRequestType, BackupStatusCode, Key, PartitionId, RecordType, ValueType,
    intent,
};
use crate::net::RequestError;
use crate::routing::management::{Answer, Destination, ManagementError, Target};
use crate::wire::DecodeError;
use crate::wire::record::{CheckpointRecord, Record as _};
use crate::wire::sbe::admin::{AdminRequest, AdminResponse};
use crate::wire::sbe::backup::{BackupListResponse, BackupRequest, BackupStatusResponse};
use crate::wire::sbe::{ExecuteCommandResponse, Message, Reply};

/// What a request for the list has for an id.
const NO_BACKUP: i64 = -1;

/// Subject and payload of the request to one target.
pub(super) fn request(
    operation: &ManagementOperation,
    target: &Target,
    to: &Destination,
) -> (String, Bytes) {
    let partition = partition(target);
    let backup = |kind, backup_id| {
        // The empty pattern is what brokers from 8.8 read; older ones ignore it.
        let request = BackupRequest { partition: partition.0, kind, backup_id, pattern: true };
        (format!("backup-api-{partition}"), encode(&request))
    };
    // Orders to leaders name no broker, all others the one they go to (command-api §8).
    let broker = to.broker.and_then(|broker| u16::try_from(broker.0).ok());
    let admin = |kind, broker, key: Key, payload| {
        let request = AdminRequest { partition: partition.0, kind, broker, key: key.0, payload };
        (format!("admin-api-{partition}"), encode(&request))
    };
    let plain = |kind, broker| admin(kind, broker, Key::NONE, Bytes::new());
    match operation {
        ManagementOperation::Configuration(request) => configuration::request(request),
        ManagementOperation::Exporting(mode) => plain(exporting(*mode), broker),
        ManagementOperation::Rebalance => plain(AdminRequestType::StepDownIfNotPrimary, None),
        ManagementOperation::BanInstance(key) => {
            admin(AdminRequestType::BanInstance, None, *key, Bytes::new())
        }
        ManagementOperation::FlowControl => plain(AdminRequestType::GetFlowControl, broker),
        ManagementOperation::SetFlowControl(json) => {
            let payload = Bytes::copy_from_slice(json.as_bytes());
            admin(AdminRequestType::SetFlowControl, broker, Key::NONE, payload)
        }
        ManagementOperation::TakeBackup(id) => backup(BackupRequestType::TakeBackup, *id),
        ManagementOperation::BackupStatus(id) => backup(BackupRequestType::QueryStatus, *id),
        ManagementOperation::ListBackups => backup(BackupRequestType::List, NO_BACKUP),
        ManagementOperation::DeleteBackup(id) => backup(BackupRequestType::Delete, *id),
    }
}

/// What a target answered.
pub(super) fn answer(
    operation: &ManagementOperation,
    target: &Target,
    payload: &Bytes,
) -> Result<Answer, ManagementError> {
    match operation {
        ManagementOperation::Configuration(_) => {
            configuration::response(payload).map(Box::new).map(Answer::Outcome)
        }
        ManagementOperation::FlowControl => {
            let AdminResponse { payload } = read(payload)?;
            // The broker's own text, so that nothing in it is lost.
            let json: Box<RawValue> = serde_json::from_slice(&payload).map_err(unreadable)?;
            Ok(Answer::FlowControl(json.get().to_owned()))
        }
        ManagementOperation::Exporting(_)
        | ManagementOperation::Rebalance
        | ManagementOperation::BanInstance(_)
        | ManagementOperation::SetFlowControl(_) => {
            read::<AdminResponse>(payload).map(|_| Answer::Done)
        }
        ManagementOperation::TakeBackup(_) => checkpoint(&read(payload)?),
        ManagementOperation::BackupStatus(_) => {
            let status: BackupStatusResponse = read(payload)?;
            Ok(Answer::Backups(vec![(status.backup_id, detail(partition(target), status))]))
        }
        ManagementOperation::DeleteBackup(_) => {
            read::<BackupStatusResponse>(payload).map(|_| Answer::Done)
        }
        ManagementOperation::ListBackups => {
            let list: BackupListResponse = read(payload)?;
            let entries = list.backups.into_iter().map(|entry| {
                let detail = PartitionBackup {
                    partition_id: PartitionId(entry.partition),
                    state: entry.status,
                    failure_reason: said(entry.failure_reason),
                    created_at: said(entry.created_at),
                    last_updated_at: None,
                    snapshot_id: None,
                    checkpoint_position: None,
                    broker_id: None,
                    broker_version: said(entry.broker_version),
                };
                (entry.backup_id, detail)
            });
            Ok(Answer::Backups(entries.collect()))
        }
    }
}

/// Why there is no answer.
pub(super) fn failed(target: &Target, error: &RequestError) -> ManagementError {
    let text = format!("{target}: {error}");
    match error {
        RequestError::Connect(_)
        | RequestError::NoHandler { .. }
        | RequestError::Overloaded { .. } => ManagementError::Unreachable(text),
        RequestError::Timeout { .. } => ManagementError::Timeout(text),
        RequestError::Closed { .. }
        | RequestError::Remote(_)
        | RequestError::Protocol
        | RequestError::TooLarge(_) => ManagementError::Failed(text),
    }
}

/// The partition a target stands for; the coordinator stands for none.
fn partition(target: &Target) -> PartitionId {
    match target {
        Target::Coordinator(_) => PartitionId(0),
        Target::Leader(partition) | Target::Replica(partition, _) => *partition,
    }
}

fn exporting(mode: ExportingMode) -> AdminRequestType {
    match mode {
        ExportingMode::Resumed => AdminRequestType::ResumeExporting,
        ExportingMode::Paused => AdminRequestType::PauseExporting,
        ExportingMode::SoftPaused => AdminRequestType::SoftPauseExporting,
    }
}

/// The partition's newest checkpoint: the backup it just began, or an earlier one.
fn checkpoint(response: &ExecuteCommandResponse) -> Result<Answer, ManagementError> {
    if response.record_type == RecordType::CommandRejection {
        return Err(ManagementError::Failed(response.rejection_reason.clone()));
    }
    if response.value_type != ValueType::Checkpoint {
        return Err(unreadable(format!("a record of type {}", response.value_type)));
    }
    let record = CheckpointRecord::from_bytes(&response.value).map_err(unreadable)?;
    let created = response.intent == intent::checkpoint::CREATED;
    Ok(Answer::Checkpoint { created, id: record.id })
}

fn detail(partition: PartitionId, status: BackupStatusResponse) -> PartitionBackup {
    let exists = status.status != BackupStatusCode::DoesNotExist;
    PartitionBackup {
        partition_id: partition,
        state: status.status,
        failure_reason: said(status.failure_reason),
        created_at: said(status.created_at),
        last_updated_at: said(status.last_updated),
        snapshot_id: said(status.snapshot_id),
        checkpoint_position: status.checkpoint_position.filter(|_| exists),
        broker_id: status.broker.filter(|_| exists),
        broker_version: said(status.broker_version),
    }
}

fn said(text: String) -> Option<String> {
    (!text.is_empty()).then_some(text)
}

fn encode(message: &impl Message) -> Bytes {
    let mut out = BytesMut::new();
    message.encode(&mut out);
    out.freeze()
}

fn read<M: Message>(payload: &Bytes) -> Result<M, ManagementError> {
    match Reply::decode(payload).map_err(|error: DecodeError| unreadable(error))? {
        Reply::Response(message) => Ok(message),
        Reply::Error(error) => {
            Err(ManagementError::Broker { code: error.code, message: error.message })
        }
    }
}

fn unreadable(cause: impl std::fmt::Display) -> ManagementError {
    ManagementError::Unreadable(cause.to_string())
}
