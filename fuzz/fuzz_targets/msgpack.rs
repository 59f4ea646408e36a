//! Any bytes as MsgPack: skipping and printing agree on where a value ends, and what is printed
//! is JSON.

#![no_main]

use beegate::wire::msgpack::Reader;
use beegate::wire::msgpack::json::{JsonDialect, json_to_msgpack, msgpack_to_json};
use bytes::Bytes;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let input = Bytes::copy_from_slice(data);
    let mut reader = Reader::new(&input);
    let skipped = reader.skip().map(|()| reader.position());
    let Ok(json) = msgpack_to_json(&input) else { return };
    assert!(skipped.is_ok_and(|end| end <= input.len()), "printed what cannot be skipped");
    // Our own text is JSON to others, and to ourselves: twice there and back changes nothing.
    if json.len() < 100_000 && depth(&json) < 100 {
        serde_json::from_str::<serde_json::Value>(&json).expect("prints JSON");
    }
    let again = json_to_msgpack(&json, JsonDialect::Lenient).expect("reads what it printed");
    let json_again = msgpack_to_json(&again).expect("prints what it read");
    assert_eq!(json, json_again);
});

/// An upper bound of the nesting.
fn depth(json: &str) -> usize {
    json.bytes().filter(|byte| matches!(byte, b'[' | b'{')).count()
}
