//! Every recorded gRPC call becomes the recorded command, byte for byte.

use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use prost::Message;
use prost_reflect::{DescriptorPool, DynamicMessage};
use serde_json::Value;

use super::*;
use crate::config::Compatibility;
use crate::model::{ActivateJobs, PartitionId};
use crate::wire::record::JobBatchRecord;

fn vectors() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/command")
}

fn index() -> Value {
    let text = std::fs::read_to_string(vectors().join("vectors.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

fn hex(file: &str) -> Vec<u8> {
    let text = std::fs::read_to_string(vectors().join(file)).unwrap();
    let text = text.trim();
    (0..text.len()).step_by(2).map(|i| u8::from_str_radix(&text[i..i + 2], 16).unwrap()).collect()
}

/// Replaces `{"$file": f}` by the file's content in base64.
fn inline_files(value: &mut Value) {
    if let Some(file) = value.get("$file").and_then(Value::as_str) {
        *value = STANDARD.encode(std::fs::read(vectors().join(file)).unwrap()).into();
        return;
    }
    match value {
        Value::Array(items) => items.iter_mut().for_each(inline_files),
        Value::Object(members) => members.values_mut().for_each(inline_files),
        _ => {}
    }
}

fn request<T: Message + Default>(rpc: &str, json: &Value) -> T {
    let pool = DescriptorPool::decode(crate::api::grpc::proto::FILE_DESCRIPTOR_SET).unwrap();
    let service = pool.get_service_by_name("gateway_protocol.Gateway").unwrap();
    let input = service.methods().find(|method| method.name() == rpc).unwrap().input();
    let mut json = json.clone();
    inline_files(&mut json);
    let message = DynamicMessage::deserialize(input, json).unwrap();
    T::decode(message.encode_to_vec().as_slice()).unwrap()
}

/// The first command of an activation, as the poll describes it.
fn first_batch(poll: ActivateJobs) -> Command {
    let record = JobBatchRecord {
        job_type: poll.job_type,
        worker: poll.worker,
        timeout: poll.timeout_ms,
        max_jobs_to_activate: poll.max_jobs,
        variables: poll.fetch_variables,
        tenant_ids: poll.tenant_ids,
        ..Default::default()
    };
    Command {
        kind: CommandKind::ActivateJobs,
        key: Key::NONE,
        route: Route::Partition(PartitionId(1)),
        operation_reference: None,
        value: record.to_bytes(),
        authorization: poll.authorization,
        transport_retry: false,
        timeout: None,
    }
}

fn translate(rpc: &str, json: &Value) -> Result<Command, GatewayError> {
    let caller = &Caller::anonymous(false);
    match rpc {
        "ActivateJobs" => job::activate(request(rpc, json), caller, 1 << 22).map(first_batch),
        "BroadcastSignal" => message::broadcast(request(rpc, json), caller),
        "CancelProcessInstance" => Ok(process_instance::cancel(&request(rpc, json), caller)),
        "CompleteJob" => job::complete(request(rpc, json), caller),
        "CreateProcessInstance" => process_instance::create(request(rpc, json), caller),
        "CreateProcessInstanceWithResult" => {
            process_instance::create_with_result(request(rpc, json), caller)
        }
        "DeleteResource" => Ok(deployment::delete(&request(rpc, json), caller)),
        "DeployProcess" => Ok(deployment::deploy_process(request(rpc, json), caller)),
        "DeployResource" => deployment::deploy(request(rpc, json), caller),
        "EvaluateDecision" => decision::evaluate(request(rpc, json), caller),
        "FailJob" => job::fail(request(rpc, json), caller),
        "MigrateProcessInstance" => Ok(process_instance::migrate(request(rpc, json), caller)),
        "ModifyProcessInstance" => process_instance::modify(request(rpc, json), caller),
        "PublishMessage" => message::publish(request(rpc, json), caller),
        "ResolveIncident" => Ok(variable::resolve_incident(&request(rpc, json), caller)),
        "SetVariables" => variable::set(&request(rpc, json), caller),
        "ThrowError" => job::throw_error(request(rpc, json), caller),
        "UpdateJobRetries" => Ok(job::update_retries(&request(rpc, json), caller)),
        "UpdateJobTimeout" => Ok(job::update_timeout(&request(rpc, json), caller)),
        other => panic!("no translation of {other}"),
    }
}

/// Key, value type, intent and reference of a recorded request, and its value and authorization
/// (command-api §1: an 8-byte header, a block of 20, two length-prefixed blobs).
fn recorded(bytes: &[u8]) -> (i64, u8, u8, i64, &[u8], &[u8]) {
    let long = |at: usize| i64::from_le_bytes(bytes[at..at + 8].try_into().unwrap());
    let blob = |at: usize| {
        let len = u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap()) as usize;
        &bytes[at + 4..at + 4 + len]
    };
    let value = blob(28);
    (long(10), bytes[18], bytes[19], long(20), value, blob(28 + 4 + value.len()))
}

#[test]
fn recorded_requests_are_reproduced() {
    let index = index();
    let mut rpcs = std::collections::BTreeSet::new();
    let mut commands = 0;
    for exchange in index["exchanges"].as_array().unwrap() {
        let name = exchange["name"].as_str().unwrap();
        let input = &exchange["input"];
        // Later commands of one call have no input of their own.
        let Some(rpc) = input["rpc"].as_str().filter(|_| name.starts_with("grpc/")) else {
            continue;
        };
        let bytes = hex(exchange["requestFile"].as_str().unwrap());
        let (key, value_type, intent, reference, value, authorization) = recorded(&bytes);
        let command = translate(rpc, &input["request"]).unwrap();
        assert_eq!(command.key.0, key, "{name}: key");
        assert_eq!(command.kind.value_type().to_wire(), value_type, "{name}: value type");
        assert_eq!(command.kind.intent(), intent, "{name}: intent");
        assert_eq!(command.operation_reference.unwrap_or(-1), reference, "{name}: reference");
        if rpc == "ActivateJobs" {
            // The amount asked for is what is left of the call's.
            let mut ours = JobBatchRecord::from_bytes(&command.value).unwrap();
            let theirs = Bytes::copy_from_slice(value);
            ours.max_jobs_to_activate =
                JobBatchRecord::from_bytes(&theirs).unwrap().max_jobs_to_activate;
            assert_eq!(ours.to_bytes(), theirs, "{name}: value");
        } else {
            assert_eq!(command.value, value, "{name}: value");
        }
        assert_eq!(command.authorization, authorization, "{name}: authorization");
        assert_eq!(
            command.transport_retry,
            exchange["transportRetry"].as_bool().unwrap(),
            "{name}: retry class"
        );
        rpcs.insert(rpc.to_owned());
        commands += 1;
    }
    assert_eq!(rpcs.len(), 19, "{rpcs:?}");
    assert!(commands > 60, "{commands}");
}

/// The value in a recorded success reply and its key, or `None` for rejections and errors.
fn recorded_reply(file: &str, kind: CommandKind) -> Option<Reply> {
    let bytes = hex(file);
    let template = u16::from_le_bytes([bytes[2], bytes[3]]);
    // Header 8, block 14: partition 2, key 8, record type, value type, intent, rejection type.
    if template != 21 || bytes[18] != 0 {
        return None;
    }
    let len = u32::from_le_bytes(bytes[22..26].try_into().unwrap()) as usize;
    Some(Reply {
        partition: PartitionId(u16::from_le_bytes([bytes[8], bytes[9]])),
        key: Key(i64::from_le_bytes(bytes[10..18].try_into().unwrap())),
        value_type: kind.reply_value_type(),
        intent: bytes[20],
        value: Bytes::copy_from_slice(&bytes[26..26 + len]),
    })
}

/// The answer as proto3 JSON, in the form the recordings have: absent where it is the default.
fn answer(rpc: &str, reply: &Reply) -> Option<Value> {
    let bytes = match rpc {
        "BroadcastSignal" => message::broadcasted(reply).unwrap().encode_to_vec(),
        "CreateProcessInstance" => process_instance::created(reply).unwrap().encode_to_vec(),
        "CreateProcessInstanceWithResult" => {
            process_instance::created_with_result(reply).unwrap().encode_to_vec()
        }
        "DeployProcess" => deployment::process_deployed(reply).unwrap().encode_to_vec(),
        "DeployResource" => deployment::deployed(reply).unwrap().encode_to_vec(),
        "EvaluateDecision" => decision::evaluated(reply, true).unwrap().encode_to_vec(),
        "PublishMessage" => message::published(reply).unwrap().encode_to_vec(),
        "SetVariables" => variable::has_set(reply).encode_to_vec(),
        "ActivateJobs" => {
            let batch: JobBatchRecord = read(reply).unwrap();
            if batch.jobs.is_empty() {
                return None;
            }
            let jobs = batch.job_keys.iter().zip(&batch.jobs);
            let exact = Compatibility { exact: true };
            let job = |(key, job): (&i64, _)| job::activated(Key(*key), job, exact).unwrap();
            let jobs = jobs.map(job).collect();
            crate::api::grpc::proto::ActivateJobsResponse { jobs }.encode_to_vec()
        }
        _ => return None,
    };
    let pool = DescriptorPool::decode(crate::api::grpc::proto::FILE_DESCRIPTOR_SET).unwrap();
    let service = pool.get_service_by_name("gateway_protocol.Gateway").unwrap();
    let output = service.methods().find(|method| method.name() == rpc).unwrap().output();
    let message = DynamicMessage::decode(output, bytes.as_slice()).unwrap();
    Some(serde_json::to_value(&message).unwrap())
}

/// Removes what the recording client knew, but no gateway of 8.6 sends.
fn without_newer_fields(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(without_newer_fields),
        Value::Object(members) => {
            members.remove("decisionEvaluationKey");
            members.remove("listenerEventType");
            members.remove("kind");
            members.values_mut().for_each(without_newer_fields);
        }
        _ => {}
    }
}

#[test]
fn recorded_replies_become_the_recorded_answers() {
    let index = index();
    let mut answers = std::collections::BTreeMap::new();
    for exchange in index["exchanges"].as_array().unwrap() {
        let name = exchange["name"].as_str().unwrap();
        let result = &exchange["result"];
        if !name.starts_with("grpc/") || result["status"] != "OK" {
            continue;
        }
        let Some(rpc) = exchange["input"]["rpc"].as_str() else { continue };
        let kind = CommandKind::ALL.iter().find(|kind| {
            Some(kind.value_type().name()) == exchange["request"]["valueType"].as_str()
                && exchange["request"]["intent"] == kind.intent()
        });
        let file = exchange["responseFile"].as_str().unwrap();
        let Some(reply) = recorded_reply(file, *kind.unwrap()) else { continue };
        let Some(answer) = answer(rpc, &reply) else { continue };
        *answers.entry(rpc.to_owned()).or_insert(0) += 1;
        let mut expected = match &result["response"] {
            // One message per reply with jobs; this reply is the call's last.
            Value::Array(messages) => match messages.last() {
                Some(last) => last.clone(),
                None => continue,
            },
            message => message.clone(),
        };
        without_newer_fields(&mut expected);
        assert_eq!(answer, expected, "{name}");
    }
    assert!(answers.len() >= 7, "{answers:?}");
}
