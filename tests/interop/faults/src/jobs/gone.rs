//! Clients that vanish with a poll in flight, and one that opens a stream and does not read it.

use std::time::{Duration, Instant};

use anyhow::Result;

use super::worker::{Ledger, collect};
use super::{JOB_TIMEOUT, POLL, SETTLE, fresh_type};
use crate::client::Client;
use crate::figures::ms;
use crate::stage::{Side, Stage};
use crate::verdict::Verdicts;

/// How soon a job must reach the next client. Only a job that was given back, or never taken, can:
/// job timeouts are half an hour.
const BACK: Duration = Duration::from_secs(20);
/// What every job starts with.
const RETRIES: i32 = 3;

/// Both kinds of clients.
pub async fn play(stage: &Stage, ledger: &Ledger, verdicts: &mut Verdicts) -> Result<()> {
    vanish(stage, ledger, verdicts).await?;
    not_reading(stage, ledger, verdicts).await
}

/// A client's connection breaks while its poll waits, at several moments around a job's creation.
async fn vanish(stage: &Stage, ledger: &Ledger, verdicts: &mut Verdicts) -> Result<()> {
    const ROUNDS: u32 = 10;
    let (mut waits, mut missing, mut retries_changed, mut seen) = (Vec::new(), 0, 0, 0);
    for round in 0..ROUNDS {
        let job_type = fresh_type("vanish");
        let mut doomed = Client::connect(stage.beegate.grpc).await?;
        let polled = job_type.clone();
        let noted = ledger.clone();
        let poll = tokio::spawn(async move {
            let mut answers = doomed.poll(&polled, 1, JOB_TIMEOUT, POLL).await?;
            let mut came = false;
            while let Some(answer) = answers.message().await? {
                for job in &answer.jobs {
                    noted.note(job);
                    came = true;
                }
            }
            Ok::<_, tonic::Status>(came)
        });
        tokio::time::sleep(SETTLE).await;
        // The first round's client is gone well before the job exists, the last one's about when
        // the broker activates it.
        let mut creator = stage.client(Side::Beegate);
        let created_type = job_type.clone();
        let create = tokio::spawn(async move { creator.create_work(&created_type).await });
        tokio::time::sleep(Duration::from_millis(3) * round).await;
        poll.abort();
        create.await??;
        if matches!(poll.await, Ok(Ok(true))) {
            seen += 1;
            continue;
        }
        let began = Instant::now();
        let taken = collect(stage.client(Side::Beegate), &job_type, 1, BACK, ledger).await?;
        match taken.first() {
            Some(taken) => {
                waits.push(taken.at - began);
                retries_changed += usize::from(taken.job.retries != RETRIES);
                stage.client(Side::Beegate).complete(taken.job.key).await?;
            }
            None => missing += 1,
        }
    }
    waits.sort_unstable();
    println!(
        "  polls cut off: {ROUNDS}; {seen} had the job already, {} came to the next client, longest \
         wait {} ms",
        waits.len(),
        ms(waits.last().copied().unwrap_or_default()),
    );
    verdicts.check("no job stays with a client that vanished", missing == 0, &missing);
    verdicts.check("retries are unchanged", retries_changed == 0, &retries_changed);
    Ok(())
}

/// A client opens a stream with a small window and reads nothing; another one polls.
async fn not_reading(stage: &Stage, ledger: &Ledger, verdicts: &mut Verdicts) -> Result<()> {
    const JOBS: usize = 12;
    /// What may wait in the window and the buffers of the client that does not read.
    const STUCK: usize = 4;
    let job_type = fresh_type("not-reading");
    let mut lazy = Client::connect_with_window(stage.beegate.grpc, 1024).await?;
    let stream = lazy.stream(&job_type, JOB_TIMEOUT).await?;
    tokio::time::sleep(SETTLE).await;
    let mut creator = stage.client(Side::Beegate);
    for _ in 0..JOBS {
        creator.create_work_with(&job_type, 2_000).await?;
    }
    let began = Instant::now();
    let want = JOBS - STUCK;
    let taken = collect(stage.client(Side::Beegate), &job_type, want, BACK, ledger).await?;
    let longest = taken.iter().map(|taken| taken.at - began).max().unwrap_or_default();
    verdicts.check(
        "a stream that does not read holds up few jobs",
        taken.len() >= want,
        &format!("{} of {JOBS} came to a poll within {} ms", taken.len(), ms(longest)),
    );
    let changed = taken.iter().filter(|taken| taken.job.retries != RETRIES).count();
    verdicts.check("retries are unchanged", changed == 0, &changed);
    drop((stream, lazy));
    // What beegate had not handed to the transport comes back when the client goes.
    let rest = collect(
        stage.client(Side::Beegate),
        &job_type,
        JOBS - taken.len(),
        Duration::from_secs(5),
        ledger,
    )
    .await?;
    println!(
        "  after the stream ended {} more came; {} are in the hands of the client that is gone",
        rest.len(),
        JOBS - taken.len() - rest.len()
    );
    for taken in taken.iter().chain(&rest) {
        creator.complete(taken.job.key).await?;
    }
    Ok(())
}
