//! Every REST request that was captured between a JVM gateway and a broker gives the same bytes.

use std::fs;
use std::path::PathBuf;

use bytes::Bytes;
use serde_json::Value;
use serde_json::value::RawValue;

use super::super::endpoint::{Action, Input};
use super::super::json::{Style, object};
use super::super::multipart::Part;
use super::super::openapi::tests::check_answer;
use super::super::router::Router;
use super::super::tenant::Tenancy;
use super::{ENDPOINTS, jobs};
use crate::model::{Command, Key, PartitionId, Reply, Route, ValueType};
use crate::wire::record::AuthInfo;

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/command")
}

fn exchanges() -> Vec<Value> {
    /// Bodies are kept as text: the order of their members is part of what is compared.
    #[derive(serde::Deserialize)]
    struct Bodies {
        exchanges: Vec<Exchange>,
    }
    #[derive(serde::Deserialize)]
    struct Exchange {
        input: Option<Input>,
    }
    #[derive(serde::Deserialize)]
    struct Input {
        body: Option<Box<RawValue>>,
    }

    let text = fs::read(folder().join("vectors.json")).expect("the vectors");
    let bodies: Bodies = serde_json::from_slice(&text).expect("JSON");
    let mut all: Value = serde_json::from_slice(&text).expect("JSON");
    let Value::Array(mut exchanges) = all["exchanges"].take() else { panic!("no exchanges") };
    for (exchange, text) in exchanges.iter_mut().zip(bodies.exchanges) {
        if let Some(body) = text.input.and_then(|input| input.body)
            && exchange["input"]["body"].is_object()
        {
            exchange["input"]["body"] = Value::String(body.get().to_owned());
        }
    }
    let rest = |e: &Value| e["name"].as_str().is_some_and(|name| name.starts_with("rest/"));
    exchanges.into_iter().filter(rest).collect()
}

fn bytes(file: &Value) -> Vec<u8> {
    let text = fs::read_to_string(folder().join(file.as_str().expect("a file"))).expect("hex");
    let text = text.trim();
    (0..text.len() / 2)
        .map(|i| u8::from_str_radix(&text[2 * i..2 * i + 2], 16).expect("hex"))
        .collect()
}

/// The variable parts of a message: each a length of four bytes and that many bytes.
fn variable_parts(message: &[u8], fixed: usize) -> Vec<Bytes> {
    let mut rest = &message[fixed..];
    let mut parts = Vec::new();
    while let Some((length, after)) = rest.split_first_chunk() {
        let length = u32::from_le_bytes(*length) as usize;
        let (part, next) = after.split_at(length);
        parts.push(Bytes::copy_from_slice(part));
        rest = next;
    }
    parts
}

/// Header and fixed block of a command and of its reply.
const COMMAND_FIXED: usize = 8 + 20;
const REPLY_FIXED: usize = 8 + 14;

fn body(input: &Value) -> Vec<u8> {
    match &input["body"] {
        Value::Null => Vec::new(),
        Value::String(text) => text.clone().into_bytes(),
        other => panic!("{other} is not a body"),
    }
}

/// The files of a deployment, in the order the client gave them.
fn parts(exchange: &Value) -> Vec<Part> {
    let names = strings(&exchange["input"]["multipart_resources"]);
    let sent = exchange["request"]["value"]["resources"].as_array();
    let sent = sent.map(Vec::as_slice).unwrap_or_default();
    let part = |name: String| {
        let resource = sent.iter().find(|r| r["resourceName"] == name).expect("a sent file");
        let path = folder().join(resource["resource"]["$file"].as_str().expect("a file"));
        let content = fs::read(path).expect("a resource").into();
        Part { name: "resources".to_owned(), file_name: Some(name), content }
    };
    names.into_iter().map(part).collect()
}

/// Runs `check` with the row of the table and the input of an exchange.
fn with_input(exchange: &Value, check: impl FnOnce(Action, Input<'_>)) {
    let input = &exchange["input"];
    let router = Router::new(ENDPOINTS, false);
    let path = input["path"].as_str().expect("a path");
    let method = input["method"].as_str().expect("a method").parse().expect("a method");
    let mut headers = actix_web::http::header::HeaderMap::new();
    let kind = match input["multipart_resources"] {
        Value::Null => "application/json",
        _ => "multipart/form-data",
    };
    headers.insert(
        actix_web::http::header::CONTENT_TYPE,
        actix_web::http::header::HeaderValue::from_static(kind),
    );
    let found = router.find(&method, path, &headers).expect("an endpoint");
    let key = found.variable.map_or(Key::NONE, |(_, text)| Key(text.parse().expect("a key")));
    let (body, parts) = (body(input), parts(exchange));
    let tenancy = Tenancy::anonymous(false);
    check(found.endpoint.action, Input { key, body: &body, parts: &parts, tenancy, exact: false });
}

fn check_route(name: &str, command: &Command, request: &Value) {
    let partition = request["partitionId"].as_i64().expect("a partition");
    match &command.route {
        Route::Partition(id) => assert_eq!(*id, PartitionId::DEPLOYMENT, "{name}"),
        Route::Key(key) => assert_eq!(key.partition_number(), partition, "{name}"),
        Route::CorrelationKey(_) | Route::RoundRobin => {
            assert_eq!(command.key, Key::NONE, "{name}")
        }
        Route::Creation => panic!("{name}: REST takes the shared round robin"),
    }
}

#[test]
fn commands_are_byte_identical_to_the_captured_ones() {
    let mut checked = 0;
    for exchange in exchanges() {
        let name = exchange["name"].as_str().expect("a name").to_owned();
        let message = bytes(&exchange["requestFile"]);
        let [value, authorization] = &variable_parts(&message, COMMAND_FIXED)[..] else {
            panic!("{name}: a command has two variable parts")
        };
        let request = &exchange["request"];
        with_input(&exchange, |action, input| match action {
            Action::Command { translate, .. }
            | Action::CommandOf89 { translate, .. }
            | Action::EveryPartition { translate } => {
                let command = translate(&input).unwrap_or_else(|p| panic!("{name}: {p:?}"));
                assert_eq!(&command.authorization, authorization, "{name}");
                assert_eq!(command.key.0, request["key"].as_i64().expect("a key"), "{name}");
                let reference = request["operationReference"].as_i64();
                assert_eq!(command.operation_reference.unwrap_or(-1), reference.unwrap_or(-1));
                assert_eq!(i64::from(command.kind.intent()), request["intent"], "{name}");
                assert_eq!(command.kind.value_type().name(), request["valueType"], "{name}");
                assert!(!command.transport_retry && command.timeout.is_none(), "{name}");
                check_route(&name, &command, request);
                // The JVM gateway orders files by their names' hash; ours keep the client's order.
                if name != "rest/deploy" {
                    assert_eq!(&command.value, value, "{name}");
                }
                checked += 1;
            }
            Action::ActivateJobs => {
                let poll = jobs::activation(&input).unwrap_or_else(|p| panic!("{name}: {p:?}"));
                assert_eq!(&poll.authorization, authorization, "{name}");
                assert_eq!(poll.authorization, AuthInfo::unknown());
                let record = &request["value"];
                assert_eq!(poll.job_type, record["type"], "{name}");
                assert_eq!(poll.worker, record["worker"], "{name}");
                assert_eq!(poll.timeout_ms, record["timeout"], "{name}");
                assert_eq!(poll.fetch_variables, strings(&record["variables"]), "{name}");
                assert_eq!(poll.tenant_ids, strings(&record["tenantIds"]), "{name}");
                checked += 1;
            }
            other => panic!("{name}: {other:?} sends nothing"),
        });
    }
    assert!(checked >= 60, "only {checked} exchanges");
}

fn strings(array: &Value) -> Vec<String> {
    let array = array.as_array().map(Vec::as_slice).unwrap_or_default();
    array.iter().map(|text| text.as_str().expect("text").to_owned()).collect()
}

#[test]
fn files_of_a_deployment_are_those_captured() {
    use crate::wire::record::{DeploymentRecord, Record};

    let exchanges = exchanges();
    let deploy = exchanges.iter().find(|e| e["name"] == "rest/deploy").expect("the exchange");
    let captured = &variable_parts(&bytes(&deploy["requestFile"]), COMMAND_FIXED)[0];
    let mut captured = DeploymentRecord::from_bytes(captured).expect("a deployment");
    with_input(deploy, |action, input| {
        let Action::Command { translate, .. } = action else { panic!("deploys") };
        let ours = translate(&input).expect("a command").value;
        let mut ours = DeploymentRecord::from_bytes(&ours).expect("a deployment");
        let name = |r: &crate::wire::record::DeploymentResource| r.resource_name.clone();
        captured.resources.sort_by_key(name);
        ours.resources.sort_by_key(name);
        assert_eq!(ours, captured);
    });
}

fn value_type(name: &str) -> ValueType {
    (0..=u8::MAX)
        .map(ValueType::from_wire)
        .find(|known| known.name() == name)
        .unwrap_or_else(|| panic!("{name} is not a value type"))
}

/// Members that are written in addition to those of 8.6, for 8.8 clients.
const ADDED: [&str; 2] = ["jobKey", "decisionEvaluationKey"];

#[test]
fn answers_have_the_captured_members() {
    let mut checked = 0;
    for exchange in exchanges() {
        let name = exchange["name"].as_str().expect("a name").to_owned();
        let (response, result) = (&exchange["response"], &exchange["result"]);
        if response["recordType"] != "EVENT" || result["http"] != 200 {
            continue;
        }
        let message = bytes(&exchange["responseFile"]);
        let reply = Reply {
            partition: PartitionId(1),
            key: Key(response["key"].as_i64().expect("a key")),
            value_type: value_type(response["valueType"].as_str().expect("a type")),
            intent: 0,
            value: variable_parts(&message, REPLY_FIXED)[0].clone(),
        };
        with_input(&exchange, |action, _| {
            let Action::Command { answer: Some(answer), .. } = action else { return };
            let endpoint = ENDPOINTS.iter().find(|e| match e.action {
                Action::Command { answer: Some(of), .. } => std::ptr::fn_addr_eq(of, answer),
                _ => false,
            });
            let mut out = String::new();
            object(&mut out, Style::PLAIN, |members| answer(&reply, members))
                .expect("a readable reply");
            let mut ours: serde_json::Map<String, Value> =
                serde_json::from_str(&out).expect("JSON");
            let described = Value::Object(ours.clone());
            check_answer(endpoint.expect("a row"), 200, &described);
            ADDED.iter().for_each(|added| drop(ours.remove(*added)));
            assert_eq!(Value::Object(ours), result["body"], "{name}");
            checked += 1;
        });
    }
    assert!(checked >= 15, "only {checked} answers");
}
