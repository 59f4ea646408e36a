//! What all partitions together know of backups (command-api §8, monitoring §5.3).

use std::collections::BTreeMap;

use super::{Answer, ManagementError, Target};
use crate::model::management::{Backup, BackupState, ManagementOutcome, PartitionBackup};
use crate::model::{BackupStatusCode, PartitionId};

/// Some partition took it and none has a newer one: then all took it. A partition that passed the
/// checkpoint before it was asked, because of another's, tells that it did not.
pub(super) fn taken(
    requested: i64,
    answers: &[(Target, Answer)],
) -> Result<ManagementOutcome, ManagementError> {
    let mut any_created = false;
    let mut newest = i64::MIN;
    for (_, answer) in answers {
        let Answer::Checkpoint { created, id } = answer else { continue };
        any_created |= created;
        newest = newest.max(*id);
    }
    if any_created && newest == requested {
        return Ok(ManagementOutcome::Done);
    }
    Err(ManagementError::BackupExists { requested, newest })
}

/// One backup; it must exist on some partition.
pub(super) fn status(
    id: i64,
    answers: Vec<(Target, Answer)>,
) -> Result<ManagementOutcome, ManagementError> {
    let details = known(answers).map(|(_, detail)| detail).collect();
    let backup = whole(id, details);
    if backup.state == BackupState::DoesNotExist {
        return Err(ManagementError::NoBackup(id));
    }
    Ok(ManagementOutcome::Backup(backup))
}

/// All backups, by id; a partition that does not name one does not have it.
pub(super) fn list(answers: Vec<(Target, Answer)>) -> ManagementOutcome {
    let asked: Vec<PartitionId> = answers
        .iter()
        .filter_map(|(target, _)| match target {
            Target::Leader(partition) => Some(*partition),
            _ => None,
        })
        .collect();
    let mut by_id: BTreeMap<i64, BTreeMap<PartitionId, PartitionBackup>> = BTreeMap::new();
    for (id, detail) in known(answers) {
        let details = by_id.entry(id).or_default();
        // Several brokers may have tried; the best counts.
        match details.get(&detail.partition_id) {
            Some(other) if rank(other.state) >= rank(detail.state) => {}
            _ => drop(details.insert(detail.partition_id, detail)),
        }
    }
    let backups = by_id.into_iter().map(|(id, mut details)| {
        for partition in &asked {
            details.entry(*partition).or_insert_with(|| missing(*partition));
        }
        whole(id, details.into_values().collect())
    });
    ManagementOutcome::Backups(backups.collect())
}

fn known(answers: Vec<(Target, Answer)>) -> impl Iterator<Item = (i64, PartitionBackup)> {
    answers.into_iter().flat_map(|(_, answer)| match answer {
        Answer::Backups(backups) => backups,
        _ => Vec::new(),
    })
}

fn missing(partition: PartitionId) -> PartitionBackup {
    PartitionBackup {
        partition_id: partition,
        state: BackupStatusCode::DoesNotExist,
        failure_reason: None,
        created_at: None,
        last_updated_at: None,
        snapshot_id: None,
        checkpoint_position: None,
        broker_id: None,
        broker_version: None,
    }
}

fn rank(state: BackupStatusCode) -> u8 {
    match state {
        BackupStatusCode::Unknown(_) => 0,
        BackupStatusCode::DoesNotExist => 1,
        BackupStatusCode::Failed => 2,
        BackupStatusCode::InProgress => 3,
        BackupStatusCode::Completed => 4,
    }
}

fn whole(id: i64, mut details: Vec<PartitionBackup>) -> Backup {
    details.sort_by_key(|detail| detail.partition_id);
    let has = |state| details.iter().any(|detail| detail.state == state);
    let (failed, missing) = (BackupStatusCode::Failed, BackupStatusCode::DoesNotExist);
    let in_progress = has(BackupStatusCode::InProgress);
    let state = if has(failed) {
        BackupState::Failed
    } else if has(missing) && (in_progress || has(BackupStatusCode::Completed)) {
        BackupState::Incomplete
    } else if in_progress {
        BackupState::InProgress
    } else if has(missing) {
        BackupState::DoesNotExist
    } else if details.iter().all(|detail| detail.state == BackupStatusCode::Completed) {
        BackupState::Completed
    } else {
        // A state of a newer broker: what it has is not known to be whole.
        BackupState::Incomplete
    };
    let reasons: String = details
        .iter()
        .filter(|detail| detail.state == failed)
        .map(|detail| {
            let reason = detail.failure_reason.as_deref().unwrap_or_default();
            format!("Backup on partition {} failed due to {reason}. ", detail.partition_id)
        })
        .collect();
    let failure_reason = (!reasons.is_empty()).then(|| reasons.trim_end().to_owned());
    Backup { backup_id: id, state, failure_reason, details }
}
