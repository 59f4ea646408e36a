//! Deploying and deleting resources.

use bytes::Bytes;

use super::{DEPLOYMENT, WithReference as _, keyed, read, unkeyed};
use crate::api::grpc::caller::Caller;
use crate::api::grpc::proto as pb;
use crate::error::GatewayError;
use crate::model::{Command, CommandKind, DEFAULT_TENANT, Reply};
use crate::wire::record::{
    Binary, DecisionMetadata, DecisionRequirementsMetadata, DeploymentRecord, DeploymentResource,
    FormMetadata, ProcessMetadata, ResourceDeletionRecord,
};
use pb::deployment::Metadata;

fn deployment(
    resources: impl Iterator<Item = (String, Bytes)>,
    tenant_id: String,
    caller: &Caller,
) -> Command {
    let record = DeploymentRecord {
        resources: resources
            .map(|(resource_name, content)| DeploymentResource {
                resource_name,
                resource: Binary(content),
            })
            .collect(),
        tenant_id,
        ..Default::default()
    };
    unkeyed(CommandKind::Deploy, DEPLOYMENT, &record, caller)
}

/// DeployResource.
///
/// # Errors
/// Tenant errors.
pub fn deploy(
    request: pb::DeployResourceRequest,
    caller: &Caller,
) -> Result<Command, GatewayError> {
    let tenant_id = caller.tenant("DeployResource", request.tenant_id)?;
    let resources = request.resources.into_iter().map(|one| (one.name, one.content));
    Ok(deployment(resources, tenant_id, caller))
}

/// DeployProcess: always for the default tenant, which is not checked.
#[must_use]
pub fn deploy_process(request: pb::DeployProcessRequest, caller: &Caller) -> Command {
    let resources = request.processes.into_iter().map(|one| (one.name, one.definition));
    deployment(resources, DEFAULT_TENANT.to_owned(), caller)
}

/// DeployResource's answer: processes, decisions, decision requirements, forms.
///
/// # Errors
/// [`GatewayError::Internal`] when the reply cannot be read.
pub fn deployed(reply: &Reply) -> Result<pb::DeployResourceResponse, GatewayError> {
    let record: DeploymentRecord = read(reply)?;
    let processes = record.processes_metadata.into_iter().map(|p| Metadata::Process(process(p)));
    let decisions = record.decisions_metadata.into_iter().map(decision);
    let graphs = record.decision_requirements_metadata.into_iter().map(decision_requirements);
    let forms = record.form_metadata.into_iter().map(form);
    Ok(pb::DeployResourceResponse {
        key: reply.key.0,
        deployments: processes
            .chain(decisions)
            .chain(graphs)
            .chain(forms)
            .map(|metadata| pb::Deployment { metadata: Some(metadata) })
            .collect(),
        tenant_id: record.tenant_id,
    })
}

/// DeployProcess' answer.
///
/// # Errors
/// As [`deployed`].
pub fn process_deployed(reply: &Reply) -> Result<pb::DeployProcessResponse, GatewayError> {
    let record: DeploymentRecord = read(reply)?;
    Ok(pb::DeployProcessResponse {
        key: reply.key.0,
        processes: record.processes_metadata.into_iter().map(process).collect(),
    })
}

fn process(one: ProcessMetadata) -> pb::ProcessMetadata {
    pb::ProcessMetadata {
        bpmn_process_id: one.bpmn_process_id,
        version: one.version,
        process_definition_key: one.process_definition_key,
        resource_name: one.resource_name,
        tenant_id: one.tenant_id,
    }
}

fn decision(one: DecisionMetadata) -> Metadata {
    Metadata::Decision(pb::DecisionMetadata {
        dmn_decision_id: one.decision_id,
        dmn_decision_name: one.decision_name,
        version: one.version,
        decision_key: one.decision_key,
        dmn_decision_requirements_id: one.decision_requirements_id,
        decision_requirements_key: one.decision_requirements_key,
        tenant_id: one.tenant_id,
    })
}

fn decision_requirements(one: DecisionRequirementsMetadata) -> Metadata {
    Metadata::DecisionRequirements(pb::DecisionRequirementsMetadata {
        dmn_decision_requirements_id: one.decision_requirements_id,
        dmn_decision_requirements_name: one.decision_requirements_name,
        version: one.decision_requirements_version,
        decision_requirements_key: one.decision_requirements_key,
        resource_name: one.resource_name,
        tenant_id: one.tenant_id,
    })
}

fn form(one: FormMetadata) -> Metadata {
    Metadata::Form(pb::FormMetadata {
        form_id: one.form_id,
        version: one.version,
        form_key: one.form_key,
        resource_name: one.resource_name,
        tenant_id: one.tenant_id,
    })
}

/// DeleteResource.
#[must_use]
pub fn delete(request: &pb::DeleteResourceRequest, caller: &Caller) -> Command {
    let record =
        ResourceDeletionRecord { resource_key: request.resource_key, ..Default::default() };
    keyed(CommandKind::DeleteResource, request.resource_key, &record, caller)
        .with_reference(request.operation_reference)
}
