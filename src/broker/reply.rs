//! Answers of the command API as bytes.

use bytes::{Bytes, BytesMut};

use super::engine::Response;
use crate::model::{ErrorCode, PartitionId, RecordType, RejectionType};
use crate::wire::sbe::{ErrorResponse, ExecuteCommandResponse, Message};

/// One message as the payload of a reply.
pub fn encode(message: &impl Message) -> Bytes {
    let mut out = BytesMut::new();
    message.encode(&mut out);
    out.freeze()
}

/// An error reply.
pub fn error(code: ErrorCode, message: impl Into<String>) -> Bytes {
    encode(&ErrorResponse { code, message: message.into() })
}

/// The engine's answer.
pub fn response(partition: PartitionId, response: Response) -> Bytes {
    match response {
        Response::Event { key, value_type, intent, value } => encode(&ExecuteCommandResponse {
            partition: partition.0,
            key: key.0,
            record_type: RecordType::Event,
            value_type,
            intent,
            rejection_type: RejectionType::NullVal,
            value,
            rejection_reason: String::new(),
        }),
        Response::Rejection { rejection, reason, value, key, value_type, intent } => {
            encode(&ExecuteCommandResponse {
                partition: partition.0,
                key: key.0,
                record_type: RecordType::CommandRejection,
                value_type,
                intent,
                rejection_type: rejection,
                value,
                rejection_reason: reason,
            })
        }
        Response::Error { code, message } => error(code, message),
    }
}
