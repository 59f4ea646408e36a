//! What the JVM gateway answered by itself, over gRPC, this gateway answers too; and the tenant and
//! version rules of every rpc that has fields for them.

use beegate::model::ClusterView;
use prost_reflect::{MethodDescriptor, ServiceDescriptor};
use serde_json::json;

use super::*;

const SOME_KEY: &str = "2251799813685249";

fn service() -> ServiceDescriptor {
    let pool = DescriptorPool::decode(pb::FILE_DESCRIPTOR_SET).unwrap();
    pool.get_service_by_name("gateway_protocol.Gateway").unwrap()
}

fn method(rpc: &str) -> MethodDescriptor {
    service().methods().find(|method| method.name() == rpc).expect(rpc)
}

/// The message bytes of a request in proto3 JSON.
fn encoded(rpc: &str, request: Value) -> Bytes {
    DynamicMessage::deserialize(method(rpc).input(), request).expect(rpc).encode_to_vec().into()
}

/// Calls an rpc of either kind; the failure, if it is one before any message.
async fn failure(stage: &Stage, rpc: &str, message: Bytes) -> Option<Status> {
    let path: &'static str = format!("/gateway_protocol.Gateway/{rpc}").leak();
    if !method(rpc).is_server_streaming() {
        return call(&stage.channel, path, message).await.err();
    }
    let mut client = tonic::client::Grpc::new(stage.channel.clone());
    client.ready().await.unwrap();
    let path = http::uri::PathAndQuery::from_static(path);
    let first = async move {
        client
            .server_streaming(Request::new(message), path, Raw)
            .await?
            .into_inner()
            .message()
            .await
    };
    // A stream that opens waits for jobs.
    tokio::time::timeout(Duration::from_secs(2), first).await.ok()?.err()
}

/// Fills what was captured while recording, and what stands for bytes.
fn filled(value: &mut Value) {
    if let Some(file) = value.get("$file").and_then(Value::as_str) {
        let path = vectors().join("../resources").join(file);
        *value = STANDARD.encode(std::fs::read(path).unwrap()).into();
        return;
    }
    if let Some(zeros) = value.get("$zeros").and_then(Value::as_u64) {
        *value = STANDARD.encode(" ".repeat(usize::try_from(zeros).unwrap())).into();
        return;
    }
    match value {
        Value::String(text) if text.starts_with("{{") => *text = SOME_KEY.to_owned(),
        Value::Array(items) => items.iter_mut().for_each(filled),
        Value::Object(members) => members.values_mut().for_each(filled),
        _ => {}
    }
}

fn request(step: &Value) -> Bytes {
    if let Some(hex) = step["raw_request_hex"].as_str() {
        let byte = |at: usize| u8::from_str_radix(&hex[at..at + 2], 16).unwrap();
        return (0..hex.len()).step_by(2).map(byte).collect();
    }
    let mut json = step["request"].clone();
    filled(&mut json);
    encoded(step["rpc"].as_str().unwrap(), json)
}

/// The recorded failures that no broker and no timer had a part in.
fn made_by_the_gateway(file: &str) -> Vec<Value> {
    let path = vectors().join("../grpc").join(file);
    let text = std::fs::read_to_string(path).unwrap();
    let recording: Value = serde_json::from_str(&text).unwrap();
    let steps = recording["steps"].as_array().unwrap().clone();
    let own = |step: &Value| {
        let expected = &step["expect"];
        let text = expected["message"].as_str().unwrap_or_default();
        let code = expected["code"].as_str().unwrap_or("OK");
        !matches!(code, "OK" | "DEADLINE_EXCEEDED")
            && !text.starts_with("Command '")
            && !text.starts_with("{{client-side}}")
    };
    steps.into_iter().filter(|step| step["rpc"].is_string() && own(step)).collect()
}

/// The text without what follows a document that is not JSON: where its fault is, in words that are
/// not contractual (gateway-behaviour §2.1).
fn without_position(text: &str) -> &str {
    text.split("\n at ").next().unwrap()
}

async fn check(stage: &Stage, file: &str, exact: bool) -> usize {
    let steps = made_by_the_gateway(file);
    for step in &steps {
        let name = format!("{file}: {}", step["name"]);
        let rpc = step["rpc"].as_str().unwrap();
        let failed = failure(stage, rpc, request(step)).await.expect(&name);
        let expected = &step["expect"];
        assert_eq!(i64::from(failed.code() as i32), expected["code_number"], "{name}: {failed}");
        let text = expected["message"].as_str().unwrap();
        assert_eq!(without_position(failed.message()), without_position(text), "{name}");
        // Not recorded for streaming rpcs, where they are sent, too.
        if expected["status_details"].is_object() {
            let details = tonic_types::Status::decode(failed.details()).unwrap();
            assert_eq!(details.message, failed.message(), "{name}");
            assert_eq!(details.details.len(), 0, "{name}");
        } else if !method(rpc).is_server_streaming() {
            let reasons = !exact && failed.code() == Code::ResourceExhausted;
            assert_eq!(failed.details().is_empty(), !reasons, "{name}");
        }
    }
    steps.len()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn failures_that_need_no_broker_are_those_recorded() {
    for exact in [false, true] {
        let stage = stage(|config| config.compatibility.exact = exact).await;
        let mut checked = 0;
        for file in [
            "02-deploy.json",
            "03-create-instance.json",
            "04-create-with-result.json",
            "05-cancel.json",
            "06-activate-jobs.json",
            "07-complete-job.json",
            "08-fail-job-incident.json",
            "09-throw-error.json",
            "10-message.json",
            "11-signal.json",
            "12-decision.json",
            "13-set-variables.json",
            "14-modify.json",
            "16-delete-resource.json",
            "17-stream-jobs.json",
        ] {
            checked += check(&stage, file, exact).await;
        }
        assert!(checked >= 45, "only {checked} steps");
        stage.gateway.publish(ClusterView::default());
        let checked = check(&stage, "22-no-brokers-known.json", exact).await;
        assert!(checked >= 6, "only {checked} steps");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn multi_tenancy_without_identity_is_as_recorded() {
    let stage = stage(|config| config.multi_tenancy.enabled = true).await;
    let checked = check(&stage, "20-multitenancy-without-identity.json", false).await;
    assert!(checked >= 13, "only {checked} steps");
}

/// Every rpc with a tenant, and a request that names this one.
fn with_tenant(tenant: &str) -> Vec<(String, Value)> {
    let mut rpcs = Vec::new();
    for method in service().methods() {
        let input = method.input();
        let json = if input.get_field_by_name("tenantIds").is_some() {
            json!({"tenantIds": [tenant], "type": "t", "timeout": "1000", "maxJobsToActivate": 1,
                "requestTimeout": "-1"})
        } else if input.get_field_by_name("tenantId").is_some() {
            json!({"tenantId": tenant})
        } else if input.get_field_by_name("request").is_some() {
            json!({"request": {"tenantId": tenant}})
        } else {
            continue;
        };
        // Not one of 8.6: refused whatever it says.
        if method.name() != "EvaluateConditional" {
            rpcs.push((method.name().to_owned(), json));
        }
    }
    assert_eq!(rpcs.len(), 8, "{rpcs:?}");
    rpcs
}

/// What this tenant is answered by every rpc: nothing but the broker's opinion, or this.
async fn every_rpc_says(stage: &Stage, tenant: &str, why: Option<&str>) {
    for (rpc, mut request) in with_tenant(tenant) {
        if request.get("requestTimeout").is_some() && rpc == "StreamActivatedJobs" {
            let members = request.as_object_mut().unwrap();
            members.remove("requestTimeout");
            members.remove("maxJobsToActivate");
        }
        let failed = failure(stage, &rpc, encoded(&rpc, request)).await;
        let text = failed.as_ref().map_or("", Status::message);
        match why {
            None => assert!(!text.starts_with("Expected to handle gRPC request"), "{rpc}: {text}"),
            Some(why) => {
                let expected = format!(
                    "Expected to handle gRPC request {rpc} with tenant identifier '{tenant}', but \
                     {why}"
                );
                assert_eq!(text, expected);
                assert_eq!(
                    failed.map(|status| status.code()),
                    Some(Code::InvalidArgument),
                    "{rpc}"
                );
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tenants_are_judged_alike_by_every_rpc() {
    let off = stage(|_| ()).await;
    for tenant in ["", "  ", "<default>"] {
        every_rpc_says(&off, tenant, None).await;
    }
    for tenant in ["foo", "a b", "<default> "] {
        every_rpc_says(&off, tenant, Some("multi-tenancy is disabled")).await;
    }
    let on = stage(|config| config.multi_tenancy.enabled = true).await;
    let long = "a".repeat(32);
    let unknown = "tenant could not be retrieved from the request context";
    for (tenant, why) in [
        ("", "no tenant identifier was provided."),
        (" ", "no tenant identifier was provided."),
        (&*long, "tenant identifier is longer than 31 characters"),
        ("a b", "tenant identifier contains illegal characters"),
        ("<other>", "tenant identifier contains illegal characters"),
        ("<default>", unknown),
        ("tenant_a.b-c", unknown),
        (&long[..31], unknown),
    ] {
        every_rpc_says(&on, tenant, Some(why)).await;
    }
}

/// What newer clients may ask for and brokers of 8.6 cannot do: rpc, request, field, version.
fn newer() -> Vec<(&'static str, Value, &'static str, &'static str)> {
    let key = SOME_KEY;
    let result = |result: Value| json!({"jobKey": key, "result": result});
    let start = |field: Value| json!({"request": field});
    vec![
        ("CompleteJob", result(json!({"denied": true})), "result.denied", "8.8"),
        (
            "CompleteJob",
            result(json!({"corrections": {"priority": 1}})),
            "result.corrections",
            "8.8",
        ),
        (
            "CompleteJob",
            result(json!({"activateElements": [{"elementId": "a"}]})),
            "result.activateElements",
            "8.8",
        ),
        (
            "CreateProcessInstance",
            json!({"runtimeInstructions": [{"terminate": {"afterElementId": "a"}}]}),
            "runtimeInstructions",
            "8.8",
        ),
        ("CreateProcessInstance", json!({"tags": ["a"]}), "tags", "8.8"),
        ("CreateProcessInstance", json!({"businessId": "a"}), "businessId", "8.9"),
        ("CreateProcessInstanceWithResult", start(json!({"businessId": "a"})), "businessId", "8.9"),
        (
            "ModifyProcessInstance",
            json!({"processInstanceKey": key, "moveInstructions": [{"sourceElementId": "a"}]}),
            "moveInstructions",
            "8.9",
        ),
        (
            "ModifyProcessInstance",
            json!({"processInstanceKey": key, "terminateInstructions": [{"elementId": "a"}]}),
            "terminateInstructions.elementId",
            "8.9",
        ),
        (
            "DeleteResource",
            json!({"resourceKey": key, "deleteHistory": true}),
            "deleteHistory",
            "8.9",
        ),
        (
            "ActivateJobs",
            json!({"type": "t", "timeout": "1", "requestTimeout": "-1", "tenantFilter": "ASSIGNED"}),
            "tenantFilter",
            "8.9",
        ),
        (
            "StreamActivatedJobs",
            json!({"type": "t", "timeout": "1", "tenantFilter": "ASSIGNED"}),
            "tenantFilter",
            "8.9",
        ),
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_needs_newer_brokers_is_refused_or_exactly_as_by_8_6_ignored() {
    let ours = stage(|_| ()).await;
    let exact = stage(|config| config.compatibility.exact = true).await;
    for (rpc, request, field, since) in newer() {
        let message = encoded(rpc, request);
        let refused = failure(&ours, rpc, message.clone()).await.expect(rpc);
        assert_eq!(refused.code(), Code::InvalidArgument, "{rpc} {field}");
        let expected = format!(
            "Expected to handle gRPC request {rpc} with field '{field}', but it needs brokers of \
             version {since} or newer"
        );
        assert_eq!(refused.message(), expected);
        let judged = failure(&exact, rpc, message).await;
        let text = judged.as_ref().map_or("", Status::message);
        assert!(!text.contains("it needs brokers"), "{rpc} {field}: {text}");
    }
    let unknown = failure(&ours, "EvaluateConditional", Bytes::new()).await.unwrap();
    assert_eq!(unknown.code(), Code::Unimplemented);
    assert!(unknown.message().contains("8.9"), "{unknown}");
    let unknown = failure(&exact, "EvaluateConditional", Bytes::new()).await.unwrap();
    assert_eq!(unknown.code(), Code::Unimplemented);
    let text = "Method not found: gateway_protocol.Gateway/EvaluateConditional";
    assert_eq!(unknown.message(), text);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn jobs_say_what_they_are_for_unless_answers_are_exact() {
    for exact in [false, true] {
        let stage = stage(|config| config.compatibility.exact = exact).await;
        stage.broker.state().add_job(1, &NO_VARIABLES);
        {
            let mut state = stage.broker.state();
            state.add_job(1, &NO_VARIABLES);
            let (_, listener) = state.jobs.get_mut(&1).unwrap().back_mut().unwrap();
            listener.job_kind = "EXECUTION_LISTENER".into();
            listener.job_listener_event_type = "START".into();
        }
        let messages = poll(&stage, activation(-1)).await.unwrap();
        let kinds: Vec<_> =
            messages[0].jobs.iter().map(|job| (job.kind, job.listener_event_type)).collect();
        let expected = if exact { [(0, 0), (0, 0)] } else { [(0, 6), (1, 5)] };
        assert_eq!(kinds, expected);
    }
}
