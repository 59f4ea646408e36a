//! Deployments: versions, duplicates, distribution, deletion, rejections.

use serde_json::json;

use super::harness::{Cluster, creation, deployment, done, rejected};
use super::models::{end, flows, one_task, process, start};
use crate::broker::engine::Response;
use crate::model::{CommandKind, Key, RejectionType};
use crate::wire::record::{
    DeploymentRecord, ProcessInstanceCreationRecord, ResourceDeletionRecord,
};

fn create(
    cluster: &mut Cluster,
    partition: u16,
    record: &ProcessInstanceCreationRecord,
) -> Response {
    cluster.call(partition, CommandKind::CreateProcessInstance, Key::NONE, record)
}

fn deploy(cluster: &mut Cluster, resources: &[(&str, &str)]) -> Response {
    cluster.call(1, CommandKind::Deploy, Key::NONE, &deployment(resources))
}

#[test]
fn the_reply_describes_what_was_deployed() {
    let mut cluster = Cluster::new(3);
    let response = deploy(&mut cluster, &[("one.bpmn", &one_task("p", "work"))]);
    let (key, record) = done::<DeploymentRecord>(&response);
    assert_eq!(record.deployment_key, key.0);
    assert!(record.resources.is_empty());
    let [metadata] = record.processes_metadata.as_slice() else { panic!("{record:?}") };
    assert_eq!(metadata.process_definition_key, key.0 + 1);
    assert_eq!((metadata.version, metadata.is_duplicate), (1, false));
    assert_eq!(metadata.resource_name, "one.bpmn");
    assert_eq!(metadata.checksum.0.len(), 16);
    assert_eq!(metadata.deployment_key, key.0);
}

#[test]
fn unchanged_resources_are_duplicates_and_changed_ones_new_versions() {
    let mut cluster = Cluster::new(1);
    let first = cluster.deploy(&one_task("p", "work"));
    let same = cluster.deploy(&one_task("p", "work"));
    let metadata = &same.processes_metadata[0];
    assert!(metadata.is_duplicate);
    assert_eq!(metadata.deployment_key, first.deployment_key);
    assert_eq!(metadata.process_definition_key, first.processes_metadata[0].process_definition_key);
    assert_ne!(same.deployment_key, first.deployment_key);
    let changed = cluster.deploy(&one_task("p", "other"));
    assert_eq!(changed.processes_metadata[0].version, 2);
    let renamed = cluster.deploy_as("renamed.bpmn", &one_task("p", "other"));
    assert_eq!(renamed.processes_metadata[0].version, 3);
    // Resources of one deployment are versioned together.
    let response = deploy(
        &mut cluster,
        &[("renamed.bpmn", &one_task("p", "other")), ("q.bpmn", &one_task("q", "work"))],
    );
    let both: DeploymentRecord = done(&response).1;
    let versions: Vec<i32> = both.processes_metadata.iter().map(|m| m.version).collect();
    assert_eq!(versions, [4, 1]);
}

#[test]
fn instances_are_created_by_id_version_or_key_on_every_partition() {
    let mut cluster = Cluster::new(3);
    let first = cluster.deploy(&one_task("p", "one"));
    cluster.deploy(&one_task("p", "two"));
    for partition in 1..=3 {
        create(&mut cluster, partition, &creation("p", json!({})));
        cluster.take(partition, "two");
        let old = ProcessInstanceCreationRecord { version: 1, ..creation("p", json!({})) };
        create(&mut cluster, partition, &old);
        cluster.take(partition, "one");
        let by_key = ProcessInstanceCreationRecord {
            process_definition_key: first.processes_metadata[0].process_definition_key,
            ..creation("", json!({}))
        };
        create(&mut cluster, partition, &by_key);
        cluster.take(partition, "one");
    }
}

#[test]
fn what_cannot_be_found_is_said_as_recorded() {
    let mut cluster = Cluster::new(1);
    cluster.deploy(&one_task("proc1", "work"));
    let mut check = |id: &str, key: i64, version: i32, kind: RejectionType, reason: &str| {
        let record = ProcessInstanceCreationRecord {
            process_definition_key: key,
            version,
            ..creation(id, json!({}))
        };
        let response = create(&mut cluster, 1, &record);
        assert_eq!(rejected(&response), (kind, reason));
    };
    let find = RejectionType::NotFound;
    check(
        "nope",
        0,
        -1,
        find,
        "Expected to find process definition with process ID 'nope', but none found",
    );
    check(
        "proc1",
        0,
        0,
        find,
        "Expected to find process definition with process ID 'proc1' and version '0', but none \
         found",
    );
    check("", 0, -1, find, "Expected to find process definition with key '0', but none found");
    check(
        "",
        -1,
        -1,
        RejectionType::InvalidArgument,
        "Expected at least a bpmnProcessId or a key greater than -1, but none given",
    );
}

#[test]
fn refusals_are_said_as_recorded() {
    let mut cluster = Cluster::new(1);
    let simple = process("p", &[start("s"), end("e"), flows("s>e")].concat());
    let mut check = |resources: &[(&str, &str)], reason: &str| {
        let response = deploy(&mut cluster, resources);
        assert_eq!(rejected(&response), (RejectionType::InvalidArgument, reason));
    };
    check(&[], "Expected to deploy at least one resource, but none given");
    check(
        &[("x.txt", "hello")],
        "Expected to deploy new resources, but encountered the following errors:\n\n'x.txt': \
         unknown resource type",
    );
    check(
        &[("", &simple)],
        "Expected to deploy new resources, but encountered the following errors:\n\n'': unknown \
         resource type",
    );
    check(
        &[("a.bpmn", &simple), ("b.bpmn", &simple)],
        "Expected to deploy new resources, but encountered the following errors:\nDuplicated \
         process id in resources 'a.bpmn' and 'b.bpmn'",
    );
    check(
        &[("e.bpmn", "")],
        "Expected to deploy new resources, but encountered the following errors:\n'e.bpmn': Fatal \
         Error: URI=null Line=1: Premature end of file.",
    );
}

#[test]
fn a_timer_start_event_that_cannot_be_evaluated_is_refused() {
    let mut cluster = Cluster::new(1);
    let timer = super::models::on_timer("timeDate", "tomorrow");
    let event = format!(r#"<bpmn:startEvent id="s">{timer}</bpmn:startEvent>"#);
    let model = process("p", &[event, end("e"), flows("s>e")].concat());
    let response = deploy(&mut cluster, &[("p.bpmn", &model)]);
    let (kind, reason) = rejected(&response);
    assert_eq!(kind, RejectionType::InvalidArgument);
    assert!(reason.contains("tomorrow"), "{reason}");
    assert_eq!(cluster.engines[0].observe().process_definitions, 0);
}

#[test]
fn a_deleted_version_is_not_found_and_its_number_not_used_again() {
    let mut cluster = Cluster::new(2);
    cluster.deploy(&one_task("p", "one"));
    let second = cluster.deploy(&one_task("p", "two"));
    cluster.create(2, "p", json!({}));
    let key = Key(second.processes_metadata[0].process_definition_key);
    let (_, record) = done::<ResourceDeletionRecord>(&cluster.delete(key));
    assert_eq!(record.tenant_id, "<default>");
    let reason = format!("Expected to delete resource but no resource found with key `{key}`");
    assert_eq!(rejected(&cluster.delete(key)), (RejectionType::NotFound, reason.as_str()));
    // A running instance goes on, the next one takes the version before.
    let (job, _) = cluster.take(2, "two");
    cluster.complete(job, json!({}));
    cluster.create(2, "p", json!({}));
    cluster.take(2, "one");
    let third = cluster.deploy(&one_task("p", "three"));
    assert_eq!(third.processes_metadata[0].version, 3);
}
