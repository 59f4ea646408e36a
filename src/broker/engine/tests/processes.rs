//! Instances: creating, awaiting, cancelling.

use serde_json::json;

use super::harness::{Cluster, creation, done, rejected};
use super::models::{end, flows, one_task, process, start, sub_process, task};
use crate::model::{CommandKind, DEFAULT_TENANT, Key, RejectionType};
use crate::wire::record::{
    ProcessInstanceCreationRecord, ProcessInstanceRecord, Record, StartInstruction,
};

#[test]
fn an_instance_runs_to_its_end() {
    let mut cluster = Cluster::new(3);
    cluster.deploy(&one_task("p", "work"));
    for partition in 1..=3 {
        let request = cluster.start(partition, "p", json!({"a": 1}));
        let (job, record) = cluster.take(partition, "work");
        assert_eq!(record.bpmn_process_id, "p");
        assert_eq!(record.element_id, "task");
        assert_eq!((record.retries, record.worker.as_str()), (3, "worker"));
        cluster.complete(job, json!({"b": 2}));
        assert_eq!(cluster.result(request), json!({"a": 1, "b": 2}));
    }
    cluster.check_empty();
}

#[test]
fn the_created_reply_names_the_instance() {
    let mut cluster = Cluster::new(2);
    let deployment = cluster.deploy(&one_task("p", "work"));
    let response = cluster.call(
        2,
        CommandKind::CreateProcessInstance,
        Key::NONE,
        &creation("p", json!({"x": [1]})),
    );
    let (key, record) = done::<ProcessInstanceCreationRecord>(&response);
    let definition = deployment.processes_metadata[0].process_definition_key;
    assert_eq!(key.partition_number(), 2);
    assert_ne!(key.0, record.process_instance_key);
    assert_eq!(record.process_definition_key, definition);
    assert_eq!((record.version, record.bpmn_process_id.as_str()), (1, "p"));
    assert_eq!(record.tenant_id, DEFAULT_TENANT);
}

#[test]
fn the_result_has_the_fetched_variables_only() {
    let mut cluster = Cluster::new(1);
    cluster.deploy(&process("p", &[start("s"), end("e"), flows("s>e")].concat()));
    let mut record = creation("p", json!({"a": 1, "b": 2, "c": 3}));
    record.fetch_variables = vec!["c".into(), "a".into(), "zz".into()];
    let kind = CommandKind::CreateProcessInstanceWithResult;
    let request = cluster.send(1, kind, Key::NONE, record.to_bytes());
    assert_eq!(cluster.result(request), json!({"a": 1, "c": 3}));
}

#[test]
fn cancelling_ends_everything_and_answers_who_waits() {
    let mut cluster = Cluster::new(1);
    let inner = [start("is"), task("it", "inner"), end("ie"), flows("is>it>ie")].concat();
    let body = [start("s"), sub_process("sub", &inner), end("e"), flows("s>sub>e")].concat();
    cluster.deploy(&process("p", &body));
    let request = cluster.start(1, "p", json!({}));
    let (job, record) = cluster.take(1, "inner");
    let instance = Key(record.process_instance_key);
    let cancel = ProcessInstanceRecord::default();
    let response = cluster.call(1, CommandKind::CancelProcessInstance, instance, &cancel);
    let (key, record) = done::<ProcessInstanceRecord>(&response);
    assert_eq!(key, instance);
    assert_eq!((record.bpmn_element_type.as_ref(), record.element_id.as_str()), ("PROCESS", "p"));
    let answer = cluster.replies.remove(&request).expect("who waits is answered");
    assert_eq!(rejected(&answer).0, RejectionType::InvalidState);
    cluster.check_empty();
    assert_eq!(rejected(&cluster.complete(job, json!({}))).0, RejectionType::NotFound);
    let again = cluster.call(1, CommandKind::CancelProcessInstance, instance, &cancel);
    let reason = format!(
        "Expected to cancel a process instance with key '{instance}', but no such process was found"
    );
    assert_eq!(rejected(&again), (RejectionType::NotFound, reason.as_str()));
}

#[test]
fn only_process_instances_can_be_cancelled() {
    let mut cluster = Cluster::new(1);
    cluster.deploy(&one_task("p", "work"));
    cluster.create(1, "p", json!({}));
    let (_, record) = cluster.take(1, "work");
    let element = Key(record.element_instance_key);
    let cancel = ProcessInstanceRecord::default();
    let response = cluster.call(1, CommandKind::CancelProcessInstance, element, &cancel);
    assert_eq!(rejected(&response).0, RejectionType::NotFound);
    assert_eq!(cluster.running(), 1);
}

#[test]
fn a_sub_process_completes_when_nothing_is_left_in_it() {
    let mut cluster = Cluster::new(1);
    let inner = [start("is"), task("a", "a"), task("b", "b"), flows("is>a>b")].concat();
    let body =
        [start("s"), sub_process("sub", &inner), task("after", "after"), flows("s>sub>after")];
    cluster.deploy(&process("p", &body.concat()));
    let request = cluster.start(1, "p", json!({}));
    let (a, _) = cluster.take(1, "a");
    cluster.complete(a, json!({"a": 1}));
    assert!(cluster.activate(1, "after", 1).is_empty());
    let (b, _) = cluster.take(1, "b");
    cluster.complete(b, json!({}));
    let (after, _) = cluster.take(1, "after");
    cluster.complete(after, json!({}));
    assert_eq!(cluster.result(request), json!({"a": 1}));
    cluster.check_empty();
}

#[test]
fn an_instance_starts_at_the_elements_asked_for() {
    let mut cluster = Cluster::new(1);
    let body = [start("s"), task("a", "a"), task("b", "b"), end("e"), flows("s>a>b>e")].concat();
    cluster.deploy(&process("p", &body));
    let mut record = creation("p", json!({}));
    record.start_instructions = vec![StartInstruction { element_id: "b".into() }];
    let response = cluster.call(1, CommandKind::CreateProcessInstance, Key::NONE, &record);
    done::<ProcessInstanceCreationRecord>(&response);
    assert!(cluster.activate(1, "a", 1).is_empty());
    let (b, _) = cluster.take(1, "b");
    cluster.complete(b, json!({}));
    cluster.check_empty();

    record.start_instructions = vec![StartInstruction { element_id: "s".into() }];
    let response = cluster.call(1, CommandKind::CreateProcessInstance, Key::NONE, &record);
    assert_eq!(rejected(&response).0, RejectionType::InvalidArgument);
}

#[test]
fn a_terminate_end_event_ends_the_other_paths() {
    let mut cluster = Cluster::new(1);
    let terminate = r#"<bpmn:endEvent id="t"><bpmn:terminateEventDefinition/></bpmn:endEvent>"#;
    let body = [
        start("s"),
        super::models::gateway("parallel", "fork"),
        task("a", "a"),
        task("b", "b"),
        end("e"),
        terminate.to_owned(),
        flows("s>fork>a>e, fork>b>t"),
    ];
    cluster.deploy(&process("p", &body.concat()));
    let request = cluster.start(1, "p", json!({}));
    let (b, _) = cluster.take(1, "b");
    cluster.complete(b, json!({"done": true}));
    assert_eq!(cluster.result(request), json!({"done": true}));
    assert!(cluster.activate(1, "a", 1).is_empty());
    cluster.check_empty();
}
