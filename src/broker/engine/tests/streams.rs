//! Pushing jobs to streams.

use serde_json::json;

use super::harness::{Cluster, json as to_json};
use super::models::one_task;
use crate::broker::engine::{Input, JobStream, StreamId};

fn stream(id: u64, worker: &str) -> JobStream {
    JobStream {
        id: StreamId(id),
        job_type: "work".into(),
        worker: worker.into(),
        timeout_ms: 10_000,
        fetch_variables: vec!["a".into()],
        tenants: vec!["<default>".into()],
    }
}

fn streaming(streams: Vec<JobStream>) -> Cluster {
    let mut cluster = Cluster::new(1);
    cluster.deploy(&one_task("p", "work"));
    cluster.input(1, Input::StreamsChanged { streams });
    cluster
}

#[test]
fn new_jobs_are_pushed_to_the_streams_in_turn() {
    let mut cluster = streaming(vec![stream(1, "w1"), stream(2, "w2")]);
    for _ in 0..4 {
        cluster.create(1, "p", json!({"a": 1, "b": 2}));
    }
    let to: Vec<u64> = cluster.pushed.iter().map(|(stream, ..)| stream.0).collect();
    assert_eq!(to, [1, 2, 1, 2]);
    let (_, key, job) = cluster.pushed.remove(1);
    assert_eq!((job.worker.as_str(), job.deadline), ("w2", cluster.now.0 + 10_000));
    assert_eq!(to_json(&job.variables), json!({"a": 1}));
    assert!(cluster.available.is_empty());
    assert!(cluster.activate(1, "work", 10).is_empty());
    cluster.complete(key, json!({}));
    assert_eq!(cluster.running(), 3);
}

#[test]
fn a_job_that_was_not_accepted_is_announced() {
    let mut cluster = streaming(vec![stream(1, "w1")]);
    cluster.create(1, "p", json!({}));
    let (_, key, _) = cluster.pushed.remove(0);
    cluster.input(1, Input::PushFailed { key });
    assert_eq!(cluster.available, ["work"]);
    assert!(cluster.pushed.is_empty());
    assert_eq!(cluster.take(1, "work").0, key);
    // Late news of a push that failed does not take the job from its new worker... unless it is
    // the same push; a completed job is left alone.
    cluster.complete(key, json!({}));
    cluster.input(1, Input::PushFailed { key });
    assert!(cluster.activate(1, "work", 1).is_empty());
}

#[test]
fn a_pushed_job_that_times_out_is_pushed_again() {
    let mut cluster = streaming(vec![stream(1, "w1")]);
    cluster.create(1, "p", json!({}));
    cluster.advance(10_000);
    assert_eq!(cluster.pushed.len(), 2);
    cluster.input(1, Input::StreamsChanged { streams: Vec::new() });
    cluster.advance(10_000);
    assert_eq!(cluster.pushed.len(), 2);
    assert_eq!(cluster.available, ["work"]);
}

#[test]
fn streams_of_other_tenants_get_nothing() {
    let mut other = stream(1, "w");
    other.tenants = vec!["other".into()];
    let mut cluster = streaming(vec![other]);
    cluster.create(1, "p", json!({}));
    assert!(cluster.pushed.is_empty());
    assert_eq!(cluster.available, ["work"]);
}
