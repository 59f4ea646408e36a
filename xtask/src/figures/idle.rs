//! What workers cost that wait: parked polls, and open job streams, in CPU and memory. The broker is
//! a process of its own, so only the gateway is counted.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use beegate::api::grpc::proto as pb;
use tokio::task::JoinSet;
use tonic::transport::Channel;

use super::{GatewayClient, cpu, rss_mb};
use crate::cache;
use crate::gateway::{Behind, Gateway};

const CLIENTS: usize = 1000;
const TYPES: usize = 50;
/// Calls of one kind on one connection.
const CALLS_PER_CONNECTION: usize = 50;
/// Long enough for three probes of each type and one verification of each stream.
const MEASURE: Duration = Duration::from_secs(30);
const SETTLE: Duration = Duration::from_secs(5);
/// Longer than the measurement takes.
const FOREVER_MS: i64 = 600_000;

#[derive(Clone, Copy, Debug)]
enum Waiting {
    Polls,
    Streams,
}

/// Measures and prints.
pub fn run(binary: &std::path::Path) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    for kind in [Waiting::Polls, Waiting::Streams] {
        // Each in a process of its own, so that one's memory is not the other's.
        let log = cache()?.join("figures-broker.log");
        let broker = Gateway::start(binary, Behind::Embedded, &[], log)?;
        let contact = [format!("127.0.0.1:{}", broker.internal)];
        let log = cache()?.join("figures-gateway.log");
        let gateway = Gateway::start(binary, Behind::Cluster(&contact), &[], log)?;
        runtime.block_on(measure(&gateway, kind))?;
        gateway.stop()?;
        broker.stop()?;
    }
    Ok(())
}

async fn measure(gateway: &Gateway, kind: Waiting) -> Result<()> {
    let pid = gateway.pid();
    let mut channels = VecDeque::new();
    for _ in 0..CLIENTS / CALLS_PER_CONNECTION {
        let address = format!("http://127.0.0.1:{}", gateway.grpc);
        channels.push_back(Channel::from_shared(address)?.connect().await?);
    }
    tokio::time::sleep(SETTLE).await;
    let (idle_cpu, idle_rss) = (cpu_share(pid).await?, rss_mb(pid)?);

    let mut waiting = JoinSet::new();
    for number in 0..CLIENTS {
        let channel = channels.pop_front().context("no channel")?;
        channels.push_back(channel.clone());
        waiting.spawn(wait(channel, kind, format!("type-{}", number % TYPES)));
    }
    tokio::time::sleep(SETTLE).await;
    let (busy_cpu, busy_rss) = (cpu_share(pid).await?, rss_mb(pid)?);
    ensure!(waiting.try_join_next().is_none(), "one of the {kind:?} ended");
    waiting.shutdown().await;
    println!(
        "{CLIENTS} idle {kind:?} of {TYPES} types on {} connections, gateway alone: CPU {busy_cpu:.2} % \
         of one core ({idle_cpu:.2} % without them), RSS {:.1} KB each ({idle_rss:.1} -> \
         {busy_rss:.1} MB)",
        channels.len(),
        (busy_rss - idle_rss) * 1000.0 / CLIENTS as f64,
    );
    Ok(())
}

/// A worker that waits; ends only if its call does.
async fn wait(channel: Channel, kind: Waiting, job_type: String) -> Result<()> {
    let mut client = GatewayClient::new(channel);
    let worker = "figures".to_owned();
    match kind {
        Waiting::Polls => {
            let request = pb::ActivateJobsRequest {
                r#type: job_type,
                worker,
                timeout: 60_000,
                max_jobs_to_activate: 32,
                request_timeout: FOREVER_MS,
                ..Default::default()
            };
            client.activate_jobs(request).await?;
        }
        Waiting::Streams => {
            let request = pb::StreamActivatedJobsRequest {
                r#type: job_type,
                worker,
                timeout: 60_000,
                ..Default::default()
            };
            client.stream_activated_jobs(request).await?.into_inner().message().await?;
        }
    }
    Ok(())
}

/// CPU of a process over the time of the measurement, in % of one core.
async fn cpu_share(pid: u32) -> Result<f64> {
    let (before, began) = (cpu(pid)?, Instant::now());
    tokio::time::sleep(MEASURE).await;
    Ok((cpu(pid)? - before).as_secs_f64() * 100.0 / began.elapsed().as_secs_f64())
}
