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

/// What became of the job of a client that vanished.
enum Fate {
    /// The client had it in its hands.
    Had,
    /// The next client got it, with so many retries, after so long.
    Back(Duration, i32),
    /// Nobody got it.
    Stuck,
}

/// A client's connection breaks while its poll waits, at several moments around a job's creation.
async fn vanish(stage: &Stage, ledger: &Ledger, verdicts: &mut Verdicts) -> Result<()> {
    const ROUNDS: u32 = 7;
    /// Of the rounds in which the job may be on the wire when the client goes, so many may end with
    /// a job that the client's machine took and the client never read. Nobody can tell that apart
    /// from a client that read it, so giving it back might deliver it twice.
    const ON_THE_WIRE: usize = 3;
    let (mut waits, mut had, mut retries_changed) = (Vec::new(), 0, 0);
    let mut stuck = [0, 0];
    for round in 0..ROUNDS {
        for (open, window) in [(false, 0), (true, 1 << 16)] {
            // The first round's client is gone well before the job exists, the last one's about
            // when the broker activates it.
            match vanish_once(stage, ledger, Duration::from_millis(5) * round, window).await? {
                Fate::Had => had += 1,
                Fate::Stuck => stuck[usize::from(open)] += 1,
                Fate::Back(wait, retries) => {
                    waits.push(wait);
                    retries_changed += usize::from(retries != RETRIES);
                }
            }
        }
    }
    waits.sort_unstable();
    println!(
        "  polls cut off: {}; {had} had the job already, {} came to the next client, longest wait \
         {} ms",
        2 * ROUNDS,
        waits.len(),
        ms(waits.last().copied().unwrap_or_default()),
    );
    verdicts.check(
        "no job stays with a client that vanished without taking any byte of it",
        stuck[0] == 0,
        &stuck[0],
    );
    verdicts.check(
        "few are lost on the wire",
        stuck[1] <= ON_THE_WIRE,
        &format!("{} of {ROUNDS}", stuck[1]),
    );
    verdicts.check("retries are unchanged", retries_changed == 0, &retries_changed);
    Ok(())
}

/// One client that goes so long after the creation was sent; with a window of 0 its transport takes
/// nothing.
async fn vanish_once(stage: &Stage, ledger: &Ledger, after: Duration, window: u32) -> Result<Fate> {
    let job_type = fresh_type("vanish");
    let mut doomed = Client::connect_with_window(stage.beegate.grpc, window).await?;
    let (polled, noted) = (job_type.clone(), ledger.clone());
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
    let mut creator = stage.client(Side::Beegate);
    let created_type = job_type.clone();
    let create = tokio::spawn(async move { creator.create_work(&created_type).await });
    tokio::time::sleep(after).await;
    poll.abort();
    create.await??;
    if matches!(poll.await, Ok(Ok(true))) {
        return Ok(Fate::Had);
    }
    let began = Instant::now();
    let taken = collect(stage.client(Side::Beegate), &job_type, 1, BACK, ledger).await?;
    let Some(taken) = taken.first() else { return Ok(Fate::Stuck) };
    stage.client(Side::Beegate).complete(taken.job.key).await?;
    Ok(Fate::Back(taken.at - began, taken.job.retries))
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
