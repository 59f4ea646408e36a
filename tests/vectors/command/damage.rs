//! Damaged input: every truncation and every single bit flip of every vector, announced lengths
//! that lie, and depth. Nothing panics, and nothing takes memory that the input does not justify.
//!
//! The bound is four times the input plus [`CONSTANT`]. The constant is the budget of the lists in
//! a record, which short messages may use in full (see `list_budget`), and the fixed size of the
//! largest records, errors and scratch space.

use std::collections::BTreeSet;

use allocation_counter::measure;
use beegate::model::ValueType;
use beegate::wire::msgpack::Reader;
use beegate::wire::msgpack::json::{JsonDialect, json_to_msgpack, msgpack_to_json};
use beegate::wire::record::{
    AuthInfo, DeploymentRecord, JobBatchRecord, JobPush, JobStreamMetadata, Record,
};
use beegate::wire::sbe::{
    CommandReply, ExecuteCommandRequest, ExecuteQueryRequest, ExecuteQueryResponse, Header,
    Message, admin, backup, stream,
};
use bytes::Bytes;

use super::values::rewritten;
use super::{hex_files, json, vector};
use crate::support::{damage, unhex};

const CONSTANT: u64 = 64 * 1024 + 8 * 1024;

/// Runs `decode` and checks the memory it took at its peak.
#[track_caller]
fn bounded<T>(what: &str, input: usize, decode: impl FnOnce() -> T) -> T {
    let mut result = None;
    let used = measure(|| result = Some(decode()));
    let limit = 4 * input as u64 + CONSTANT;
    assert!(used.bytes_max <= limit, "{what}: {} bytes for {input} of input", used.bytes_max);
    result.expect("decode ran")
}

/// The message that the header announces, and what it carries.
fn envelope(bytes: &Bytes) -> Vec<(Carried, Bytes)> {
    let Ok(header) = Header::decode(bytes) else { return Vec::new() };
    // Which decoder meets a message depends on the topic, so their order says nothing.
    match header.template_id {
        1 => drop(admin::AdminRequest::decode(bytes)),
        2 => drop(admin::AdminResponse::decode(bytes)),
        3 => _ = backup::BackupRequest::decode(bytes),
        4 => drop(backup::BackupStatusResponse::decode(bytes)),
        5 => drop(backup::BackupListResponse::decode(bytes)),
        20 => {
            let Ok(request) = ExecuteCommandRequest::decode(bytes) else { return Vec::new() };
            return vec![
                (Carried::Record(request.value_type), request.value),
                (Carried::Authorization, request.authorization),
            ];
        }
        30 => _ = ExecuteQueryRequest::decode(bytes),
        31 => drop(ExecuteQueryResponse::decode(bytes)),
        400 => {
            let Ok(add) = stream::AddStreamRequest::decode(bytes) else { return Vec::new() };
            return vec![(Carried::Metadata, add.metadata)];
        }
        401 => _ = stream::RemoveStreamRequest::decode(bytes),
        402 => {
            let Ok(push) = stream::PushStreamRequest::decode(bytes) else { return Vec::new() };
            return vec![(Carried::Push, push.payload)];
        }
        406 => drop(stream::StreamError::decode(bytes)),
        _ => {
            // Templates 10 and 21, and all others.
            if let Ok(CommandReply::Response(reply)) = CommandReply::decode(bytes) {
                return vec![(Carried::Record(reply.value_type.to_wire()), reply.value)];
            }
        }
    }
    Vec::new()
}

/// What a message carries.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Carried {
    Record(u8),
    Authorization,
    Metadata,
    Push,
}

impl Carried {
    fn decode(self, bytes: &Bytes) {
        match self {
            Self::Record(value_type) => {
                _ = rewritten(ValueType::from_wire(value_type), bytes);
            }
            Self::Authorization => drop(AuthInfo::authorized_tenants(bytes)),
            Self::Metadata => drop(JobStreamMetadata::from_bytes(bytes)),
            Self::Push => drop(JobPush::from_bytes(bytes)),
        }
    }
}

/// A deployment carries whole files: a part of them is enough.
const LONG_ENOUGH: usize = 1500;

/// An envelope never looks into what it carries. So every message is damaged as an envelope, and
/// every distinct record and authorization on its own: together all damage to every vector.
#[test]
fn every_truncation_and_bit_flip_of_every_vector() {
    let mut payloads = BTreeSet::new();
    for file in hex_files() {
        let bytes = vector(&file);
        payloads.extend(envelope(&bytes));
        damage(&bytes[..bytes.len().min(LONG_ENOUGH)], |damaged| {
            let damaged = Bytes::copy_from_slice(damaged);
            bounded(&file, damaged.len(), || drop(envelope(&damaged)));
        });
    }
    assert!(payloads.len() > 150, "{} payloads", payloads.len());
    for (carried, bytes) in payloads {
        damage(&bytes[..bytes.len().min(LONG_ENOUGH)], |damaged| {
            let damaged = Bytes::copy_from_slice(damaged);
            bounded("payload", damaged.len(), || carried.decode(&damaged));
        });
    }
}

#[test]
fn damaged_msgpack_and_json() {
    for case in json("conversion/msgpack-to-json.json").as_array().expect("a list") {
        damage(&unhex(case["msgpack"].as_str().expect("hex")), |damaged| {
            let damaged = Bytes::copy_from_slice(damaged);
            bounded("MsgPack", damaged.len(), || _ = msgpack_to_json(&damaged));
        });
    }
    for case in json("conversion/json-to-msgpack.json").as_array().expect("a list") {
        damage(case["json"].as_str().expect("text").as_bytes(), |damaged| {
            let text = String::from_utf8_lossy(damaged);
            for dialect in [JsonDialect::Lenient, JsonDialect::Strict] {
                bounded("JSON", text.len(), || _ = json_to_msgpack(&text, dialect));
            }
        });
    }
}

/// An envelope whose data is announced 4 GiB long is refused without reserving it.
#[test]
fn announced_lengths_are_not_believed() {
    for header in [&[0xdd, 0xff, 0xff, 0xff, 0xff][..], &[0xdf, 0xff, 0xff, 0xff, 0xff]] {
        let bytes = Bytes::copy_from_slice(header);
        assert!(bounded("header", 5, || Reader::new(&bytes).skip()).is_err());
        assert!(bounded("header", 5, || msgpack_to_json(&bytes)).is_err());
    }
    let mut envelope = Vec::from(vector("raw/ok-publish.req.hex"));
    envelope[Header::LEN + 20..][..4].copy_from_slice(&u32::MAX.to_le_bytes());
    let envelope = Bytes::from(envelope);
    let decoded = bounded("envelope", envelope.len(), || ExecuteCommandRequest::decode(&envelope));
    assert!(decoded.is_err());
}

/// A list whose elements are one byte on the wire but hundreds in memory stops at the budget.
#[test]
fn small_messages_cannot_become_huge_records() {
    for element in [0x80, 0x90, 0xa0, 0x00] {
        for list in ["jobs", "jobKeys", "variables", "resources"] {
            let mut bytes = vec![0x81, 0xa0 | list.len() as u8];
            bytes.extend_from_slice(list.as_bytes());
            bytes.extend_from_slice(&[0xdd, 0, 0x10, 0, 0]);
            bytes.resize(bytes.len() + 0x10_0000, element);
            let bytes = Bytes::from(bytes);
            bounded(list, bytes.len(), || _ = JobBatchRecord::from_bytes(&bytes));
            bounded(list, bytes.len(), || _ = DeploymentRecord::from_bytes(&bytes));
        }
    }
}

#[test]
fn depth_is_followed_far_and_stops_somewhere() {
    for (open, close, opened) in [("[", "]", 0x91), ("{\"a\":", "}", 0x81)] {
        let deep = |depth: usize| open.repeat(depth) + "1" + &close.repeat(depth);
        let text = deep(3_000);
        let msgpack = json_to_msgpack(&text, JsonDialect::Lenient).expect("3000 levels");
        assert_eq!(msgpack[0], opened);
        assert_eq!(msgpack_to_json(&msgpack).expect("3000 levels"), text);
        let text = deep(1_000_000);
        for dialect in [JsonDialect::Lenient, JsonDialect::Strict] {
            let converted = bounded("deep JSON", text.len(), || json_to_msgpack(&text, dialect));
            let error = converted.expect_err("a million levels").to_string();
            assert!(error.starts_with("Invalid JSON value: nesting"), "{error}");
        }
    }
    let deep = Bytes::from(vec![0x91; 1_000_000]);
    assert!(bounded("deep MsgPack", deep.len(), || msgpack_to_json(&deep)).is_err());
    assert!(bounded("deep MsgPack", deep.len(), || Reader::new(&deep).skip()).is_err());
}

/// The worst texts for each of the converter's own lists.
#[test]
fn hostile_json_stays_within_its_bound() {
    let cases = [
        "1.0,".repeat(100_000),
        "\"\\ud83d\\n\",".repeat(100_000),
        "[],".repeat(100_000),
        "[0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0],".repeat(20_000),
        "{\"\":0,\"\":1},".repeat(50_000),
    ];
    for items in cases {
        let text = format!("[{items}0]");
        for dialect in [JsonDialect::Lenient, JsonDialect::Strict] {
            bounded(&text[..20], text.len(), || json_to_msgpack(&text, dialect)).expect("JSON");
        }
    }
    let names: String = (0..50_000).map(|n| format!("\"{}\":0,", n % 1000)).collect();
    let text = format!("{{{names}\"x\":1}}");
    let msgpack = bounded("names", text.len(), || json_to_msgpack(&text, JsonDialect::Strict));
    assert_eq!(Reader::new(&msgpack.expect("JSON")).map().expect("a map"), 1001);
}

/// Printing can need more than four times the input: a nil is one byte and `null,` five.
#[test]
fn printing_is_bounded_by_what_it_prints() {
    for element in [0xc0, 0xc2, 0x01] {
        let mut bytes = vec![0xdd, 0, 1, 0, 0];
        bytes.resize(bytes.len() + 0x1_0000, element);
        let bytes = Bytes::from(bytes);
        let mut text = String::new();
        let used = measure(|| text = msgpack_to_json(&bytes).expect("an array"));
        assert!(used.bytes_max <= 4 * text.len() as u64 + CONSTANT);
    }
}
