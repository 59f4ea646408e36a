//! What a broker newer than known says: recorded bytes, altered the way newer versions alter them.
//!
//! SBE grows by a higher schema version, a longer block and more variable data; records grow by
//! properties; protobuf by fields; enums by values. None of it may keep us from reading the rest.

use std::collections::BTreeMap;

use beegate::gossip::{BrokerDirectory, Event};
use beegate::model::{
    MemberState, Millis, PartitionHealth, PartitionId, PartitionRole, RecordType, RejectionType,
    ValueType,
};
use beegate::wire::broker_info::{self, BrokerInfo};
use beegate::wire::configuration as config;
use beegate::wire::record::{JobPush, Record as _};
use beegate::wire::sbe::admin::AdminResponse;
use beegate::wire::sbe::stream::{AddStreamResponse, PushStreamRequest, StreamError};
use beegate::wire::sbe::{ExecuteCommandResponse, ExecuteQueryResponse, Message, Reply};
use beegate::wire::swim::{Member, decode_gossip, encode_gossip};
use bytes::{BufMut as _, Bytes};
use serde_json::{Value, json};

use crate::command::values::{of_msgpack, rewritten};
use crate::support;

const VERSION: u16 = 99;
const EXTRA: [u8; 5] = [0xee; 5];
/// A variable-length field: its length, then text.
const MORE_DATA: [u8; 7] = [3, 0, 0, 0, b'n', b'e', b'w'];

/// The same SBE message from a schema with a longer block and one more field at its end.
fn newer(message: &[u8]) -> Bytes {
    let word = |at: usize| u16::from_le_bytes([message[at], message[at + 1]]);
    let block = word(0);
    let end = 8 + usize::from(block);
    let mut out = Vec::new();
    out.put_u16_le(block + EXTRA.len() as u16);
    out.extend(&message[2..6]);
    out.put_u16_le(VERSION);
    out.extend(&message[8..end]);
    out.extend(EXTRA);
    out.extend(&message[end..]);
    out.extend(MORE_DATA);
    out.into()
}

fn template(message: &[u8]) -> (u16, u16) {
    let word = |at: usize| u16::from_le_bytes([message[at], message[at + 1]]);
    (word(4), word(2))
}

fn replies() -> Vec<(String, Bytes)> {
    let index: Value =
        serde_json::from_str(&support::text("command", "vectors.json")).expect("JSON");
    let exchanges = index["exchanges"].as_array().expect("a list").clone();
    let files = exchanges.iter().filter_map(|exchange| exchange["responseFile"].as_str());
    files.map(|file| (file.to_owned(), support::bytes("command", file).into())).collect()
}

fn same<T: Message + PartialEq + std::fmt::Debug>(file: &str, bytes: &Bytes) {
    let known = Reply::<T>::decode(bytes).expect(file);
    assert_eq!(Reply::<T>::decode(&newer(bytes)).expect(file), known, "{file}");
}

#[test]
fn replies_of_a_newer_schema() {
    let mut counts = BTreeMap::new();
    for (file, bytes) in replies() {
        match template(&bytes) {
            (0, 10 | 21) => same::<ExecuteCommandResponse>(&file, &bytes),
            (0, 31) => same::<ExecuteQueryResponse>(&file, &bytes),
            (1, 2) => same::<AdminResponse>(&file, &bytes),
            other => panic!("{file}: nothing reads template {other:?}"),
        }
        *counts.entry(template(&bytes)).or_insert(0) += 1;
    }
    assert!(counts[&(0, 21)] > 100, "{counts:?}");
    assert!(counts[&(0, 10)] > 3, "{counts:?}");
}

#[test]
fn replies_with_unknown_enum_values() {
    let (file, bytes) = replies()
        .into_iter()
        .find(|(_, bytes)| template(bytes) == (0, 21))
        .expect("there are command replies");
    // Fixed block (command-api §1.3): partition 2, key 8, record type, value type, intent, rejection.
    let mut altered = bytes.to_vec();
    altered[8 + 10..8 + 14].copy_from_slice(&[9, 200, 250, 77]);
    let reply = Reply::<ExecuteCommandResponse>::decode(&altered.into()).expect(&file);
    let Reply::Response(response) = reply else { panic!("an error") };
    assert_eq!(response.record_type, RecordType::Unknown(9));
    assert_eq!(response.value_type, ValueType::Unknown(200));
    assert_eq!(response.intent, 250);
    assert_eq!(response.rejection_type, RejectionType::Unknown(77));

    let error = replies().into_iter().find(|(_, bytes)| template(bytes) == (0, 10));
    let mut altered = error.expect("there are error replies").1.to_vec();
    altered[8] = 99;
    match Reply::<ExecuteCommandResponse>::decode(&altered.into()).expect("readable") {
        Reply::Error(error) => assert_eq!(error.code.to_wire(), 99),
        Reply::Response(response) => panic!("{response:?}"),
    }
}

/// Adds a property to the record and to each record in its lists.
fn more_properties(value: &Value, out: &mut Vec<u8>) {
    match value {
        Value::Null => out.put_u8(0xc0),
        Value::Bool(value) => out.put_u8(0xc2 + u8::from(*value)),
        Value::Number(number) if number.is_i64() => {
            out.put_u8(0xd3);
            out.put_i64(number.as_i64().expect("checked"));
        }
        Value::Number(number) => {
            out.put_u8(0xcb);
            out.put_f64(number.as_f64().expect("a double"));
        }
        Value::String(text) => {
            out.put_u8(0xdb);
            out.put_u32(text.len() as u32);
            out.extend(text.as_bytes());
        }
        Value::Array(list) => {
            out.put_u8(0xdd);
            out.put_u32(list.len() as u32);
            list.iter().for_each(|element| more_properties(element, out));
        }
        Value::Object(map) if map.contains_key("$bin") => {
            let bytes = support::unhex(map["$bin"].as_str().expect("hex"));
            out.put_u8(0xc6);
            out.put_u32(bytes.len() as u32);
            out.extend(bytes);
        }
        Value::Object(map) => {
            let added = [
                ("aNewName".to_owned(), json!({"deep": [1, {"$bin": "00ff"}], "none": null})),
                ("aNewNumber".to_owned(), json!(-7)),
            ];
            out.put_u8(0xdf);
            out.put_u32((map.len() + added.len()) as u32);
            for (name, value) in &added {
                more_properties(&json!(name), out);
                plain(value, out);
            }
            for (name, value) in map {
                more_properties(&json!(name), out);
                // A map that is a property's value may be the user's own, but a push holds a job.
                if value.is_object() && name != "record" {
                    plain(value, out);
                } else {
                    more_properties(value, out);
                }
            }
        }
    }
}

fn plain(value: &Value, out: &mut Vec<u8>) {
    match value {
        Value::Object(map) if !map.contains_key("$bin") => {
            out.put_u8(0xdf);
            out.put_u32(map.len() as u32);
            for (name, value) in map {
                more_properties(&json!(name), out);
                plain(value, out);
            }
        }
        Value::Array(list) => {
            out.put_u8(0xdd);
            out.put_u32(list.len() as u32);
            list.iter().for_each(|element| plain(element, out));
        }
        other => more_properties(other, out),
    }
}

#[test]
fn records_with_more_properties() {
    let mut records = 0;
    for (file, bytes) in replies() {
        if template(&bytes) != (0, 21) {
            continue;
        }
        let Reply::Response(response) =
            Reply::<ExecuteCommandResponse>::decode(&bytes).expect(&file)
        else {
            continue;
        };
        let Some(known) = rewritten(response.value_type, &response.value) else { continue };
        let mut altered = Vec::new();
        more_properties(&of_msgpack(&response.value), &mut altered);
        let read = rewritten(response.value_type, &altered.into()).expect("a known record");
        assert_eq!(of_msgpack(&read.expect(&file)), of_msgpack(&known.expect(&file)), "{file}");
        records += 1;
    }
    assert!(records > 100, "{records} records");
}

#[test]
fn pushes_and_stream_answers_of_a_newer_schema() {
    let push: Bytes = support::bytes("command", "stream/stream-push-request.hex").into();
    let known = PushStreamRequest::decode(&push).expect("readable");
    assert_eq!(PushStreamRequest::decode(&newer(&push)).expect("readable"), known);
    let job = JobPush::from_bytes(&known.payload).expect("a job");
    let mut payload = Vec::new();
    more_properties(&of_msgpack(&known.payload), &mut payload);
    let read = JobPush::from_bytes(&payload.into()).expect("a job");
    assert_eq!(of_msgpack(&read.to_bytes()), of_msgpack(&job.to_bytes()));

    let added: Bytes = support::bytes("cluster", "stream-add-response.hex").into();
    AddStreamResponse::decode(&newer(&added)).expect("readable");
    let error: Bytes = support::bytes("cluster", "stream-error-not-found.hex").into();
    let known = StreamError::decode(&error).expect("readable");
    assert_eq!(StreamError::decode(&newer(&error)).expect("readable"), known);
}

/// Broker info with longer blocks and entries, more data at the end, and another version.
fn newer_info(info: &BrokerInfo) -> Vec<u8> {
    let mut out = Vec::new();
    for field in [16 + 5, 201, 0, VERSION] {
        out.put_u16_le(field);
    }
    out.put_i32_le(info.node_id.0);
    out.put_i32_le(info.partitions_count);
    out.put_i32_le(info.cluster_size);
    out.put_i32_le(info.replication_factor);
    out.extend(EXTRA);
    let text = |out: &mut Vec<u8>, text: &str| {
        out.put_u32_le(text.len() as u32);
        out.extend(text.as_bytes());
    };
    // Two more bytes in each entry of each group.
    let group = |out: &mut Vec<u8>, bytes: u16, entries: usize| {
        out.put_u16_le(bytes + 2);
        out.put_u8(entries as u8);
    };
    group(&mut out, 0, info.addresses.len() + 1);
    for (name, address) in &info.addresses {
        out.extend([0xee; 2]);
        text(&mut out, name);
        text(&mut out, address);
    }
    out.extend([0xee; 2]);
    text(&mut out, "someOtherApi");
    text(&mut out, "elsewhere:1");
    group(&mut out, 5, info.roles.len());
    for (partition, role) in &info.roles {
        out.put_i32_le(partition.0.into());
        out.put_u8(role.to_wire());
        out.extend([0xee; 2]);
    }
    group(&mut out, 12, info.leader_terms.len());
    for (partition, term) in &info.leader_terms {
        out.put_i32_le(partition.0.into());
        out.put_i64_le(*term);
        out.extend([0xee; 2]);
    }
    text(&mut out, "9.1.0-alpha3");
    group(&mut out, 5, info.health.len());
    for (partition, health) in &info.health {
        out.put_i32_le(partition.0.into());
        out.put_u8(health.to_wire());
        out.extend([0xee; 2]);
    }
    out.extend(MORE_DATA);
    out
}

#[test]
fn broker_info_of_a_newer_schema() {
    let known = BrokerInfo::decode(&support::bytes("cluster", "brokerinfo-mixed.hex")).unwrap();
    let mut sent = known.clone();
    sent.roles[1].1 = PartitionRole::from_wire(9);
    sent.health[1].1 = PartitionHealth::from_wire(9);
    let read = BrokerInfo::decode(&newer_info(&sent)).expect("readable");
    assert_eq!(read.version, "9.1.0-alpha3");
    assert_eq!(read.command_address(), known.command_address());
    assert_eq!(read.roles, sent.roles);
    assert_eq!(read.leader_terms, known.leader_terms);
    assert_eq!(read.health, sent.health);
}

/// A whole member of the future: unknown properties beside a newer broker info, through gossip into
/// the view that commands are routed by.
#[test]
fn a_newer_broker_is_routed_to() {
    let file = support::bytes("cluster", "swim-gossip-1.hex");
    let mut member: Member = decode_gossip(&file).expect("readable").remove(0);
    let info = BrokerInfo::decode(&support::bytes("cluster", "brokerinfo-mixed.hex")).unwrap();
    let property = {
        use base64::Engine as _;
        base64::engine::general_purpose::STANDARD.encode(newer_info(&info))
    };
    member.state = Some(MemberState::Alive);
    member.properties.insert(broker_info::PROPERTY.to_owned(), property);
    member.properties.insert("aNewProperty".to_owned(), "{\"x\":1}".to_owned());
    let told = decode_gossip(&encode_gossip(&[member])).expect("readable").remove(0);
    let mut directory = BrokerDirectory::new();
    directory.apply(Millis(0), &Event::MemberAdded(told)).expect("readable");
    let view = directory.view(Millis(0), None, []);
    assert_eq!(view.brokers[0].version, "9.1.0-alpha3");
    assert_eq!(view.partition(1).and_then(|seen| seen.leader), Some(info.node_id));
    assert!(view.has_leader(PartitionId(1)));
}

#[test]
fn configuration_of_a_newer_schema() {
    let payload = support::bytes("cluster", "topology-gossip-full.hex");
    let known = config::decode(&payload).expect("readable").expect("one");
    // Field 99, of each wire type a newer schema could use.
    let number = [0x98, 0x06, 0x07];
    let text = [0x9a, 0x06, 0x03, b'n', b'e', b'w'];
    let fixed = [0x9d, 0x06, 1, 2, 3, 4];
    let altered = [&payload[..], &number, &text, &fixed].concat();
    assert_eq!(config::decode(&altered).expect("readable"), Some(known.clone()));
    let mut unknown_state = known;
    unknown_state.members.get_mut("0").expect("member 0").state = 42;
    let altered = config::encode(Some(&unknown_state));
    assert_eq!(config::decode(&altered).expect("readable"), Some(unknown_state));
}
