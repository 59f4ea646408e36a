//! JSON ↔ MsgPack against what the JVM gateway's converters gave.

use beegate::wire::msgpack::json::{
    JsonDialect, document_from_json, json_to_msgpack, msgpack_to_json,
};
use bytes::Bytes;
use serde_json::Value;

use super::json;
use crate::support::{hex, unhex};

fn cases(file: &str) -> Vec<Value> {
    match json(file) {
        Value::Array(cases) => cases,
        _ => panic!("{file} is a list"),
    }
}

#[test]
fn json_as_grpc_takes_it() {
    let cases = cases("conversion/json-to-msgpack.json");
    assert!(cases.len() > 70);
    for case in cases {
        let text = case["json"].as_str().expect("text");
        let grpc = &case["grpc"];
        let msgpack = json_to_msgpack(text, JsonDialect::Lenient);
        let document = document_from_json(text, JsonDialect::Lenient);
        if let Some(error) = grpc["error"].as_str() {
            let expected = error.split_once(": ").map_or(error, |(_class, message)| message);
            let expected = expected.split("\n at [Source").next().unwrap_or_default();
            let message = msgpack.expect_err(text).to_string();
            assert!(message.starts_with(expected), "{text}: {message}");
            assert!(document.is_err(), "{text}");
            continue;
        }
        assert_eq!(hex(&msgpack.expect(text)), grpc["msgpack"], "{text}");
        match grpc["documentError"].as_str() {
            Some(error) => assert_eq!(document.expect_err(text).to_string(), error, "{text}"),
            None => {
                let document = document.expect(text);
                assert_eq!(hex(document.as_msgpack()), grpc["document"], "{text}");
            }
        }
    }
}

#[test]
fn json_as_rest_takes_it() {
    for case in cases("conversion/json-to-msgpack.json") {
        let text = case["json"].as_str().expect("text");
        let document = document_from_json(text, JsonDialect::Strict);
        match case["rest"]["msgpack"].as_str() {
            Some(expected) => {
                assert_eq!(hex(document.expect(text).as_msgpack()), expected, "{text}");
            }
            None => assert!(document.is_err(), "{text}"),
        }
    }
}

#[test]
fn msgpack_as_clients_see_it() {
    let cases = cases("conversion/msgpack-to-json.json");
    assert!(cases.len() > 40);
    for case in cases {
        let msgpack = case["msgpack"].as_str().expect("hex");
        let text = msgpack_to_json(&Bytes::from(unhex(msgpack)));
        match case["json"].as_str() {
            Some(expected) => assert_eq!(text.expect(msgpack), expected, "{msgpack}"),
            None => assert!(text.is_err(), "{msgpack}: {text:?}"),
        }
    }
}
