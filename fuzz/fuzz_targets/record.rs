//! Any bytes as every record: an error, or a record that survives writing and reading.

#![no_main]

use beegate::wire::record::*;
use bytes::Bytes;
use libfuzzer_sys::fuzz_target;

fn check<R: Record + PartialEq + std::fmt::Debug>(input: &Bytes) {
    let Ok(record) = R::from_bytes(input) else { return };
    let written = record.to_bytes();
    assert_eq!(R::from_bytes(&written).as_ref(), Ok(&record));
}

fuzz_target!(|data: &[u8]| {
    let input = Bytes::copy_from_slice(data);
    if let Ok(auth) = AuthInfo::parse(&input) {
        _ = auth.tenants();
    }
    check::<AuthInfo>(&input);
    check::<AuthorizationRecord>(&input);
    check::<CheckpointRecord>(&input);
    check::<ClockRecord>(&input);
    check::<DecisionEvaluationRecord>(&input);
    check::<DeploymentRecord>(&input);
    check::<IncidentRecord>(&input);
    check::<JobBatchRecord>(&input);
    check::<JobPush>(&input);
    check::<JobRecord>(&input);
    check::<JobStreamMetadata>(&input);
    check::<MessageCorrelationRecord>(&input);
    check::<MessageRecord>(&input);
    check::<ProcessInstanceCreationRecord>(&input);
    check::<ProcessInstanceMigrationRecord>(&input);
    check::<ProcessInstanceModificationRecord>(&input);
    check::<ProcessInstanceRecord>(&input);
    check::<ProcessInstanceResultRecord>(&input);
    check::<ResourceDeletionRecord>(&input);
    check::<SignalRecord>(&input);
    check::<UserRecord>(&input);
    check::<UserTaskRecord>(&input);
    check::<VariableDocumentRecord>(&input);
});
