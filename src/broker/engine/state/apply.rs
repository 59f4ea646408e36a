//! Letting events take effect. Deterministic: the same events give the same state.

use super::{Awaiting, JobState, Phase, State};
use crate::broker::bpmn::FlowIndex;
use crate::broker::engine::event::Event;
use crate::model::Key;

impl State {
    /// Applies one event.
    pub fn apply(&mut self, event: Event) {
        match event {
            Event::KeyUsed { key } => self.keys.used(key),
            Event::ClockSet { key, pinned } => {
                self.keys.used(key);
                self.pinned_clock = pinned;
            }
            Event::DefinitionAdded { definition } => {
                self.keys.used(definition.key);
                self.definitions.insert(definition);
            }
            Event::DefinitionDeleted { key } => self.definitions.remove(key),
            Event::VariablesSet { scope, entries } => self.variables.set(scope, entries),
            Event::ResultAwaited { process_instance, request, fetch_variables } => {
                self.requests.insert(process_instance, Awaiting { request, fetch_variables });
            }
            Event::ResultSent { process_instance } => self.requests.remove(process_instance),
            Event::IncidentCreated { incident } => {
                self.keys.used(incident.key);
                self.incidents.insert(*incident);
            }
            Event::IncidentRemoved { key } => self.incidents.remove(key),
            Event::TimerCreated { timer } => {
                self.keys.used(timer.key);
                self.timers.insert(timer, &mut self.schedule);
            }
            Event::TimerRemoved { key } => self.timers.remove(key, &mut self.schedule),
            Event::StepsPostponed { steps } => self.postponed.extend(steps),
            Event::StepsResumed { count } => drop(self.postponed.drain(..count)),
            other => self.apply_to_element(other),
        }
    }

    fn apply_to_element(&mut self, event: Event) {
        match event {
            Event::ElementActivating { instance, consumed } => {
                self.keys.used(instance.key);
                if let Some(scope) = instance.scope {
                    self.consume(scope, &consumed);
                }
                self.elements.insert(*instance);
            }
            Event::ElementActivated { key } => {
                self.elements.update(key, |instance| instance.phase = Phase::Active);
            }
            Event::ElementCompleting { key } => {
                self.elements.update(key, |instance| instance.phase = Phase::Completing);
            }
            Event::ElementTerminating { key, interruption } => {
                self.elements.update(key, |instance| {
                    instance.phase = Phase::Terminating;
                    instance.interruption = interruption;
                    instance.tokens.clear();
                });
            }
            Event::ElementCompleted { key } | Event::ElementTerminated { key } => {
                self.elements.remove(key);
                self.variables.remove_scope(key);
            }
            Event::FlowTaken { scope, flow } => {
                self.elements.update(scope, |scope| *scope.tokens.entry(flow).or_default() += 1);
            }
            Event::TokensDropped { scope } => {
                self.elements.update(scope, |scope| scope.tokens.clear());
            }
            other => self.apply_to_job(other),
        }
    }

    fn consume(&mut self, scope: Key, flows: &[FlowIndex]) {
        self.elements.update(scope, |scope| {
            for flow in flows {
                if let Some(waiting) = scope.tokens.get_mut(flow) {
                    *waiting -= 1;
                    if *waiting == 0 {
                        scope.tokens.remove(flow);
                    }
                }
            }
        });
    }

    fn apply_to_job(&mut self, event: Event) {
        let schedule = &mut self.schedule;
        match event {
            Event::JobCreated { job } => {
                self.keys.used(job.key);
                let key = job.key;
                self.elements.update(job.element_instance, |instance| instance.job = Some(key));
                self.jobs.insert(*job, schedule);
            }
            Event::JobsActivated { keys, worker, deadline } => {
                for key in keys {
                    self.jobs.update(key, schedule, |job| {
                        job.state = JobState::Activated;
                        job.worker = worker.clone();
                        job.deadline = Some(deadline);
                    });
                }
            }
            Event::JobActivatable { key } => self.jobs.update(key, schedule, |job| {
                job.state = JobState::Activatable;
                job.recurs_at = None;
            }),
            Event::JobFailed { key, retries, backoff_ms, recurs_at, message } => {
                self.jobs.update(key, schedule, |job| {
                    let retry_now = retries > 0 && recurs_at.is_none();
                    job.state = if retry_now { JobState::Activatable } else { JobState::Failed };
                    job.retries = retries;
                    job.backoff_ms = backoff_ms;
                    job.recurs_at = recurs_at;
                    job.error_message = message;
                });
            }
            Event::JobBlocked { key } => {
                self.jobs.update(key, schedule, |job| job.state = JobState::Failed);
            }
            Event::JobErrorUncaught { key, code, message } => {
                self.jobs.update(key, schedule, |job| {
                    job.state = JobState::ErrorThrown;
                    job.error_code = code;
                    job.error_message = message;
                });
            }
            Event::JobUpdated { key, retries, deadline } => {
                self.jobs.update(key, schedule, |job| {
                    job.retries = retries.unwrap_or(job.retries);
                    job.deadline = deadline.or(job.deadline);
                });
            }
            Event::JobRemoved { key, element_instance } => {
                self.jobs.remove(key, schedule);
                self.elements.update(element_instance, |instance| instance.job = None);
            }
            other => self.apply_to_message(other),
        }
    }

    fn apply_to_message(&mut self, event: Event) {
        match event {
            Event::MessageAwaited { wait } => self.waits.insert(wait),
            Event::MessageWaitEnded { id } => self.waits.remove(&id),
            Event::MessagePublished { message } => {
                self.keys.used(message.key);
                self.messages.insert(*message, &mut self.schedule);
            }
            Event::MessageTaken { message, process_id } => {
                self.messages.update(message, |message| {
                    message.correlated.insert(process_id);
                });
            }
            Event::StartSubscriptionOpened { subscription } => self.starts.open(subscription),
            Event::StartSubscriptionsClosed { definition } => self.starts.close(definition),
            Event::StartLocked { process_instance, lock } => {
                self.starts.lock(process_instance, lock);
            }
            Event::StartUnlocked { process_instance } => self.starts.unlock(process_instance),
            Event::MessageExpired { key } => self.messages.remove(key, &mut self.schedule),
            Event::SubscriptionOpened { subscription } => {
                self.keys.used(subscription.key);
                self.messages.subscribe(*subscription);
            }
            Event::SubscriptionClosed { id } => self.messages.unsubscribe(&id),
            Event::CorrelationBegun { id, message, process_id } => {
                self.messages.set_correlating(&id, Some(message));
                self.messages.update(message, |message| {
                    message.correlated.insert(process_id);
                    message.pending += 1;
                });
            }
            Event::CorrelationEnded { id, message } => {
                self.messages.set_correlating(&id, None);
                self.messages.update(message, |message| message.pending -= 1);
            }
            Event::CorrelationUndone { message, process_id } => {
                self.messages.update(message, |message| {
                    message.correlated.remove(&process_id);
                });
            }
            Event::CorrelationAnswered { message } => {
                self.messages.update(message, |message| message.request = None);
            }
            other => self.apply_to_link(other),
        }
    }

    fn apply_to_link(&mut self, event: Event) {
        match event {
            Event::CommandSent { to, command, resend_at } => {
                self.links.sent(to, *command, resend_at, &mut self.schedule);
            }
            Event::CommandsAcknowledged { by, through } => {
                self.links.acknowledged(by, through, &mut self.schedule);
            }
            Event::CommandsResent { to, next } => {
                self.links.resent(to, next, &mut self.schedule);
            }
            Event::CommandExecuted { from, sequence } => self.links.executed(from, sequence),
            other => unreachable!("{other:?} is applied above"),
        }
    }
}
