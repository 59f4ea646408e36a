//! `/v2/process-instances`.

use super::super::endpoint::Input;
use super::super::json::{Newer, Object, Variables, document, request};
use super::super::problem::{Problem, Violations};
use crate::model::{Command, CommandKind, Reply, Route, ValueType};
use crate::wire::DecodeError;
use crate::wire::record::{
    ActivateInstruction, MappingInstruction, ProcessInstanceCreationRecord,
    ProcessInstanceMigrationRecord, ProcessInstanceModificationRecord, ProcessInstanceRecord,
    ProcessInstanceResultRecord, Record, StartInstruction, TerminateInstruction,
    VariableInstruction,
};

request! {
    struct CreateRequest<'a> {
        process_definition_id: String = "processDefinitionId";
        process_definition_key: i64 = "processDefinitionKey";
        process_definition_version: i32 = "processDefinitionVersion" or -1;
        variables: Variables<'a> = "variables";
        tenant_id: String = "tenantId";
        operation_reference: i64 = "operationReference";
        start_instructions: Vec<Start<'a>> = "startInstructions" or Vec::new();
        await_completion: bool = "awaitCompletion" or false;
        fetch_variables: Vec<String> = "fetchVariables";
        runtime_instructions: Newer = "runtimeInstructions";
        business_id: Newer = "businessId";
    }

    struct Start<'a> {
        element_id: String = "elementId";
    }

    struct CancelRequest<'a> {
        operation_reference: i64 = "operationReference";
    }

    struct MigrateRequest<'a> {
        target_process_definition_key: i64 = "targetProcessDefinitionKey";
        mapping_instructions: Vec<Mapping<'a>> = "mappingInstructions";
        operation_reference: i64 = "operationReference";
    }

    struct Mapping<'a> {
        source_element_id: String = "sourceElementId";
        target_element_id: String = "targetElementId";
    }

    struct ModifyRequest<'a> {
        activate_instructions: Vec<Activate<'a>> = "activateInstructions" or Vec::new();
        terminate_instructions: Vec<Terminate<'a>> = "terminateInstructions" or Vec::new();
        move_instructions: Newer = "moveInstructions";
        operation_reference: i64 = "operationReference";
    }

    struct Activate<'a> {
        element_id: String = "elementId";
        ancestor_element_instance_key: i64 = "ancestorElementInstanceKey" or -1;
        variable_instructions: Vec<SetVariables<'a>> = "variableInstructions" or Vec::new();
    }

    struct SetVariables<'a> {
        variables: Variables<'a> = "variables";
        scope_id: String = "scopeId" or String::new();
    }

    struct Terminate<'a> {
        element_instance_key: i64 = "elementInstanceKey";
        element_id: Newer = "elementId";
    }
}

pub(super) fn create(input: &Input<'_>) -> Result<Command, Problem> {
    let request: CreateRequest<'_> = input.required()?;
    input.newer("runtimeInstructions", request.runtime_instructions)?;
    input.newer("businessId", request.business_id)?;
    let tenant_id =
        input.tenancy.tenant("Create Process Instance", request.tenant_id.as_deref())?;
    let mut violations = Violations::default();
    violations.exactly_one(
        ["processDefinitionId", "processDefinitionKey"],
        [request.process_definition_id.is_some(), request.process_definition_key.is_some()],
    );
    violations.operation_reference(request.operation_reference);
    violations.check()?;
    let awaited = request.await_completion.ok_or_else(|| Problem::null("awaitCompletion"))?;
    let starts = request.start_instructions.ok_or_else(|| Problem::null("startInstructions"))?;
    let start_instructions = starts
        .into_iter()
        .map(|start| match start.element_id {
            Some(element_id) => Ok(StartInstruction { element_id }),
            None => Err(Problem::null("startInstructions[].elementId")),
        })
        .collect::<Result<_, _>>()?;
    let fetch_variables = if awaited { request.fetch_variables } else { None };
    let record = ProcessInstanceCreationRecord {
        bpmn_process_id: request.process_definition_id.unwrap_or_default(),
        process_definition_key: request.process_definition_key.unwrap_or(-1),
        version: request.process_definition_version.unwrap_or(-1),
        variables: document(request.variables)?,
        fetch_variables: fetch_variables.unwrap_or_default(),
        start_instructions,
        tenant_id,
        ..ProcessInstanceCreationRecord::default()
    };
    let kind = if awaited {
        CommandKind::CreateProcessInstanceWithResult
    } else {
        CommandKind::CreateProcessInstance
    };
    let command = input.unkeyed(kind, Route::RoundRobin, &record);
    Ok(Command { operation_reference: request.operation_reference, ..command })
}

/// A created instance has empty variables in its answer; one whose result was awaited has those of
/// its result.
pub(super) fn created(reply: &Reply, answer: &mut Object<'_>) -> Result<(), DecodeError> {
    let result = if reply.value_type == ValueType::ProcessInstanceResult {
        ProcessInstanceResultRecord::from_bytes(&reply.value)?
    } else {
        let created = ProcessInstanceCreationRecord::from_bytes(&reply.value)?;
        ProcessInstanceResultRecord {
            bpmn_process_id: created.bpmn_process_id,
            process_definition_key: created.process_definition_key,
            process_instance_key: created.process_instance_key,
            version: created.version,
            tenant_id: created.tenant_id,
            ..ProcessInstanceResultRecord::default()
        }
    };
    answer.key("processDefinitionKey", result.process_definition_key);
    answer.text("processDefinitionId", &result.bpmn_process_id);
    answer.int("processDefinitionVersion", result.version);
    answer.key("processInstanceKey", result.process_instance_key);
    answer.text("tenantId", &result.tenant_id);
    answer.msgpack("variables", result.variables.as_msgpack())
}

pub(super) fn cancel(input: &Input<'_>) -> Result<Command, Problem> {
    let request: CancelRequest<'_> = input.optional()?;
    let mut violations = Violations::default();
    violations.operation_reference(request.operation_reference);
    violations.check()?;
    let record = ProcessInstanceRecord::default();
    let command = input.keyed(CommandKind::CancelProcessInstance, &record);
    Ok(Command { operation_reference: request.operation_reference, ..command })
}

pub(super) fn migrate(input: &Input<'_>) -> Result<Command, Problem> {
    let request: MigrateRequest<'_> = input.required()?;
    let mappings = request.mapping_instructions.unwrap_or_default();
    let named = |id: &Option<String>| id.as_ref().is_some_and(|id| !id.is_empty());
    let mut violations = Violations::default();
    if request.target_process_definition_key.is_none() {
        violations.missing("targetProcessDefinitionKey");
    }
    if mappings.is_empty() {
        violations.missing("mappingInstructions");
    } else if !mappings.iter().all(|m| named(&m.source_element_id) && named(&m.target_element_id)) {
        violations.add("All [sourceElementId, targetElementId] are required");
    }
    violations.operation_reference(request.operation_reference);
    violations.check()?;
    let record = ProcessInstanceMigrationRecord {
        process_instance_key: input.key.0,
        target_process_definition_key: request.target_process_definition_key.unwrap_or_default(),
        mapping_instructions: mappings
            .into_iter()
            .map(|mapping| MappingInstruction {
                source_element_id: mapping.source_element_id.unwrap_or_default(),
                target_element_id: mapping.target_element_id.unwrap_or_default(),
            })
            .collect(),
    };
    let command = input.keyed(CommandKind::MigrateProcessInstance, &record);
    Ok(Command { operation_reference: request.operation_reference, ..command })
}

pub(super) fn modify(input: &Input<'_>) -> Result<Command, Problem> {
    let request: ModifyRequest<'_> = input.required()?;
    input.newer("moveInstructions", request.move_instructions)?;
    let activate =
        request.activate_instructions.ok_or_else(|| Problem::null("activateInstructions"))?;
    let terminate =
        request.terminate_instructions.ok_or_else(|| Problem::null("terminateInstructions"))?;
    for instruction in &terminate {
        input.newer("terminateInstructions[].elementId", instruction.element_id)?;
    }
    let mut violations = Violations::default();
    if activate.iter().any(|a| a.element_id.as_deref().is_none_or(str::is_empty)) {
        violations.missing("elementId");
    }
    let without = |set: &SetVariables<'_>| set.variables.is_none_or(|v| v.is_empty());
    if activate.iter().flat_map(|a| a.variable_instructions.iter().flatten()).any(without) {
        violations.missing("variables");
    }
    if terminate.iter().any(|t| t.element_instance_key.is_none()) {
        violations.missing("elementInstanceKey");
    }
    violations.operation_reference(request.operation_reference);
    violations.check()?;
    let record = ProcessInstanceModificationRecord {
        process_instance_key: input.key.0,
        terminate_instructions: terminate
            .into_iter()
            .filter_map(|t| t.element_instance_key)
            .map(|element_instance_key| TerminateInstruction { element_instance_key })
            .collect(),
        activate_instructions: activate
            .into_iter()
            .map(activate_instruction)
            .collect::<Result<_, _>>()?,
        ..ProcessInstanceModificationRecord::default()
    };
    let command = input.keyed(CommandKind::ModifyProcessInstance, &record);
    Ok(Command { operation_reference: request.operation_reference, ..command })
}

fn activate_instruction(activate: Activate<'_>) -> Result<ActivateInstruction, Problem> {
    let sets = activate.variable_instructions.unwrap_or_default();
    Ok(ActivateInstruction {
        element_id: activate.element_id.unwrap_or_default(),
        ancestor_scope_key: activate.ancestor_element_instance_key.unwrap_or(-1),
        variable_instructions: sets
            .into_iter()
            .map(|set| {
                Ok::<_, Problem>(VariableInstruction {
                    variables: document(set.variables)?,
                    element_id: set.scope_id.unwrap_or_default(),
                })
            })
            .collect::<Result<_, _>>()?,
        ..ActivateInstruction::default()
    })
}
