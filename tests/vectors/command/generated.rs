//! Messages made by the real encoders, built here from the values they were made from.

use beegate::model::{AdminRequestType, BackupRequestType, BackupStatusCode};
use beegate::wire::record::AuthInfo;
use beegate::wire::sbe::admin::AdminRequest;
use beegate::wire::sbe::backup::{
    BackupListEntry, BackupListResponse, BackupRequest, BackupStatusResponse,
};
use beegate::wire::sbe::{ExecuteCommandRequest, Message, Reply};
use bytes::Bytes;

use super::{assert_both_ways, vector};

#[test]
fn admin_requests() {
    let on_broker_1 =
        |kind| AdminRequest { partition: 2, kind, broker: Some(1), key: -1, payload: Bytes::new() };
    let cases = [
        (
            "generated/admin-stepDownIfNotPrimary.hex",
            AdminRequest { broker: None, ..on_broker_1(AdminRequestType::StepDownIfNotPrimary) },
        ),
        ("generated/admin-pauseExporting.hex", on_broker_1(AdminRequestType::PauseExporting)),
        ("generated/admin-resumeExporting.hex", on_broker_1(AdminRequestType::ResumeExporting)),
        (
            "generated/admin-softPauseExporting.hex",
            on_broker_1(AdminRequestType::SoftPauseExporting),
        ),
        (
            "generated/admin-getFLowControlConfiguration.hex",
            on_broker_1(AdminRequestType::GetFlowControl),
        ),
        (
            "generated/admin-banInstance.hex",
            AdminRequest {
                partition: 3,
                broker: None,
                key: 6_755_399_441_055_821,
                ..on_broker_1(AdminRequestType::BanInstance)
            },
        ),
        (
            "generated/admin-setFlowControl.hex",
            AdminRequest {
                partition: 1,
                broker: Some(0),
                payload: Bytes::from_static(b"{\"request\":{\"enabled\":true}}"),
                ..on_broker_1(AdminRequestType::SetFlowControl)
            },
        ),
    ];
    for (file, request) in cases {
        assert_both_ways(file, &request);
    }
}

#[test]
fn backup_requests() {
    let cases = [
        ("generated/backup-take.hex", BackupRequestType::TakeBackup, 1, 7),
        ("generated/backup-status.hex", BackupRequestType::QueryStatus, 1, 7),
        ("generated/backup-list.hex", BackupRequestType::List, 2, 0),
        ("generated/backup-delete.hex", BackupRequestType::Delete, 2, 8),
    ];
    for (file, kind, partition, backup_id) in cases {
        assert_both_ways(file, &BackupRequest { partition, kind, backup_id, pattern: false });
    }
}

#[test]
fn backup_replies() {
    let unknown = BackupStatusResponse {
        backup_id: 9,
        status: BackupStatusCode::DoesNotExist,
        partition: 2,
        broker: None,
        checkpoint_position: None,
        partitions: None,
        snapshot_id: String::new(),
        failure_reason: String::new(),
        broker_version: String::new(),
        created_at: String::new(),
        last_updated: String::new(),
    };
    let failed = BackupStatusResponse {
        backup_id: 7,
        status: BackupStatusCode::Failed,
        failure_reason: "boom".to_owned(),
        ..unknown.clone()
    };
    let completed = BackupStatusResponse {
        backup_id: 7,
        status: BackupStatusCode::Completed,
        partition: 1,
        broker: Some(0),
        checkpoint_position: Some(123),
        partitions: Some(3),
        snapshot_id: "snap-1".to_owned(),
        failure_reason: String::new(),
        broker_version: "8.6.0".to_owned(),
        created_at: "2024-01-02T03:04:05Z".to_owned(),
        last_updated: "2024-01-02T03:04:06Z".to_owned(),
    };
    assert_both_ways("generated/backup-status-response-does-not-exist.hex", &unknown);
    assert_both_ways("generated/backup-status-response-failed.hex", &failed);
    assert_both_ways("generated/backup-status-response-completed.hex", &completed);

    let entry = |backup_id, status, reason: &str, created: &str| BackupListEntry {
        backup_id,
        status,
        partition: 1,
        failure_reason: reason.to_owned(),
        created_at: created.to_owned(),
        broker_version: "8.6.0".to_owned(),
    };
    let list = BackupListResponse {
        backups: vec![
            entry(7, BackupStatusCode::Completed, "", "2024-01-02T03:04:05Z"),
            entry(8, BackupStatusCode::Failed, "bad", ""),
        ],
    };
    assert_both_ways("generated/backup-list-response.hex", &list);
    let empty = BackupListResponse::default();
    assert_both_ways("generated/backup-list-response-empty.hex", &empty);
}

#[test]
fn authorization() {
    assert_eq!(AuthInfo::default_tenant(), vector("generated/authinfo-jwt-1.hex"));
    assert_eq!(AuthInfo::unknown(), vector("generated/authinfo-unknown.hex"));
    let cases: [(&str, &[&str]); 3] = [
        ("generated/authinfo-jwt-0.hex", &[]),
        ("generated/authinfo-jwt-1.hex", &["<default>"]),
        ("generated/authinfo-jwt-2.hex", &["tenant-a", "tenant.b"]),
    ];
    for (file, tenants) in cases {
        assert_eq!(AuthInfo::for_tenants(tenants), vector(file), "{file}");
        assert_eq!(AuthInfo::authorized_tenants(&vector(file)).expect(file), tenants, "{file}");
    }
}

/// A reply of another schema or template is an error, never misread.
#[test]
fn unexpected_replies_are_errors() {
    let status = vector("generated/backup-list-response.hex");
    assert!(Reply::<BackupStatusResponse>::decode(&status).is_err());
    assert!(ExecuteCommandRequest::decode(&status).is_err());
}
