//! Clients that vanish at every few bytes of an answer with a job.
//!
//! What a client has is judged by the bytes that it read: with the whole message, or the whole
//! REST answer, the job is its own. Otherwise another client must get it within a second, with all
//! its retries; its lock lasts longer than the test.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use beegate::api::grpc::proto as pb;
use beegate::api::grpc::proto::gateway_client::GatewayClient;
use prost::Message as _;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tonic::transport::Channel;

use crate::bad_input::stand::{Stand, complete, creation, poll, task_process};
use crate::http::{PATIENCE, Request};

/// How soon a job that was not delivered can be activated again.
const RETURNED_WITHIN: Duration = Duration::from_secs(1);

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("small").to_be_bytes();
    let mut out = length[1..].to_vec();
    out.extend([kind, flags]);
    out.extend(stream.to_be_bytes());
    out.extend(payload);
    out
}

/// A connection that polls for a job: preface, SETTINGS, HEADERS, DATA.
fn grpc_poll() -> Vec<u8> {
    let mut headers = Vec::new();
    for (name, value) in [
        (":method", "POST"),
        (":scheme", "http"),
        (":path", "/gateway_protocol.Gateway/ActivateJobs"),
        (":authority", "beegate"),
        ("content-type", "application/grpc"),
        ("te", "trailers"),
    ] {
        // Literals, neither indexed nor Huffman coded (RFC 7541 §6.2.2).
        headers.push(0);
        for text in [name, value] {
            headers.push(u8::try_from(text.len()).expect("short"));
            headers.extend(text.as_bytes());
        }
    }
    let message = pb::ActivateJobsRequest { timeout: 3_600_000, ..poll("t", 1, 10_000) };
    let message = message.encode_to_vec();
    let mut data = vec![0];
    data.extend(u32::try_from(message.len()).expect("small").to_be_bytes());
    data.extend(message);
    let mut out = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    out.extend(frame(4, 0, 0, &[]));
    out.extend(frame(1, 4, 1, &headers));
    out.extend(frame(0, 1, 1, &data));
    out
}

/// The job in these bytes of a connection, if its message is whole; and whether the call's end is
/// there, too.
fn grpc_job(mut bytes: &[u8]) -> (Option<i64>, bool) {
    let (mut data, mut ended) = (Vec::new(), false);
    while let Some((head, rest)) = bytes.split_at_checked(9) {
        let length = usize::from(head[0]) << 16 | usize::from(head[1]) << 8 | usize::from(head[2]);
        let Some((payload, rest)) = rest.split_at_checked(length) else { break };
        if head[3] == 0 {
            data.extend(payload);
        }
        ended |= head[3] == 1 && head[4] & 1 != 0;
        bytes = rest;
    }
    let message = data.split_at_checked(5).and_then(|(prefix, rest)| {
        let length = u32::from_be_bytes(prefix[1..].try_into().expect("four"));
        rest.get(..usize::try_from(length).expect("small"))
    });
    let message = message.map(|m| pb::ActivateJobsResponse::decode(m).expect("a message"));
    (message.map(|message| message.jobs[0].key), ended)
}

fn rest_poll() -> Vec<u8> {
    let body = json!({ "type": "t", "worker": "w", "timeout": 3_600_000, "maxJobsToActivate": 1 });
    let mut request = Request::new("POST", "/v2/jobs/activation").json(&body.to_string()).bytes();
    let text = String::from_utf8(std::mem::take(&mut request)).expect("text");
    text.replace("Connection: close\r\n", "").into_bytes()
}

/// The job in these bytes of an answer, if it is whole; and whether it is.
fn rest_job(bytes: &[u8]) -> (Option<i64>, bool) {
    let text = String::from_utf8_lossy(bytes);
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return (None, false) };
    let length = head.to_lowercase();
    let length = length.split("content-length: ").nth(1).expect("a length");
    let length: usize = length.lines().next().expect("a line").parse().expect("a number");
    let body = body.get(..length);
    let body = body.map(|b| serde_json::from_str::<serde_json::Value>(b).expect("JSON"));
    let key = body.map(|body| body["jobs"][0]["jobKey"].as_i64().expect("a key"));
    (key, key.is_some())
}

/// Finds the job in the bytes of an answer, and says whether the answer is whole.
type FindJob = fn(&[u8]) -> (Option<i64>, bool);

/// How a client leaves.
#[derive(Clone, Copy, Debug)]
enum Leave {
    /// As a process does that ends: with a reset only if there are bytes it did not read.
    Close,
    /// With a reset, whatever there is.
    Reset,
}

/// Sends the request, reads at most `count` bytes and leaves. Gives back what it read.
async fn break_off(to: SocketAddr, request: &[u8], count: usize, leave: Leave) -> Vec<u8> {
    let mut stream = TcpStream::connect(to).await.expect("connects");
    stream.write_all(request).await.expect("sends");
    let mut read = vec![0; count];
    tokio::time::timeout(PATIENCE, stream.read_exact(&mut read))
        .await
        .expect("in time")
        .expect("the answer");
    if let Leave::Reset = leave {
        stream.set_zero_linger().expect("a socket option");
    }
    read
}

/// Reads the whole answer; its length.
async fn whole(to: SocketAddr, request: &[u8], job: FindJob) -> Vec<u8> {
    let mut stream = TcpStream::connect(to).await.expect("connects");
    stream.write_all(request).await.expect("sends");
    let mut read = Vec::new();
    while !job(&read).1 {
        let more = stream.read_buf(&mut read);
        let more = tokio::time::timeout(PATIENCE, more).await.expect("in time").expect("reads");
        assert!(more > 0, "ended early");
    }
    // A client that read all may leave as it likes: the job is its own.
    read
}

struct Outcome {
    delivered: usize,
    returned: usize,
    slowest: Duration,
}

/// Breaks off at every `step`-th byte of the answer.
async fn at_many_offsets(
    stand: &Stand,
    to: SocketAddr,
    request: &[u8],
    job: FindJob,
    step: usize,
) -> Outcome {
    let mut client = stand.client().await;
    let mut outcome = Outcome { delivered: 0, returned: 0, slowest: Duration::ZERO };
    create(&mut client).await;
    let first = whole(to, request, job).await;
    complete(&mut client, job(&first).0.expect("a job")).await.expect("it is the client's");
    let offsets = (0..first.len()).step_by(step).chain([first.len() - 1, first.len()]);
    for (index, offset) in offsets.enumerate() {
        create(&mut client).await;
        let leave = if index % 2 == 0 { Leave::Close } else { Leave::Reset };
        let read = break_off(to, request, offset, leave).await;
        let gone = Instant::now();
        if let Some(key) = job(&read).0 {
            outcome.delivered += 1;
            complete(&mut client, key).await.expect("the client has it");
            continue;
        }
        let answer = client.activate_jobs(poll("t", 1, 5_000)).await.expect("polls");
        let message = answer.into_inner().message().await.expect("polls");
        let took = gone.elapsed();
        let what = format!("after {offset} of {} bytes, {leave:?}", first.len());
        let returned = message.unwrap_or_else(|| panic!("lost: {what}")).jobs.remove(0);
        assert!(took < RETURNED_WITHIN, "{what}: {took:?}");
        assert_eq!(returned.retries, 3, "{what}");
        complete(&mut client, returned.key).await.expect("it can be completed");
        outcome.returned += 1;
        outcome.slowest = outcome.slowest.max(took);
    }
    outcome
}

async fn create(client: &mut GatewayClient<Channel>) {
    let variables = json!({ "text": "x".repeat(200) }).to_string();
    client.create_process_instance(creation("p", &variables)).await.expect("creates");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_is_delivered_or_returned_wherever_its_answer_breaks_off() {
    let stand = Stand::start(|config| config.long_polling.probe_timeout = PATIENCE * 10).await;
    stand.deploy(&task_process("p", "t")).await.expect("deploys");
    let surfaces = [
        ("gRPC", stand.grpc, grpc_poll(), grpc_job as FindJob, 5),
        ("REST", stand.rest, rest_poll(), rest_job, 11),
    ];
    for (name, address, request, job, step) in surfaces {
        let outcome = at_many_offsets(&stand, address, &request, job, step).await;
        let Outcome { delivered, returned, slowest } = outcome;
        eprintln!("{name}: {delivered} delivered, {returned} returned within {slowest:?}");
        assert!(delivered > 0 && returned > 10, "{name}: {delivered} {returned}");
    }
    stand.end().await;
}
