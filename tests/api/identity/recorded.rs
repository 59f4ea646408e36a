//! The recordings with authentication and multi-tenancy on, step by step.

use std::collections::BTreeMap;
use std::fs;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use beegate::api::grpc::proto as pb;
use prost::Message as _;
use prost_reflect::{DescriptorPool, DynamicMessage, SerializeOptions};

use super::*;

const FILE: &str = "21-identity-multitenancy.json";

/// What stands for names in double braces.
type Names = BTreeMap<String, String>;

/// The tokens of the recordings; the provider is told of the tenants.
fn tokens(provider: &Provider) -> Names {
    let other = |kid: &str| Signer::rsa(kid, RSA_2, "RS256");
    let changed = |name: &str, value: Value| {
        let mut claims = claims("good");
        claims[name] = value;
        signer().token(&claims)
    };
    let tokens = [
        ("tok_good", signer().token(&claims("good"))),
        ("tok_expired", changed("exp", json!(now() - 1))),
        ("tok_wrongaud", changed("aud", json!("another"))),
        ("tok_wrongkid", other("k2").token(&claims("good"))),
        ("tok_badsig", other("k1").token(&claims("good"))),
        ("tok_noten", signer().token(&claims("noten"))),
        ("run", "replayed".to_owned()),
    ];
    provider.grant(&tokens[0].1, &["t1", "<default>"]);
    tokens.into_iter().map(|(name, token)| (name.to_owned(), token)).collect()
}

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/vectors")
}

/// A part of a step with all known names filled in.
fn filled(step: &Value, names: &Names) -> Value {
    let mut text = step.to_string();
    for (name, value) in names {
        text = text.replace(&format!("{{{{{name}}}}}"), value);
    }
    serde_json::from_str(&text).expect("JSON")
}

/// A key stands as a number over REST and as text over gRPC.
fn shown(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// Members that were not recorded.
#[derive(Clone, Copy)]
enum Newer {
    None,
    /// Fields that 8.6 does not know, with their defaults; enumerations show their first value.
    Empty,
    /// What clients of later versions look for.
    Any,
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(set) => !set,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => matches!(text.as_str(), "" | "0" | "BPMN_ELEMENT" | "ASSIGNING"),
        Value::Array(items) => items.is_empty(),
        Value::Object(members) => members.values().all(is_empty),
    }
}

/// Compares, and captures what has a name.
fn matches(expected: &Value, given: &Value, newer: Newer, names: &mut Names) -> Result<(), String> {
    let wrong = || Err(format!("expected {expected}, not {given}"));
    match (expected, given) {
        (Value::String(text), _) if text.starts_with("{{any:") => {
            if given.is_null() {
                wrong()
            } else {
                Ok(())
            }
        }
        (Value::String(text), _) if text.starts_with("{{") && text.ends_with("}}") => {
            let name = text.trim_matches(['{', '}']).to_owned();
            let known = names.entry(name).or_insert_with(|| shown(given));
            if *known == shown(given) { Ok(()) } else { wrong() }
        }
        (Value::Array(expected), Value::Array(given)) if expected.len() == given.len() => {
            expected.iter().zip(given).try_for_each(|(e, g)| matches(e, g, newer, names))
        }
        (Value::Object(expected), Value::Object(given)) => {
            for (name, value) in expected {
                let given = given.get(name).unwrap_or(&Value::Null);
                matches(value, given, newer, names).map_err(|e| format!("{name}: {e}"))?;
            }
            for (name, value) in given {
                let allowed = match newer {
                    Newer::None => false,
                    Newer::Empty => is_empty(value),
                    Newer::Any => true,
                };
                if !expected.contains_key(name) && !allowed {
                    return Err(format!("{name} was not recorded: {value}"));
                }
            }
            Ok(())
        }
        _ if shown(expected) == shown(given) => Ok(()),
        _ => wrong(),
    }
}

/// Exactly as 8.6, which asks for the tenants of each call.
fn as_recorded(config: &mut Config, provider: &Provider) {
    provider.identity(config);
    config.compatibility.exact = true;
    config.authentication.tenants_cache = Duration::ZERO;
}

/// Deployments reach the other partitions a moment after their answer; the recording waited.
fn early(name: &str, begin: Instant) -> bool {
    name == "create t1" && begin.elapsed() < PATIENCE
}

/// Recorded with a broker without multi-tenancy, which gives jobs of any tenant to a poll that says
/// nothing of its caller. The embedded broker gives it those of the default tenant (command-api §2.6).
const UNTOLD: &str = "activation t1 without authorisation data on the broker command";

fn replay_rest(exact: bool) {
    let configure = |config: &mut Config, provider: &Provider| {
        as_recorded(config, provider);
        config.compatibility.exact = exact;
    };
    whole(false, configure, |whole, provider| async move {
        let mut names = tokens(&provider);
        let newer = if exact { Newer::None } else { Newer::Any };
        let mut checked = 0;
        for step in crate::vectors::steps("rest", FILE) {
            let name = step["name"].as_str().expect("a name").to_owned();
            let mut step = filled(&step, &names);
            if exact && name == UNTOLD {
                step["expect"]["body_json"]["jobs"] = json!([]);
            }
            let request = crate::vectors::request(&step);
            let begin = Instant::now();
            let mut response = request.send(whole.rest).await;
            while response.status == 404 && early(&name, begin) {
                response = request.send(whole.rest).await;
            }
            let expected = &step["expect"];
            assert_eq!(expected["status"], response.status, "{name}: {response:?}");
            for (header, value) in expected["headers"].as_object().expect("headers") {
                assert_eq!(response.header(header), value.as_str(), "{name}: {header}");
            }
            match expected.get("body_json") {
                Some(body) => {
                    let outcome = matches(body, &response.json(), newer, &mut names);
                    outcome.unwrap_or_else(|wrong| panic!("{name}: {wrong}"));
                }
                None => assert_eq!(expected["body_text"], response.body.as_str(), "{name}"),
            }
            checked += 1;
        }
        assert_eq!(checked, 17);
    });
}

#[test]
fn rest_answers_as_recorded() {
    replay_rest(false);
}

#[test]
fn rest_answers_exactly_as_recorded() {
    replay_rest(true);
}

/// The messages of a call, and how it ended.
async fn call(whole: &Whole, step: &Value) -> (Vec<Value>, Status) {
    let pool = DescriptorPool::decode(pb::FILE_DESCRIPTOR_SET).expect("descriptors");
    let service = pool.get_service_by_name("gateway_protocol.Gateway").expect("the service");
    let rpc = step["rpc"].as_str().expect("an rpc");
    let method = service.methods().find(|method| method.name() == rpc).expect("known");
    let mut request = step["request"].clone();
    inline_files(&mut request);
    let message = DynamicMessage::deserialize(method.input(), request).expect("a request");
    let mut request = Call::new(message.encode_to_vec().into());
    for pair in step["metadata"].as_array().into_iter().flatten() {
        let value = pair[1].as_str().expect("text").parse().expect("a value");
        request.metadata_mut().insert("authorization", value);
    }
    let mut client = tonic::client::Grpc::new(whole.channel.clone());
    client.ready().await.expect("connected");
    let path = format!("/gateway_protocol.Gateway/{rpc}").parse().expect("a path");
    let calling = client.server_streaming(request, path, crate::grpc::Raw);
    let mut messages = Vec::new();
    let mut stream = match calling.await {
        Ok(response) => response.into_inner(),
        Err(status) => return (messages, status),
    };
    let end = loop {
        match stream.message().await {
            Ok(None) => break Status::ok(""),
            Ok(Some(bytes)) => {
                let message = DynamicMessage::decode(method.output(), bytes).expect("a message");
                let options =
                    SerializeOptions::new().skip_default_fields(false).use_proto_field_name(true);
                let json = message.serialize_with_options(serde_json::value::Serializer, &options);
                messages.push(json.expect("JSON"));
            }
            Err(status) => break status,
        }
    };
    (messages, end)
}

fn inline_files(value: &mut Value) {
    if let Some(file) = value.get("$file").and_then(Value::as_str) {
        let bytes = fs::read(folder().join("resources").join(file)).expect("a resource");
        *value = STANDARD.encode(bytes).into();
        return;
    }
    match value {
        Value::Array(items) => items.iter_mut().for_each(inline_files),
        Value::Object(members) => members.values_mut().for_each(inline_files),
        _ => {}
    }
}

#[test]
fn grpc_answers_as_recorded() {
    whole(false, as_recorded, |whole, provider| async move {
        let mut names = tokens(&provider);
        let text = fs::read_to_string(folder().join("grpc").join(FILE)).expect("a recording");
        let recording: Value = serde_json::from_str(&text).expect("JSON");
        let steps = recording["steps"].as_array().expect("steps");
        let mut checked = 0;
        for step in steps.iter().filter(|step| step["rpc"].is_string()) {
            let name = step["name"].as_str().expect("a name").to_owned();
            let step = filled(step, &names);
            let begin = Instant::now();
            let (mut messages, mut end) = call(&whole, &step).await;
            while end.code() == Code::NotFound && early(&name, begin) {
                (messages, end) = call(&whole, &step).await;
            }
            let expected = &step["expect"];
            assert_eq!(expected["code_number"], end.code() as i32, "{name}: {end}");
            if let Some(text) = expected["message"].as_str() {
                assert_eq!(end.message(), text, "{name}");
            }
            if end.code() == Code::Unauthenticated {
                assert!(end.details().is_empty(), "{name}");
            } else if expected["status_details"].is_object() {
                let details = tonic_types::Status::decode(end.details()).expect("details");
                assert_eq!(
                    (details.code, details.message.as_str()),
                    (end.code() as i32, end.message())
                );
            }
            if let Some(response) = expected.get("response") {
                let given = if response.is_array() { json!(messages) } else { messages[0].clone() };
                let outcome = matches(response, &given, Newer::Empty, &mut names);
                outcome.unwrap_or_else(|wrong| panic!("{name}: {wrong}"));
            }
            checked += 1;
        }
        assert_eq!(checked, 21);
    });
}
