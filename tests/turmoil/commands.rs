//! What the simulated clients send, and what they read from jobs.

use std::collections::BTreeMap;

use beegate::model::{
    ActivateJobs, Command, CommandKind, DEFAULT_TENANT, Frontend, Key, PartitionId, Route,
    StreamJobs,
};
use beegate::wire::record::{
    AuthInfo, Binary, DeploymentRecord, DeploymentResource, Document, JobRecord,
    ProcessInstanceCreationRecord, Record,
};
use bytes::Bytes;

/// A process with one task of the type that is its own id.
fn process(id: &str, tag: u64) -> String {
    format!(
        r#"<?xml version="1.0" encoding="UTF-8"?>
<definitions xmlns="http://www.omg.org/spec/BPMN/20100524/MODEL"
    xmlns:zeebe="http://camunda.org/schema/zeebe/1.0" targetNamespace="t">
  <process id="{id}" isExecutable="true">
    <startEvent id="start"/>
    <sequenceFlow id="f1" sourceRef="start" targetRef="task"/>
    <serviceTask id="task"><extensionElements>
      <zeebe:taskDefinition type="{id}"/>
      <zeebe:taskHeaders><zeebe:header key="tag" value="{tag}"/></zeebe:taskHeaders>
    </extensionElements></serviceTask>
    <sequenceFlow id="f2" sourceRef="task" targetRef="end"/>
    <endEvent id="end"/>
  </process>
</definitions>"#
    )
}

fn command(kind: CommandKind, key: Key, route: Route, record: &impl Record) -> Command {
    Command {
        kind,
        key,
        transport_retry: route != Route::Creation,
        route,
        operation_reference: None,
        value: record.to_bytes(),
        authorization: AuthInfo::default_tenant(),
        timeout: None,
    }
}

/// Deploys the process `id`. `tag` comes with each of its jobs: a broker that lost its memory counts
/// its keys from the start again, and then tells its jobs from earlier ones.
pub fn deploy(id: &str, tag: u64) -> Command {
    let resource_name = format!("{id}.bpmn");
    let resource = Binary(Bytes::from(process(id, tag)));
    let record = DeploymentRecord {
        resources: vec![DeploymentResource { resource_name, resource }],
        ..Default::default()
    };
    let route = Route::Partition(PartitionId::DEPLOYMENT);
    command(CommandKind::Deploy, Key::NONE, route, &record)
}

/// Creates an instance of `id` with the variable `n`.
pub fn create(id: &str, n: u64) -> Command {
    let mut variables = b"\x81\xa1n\xcf".to_vec();
    variables.extend_from_slice(&n.to_be_bytes());
    let record = ProcessInstanceCreationRecord {
        bpmn_process_id: id.to_owned(),
        variables: Document::from_msgpack(variables.into()).expect("a map"),
        ..Default::default()
    };
    command(CommandKind::CreateProcessInstance, Key::NONE, Route::Creation, &record)
}

/// Completes a job.
pub fn complete(job: Key) -> Command {
    command(CommandKind::CompleteJob, job, Route::Key(job), &JobRecord::default())
}

/// Polls for jobs of this type.
pub fn poll(job_type: &str, lock_ms: i64, wait_ms: i64) -> ActivateJobs {
    ActivateJobs {
        frontend: Frontend::Grpc,
        job_type: job_type.to_owned(),
        worker: "poller".to_owned(),
        timeout_ms: lock_ms,
        max_jobs: 5,
        fetch_variables: Vec::new(),
        tenant_ids: vec![DEFAULT_TENANT.to_owned()],
        request_timeout_ms: wait_ms,
        authorization: AuthInfo::default_tenant(),
        max_response_bytes: Some(4 << 20),
    }
}

/// Streams jobs of this type.
pub fn stream(job_type: &str, lock_ms: i64) -> StreamJobs {
    StreamJobs {
        job_type: job_type.to_owned(),
        worker: "streamer".to_owned(),
        timeout_ms: lock_ms,
        fetch_variables: Vec::new(),
        tenant_ids: vec![DEFAULT_TENANT.to_owned()],
    }
}

/// The variable `n` of a job.
pub fn number(job: &JobRecord) -> u64 {
    let variables: BTreeMap<String, u64> =
        rmp_serde::from_slice(job.variables.as_msgpack()).expect("numbers by name");
    variables["n"]
}

/// The tag of the deployment that a job comes from.
pub fn tag(job: &JobRecord) -> u64 {
    let headers: BTreeMap<String, String> =
        rmp_serde::from_slice(&job.custom_headers.0).expect("texts by name");
    headers["tag"].parse().expect("a number")
}
