//! What is bounded, and what cannot be read or is not supported.

use bytes::Bytes;
use serde_json::json;

use super::harness::{Cluster, creation, rejected};
use super::models::{end, flows, gateway, one_task, process, start};
use crate::broker::engine::{CommandInput, Input, RequestId, Response, Tenants};
use crate::model::{CommandKind, ErrorCode, Key, RejectionType, ValueType};

fn raw(cluster: &mut Cluster, value_type: ValueType, intent: u8, value: &'static [u8]) -> Response {
    let request = RequestId(77);
    let command = CommandInput {
        request,
        value_type,
        intent,
        key: Key::NONE,
        operation_reference: None,
        tenants: Tenants::Default,
        value: Bytes::from_static(value),
    };
    cluster.input(1, Input::Command(command));
    cluster.replies.remove(&request).expect("every command is answered")
}

#[test]
fn an_endless_loop_does_not_keep_the_engine_from_working() {
    let mut cluster = Cluster::configured(1, |config| config.max_steps = 100);
    let body = [start("s"), gateway("exclusive", "a"), gateway("exclusive", "b"), flows("s>a>b>a")];
    cluster.deploy_raw(&process("loop", &body.concat()));
    cluster.deploy_raw(&one_task("p", "work"));
    let looping =
        cluster.send_raw(1, CommandKind::CreateProcessInstance, &creation("loop", json!({})));
    assert!(cluster.replies.contains_key(&looping));
    for _ in 0..50 {
        assert!(cluster.engines[0].observe().queued_steps > 0);
        cluster.tick(1);
    }
    // In between, others are served.
    let created =
        cluster.send_raw(1, CommandKind::CreateProcessInstance, &creation("p", json!({})));
    assert!(cluster.replies.contains_key(&created));
    cluster.tick(1);
    cluster.tick(1);
    assert_eq!(cluster.engines[0].observe().jobs_activatable, 1);
    assert!(cluster.engines[0].observe().element_instances < 10);
}

#[test]
fn a_fork_in_an_endless_loop_is_stopped_by_an_incident() {
    let mut cluster = Cluster::configured(1, |config| {
        config.max_steps = 100;
        config.max_queued_steps = 500;
    });
    let body = [
        start("s"),
        gateway("exclusive", "merge"),
        gateway("parallel", "fork"),
        flows("s>merge>fork>x>merge, fork>y>merge"),
        gateway("exclusive", "x"),
        gateway("exclusive", "y"),
    ];
    cluster.deploy_raw(&process("bomb", &body.concat()));
    cluster.send_raw(1, CommandKind::CreateProcessInstance, &creation("bomb", json!({})));
    for _ in 0..200 {
        cluster.tick(1);
        assert!(cluster.engines[0].observe().queued_steps < 1_000);
    }
    assert!(!cluster.incidents(1).is_empty());
}

#[test]
fn variables_beyond_the_limit_are_refused() {
    let mut cluster = Cluster::new(1);
    cluster.deploy(&process("p", &[start("s"), end("e"), flows("s>e")].concat()));
    let record = creation("p", json!({"big": "x".repeat((2 << 20) + 1)}));
    let response = cluster.call(1, CommandKind::CreateProcessInstance, Key::NONE, &record);
    assert_eq!(rejected(&response).0, RejectionType::ExceededBatchRecordSize);
    assert_eq!(cluster.running(), 0);
}

#[test]
fn a_command_beyond_the_limit_is_refused() {
    let mut cluster = Cluster::new(1);
    let record = creation("p", json!({"big": "x".repeat(5 << 20)}));
    let response = cluster.call(1, CommandKind::CreateProcessInstance, Key::NONE, &record);
    let Response::Error { code, message } = response else { panic!("{response:?}") };
    assert_eq!(code, ErrorCode::MalformedRequest);
    assert_eq!(message, "Request size is above configured maxMessageSize.");
}

#[test]
fn unreadable_records_are_malformed_requests() {
    let mut cluster = Cluster::new(1);
    for bytes in [&b""[..], b"\xc1", b"\x81", b"\x81\xa4name\x05", b"\x81\xa4name\xa1m"] {
        let response = raw(&mut cluster, ValueType::Message, 0, bytes);
        let Response::Error { code, message } = response else { panic!("{response:?}") };
        assert_eq!(code, ErrorCode::MalformedRequest);
        assert!(
            message.starts_with("Expected to handle client message, but could not read it: "),
            "{message}"
        );
    }
}

#[test]
fn other_value_types_are_unsupported_messages() {
    let mut cluster = Cluster::new(1);
    for (value_type, name) in [
        (ValueType::Variable, "VARIABLE"),
        (ValueType::Unknown(200), "SBE_UNKNOWN"),
        (ValueType::Unknown(255), "NULL_VAL"),
    ] {
        let response = raw(&mut cluster, value_type, 0, b"\x80");
        let Response::Error { code, message } = response else { panic!("{response:?}") };
        assert_eq!(code, ErrorCode::UnsupportedMessage);
        let expected = format!(
            "Expected to handle only messages of type [JOB, DEPLOYMENT, PROCESS_INSTANCE, INCIDENT, \
             MESSAGE, JOB_BATCH, VARIABLE_DOCUMENT, PROCESS_INSTANCE_CREATION, \
             DECISION_EVALUATION, PROCESS_INSTANCE_MODIFICATION, SIGNAL, RESOURCE_DELETION, \
             COMMAND_DISTRIBUTION, PROCESS_INSTANCE_BATCH, MESSAGE_BATCH, USER_TASK, \
             PROCESS_INSTANCE_MIGRATION, COMPENSATION_SUBSCRIPTION, MESSAGE_CORRELATION, USER, \
             CLOCK, AUTHORIZATION], but received one of type '{name}'"
        );
        assert_eq!(message, expected);
    }
}

#[test]
fn what_is_not_supported_is_said() {
    let mut cluster = Cluster::new(1);
    for (value_type, intent) in [
        (ValueType::ProcessInstanceModification, 0),
        (ValueType::ProcessInstanceMigration, 0),
        (ValueType::UserTask, 2),
        (ValueType::DecisionEvaluation, 2),
        (ValueType::User, 0),
        (ValueType::Authorization, 0),
        (ValueType::Message, 99),
    ] {
        let response = raw(&mut cluster, value_type, intent, b"\x80");
        let (_, reason) = rejected(&response);
        assert!(reason.contains("support"), "{reason}");
    }
}
