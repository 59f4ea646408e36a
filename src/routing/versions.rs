//! What brokers of older versions cannot do.
//!
//! A broker that does not know a command's intent stays silent until the timeout, so the gateway
//! looks at the version that the leader told by gossip (command-api §7.1). Unknown texts count as new.

use crate::error::GatewayError;
use crate::model::{ClusterView, Command, CommandKind, PartitionId};
use crate::wire::record::{JobRecord, Record as _};

/// First version with job UPDATE, message correlation and clock commands.
const SINCE_8_6: (u32, u32) = (8, 6);

/// Makes a command one that the partition's leader understands.
///
/// # Errors
/// [`GatewayError::Unsupported`] when there is none that does the same.
pub fn fit(
    command: &mut Command,
    partition: PartitionId,
    view: &ClusterView,
) -> Result<(), GatewayError> {
    if !is_new(command.kind) {
        return Ok(());
    }
    let leader = view.partition(partition.0.into()).and_then(|seen| seen.leader);
    let Some(leader) = leader.and_then(|id| view.broker(id)) else { return Ok(()) };
    if version(&leader.version).is_none_or(|found| found >= SINCE_8_6) {
        return Ok(());
    }
    match older(command) {
        Some(kind) => {
            command.kind = kind;
            Ok(())
        }
        None => Err(GatewayError::Unsupported {
            intent: command.kind.intent_name(),
            value_type: command.kind.value_type().name(),
            partition: partition.0,
            version: leader.version.clone(),
        }),
    }
}

fn is_new(kind: CommandKind) -> bool {
    matches!(
        kind,
        CommandKind::UpdateJob
            | CommandKind::CorrelateMessage
            | CommandKind::PinClock
            | CommandKind::ResetClock
    )
}

/// The command of 8.5 that does the same, with the same record.
fn older(command: &Command) -> Option<CommandKind> {
    if command.kind != CommandKind::UpdateJob {
        return None;
    }
    let record = JobRecord::from_bytes(&command.value).ok()?;
    match record.changed_attributes.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["retries"] => Some(CommandKind::UpdateJobRetries),
        ["timeout"] => Some(CommandKind::UpdateJobTimeout),
        _ => None,
    }
}

/// Major and minor of a version text such as `8.6.0` or `8.7.0-SNAPSHOT`.
fn version(text: &str) -> Option<(u32, u32)> {
    let mut parts = text.split('.');
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::super::partition::test_view;
    use super::*;
    use crate::model::{BrokerId, BrokerView, Key, Route};

    fn view(version: &str) -> ClusterView {
        let broker = BrokerView {
            id: BrokerId(0),
            command_address: "broker:26501".to_owned(),
            internal_address: "broker:26502".to_owned(),
            version: version.to_owned(),
            replicas: Vec::new(),
        };
        ClusterView { brokers: vec![broker], ..test_view(&[(1, Some(0))]) }
    }

    fn fitted(kind: CommandKind, changed: &[&str], version: &str) -> Result<CommandKind, String> {
        let changed_attributes = changed.iter().map(|&name| name.to_owned()).collect();
        let record = JobRecord { changed_attributes, ..JobRecord::default() };
        let mut command = Command {
            kind,
            key: Key(1),
            route: Route::Key(Key(1)),
            operation_reference: None,
            value: record.to_bytes(),
            authorization: Bytes::new(),
            transport_retry: false,
            timeout: None,
        };
        let fit = fit(&mut command, PartitionId(1), &view(version));
        fit.map(|()| command.kind).map_err(|error| error.to_string())
    }

    #[test]
    fn a_job_update_becomes_the_older_command_that_does_the_same() {
        let update = |changed: &[&str], version| fitted(CommandKind::UpdateJob, changed, version);
        assert_eq!(update(&["retries"], "8.5.8"), Ok(CommandKind::UpdateJobRetries));
        assert_eq!(update(&["timeout"], "8.5.8"), Ok(CommandKind::UpdateJobTimeout));
        for version in ["8.6.0", "8.10.0-SNAPSHOT", "9.0.0", "", "development"] {
            assert_eq!(update(&["retries"], version), Ok(CommandKind::UpdateJob), "{version}");
        }
    }

    #[test]
    fn what_has_no_older_command_is_refused_by_name() {
        let both = fitted(CommandKind::UpdateJob, &["retries", "timeout"], "8.5.8");
        assert_eq!(
            both.unwrap_err(),
            "Expected to send command 'UPDATE' of JOB to partition 1, but its leader has version \
             8.5.8, and only brokers from 8.6 know it"
        );
        assert!(fitted(CommandKind::CorrelateMessage, &[], "8.5.8").is_err());
        assert!(fitted(CommandKind::PinClock, &[], "8.5.8").is_err());
        assert_eq!(fitted(CommandKind::PinClock, &[], "8.6.0"), Ok(CommandKind::PinClock));
    }

    #[test]
    fn other_commands_are_left_alone() {
        let complete = fitted(CommandKind::CompleteJob, &[], "8.5.8");
        assert_eq!(complete, Ok(CommandKind::CompleteJob));
    }
}
