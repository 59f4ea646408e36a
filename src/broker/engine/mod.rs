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
//!
//! `LIFECYCLE.md` beside this file tells how elements come and go.

mod api;
mod command;
mod correlation;
mod due;
mod element;
mod event;
mod incident;
mod remote;
mod scope;
mod start_event;
mod state;
mod step;
mod streams;
#[cfg(test)]
mod tests;
mod turn;
mod work;

pub use api::{
    CommandInput, EngineConfig, EngineStats, IncidentView, Input, JobStream, Output, RequestId,
    Response, StreamId, Tenants,
};
pub use event::Event;
pub use remote::{PartitionMessage, RemoteCommand, partition_of_correlation_key};

use crate::model::Millis;
use state::Incident;
use state::State;
use streams::Streams;
use turn::Turn;

/// The engine of one partition.
#[derive(Debug)]
pub struct Engine {
    config: EngineConfig,
    state: State,
    streams: Streams,
    events: Vec<Event>,
}

impl Engine {
    /// An engine without any history.
    #[must_use]
    pub fn new(config: EngineConfig) -> Self {
        let state = State::new(config.partition);
        Self { config, state, streams: Streams::default(), events: Vec::new() }
    }

    /// Processes one input at time `now` and appends what has to be done to `out`.
    ///
    /// Deliver [`Output::ToPartition`] before sending the replies after it: then a client that
    /// deploys and goes on at another partition finds its process there.
    pub fn handle(&mut self, now: Millis, input: Input, out: &mut Vec<Output>) {
        let Self { config, state, streams, events } = self;
        let mut turn = Turn::new(config, state, streams, events, out, now);
        match input {
            Input::Command(command) => command::execute(&mut turn, command),
            Input::FromPartition { from, message } => remote::receive(&mut turn, from, message),
            Input::PushFailed { key } => work::push_failed(&mut turn, key),
            Input::StreamsChanged { streams } => turn.streams.replace(streams),
            Input::Tick => {
                due::fire(&mut turn);
                turn.resume();
            }
        }
        for _ in 0..turn.config.max_steps {
            match turn.next_step() {
                Some(step) => element::run(&mut turn, step),
                None => break,
            }
        }
        turn.finish();
    }

    /// When [`Input::Tick`] is due next, by the caller's clock; `None` while nothing waits for time
    /// to pass. What is due at once is due at the beginning of time.
    #[must_use]
    pub fn next_due(&self) -> Option<Millis> {
        const AT_ONCE: Millis = Millis(i64::MIN);
        if !self.state.postponed.is_empty() {
            return Some(AT_ONCE);
        }
        let next = self.state.schedule.next()?;
        match self.state.pinned_clock {
            // The caller's clock says nothing about a time that stands still.
            Some(pinned) => (next <= pinned).then_some(AT_ONCE),
            None => Some(next),
        }
    }

    /// Counts of what the engine holds.
    #[must_use]
    pub fn observe(&self) -> EngineStats {
        let state = &self.state;
        let (jobs_activatable, jobs_activated, jobs_failed) = state.jobs.counts();
        EngineStats {
            process_definitions: state.definitions.len(),
            process_instances: state.elements.process_instances(),
            element_instances: state.elements.len(),
            jobs_activatable,
            jobs_activated,
            jobs_failed,
            messages: state.messages.len(),
            message_subscriptions: state.messages.subscription_count(),
            timers: state.timers.len(),
            incidents: state.incidents.len(),
            open_incidents: self.open_incidents(),
            variables: state.variables.len(),
            held_requests: state.requests.len() + state.messages.held_requests(),
            unacknowledged: state.links.unacknowledged_count(),
            queued_steps: state.postponed.len(),
        }
    }

    fn open_incidents(&self) -> Vec<IncidentView> {
        let view = |incident: &Incident| {
            let instance = self.state.elements.get(incident.element_instance)?;
            let element = instance.definition.process.element(instance.element);
            Some(IncidentView {
                key: incident.key,
                error_type: incident.kind.name(),
                error_message: incident.message.clone(),
                process_instance_key: instance.process_instance,
                element_id: element.id.clone(),
                job_key: incident.job,
                variable_scope_key: incident.variable_scope,
            })
        };
        self.state.incidents.iter().take(IncidentView::SHOWN).filter_map(view).collect()
    }

    /// The events since the last call, in order; empty unless [`EngineConfig::keep_events`].
    pub fn take_events(&mut self) -> Vec<Event> {
        std::mem::take(&mut self.events)
    }

    /// Applies an event of an earlier run.
    pub fn replay(&mut self, event: Event) {
        self.state.apply(event);
    }
}
