//! Requests and answers against recorded bytes.

use std::path::Path;

use bytes::Bytes;
use serde_json::json;

use super::*;
use crate::model::management::{ConfigurationRequest as R, ExportingMode};
use crate::model::{BrokerId, Key, MemberId, PartitionId};
use crate::routing::management::{Destination, Refusal};

fn vector(name: &str) -> Bytes {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors").join(name);
    let text = std::fs::read_to_string(path).expect("a recording");
    let digits: Vec<char> = text.chars().filter(|c| !c.is_whitespace()).collect();
    let byte = |pair: &[char]| u8::from_str_radix(&String::from_iter(pair), 16).expect("hex");
    digits.chunks(2).map(byte).collect()
}

fn ids(ids: &[&str]) -> Vec<MemberId> {
    ids.iter().map(|id| MemberId::new(*id)).collect()
}

#[test]
fn requests_about_the_configuration_are_as_recorded() {
    let (dry_run, id) = (true, |id| MemberId::new(id));
    let cases = [
        (R::Query, "topology-query", "query"),
        (
            R::AddBrokers { brokers: ids(&["0", "1"]), dry_run },
            "topology-member-add",
            "add-members",
        ),
        (
            R::ScaleBrokers {
                brokers: ids(&["0", "1"]),
                replication_factor: Some(2),
                dry_run: false,
            },
            "topology-member-scale",
            "scale-brokers",
        ),
        (
            R::JoinPartition { broker: id("1"), partition: 2, priority: 3, dry_run },
            "topology-partition-join",
            "join-partition",
        ),
        (
            R::PatchCluster {
                add: ids(&["2"]),
                remove: ids(&["0"]),
                partitions: Some(4),
                replication_factor: Some(3),
                dry_run,
            },
            "topology-cluster-patch",
            "patch",
        ),
        (
            R::ScaleCluster {
                brokers: Some(3),
                partitions: Some(4),
                replication_factor: None,
                dry_run,
            },
            "topology-cluster-scale",
            "cluster-scale",
        ),
        (
            R::ForceRemoveBrokers { brokers: ids(&["2"]), dry_run: false },
            "topology-broker-force-remove",
            "force-remove",
        ),
        (R::CancelChange(6), "topology-change-cancel", "cancel"),
        (
            R::EnableExporter {
                exporter: "es".to_owned(),
                initialize_from: Some("other".to_owned()),
                dry_run,
            },
            "topology-exporter-enable",
            "exporter-enable",
        ),
        (
            R::DisableExporter { exporter: "es".to_owned(), dry_run: false },
            "topology-exporter-disable",
            "exporter-disable",
        ),
    ];
    for (request, subject, file) in cases {
        let expected = vector(&format!("cluster/topology-req-{file}.hex"));
        assert_eq!(configuration::request(&request), (subject.to_owned(), expected), "{file}");
    }
}

#[test]
fn answers_of_the_coordinator_are_read_as_recorded() {
    let answer = |file| configuration::response(&vector(&format!("cluster/{file}.hex")));
    let refused =
        ManagementError::Refused { refusal: Refusal::NotAllowed, message: "no".to_owned() };
    assert_eq!(answer("topology-resp-error"), Err(refused));

    let Ok(ManagementOutcome::Change(change)) = answer("topology-resp-change") else {
        panic!("no change")
    };
    let at = "2023-11-14T22:13:20.000000005Z";
    let brokers = json!([{
        "id": 0, "state": "ACTIVE", "version": 3, "lastUpdatedAt": at,
        "partitions": [{
            "id": 1, "state": "ACTIVE", "priority": 2,
            "config": {"exporting": {"exporters": [{"id": "es", "state": "DISABLED"}]}},
        }],
    }]);
    let planned = json!({
        "changeId": 6,
        "currentTopology": brokers,
        "plannedChanges": [{"operation": "BROKER_ADD", "brokerId": 1, "brokers": []}],
        "expectedTopology": brokers,
    });
    assert_eq!(serde_json::to_value(change).expect("JSON"), planned);

    let Ok(ManagementOutcome::Configuration(whole)) = answer("topology-resp-topology") else {
        panic!("no configuration")
    };
    let expected = json!({
        "version": 7,
        "brokers": brokers,
        "lastChange": {
            "id": 5, "status": "COMPLETED", "startedAt": at,
            "completedAt": "2023-11-14T22:13:21.000000005Z",
        },
        "pendingChange": {
            "id": 6, "status": "IN_PROGRESS",
            "completed": [
                {"operation": "BROKER_ADD", "brokerId": 1, "brokers": [], "completedAt": at},
            ],
            "pending": [{
                "operation": "PARTITION_JOIN", "brokerId": 1, "partitionId": 1, "priority": 3,
                "brokers": [],
            }],
        },
        "routing": {
            "version": 4, "activePartitions": [1, 2, 3],
            "messageCorrelation": {"strategy": "HashMod", "partitionCount": 3},
        },
    });
    assert_eq!(serde_json::to_value(whole).expect("JSON"), expected);
}

#[test]
fn requests_to_partitions_are_as_recorded() {
    let leader = Target::Leader(PartitionId(1));
    let to = |broker| Destination { address: "a:1".to_owned(), broker };
    let bytes = |operation, broker| {
        let (subject, payload) = codec::request(&operation, &leader, &to(broker));
        assert!(subject.ends_with("-api-1"), "{subject}");
        payload
    };
    let zero = Some(BrokerId(0));
    for (operation, file) in [
        (ManagementOperation::Exporting(ExportingMode::Paused), "admin-pause-exporting"),
        (ManagementOperation::Exporting(ExportingMode::Resumed), "admin-resume-exporting"),
        (ManagementOperation::Exporting(ExportingMode::SoftPaused), "admin-soft-pause-exporting"),
        (ManagementOperation::Rebalance, "admin-step-down"),
        (ManagementOperation::FlowControl, "admin-get-flow-control"),
    ] {
        let expected = vector(&format!("command/raw/{file}.req.hex"));
        let found = bytes(operation.clone(), zero);
        assert_eq!(found, expected, "{operation:?}");
    }
    for (operation, file) in [
        (ManagementOperation::TakeBackup(7), "backup-take"),
        (ManagementOperation::BackupStatus(7), "backup-status"),
        (ManagementOperation::DeleteBackup(7), "backup-delete"),
        (ManagementOperation::ListBackups, "backup-list"),
    ] {
        // The empty pattern for newer brokers comes after it.
        let (expected, found) =
            (vector(&format!("command/raw/{file}.req.hex")), bytes(operation, zero));
        assert_eq!(found.get(..expected.len()), Some(&expected[..]), "{file}");
        assert_eq!(found.len(), 8 + 11 + 4, "{file}");
    }
    let (_, ban) = codec::request(&ManagementOperation::BanInstance(Key(5)), &leader, &to(zero));
    assert_eq!(ban.get(13..21), Some(&5_i64.to_le_bytes()[..]));
}

#[test]
fn errors_of_partitions_keep_code_and_text() {
    let leader = Target::Leader(PartitionId(1));
    let payload = vector("command/raw/backup-list.rsp.hex");
    let error = codec::answer(&ManagementOperation::ListBackups, &leader, &payload);
    let Err(ManagementError::Broker { code, message }) = error else { panic!("{error:?}") };
    assert_eq!(code, crate::model::ErrorCode::UnsupportedMessage);
    assert!(message.contains("No backup store is configured"), "{message}");

    let limits = vector("command/raw/admin-get-flow-control.rsp.hex");
    let answer = codec::answer(&ManagementOperation::FlowControl, &leader, &limits);
    let Ok(Answer::FlowControl(json)) = answer else { panic!("{answer:?}") };
    assert!(json.contains("requestLimiter"), "{json}");

    let garbage = Bytes::from_static(b"garbage");
    for operation in [ManagementOperation::FlowControl, ManagementOperation::TakeBackup(1)] {
        let answer = codec::answer(&operation, &leader, &garbage);
        assert!(matches!(answer, Err(ManagementError::Unreadable(_))), "{answer:?}");
    }
}
