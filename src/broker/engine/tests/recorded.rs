//! Commands recorded at a JVM broker get the answers recorded there (`tests/vectors/command`).

use std::path::PathBuf;

use bytes::Bytes;
use serde_json::json;

use super::harness::Cluster;
use crate::broker::engine::{CommandInput, Input, RequestId, Response, Tenants};
use crate::model::{Key, Millis, RejectionType, ValueType};
use crate::wire::record::{
    Document, MessageRecord, ProcessInstanceCreationRecord, ProcessInstanceResultRecord, Record,
};

fn vectors() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/command")
}

fn hex(name: &str) -> Vec<u8> {
    let text = std::fs::read_to_string(vectors().join(name)).expect("a vector file");
    let digits = text.trim().as_bytes();
    let byte = |pair: &[u8]| {
        let text = std::str::from_utf8(pair).expect("hex digits");
        u8::from_str_radix(text, 16).expect("hex digits")
    };
    digits.chunks(2).map(byte).collect()
}

/// The fields of a payload after its eight bytes of header: the root block, then the var-data.
struct Payload {
    block: Vec<u8>,
    data: Vec<Bytes>,
}

impl Payload {
    fn read(name: &str) -> Self {
        let bytes = hex(name);
        let block_length = usize::from(u16::from_le_bytes([bytes[0], bytes[1]]));
        let (block, mut rest) = bytes[8..].split_at(block_length);
        let mut data = Vec::new();
        while let Some((length, tail)) = rest.split_first_chunk::<4>() {
            let (content, tail) = tail.split_at(u32::from_le_bytes(*length) as usize);
            data.push(Bytes::copy_from_slice(content));
            rest = tail;
        }
        Self { block: block.to_vec(), data }
    }

    fn key(&self) -> Key {
        Key(i64::from_le_bytes(self.block[2..10].try_into().expect("eight bytes")))
    }
}

/// Replays a recorded request and returns the answer with the recorded reply.
fn replay(cluster: &mut Cluster, name: &str) -> (Response, Payload) {
    let request = Payload::read(&format!("{name}.req.hex"));
    let id = RequestId(9_999);
    let command = CommandInput {
        request: id,
        value_type: ValueType::from_wire(request.block[10]),
        intent: request.block[11],
        key: request.key(),
        operation_reference: None,
        tenants: Tenants::Default,
        value: request.data[0].clone(),
    };
    cluster.input(1, Input::Command(command));
    let response = cluster.replies.remove(&id).expect("an answer");
    (response, Payload::read(&format!("{name}.rsp.hex")))
}

fn with_recorded_processes() -> Cluster {
    let mut cluster = Cluster::new(1);
    for name in ["proc1.bpmn", "proc-quick.bpmn"] {
        let path = vectors().join("resources").join(name);
        cluster.deploy_as(name, &std::fs::read_to_string(path).expect("a process"));
    }
    cluster
}

#[test]
fn rejections_have_the_recorded_type_and_text() {
    let mut cluster = with_recorded_processes();
    for name in [
        "grpc/deploy-resource-invalid",
        "grpc/deploy-resource-empty",
        "grpc/create-process-instance-zero-version",
        "grpc/create-process-instance-not-found",
        "grpc/create-process-instance-invalid-argument",
        "grpc/create-process-instance-invalid-start-instruction",
        "grpc/create-with-result-not-found",
        "grpc/activate-jobs-invalid-type",
        "grpc/activate-jobs-invalid-timeout",
        "grpc/update-job-retries-not-found",
        "grpc/update-job-timeout-not-found",
        "grpc/complete-job-not-found",
        "grpc/throw-error-not-found",
        "grpc/resolve-incident-not-found",
        "grpc/set-variables-not-found",
        "grpc/cancel-process-instance-not-found",
        "grpc/delete-resource-not-found",
        "rest/create-not-found",
        "rest/set-variables-not-found",
        "rest/cancel-not-found",
        "rest/job-complete-not-found",
        "rest/correlate-not-found",
        "rest/delete-not-found",
        "rest/incident-not-found",
        "raw/tenant-foreign-create",
        "raw/tenant-foreign-correlate",
        "raw/key-other-partition",
    ] {
        let (response, recorded) = replay(&mut cluster, name);
        let Response::Rejection { rejection, reason, key, value_type, intent, .. } = response
        else {
            panic!("{name}: {response:?}")
        };
        assert_eq!(rejection, RejectionType::from_wire(recorded.block[13]), "{name}");
        assert_eq!(reason.as_bytes(), recorded.data[1], "{name}");
        assert_eq!(key, recorded.key(), "{name}");
        assert_eq!(value_type.to_wire(), recorded.block[11], "{name}");
        assert_eq!(intent, recorded.block[12], "{name}");
    }
}

#[test]
fn replies_without_keys_are_the_recorded_bytes() {
    let mut cluster = with_recorded_processes();
    for name in [
        "grpc/activate-jobs-empty.1",
        "grpc/broadcast-signal",
        "grpc/broadcast-signal-unknown",
        "grpc/broadcast-signal-blank",
        "raw/tenant-foreign-activate",
        "raw/tenant-foreign-signal",
        "rest/clock-pin",
        "rest/clock-reset",
    ] {
        let (response, recorded) = replay(&mut cluster, name);
        let Response::Event { value_type, intent, value, .. } = response else {
            panic!("{name}: {response:?}")
        };
        assert_eq!(value_type.to_wire(), recorded.block[11], "{name}");
        assert_eq!(intent, recorded.block[12], "{name}");
        assert_eq!(value, recorded.data[0], "{name}");
    }
}

#[test]
fn published_messages_are_answered_with_the_recorded_bytes() {
    let mut cluster = Cluster::new(1);
    for name in [
        "grpc/publish-message",
        "grpc/publish-message-empty-key",
        "grpc/publish-message-nonascii",
        "rest/publish",
        "rest/publish-min",
        "raw/ok-publish",
        "raw/minimal-props",
        "raw/reordered",
    ] {
        let reply = Payload::read(&format!("{name}.rsp.hex")).data[0].clone();
        let reply = MessageRecord::from_bytes(&reply).expect("a recorded message");
        cluster.now = Millis(reply.deadline - reply.time_to_live);
        let (response, recorded) = replay(&mut cluster, name);
        let Response::Event { value, .. } = response else { panic!("{name}: {response:?}") };
        assert_eq!(value, recorded.data[0], "{name}");
    }
    let (response, recorded) = replay(&mut cluster, "grpc/publish-message-duplicate");
    let Response::Rejection { reason, .. } = response else { panic!("{response:?}") };
    assert_eq!(reason.as_bytes(), recorded.data[1]);
}

#[test]
fn collected_variables_are_the_recorded_bytes() {
    let mut cluster = with_recorded_processes();
    for name in ["grpc/create-with-result", "grpc/create-with-result-fetch"] {
        let (response, recorded) = replay(&mut cluster, name);
        let Response::Event { value_type, intent, value, .. } = response else {
            panic!("{name}: {response:?}")
        };
        assert_eq!(value_type.to_wire(), recorded.block[11], "{name}");
        assert_eq!(intent, recorded.block[12], "{name}");
        let ours = ProcessInstanceResultRecord::from_bytes(&value).expect("a result");
        let theirs = ProcessInstanceResultRecord::from_bytes(&recorded.data[0]).expect("a result");
        assert_eq!(ours.variables, theirs.variables, "{name}");
        assert_eq!(ours.variables.as_msgpack(), theirs.variables.as_msgpack(), "{name}");
    }
}

fn headers(job: &crate::wire::record::JobRecord) -> serde_json::Value {
    let headers = Document::from_msgpack(job.custom_headers.0.clone()).expect("a map");
    super::harness::json(&headers)
}

#[test]
fn a_created_instance_is_answered_with_the_recorded_properties() {
    let mut cluster = with_recorded_processes();
    let (response, recorded) = replay(&mut cluster, "grpc/create-process-instance");
    let Response::Event { value, .. } = response else { panic!("{response:?}") };
    let mut ours = ProcessInstanceCreationRecord::from_bytes(&value).expect("a record");
    let theirs = ProcessInstanceCreationRecord::from_bytes(&recorded.data[0]).expect("a record");
    assert!(ours.process_instance_key > 0);
    ours.process_instance_key = theirs.process_instance_key;
    ours.process_definition_key = theirs.process_definition_key;
    assert_eq!(ours.to_bytes(), recorded.data[0]);
    // The job it created carries the recorded variables in the recorded order.
    let (_, job) = cluster.take(1, "vec-job");
    let batch = Payload::read("grpc/activate-jobs.1.rsp.hex").data[0].clone();
    let batch = crate::wire::record::JobBatchRecord::from_bytes(&batch).expect("a batch");
    let recorded = &batch.jobs[0];
    assert_eq!(job.variables.as_msgpack(), recorded.variables.as_msgpack());
    // A JVM orders headers by hash; here they stay as they were written.
    assert_eq!(headers(&job), headers(recorded));
    assert_eq!((job.retries, &job.element_id), (recorded.retries, &recorded.element_id));
    assert_eq!(super::harness::json(&job.variables)["i"], json!(1));
}
