//! Any text as JSON, compared with serde_json where both speak the same language.

#![no_main]

use beegate::wire::msgpack::Reader;
use beegate::wire::msgpack::json::{
    JsonDialect, JsonError, document_from_json, json_to_msgpack, msgpack_to_json,
};
use libfuzzer_sys::fuzz_target;
use serde_json::Value;

fuzz_target!(|text: &str| {
    _ = document_from_json(text, JsonDialect::Lenient);
    let strict = json_to_msgpack(text, JsonDialect::Strict);
    let lenient = json_to_msgpack(text, JsonDialect::Lenient);
    if let Ok(msgpack) = &strict {
        let mut reader = Reader::new(msgpack);
        reader.skip().expect("one value");
        assert_eq!(reader.remaining(), 0, "bytes after the value");
        assert!(msgpack.len() <= text.len() * 9 / 4 + 9);
        assert!(lenient.is_ok(), "strict JSON that the lenient dialect refuses");
    }
    match (serde_json::from_str::<Value>(text), &strict) {
        (Ok(value), Ok(msgpack)) => {
            // Numbers beyond the range of either and infinities differ by design.
            let printed = msgpack_to_json(msgpack).expect("prints what it read");
            let back: Value = serde_json::from_str(&printed).expect("prints JSON");
            if !printed.contains("Infinity") {
                assert!(same(&back, &value), "{printed} is not {value}");
            }
        }
        (Ok(_), Err(JsonError::IntegerOutOfRange | JsonError::TooDeep { .. })) => {}
        (Ok(value), Err(error)) => panic!("{value} was refused: {error}"),
        // Text after the first value, overflowing floats, lone surrogates and deep nesting.
        (Err(_), _) => {}
    }
});

fn same(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Number(one), Value::Number(other)) => one == other || one.as_f64() == other.as_f64(),
        (Value::Array(one), Value::Array(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| same(one, other))
        }
        (Value::Object(one), Value::Object(other)) => {
            one.len() == other.len()
                && one.iter().all(|(name, one)| other.get(name).is_some_and(|other| same(one, other)))
        }
        (one, other) => one == other,
    }
}
