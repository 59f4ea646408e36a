//! Deploying and deleting resources.

use super::Binary;
use super::define::record;
use crate::model::DEFAULT_TENANT;

record! {
    /// A file to deploy.
    pub struct DeploymentResource {
        resource_name: String = "resourceName" or "resource".to_owned();
        resource: Binary = "resource";
    }

    /// A deployed process.
    pub struct ProcessMetadata {
        bpmn_process_id: String = "bpmnProcessId";
        version: i32 = "version";
        process_definition_key: i64 = "processDefinitionKey";
        resource_name: String = "resourceName";
        checksum: Binary = "checksum";
        is_duplicate: bool = "isDuplicate" or false;
        tenant_id: String = "tenantId" or DEFAULT_TENANT.to_owned();
        deployment_key: i64 = "deploymentKey" or -1;
        version_tag: String = "versionTag" or String::new();
    }

    /// A deployed decision requirements graph.
    pub struct DecisionRequirementsMetadata {
        decision_requirements_id: String = "decisionRequirementsId";
        decision_requirements_name: String = "decisionRequirementsName";
        decision_requirements_version: i32 = "decisionRequirementsVersion";
        decision_requirements_key: i64 = "decisionRequirementsKey";
        namespace: String = "namespace";
        resource_name: String = "resourceName";
        checksum: Binary = "checksum";
        is_duplicate: bool = "isDuplicate" or false;
        tenant_id: String = "tenantId" or DEFAULT_TENANT.to_owned();
    }

    /// A deployed decision.
    pub struct DecisionMetadata {
        decision_id: String = "decisionId";
        decision_name: String = "decisionName";
        version: i32 = "version";
        decision_key: i64 = "decisionKey";
        decision_requirements_id: String = "decisionRequirementsId";
        decision_requirements_key: i64 = "decisionRequirementsKey";
        is_duplicate: bool = "isDuplicate" or false;
        tenant_id: String = "tenantId" or DEFAULT_TENANT.to_owned();
        deployment_key: i64 = "deploymentKey" or -1;
        version_tag: String = "versionTag" or String::new();
    }

    /// A deployed form.
    pub struct FormMetadata {
        form_id: String = "formId";
        version: i32 = "version";
        form_key: i64 = "formKey";
        resource_name: String = "resourceName";
        checksum: Binary = "checksum";
        is_duplicate: bool = "isDuplicate" or false;
        tenant_id: String = "tenantId" or DEFAULT_TENANT.to_owned();
        deployment_key: i64 = "deploymentKey" or -1;
        version_tag: String = "versionTag" or String::new();
    }

    /// A deployment.
    pub struct DeploymentRecord {
        resources: Vec<DeploymentResource> = "resources" or Vec::new();
        processes_metadata: Vec<ProcessMetadata> = "processesMetadata" or Vec::new();
        decision_requirements_metadata: Vec<DecisionRequirementsMetadata> =
            "decisionRequirementsMetadata" or Vec::new();
        decisions_metadata: Vec<DecisionMetadata> = "decisionsMetadata" or Vec::new();
        form_metadata: Vec<FormMetadata> = "formMetadata" or Vec::new();
        tenant_id: String = "tenantId" or DEFAULT_TENANT.to_owned();
        deployment_key: i64 = "deploymentKey" or -1;
    }

    /// Deletion of a deployed resource.
    pub struct ResourceDeletionRecord {
        resource_key: i64 = "resourceKey";
        tenant_id: String = "tenantId" or String::new();
    }
}
