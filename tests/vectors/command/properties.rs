//! Round trips of arbitrary values.

use beegate::model::{
    AdminRequestType, BackupRequestType, BackupStatusCode, ErrorCode, RecordType, RejectionType,
    StreamErrorCode, ValueType,
};
use beegate::wire::msgpack::Writer;
use beegate::wire::msgpack::json::{JsonDialect, json_to_msgpack, msgpack_to_json};
use beegate::wire::record::*;
use beegate::wire::sbe::{self, Message, admin, backup, stream};
use bytes::Bytes;
use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::Value;
use uuid::Uuid;

use super::encoded;

fn bytes() -> impl Strategy<Value = Bytes> {
    vec(any::<u8>(), 0..300).prop_map(Bytes::from)
}

/// Texts around the borders of the string headers.
fn text() -> impl Strategy<Value = String> {
    prop_oneof![".{0,40}", "[a-zü]{250,260}", Just("x".repeat(0x1_0000))]
}

fn both_ways<M: Message + PartialEq + std::fmt::Debug>(message: &M) {
    assert_eq!(M::decode(&encoded(message)).as_ref(), Ok(message));
}

/// Arbitrary values of the types that properties have.
trait Arbitrary: Sized {
    fn arbitrary() -> BoxedStrategy<Self>;
}

macro_rules! arbitrary {
    ($($ty:ty: $strategy:expr;)*) => {$(
        impl Arbitrary for $ty {
            fn arbitrary() -> BoxedStrategy<Self> {
                $strategy.boxed()
            }
        }
    )*};
}

arbitrary! {
    i64: prop_oneof![any::<i64>(), -200i64..200];
    i32: prop_oneof![any::<i32>(), -200i32..200];
    bool: any::<bool>();
    String: text();
    Symbol: prop_oneof![Just("UNKNOWN".into()), text().prop_map(Into::into)];
    Binary: bytes().prop_map(Binary);
    RawValue: json_value().prop_map(|json| RawValue(msgpack(&json)));
    Document: vec((text(), json_value()), 0..20).prop_map(|entries| {
        let map = entries.into_iter().collect::<serde_json::Map<_, _>>();
        Document::from_msgpack(msgpack(&map.into())).expect("a map")
    });
}

impl<T: Arbitrary + std::fmt::Debug + 'static> Arbitrary for Vec<T> {
    fn arbitrary() -> BoxedStrategy<Self> {
        vec(T::arbitrary(), 0..4).boxed()
    }
}

fn msgpack(json: &Value) -> Bytes {
    json_to_msgpack(&json.to_string(), JsonDialect::Lenient).expect("serde_json writes JSON")
}

fn json_value() -> BoxedStrategy<Value> {
    let scalar = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_filter_map("finite", |f| f.is_finite().then(|| Value::from(f))),
        ".{0,40}".prop_map(Value::from),
    ];
    scalar
        .prop_recursive(5, 60, 18, |inner| {
            prop_oneof![
                vec(inner.clone(), 0..18).prop_map(Value::from),
                vec((".{0,5}", inner), 0..18).prop_map(|entries| entries
                    .into_iter()
                    .collect::<serde_json::Map<_, _>>()
                    .into()),
            ]
        })
        .boxed()
}

/// A record with every property arbitrary: a test for each, and its strategy for those that
/// contain it. Naming every property makes a new one fail to compile until it is tested.
macro_rules! records {
    ($($test:ident: $record:ident { $($field:ident),* $(,)? })*) => {
        $(
            impl Arbitrary for $record {
                fn arbitrary() -> BoxedStrategy<Self> {
                    let mut strategy = Just(Self::default()).boxed();
                    $(
                        let set = |(mut record, value): (Self, _)| {
                            record.$field = value;
                            record
                        };
                        strategy = (strategy, of(|r: &Self| &r.$field)).prop_map(set).boxed();
                    )*
                    strategy
                }
            }
        )*
        proptest! {
            #![proptest_config(ProptestConfig::with_cases(24))]
            $(
                #[test]
                fn $test(record in $record::arbitrary()) {
                    let $record { $($field: _),* } = &record;
                    prop_assert_eq!($record::from_bytes(&record.to_bytes()), Ok(record));
                }
            )*
        }
    };
}

/// The strategy for a property's type, named by a way to reach the property.
fn of<R, T: Arbitrary>(_: fn(&R) -> &T) -> BoxedStrategy<T> {
    T::arbitrary()
}

records! {
    activate_instruction: ActivateInstruction {
        element_id, ancestor_scope_key, variable_instructions, ancestor_scope_keys,
    }
    auth_info: AuthInfo { format, auth_data }
    authorization: AuthorizationRecord { action, owner_type, owner_key, resource_type, permissions }
    checkpoint: CheckpointRecord { id, position }
    clock: ClockRecord { time }
    decision_evaluation: DecisionEvaluationRecord {
        decision_key, decision_id, decision_name, decision_version, decision_requirements_id,
        decision_requirements_key, decision_output, variables, bpmn_process_id,
        process_definition_key, process_instance_key, element_id, element_instance_key,
        evaluated_decisions, evaluation_failure_message, failed_decision_id, tenant_id,
    }
    decision_metadata: DecisionMetadata {
        decision_id, decision_name, version, decision_key, decision_requirements_id,
        decision_requirements_key, is_duplicate, tenant_id, deployment_key, version_tag,
    }
    decision_requirements_metadata: DecisionRequirementsMetadata {
        decision_requirements_id, decision_requirements_name, decision_requirements_version,
        decision_requirements_key, namespace, resource_name, checksum, is_duplicate, tenant_id,
    }
    deployment: DeploymentRecord {
        resources, processes_metadata, decision_requirements_metadata, decisions_metadata,
        form_metadata, tenant_id, deployment_key,
    }
    deployment_resource: DeploymentResource { resource_name, resource }
    evaluated_decision: EvaluatedDecision {
        decision_id, decision_name, decision_key, decision_version, decision_type,
        decision_output, evaluated_inputs, matched_rules, tenant_id,
    }
    evaluated_input: EvaluatedInput { input_id, input_name, input_value }
    evaluated_output: EvaluatedOutput { output_id, output_name, output_value }
    form_metadata: FormMetadata {
        form_id, version, form_key, resource_name, checksum, is_duplicate, tenant_id,
        deployment_key, version_tag,
    }
    incident: IncidentRecord {
        error_type, error_message, bpmn_process_id, process_definition_key, process_instance_key,
        element_id, element_instance_key, job_key, variable_scope_key, tenant_id,
        element_instance_path, process_definition_path, calling_element_path,
    }
    job: JobRecord {
        deadline, timeout, worker, retries, retry_backoff, recurring_time, job_type,
        custom_headers, variables, error_message, error_code, bpmn_process_id,
        process_definition_version, process_definition_key, process_instance_key, job_kind,
        job_listener_event_type, element_id, element_instance_key, tenant_id, changed_attributes,
    }
    job_batch: JobBatchRecord {
        job_type, worker, timeout, max_jobs_to_activate, job_keys, jobs, variables, truncated,
        tenant_ids,
    }
    job_push: JobPush { key, record }
    job_stream_metadata: JobStreamMetadata { worker, timeout, variables, tenant_ids }
    mapping_instruction: MappingInstruction { source_element_id, target_element_id }
    matched_rule: MatchedRule { rule_id, rule_index, evaluated_outputs }
    message: MessageRecord {
        name, correlation_key, time_to_live, variables, message_id, deadline, tenant_id,
    }
    message_correlation: MessageCorrelationRecord {
        name, correlation_key, variables, tenant_id, message_key, request_id, request_stream_id,
        process_instance_key,
    }
    permission: Permission { permission_type, resource_ids }
    process_instance: ProcessInstanceRecord {
        bpmn_element_type, element_id, bpmn_process_id, version, process_definition_key,
        process_instance_key, flow_scope_key, bpmn_event_type, parent_process_instance_key,
        parent_element_instance_key, tenant_id,
    }
    process_instance_creation: ProcessInstanceCreationRecord {
        bpmn_process_id, process_definition_key, process_instance_key, version, variables,
        fetch_variables, start_instructions, tenant_id,
    }
    process_instance_migration: ProcessInstanceMigrationRecord {
        process_instance_key, target_process_definition_key, mapping_instructions,
    }
    process_instance_modification: ProcessInstanceModificationRecord {
        process_instance_key, terminate_instructions, activate_instructions,
        activated_element_instance_keys,
    }
    process_instance_result: ProcessInstanceResultRecord {
        bpmn_process_id, process_definition_key, process_instance_key, version, tenant_id,
        variables,
    }
    process_metadata: ProcessMetadata {
        bpmn_process_id, version, process_definition_key, resource_name, checksum, is_duplicate,
        tenant_id, deployment_key, version_tag,
    }
    resource_deletion: ResourceDeletionRecord { resource_key, tenant_id }
    signal: SignalRecord { signal_name, variables, tenant_id }
    start_instruction: StartInstruction { element_id }
    terminate_instruction: TerminateInstruction { element_instance_key }
    user: UserRecord { user_key, username, name, email, password, user_type }
    user_task: UserTaskRecord {
        user_task_key, assignee, candidate_groups_list, candidate_users_list, due_date,
        follow_up_date, form_key, external_form_reference, variables, custom_headers,
        bpmn_process_id, process_definition_version, process_definition_key, process_instance_key,
        element_id, element_instance_key, tenant_id, changed_attributes, action,
        creation_timestamp, priority,
    }
    variable_document: VariableDocumentRecord { scope_key, update_semantics, variables }
    variable_instruction: VariableInstruction { variables, element_id }
}

proptest! {
    #[test]
    fn commands(
        (partition, key, value_type, intent) in any::<(u16, i64, u8, u8)>(),
        operation_reference: i64,
        (value, authorization) in (bytes(), bytes()),
        (code, message) in (any::<u8>(), text()),
    ) {
        both_ways(&sbe::ExecuteCommandRequest {
            partition, key, value_type, intent, operation_reference,
            value: value.clone(), authorization,
        });
        both_ways(&sbe::ExecuteCommandResponse {
            partition,
            key,
            record_type: RecordType::from_wire(code),
            value_type: ValueType::from_wire(value_type),
            intent,
            rejection_type: RejectionType::from_wire(code),
            value,
            rejection_reason: message.clone(),
        });
        both_ways(&sbe::ExecuteQueryRequest { partition, key, value_type });
        both_ways(&sbe::ExecuteQueryResponse { bpmn_process_id: message.clone() });
        both_ways(&sbe::ErrorResponse { code: ErrorCode::from_wire(code), message });
    }

    #[test]
    fn management(
        (partition, code, key, pattern) in any::<(u16, u8, i64, bool)>(),
        (broker, partitions) in any::<(Option<u16>, Option<u16>)>(),
        checkpoint_position: Option<i64>,
        payload in bytes(),
        texts in vec(text(), 5),
    ) {
        // The null values themselves cannot be told from absence.
        prop_assume!(broker != Some(u16::MAX) && partitions != Some(u16::MAX));
        prop_assume!(checkpoint_position != Some(i64::MIN));
        let kind = AdminRequestType::from_wire(code);
        both_ways(&admin::AdminRequest { partition, kind, broker, key, payload: payload.clone() });
        both_ways(&admin::AdminResponse { payload });
        let kind = BackupRequestType::from_wire(code);
        both_ways(&backup::BackupRequest { partition, kind, backup_id: key, pattern });
        let status = BackupStatusCode::from_wire(code);
        let entry = backup::BackupListEntry {
            backup_id: key,
            status,
            partition,
            failure_reason: texts[0].clone(),
            created_at: texts[1].clone(),
            broker_version: texts[2].clone(),
        };
        both_ways(&backup::BackupListResponse { backups: vec![entry; usize::from(code % 4)] });
        let [snapshot_id, failure_reason, broker_version, created_at, last_updated] =
            texts.try_into().expect("five texts");
        both_ways(&backup::BackupStatusResponse {
            backup_id: key, status, partition, broker, checkpoint_position, partitions,
            snapshot_id, failure_reason, broker_version, created_at, last_updated,
        });
    }

    #[test]
    fn streams(
        id: u128,
        (stream_type, payload) in (bytes(), bytes()),
        (code, message) in (any::<u8>(), text()),
        details in vec((any::<u8>(), text()), 0..4),
    ) {
        let id = Uuid::from_u128(id);
        both_ways(&stream::AddStreamRequest { id, stream_type, metadata: payload.clone() });
        both_ways(&stream::RemoveStreamRequest { id });
        both_ways(&stream::PushStreamRequest { id, payload });
        let code = StreamErrorCode::from_wire(code);
        let detail = |(code, message)| stream::StreamErrorDetail {
            code: StreamErrorCode::from_wire(code),
            message,
        };
        let details = details.into_iter().map(detail).collect();
        both_ways(&stream::StreamError { code, message, details });
    }

    /// What serde_json writes comes back the same, and so does what the converter printed.
    #[test]
    fn json(value in json_value()) {
        for dialect in [JsonDialect::Lenient, JsonDialect::Strict] {
            let msgpack = json_to_msgpack(&value.to_string(), dialect).expect("JSON");
            let printed = msgpack_to_json(&msgpack).expect("prints what it read");
            let again = json_to_msgpack(&printed, dialect).expect("reads what it printed");
            prop_assert_eq!(&again, &msgpack);
            let decoded: Value = rmp_serde::from_slice(&msgpack).expect("MsgPack to others");
            prop_assert_eq!(decoded, value.clone());
        }
    }

    /// The smallest form of every integer, as others choose it.
    #[test]
    fn integers(signed: i64, unsigned: u64, shift in 0u32..64) {
        let mut ours = Writer::default();
        ours.int(signed >> shift);
        ours.uint(unsigned >> shift);
        let theirs = rmp_serde::to_vec(&(signed >> shift, unsigned >> shift)).expect("numbers");
        prop_assert_eq!(&ours.finish()[..], &theirs[1..]);
    }
}
