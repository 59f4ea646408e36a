//! Start events that a message or a timer triggers. The newest version of a process listens.
//!
//! Message start events listen on every partition, because a message goes to the partition of its
//! correlation key; timers run on the deployment partition alone.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::correlation;
use super::element::{self, Failure};
use super::event::Event;
use super::state::{
    Address, Definition, Entries, Message, StartLock, StartSubscription, Timer, entries,
};
use super::turn::Turn;
use crate::broker::bpmn::{ElementIndex, Process, Start};
use crate::model::{Key, PartitionId};

/// Whether the start events can be subscribed to. Asked before a process is deployed.
///
/// # Errors
/// The first start event that cannot, with the reason.
pub fn check(turn: &Turn<'_>, process: &Process) -> Result<(), (ElementIndex, Failure)> {
    for (event, start) in process.triggered_starts() {
        let checked = match start {
            Start::None => Ok(()),
            Start::Message(message) => element::message_name(turn, message).map(drop),
            Start::Timer(timer) => element::timer_firing(turn, timer).map(drop),
        };
        checked.map_err(|failure| (event, failure))?;
    }
    Ok(())
}

/// Takes over a definition; the version before it stops listening.
pub fn add_definition(turn: &mut Turn<'_>, definition: Arc<Definition>) {
    let latest = turn.state.definitions.latest(&definition.tenant, definition.process_id());
    if let Some(previous) = latest.map(|previous| previous.key) {
        stop_listening(turn, previous);
    }
    turn.emit(Event::DefinitionAdded { definition: definition.clone() });
    listen(turn, &definition);
}

/// Forgets a definition; the version before it listens again.
pub fn delete_definition(turn: &mut Turn<'_>, key: Key) {
    let Some(definition) = turn.state.definitions.of_any_tenant(key).cloned() else { return };
    stop_listening(turn, key);
    turn.emit(Event::DefinitionDeleted { key });
    let latest = turn.state.definitions.latest(&definition.tenant, definition.process_id());
    if let Some(latest) = latest.filter(|latest| latest.version < definition.version).cloned() {
        listen(turn, &latest);
    }
}

fn stop_listening(turn: &mut Turn<'_>, definition: Key) {
    turn.emit(Event::StartSubscriptionsClosed { definition });
    for key in turn.state.timers.of_owner(definition) {
        turn.emit(Event::TimerRemoved { key });
    }
}

fn listen(turn: &mut Turn<'_>, definition: &Arc<Definition>) {
    for (event, start) in definition.process.triggered_starts() {
        match start {
            Start::None => {}
            Start::Message(message) => {
                // Checked before the process was deployed.
                let Ok(name) = element::message_name(turn, message) else { continue };
                let subscription = StartSubscription {
                    definition: definition.key,
                    event,
                    tenant: definition.tenant.clone(),
                    process_id: definition.process_id().into(),
                    name: name.into(),
                };
                turn.emit(Event::StartSubscriptionOpened { subscription });
            }
            Start::Timer(timer) if turn.config.partition == PartitionId::DEPLOYMENT => {
                let Ok((due, repetition)) = element::timer_firing(turn, timer) else { continue };
                let key = turn.new_key();
                let timer = Timer { key, owner: definition.key, event, due, repetition };
                turn.emit(Event::TimerCreated { timer });
            }
            Start::Timer(_) => {}
        }
    }
}

/// A start timer's time has come.
pub fn timer_fired(turn: &mut Turn<'_>, definition: Key, event: ElementIndex) {
    if let Some(definition) = turn.state.definitions.of_any_tenant(definition).cloned() {
        element::start_process_by_event(turn, &definition, event, Entries::new());
    }
}

/// Starts an instance of each process that listens to a message and did not get it yet. Returns
/// the first instance.
pub fn message_published(turn: &mut Turn<'_>, message: Key) -> Option<Key> {
    let content = turn.state.messages.get(message)?.clone();
    let ready = ready(turn, &content.address, &content.correlated);
    let mut first = None;
    for subscription in ready {
        let started = begin(turn, &content, &subscription);
        first = first.or(started);
    }
    first
}

/// The processes that a message to this address would start now.
pub fn ready(
    turn: &Turn<'_>,
    address: &Address,
    correlated: &BTreeSet<Arc<str>>,
) -> Vec<StartSubscription> {
    let starts = &turn.state.starts;
    let free = |subscription: &&StartSubscription| {
        let process_id = subscription.process_id.clone();
        !correlated.contains(&process_id)
            && !starts.is_locked(&StartLock { process_id, address: address.clone() })
    };
    starts.listening(&address.tenant, &address.name).filter(free).cloned().collect()
}

fn begin(turn: &mut Turn<'_>, message: &Message, start: &StartSubscription) -> Option<Key> {
    let definition = turn.state.definitions.of_any_tenant(start.definition)?.clone();
    // A document that cannot be read was refused when the message was published.
    let variables = entries(&message.variables).ok()?;
    let process_id = start.process_id.clone();
    turn.emit(Event::MessageTaken { message: message.key, process_id: process_id.clone() });
    let instance = element::start_process_by_event(turn, &definition, start.event, variables);
    if !message.address.correlation_key.is_empty() {
        let lock = StartLock { process_id, address: message.address.clone() };
        turn.emit(Event::StartLocked { process_instance: instance, lock });
    }
    Some(instance)
}

/// Lets the next buffered message start an instance in place of one that ended.
pub fn instance_ended(turn: &mut Turn<'_>, process_instance: Key) {
    let Some(lock) = turn.state.starts.lock_of(process_instance).cloned() else { return };
    turn.emit(Event::StartUnlocked { process_instance });
    let StartLock { process_id, address } = &lock;
    let listens = |s: &&StartSubscription| s.process_id == *process_id;
    let start = turn.state.starts.listening(&address.tenant, &address.name).find(listens).cloned();
    let waiting = |message: &&Message| !message.correlated.contains(process_id);
    let message = turn.state.messages.at(address).find(waiting).cloned();
    if let (Some(start), Some(message)) = (start, message) {
        begin(turn, &message, &start);
        correlation::settle(turn, message.key);
    }
}
