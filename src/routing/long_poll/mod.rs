//! Who asks which partition for jobs, and when: the scheduler behind ActivateJobs.
//!
//! A plain state machine: inputs (a poll, an answer, a notification, the time) in, [`Output`]s out.
//! It keeps no jobs, only counts. What it promises:
//!
//! * **No lost wake-up.** Each type has an epoch that every notification advances. An empty answer
//!   counts only for the epoch in which the question was sent, so a notification that overtakes the
//!   answer makes the partition worth asking again.
//! * **No storm.** A partition not known to have jobs is asked by one poll at a time; the others
//!   wait for what it learns. Emptiness is believed until a notification or the probe interval.
//! * **Oldest first.** A partition worth asking goes to the oldest waiting poll.
//! * **Overload is not emptiness.** A partition that failed is asked again after a pause. The JVM
//!   gateway fails the poll at once; its client then polls again, and adds to the load, until there
//!   is room. Here it waits its time, and fails only if a partition is overloaded still.
//! * **A slow partition harms only itself.** A poll asks a few partitions at the same time and goes
//!   on without one that does not answer within a second; its jobs are still welcome when they come.
//!
//! What clients see is command-api §4: every poll passes over all partitions, a pass that found jobs
//! ends the poll, the clock starts after the first empty pass. The JVM gateway asks one partition
//! after the other, so that a slow one delays all (users-and-peers R4).

mod pass;
mod poll;
mod queue;
mod scheduler;
#[cfg(test)]
mod simulation;
#[cfg(test)]
mod tests;

pub use queue::QueueKey;
pub use scheduler::{LongPolls, TooManyPolls};

use crate::model::{Millis, PartitionId};

/// A poll. Ids grow with time, so the smaller one is the older.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PollId(pub u64);

/// A question sent to a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AskId(pub u64);

/// The numbers the scheduler works by.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// How long an empty answer is believed without a notification.
    pub probe_interval: Millis,
    /// Most polls waiting in one queue.
    pub polls_per_queue: usize,
    /// Whether a poll fails when its pass found no job and the partition that failed last was
    /// overloaded, as with the JVM gateway (gateway-behaviour §8.2); otherwise it waits for what
    /// that partition says later.
    pub overload_ends_polls: bool,
}

/// How long a poll waits for jobs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    /// Not at all: one pass that asks every partition itself.
    Never,
    /// This long after its first empty pass.
    For(Millis),
}

/// A poll that arrives.
#[derive(Clone, Debug)]
pub struct NewPoll {
    /// The jobs it wants.
    pub queue: QueueKey,
    /// Equal for polls whose activated jobs are interchangeable: same worker, lock time, variables
    /// and authorization.
    pub terms: u64,
    /// Most jobs it takes; below 1 it never asks and only waits.
    pub max_jobs: i32,
    /// How long it waits.
    pub wait: Wait,
}

/// What a partition answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It activated this many jobs.
    Jobs {
        /// How many.
        count: usize,
        /// Whether the broker left some out for size.
        truncated: bool,
    },
    /// It refused the question; the poll fails with its reason.
    Rejected,
    /// It did not answer, or with an error.
    Failed {
        /// Whether it is overloaded.
        exhausted: bool,
    },
    /// The question was not sent, because the poll's client is gone.
    NotAsked,
}

/// Where activated jobs go: the first `count` to `to`, the rest back to the broker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Disposition {
    /// The poll that takes them.
    pub to: Option<PollId>,
    /// How many it takes.
    pub count: usize,
}

/// What the caller has to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Output {
    /// Ask the partition for at most `max_jobs` jobs on this poll's terms, and report with `ask`.
    Ask {
        /// Names the question.
        ask: AskId,
        /// The poll it is asked for.
        poll: PollId,
        /// Whom to ask.
        partition: PartitionId,
        /// For how many.
        max_jobs: i32,
    },
    /// The poll is complete.
    Complete {
        /// The poll.
        poll: PollId,
    },
    /// The poll ends without jobs because a partition is overloaded.
    Exhausted {
        /// The poll.
        poll: PollId,
    },
}
