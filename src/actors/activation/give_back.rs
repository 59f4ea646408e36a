//! Returns activated jobs that no client took, so that they are not locked until their timeout.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crate::actors::gateway::{ActivatedJob, Doubt, OnDoubt};
use crate::actors::shared::Submitter;
use crate::actors::ticket::ReplyTo;
use crate::metrics::{Exposition, Kind, Source};
use crate::model::{Command, CommandKind, Key, Millis, PartitionId, Reply, Route};
use crate::wire::record::{AuthInfo, JobBatchRecord, JobRecord, Record};

/// The reason when the client went away (command-api §4.1).
pub const NOT_SENT: &str = "Failed to send activated jobs to client";

/// Why jobs are given back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// The client went away before they left for it, or no poll was left that takes them.
    NotSent,
    /// The client's system threw them away unread.
    Unread,
    /// They came when nobody waited for the answer any more.
    Late,
    /// Another message has room for them.
    NoRoom,
    /// No message has room for them.
    TooLarge,
}

impl Why {
    const ALL: [Self; 5] = [Self::NotSent, Self::Unread, Self::Late, Self::NoRoom, Self::TooLarge];

    fn label(self) -> &'static str {
        match self {
            Self::NotSent => "not-sent",
            Self::Unread => "unread",
            Self::Late => "late",
            Self::NoRoom => "no-room",
            Self::TooLarge => "too-large",
        }
    }
}

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

    /// The same with one retry less; without any left the broker raises an incident.
    #[must_use]
    pub fn charged(self) -> Self {
        Self { retries: (self.retries - 1).max(0), ..self }
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
    counts: Arc<Counts>,
}

#[derive(Debug, Default)]
struct Counts {
    returned: [AtomicU64; Why::ALL.len()],
    maybe_lost: AtomicU64,
}

impl Source for Counts {
    fn expose(&self, out: &mut Exposition) {
        const RETURNED: &str = "beegate_jobs_returned_total";
        const MAYBE_LOST: &str = "beegate_jobs_maybe_lost_total";
        let help = "Activated jobs given back to the broker because no client got them.";
        out.family(RETURNED, Kind::Counter, help);
        for (why, count) in Why::ALL.iter().zip(&self.returned) {
            out.sample(RETURNED, &[("reason", why.label())], count.load(Relaxed));
        }
        let help = "Jobs sent to a client that closed its connection within a second without a \
                    sign that it had read them.";
        out.family(MAYBE_LOST, Kind::Counter, help);
        out.sample(MAYBE_LOST, &[], self.maybe_lost.load(Relaxed));
    }
}

impl GiveBack {
    /// Sends through this submitter.
    #[must_use]
    pub fn new(submitter: Submitter) -> Self {
        Self { submitter, counts: Arc::default() }
    }

    /// What it counts.
    #[must_use]
    pub fn metrics(&self) -> Arc<dyn Source> {
        self.counts.clone()
    }

    /// Jobs given back so far.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.counts.returned.iter().map(|count| count.load(Relaxed)).sum()
    }

    /// Gives jobs back, with a reason for the broker. Bounded by the jobs that were activated
    /// before.
    pub fn jobs(&self, why: Why, owed: impl IntoIterator<Item = Owed>, reason: &str) {
        for job in owed {
            if let Some(count) = self.counts.returned.get(why as usize) {
                count.fetch_add(1, Relaxed);
            }
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
                self.jobs(Why::Late, owed, NOT_SENT);
            }
            Err(error) => {
                log::warn!("event=late_jobs_unreadable partition={partition} cause=\"{error}\"");
            }
        }
    }

    /// Gives back jobs that turn out to be unread after they were delivered.
    #[must_use]
    pub fn on_doubt(&self, owed: Vec<Owed>) -> OnDoubt {
        let this = self.clone();
        Box::new(move |doubt, returned| {
            let delivered = owed.iter().enumerate();
            let delivered = delivered.filter(|(index, _)| !returned.contains(index));
            let delivered = delivered.map(|(_, job)| *job);
            match doubt {
                Doubt::Unread => this.jobs(Why::Unread, delivered, NOT_SENT),
                Doubt::Unknown => {
                    this.counts.maybe_lost.fetch_add(delivered.count() as u64, Relaxed);
                }
            }
        })
    }
}

/// Fails the job, with its retries unchanged unless it was charged, on the gateway's own authority
/// (command-api §4.3).
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
