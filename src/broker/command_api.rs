//! `command-api-P`: from the bytes of a request to the partition's queue (command-api §5.2).

use bytes::Bytes;

use super::authorization::tenants_of;
use super::engine::{CommandInput, RequestId};
use super::limits::Limits;
use super::partition::{Partition, Submission};
use super::reply;
use crate::model::{ErrorCode, Key, ValueType};
use crate::net::{Handler, Message, Responder};
use crate::wire::DecodeError;
use crate::wire::sbe::{ExecuteCommandRequest, Header, Message as _};

/// Handles `command-api-P` of one partition.
#[derive(Debug)]
pub struct CommandApi {
    /// Where commands go.
    pub partition: Partition,
    /// What is too large.
    pub limits: Limits,
}

/// Why a request does not reach the engine.
#[derive(Debug, PartialEq, Eq)]
pub struct Refusal {
    /// For programs.
    pub code: ErrorCode,
    /// For humans; begins like a JVM broker's text.
    pub message: String,
}

impl Refusal {
    /// The request cannot be read.
    pub fn unreadable(cause: impl std::fmt::Display) -> Self {
        let message = format!("Expected to handle client message, but could not read it: {cause}");
        Self { code: ErrorCode::MalformedRequest, message }
    }

    /// The request is of another kind.
    pub fn template(expected: u16, found: u16) -> Self {
        let message = format!(
            "Expected to handle only messages with template IDs of [{expected}], but received one \
             with id '{found}'"
        );
        Self { code: ErrorCode::InvalidMessageTemplate, message }
    }

    /// Not something this broker does.
    pub fn unsupported(message: impl Into<String>) -> Self {
        Self { code: ErrorCode::UnsupportedMessage, message: message.into() }
    }

    /// As the payload of a reply.
    pub fn to_bytes(&self) -> Bytes {
        reply::error(self.code, self.message.as_str())
    }
}

impl From<DecodeError> for Refusal {
    fn from(error: DecodeError) -> Self {
        Self::unreadable(error)
    }
}

impl Handler for CommandApi {
    fn handle(&self, message: Message, responder: Responder) {
        match read(&message, &self.limits) {
            Ok(input) => self.partition.submit(Submission { input, responder }),
            Err(refusal) => responder.reply(refusal.to_bytes()),
        }
    }
}

fn read(message: &Message, limits: &Limits) -> Result<CommandInput, Refusal> {
    if message.payload.len() > limits.command_bytes {
        let message = "Request size is above configured maxMessageSize.".to_owned();
        return Err(Refusal { code: ErrorCode::MalformedRequest, message });
    }
    let header = Header::decode(&message.payload)?;
    if header.template_id != ExecuteCommandRequest::TEMPLATE {
        return Err(Refusal::template(ExecuteCommandRequest::TEMPLATE, header.template_id));
    }
    let request = ExecuteCommandRequest::decode(&message.payload)?;
    let tenants = tenants_of(&request.authorization).map_err(Refusal::unreadable)?;
    Ok(CommandInput {
        request: RequestId(0),
        value_type: ValueType::from_wire(request.value_type),
        intent: request.intent,
        key: Key(request.key),
        operation_reference: Some(request.operation_reference).filter(|given| *given != -1),
        tenants,
        // A copy, because the engine may keep parts of it for long: a view would keep the whole
        // read buffer of the connection with it.
        value: Bytes::copy_from_slice(&request.value),
    })
}
