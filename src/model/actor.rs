//! What the admin endpoint shows of an actor.

use std::collections::BTreeMap;

use serde::Serialize;

/// Where an actor is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ActorState {
    /// Being started.
    Starting,
    /// Working.
    Running,
    /// Failed; waiting to be restarted.
    BackingOff,
    /// Ended as intended.
    Stopped,
    /// Failed too often; will not come back.
    Failed,
}

/// How often an actor was restarted, by cause.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct RestartCounts {
    /// A handler panicked.
    pub panic: u64,
    /// It stopped itself because of an error.
    pub error: u64,
}

/// One actor at one moment. Reading it never waits for the actor.
#[derive(Clone, Debug, Serialize)]
pub struct ActorSnapshot {
    /// Unique name: kind and labels, for example `leader-connection[partition=3]`.
    pub name: String,
    /// Kind, for example `leader-connection`.
    pub kind: &'static str,
    /// What tells it from others of its kind.
    pub labels: BTreeMap<String, String>,
    /// Where it is in its life.
    pub state: ActorState,
    /// Whether there is work for it but it has not run for 5 s: it, or another actor on its thread,
    /// blocks.
    pub stalled: bool,
    /// Restarts so far.
    pub restarts: RestartCounts,
    /// Text of the last panic, if any.
    pub last_panic: Option<String>,
    /// Messages handled.
    pub messages_in: u64,
    /// Messages or commands it passed on.
    pub messages_out: u64,
    /// Messages waiting for it.
    pub depth: u64,
    /// Time since its (re)start, milliseconds.
    pub age_ms: u64,
    /// Time since it last ran, milliseconds.
    pub idle_ms: u64,
    /// Its own observable state, as it last published it.
    pub observed: serde_json::Value,
}
