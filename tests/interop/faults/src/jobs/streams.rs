//! Job streams when brokers and gateways come and go.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use xtask::gateway::ask;

use super::worker::{Ledger, StreamWorker, collect};
use super::{SETTLE, fresh_type, partitions};
use crate::client::Client;
use crate::figures::ms;
use crate::stage::{Side, Stage, start_beegate};
use crate::verdict::Verdicts;

/// The period after which a stream is told to every broker again, whatever happened, and some more.
const REGISTERED: Duration = Duration::from_secs(45);
/// For jobs to come that nothing keeps.
const SOON: Duration = Duration::from_secs(30);

/// A broker dies and comes back; the client's stream is never touched.
pub async fn survive(stage: &Stage, ledger: &Ledger, verdicts: &mut Verdicts) -> Result<()> {
    let job_type = fresh_type("stream");
    let worker = StreamWorker::open(stage.client(Side::Beegate), &job_type, ledger).await?;
    let all: BTreeSet<i32> = stage.partitions().into_iter().collect();
    wait_for_consumers(stage, &job_type, stage.cluster.shape.brokers, SOON).await?;
    let before = pushed_from(stage, &worker, &job_type, &all, SOON).await;
    verdicts.check(
        "a stream gets jobs of every partition",
        before.is_ok(),
        &before.as_ref().map_or_else(|e| format!("{e:#}"), |t| format!("within {} ms", ms(*t))),
    );

    let (victim, _) = stage.victim()?;
    stage.cluster.signal(victim, "KILL")?;
    stage.cluster.wait_until_gone(victim, Duration::from_secs(10))?;
    let without = pushed_from(stage, &worker, &job_type, &all, REGISTERED).await;
    verdicts.check(
        "it gets them without the broker that died",
        without.is_ok(),
        &without.as_ref().map_or_else(|e| format!("{e:#}"), |t| format!("within {} ms", ms(*t))),
    );
    stage.cluster.start_again(victim)?;
    stage.cluster.wait_until_broker_is_ready(victim)?;
    let ready = Instant::now();
    wait_for_consumers(stage, &job_type, stage.cluster.shape.brokers, REGISTERED).await?;
    println!("  registered again {} ms after the broker was ready", ms(ready.elapsed()));
    // It leads nothing now; the partitions that should be its own are given back to it.
    stage.rebalance()?;
    tokio::time::sleep(Duration::from_secs(5)).await;
    let leaders = stage.cluster.wait_for_leaders(Duration::from_secs(60))?;
    let again = pushed_from(stage, &worker, &job_type, &all, REGISTERED).await;
    verdicts.check(
        "it gets the jobs of the broker that came back",
        again.is_ok(),
        &again.as_ref().map_or_else(
            |e| format!("{e:#}"),
            |t| format!("within {} ms, broker {victim}, leaders {leaders:?}", ms(*t)),
        ),
    );
    let end = worker.end();
    verdicts.check("the stream never ended", end.is_none(), &end.unwrap_or_default());
    for taken in worker.taken() {
        stage.client(Side::Beegate).complete(taken.job.key).await?;
    }
    Ok(())
}

/// A gateway with a fixed member id is killed with streams open, and started again.
pub async fn ghost(stage: &Stage, ledger: &Ledger, verdicts: &mut Verdicts) -> Result<()> {
    const JOBS: usize = 9;
    let job_type = fresh_type("ghost");
    let name = "faults-ghost";
    let more = ["cluster.member_id=faults-ghost"];
    let mut first = start_beegate(&stage.cluster, name, &more)?;
    let worker = StreamWorker::open(Client::connect(first.grpc).await?, &job_type, ledger).await?;
    wait_for_consumers(stage, &job_type, stage.cluster.shape.brokers, SOON).await?;
    first.kill()?;
    drop(worker);
    // Brokers still push to the ghost; nobody is there.
    let mut creator = stage.client(Side::Beegate);
    for _ in 0..JOBS {
        creator.create_work(&job_type).await?;
    }
    let same_port = format!("cluster.port={}", first.internal);
    let second = start_beegate(&stage.cluster, "faults-ghost-2", &[more[0], &same_port])?;
    let began = Instant::now();
    let gone = wait_for_ghosts_to_go(stage, &job_type, REGISTERED).await;
    verdicts.check(
        "brokers forget the streams of the gateway that was killed",
        gone.is_ok(),
        &gone.as_ref().map_or_else(
            |e| format!("{e:#}"),
            |t| format!("{} ms after its successor was ready", ms(*t)),
        ),
    );
    let taken =
        collect(Client::connect(second.grpc).await?, &job_type, JOBS, REGISTERED, ledger).await?;
    verdicts.check(
        "no job is lost",
        taken.len() == JOBS,
        &format!("{} of {JOBS} within {} ms", taken.len(), ms(began.elapsed())),
    );
    // A stream through the successor works like any other.
    let worker = StreamWorker::open(Client::connect(second.grpc).await?, &job_type, ledger).await?;
    wait_for_consumers(stage, &job_type, stage.cluster.shape.brokers, SOON).await?;
    let all: BTreeSet<i32> = stage.partitions().into_iter().collect();
    let pushed = pushed_from(stage, &worker, &job_type, &all, SOON).await;
    verdicts.check(
        "streams of the successor get jobs of every partition",
        pushed.is_ok(),
        &pushed.as_ref().map_or_else(|e| format!("{e:#}"), |t| format!("within {} ms", ms(*t))),
    );
    for taken in taken.iter().chain(&worker.taken()) {
        creator.complete(taken.job.key).await?;
    }
    drop(worker);
    second.stop()?;
    Ok(())
}

/// Creates instances until a job of each of these partitions was pushed, and says how long it took.
async fn pushed_from(
    stage: &Stage,
    worker: &StreamWorker,
    job_type: &str,
    wanted: &BTreeSet<i32>,
    limit: Duration,
) -> Result<Duration> {
    let began = Instant::now();
    let mut creator = stage.client(Side::Beegate);
    loop {
        let came: Vec<i64> =
            worker.taken().iter().filter(|t| t.at > began).map(|t| t.job.key).collect();
        let came = partitions(&came);
        if came.is_superset(wanted) {
            return Ok(began.elapsed());
        }
        if began.elapsed() > limit {
            bail!("after {limit:?} jobs came only from partitions {came:?}");
        }
        // One that fails met a partition without a leader: the next goes elsewhere.
        if let Err(status) = creator.create_work(job_type).await {
            println!("    a creation failed: {} {}", status.code(), status.message());
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

/// How many gateways a broker pushes jobs of this type to.
fn consumers(stage: &Stage, node: u16, job_type: &str) -> Result<usize> {
    let port = stage.cluster.broker_ports(node).management;
    let (_, body) = ask("GET", port, "/actuator/jobstreams", Duration::from_secs(2))?;
    let told: serde_json::Value = serde_json::from_str(&body)?;
    let remote = told["remote"].as_array().context("no list of remote streams")?;
    Ok(remote
        .iter()
        .filter(|stream| stream["jobType"] == job_type)
        .filter_map(|stream| stream["consumers"].as_array().map(Vec::len))
        .sum())
}

async fn wait_for_consumers(
    stage: &Stage,
    job_type: &str,
    brokers: u16,
    limit: Duration,
) -> Result<()> {
    let began = Instant::now();
    loop {
        let found: Vec<usize> = (0..stage.cluster.shape.brokers)
            .map(|node| consumers(stage, node, job_type).unwrap_or(0))
            .collect();
        if found.iter().filter(|n| **n == 1).count() == usize::from(brokers) {
            return Ok(());
        }
        if began.elapsed() > limit {
            bail!("after {limit:?} the brokers know {found:?} streams of {job_type}, not one each");
        }
        tokio::time::sleep(SETTLE / 5).await;
    }
}

async fn wait_for_ghosts_to_go(stage: &Stage, job_type: &str, limit: Duration) -> Result<Duration> {
    let began = Instant::now();
    loop {
        let found: Vec<usize> = (0..stage.cluster.shape.brokers)
            .map(|node| consumers(stage, node, job_type))
            .collect::<Result<_>>()?;
        if found.iter().all(|n| *n == 0) {
            return Ok(began.elapsed());
        }
        if began.elapsed() > limit {
            bail!("after {limit:?} the brokers still know {found:?} streams of {job_type}");
        }
        tokio::time::sleep(SETTLE / 5).await;
    }
}
