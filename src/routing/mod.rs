//! Which partition a command goes to, and where it goes after a failure.
//!
//! Pure policies over the [`ClusterView`](crate::model::ClusterView), used by the dispatcher and by
//! job activation: no clock, no IO, no randomness. Source: command-api §3.

pub mod correlation;
pub mod creation;
pub mod health;
pub mod job_streams;
pub mod long_poll;
pub mod management;
pub mod partition;
pub mod retry;
pub mod round_robin;
pub mod versions;

pub use correlation::correlation_partition;
pub use creation::Candidates;
pub use health::{Ailment, Gate, Health};
pub use partition::{Router, partition_by_number};
pub use retry::{Next, RETRY_DELAY, RetryQueue, Turn, after_failure};
pub use round_robin::RoundRobin;
