//! Waiting for messages and timers, and what happens when they come.

use std::sync::Arc;

use super::time::{self, Firing};
use super::{Context, Failure, expression, lifecycle};
use crate::broker::bpmn::{
    BoundaryTrigger, Catch, ElementIndex, ElementKind, Message, Timer as TimerModel,
};
use crate::broker::engine::event::Event;
use crate::broker::engine::remote::{
    RemoteCommand, SubscribeCommand, partition_of_correlation_key,
};
use crate::broker::engine::start_event;
use crate::broker::engine::state::{
    Address, Entries, Interruption, MessageWait, Phase, Repetition, SubscriptionId, Timer,
};
use crate::broker::engine::turn::Turn;
use crate::model::{Key, Millis};

/// An event an instance waits for, with everything evaluated.
enum Wait {
    Timer { event: ElementIndex, firing: Firing },
    Message { event: ElementIndex, name: String, correlation_key: String, interrupting: bool },
}

/// What an element may wait for: its own event, those of its boundary events, those that follow
/// an event-based gateway.
fn awaited<'a>(context: &'a Context) -> Vec<(ElementIndex, Awaited<'a>, bool)> {
    let process = &context.definition.process;
    let element = context.element();
    let mut awaited = Vec::new();
    match &element.kind {
        ElementKind::IntermediateCatchEvent(catch) => {
            awaited.push((context.index, Awaited::of(catch), true));
        }
        ElementKind::ReceiveTask(message) => {
            awaited.push((context.index, Awaited::Message(message), true));
        }
        ElementKind::EventBasedGateway => {
            for flow in &element.outgoing {
                let target = process.flow(*flow).target;
                match &process.element(target).kind {
                    ElementKind::IntermediateCatchEvent(catch) => {
                        awaited.push((target, Awaited::of(catch), true));
                    }
                    ElementKind::ReceiveTask(message) => {
                        awaited.push((target, Awaited::Message(message), true));
                    }
                    _ => {}
                }
            }
        }
        _ => {}
    }
    for index in &element.boundary_events {
        let ElementKind::BoundaryEvent(boundary) = &process.element(*index).kind else { continue };
        let event = match &boundary.trigger {
            BoundaryTrigger::Error(_) => continue,
            BoundaryTrigger::Message(message) => Awaited::Message(message),
            BoundaryTrigger::Timer(timer) => Awaited::Timer(timer),
        };
        awaited.push((*index, event, boundary.interrupting));
    }
    awaited
}

/// The model of an event.
enum Awaited<'a> {
    Message(&'a Message),
    Timer(&'a TimerModel),
}

impl<'a> Awaited<'a> {
    fn of(catch: &'a Catch) -> Self {
        match catch {
            Catch::Message(message) => Self::Message(message),
            Catch::Timer(timer) => Self::Timer(timer),
        }
    }
}

/// Begins to wait for all events of an element.
pub fn subscribe(turn: &mut Turn<'_>, context: &Context) -> Result<(), Failure> {
    let mut waits = Vec::new();
    for (event, awaited, interrupting) in awaited(context) {
        waits.push(match awaited {
            Awaited::Timer(timer) => {
                Wait::Timer { event, firing: time::firing(turn, context.key, timer)? }
            }
            Awaited::Message(message) => evaluate(turn, context, event, message, interrupting)?,
        });
    }
    for wait in waits {
        match wait {
            Wait::Timer { event, firing: Firing { due, repetition } } => {
                let key = turn.new_key();
                let timer = Timer { key, owner: context.key, event, due, repetition };
                turn.emit(Event::TimerCreated { timer });
            }
            Wait::Message { event, name, correlation_key, interrupting } => {
                open(turn, context, event, name, correlation_key, interrupting);
            }
        }
    }
    Ok(())
}

fn evaluate(
    turn: &Turn<'_>,
    context: &Context,
    event: ElementIndex,
    message: &Message,
    interrupting: bool,
) -> Result<Wait, Failure> {
    // A boundary event is outside of its activity: it does not see the activity's variables.
    let outside = event != context.index
        && matches!(context.definition.process.element(event).kind, ElementKind::BoundaryEvent(_));
    let scope = if outside { context.scope.unwrap_or(context.key) } else { context.key };
    let name = expression::text(turn, scope, &message.name)?;
    let correlation_key = match &message.correlation_key {
        Some(key) => expression::correlation_key(turn, scope, key)?,
        None => String::new(),
    };
    Ok(Wait::Message { event, name, correlation_key, interrupting })
}

fn open(
    turn: &mut Turn<'_>,
    context: &Context,
    event: ElementIndex,
    name: String,
    correlation_key: String,
    interrupting: bool,
) {
    let partition = partition_of_correlation_key(&correlation_key, turn.config.partitions);
    let name: Arc<str> = name.into();
    let id = SubscriptionId { element_instance: context.key, name: name.clone() };
    let wait = MessageWait { id: id.clone(), event, partition, interrupting };
    turn.emit(Event::MessageAwaited { wait });
    let address = Address {
        tenant: context.definition.tenant.clone(),
        name,
        correlation_key: correlation_key.into(),
    };
    let command = SubscribeCommand {
        id,
        address,
        process_instance: context.process_instance,
        process_id: context.definition.process_id().into(),
        interrupting,
    };
    turn.send(partition, RemoteCommand::Subscribe(Box::new(command)));
}

/// Waits for nothing any more.
pub fn unsubscribe(turn: &mut Turn<'_>, element_instance: Key) {
    for key in turn.state.timers.of_owner(element_instance) {
        turn.emit(Event::TimerRemoved { key });
    }
    for wait in turn.state.waits.of_element_instance(element_instance) {
        turn.emit(Event::MessageWaitEnded { id: wait.id.clone() });
        turn.send(wait.partition, RemoteCommand::Unsubscribe(wait.id));
    }
}

/// A message reached what waits for it.
pub fn message_arrived(turn: &mut Turn<'_>, wait: MessageWait, variables: Entries) {
    let MessageWait { id, event, interrupting, .. } = wait;
    let element_instance = id.element_instance;
    if interrupting {
        // The subscription closes itself with the answer.
        turn.emit(Event::MessageWaitEnded { id });
    }
    trigger(turn, element_instance, event, variables);
}

/// A timer's time has come.
pub fn timer_fired(turn: &mut Turn<'_>, key: Key) {
    let Some(timer) = turn.state.timers.get(key).cloned() else { return };
    turn.emit(Event::TimerRemoved { key });
    repeat(turn, &timer);
    match turn.state.elements.get(timer.owner) {
        Some(_) => trigger(turn, timer.owner, timer.event, Entries::new()),
        None => start_event::timer_fired(turn, timer.owner, timer.event),
    }
}

fn repeat(turn: &mut Turn<'_>, timer: &Timer) {
    let Some(Repetition { every, left }) = timer.repetition else { return };
    let Some(due) = every.after(timer.due) else { return };
    let repetition = match left {
        None => timer.repetition,
        Some(1) => None,
        Some(left) => Some(Repetition { every, left: Some(left - 1) }),
    };
    let key = turn.new_key();
    turn.emit(Event::TimerCreated { timer: Timer { key, due, repetition, ..timer.clone() } });
}

/// Lets an event happen to the element instance that waits for it.
fn trigger(turn: &mut Turn<'_>, element_instance: Key, event: ElementIndex, variables: Entries) {
    let Some(instance) = turn.state.elements.get(element_instance) else { return };
    if instance.phase != Phase::Active {
        return;
    }
    if event == instance.element {
        return lifecycle::complete(turn, element_instance, variables);
    }
    let process = &instance.definition.process;
    let interrupting = match &process.element(event).kind {
        ElementKind::BoundaryEvent(boundary) => boundary.interrupting,
        _ => true,
    };
    if interrupting {
        let interruption = Interruption { event, variables };
        return lifecycle::terminate(turn, element_instance, Some(interruption));
    }
    if let Some(scope) = instance.scope {
        lifecycle::activate(turn, event, scope, Vec::new(), Some(variables));
    }
}

/// The name of a start event's message. No variables exist yet.
pub fn message_name(turn: &Turn<'_>, message: &Message) -> Result<String, Failure> {
    expression::text(turn, Key::NONE, &message.name)
}

/// When a start event's timer fires.
pub fn timer_firing(
    turn: &Turn<'_>,
    timer: &TimerModel,
) -> Result<(Millis, Option<Repetition>), Failure> {
    let Firing { due, repetition } = time::firing(turn, Key::NONE, timer)?;
    Ok((due, repetition))
}
