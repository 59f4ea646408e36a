//! The figures we publish: start-up, memory, throughput, CPU per call. Measured on the release
//! binary from outside, by what the kernel says of the process.

mod frontends;
mod idle;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use beegate::api::grpc::proto as pb;
use pb::gateway_client::GatewayClient;
use tonic::transport::Channel;

use crate::gateway::{self, Behind, Gateway};
use crate::{cache, root};

const STARTS: usize = 20;
const CONNECTIONS: usize = 8;
const CALLS_PER_CONNECTION: usize = 16;
const WARM_UP: Duration = Duration::from_secs(3);
const MEASURE: Duration = Duration::from_secs(10);
/// `USER_HZ`: 100 on every Linux this runs on.
const TICKS_PER_SECOND: u64 = 100;

/// Measures and prints; with `only_idle` nothing but what waiting workers cost.
pub fn run(only_idle: bool) -> Result<()> {
    let binary = gateway::build()?;
    if only_idle {
        return idle::run(&binary);
    }
    ensure!(
        !cfg!(debug_assertions),
        "the load must not cost more than what it measures: \
         cargo run --release --package xtask -- figures"
    );
    let log = cache()?.join("figures.log");
    let size = std::fs::metadata(&binary)?.len();
    println!("size of the release binary: {:.1} MB", size as f64 / 1e6);

    let mut ready = Vec::new();
    for _ in 0..STARTS {
        let gateway = Gateway::start(&binary, Behind::Embedded, &[], log.clone())?;
        ready.push(gateway.ready_after.as_secs_f64() * 1000.0);
        gateway.stop()?;
    }
    ready.sort_by(f64::total_cmp);
    let (first, median, last) = (ready[0], ready[STARTS / 2], ready[STARTS - 1]);
    println!(
        "ready after exec, {STARTS} starts: {first:.1} / {median:.1} / {last:.1} ms (min/median/max)"
    );

    let gateway = Gateway::start(&binary, Behind::Embedded, &[], log)?;
    std::thread::sleep(Duration::from_secs(5));
    println!("RSS idle, gateway and broker: {:.1} MB", rss_mb(gateway.pid())?);
    let before = cpu(gateway.pid())?;
    std::thread::sleep(Duration::from_secs(10));
    let idle = cpu(gateway.pid())? - before;
    println!("CPU idle: {:.2} % of one core", idle.as_secs_f64() * 10.0);

    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(load(&gateway))?;
    println!("RSS after the load: {:.1} MB", rss_mb(gateway.pid())?);
    gateway.stop()?;
    idle::run(&binary)?;
    frontends::run(&binary)
}

/// Deploys the process that is started.
async fn deploy(address: &str) -> Result<()> {
    let content = std::fs::read(root().join("tests/interop/resources/one_task.bpmn"))?;
    let resource = pb::Resource { name: "one_task.bpmn".to_owned(), content: content.into() };
    let deploy = pb::DeployResourceRequest { resources: vec![resource], ..Default::default() };
    GatewayClient::connect(address.to_owned()).await?.deploy_resource(deploy).await?;
    Ok(())
}

/// The request of every load: 1 KB of variables.
fn create_request() -> pb::CreateProcessInstanceRequest {
    pb::CreateProcessInstanceRequest {
        bpmn_process_id: "one-task".to_owned(),
        version: -1,
        variables: format!(r#"{{"text":"{}"}}"#, "x".repeat(1000)),
        ..Default::default()
    }
}

async fn load(gateway: &Gateway) -> Result<()> {
    let address = format!("http://127.0.0.1:{}", gateway.grpc);
    deploy(&address).await?;

    let done = Arc::new(AtomicU64::new(0));
    let failed = Arc::new(AtomicU64::new(0));
    let mut callers = Vec::new();
    for _ in 0..CONNECTIONS {
        let channel = Channel::from_shared(address.clone())?.connect().await?;
        for _ in 0..CALLS_PER_CONNECTION {
            let (done, failed) = (done.clone(), failed.clone());
            let mut client = GatewayClient::new(channel.clone());
            let request = create_request();
            callers.push(tokio::spawn(async move {
                loop {
                    let counter = match client.create_process_instance(request.clone()).await {
                        Ok(_) => &done,
                        Err(_) => &failed,
                    };
                    counter.fetch_add(1, Ordering::Relaxed);
                }
            }));
        }
    }
    tokio::time::sleep(WARM_UP).await;
    let (calls_before, cpu_before) = (done.load(Ordering::Relaxed), cpu(gateway.pid())?);
    let began = Instant::now();
    tokio::time::sleep(MEASURE).await;
    let calls = done.load(Ordering::Relaxed) - calls_before;
    let took = began.elapsed();
    let used = cpu(gateway.pid())? - cpu_before;
    for caller in callers {
        caller.abort();
    }
    ensure!(calls > 0, "not one call succeeded, {} failed", failed.load(Ordering::Relaxed));
    println!(
        "CreateProcessInstance, 1 KB of variables, {} calls in flight on {CONNECTIONS} \
         connections: {:.0} calls/s, {:.1} CPU µs per call of gateway and broker together, \
         {} failed",
        CONNECTIONS * CALLS_PER_CONNECTION,
        calls as f64 / took.as_secs_f64(),
        used.as_secs_f64() * 1e6 / calls as f64,
        failed.load(Ordering::Relaxed),
    );
    Ok(())
}

fn rss_mb(pid: u32) -> Result<f64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).context("no VmRSS")?;
    let kib: f64 = line.split_whitespace().nth(1).context("no number")?.parse()?;
    Ok(kib * 1024.0 / 1e6)
}

/// User and system time of a process so far.
fn cpu(pid: u32) -> Result<Duration> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // The name in parentheses may contain blanks: count fields after it.
    let fields: Vec<&str> =
        stat.rsplit_once(')').context("odd stat")?.1.split_whitespace().collect();
    let field =
        |index: usize| -> Result<u64> { Ok(fields.get(index).context("short stat")?.parse()?) };
    let ticks = field(11)? + field(12)?;
    Ok(Duration::from_millis(ticks * 1000 / TICKS_PER_SECOND))
}
