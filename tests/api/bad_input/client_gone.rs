//! Clients that give their calls up, or vanish.

use std::time::Duration;

use beegate::api::grpc::proto as pb;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use super::stand::{Stand, complete, creation, eventually, poll, take, task_process};
use crate::http::Request;

const CALLS: u64 = 200;

/// What the n-th client does before it leaves.
async fn call(stand: &Stand, number: u64) {
    let mut client = stand.client().await;
    match number % 5 {
        0 => {
            let created = client.create_process_instance(creation("p", r#"{"a":1}"#)).await;
            drop(created);
        }
        1 => {
            let polled = client.activate_jobs(poll("t", 5, 60_000)).await;
            if let Ok(answer) = polled {
                drop(answer.into_inner().message().await);
            }
        }
        2 => {
            let open = pb::StreamActivatedJobsRequest {
                r#type: "t".into(),
                worker: "w".into(),
                timeout: 60_000,
                ..Default::default()
            };
            if let Ok(answer) = client.stream_activated_jobs(open).await {
                drop(answer.into_inner().message().await);
            }
        }
        3 => {
            let with_result = pb::CreateProcessInstanceWithResultRequest {
                request: Some(creation("p", "{}")),
                request_timeout: 60_000,
                ..Default::default()
            };
            drop(client.create_process_instance_with_result(with_result).await);
        }
        _ => {
            let request = Request::new("POST", "/v2/process-instances")
                .json(r#"{"processDefinitionId":"p"}"#)
                .bytes();
            let mut stream = TcpStream::connect(stand.rest).await.expect("connects");
            // Some leave in the middle of their request.
            let sent = request.len() - usize::try_from(number % 3).expect("small") * 10;
            stream.write_all(&request[..sent]).await.expect("writes");
            if !number.is_multiple_of(3) {
                return;
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_stays_of_calls_that_were_given_up_and_no_job_is_lost() {
    let stand = Stand::start(|_| ()).await;
    stand.deploy(&task_process("p", "t")).await.expect("deploys");
    // A fixed sequence of moments from at once to a little after the answer.
    let mut moment = 1u64;
    for round in 0..CALLS / 20 {
        let calls = (0..20).map(|index| {
            moment = moment.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let patience = Duration::from_micros((moment >> 33) % 30_000);
            let stand = &stand;
            async move {
                // Dropping the call is what a client does that cancels.
                drop(tokio::time::timeout(patience, call(stand, round * 20 + index)).await);
            }
        });
        futures::future::join_all(calls).await;
    }
    stand.quiet().await;
    // Jobs that were on their way to a client that left come back; what a client took but did not
    // complete is its own until the timeout, and is not counted as lost.
    eventually("every instance has its job", || {
        let jobs = ["jobs_activatable", "jobs_activated", "jobs_failed"];
        let jobs: u64 = jobs.iter().map(|state| stand.count(state)).sum();
        jobs == stand.count("process_instances")
    })
    .await;
    assert_eq!(stand.count("jobs_failed"), 0, "given back with all their retries");
    assert!(stand.count("process_instances") > 0, "some calls came through");

    let mut client = stand.client().await;
    loop {
        let jobs = take(&mut client, "t", 50).await;
        if jobs.is_empty() {
            break;
        }
        for job in jobs {
            complete(&mut client, job.key).await.expect("completes");
        }
    }
    eventually("all taken", || stand.count("jobs_activatable") == 0).await;
    drop(client);
    stand.end().await;
}
