//! Jobs: activation, completion, failure, timeouts, updates.

use serde_json::json;

use super::harness::{Cluster, done, json as to_json, rejected};
use super::models::{end, flows, mapped_task, one_task, process, start, task};
use crate::broker::engine::{CommandInput, Input, RequestId, Response, Tenants};
use crate::model::{CommandKind, Key, RejectionType};
use crate::wire::msgpack::Reader;
use crate::wire::record::{JobBatchRecord, JobRecord, Record};

fn with_job() -> (Cluster, Key) {
    let mut cluster = Cluster::new(1);
    cluster.deploy(&one_task("p", "work"));
    cluster.create(1, "p", json!({"a": 1}));
    let (job, _) = cluster.take(1, "work");
    (cluster, job)
}

#[test]
fn type_and_retries_may_be_expressions_and_headers_are_passed_on() {
    let mut cluster = Cluster::new(1);
    let task = r#"<bpmn:serviceTask id="t"><bpmn:extensionElements>
<zeebe:taskDefinition type="=&quot;work-&quot; + kind" retries="=n + 1"/>
<zeebe:taskHeaders><zeebe:header key="h" value="v"/></zeebe:taskHeaders>
</bpmn:extensionElements></bpmn:serviceTask>"#;
    cluster.deploy(&process("p", &[&start("s"), task, &flows("s>t")].concat()));
    cluster.create(1, "p", json!({"kind": "x", "n": 4}));
    let (_, job) = cluster.take(1, "work-x");
    assert_eq!(job.retries, 5);
    let mut headers = Reader::new(&job.custom_headers.0);
    assert_eq!(headers.map(), Ok(1));
    assert_eq!((headers.str(), headers.str()), (Ok("h"), Ok("v")));
}

#[test]
fn a_batch_takes_the_oldest_jobs_up_to_the_maximum() {
    let mut cluster = Cluster::new(1);
    cluster.deploy(&one_task("p", "work"));
    let instances: Vec<Key> = (0..5).map(|_| cluster.create(1, "p", json!({}))).collect();
    let jobs = cluster.activate(1, "work", 3);
    let taken: Vec<i64> = jobs.iter().map(|(_, job)| job.process_instance_key).collect();
    assert_eq!(taken, instances.iter().take(3).map(|key| key.0).collect::<Vec<_>>());
    assert_eq!(cluster.activate(1, "work", 10).len(), 2);
    assert_eq!(cluster.activate(1, "work", 10).len(), 0);
}

#[test]
fn only_the_fetched_variables_are_in_a_job() {
    let mut cluster = Cluster::new(1);
    let task = mapped_task("t", "work", &super::models::io(&[("=a * 10", "local")], &[]));
    cluster.deploy(&process("p", &[start("s"), task, flows("s>t")].concat()));
    cluster.create(1, "p", json!({"a": 1, "b": 2}));
    let batch = JobBatchRecord {
        job_type: "work".into(),
        timeout: 1,
        max_jobs_to_activate: 1,
        variables: vec!["local".into(), "b".into(), "none".into()],
        ..JobBatchRecord::default()
    };
    let response = cluster.call(1, CommandKind::ActivateJobs, Key::NONE, &batch);
    let batch: JobBatchRecord = done(&response).1;
    assert_eq!(to_json(&batch.jobs[0].variables), json!({"local": 10, "b": 2}));
}

#[test]
fn a_failed_job_with_retries_is_taken_again() {
    let (mut cluster, job) = with_job();
    cluster.available.clear();
    let record: JobRecord = done(&cluster.fail(job, 2, 0)).1;
    assert_eq!((record.retries, record.error_message.as_str()), (2, "boom"));
    assert_eq!(cluster.available, ["work"]);
    let (again, record) = cluster.take(1, "work");
    assert_eq!(again, job);
    assert_eq!((record.retries, record.error_message.as_str()), (2, "boom"));
}

#[test]
fn variables_of_a_failure_stay_with_the_task() {
    let (mut cluster, job) = with_job();
    let record = JobRecord {
        retries: 1,
        variables: super::harness::document(json!({"e": 1})),
        ..JobRecord::default()
    };
    cluster.call(1, CommandKind::FailJob, job, &record);
    let (_, record) = cluster.take(1, "work");
    assert_eq!(to_json(&record.variables), json!({"e": 1, "a": 1}));
}

#[test]
fn a_back_off_delays_the_next_attempt() {
    let (mut cluster, job) = with_job();
    let record: JobRecord = done(&cluster.fail(job, 1, 600)).1;
    assert_eq!(record.recurring_time, cluster.now.0 + 600);
    cluster.available.clear();
    cluster.advance(599);
    assert!(cluster.activate(1, "work", 1).is_empty());
    cluster.advance(1);
    assert_eq!(cluster.available, ["work"]);
    assert_eq!(cluster.take(1, "work").0, job);
}

#[test]
fn a_job_that_takes_too_long_is_given_to_another_worker() {
    let (mut cluster, job) = with_job();
    cluster.available.clear();
    cluster.advance(59_999);
    assert!(cluster.activate(1, "work", 1).is_empty());
    cluster.advance(1);
    assert_eq!(cluster.available, ["work"]);
    assert_eq!(cluster.take(1, "work").0, job);
}

#[test]
fn timeout_and_retries_can_be_updated() {
    let (mut cluster, job) = with_job();
    let timeout = JobRecord { timeout: 120_000, ..JobRecord::default() };
    let response = cluster.call(1, CommandKind::UpdateJobTimeout, job, &timeout);
    assert_eq!(done::<JobRecord>(&response).1.deadline, cluster.now.0 + 120_000);
    cluster.advance(60_000);
    assert!(cluster.activate(1, "work", 1).is_empty());
    let retries = JobRecord { retries: 7, ..JobRecord::default() };
    let response = cluster.call(1, CommandKind::UpdateJobRetries, job, &retries);
    assert_eq!(done::<JobRecord>(&response).1.retries, 7);
    let both = JobRecord {
        retries: 9,
        timeout: 0,
        changed_attributes: vec!["retries".into(), "timeout".into()],
        ..JobRecord::default()
    };
    done::<JobRecord>(&cluster.call(1, CommandKind::UpdateJob, job, &both));
    cluster.advance(0);
    assert_eq!(cluster.take(1, "work").1.retries, 9);
}

#[test]
fn a_failed_job_takes_no_reports_until_its_incident_is_resolved() {
    let (mut cluster, job) = with_job();
    cluster.fail(job, 0, 0);
    let reason = format!("Expected to complete job with key '{job}', but it is in state 'FAILED'");
    let response = cluster.complete(job, json!({}));
    assert_eq!(rejected(&response), (RejectionType::InvalidState, reason.as_str()));
    let timeout = JobRecord { timeout: 1, ..JobRecord::default() };
    let response = cluster.call(1, CommandKind::UpdateJobTimeout, job, &timeout);
    let reason =
        format!("Expected to update the timeout of job with key '{job}', but it is not active");
    assert_eq!(rejected(&response), (RejectionType::InvalidState, reason.as_str()));
}

#[test]
fn a_batch_stops_at_the_size_of_a_message() {
    let mut cluster = Cluster::new(1);
    cluster.deploy(&one_task("p", "work"));
    let megabyte = "x".repeat(1 << 20);
    for _ in 0..5 {
        cluster.create(1, "p", json!({"big": megabyte}));
    }
    let batch = JobBatchRecord {
        job_type: "work".into(),
        timeout: 1000,
        max_jobs_to_activate: 10,
        ..JobBatchRecord::default()
    };
    let response = cluster.call(1, CommandKind::ActivateJobs, Key::NONE, &batch);
    let first: JobBatchRecord = done(&response).1;
    assert_eq!((first.jobs.len(), first.truncated), (3, true));
    assert!(first.to_bytes().len() <= 4 << 20);
    let response = cluster.call(1, CommandKind::ActivateJobs, Key::NONE, &batch);
    let second: JobBatchRecord = done(&response).1;
    assert_eq!((second.jobs.len(), second.truncated), (2, false));
}

#[test]
fn a_job_too_big_for_any_message_gets_an_incident() {
    let mut cluster = Cluster::configured(1, |config| config.max_record_bytes = 10_000);
    cluster.deploy(&one_task("p", "work"));
    let instance = cluster.create(1, "p", json!({"a": "x".repeat(6_000)}));
    cluster.set_variables(instance, json!({"b": "x".repeat(6_000)}), true);
    assert!(cluster.activate(1, "work", 1).is_empty());
    let incidents = cluster.incidents(1);
    assert_eq!(incidents.len(), 1);
    assert_eq!(incidents[0].1, "MESSAGE_SIZE_EXCEEDED");
    assert!(cluster.activate(1, "work", 1).is_empty());
    assert_eq!(cluster.incidents(1).len(), 1);
}

#[test]
fn jobs_of_other_tenants_are_not_given_out() {
    let mut cluster = Cluster::new(1);
    let mut record = super::harness::deployment(&[("p.bpmn", &one_task("p", "work"))]);
    record.tenant_id = "other".into();
    done::<crate::wire::record::DeploymentRecord>(&cluster.call(
        1,
        CommandKind::Deploy,
        Key::NONE,
        &record,
    ));
    let mut create = super::harness::creation("p", json!({}));
    create.tenant_id = "other".into();
    cluster.call(1, CommandKind::CreateProcessInstance, Key::NONE, &create);
    let mut batch = JobBatchRecord {
        job_type: "work".into(),
        timeout: 1000,
        max_jobs_to_activate: 10,
        ..JobBatchRecord::default()
    };
    let mut ask = |batch: &JobBatchRecord, tenants: Tenants| {
        let request = RequestId(1_000_000 + cluster.replies.len() as u64);
        let command = CommandInput {
            request,
            value_type: CommandKind::ActivateJobs.value_type(),
            intent: CommandKind::ActivateJobs.intent(),
            key: Key::NONE,
            operation_reference: None,
            tenants,
            value: batch.to_bytes(),
        };
        cluster.input(1, Input::Command(command));
        let response: Response = cluster.replies[&request].clone();
        done::<JobBatchRecord>(&response).1.jobs.len()
    };
    assert_eq!(ask(&batch, Tenants::Default), 0);
    batch.tenant_ids = vec!["other".into(), "<default>".into()];
    assert_eq!(ask(&batch, Tenants::Default), 0);
    assert_eq!(ask(&batch, Tenants::Listed(vec!["other".into()])), 1);
}

#[test]
fn completing_twice_is_refused() {
    let mut cluster = Cluster::new(1);
    let body = [start("s"), task("a", "a"), task("b", "b"), end("e"), flows("s>a>b>e")].concat();
    cluster.deploy(&process("p", &body));
    cluster.create(1, "p", json!({}));
    let (job, _) = cluster.take(1, "a");
    done::<JobRecord>(&cluster.complete(job, json!({})));
    let response = cluster.complete(job, json!({}));
    let reason = format!("Expected to complete job with key '{job}', but no such job was found");
    assert_eq!(rejected(&response), (RejectionType::NotFound, reason.as_str()));
    assert_eq!(cluster.activate(1, "b", 10).len(), 1);
}
