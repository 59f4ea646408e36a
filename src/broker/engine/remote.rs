//! What the engines of different partitions say to each other.
//!
//! Commands to one peer are numbered from 1 and executed by it in that order, each exactly once:
//! the sender keeps a command until it is acknowledged and sends it again after a while; the
//! receiver acknowledges what it has seen already and ignores what comes too early. So a shell may
//! lose, repeat and reorder these messages.

use std::sync::Arc;

use super::correlation;
use super::event::Event;
use super::start_event;
use super::state::{Address, Definition, SubscriptionId};
use super::turn::Turn;
use crate::model::{Key, Millis, PartitionId};
use crate::wire::record::Document;

/// One message between partitions.
#[derive(Clone, Debug, PartialEq)]
pub enum PartitionMessage {
    /// Something to do.
    Command {
        /// Its number among the sender's commands to this receiver.
        sequence: u64,
        /// What to do.
        command: RemoteCommand,
    },
    /// Everything up to this number was done.
    Acknowledge {
        /// The number of the last command done.
        through: u64,
    },
}

/// Something one partition asks of another.
#[derive(Clone, Debug, PartialEq)]
pub enum RemoteCommand {
    /// Take over deployed definitions.
    AddDefinitions(Vec<Arc<Definition>>),
    /// Forget a deployed definition.
    DeleteDefinition(Key),
    /// Open a subscription for an element instance of the sender.
    Subscribe(Box<SubscribeCommand>),
    /// Close it.
    Unsubscribe(SubscriptionId),
    /// A message for an element instance of the receiver.
    Correlate(Box<CorrelateCommand>),
    /// The element instance took the message.
    Correlated {
        /// The subscription.
        id: SubscriptionId,
        /// The message.
        message: Key,
    },
    /// The element instance does not wait any more.
    NotCorrelated {
        /// The subscription.
        id: SubscriptionId,
        /// The message.
        message: Key,
        /// The process that may have another instance for it.
        process_id: Arc<str>,
    },
}

/// Content of [`RemoteCommand::Subscribe`].
#[derive(Clone, Debug, PartialEq)]
pub struct SubscribeCommand {
    /// Who waits for what.
    pub id: SubscriptionId,
    /// The message waited for.
    pub address: Address,
    /// The waiting process instance.
    pub process_instance: Key,
    /// Its process.
    pub process_id: Arc<str>,
    /// Whether the first message ends the wait.
    pub interrupting: bool,
}

/// Content of [`RemoteCommand::Correlate`].
#[derive(Clone, Debug, PartialEq)]
pub struct CorrelateCommand {
    /// The subscription.
    pub id: SubscriptionId,
    /// The message.
    pub message: Key,
    /// The process that waits.
    pub process_id: Arc<str>,
    /// What it carries.
    pub variables: Document,
}

/// The partition that holds the subscriptions of a correlation key (command-api §3.3).
#[must_use]
pub fn partition_of_correlation_key(key: &str, partitions: u16) -> PartitionId {
    let hash = key
        .bytes()
        .fold(0_i32, |hash, byte| hash.wrapping_mul(31).wrapping_add(i32::from(byte as i8)));
    let remainder = hash % i32::from(partitions.max(1));
    PartitionId(remainder.unsigned_abs() as u16 + 1)
}

/// Takes in what `from` said.
pub fn receive(turn: &mut Turn<'_>, from: PartitionId, message: PartitionMessage) {
    match message {
        PartitionMessage::Acknowledge { through } => {
            if turn.state.links.unacknowledged(from).next().is_some_and(|(n, _)| n <= through) {
                turn.emit(Event::CommandsAcknowledged { by: from, through });
            }
        }
        PartitionMessage::Command { sequence, command } => {
            let received = turn.state.links.received(from);
            if sequence == received + 1 {
                turn.emit(Event::CommandExecuted { from, sequence });
                execute(turn, from, command);
            }
            // A gap is not acknowledged beyond its begin: the sender will repeat from there.
            let through = turn.state.links.received(from);
            turn.tell(from, PartitionMessage::Acknowledge { through });
        }
    }
}

/// Does what `from`, maybe this very partition, asks.
pub fn execute(turn: &mut Turn<'_>, from: PartitionId, command: RemoteCommand) {
    match command {
        RemoteCommand::AddDefinitions(definitions) => {
            for definition in definitions {
                start_event::add_definition(turn, definition);
            }
        }
        RemoteCommand::DeleteDefinition(key) => start_event::delete_definition(turn, key),
        RemoteCommand::Subscribe(command) => correlation::subscribe(turn, from, *command),
        RemoteCommand::Unsubscribe(id) => correlation::unsubscribe(turn, &id),
        RemoteCommand::Correlate(command) => correlation::deliver(turn, from, *command),
        RemoteCommand::Correlated { id, message } => correlation::accepted(turn, id, message),
        RemoteCommand::NotCorrelated { id, message, process_id } => {
            correlation::declined(turn, id, message, process_id);
        }
    }
}

/// Commands repeated at once; the acknowledgement of these brings on the next ones.
const RESENT_AT_ONCE: usize = 256;

/// Sends again what `to` has not acknowledged.
pub fn resend(turn: &mut Turn<'_>, to: PartitionId) {
    let next = turn.now + Millis(turn.config.resend_after_ms);
    let commands: Vec<_> = turn
        .state
        .links
        .unacknowledged(to)
        .take(RESENT_AT_ONCE)
        .map(|(sequence, command)| (sequence, command.clone()))
        .collect();
    for (sequence, command) in commands {
        turn.tell(to, PartitionMessage::Command { sequence, command });
    }
    turn.emit(Event::CommandsResent { to, next });
}
