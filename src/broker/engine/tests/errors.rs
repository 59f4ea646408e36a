//! BPMN errors.

use serde_json::json;

use super::harness::{Cluster, done, json as to_json, rejected};
use super::models::{boundary, definitions, end, error, flows, on_error, start, sub_process, task};
use crate::model::RejectionType;
use crate::wire::record::JobRecord;

fn model(body: &str) -> String {
    let process = format!(r#"<bpmn:process id="p" isExecutable="true">{body}</bpmn:process>"#);
    definitions(&[error("E1"), error("E2"), process].concat())
}

#[test]
fn an_error_is_caught_at_the_task() {
    let mut cluster = Cluster::new(1);
    let body = [
        start("s"),
        task("t", "work"),
        boundary("any", "t", true, "<bpmn:errorEventDefinition/>"),
        boundary("e1", "t", true, &on_error("E1")),
        task("handle", "handle"),
        task("catch-all", "catch-all"),
        flows("s>t, e1>handle, any>catch-all"),
    ];
    cluster.deploy(&model(&body.concat()));
    cluster.create(1, "p", json!({"a": 1}));
    let (job, _) = cluster.take(1, "work");
    let record: JobRecord = done(&cluster.throw(job, "E1", json!({"v": 1}))).1;
    assert_eq!((record.error_code.as_str(), record.element_id.as_str()), ("E1", "t"));
    let again = cluster.throw(job, "E1", json!({}));
    let reason =
        format!("Expected to throw an error for job with key '{job}', but no such job was found");
    assert_eq!(rejected(&again), (RejectionType::NotFound, reason.as_str()));
    let (handle, record) = cluster.take(1, "handle");
    assert_eq!(to_json(&record.variables), json!({"a": 1, "v": 1}));
    cluster.complete(handle, json!({}));
    cluster.create(1, "p", json!({}));
    let (job, _) = cluster.take(1, "work");
    cluster.throw(job, "other", json!({}));
    let (all, _) = cluster.take(1, "catch-all");
    cluster.complete(all, json!({}));
    cluster.check_empty();
}

#[test]
fn an_error_goes_up_until_it_is_caught() {
    let mut cluster = Cluster::new(1);
    let inner = [start("is"), task("t", "work"), task("x", "x"), flows("is>t, is>x")].concat();
    let body = [
        start("s"),
        sub_process("sub", &inner),
        boundary("b", "sub", true, &on_error("E1")),
        task("handle", "handle"),
        flows("s>sub, b>handle"),
    ];
    cluster.deploy(&model(&body.concat()));
    cluster.create(1, "p", json!({}));
    let (job, _) = cluster.take(1, "work");
    cluster.throw(job, "E1", json!({"v": 1}));
    // Everything in the sub-process ended with it.
    assert!(cluster.activate(1, "x", 1).is_empty());
    let (handle, record) = cluster.take(1, "handle");
    assert_eq!(to_json(&record.variables), json!({"v": 1}));
    cluster.complete(handle, json!({}));
    cluster.check_empty();
}

#[test]
fn an_error_nobody_catches_raises_an_incident() {
    let mut cluster = Cluster::new(1);
    let body = [
        start("s"),
        task("t", "work"),
        boundary("b", "t", true, &on_error("E1")),
        flows("s>t, b>e"),
        end("e"),
    ];
    cluster.deploy(&model(&body.concat()));
    cluster.create(1, "p", json!({}));
    let (job, _) = cluster.take(1, "work");
    let record: JobRecord = done(&cluster.throw(job, "E2", json!({}))).1;
    assert_eq!(record.element_id, "NO_CATCH_EVENT_FOUND");
    let (incident, kind, _) = cluster.incidents(1).remove(0);
    assert_eq!(kind, "UNHANDLED_ERROR_EVENT");
    let reason = format!(
        "Expected to throw an error for job with key '{job}', but it is in state 'ERROR_THROWN'"
    );
    let response = cluster.throw(job, "E1", json!({}));
    assert_eq!(rejected(&response), (RejectionType::InvalidState, reason.as_str()));
    cluster.resolve(incident);
    let (job, _) = cluster.take(1, "work");
    cluster.throw(job, "E1", json!({}));
    cluster.check_empty();
}

#[test]
fn an_error_end_event_throws() {
    let mut cluster = Cluster::new(1);
    let thrower = format!(r#"<bpmn:endEvent id="ie">{}</bpmn:endEvent>"#, on_error("E1"));
    let inner = [start("is"), thrower, flows("is>ie")].concat();
    let body = [
        start("s"),
        sub_process("sub", &inner),
        boundary("b", "sub", true, &on_error("E1")),
        task("handle", "handle"),
        end("e"),
        flows("s>sub>e, b>handle"),
    ];
    cluster.deploy(&model(&body.concat()));
    cluster.create(1, "p", json!({}));
    let (handle, _) = cluster.take(1, "handle");
    cluster.complete(handle, json!({}));
    cluster.check_empty();

    let thrower = format!(r#"<bpmn:endEvent id="e">{}</bpmn:endEvent>"#, on_error("E1"));
    cluster.deploy(&model(&[start("s"), thrower, flows("s>e")].concat()));
    cluster.create(1, "p", json!({}));
    assert_eq!(cluster.incidents(1)[0].1, "UNHANDLED_ERROR_EVENT");
}
