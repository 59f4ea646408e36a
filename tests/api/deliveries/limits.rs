//! Jobs that are too many or too large for one answer.

use std::collections::BTreeSet;

use beegate::api::grpc::proto as pb;
use serde_json::{Value, json};

use crate::bad_input::stand::{Stand, eventually, poll, process, take, task_process};
use crate::http::Request;

const MEBIBYTE: usize = 1 << 20;

async fn create(stand: &Stand, id: &str, size: usize) {
    let variables = json!({ "text": "x".repeat(size) });
    let body = json!({ "processDefinitionId": id, "variables": variables }).to_string();
    let response = stand.post("/v2/process-instances", body.as_bytes()).await;
    assert_eq!(response.status, 200, "{response:?}");
}

async fn rest_poll(stand: &Stand, max: usize) -> Vec<Value> {
    let body = json!({ "type": "t", "timeout": 3_600_000, "maxJobsToActivate": max,
        "requestTimeout": -1 });
    let request = Request::new("POST", "/v2/jobs/activation").json(&body.to_string());
    let response = request.send(stand.rest).await;
    assert_eq!(response.status, 200, "{response:?}");
    response.json()["jobs"].as_array().expect("jobs").clone()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_over_rest_takes_no_more_jobs_once_it_is_large() {
    const JOBS: usize = 30;
    let stand = Stand::start(|_| ()).await;
    stand.deploy(&task_process("p", "t")).await.expect("deploys");
    for _ in 0..JOBS {
        create(&stand, "p", MEBIBYTE - 1000).await;
    }
    let (mut keys, mut answers) = (BTreeSet::new(), 0);
    while keys.len() < JOBS {
        let jobs = rest_poll(&stand, JOBS).await;
        // The limit of 4 MiB, and what the broker puts into the answer that reaches it.
        assert!(jobs.len() <= 8, "{} jobs in one answer", jobs.len());
        keys.extend(jobs.iter().map(|job| job["jobKey"].as_i64().expect("a key")));
        answers += 1;
        assert!(answers < 200, "{} of {JOBS} jobs came", keys.len());
    }
    assert!(answers >= JOBS / 8);
    stand.quiet().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_that_fits_no_message_fails_with_the_reason_and_does_not_loop() {
    let stand = Stand::start(|config| config.grpc.max_message_size = 64 * 1024).await;
    let task = r#"<startEvent id="start"/><sequenceFlow id="f1" sourceRef="start" targetRef="task"/>
        <serviceTask id="task"><extensionElements><zeebe:taskDefinition type="t" retries="1"/>
        </extensionElements></serviceTask>
        <sequenceFlow id="f2" sourceRef="task" targetRef="end"/><endEvent id="end"/>"#;
    stand.deploy(&process("p", task)).await.expect("deploys");
    create(&stand, "p", 100_000).await;
    let mut client = stand.client().await;
    // A poll that waits would be given the job again and again.
    let waits = client.activate_jobs(poll("t", 5, 1_500)).await.expect("polls");
    assert!(waits.into_inner().message().await.expect("an empty OK").is_none());
    eventually("an incident", || stand.count("incidents") == 1).await;
    let actors = stand.gateway.actors();
    let jobs = actors.iter().find(|actor| actor.kind == "job-activation").expect("jobs");
    assert_eq!(jobs.observed["jobs_given_back"], 1, "{}", jobs.observed);

    // Smaller ones beside a large one still come.
    create(&stand, "p", 10).await;
    create(&stand, "p", 100_000).await;
    create(&stand, "p", 10).await;
    let mut small = Vec::new();
    eventually_take(&mut small, &mut client, 2).await;
    assert!(small.iter().all(|job| job.variables.len() < 100));
    eventually("another incident", || stand.count("incidents") == 2).await;
}

/// Polls until this many jobs came.
async fn eventually_take(
    jobs: &mut Vec<pb::ActivatedJob>,
    client: &mut pb::gateway_client::GatewayClient<tonic::transport::Channel>,
    count: usize,
) {
    let begin = std::time::Instant::now();
    while jobs.len() < count {
        assert!(begin.elapsed() < crate::http::PATIENCE, "{} of {count} jobs came", jobs.len());
        jobs.extend(take(client, "t", 5).await);
    }
}
