//! `limits.request_bytes`: more is refused at once and with a reason, workers still get through, and
//! the memory comes back.

use std::time::{Duration, Instant};

use beegate::api::grpc::proto as pb;
use tonic::{Code, Status};
use tonic_types::StatusExt as _;

use crate::process::{MIB, PATIENCE, Process, complete, creation, document, take};

const BUDGET: usize = 64 * MIB;

/// What a gateway may use beside the budget, each at its most: what connections receive before a
/// call reads it (1 MiB a connection, 20 of them), what is being translated (decoded text and MsgPack,
/// with room to grow, on two threads), what waits to be written to the broker's connections,
/// and what the allocator keeps for a moment.
const ALLOWANCE: usize = 56 * MIB;

/// How much of it may stay when nothing is held any more.
const GIVEN_BACK: usize = 32 * MIB;

const CONNECTIONS: usize = 20;
const CALLS: usize = 200;

fn with_result() -> pb::CreateProcessInstanceWithResultRequest {
    pb::CreateProcessInstanceWithResultRequest {
        request: Some(creation("large", document(MIB))),
        request_timeout: 300_000,
        fetch_variables: vec!["none".to_owned()],
    }
}

/// The refusal names the limit, for programs.
fn is_over_the_limit(status: &Status) -> bool {
    let details = status.get_error_details();
    let info = details.error_info();
    status.code() == Code::ResourceExhausted
        && info.is_some_and(|info| {
            info.reason == "GATEWAY_LIMIT"
                && info.domain == "beegate"
                && info.metadata.get("limit").is_some_and(|limit| limit == "limits.request_bytes")
        })
        && details.retry_info().is_some_and(|retry| retry.retry_delay.is_some())
}

/// Starts calls that wait for their instance's end; gives back those that were let in, and how many
/// were refused.
async fn flood(process: &Process) -> (Vec<tokio::task::JoinHandle<Result<(), Status>>>, usize) {
    let mut calls = Vec::new();
    for _ in 0..CONNECTIONS {
        let client = process.client().await;
        for _ in 0..CALLS / CONNECTIONS {
            let mut client = client.clone();
            let call = async move {
                client.create_process_instance_with_result(with_result()).await.map(drop)
            };
            calls.push(tokio::spawn(call));
        }
    }
    // All are answered or held when nothing has changed for a while.
    let (mut refused, mut changed) = (0, Instant::now());
    while changed.elapsed() < Duration::from_secs(3) {
        tokio::time::sleep(Duration::from_millis(50)).await;
        let now = calls.iter().filter(|call| call.is_finished()).count();
        if now != refused {
            (refused, changed) = (now, Instant::now());
        }
    }
    let (ended, held): (Vec<_>, Vec<_>) = calls.into_iter().partition(|call| call.is_finished());
    for call in ended {
        let status = call.await.expect("not cancelled").expect_err("nobody completes jobs");
        assert!(is_over_the_limit(&status), "{status:?}");
    }
    (held, refused)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_large_creations_stay_within_the_budget() {
    let settings = ["limits.request_bytes=64MB", "threads.grpc=2", "threads.data=2"];
    let process = Process::start(&settings).await;
    process.deploy("large").await;
    process.deploy("small").await;
    let mut worker = process.client().await;
    for key in take(&mut worker, "large", 100).await {
        complete(&mut worker, key).await.expect("completes");
    }
    let small = take(&mut worker, "small", 100).await;
    assert!(small.len() >= 3, "{small:?}");
    let before = process.resident();

    for round in 0..2 {
        let (held, refused) = flood(&process).await;
        let (peak, now) = (process.peak(), process.resident());
        println!(
            "round {round}: held={} refused={refused} before={} peak={} now={} MiB",
            held.len(),
            before / MIB,
            peak / MIB,
            now / MIB
        );
        // Each holds its request and its command.
        assert!((16..=28).contains(&held.len()), "{} are held", held.len());
        assert_eq!(held.len() + refused, CALLS);
        assert!(peak < before + BUDGET + ALLOWANCE, "{peak} after {before}");

        // Large requests are refused over REST, too, and told when to come back.
        let body =
            format!(r#"{{"processDefinitionId":"large","variables":{}}}"#, document(4 * MIB - 200));
        let post = reqwest::Client::new()
            .post(format!("{}/v2/process-instances", process.rest))
            .header("content-type", "application/json")
            .body(body);
        let answer = post.send().await.expect("an answer");
        assert_eq!(answer.status(), 503);
        assert!(answer.headers().contains_key("retry-after"), "{answer:?}");
        assert!(answer.text().await.expect("a text").contains("limits.request_bytes"));

        // Workers get through, and their completions end what holds the memory.
        if let Some(key) = small.get(round) {
            complete(&mut worker, *key).await.expect("completes");
        }
        let jobs = take(&mut worker, "large", 200).await;
        assert_eq!(jobs.len(), held.len());
        for key in jobs {
            complete(&mut worker, key).await.expect("completes");
        }
        for call in held {
            let ended = tokio::time::timeout(PATIENCE, call).await.expect("in time");
            ended.expect("not cancelled").expect("the instance ended");
        }
    }
    assert_eq!(process.of_request_bytes("beegate_limit_used").await, 0);
    assert!(process.of_request_bytes("beegate_limit_refused_total").await >= 2 * 170);
    // The allocator gives back what is free when its threads have something to do.
    let begin = Instant::now();
    while process.resident() > before + GIVEN_BACK {
        assert!(begin.elapsed() < PATIENCE, "{} are left", process.resident());
        let mut client = process.client().await;
        for _ in 0..20 {
            client
                .create_process_instance(creation("small", document(2000)))
                .await
                .expect("created");
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    println!("given back after {:?}: {} MiB", begin.elapsed(), process.resident() / MIB);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rest_bodies_are_paid_for_as_they_are_announced_or_arrive() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let process = Process::start(&["limits.request_bytes=8MB", "rest.max_body_size=4MB"]).await;
    let address = process.rest.trim_start_matches("http://").to_owned();
    let head = |length: &str| {
        format!(
            "POST /v2/process-instances HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n\
             {length}\r\n\r\n"
        )
    };
    // Two clients announce most of what there is, and then say nothing.
    let mut silent = Vec::new();
    for _ in 0..2 {
        let mut stream = tokio::net::TcpStream::connect(&address).await.expect("connects");
        stream.write_all(head("Content-Length: 3600000").as_bytes()).await.expect("sends");
        silent.push(stream);
    }
    let refused = async |request: Vec<u8>| {
        let mut stream = tokio::net::TcpStream::connect(&address).await.expect("connects");
        stream.write_all(&request).await.expect("sends");
        let mut answer = vec![0; 4096];
        let read = tokio::time::timeout(PATIENCE, stream.read(&mut answer)).await;
        let length = read.expect("in time").expect("an answer");
        String::from_utf8_lossy(&answer[..length]).into_owned()
    };
    let begin = Instant::now();
    while process.of_request_bytes("beegate_limit_used").await < 7_200_000 {
        assert!(begin.elapsed() < PATIENCE, "what was announced is not held");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let answer = refused(head("Content-Length: 1000000").into_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
    assert!(answer.to_ascii_lowercase().contains("retry-after: "), "{answer}");
    // The same when the length is not announced.
    let mut chunked = head("Transfer-Encoding: chunked").into_bytes();
    let chunk = vec![b' '; 100_000];
    for _ in 0..5 {
        chunked.extend_from_slice(b"186a0\r\n");
        chunked.extend_from_slice(&chunk);
        chunked.extend_from_slice(b"\r\n");
    }
    let answer = refused(chunked).await;
    assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
    // A worker's call gets in: the broker says that there is no such job.
    let completion = |key: u64| {
        let path = format!("{}/v2/jobs/{key}/completion", process.rest);
        reqwest::Client::new().post(path).json(&serde_json::json!({"variables": {"a": 1}})).send()
    };
    assert_eq!(completion(1 << 51).await.expect("an answer").status(), 404);
    // What is announced is given back when the client goes.
    drop(silent);
    let body = format!(r#"{{"processDefinitionId":"none","variables":{}}}"#, document(MIB));
    let begin = Instant::now();
    loop {
        let post = reqwest::Client::new()
            .post(format!("{}/v2/process-instances", process.rest))
            .header("content-type", "application/json")
            .body(body.clone());
        let status = post.send().await.expect("an answer").status();
        if status == 404 {
            break;
        }
        assert_eq!(status, 503);
        assert!(begin.elapsed() < PATIENCE, "nothing came back");
    }
}
