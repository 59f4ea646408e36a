//! `/v2/deployments`.

use indexmap::IndexMap;

use super::super::endpoint::Input;
use super::super::json::{Array, Object};
use super::super::problem::Problem;
use crate::model::{Command, CommandKind, PartitionId, Reply, Route};
use crate::wire::DecodeError;
use crate::wire::record::{
    Binary, DecisionMetadata, DecisionRequirementsMetadata, DeploymentRecord, DeploymentResource,
    FormMetadata, ProcessMetadata, Record,
};

/// Files keep the order of the request (any order is valid for the broker); of two with the same
/// name the last wins.
pub(super) fn deploy(input: &Input<'_>) -> Result<Command, Problem> {
    let mut files: IndexMap<&str, DeploymentResource> = IndexMap::new();
    for part in input.parts.iter().filter(|part| part.name == "resources") {
        let Some(name) = part.file_name.as_deref() else { continue };
        let resource = Binary(part.content.clone());
        files.insert(name, DeploymentResource { resource_name: name.to_owned(), resource });
    }
    if files.is_empty() {
        return Err(Problem::bad_request("Required part 'resources' is not present."));
    }
    let tenant = input.parts.iter().find(|part| part.name == "tenantId");
    let tenant = tenant.map(|part| String::from_utf8_lossy(&part.content));
    let record = DeploymentRecord {
        resources: files.into_values().collect(),
        tenant_id: input.tenancy.tenant("Deploy Resources", tenant.as_deref())?,
        ..DeploymentRecord::default()
    };
    let route = Route::Partition(PartitionId::DEPLOYMENT);
    Ok(input.unkeyed(CommandKind::Deploy, route, &record))
}

/// The deployment's key is taken from the reply itself: 8.5 brokers leave the property at -1
/// (command-api §2.7).
pub(super) fn deployed(reply: &Reply, answer: &mut Object<'_>) -> Result<(), DecodeError> {
    let record = DeploymentRecord::from_bytes(&reply.value)?;
    answer.key("deploymentKey", reply.key.0);
    answer.array("deployments", |items| {
        record.processes_metadata.iter().try_for_each(|m| process(items, m))?;
        record.decisions_metadata.iter().try_for_each(|m| decision(items, m))?;
        record.decision_requirements_metadata.iter().try_for_each(|m| requirements(items, m))?;
        record.form_metadata.iter().try_for_each(|m| form(items, m))
    })?;
    answer.text("tenantId", &record.tenant_id);
    Ok(())
}

fn item(
    items: &mut Array<'_>,
    kind: &str,
    members: impl FnOnce(&mut Object<'_>),
) -> Result<(), DecodeError> {
    items.object(|item| {
        item.object(kind, |object| {
            members(object);
            Ok(())
        })
    })
}

fn process(items: &mut Array<'_>, metadata: &ProcessMetadata) -> Result<(), DecodeError> {
    item(items, "processDefinition", |o| {
        o.text("processDefinitionId", &metadata.bpmn_process_id);
        o.int("processDefinitionVersion", metadata.version);
        o.key("processDefinitionKey", metadata.process_definition_key);
        o.text("resourceName", &metadata.resource_name);
        o.text("tenantId", &metadata.tenant_id);
    })
}

fn decision(items: &mut Array<'_>, metadata: &DecisionMetadata) -> Result<(), DecodeError> {
    item(items, "decisionDefinition", |o| {
        o.text("decisionDefinitionId", &metadata.decision_id);
        o.int("version", metadata.version);
        o.key("decisionDefinitionKey", metadata.decision_key);
        o.text("name", &metadata.decision_name);
        o.text("tenantId", &metadata.tenant_id);
        o.text("decisionRequirementsId", &metadata.decision_requirements_id);
        o.key("decisionRequirementsKey", metadata.decision_requirements_key);
    })
}

fn requirements(
    items: &mut Array<'_>,
    metadata: &DecisionRequirementsMetadata,
) -> Result<(), DecodeError> {
    item(items, "decisionRequirements", |o| {
        o.text("decisionRequirementsId", &metadata.decision_requirements_id);
        o.int("version", metadata.decision_requirements_version);
        o.text("decisionRequirementsName", &metadata.decision_requirements_name);
        o.text("tenantId", &metadata.tenant_id);
        o.key("decisionRequirementsKey", metadata.decision_requirements_key);
        o.text("resourceName", &metadata.resource_name);
    })
}

fn form(items: &mut Array<'_>, metadata: &FormMetadata) -> Result<(), DecodeError> {
    item(items, "form", |o| {
        o.text("formId", &metadata.form_id);
        o.int("version", metadata.version);
        o.key("formKey", metadata.form_key);
        o.text("resourceName", &metadata.resource_name);
        o.text("tenantId", &metadata.tenant_id);
    })
}
