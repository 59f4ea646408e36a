//! Commands written out by hand, so that a field bound to the wrong property would show.

use beegate::model::CommandKind;
use beegate::wire::msgpack::json::{JsonDialect, document_from_json};
use beegate::wire::record::*;
use beegate::wire::sbe::ExecuteCommandRequest;
use bytes::Bytes;

use super::{assert_encodes, index};

fn command(kind: CommandKind, partition: u16, key: i64, value: Bytes) -> ExecuteCommandRequest {
    ExecuteCommandRequest {
        partition,
        key,
        value_type: kind.value_type().to_wire(),
        intent: kind.intent(),
        operation_reference: -1,
        value,
        authorization: AuthInfo::default_tenant(),
    }
}

/// What a client may write as variables.
fn variables(text: &str) -> Document {
    document_from_json(text, JsonDialect::Lenient).expect(text)
}

/// The text of the `variables` a client sent in this exchange.
fn sent_variables(name: &str) -> Document {
    let index = index();
    let exchanges = index["exchanges"].as_array().expect("a list");
    let exchange = exchanges.iter().find(|e| e["name"] == name).expect(name);
    variables(exchange["input"]["request"]["variables"].as_str().expect("variables"))
}

#[test]
fn process_instance_commands() {
    let create = ProcessInstanceCreationRecord {
        bpmn_process_id: "proc1".to_owned(),
        // What gRPC sends for an unset key.
        process_definition_key: 0,
        variables: sent_variables("grpc/create-process-instance"),
        ..Default::default()
    };
    let create = command(CommandKind::CreateProcessInstance, 1, -1, create.to_bytes());
    let create = ExecuteCommandRequest { operation_reference: 777, ..create };
    assert_encodes("grpc/create-process-instance.req.hex", &create);

    let set = |text: &str, element_id: &str| VariableInstruction {
        variables: variables(text),
        element_id: element_id.to_owned(),
    };
    let key = 2_251_799_813_685_317;
    let modify = ProcessInstanceModificationRecord {
        process_instance_key: key,
        activate_instructions: vec![ActivateInstruction {
            element_id: "task1".to_owned(),
            ancestor_scope_key: 0,
            variable_instructions: vec![set("{\"mv\":1}", ""), set("{\"mv2\":\"q\"}", "task1")],
            ancestor_scope_keys: Vec::new(),
        }],
        ..Default::default()
    };
    let modify = command(CommandKind::ModifyProcessInstance, 1, key, modify.to_bytes());
    let modify = ExecuteCommandRequest { operation_reference: 777, ..modify };
    assert_encodes("grpc/modify-process-instance.req.hex", &modify);

    let key = 6_755_399_441_055_747;
    let migrate = ProcessInstanceMigrationRecord {
        process_instance_key: key,
        target_process_definition_key: 2_251_799_813_685_251,
        mapping_instructions: vec![MappingInstruction {
            source_element_id: "task1".to_owned(),
            target_element_id: "taskB".to_owned(),
        }],
    };
    let migrate = command(CommandKind::MigrateProcessInstance, 3, key, migrate.to_bytes());
    let migrate = ExecuteCommandRequest { operation_reference: 777, ..migrate };
    assert_encodes("grpc/migrate-process-instance.req.hex", &migrate);

    let set = VariableDocumentRecord {
        scope_key: 2_251_799_813_685_317,
        variables: variables("{\"x\":1,\"y\":\"z\"}"),
        ..Default::default()
    };
    let set = command(CommandKind::SetVariables, 1, -1, set.to_bytes());
    let set = ExecuteCommandRequest { operation_reference: 777, ..set };
    assert_encodes("grpc/set-variables.req.hex", &set);
}

#[test]
fn job_commands() {
    let activate = JobBatchRecord {
        job_type: "vec-job".to_owned(),
        worker: "w1".to_owned(),
        timeout: 600_000,
        max_jobs_to_activate: 2,
        tenant_ids: vec!["<default>".to_owned()],
        ..Default::default()
    };
    let activate = command(CommandKind::ActivateJobs, 1, -1, activate.to_bytes());
    assert_encodes("grpc/activate-jobs.1.req.hex", &activate);

    let fail = JobRecord {
        retries: 2,
        retry_backoff: 300_000,
        error_message: "oops ü".to_owned(),
        variables: variables("{\"fv\":1}"),
        ..Default::default()
    };
    let fail = command(CommandKind::FailJob, 1, 2_251_799_813_685_289, fail.to_bytes());
    assert_encodes("grpc/fail-job.req.hex", &fail);

    let throw = JobRecord {
        error_code: "E1".to_owned(),
        error_message: "msg".to_owned(),
        variables: variables("{\"ev\":true}"),
        ..Default::default()
    };
    let throw = command(CommandKind::ThrowError, 2, 4_503_599_627_370_531, throw.to_bytes());
    assert_encodes("grpc/throw-error.req.hex", &throw);

    let update = JobRecord {
        retries: 4,
        timeout: 700_000,
        changed_attributes: vec!["retries".to_owned(), "timeout".to_owned()],
        ..Default::default()
    };
    let update = command(CommandKind::UpdateJob, 2, 4_503_599_627_370_544, update.to_bytes());
    assert_encodes("rest/job-update.req.hex", &update);
}

#[test]
fn messages_signals_and_decisions() {
    let publish = MessageRecord {
        name: "msg-a".to_owned(),
        correlation_key: "ck-1".to_owned(),
        time_to_live: 60_000,
        message_id: "mid-1".to_owned(),
        variables: variables("{\"a\":1}"),
        ..Default::default()
    };
    let publish = command(CommandKind::PublishMessage, 1, -1, publish.to_bytes());
    assert_encodes("grpc/publish-message.req.hex", &publish);

    let signal = SignalRecord {
        signal_name: "sig-a".to_owned(),
        variables: variables("{\"sv\":[true]}"),
        ..Default::default()
    };
    let signal = command(CommandKind::BroadcastSignal, 1, -1, signal.to_bytes());
    assert_encodes("grpc/broadcast-signal.req.hex", &signal);

    let evaluate = DecisionEvaluationRecord {
        decision_key: 0,
        decision_id: "dish".to_owned(),
        variables: variables("{\"season\":\"Winter\",\"guests\":4}"),
        ..Default::default()
    };
    let evaluate = command(CommandKind::EvaluateDecision, 1, -1, evaluate.to_bytes());
    assert_encodes("grpc/evaluate-decision.req.hex", &evaluate);
}
