//! Limits that are reached: an answer at once, never a wait.

use std::time::{Duration, Instant};

use beegate::api::grpc::proto as pb;
use tonic::Code;

use super::stand::{Stand, complete, creation, eventually, refused, take, task_process};

fn with_result() -> pb::CreateProcessInstanceWithResultRequest {
    pb::CreateProcessInstanceWithResultRequest {
        request: Some(creation("p", "{}")),
        request_timeout: 60_000,
        ..Default::default()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_over_the_limit_is_refused_at_once() {
    let stand = Stand::start(|config| config.limits.in_flight = 4).await;
    stand.deploy(&task_process("p", "t")).await.expect("deploys");
    let client = stand.client().await;
    // Four calls that wait for their instance's end take all there is.
    let held: Vec<_> = (0..4)
        .map(|_| {
            let mut client = client.clone();
            tokio::spawn(
                async move { client.create_process_instance_with_result(with_result()).await },
            )
        })
        .collect();
    eventually("four instances", || stand.count("process_instances") == 4).await;
    let begin = Instant::now();
    for _ in 0..20 {
        let (code, message) =
            refused(client.clone().create_process_instance(creation("p", "{}")).await);
        assert_eq!(code, Code::ResourceExhausted);
        let expected = "gateway limit `limits.in_flight` reached: 4 of 4 commands in use, 1 more \
                        wanted";
        assert_eq!(message, expected);
        let body = br#"{"processDefinitionId":"p"}"#;
        let answer = stand.post("/v2/process-instances", body).await;
        assert_eq!((answer.status, answer.header("retry-after")), (503, Some("1")));
    }
    assert!(begin.elapsed() < Duration::from_secs(5), "{:?}", begin.elapsed());
    // Polls and streams do not count as commands, so workers can relieve a gateway that is full.
    // Their completions must still find a place: one call is given up for it.
    held[0].abort();
    eventually("a place", || stand.work().iter().all(|work| !work.contains("in_flight=4"))).await;
    let mut worker = stand.client().await;
    for job in take(&mut worker, "t", 10).await {
        complete(&mut worker, job.key).await.expect("completes");
    }
    for call in held.into_iter().skip(1) {
        let ended = tokio::time::timeout(crate::http::PATIENCE, call).await.expect("in time");
        ended.expect("not cancelled").expect("the instance ended");
    }
    stand.engines_empty().await;
    drop((client, worker));
    stand.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bytes_and_sessions_have_limits_too() {
    let stand = Stand::start(|config| {
        config.limits.request_bytes = 10_000;
        config.limits.in_flight_per_session = 1;
    })
    .await;
    stand.deploy(&task_process("p", "t")).await.expect("deploys");
    let mut client = stand.client().await;
    let large = format!(r#"{{"a":"{}"}}"#, "x".repeat(20_000));
    let (code, message) = refused(client.create_process_instance(creation("p", &large)).await);
    assert_eq!(code, Code::ResourceExhausted);
    assert!(message.starts_with("gateway limit `limits.request_bytes` reached"), "{message}");
    let mut waiting = client.clone();
    let held =
        tokio::spawn(
            async move { waiting.create_process_instance_with_result(with_result()).await },
        );
    eventually("an instance", || stand.count("process_instances") == 1).await;
    let (code, message) = refused(client.create_process_instance(creation("p", "{}")).await);
    assert_eq!(code, Code::ResourceExhausted);
    let words = "gateway limit `limits.in_flight_per_session` reached";
    assert!(message.starts_with(words), "{message}");
    // Another connection has a budget of its own.
    let mut other = stand.client().await;
    for job in take(&mut other, "t", 10).await {
        complete(&mut other, job.key).await.expect("completes");
    }
    let ended = tokio::time::timeout(crate::http::PATIENCE, held).await.expect("in time");
    ended.expect("not cancelled").expect("the instance ended");
    stand.engines_empty().await;
    drop((client, other));
    stand.end().await;
}
