//! Incidents.

use super::Symbol;
use super::define::record;
use crate::model::DEFAULT_TENANT;

record! {
    /// An incident; for RESOLVE only its key matters.
    pub struct IncidentRecord {
        error_type: Symbol = "errorType" or Symbol::Borrowed("UNKNOWN");
        error_message: String = "errorMessage" or String::new();
        bpmn_process_id: String = "bpmnProcessId" or String::new();
        process_definition_key: i64 = "processDefinitionKey" or -1;
        process_instance_key: i64 = "processInstanceKey" or -1;
        element_id: String = "elementId" or String::new();
        element_instance_key: i64 = "elementInstanceKey" or -1;
        job_key: i64 = "jobKey" or -1;
        variable_scope_key: i64 = "variableScopeKey" or -1;
        tenant_id: String = "tenantId" or DEFAULT_TENANT.to_owned();
        element_instance_path: Vec<Vec<i64>> = "elementInstancePath" or Vec::new();
        process_definition_path: Vec<i64> = "processDefinitionPath" or Vec::new();
        calling_element_path: Vec<i32> = "callingElementPath" or Vec::new();
    }
}
