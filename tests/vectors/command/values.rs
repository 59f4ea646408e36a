//! The notation of the vectors' values, and every record by its value type.

use beegate::model::ValueType;
use beegate::wire::msgpack::{Kind, Reader};
use beegate::wire::record::*;
use beegate::wire::{DecodeError, record::Record};
use bytes::Bytes;
use serde_json::{Map, Value, json};

use crate::support;

/// Reads a record of the value type and writes it again.
pub fn rewritten(value_type: ValueType, bytes: &Bytes) -> Option<Result<Bytes, DecodeError>> {
    fn again<R: Record>(bytes: &Bytes) -> Result<Bytes, DecodeError> {
        R::from_bytes(bytes).map(|record| record.to_bytes())
    }
    let again = match value_type {
        ValueType::Job => again::<JobRecord>,
        ValueType::Deployment => again::<DeploymentRecord>,
        ValueType::ProcessInstance => again::<ProcessInstanceRecord>,
        ValueType::Incident => again::<IncidentRecord>,
        ValueType::Message => again::<MessageRecord>,
        ValueType::JobBatch => again::<JobBatchRecord>,
        ValueType::VariableDocument => again::<VariableDocumentRecord>,
        ValueType::ProcessInstanceCreation => again::<ProcessInstanceCreationRecord>,
        ValueType::ProcessInstanceResult => again::<ProcessInstanceResultRecord>,
        ValueType::DecisionEvaluation => again::<DecisionEvaluationRecord>,
        ValueType::ProcessInstanceModification => again::<ProcessInstanceModificationRecord>,
        ValueType::Signal => again::<SignalRecord>,
        ValueType::ResourceDeletion => again::<ResourceDeletionRecord>,
        ValueType::UserTask => again::<UserTaskRecord>,
        ValueType::ProcessInstanceMigration => again::<ProcessInstanceMigrationRecord>,
        ValueType::MessageCorrelation => again::<MessageCorrelationRecord>,
        ValueType::User => again::<UserRecord>,
        ValueType::Clock => again::<ClockRecord>,
        ValueType::Authorization => again::<AuthorizationRecord>,
        ValueType::Checkpoint => again::<CheckpointRecord>,
        _ => return None,
    };
    Some(again(bytes))
}

/// MsgPack in the notation of the vectors, binary data as `{"$bin": hex}`.
pub fn of_msgpack(bytes: &Bytes) -> Value {
    let mut reader = Reader::new(bytes);
    let value = next(&mut reader);
    assert_eq!(reader.remaining(), 0, "bytes after the value");
    value
}

fn next(reader: &mut Reader<'_>) -> Value {
    match reader.kind().expect("a value") {
        Kind::Nil => reader.nil().map(|()| Value::Null).expect("nil"),
        Kind::Bool => reader.bool().expect("bool").into(),
        Kind::Int => {
            let value = reader.int128().expect("int");
            i64::try_from(value).map(Value::from).unwrap_or_else(|_| json!(value as u64))
        }
        Kind::Float => reader.f64().expect("float").into(),
        Kind::Str => reader.str().expect("text").into(),
        Kind::Bin => json!({ "$bin": support::hex(&reader.bin().expect("bin")) }),
        Kind::Array => {
            let len = reader.array().expect("array");
            (0..len).map(|_| next(reader)).collect()
        }
        Kind::Map => {
            let len = reader.map().expect("map");
            let entry = |_| (reader.str().expect("name").to_owned(), next(reader));
            (0..len).map(entry).collect::<Map<_, _>>().into()
        }
        Kind::Ext => panic!("extension values do not occur"),
    }
}

/// The stated value with all its binary notations turned into `{"$bin": hex}`.
pub fn stated(value: &Value) -> Value {
    match value {
        Value::Object(map) => {
            if let Some(hex) = map.get("$hex") {
                return json!({ "$bin": hex });
            }
            if let Some(file) = map.get("$file").and_then(Value::as_str) {
                let content = std::fs::read(support::area("command").join(file)).expect(file);
                return json!({ "$bin": support::hex(&content) });
            }
            map.iter()
                .map(|(name, value)| (name.clone(), stated(value)))
                .collect::<Map<_, _>>()
                .into()
        }
        Value::Array(list) => list.iter().map(stated).collect(),
        other => other.clone(),
    }
}

/// Whether `actual` agrees with `stated` in everything both name: records of other versions lack
/// properties or have more.
pub fn agrees(actual: &Value, stated: &Value) -> bool {
    match (actual, stated) {
        (Value::Object(actual), Value::Object(stated)) => stated
            .iter()
            .filter_map(|(name, value)| Some((actual.get(name)?, value)))
            .all(|(actual, stated)| agrees(actual, stated)),
        (Value::Array(actual), Value::Array(stated)) => {
            actual.len() == stated.len()
                && actual.iter().zip(stated).all(|(actual, stated)| agrees(actual, stated))
        }
        (actual, stated) => actual == stated,
    }
}
