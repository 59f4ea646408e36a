//! Requests and replies between a JVM gateway and a broker, and commands of other versions.

use std::collections::BTreeSet;

use beegate::model::ValueType;
use beegate::wire::record::AuthInfo;
use beegate::wire::sbe::admin::{AdminRequest, AdminResponse};
use beegate::wire::sbe::backup::BackupRequest;
use beegate::wire::sbe::{
    ExecuteCommandRequest, ExecuteCommandResponse, ExecuteQueryRequest, ExecuteQueryResponse,
    Header, Message, Reply,
};
use bytes::Bytes;
use serde_json::{Value, json};

use super::values::{agrees, of_msgpack, rewritten, stated};
use super::{assert_encodes, encoded, index, response, vector};
use crate::support::hex;

/// One message of an exchange: its name, file, and what it says.
struct Stated {
    file: String,
    decoded: Value,
}

fn of(entries: &Value, file: &str, decoded: &str) -> Vec<Stated> {
    let entries = entries.as_array().expect("a list").iter();
    entries
        .filter_map(|entry| {
            let file = entry.get(file)?.as_str()?.to_owned();
            Some(Stated { file, decoded: entry.get(decoded)?.clone() })
        })
        .collect()
}

fn requests() -> Vec<Stated> {
    of(&index()["exchanges"], "requestFile", "request")
}

fn responses() -> Vec<Stated> {
    of(&index()["exchanges"], "responseFile", "response")
}

/// Generated messages that come with their decoded form.
fn decoded() -> Vec<Stated> {
    of(&index()["generated"], "file", "decoded")
}

/// The files that the tests below read.
pub fn files() -> BTreeSet<String> {
    [requests(), responses(), decoded()].into_iter().flatten().map(|stated| stated.file).collect()
}

fn assert_request(stated_request: &Stated) {
    let Stated { file, decoded } = stated_request;
    let bytes = vector(file);
    let request = ExecuteCommandRequest::decode(&bytes).expect(file);
    let value_type = ValueType::from_wire(request.value_type);
    let header = Header::decode(&bytes).expect(file);
    let number = |name: &str| decoded[name].as_i64();
    assert_eq!(Some(i64::from(request.partition)), number("partitionId"), "{file}");
    assert_eq!(Some(request.key), number("key"), "{file}");
    assert_eq!(Some(i64::from(request.intent)), number("intent"), "{file}");
    assert_eq!(request.operation_reference, number("operationReference").unwrap_or(-1), "{file}");
    match &decoded["valueType"] {
        Value::String(name) => assert_eq!(value_type.name(), name, "{file}"),
        number => assert_eq!(number.as_i64(), Some(i64::from(request.value_type)), "{file}"),
    }
    assert_eq!(json!(header.block_length), decoded["header"]["blockLength"], "{file}");
    assert_eq!(json!(header.version), decoded["header"]["version"], "{file}");
    if !decoded["value"].is_null() {
        assert_eq!(of_msgpack(&request.value), stated(&decoded["value"]), "{file}");
    }
    if !decoded["authorization"].is_null() {
        assert_eq!(of_msgpack(&request.authorization), stated(&decoded["authorization"]), "{file}");
    }
}

/// Whatever a broker would make of the values, the envelope says what it says.
#[test]
fn request_envelopes_decode() {
    let is_command = |stated: &Stated| stated.decoded["message"] == "ExecuteCommandRequest";
    let requests: Vec<Stated> =
        requests().into_iter().chain(decoded()).filter(is_command).collect();
    assert!(requests.len() > 200, "{} requests", requests.len());
    requests.iter().for_each(assert_request);
}

/// What gateways send is reproduced byte for byte: record, authorization and envelope.
#[test]
fn requests_of_gateways_encode_identically() {
    let written_by_gateways = |file: &str| !file.starts_with("raw/");
    let mut count = 0;
    for Stated { file, decoded } in requests().into_iter().chain(decoded()) {
        let ours = decoded["header"]["version"] == 5 && decoded["header"]["templateId"] == 20;
        let foreign_layout = file.starts_with("versions/8.7") || file.starts_with("versions/8.8");
        if !written_by_gateways(&file) || !ours || foreign_layout {
            continue;
        }
        let bytes = vector(&file);
        let request = ExecuteCommandRequest::decode(&bytes).expect(&file);
        let value_type = ValueType::from_wire(request.value_type);
        let value = rewritten(value_type, &request.value).expect("a known type").expect(&file);
        assert_eq!(hex(&value), hex(&request.value), "{file}");
        let authorization = match AuthInfo::parse(&request.authorization).expect(&file) {
            auth if auth.format == "UNKNOWN" => AuthInfo::unknown(),
            auth => AuthInfo::for_tenants(&auth.tenants().expect(&file)),
        };
        assert_encodes(&file, &ExecuteCommandRequest { value, authorization, ..request });
        count += 1;
    }
    assert!(count > 170, "{count} requests");
}

/// Commands of other versions are read by the rules of theirs.
#[test]
fn commands_of_all_versions_decode() {
    let mut count = 0;
    for Stated { file, decoded } in decoded() {
        if !file.starts_with("versions/") {
            continue;
        }
        let request = ExecuteCommandRequest::decode(&vector(&file)).expect(&file);
        let value_type = ValueType::from_wire(request.value_type);
        let value = rewritten(value_type, &request.value).expect("a known type").expect(&file);
        let (value, stated) = (of_msgpack(&value), stated(&decoded["value"]));
        assert!(agrees(&value, &stated), "{file}: {value} is not {stated}");
        count += 1;
    }
    assert_eq!(count, 24);
}

/// Hand-made requests are accepted and refused exactly as the broker did.
#[test]
fn malformed_commands_are_refused_like_a_broker_does() {
    let mut refused = 0;
    for exchange in index()["exchanges"].as_array().expect("a list") {
        let (Some(file), Some(reply)) =
            (exchange["requestFile"].as_str(), exchange["responseFile"].as_str())
        else {
            continue;
        };
        let topic = exchange["topic"].as_str().unwrap_or_default();
        if !file.starts_with("raw/") || !topic.starts_with("command-api-") {
            continue;
        }
        let readable = readable(&vector(file));
        match Reply::<ExecuteCommandResponse>::decode(&vector(reply)).expect(reply) {
            Reply::Response(_) => assert_eq!(readable, Ok(()), "{file}"),
            Reply::Error(error) => match error.code.name() {
                "MALFORMED_REQUEST" | "INVALID_MESSAGE_TEMPLATE" => {
                    assert!(readable.is_err(), "{file}: {}", error.message);
                    refused += 1;
                }
                "UNSUPPORTED_MESSAGE" => assert_eq!(readable, Err("value type".into()), "{file}"),
                other => panic!("{file}: {other}"),
            },
        }
    }
    assert!(refused >= 10, "{refused} refused");
}

fn readable(bytes: &Bytes) -> Result<(), String> {
    let request = ExecuteCommandRequest::decode(bytes).map_err(|e| e.to_string())?;
    let value_type = ValueType::from_wire(request.value_type);
    AuthInfo::parse(&request.authorization).map_err(|e| e.to_string())?;
    rewritten(value_type, &request.value)
        .ok_or("value type")?
        .map(|_| ())
        .map_err(|e| e.to_string())
}

fn assert_command_response(file: &str, decoded: &Value) {
    let bytes = vector(file);
    let reply: ExecuteCommandResponse = response(&bytes);
    let number = |name: &str| decoded[name].as_i64();
    assert_eq!(Some(i64::from(reply.partition)), number("partitionId"), "{file}");
    assert_eq!(Some(reply.key), number("key"), "{file}");
    assert_eq!(Some(i64::from(reply.intent)), number("intent"), "{file}");
    let name = |known: &'static str, wire: u8| if wire == 255 { "NULL" } else { known };
    let record_type = name(reply.record_type.name(), reply.record_type.to_wire());
    assert_eq!(record_type, decoded["recordType"], "{file}");
    let rejection = name(reply.rejection_type.name(), reply.rejection_type.to_wire());
    assert_eq!(rejection, decoded["rejectionType"], "{file}");
    if let Some(reason) = decoded["rejectionReason"].as_str() {
        assert_eq!(reply.rejection_reason, reason, "{file}");
    }
    match &decoded["valueType"] {
        Value::String(name) => assert_eq!(reply.value_type.name(), name, "{file}"),
        number => {
            assert_eq!(number.as_i64(), Some(i64::from(reply.value_type.to_wire())), "{file}")
        }
    }
    assert_encodes(file, &reply);
    if decoded["value"].is_null() {
        return;
    }
    let stated = stated(&decoded["value"]);
    assert_eq!(of_msgpack(&reply.value), stated, "{file}");
    let value = rewritten(reply.value_type, &reply.value).expect("a known type").expect(file);
    let value = of_msgpack(&value);
    assert!(agrees(&value, &stated), "{file}: {value} is not {stated}");
}

/// Every reply decodes to what is stated, and encodes back to the same bytes.
#[test]
fn replies_both_ways() {
    let mut count = 0;
    for Stated { file, decoded } in responses().into_iter().chain(decoded()) {
        match decoded["message"].as_str() {
            Some("ExecuteCommandResponse") => assert_command_response(&file, &decoded),
            Some("ErrorResponse") => {
                let Ok(Reply::<ExecuteCommandResponse>::Error(error)) =
                    Reply::decode(&vector(&file))
                else {
                    panic!("{file} is no error");
                };
                assert_eq!(error.code.name(), decoded["errorCode"], "{file}");
                assert_eq!(error.message, decoded["errorData"].as_str().unwrap_or(""), "{file}");
                assert_encodes(&file, &error);
            }
            Some("ExecuteQueryResponse") => {
                let reply: ExecuteQueryResponse = response(&vector(&file));
                assert_eq!(reply.bpmn_process_id, decoded["bpmnProcessId"], "{file}");
                assert_encodes(&file, &reply);
            }
            Some("AdminResponse") => {
                let reply: AdminResponse = response(&vector(&file));
                assert_eq!(reply.payload, decoded["payload"].as_str().unwrap_or(""), "{file}");
                assert_encodes(&file, &reply);
            }
            _ => continue,
        }
        count += 1;
    }
    assert!(count > 230, "{count} replies");
}

/// Queries, admin and backup requests sent by hand.
#[test]
fn other_requests_both_ways() {
    let mut count = 0;
    for Stated { file, decoded } in requests().into_iter().chain(decoded()) {
        let bytes = vector(&file);
        let header = &decoded["header"];
        let again = match (header["schemaId"].as_i64(), header["templateId"].as_i64()) {
            (Some(0), Some(30)) => {
                let query = ExecuteQueryRequest::decode(&bytes).expect(&file);
                assert_eq!(json!(query.partition), decoded["partitionId"], "{file}");
                assert_eq!(json!(query.key), decoded["key"], "{file}");
                assert_eq!(json!(query.value_type), decoded["valueType"], "{file}");
                encoded(&query)
            }
            (Some(1), Some(1)) => encoded(&AdminRequest::decode(&bytes).expect(&file)),
            (Some(1), Some(3)) => encoded(&BackupRequest::decode(&bytes).expect(&file)),
            _ => continue,
        };
        // 8.5 writes no payload, not even its length.
        let with_payload =
            if file.contains("85-style") { [&bytes[..], &[0; 4]].concat() } else { bytes.to_vec() };
        assert_eq!(hex(&again), hex(&with_payload), "{file}");
        count += 1;
    }
    assert!(count >= 18, "{count} requests");
}
