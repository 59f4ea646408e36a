//! Process instances: create, with result, cancel, modify, migrate.

use std::time::Duration;

use super::document::{document_text, variables};
use super::{WithReference as _, keyed, read, unkeyed};
use crate::api::grpc::caller::Caller;
use crate::api::grpc::proto as pb;
use crate::error::GatewayError;
use crate::model::{Command, CommandKind, Reply, Route};
use crate::wire::record::{
    ActivateInstruction, MappingInstruction, ProcessInstanceCreationRecord,
    ProcessInstanceMigrationRecord, ProcessInstanceModificationRecord, ProcessInstanceRecord,
    ProcessInstanceResultRecord, StartInstruction, TerminateInstruction, VariableInstruction,
};

fn creation(
    rpc: &str,
    request: pb::CreateProcessInstanceRequest,
    caller: &Caller,
) -> Result<ProcessInstanceCreationRecord, GatewayError> {
    let tenant_id = caller.tenant(rpc, request.tenant_id)?;
    Ok(ProcessInstanceCreationRecord {
        bpmn_process_id: request.bpmn_process_id,
        process_definition_key: request.process_definition_key,
        version: request.version,
        variables: variables(&request.variables)?,
        start_instructions: request
            .start_instructions
            .into_iter()
            .map(|start| StartInstruction { element_id: start.element_id })
            .collect(),
        tenant_id,
        ..Default::default()
    })
}

/// CreateProcessInstance.
///
/// # Errors
/// Tenant and JSON errors.
pub fn create(
    request: pb::CreateProcessInstanceRequest,
    caller: &Caller,
) -> Result<Command, GatewayError> {
    let reference = request.operation_reference;
    let record = creation("CreateProcessInstance", request, caller)?;
    Ok(unkeyed(CommandKind::CreateProcessInstance, Route::Creation, &record, caller)
        .with_reference(reference))
}

/// CreateProcessInstance's answer.
///
/// # Errors
/// [`GatewayError::Internal`] when the reply cannot be read.
pub fn created(reply: &Reply) -> Result<pb::CreateProcessInstanceResponse, GatewayError> {
    let record: ProcessInstanceCreationRecord = read(reply)?;
    Ok(pb::CreateProcessInstanceResponse {
        process_definition_key: record.process_definition_key,
        bpmn_process_id: record.bpmn_process_id,
        version: record.version,
        process_instance_key: record.process_instance_key,
        tenant_id: record.tenant_id,
        ..Default::default()
    })
}

/// CreateProcessInstanceWithResult. A positive requestTimeout replaces the gateway's own; an absent
/// `request` is an empty one (gateway-behaviour §7).
///
/// # Errors
/// As [`create`].
pub fn create_with_result(
    request: pb::CreateProcessInstanceWithResultRequest,
    caller: &Caller,
) -> Result<Command, GatewayError> {
    let inner = request.request.unwrap_or_default();
    let reference = inner.operation_reference;
    let mut record = creation("CreateProcessInstanceWithResult", inner, caller)?;
    record.fetch_variables = request.fetch_variables;
    let kind = CommandKind::CreateProcessInstanceWithResult;
    let mut command = unkeyed(kind, Route::Creation, &record, caller).with_reference(reference);
    let timeout = u64::try_from(request.request_timeout).unwrap_or(0);
    command.timeout = (timeout > 0).then(|| Duration::from_millis(timeout));
    Ok(command)
}

/// CreateProcessInstanceWithResult's answer.
///
/// # Errors
/// As [`created`].
pub fn created_with_result(
    reply: &Reply,
) -> Result<pb::CreateProcessInstanceWithResultResponse, GatewayError> {
    let record: ProcessInstanceResultRecord = read(reply)?;
    Ok(pb::CreateProcessInstanceWithResultResponse {
        process_definition_key: record.process_definition_key,
        bpmn_process_id: record.bpmn_process_id,
        version: record.version,
        process_instance_key: record.process_instance_key,
        variables: document_text(&record.variables)?,
        tenant_id: record.tenant_id,
        ..Default::default()
    })
}

/// CancelProcessInstance.
#[must_use]
pub fn cancel(request: &pb::CancelProcessInstanceRequest, caller: &Caller) -> Command {
    let record = ProcessInstanceRecord::default();
    keyed(CommandKind::CancelProcessInstance, request.process_instance_key, &record, caller)
        .with_reference(request.operation_reference)
}

/// ModifyProcessInstance.
///
/// # Errors
/// As [`create`].
pub fn modify(
    request: pb::ModifyProcessInstanceRequest,
    caller: &Caller,
) -> Result<Command, GatewayError> {
    let activate_instructions =
        request.activate_instructions.into_iter().map(activate).collect::<Result<_, _>>()?;
    let record = ProcessInstanceModificationRecord {
        process_instance_key: request.process_instance_key,
        terminate_instructions: request
            .terminate_instructions
            .iter()
            .map(|one| TerminateInstruction { element_instance_key: one.element_instance_key })
            .collect(),
        activate_instructions,
        ..Default::default()
    };
    let kind = CommandKind::ModifyProcessInstance;
    Ok(keyed(kind, request.process_instance_key, &record, caller)
        .with_reference(request.operation_reference))
}

fn activate(
    instruction: pb::modify_process_instance_request::ActivateInstruction,
) -> Result<ActivateInstruction, GatewayError> {
    let variable_instructions = instruction
        .variable_instructions
        .into_iter()
        .map(|one| {
            Ok(VariableInstruction {
                variables: variables(&one.variables)?,
                element_id: one.scope_id,
            })
        })
        .collect::<Result<_, GatewayError>>()?;
    Ok(ActivateInstruction {
        element_id: instruction.element_id,
        ancestor_scope_key: instruction.ancestor_element_instance_key,
        variable_instructions,
        ..Default::default()
    })
}

/// MigrateProcessInstance. A missing plan is sent as key 0 and no mapping.
#[must_use]
pub fn migrate(request: pb::MigrateProcessInstanceRequest, caller: &Caller) -> Command {
    let plan = request.migration_plan.unwrap_or_default();
    let record = ProcessInstanceMigrationRecord {
        process_instance_key: request.process_instance_key,
        target_process_definition_key: plan.target_process_definition_key,
        mapping_instructions: plan
            .mapping_instructions
            .into_iter()
            .map(|one| MappingInstruction {
                source_element_id: one.source_element_id,
                target_element_id: one.target_element_id,
            })
            .collect(),
    };
    keyed(CommandKind::MigrateProcessInstance, request.process_instance_key, &record, caller)
        .with_reference(request.operation_reference)
}
