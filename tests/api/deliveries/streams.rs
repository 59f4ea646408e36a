//! Job streams under HTTP/2 flow control, and their end when the gateway stops.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::time::{Duration, Instant};

use beegate::api::grpc::proto as pb;
use beegate::api::grpc::proto::gateway_client::GatewayClient;
use serde_json::json;
use tonic::transport::Channel;

use crate::bad_input::stand::{Stand, complete, creation, eventually, poll, task_process};
use crate::http::PATIENCE;

/// The smallest window that HTTP/2 clients commonly have.
const WINDOW: usize = 65_535;
/// Bytes of variables of a job.
const SIZE: usize = 10_000;

fn open(job_type: &str) -> pb::StreamActivatedJobsRequest {
    pb::StreamActivatedJobsRequest {
        r#type: job_type.into(),
        worker: "w".into(),
        timeout: 3_600_000,
        ..Default::default()
    }
}

/// A client of its own connection with a window of [`WINDOW`] bytes.
async fn narrow(stand: &Stand) -> GatewayClient<Channel> {
    let endpoint = Channel::from_shared(format!("http://{}", stand.grpc)).expect("an address");
    let window = u32::try_from(WINDOW).expect("small");
    let endpoint = endpoint.initial_stream_window_size(window);
    GatewayClient::new(endpoint.connect().await.expect("connects"))
}

fn streams(stand: &Stand) -> serde_json::Value {
    let actors = stand.gateway.actors();
    let actor = actors.iter().find(|actor| actor.kind == "job-streams");
    actor.expect("job streams").observed.clone()
}

async fn registered(stand: &Stand, clients: usize) {
    eventually("the broker knows the stream", || {
        let streams = streams(stand);
        streams["clients"] == clients && streams["shown"][0]["brokers"] == 1
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_does_not_read_holds_one_job_beyond_its_window() {
    const JOBS: u64 = 60;
    let window = u64::try_from(WINDOW / SIZE).expect("small");
    let stand = Stand::start(|_| ()).await;
    stand.deploy(&task_process("p", "t")).await.expect("deploys");
    // Both are clients of one logical stream.
    let mut blocked = narrow(&stand).await;
    let unread = blocked.stream_activated_jobs(open("t")).await.expect("opens");
    let mut reader = narrow(&stand).await;
    let mut reads = reader.stream_activated_jobs(open("t")).await.expect("opens").into_inner();
    registered(&stand, 2).await;
    assert_eq!(streams(&stand)["streams"], 1);

    let read = Arc::new(AtomicU64::new(0));
    let count = Arc::clone(&read);
    let reading = tokio::spawn(async move {
        while let Some(job) = reads.message().await.expect("open") {
            complete(&mut reader, job.key).await.expect("completes");
            count.fetch_add(1, SeqCst);
        }
    });
    let mut client = stand.client().await;
    let variables = json!({ "text": "x".repeat(SIZE) }).to_string();
    for _ in 0..JOBS {
        client.create_process_instance(creation("p", &variables)).await.expect("creates");
    }
    // All the others reach the reader, or are left to polls because it was busy, too.
    let polled = |stand: &Stand| stand.count("jobs_activatable");
    eventually("the blocked client has its fill", || {
        let held = stand.count("jobs_activated");
        held + read.load(SeqCst) + polled(&stand) == JOBS && held == window + 1
    })
    .await;
    assert!(read.load(SeqCst) > JOBS / 2, "the reader got {}", read.load(SeqCst));

    // It leaves: what its window had no room for is given back, or taken by the reader.
    drop((unread, blocked));
    let gone = Instant::now();
    eventually("the held job is back", || stand.count("jobs_activated") == window).await;
    assert!(gone.elapsed() < Duration::from_secs(1), "{:?}", gone.elapsed());
    assert_eq!(stand.count("incidents") + stand.count("jobs_failed"), 0);
    // The jobs in the window of the client that left stay locked: they had reached it.
    reading.abort();
    drop(client);
    stand.quiet().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_streams_and_polls_end_cleanly_when_the_gateway_stops() {
    const STREAMS: usize = 40;
    let stand = Stand::start(|_| ()).await;
    let client = stand.client().await;
    let mut ends = Vec::new();
    for _ in 0..STREAMS {
        let mut client = client.clone();
        ends.push(tokio::spawn(async move {
            let mut stream = client.stream_activated_jobs(open("t")).await?.into_inner();
            stream.message().await.map(|job| job.is_none())
        }));
        let mut client = stand.client().await;
        ends.push(tokio::spawn(async move {
            let mut answer = client.activate_jobs(poll("t", 1, 600_000)).await?.into_inner();
            answer.message().await.map(|message| message.is_none())
        }));
    }
    registered(&stand, STREAMS).await;
    eventually("all polls wait", || {
        let actors = stand.gateway.actors();
        let jobs = actors.iter().find(|actor| actor.kind == "job-activation");
        jobs.expect("job activation").observed["open"] == STREAMS
    })
    .await;
    drop(client);
    let stopped = tokio::spawn(stand.stop_under_clients());
    for end in ends {
        let end = tokio::time::timeout(PATIENCE, end).await.expect("ends").expect("no panic");
        assert_eq!(end.map_err(|status| status.to_string()), Ok(true), "an empty OK");
    }
    tokio::time::timeout(PATIENCE, stopped).await.expect("stops").expect("no panic");
}
