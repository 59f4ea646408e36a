//! The process engine of one partition: a pure state machine.
//!
//! An input and the time go in; answers, messages to other partitions and job notifications come
//! out. Inside, a command is checked against the state and produces events, and only events
//! change state, so replaying the events of a run gives the same state: what a durable journal
//! needs. No IO, no clock, no randomness, no order taken from a hash table.
//!
//! ```text
//! Input ─▶ command/ (validate) ─▶ Event ─▶ state/ (apply)
//!              │                    ▲
//!              └─▶ element/ (BPMN) ─┘ ─▶ Output
//! ```

mod api;
mod command;
mod event;
mod remote;
mod state;
mod turn;

pub use api::{
    CommandInput, EngineConfig, EngineStats, Input, JobStream, Output, RequestId, Response,
    StreamId, Tenants,
};
pub use event::Event;
pub use remote::{PartitionMessage, RemoteCommand, partition_of_correlation_key};

use crate::model::Millis;
use state::State;
use turn::Turn;

/// The engine of one partition.
#[derive(Debug)]
pub struct Engine {
    config: EngineConfig,
    state: State,
    events: Vec<Event>,
}

impl Engine {
    /// An engine without any history.
    #[must_use]
    pub fn new(config: EngineConfig) -> Self {
        let state = State::new(config.partition);
        Self { config, state, events: Vec::new() }
    }

    /// Processes one input at time `now` and appends what has to be done to `out`.
    pub fn handle(&mut self, now: Millis, input: Input, out: &mut Vec<Output>) {
        let mut turn = Turn::new(&self.config, &mut self.state, &mut self.events, out, now);
        match input {
            Input::Command(command) => command::execute(&mut turn, command),
            Input::FromPartition { .. }
            | Input::PushFailed { .. }
            | Input::StreamsChanged { .. }
            | Input::Tick => {}
        }
        turn.finish();
        if !self.config.keep_events {
            self.events.clear();
        }
    }

    /// When [`Input::Tick`] is due next; `None` while nothing waits for time to pass.
    #[must_use]
    pub fn next_due(&self) -> Option<Millis> {
        None
    }

    /// Counts of what the engine holds.
    #[must_use]
    pub fn observe(&self) -> EngineStats {
        EngineStats::default()
    }

    /// The events since the last call, in order; empty unless [`EngineConfig::keep_events`].
    pub fn take_events(&mut self) -> Vec<Event> {
        std::mem::take(&mut self.events)
    }

    /// Applies an event of an earlier run.
    pub fn replay(&mut self, event: &Event) {
        self.state.apply(event);
    }
}
