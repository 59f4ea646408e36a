//! Creating, cancelling, modifying and migrating process instances.

use super::define::record;
use super::{Document, Symbol};
use crate::model::DEFAULT_TENANT;

record! {
    /// Where an instance starts, instead of at its none start event.
    pub struct StartInstruction {
        element_id: String = "elementId";
    }

    /// Creation of a process instance.
    pub struct ProcessInstanceCreationRecord {
        bpmn_process_id: String = "bpmnProcessId" or String::new();
        process_definition_key: i64 = "processDefinitionKey" or -1;
        process_instance_key: i64 = "processInstanceKey" or -1;
        version: i32 = "version" or -1;
        variables: Document = "variables" or Document::empty();
        fetch_variables: Vec<String> = "fetchVariables" or Vec::new();
        start_instructions: Vec<StartInstruction> = "startInstructions" or Vec::new();
        tenant_id: String = "tenantId" or DEFAULT_TENANT.to_owned();
    }

    /// Outcome of an instance that was created with its result awaited.
    pub struct ProcessInstanceResultRecord {
        bpmn_process_id: String = "bpmnProcessId" or String::new();
        process_definition_key: i64 = "processDefinitionKey" or -1;
        process_instance_key: i64 = "processInstanceKey" or -1;
        version: i32 = "version" or -1;
        tenant_id: String = "tenantId" or DEFAULT_TENANT.to_owned();
        variables: Document = "variables" or Document::empty();
    }

    /// An element instance; for CANCEL only its key matters.
    pub struct ProcessInstanceRecord {
        bpmn_element_type: Symbol = "bpmnElementType" or Symbol::Borrowed("UNSPECIFIED");
        element_id: String = "elementId" or String::new();
        bpmn_process_id: String = "bpmnProcessId" or String::new();
        version: i32 = "version" or -1;
        process_definition_key: i64 = "processDefinitionKey" or -1;
        process_instance_key: i64 = "processInstanceKey" or -1;
        flow_scope_key: i64 = "flowScopeKey" or -1;
        bpmn_event_type: Symbol = "bpmnEventType" or Symbol::Borrowed("UNSPECIFIED");
        parent_process_instance_key: i64 = "parentProcessInstanceKey" or -1;
        parent_element_instance_key: i64 = "parentElementInstanceKey" or -1;
        tenant_id: String = "tenantId" or DEFAULT_TENANT.to_owned();
    }

    /// An element instance to terminate.
    pub struct TerminateInstruction {
        element_instance_key: i64 = "elementInstanceKey";
    }

    /// Variables to set when an element is activated.
    pub struct VariableInstruction {
        variables: Document = "variables" or Document::empty();
        element_id: String = "elementId" or String::new();
    }

    /// An element to activate.
    pub struct ActivateInstruction {
        element_id: String = "elementId";
        ancestor_scope_key: i64 = "ancestorScopeKey" or -1;
        variable_instructions: Vec<VariableInstruction> = "variableInstructions" or Vec::new();
        ancestor_scope_keys: Vec<i64> = "ancestorScopeKeys" or Vec::new();
    }

    /// Modification of a process instance.
    pub struct ProcessInstanceModificationRecord {
        process_instance_key: i64 = "processInstanceKey";
        terminate_instructions: Vec<TerminateInstruction> = "terminateInstructions" or Vec::new();
        activate_instructions: Vec<ActivateInstruction> = "activateInstructions" or Vec::new();
        activated_element_instance_keys: Vec<i64> = "activatedElementInstanceKeys" or Vec::new();
    }

    /// Which element of the new definition takes over from which of the old.
    pub struct MappingInstruction {
        source_element_id: String = "sourceElementId" or String::new();
        target_element_id: String = "targetElementId" or String::new();
    }

    /// Migration of a process instance to another definition.
    pub struct ProcessInstanceMigrationRecord {
        process_instance_key: i64 = "processInstanceKey";
        target_process_definition_key: i64 = "targetProcessDefinitionKey";
        mapping_instructions: Vec<MappingInstruction> = "mappingInstructions" or Vec::new();
    }
}
