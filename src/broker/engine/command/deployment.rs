//! Deploying resources.
//!
//! The deployment partition gives keys and versions and tells the other partitions before it
//! answers, so a client that deploys and then creates meets no partition that does not know yet.

use std::sync::Arc;

use bytes::Bytes;
use md5::{Digest, Md5};

use super::{Processed, Refusal, event, reject};
use crate::broker::bpmn::{self, Process};
use crate::broker::engine::api::CommandInput;
use crate::broker::engine::event::Event;
use crate::broker::engine::remote::RemoteCommand;
use crate::broker::engine::start_event;
use crate::broker::engine::state::Definition;
use crate::broker::engine::turn::Turn;
use crate::model::intent::deployment;
use crate::model::{Key, PartitionId, RejectionType, ValueType};
use crate::wire::record::{Binary, DeploymentRecord, DeploymentResource, ProcessMetadata, Record};

/// A process found in one of the resources.
struct Candidate {
    resource_name: String,
    checksum: [u8; 16],
    process: Process,
    /// The latest version, if it came from the same file with the same content.
    duplicate_of: Option<Arc<Definition>>,
}

/// DEPLOYMENT CREATE.
pub fn create(turn: &mut Turn<'_>, command: &CommandInput) -> Processed {
    let mut record = DeploymentRecord::from_bytes(&command.value)?;
    let candidates = read(turn, &record)?;
    let deployment_key = turn.new_key();
    turn.emit(Event::KeyUsed { key: deployment_key });
    record.resources = Vec::new();
    record.deployment_key = deployment_key.0;
    // Resources of one deployment are versioned together: one that is new renews them all.
    if candidates.iter().all(|candidate| candidate.duplicate_of.is_some()) {
        let duplicates = candidates.iter().filter_map(|c| c.duplicate_of.as_deref());
        record.processes_metadata = duplicates.map(|known| metadata(known, true)).collect();
    } else {
        let tenant = Arc::from(record.tenant_id.as_str());
        let added = add(turn, candidates, deployment_key, &tenant);
        record.processes_metadata = added.iter().map(|added| metadata(added, false)).collect();
        distribute(turn, &added);
    }
    event(deployment_key, ValueType::Deployment, deployment::CREATED, &record)
}

/// Parses all resources; what is wrong with them is told all at once.
fn read(turn: &Turn<'_>, record: &DeploymentRecord) -> Result<Vec<Candidate>, Refusal> {
    if record.resources.is_empty() {
        let reason = "Expected to deploy at least one resource, but none given";
        return reject(RejectionType::InvalidArgument, reason);
    }
    let mut problems = String::new();
    let mut candidates: Vec<Candidate> = Vec::new();
    for resource in &record.resources {
        match parse(resource).and_then(|found| check_starts(turn, resource, found)) {
            Ok(processes) => {
                for (process, checksum) in processes {
                    check_unique(&candidates, &process, resource, &mut problems);
                    candidates.push(candidate(turn, record, resource, process, checksum));
                }
            }
            Err(problem) => problems.push_str(&problem),
        }
    }
    if problems.is_empty() {
        return Ok(candidates);
    }
    let reason = format!(
        "Expected to deploy new resources, but encountered the following errors:{problems}"
    );
    reject(RejectionType::InvalidArgument, reason)
}

fn parse(resource: &DeploymentResource) -> Result<Vec<(Process, [u8; 16])>, String> {
    let name = &resource.resource_name;
    let content: &[u8] = &resource.resource.0;
    if name.ends_with(".bpmn") || name.ends_with(".bpmn20.xml") {
        let checksum: [u8; 16] = Md5::digest(content).into();
        let processes = bpmn::parse(content).map_err(|error| format!("\n'{name}': {error}"))?;
        return Ok(processes.into_iter().map(|process| (process, checksum)).collect());
    }
    if name.ends_with(".dmn") || name.ends_with(".form") {
        return Err(format!("\n'{name}': the embedded broker runs BPMN only"));
    }
    Err(format!("\n\n'{name}': unknown resource type"))
}

fn check_starts(
    turn: &Turn<'_>,
    resource: &DeploymentResource,
    processes: Vec<(Process, [u8; 16])>,
) -> Result<Vec<(Process, [u8; 16])>, String> {
    for (process, _) in &processes {
        start_event::check(turn, process).map_err(|(event, failure)| {
            format!(
                "\n'{}': - Element: {}\n    - ERROR: {}\n",
                resource.resource_name,
                process.element(event).id,
                failure.message
            )
        })?;
    }
    Ok(processes)
}

fn check_unique(
    earlier: &[Candidate],
    process: &Process,
    resource: &DeploymentResource,
    problems: &mut String,
) {
    if let Some(first) = earlier.iter().find(|candidate| candidate.process.id == process.id) {
        problems.push_str(&format!(
            "\nDuplicated process id in resources '{}' and '{}'",
            first.resource_name, resource.resource_name
        ));
    }
}

fn candidate(
    turn: &Turn<'_>,
    record: &DeploymentRecord,
    resource: &DeploymentResource,
    process: Process,
    checksum: [u8; 16],
) -> Candidate {
    let latest = turn.state.definitions.latest(&record.tenant_id, &process.id);
    let same = |latest: &&Arc<Definition>| {
        latest.checksum == checksum && latest.resource_name == resource.resource_name
    };
    let duplicate_of = latest.filter(same).cloned();
    Candidate { resource_name: resource.resource_name.clone(), checksum, process, duplicate_of }
}

fn add(
    turn: &mut Turn<'_>,
    candidates: Vec<Candidate>,
    deployment_key: Key,
    tenant: &Arc<str>,
) -> Vec<Arc<Definition>> {
    let mut added = Vec::with_capacity(candidates.len());
    for Candidate { resource_name, checksum, process, .. } in candidates {
        let definition = Arc::new(Definition {
            key: turn.new_key(),
            version: turn.state.definitions.next_version(tenant, &process.id),
            tenant: tenant.clone(),
            deployment_key,
            resource_name,
            checksum,
            process,
        });
        start_event::add_definition(turn, definition.clone());
        added.push(definition);
    }
    added
}

fn distribute(turn: &mut Turn<'_>, added: &[Arc<Definition>]) {
    for partition in (1..=turn.config.partitions).map(PartitionId) {
        if partition != turn.config.partition {
            turn.send(partition, RemoteCommand::AddDefinitions(added.to_vec()));
        }
    }
}

fn metadata(definition: &Definition, is_duplicate: bool) -> ProcessMetadata {
    ProcessMetadata {
        bpmn_process_id: definition.process_id().to_owned(),
        version: definition.version,
        process_definition_key: definition.key.0,
        resource_name: definition.resource_name.clone(),
        checksum: Binary(Bytes::copy_from_slice(&definition.checksum)),
        is_duplicate,
        tenant_id: definition.tenant.to_string(),
        deployment_key: definition.deployment_key.0,
        version_tag: definition.process.version_tag.clone().unwrap_or_default().to_string(),
    }
}
