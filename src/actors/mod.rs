//! The actors, in the order a command meets them, and the door the frontends use.
//!
//! ```text
//! frontend ─▶ Gateway ─▶ Session ─▶ Dispatcher ─▶ LeaderConnection[p] ─▶ broker leading p
//!    ▲        (door)                    ▲  ▲               │
//!    └── answer, straight from the request table ──────────┘
//!                    JobActivation ─────┘  └── ClusterView ── Topology ◀── gossip
//! ```
//!
//! | actor | started by | arbiter | after a failure |
//! |---|---|---|---|
//! | session | the door, one per client connection | data, in turn | ends; its connection is closed |
//! | dispatcher | the gateway | data, first | restarts; 5 in 60 s end the process |
//! | leader-connection | the dispatcher, one per partition | data, by partition | restarts, always |
//! | topology | the gateway | control | restarts; 5 in 60 s end the process |
//! | job-activation | the gateway | control | restarts; 5 in 60 s end the process |
//! | management | the gateway | control | restarts, always |
//!
//! What may be in flight is bounded by permits ([`admission`]), not by mailboxes. Handlers take
//! microseconds and never wait; no actor holds a future or a timer per request.

use std::time::Duration;

use supervise::{Backoff, Policy};

pub mod activation;
pub mod admission;
mod alarm;
pub mod cell;
pub mod dispatcher;
pub mod gateway;
pub mod job_caller;
pub mod job_stream;
pub mod jobs;
pub mod leader;
pub mod mailbox;
pub mod management;
pub mod request_table;
pub mod session;
pub mod shared;
pub mod spawner;
pub mod start;
pub mod supervise;
#[cfg(test)]
mod test_panic;
#[cfg(test)]
mod tests;
pub mod ticket;
pub mod topology;
pub mod watchdog;

pub use gateway::{Gateway, SessionHandle};

/// Pause before an actor is restarted.
const RESTART: Backoff = Backoff { first: Duration::from_millis(20), max: Duration::from_secs(1) };
/// Pause before a connection is opened again.
const RECONNECT: Backoff =
    Backoff { first: Duration::from_millis(50), max: Duration::from_secs(5) };
/// For actors of which there is one: without it the process is of no use.
const ESSENTIAL: Policy =
    Policy::Escalate { backoff: RESTART, failures: 5, within: Duration::from_secs(60) };

/// Policy of the dispatcher.
pub const DISPATCHER: Policy = ESSENTIAL;
/// Policy of the topology.
pub const TOPOLOGY: Policy = ESSENTIAL;
/// Policy of job activation.
pub const JOB_ACTIVATION: Policy = ESSENTIAL;
/// Policy of management: commands do not need it.
pub const MANAGEMENT: Policy = Policy::Always(RESTART);
/// Policy of leader connections.
pub const LEADER_CONNECTION: Policy = Policy::Always(RECONNECT);
