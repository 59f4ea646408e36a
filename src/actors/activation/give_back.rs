//! Returns activated jobs that no client took, so that they are not locked until their timeout.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crate::actors::gateway::ActivatedJob;
use crate::actors::shared::Submitter;
use crate::actors::ticket::ReplyTo;
use crate::model::{Command, CommandKind, Key, Millis, PartitionId, Reply, Route};
use crate::wire::record::{AuthInfo, JobBatchRecord, JobRecord, Record};

/// The reason when the client went away (command-api §4.1).
pub const NOT_SENT: &str = "Failed to send activated jobs to client";

/// What a job needs to be given back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Owed {
    key: Key,
    retries: i32,
    /// How long nobody can activate it.
    pause: Millis,
}

impl Owed {
    /// The same, to be kept by the broker for this long.
    #[must_use]
    pub fn after(self, pause: Millis) -> Self {
        Self { pause, ..self }
    }
}

impl From<&ActivatedJob> for Owed {
    fn from(job: &ActivatedJob) -> Self {
        Self { key: job.key, retries: job.record.retries, pause: Millis(0) }
    }
}

/// Gives jobs back. Works from any thread and without the actor. Cheap to clone.
#[derive(Clone, Debug)]
pub struct GiveBack {
    submitter: Submitter,
    count: Arc<AtomicU64>,
}

impl GiveBack {
    /// Sends through this submitter.
    #[must_use]
    pub fn new(submitter: Submitter) -> Self {
        Self { submitter, count: Arc::default() }
    }

    /// Jobs given back so far.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.count.load(Relaxed)
    }

    /// Gives jobs back. Bounded by the jobs that were activated before.
    pub fn jobs(&self, owed: impl IntoIterator<Item = Owed>, reason: &str) {
        for job in owed {
            self.count.fetch_add(1, Relaxed);
            let report = move |answer| {
                if let Err(error) = answer {
                    log::warn!("event=job_not_given_back key={} cause=\"{error}\"", job.key);
                }
            };
            self.submitter.submit(command(job, reason), ReplyTo::Callback(Box::new(report)));
        }
    }

    /// Gives back the jobs of an activation that nobody waits for.
    pub fn reply(&self, partition: PartitionId, reply: &Reply) {
        match JobBatchRecord::from_bytes(&reply.value) {
            Ok(batch) => {
                let jobs = batch.job_keys.iter().zip(&batch.jobs);
                let owed = jobs.map(|(key, job)| Owed {
                    key: Key(*key),
                    retries: job.retries,
                    pause: Millis(0),
                });
                self.jobs(owed, NOT_SENT);
            }
            Err(error) => {
                log::warn!("event=late_jobs_unreadable partition={partition} cause=\"{error}\"");
            }
        }
    }
}

/// Fails the job with its retries unchanged, on the gateway's own authority (command-api §4.3).
fn command(job: Owed, reason: &str) -> Command {
    let record = JobRecord {
        retries: job.retries,
        retry_backoff: job.pause.0,
        error_message: reason.to_owned(),
        ..Default::default()
    };
    Command {
        kind: CommandKind::FailJob,
        key: job.key,
        route: Route::Key(job.key),
        operation_reference: None,
        value: record.to_bytes(),
        authorization: AuthInfo::unknown(),
        transport_retry: true,
        timeout: None,
    }
}
