//! Publishing messages, and correlating them with an answer.

use std::collections::BTreeSet;

use super::{Outcome, Processed, check_size, event, reject};
use crate::broker::engine::api::CommandInput;
use crate::broker::engine::correlation;
use crate::broker::engine::start_event;
use crate::broker::engine::state::{Address, Message, entries};
use crate::broker::engine::turn::Turn;
use crate::model::intent::message;
use crate::model::{Millis, RejectionType, ValueType};
use crate::wire::record::{MessageCorrelationRecord, MessageRecord, Record};

/// MESSAGE PUBLISH.
pub fn publish(turn: &mut Turn<'_>, command: &CommandInput) -> Processed {
    let mut record = MessageRecord::from_bytes(&command.value)?;
    entries(&record.variables)?;
    check_size(turn, &record.variables)?;
    let address = Address {
        tenant: record.tenant_id.as_str().into(),
        name: record.name.as_str().into(),
        correlation_key: record.correlation_key.as_str().into(),
    };
    if !record.message_id.is_empty() && turn.state.messages.has_id(&address, &record.message_id) {
        let reason = format!(
            "Expected to publish a new message with id '{}', but a message with that id was \
             already published",
            record.message_id
        );
        return reject(RejectionType::AlreadyExists, reason);
    }
    // A huge time to live means "for good"; a JVM broker's deadline overflows and the message is
    // gone at once (recorded: grpc/publish-message-big-ttl).
    let deadline = turn.now + Millis(record.time_to_live);
    record.deadline = deadline.0;
    let key = turn.new_key();
    let message = Message {
        key,
        address,
        message_id: record.message_id.clone(),
        variables: record.variables.clone(),
        expires: (record.time_to_live > 0).then_some(deadline),
        correlated: BTreeSet::new(),
        pending: 0,
        request: None,
    };
    correlation::publish(turn, message);
    event(key, ValueType::Message, message::PUBLISHED, &record)
}

/// MESSAGE_CORRELATION CORRELATE: answered when an instance took the message.
pub fn correlate(turn: &mut Turn<'_>, command: &CommandInput) -> Processed {
    let record = MessageCorrelationRecord::from_bytes(&command.value)?;
    entries(&record.variables)?;
    check_size(turn, &record.variables)?;
    let address = Address {
        tenant: record.tenant_id.as_str().into(),
        name: record.name.as_str().into(),
        correlation_key: record.correlation_key.as_str().into(),
    };
    let nobody = BTreeSet::new();
    if correlation::candidates(turn, &address, &nobody).is_empty()
        && start_event::ready(turn, &address, &nobody).is_empty()
    {
        return reject(RejectionType::NotFound, correlation::no_subscription(&address));
    }
    let message = Message {
        key: turn.new_key(),
        address,
        message_id: String::new(),
        variables: record.variables,
        expires: None,
        correlated: BTreeSet::new(),
        pending: 0,
        request: Some(command.request),
    };
    correlation::publish(turn, message);
    Ok(Outcome::Held)
}
