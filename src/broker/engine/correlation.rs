//! Bringing messages and waiting element instances together, across partitions.
//!
//! The partition of the correlation key has the messages and the subscriptions; the partition of
//! the process instance has the wait. A message is sent to the oldest subscription of each
//! process, and each process gets it once; what the instance's partition answers settles it.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::api::Response;
use super::element;
use super::event::Event;
use super::remote::{CorrelateCommand, RemoteCommand, SubscribeCommand};
use super::start_event;
use super::state::{Address, Message, Phase, Subscription, SubscriptionId, entries};
use super::turn::Turn;
use crate::model::intent::message_correlation;
use crate::model::{Key, PartitionId, RejectionType, ValueType};
use crate::wire::record::{MessageCorrelationRecord, Record};

/// Opens a subscription and serves it from the buffer.
pub fn subscribe(turn: &mut Turn<'_>, from: PartitionId, command: SubscribeCommand) {
    if turn.state.messages.subscription(&command.id).is_some() {
        return;
    }
    let id = command.id.clone();
    let subscription = Subscription {
        key: turn.new_key(),
        id: command.id,
        address: command.address,
        partition: from,
        process_instance: command.process_instance,
        process_id: command.process_id,
        interrupting: command.interrupting,
        correlating: None,
    };
    turn.emit(Event::SubscriptionOpened { subscription: Box::new(subscription) });
    serve(turn, &id);
}

/// Closes a subscription.
pub fn unsubscribe(turn: &mut Turn<'_>, id: &SubscriptionId) {
    if turn.state.messages.subscription(id).is_some() {
        turn.emit(Event::SubscriptionClosed { id: id.clone() });
    }
}

/// Sends the oldest buffered message that its process did not get yet to a free subscription.
fn serve(turn: &mut Turn<'_>, id: &SubscriptionId) {
    let messages = &turn.state.messages;
    let Some(subscription) = messages.subscription(id).filter(|s| s.correlating.is_none()) else {
        return;
    };
    let fits = |message: &&Message| !message.correlated.contains(&subscription.process_id);
    let message = messages.at(&subscription.address).find(fits).map(|message| message.key);
    if let Some(message) = message {
        begin(turn, id, message);
    }
}

fn begin(turn: &mut Turn<'_>, id: &SubscriptionId, message: Key) {
    let messages = &turn.state.messages;
    let (Some(subscription), Some(content)) = (messages.subscription(id), messages.get(message))
    else {
        return;
    };
    let (to, process_id) = (subscription.partition, subscription.process_id.clone());
    let command = CorrelateCommand {
        id: id.clone(),
        message,
        process_id: process_id.clone(),
        variables: content.variables.clone(),
    };
    turn.emit(Event::CorrelationBegun { id: id.clone(), message, process_id });
    turn.send(to, RemoteCommand::Correlate(Box::new(command)));
}

/// The oldest free subscription of each process that did not get the message yet.
pub fn candidates(
    turn: &Turn<'_>,
    address: &Address,
    correlated: &BTreeSet<Arc<str>>,
) -> Vec<SubscriptionId> {
    let mut taken = correlated.clone();
    let mut chosen = Vec::new();
    for subscription in turn.state.messages.subscribers(address) {
        if subscription.correlating.is_none() && taken.insert(subscription.process_id.clone()) {
            chosen.push(subscription.id.clone());
        }
    }
    chosen
}

/// Publishes a message: buffers it and sends it to whoever waits.
pub fn publish(turn: &mut Turn<'_>, message: Message) {
    let key = message.key;
    let receivers = candidates(turn, &message.address, &message.correlated);
    turn.emit(Event::MessagePublished { message: Box::new(message) });
    for id in receivers {
        begin(turn, &id, key);
    }
    if let Some(process_instance) = start_event::message_published(turn, key) {
        answer(turn, key, Some(process_instance));
    }
    settle(turn, key);
}

/// Drops a message that is not buffered once all who got it have answered.
pub fn settle(turn: &mut Turn<'_>, key: Key) {
    let message = turn.state.messages.get(key);
    if message.is_some_and(|message| message.expires.is_none() && message.pending == 0) {
        turn.emit(Event::MessageExpired { key });
    }
}

/// Brings a message to an element instance of this partition.
pub fn deliver(turn: &mut Turn<'_>, from: PartitionId, command: CorrelateCommand) {
    let CorrelateCommand { id, message, process_id, variables } = command;
    let wait = turn.state.waits.get(&id).cloned();
    let instance = turn.state.elements.get(id.element_instance);
    let waits = instance.is_some_and(|instance| instance.phase == Phase::Active);
    // A document that cannot be read was refused when the message was published.
    let variables = entries(&variables).ok();
    match (wait, variables) {
        (Some(wait), Some(variables)) if waits => {
            turn.send(from, RemoteCommand::Correlated { id, message });
            element::message_arrived(turn, wait, variables);
        }
        _ => turn.send(from, RemoteCommand::NotCorrelated { id, message, process_id }),
    }
}

/// The element instance took the message.
pub fn accepted(turn: &mut Turn<'_>, id: SubscriptionId, message: Key) {
    turn.emit(Event::CorrelationEnded { id: id.clone(), message });
    let subscription = turn.state.messages.subscription(&id);
    let process_instance = subscription.map_or(Key::NONE, |s| s.process_instance);
    if subscription.is_some_and(|subscription| subscription.interrupting) {
        turn.emit(Event::SubscriptionClosed { id });
    } else {
        serve(turn, &id);
    }
    answer(turn, message, Some(process_instance));
    settle(turn, message);
}

/// The element instance was gone: the message is for another instance of the process.
pub fn declined(turn: &mut Turn<'_>, id: SubscriptionId, message: Key, process_id: Arc<str>) {
    turn.emit(Event::CorrelationEnded { id: id.clone(), message });
    turn.emit(Event::CorrelationUndone { message, process_id: process_id.clone() });
    unsubscribe(turn, &id);
    let Some(content) = turn.state.messages.get(message) else { return };
    let mut others = content.correlated.clone();
    others.remove(&process_id);
    let address = content.address.clone();
    let next = candidates(turn, &address, &others).into_iter().find(|candidate| {
        let subscription = turn.state.messages.subscription(candidate);
        subscription.is_some_and(|subscription| subscription.process_id == process_id)
    });
    match next {
        Some(next) => begin(turn, &next, message),
        None if turn.state.messages.get(message).is_some_and(|m| m.pending == 0) => {
            answer(turn, message, None);
        }
        None => {}
    }
    settle(turn, message);
}

/// Answers the request that waits for the message's correlation, if one does.
fn answer(turn: &mut Turn<'_>, key: Key, reached: Option<Key>) {
    let Some(message) = turn.state.messages.get(key) else { return };
    let Some(request) = message.request else { return };
    let mut record = MessageCorrelationRecord {
        name: message.address.name.to_string(),
        correlation_key: message.address.correlation_key.to_string(),
        variables: message.variables.clone(),
        tenant_id: message.address.tenant.to_string(),
        ..MessageCorrelationRecord::default()
    };
    let response = match reached {
        Some(process_instance) => {
            record.message_key = key.0;
            record.process_instance_key = process_instance.0;
            Response::Event {
                key: Key::NONE,
                value_type: ValueType::MessageCorrelation,
                intent: message_correlation::CORRELATED,
                value: record.to_bytes(),
            }
        }
        None => Response::Rejection {
            rejection: RejectionType::NotFound,
            reason: no_subscription(&message.address),
            value: record.to_bytes(),
            key: Key::NONE,
            value_type: ValueType::MessageCorrelation,
            intent: message_correlation::CORRELATE,
        },
    };
    turn.emit(Event::CorrelationAnswered { message: key });
    turn.reply(request, response);
}

/// The rejection text for a message that nobody waits for (recorded: rest/correlate-not-found).
pub fn no_subscription(address: &Address) -> String {
    format!(
        "Expected to find subscription for message with name '{}' and correlation key '{}', but \
         none was found.",
        address.name, address.correlation_key
    )
}
