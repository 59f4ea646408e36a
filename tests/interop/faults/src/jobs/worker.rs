//! Clients that take jobs, and the ledger of who got what.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Result;
use beegate::api::grpc::proto::ActivatedJob;
use tokio::task::JoinHandle;

use super::JOB_TIMEOUT;
use crate::client::Client;

/// Every job that reached a client, and how often.
#[derive(Clone, Debug, Default)]
pub struct Ledger(Arc<Mutex<BTreeMap<i64, usize>>>);

impl Ledger {
    /// A client has this job.
    pub fn note(&self, job: &ActivatedJob) {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *seen.entry(job.key).or_default() += 1;
    }

    /// How many jobs, and the keys of those that came more than once.
    pub fn sum(&self) -> (usize, Vec<i64>) {
        let seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let twice = seen.iter().filter(|(_, n)| **n > 1).map(|(key, _)| *key).collect();
        (seen.len(), twice)
    }
}

/// A job and when it came.
#[derive(Clone, Debug)]
pub struct Taken {
    /// The job.
    pub job: ActivatedJob,
    /// When the client had it.
    pub at: Instant,
}

type Shelf = Arc<Mutex<Vec<Taken>>>;

/// A client that reads a job stream; it opens it anew only if it ends.
pub struct StreamWorker {
    shelf: Shelf,
    task: JoinHandle<()>,
    ends: Arc<Mutex<Vec<String>>>,
}

impl StreamWorker {
    /// Opens the stream.
    pub async fn open(mut client: Client, job_type: &str, ledger: &Ledger) -> Result<Self> {
        let mut stream = client.stream(job_type, JOB_TIMEOUT).await?;
        let shelf = Shelf::default();
        let ends = Arc::<Mutex<Vec<String>>>::default();
        let (ledger, filled, told) = (ledger.clone(), shelf.clone(), ends.clone());
        let task = tokio::spawn(async move {
            let end = loop {
                match stream.message().await {
                    Ok(Some(job)) => {
                        ledger.note(&job);
                        let taken = Taken { job, at: Instant::now() };
                        filled.lock().unwrap_or_else(PoisonError::into_inner).push(taken);
                    }
                    Ok(None) => break "ended".to_owned(),
                    Err(status) => break status.to_string(),
                }
            };
            told.lock().unwrap_or_else(PoisonError::into_inner).push(end);
        });
        Ok(Self { shelf, task, ends })
    }

    /// What came so far.
    pub fn taken(&self) -> Vec<Taken> {
        self.shelf.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// How the stream ended, if it did.
    pub fn end(&self) -> Option<String> {
        self.ends.lock().unwrap_or_else(PoisonError::into_inner).first().cloned()
    }
}

impl Drop for StreamWorker {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Polls until so many jobs came or the time is over; returns what came.
pub async fn collect(
    mut client: Client,
    job_type: &str,
    want: usize,
    limit: Duration,
    ledger: &Ledger,
) -> Result<Vec<Taken>> {
    let began = Instant::now();
    let mut taken = Vec::new();
    while taken.len() < want && began.elapsed() < limit {
        let max = i32::try_from(want - taken.len()).unwrap_or(i32::MAX);
        let wait = limit.saturating_sub(began.elapsed()).max(Duration::from_millis(100));
        let mut answers = match client.poll(job_type, max, JOB_TIMEOUT, wait).await {
            Ok(answers) => answers,
            // A partition without a leader is what the cases are about.
            Err(status) => {
                println!("    a poll failed: {status}");
                tokio::time::sleep(Duration::from_millis(200)).await;
                continue;
            }
        };
        loop {
            match answers.message().await {
                Ok(Some(answer)) => {
                    for job in answer.jobs {
                        ledger.note(&job);
                        taken.push(Taken { job, at: Instant::now() });
                    }
                }
                Ok(None) => break,
                Err(status) => {
                    println!("    a poll failed: {status}");
                    tokio::time::sleep(Duration::from_millis(200)).await;
                    break;
                }
            }
        }
    }
    Ok(taken)
}
