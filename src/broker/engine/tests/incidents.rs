//! Incidents and their resolution.

use serde_json::json;

use super::harness::{Cluster, done, json as to_json, rejected};
use super::models::{flows, io, mapped_task, one_task, process, start, sub_process, task};
use crate::model::{CommandKind, Key, RejectionType};
use crate::wire::record::{IncidentRecord, JobRecord, ProcessInstanceRecord};

#[test]
fn a_job_without_retries_waits_for_the_resolution() {
    let mut cluster = Cluster::new(1);
    let inner = [start("is"), task("t", "work"), flows("is>t")].concat();
    let body = [start("s"), sub_process("sub", &inner), flows("s>sub")].concat();
    let deployed = cluster.deploy(&process("p", &body));
    let instance = cluster.create(1, "p", json!({}));
    let (job, record) = cluster.take(1, "work");
    cluster.fail(job, 0, 1_000);
    cluster.advance(100_000);
    assert!(cluster.activate(1, "work", 1).is_empty());
    let (incident, kind, message) = cluster.incidents(1).remove(0);
    assert_eq!((kind, message.as_str()), ("JOB_NO_RETRIES", "boom"));
    let listed = cluster.engines[0].observe().open_incidents;
    assert_eq!((listed.len(), listed[0].key), (1, incident));
    let retries = JobRecord { retries: 2, ..JobRecord::default() };
    cluster.call(1, CommandKind::UpdateJobRetries, job, &retries);
    assert!(cluster.activate(1, "work", 1).is_empty());
    let (key, resolved) = done::<IncidentRecord>(&cluster.resolve(incident));
    assert_eq!(key, incident);
    assert_eq!(resolved.job_key, job.0);
    assert_eq!(resolved.element_id, "t");
    let definition = deployed.processes_metadata[0].process_definition_key;
    assert_eq!(resolved.process_definition_path, [definition]);
    let path = &resolved.element_instance_path[0];
    assert_eq!((path.len(), path[0], path[2]), (3, instance.0, record.element_instance_key));
    assert_eq!(cluster.take(1, "work").1.retries, 2);
    assert_eq!(rejected(&cluster.resolve(incident)).0, RejectionType::NotFound);
}

#[test]
fn a_failed_input_mapping_is_tried_again() {
    let mut cluster = Cluster::new(1);
    let failing = mapped_task("t", "work", &io(&[("=assert(a, a != null)", "x")], &[]));
    cluster.deploy(&process("p", &[start("s"), failing, flows("s>t")].concat()));
    let instance = cluster.create(1, "p", json!({}));
    let (incident, kind, _) = cluster.incidents(1).remove(0);
    assert_eq!(kind, "IO_MAPPING_ERROR");
    // Not repaired: the same again, as a new incident.
    cluster.resolve(incident);
    let (second, _, _) = cluster.incidents(1).remove(0);
    assert_ne!(second, incident);
    cluster.set_variables(instance, json!({"a": 5}), false);
    cluster.resolve(second);
    let (_, record) = cluster.take(1, "work");
    assert_eq!(to_json(&record.variables), json!({"a": 5, "x": 5}));
}

#[test]
fn a_failed_output_mapping_is_tried_again_with_the_jobs_result() {
    let mut cluster = Cluster::new(1);
    let failing =
        mapped_task("t", "work", &io(&[], &[("=assert(result + extra, extra != null)", "sum")]));
    let body = [start("s"), failing, task("after", "after"), flows("s>t>after")].concat();
    cluster.deploy(&process("p", &body));
    let instance = cluster.create(1, "p", json!({}));
    let (job, _) = cluster.take(1, "work");
    cluster.complete(job, json!({"result": 1}));
    let (incident, kind, _) = cluster.incidents(1).remove(0);
    assert_eq!(kind, "IO_MAPPING_ERROR");
    cluster.set_variables(instance, json!({"extra": 2}), false);
    cluster.resolve(incident);
    let (_, record) = cluster.take(1, "after");
    assert_eq!(to_json(&record.variables), json!({"sum": 3, "extra": 2}));
}

#[test]
fn cancelling_an_instance_with_an_incident_leaves_nothing() {
    let mut cluster = Cluster::new(1);
    cluster.deploy(&one_task("p", "=type"));
    let instance = cluster.create(1, "p", json!({}));
    assert_eq!(cluster.incidents(1)[0].1, "EXTRACT_VALUE_ERROR");
    let cancel = ProcessInstanceRecord::default();
    cluster.call(1, CommandKind::CancelProcessInstance, instance, &cancel);
    cluster.check_empty();
}

#[test]
fn an_unknown_incident_is_refused() {
    let mut cluster = Cluster::new(1);
    let key = Key(2251799814685247);
    let reason = "Expected to resolve incident with key '2251799814685247', but no such incident \
                  was found";
    assert_eq!(rejected(&cluster.resolve(key)), (RejectionType::NotFound, reason));
}
