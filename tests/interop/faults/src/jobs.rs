//! Jobs of real brokers through beegate: woken polls, streams that outlive brokers, clients that
//! vanish, a gateway that comes back under its old name.

mod gone;
mod streams;
mod worker;

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use tokio::time::timeout;

use crate::Options;
use crate::client::partition_of;
use crate::figures::ms;
use crate::stage::{SIDES, Stage};
use crate::verdict::Verdicts;
use worker::Ledger;

/// Job timeouts are longer than any case: what comes back comes back because it was given back.
const JOB_TIMEOUT: Duration = Duration::from_secs(1800);
/// How long a parked poll waits. A poll that nobody wakes finds the job after the probe interval of
/// 10 s.
const POLL: Duration = Duration::from_secs(40);
/// From the creation's answer to the job at the parked client.
const WAKE: Duration = Duration::from_secs(1);
/// For a parked poll to have asked every partition and settled.
const SETTLE: Duration = Duration::from_millis(1500);

/// Plays all of them that are wanted.
pub async fn play(stage: &Stage, options: &Options, verdicts: &mut Verdicts) {
    let ledger = Ledger::default();
    let mut played = false;
    for (name, title) in [
        ("jobs-wake", "a parked poll is woken"),
        ("jobs-gone", "clients that vanish or do not read"),
        ("jobs-stream", "a job stream outlives a broker"),
        ("jobs-ghost", "a gateway is killed and comes back under its name"),
    ] {
        if !options.wants(name, true) {
            continue;
        }
        played = true;
        verdicts.begin(title);
        let done = match name {
            "jobs-wake" => wake(stage, &ledger, verdicts).await,
            "jobs-gone" => gone::play(stage, &ledger, verdicts).await,
            "jobs-stream" => streams::survive(stage, &ledger, verdicts).await,
            _ => streams::ghost(stage, &ledger, verdicts).await,
        };
        done.unwrap_or_else(|error| verdicts.broke(&error));
    }
    if played {
        verdicts.begin("all jobs together");
        let (jobs, twice) = ledger.sum();
        verdicts.check(
            "no job was delivered twice",
            twice.is_empty(),
            &format!("{jobs} jobs, twice: {twice:?}"),
        );
    }
}

/// A type that no earlier run left jobs of.
pub fn fresh_type(name: &str) -> String {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    format!("{name}-{}", now.map(|since| since.as_millis()).unwrap_or_default())
}

/// A poll waits, a job is created: how long until the client has it?
async fn wake(stage: &Stage, ledger: &Ledger, verdicts: &mut Verdicts) -> Result<()> {
    const ROUNDS: usize = 9;
    for side in SIDES {
        let job_type = fresh_type("wake");
        let mut times = Vec::new();
        let mut creations = Vec::new();
        for _ in 0..ROUNDS {
            let mut poller = stage.client(side);
            let polled = job_type.clone();
            let poll = tokio::spawn(async move {
                let mut answers = poller.poll(&polled, 1, JOB_TIMEOUT, POLL).await?;
                while let Some(answer) = answers.message().await? {
                    if let Some(job) = answer.jobs.into_iter().next() {
                        return Ok(Some((job, Instant::now())));
                    }
                }
                Ok::<_, tonic::Status>(None)
            });
            tokio::time::sleep(SETTLE).await;
            let began = Instant::now();
            stage.client(side).create_work(&job_type).await?;
            let created = Instant::now();
            creations.push(created - began);
            let found = timeout(POLL, poll).await.context("the poll hung")??;
            let (job, at) = found?.with_context(|| format!("{side}: the poll ended empty"))?;
            ledger.note(&job);
            times.push(at.saturating_duration_since(created));
            stage.client(side).complete(job.key).await?;
        }
        times.sort_unstable();
        creations.sort_unstable();
        let (median, longest) = (times[ROUNDS / 2], times[ROUNDS - 1]);
        println!(
            "  {side}: from the creation's answer to the job, {ROUNDS} rounds: median {} ms, longest \
             {} ms; a creation took {} ms",
            ms(median),
            ms(longest),
            ms(creations[ROUNDS / 2]),
        );
        if side == crate::stage::Side::Beegate {
            // One more command goes to the broker in between, so its present speed counts.
            let bound = WAKE + creations[ROUNDS / 2] * 3;
            verdicts.check(
                "a parked poll is woken at once",
                median < bound,
                &format!("median {} ms, bound {} ms", ms(median), ms(bound)),
            );
        }
    }
    Ok(())
}

/// Partitions of these jobs.
fn partitions<'a>(keys: impl IntoIterator<Item = &'a i64>) -> std::collections::BTreeSet<i32> {
    keys.into_iter().map(|&key| partition_of(key)).collect()
}
