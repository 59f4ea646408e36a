//! User tasks.

use super::define::record;
use super::{Document, RawValue};
use crate::model::DEFAULT_TENANT;

record! {
    /// A user task: argument of every USER_TASK command.
    pub struct UserTaskRecord {
        user_task_key: i64 = "userTaskKey" or -1;
        assignee: String = "assignee" or String::new();
        candidate_groups_list: Vec<String> = "candidateGroupsList" or Vec::new();
        candidate_users_list: Vec<String> = "candidateUsersList" or Vec::new();
        due_date: String = "dueDate" or String::new();
        follow_up_date: String = "followUpDate" or String::new();
        form_key: i64 = "formKey" or -1;
        external_form_reference: String = "externalFormReference" or String::new();
        variables: Document = "variables" or Document::empty();
        custom_headers: RawValue = "customHeaders" or RawValue::default();
        bpmn_process_id: String = "bpmnProcessId" or String::new();
        process_definition_version: i32 = "processDefinitionVersion" or -1;
        process_definition_key: i64 = "processDefinitionKey" or -1;
        process_instance_key: i64 = "processInstanceKey" or -1;
        element_id: String = "elementId" or String::new();
        element_instance_key: i64 = "elementInstanceKey" or -1;
        tenant_id: String = "tenantId" or DEFAULT_TENANT.to_owned();
        changed_attributes: Vec<String> = "changedAttributes" or Vec::new();
        action: String = "action" or String::new();
        creation_timestamp: i64 = "creationTimestamp" or -1;
        priority: i32 = "priority" or 50;
    }
}
