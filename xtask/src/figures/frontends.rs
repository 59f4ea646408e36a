//! What a request costs the gateway over REST beside the same request over gRPC. The broker is a
//! process of its own, so only the gateway is counted; the two take turns, so that a machine that
//! becomes slower in between slows down both.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tonic::transport::Channel;

use super::{GatewayClient, TICKS_PER_SECOND, cpu, create_request, deploy};
use crate::cache;
use crate::gateway::{Behind, Gateway};

/// Requests outstanding, as 8 connections of 16 calls and as connections of one request.
const GRPC_CONNECTIONS: usize = 8;
const CALLS_PER_CONNECTION: usize = 4;
const REST_CONNECTIONS: usize = GRPC_CONNECTIONS * CALLS_PER_CONNECTION;
const ROUNDS: usize = 5;
const WARM_UP: Duration = Duration::from_millis(500);
const MEASURE: Duration = Duration::from_secs(4);

/// Measures and prints.
pub fn run(binary: &std::path::Path) -> Result<()> {
    let broker =
        Gateway::start(binary, Behind::Embedded, &[], cache()?.join("figures-broker.log"))?;
    let contact = [format!("127.0.0.1:{}", broker.internal)];
    let log = cache()?.join("figures-gateway.log");
    let gateway = Gateway::start(binary, Behind::Cluster(&contact), &[], log)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let mut costs = [Vec::new(), Vec::new()];
    runtime.block_on(async {
        deploy(&format!("http://127.0.0.1:{}", gateway.grpc)).await?;
        for _ in 0..ROUNDS {
            costs[0].push(cost(&gateway, Load::Grpc).await?);
            costs[1].push(cost(&gateway, Load::Rest).await?);
        }
        anyhow::Ok(())
    })?;
    let [grpc, rest] = costs.map(|mut costs| {
        costs.sort_by(f64::total_cmp);
        costs[ROUNDS / 2]
    });
    println!(
        "CreateProcessInstance, 1 KB of variables, {REST_CONNECTIONS} requests outstanding, \
         gateway alone: {grpc:.1} CPU µs over gRPC, {rest:.1} over REST, ratio {:.2}",
        rest / grpc
    );
    gateway.stop()?;
    broker.stop()?;
    Ok(())
}

#[derive(Clone, Copy, Debug)]
enum Load {
    Grpc,
    Rest,
}

/// CPU of the gateway per request, in µs.
async fn cost(gateway: &Gateway, load: Load) -> Result<f64> {
    let done = Arc::new(AtomicU64::new(0));
    let mut callers = JoinSet::new();
    match load {
        Load::Grpc => {
            let address = format!("http://127.0.0.1:{}", gateway.grpc);
            for _ in 0..GRPC_CONNECTIONS {
                let channel = Channel::from_shared(address.clone())?.connect().await?;
                for _ in 0..CALLS_PER_CONNECTION {
                    callers.spawn(over_grpc(channel.clone(), Arc::clone(&done)));
                }
            }
        }
        Load::Rest => {
            for _ in 0..REST_CONNECTIONS {
                callers.spawn(over_rest(gateway.rest, Arc::clone(&done)));
            }
        }
    }
    tokio::time::sleep(WARM_UP).await;
    let (calls_before, cpu_before) = (done.load(Ordering::Relaxed), cpu(gateway.pid())?);
    tokio::time::sleep(MEASURE).await;
    let calls = done.load(Ordering::Relaxed) - calls_before;
    let used = cpu(gateway.pid())? - cpu_before;
    if let Some(ended) = callers.try_join_next() {
        ended??;
    }
    callers.shutdown().await;
    ensure!(calls > 100, "only {calls} calls over {load:?} within {MEASURE:?}");
    ensure!(used.as_millis() > u128::from(2000 / TICKS_PER_SECOND), "too little CPU to tell");
    Ok(used.as_secs_f64() * 1e6 / calls as f64)
}

async fn over_grpc(channel: Channel, done: Arc<AtomicU64>) -> Result<()> {
    let mut client = GatewayClient::new(channel);
    let request = create_request();
    loop {
        client.create_process_instance(request.clone()).await?;
        done.fetch_add(1, Ordering::Relaxed);
    }
}

async fn over_rest(port: u16, done: Arc<AtomicU64>) -> Result<()> {
    let request = create_request();
    let body = format!(
        r#"{{"processDefinitionId":"{}","variables":{}}}"#,
        request.bpmn_process_id, request.variables
    );
    let request = format!(
        "POST /v2/process-instances HTTP/1.1\r\nHost: localhost\r\n\
         Content-Type: application/json\r\nAccept: application/json, application/problem+json\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await?;
    stream.set_nodelay(true)?;
    let mut buffer = Vec::with_capacity(4096);
    loop {
        stream.write_all(request.as_bytes()).await?;
        buffer.clear();
        while !complete(&buffer)? {
            ensure!(stream.read_buf(&mut buffer).await? > 0, "closed in the middle of an answer");
        }
        done.fetch_add(1, Ordering::Relaxed);
    }
}

/// Whether this is a whole answer; one that is no success is an error.
fn complete(answer: &[u8]) -> Result<bool> {
    let text = std::str::from_utf8(answer)?;
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return Ok(false) };
    if !head.starts_with("HTTP/1.1 200") {
        bail!("{text}");
    }
    let length: usize = head
        .lines()
        .find_map(|line| {
            line.to_ascii_lowercase().strip_prefix("content-length:")?.trim().parse().ok()
        })
        .with_context(|| format!("no length: {head}"))?;
    Ok(body.len() >= length)
}
