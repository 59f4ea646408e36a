//! Clients' commands: one processor per command, found by value type and intent.
//!
//! A processor reads the record, checks it against the state and either emits the events of its
//! success or returns a [`Refusal`]; it never does half of its work.

mod cancel;
mod clock;
mod creation;
mod deployment;
mod incident;
mod job;
mod job_batch;
mod message;
mod resource;
mod signal;
mod variable;

use super::api::{CommandInput, Response};
use super::turn::Turn;
use crate::model::{CommandKind, ErrorCode, Key, RejectionType, ValueType};
use crate::wire::DecodeError;
use crate::wire::record::{Document, Record};

/// Why a command has no success.
#[derive(Clone, Debug, PartialEq)]
pub enum Refusal {
    /// The command's record is unreadable.
    Unreadable(DecodeError),
    /// The command is understood and cannot be carried out.
    Rejected(RejectionType, String),
}

impl From<DecodeError> for Refusal {
    fn from(error: DecodeError) -> Self {
        Self::Unreadable(error)
    }
}

/// What a processor has to say to the client now.
pub enum Outcome {
    /// The success reply.
    Done(Response),
    /// The reply comes later, by whoever finishes what was begun.
    Held,
}

/// What a processor returns.
pub type Processed = Result<Outcome, Refusal>;

/// A refusal with its reason.
pub fn reject<T>(rejection: RejectionType, reason: impl Into<String>) -> Result<T, Refusal> {
    Err(Refusal::Rejected(rejection, reason.into()))
}

/// Refuses variables that are larger than one command may carry.
pub fn check_size(turn: &Turn<'_>, variables: &Document) -> Result<(), Refusal> {
    let (bytes, limit) = (variables.as_msgpack().len(), turn.config.max_document_bytes);
    if bytes <= limit {
        return Ok(());
    }
    // Recorded without a reason (command-api §5.1); this one helps the client.
    let reason = format!(
        "Expected to process a command with variables, but they take {bytes} bytes and at most \
         {limit} are allowed"
    );
    reject(RejectionType::ExceededBatchRecordSize, reason)
}

/// The success reply of a command.
pub fn event(key: Key, value_type: ValueType, intent: u8, record: &impl Record) -> Processed {
    Ok(Outcome::Done(Response::Event { key, value_type, intent, value: record.to_bytes() }))
}

/// Executes a command and answers it.
pub fn execute(turn: &mut Turn<'_>, command: CommandInput) {
    let request = command.request;
    let response = match dispatch(turn, &command) {
        Ok(Outcome::Held) => return,
        Ok(Outcome::Done(response)) => response,
        Err(refusal) => refused(command, refusal),
    };
    turn.reply(request, response);
}

fn refused(command: CommandInput, refusal: Refusal) -> Response {
    match refusal {
        Refusal::Unreadable(error) => Response::Error {
            code: ErrorCode::MalformedRequest,
            message: format!("Expected to handle client message, but could not read it: {error}"),
        },
        Refusal::Rejected(rejection, reason) => Response::Rejection {
            rejection,
            reason,
            value: command.value,
            key: command.key,
            value_type: command.value_type,
            intent: command.intent,
        },
    }
}

/// The value types of commands a broker takes from clients (recorded: raw/null-valuetype).
const HANDLED: [ValueType; 22] = [
    ValueType::Job,
    ValueType::Deployment,
    ValueType::ProcessInstance,
    ValueType::Incident,
    ValueType::Message,
    ValueType::JobBatch,
    ValueType::VariableDocument,
    ValueType::ProcessInstanceCreation,
    ValueType::DecisionEvaluation,
    ValueType::ProcessInstanceModification,
    ValueType::Signal,
    ValueType::ResourceDeletion,
    ValueType::CommandDistribution,
    ValueType::ProcessInstanceBatch,
    ValueType::MessageBatch,
    ValueType::UserTask,
    ValueType::ProcessInstanceMigration,
    ValueType::CompensationSubscription,
    ValueType::MessageCorrelation,
    ValueType::User,
    ValueType::Clock,
    ValueType::Authorization,
];

fn dispatch(turn: &mut Turn<'_>, command: &CommandInput) -> Processed {
    if command.value.len() > turn.config.max_record_bytes {
        // Recorded: rest/14-size-limits.
        return Ok(Outcome::Done(Response::Error {
            code: ErrorCode::MalformedRequest,
            message: "Request size is above configured maxMessageSize.".to_owned(),
        }));
    }
    let of_kind = |kind: &&CommandKind| {
        kind.value_type() == command.value_type && kind.intent() == command.intent
    };
    let Some(kind) = CommandKind::ALL.iter().find(of_kind) else {
        return unknown(command);
    };
    match kind {
        CommandKind::Deploy => deployment::create(turn, command),
        CommandKind::DeleteResource => resource::delete(turn, command),
        CommandKind::CreateProcessInstance => creation::create(turn, command),
        CommandKind::CreateProcessInstanceWithResult => creation::create_with_result(turn, command),
        CommandKind::CancelProcessInstance => cancel::cancel(turn, command),
        CommandKind::SetVariables => variable::update(turn, command),
        CommandKind::ActivateJobs => job_batch::activate(turn, command),
        CommandKind::CompleteJob => job::complete(turn, command),
        CommandKind::FailJob => job::fail(turn, command),
        CommandKind::ThrowError => job::throw_error(turn, command),
        CommandKind::UpdateJobRetries => job::update_retries(turn, command),
        CommandKind::UpdateJobTimeout => job::update_timeout(turn, command),
        CommandKind::UpdateJob => job::update(turn, command),
        CommandKind::ResolveIncident => incident::resolve(turn, command),
        CommandKind::PublishMessage => message::publish(turn, command),
        CommandKind::CorrelateMessage => message::correlate(turn, command),
        CommandKind::BroadcastSignal => signal::broadcast(turn, command),
        CommandKind::PinClock => clock::pin(turn, command),
        CommandKind::ResetClock => clock::reset(turn, command),
        other => unsupported(*other),
    }
}

/// A JVM broker leaves an unknown intent without an answer (command-api §5.2); a client is better
/// served by being told.
fn unknown(command: &CommandInput) -> Processed {
    if HANDLED.contains(&command.value_type) {
        let reason = format!(
            "Expected to process a command of type {}, but intent {} is not supported",
            command.value_type, command.intent
        );
        return reject(RejectionType::InvalidState, reason);
    }
    let handled: Vec<_> = HANDLED.iter().map(|value_type| value_type.name()).collect();
    let found = match command.value_type.to_wire() {
        255 => "NULL_VAL",
        _ => command.value_type.name(),
    };
    Ok(Outcome::Done(Response::Error {
        code: ErrorCode::UnsupportedMessage,
        message: format!(
            "Expected to handle only messages of type [{}], but received one of type '{found}'",
            handled.join(", ")
        ),
    }))
}

fn unsupported(kind: CommandKind) -> Processed {
    let reason = format!(
        "Expected to process command {} {}, but the embedded broker does not support it",
        kind.value_type(),
        kind.intent_name()
    );
    reject(RejectionType::InvalidState, reason)
}
