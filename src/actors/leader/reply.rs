//! What a broker's reply to a command means (command-api §1.5).

use bytes::Bytes;

use crate::actors::ticket::Answer;
use crate::error::GatewayError;
use crate::model::{CommandKind, PartitionId, RecordType, Reply};
use crate::wire::Address;
use crate::wire::frame::Status;
use crate::wire::sbe::{CommandReply, ExecuteCommandResponse};

/// Turns a reply frame into the answer to a command of this kind that was sent to `subject` at
/// `address`.
pub(super) fn interpret(
    kind: CommandKind,
    subject: &str,
    address: &Address,
    status: Status,
    payload: &Bytes,
) -> Answer {
    match status {
        Status::Ok => decode(kind, payload),
        Status::NoHandler => Err(GatewayError::NoRemoteHandler {
            subject: subject.to_owned(),
            address: address.to_string(),
        }),
        Status::HandlerException => {
            let text = String::from_utf8_lossy(payload);
            let text = if text.is_empty() { "no reason given".into() } else { text };
            Err(GatewayError::Internal(format!("remote handler failed to handle message: {text}")))
        }
        Status::ProtocolException => Err(GatewayError::Internal(format!(
            "{address} reports a protocol violation in a request to {subject}"
        ))),
    }
}

fn decode(kind: CommandKind, payload: &Bytes) -> Answer {
    let reply = CommandReply::decode(payload)
        .map_err(|error| GatewayError::Internal(format!("unreadable reply: {error}")))?;
    match reply {
        CommandReply::Response(response) => accept(kind, response),
        CommandReply::Error(error) => {
            Err(GatewayError::Broker { code: error.code, message: error.message })
        }
    }
}

fn accept(kind: CommandKind, response: ExecuteCommandResponse) -> Answer {
    if response.record_type == RecordType::CommandRejection {
        return Err(GatewayError::Rejected {
            intent: kind.intent_name(),
            rejection: response.rejection_type,
            reason: response.rejection_reason,
        });
    }
    if response.value_type != kind.reply_value_type() {
        return Err(GatewayError::Internal(format!(
            "expected a reply with value type {}, but it has {}",
            kind.reply_value_type(),
            response.value_type
        )));
    }
    Ok(Reply {
        partition: PartitionId(response.partition),
        key: crate::model::Key(response.key),
        value_type: response.value_type,
        intent: response.intent,
        value: response.value,
    })
}

#[cfg(test)]
mod tests {
    use bytes::BytesMut;

    use super::*;
    use crate::model::{ErrorCode, Key, RejectionType, ValueType, intent};
    use crate::wire::sbe::{ErrorResponse, Message};

    fn response() -> ExecuteCommandResponse {
        ExecuteCommandResponse {
            partition: 2,
            key: 77,
            record_type: RecordType::Event,
            value_type: ValueType::ProcessInstanceResult,
            intent: intent::process_instance_result::COMPLETED,
            rejection_type: RejectionType::NullVal,
            value: Bytes::from_static(b"\x80"),
            rejection_reason: String::new(),
        }
    }

    fn read(kind: CommandKind, message: &impl Message) -> Answer {
        let mut payload = BytesMut::new();
        message.encode(&mut payload);
        let address = Address::new("127.0.0.1", 26501);
        interpret(kind, "command-api-2", &address, Status::Ok, &payload.freeze())
    }

    #[test]
    fn events_are_replies_if_the_value_type_is_the_expected_one() {
        let expected = Reply {
            partition: PartitionId(2),
            key: Key(77),
            value_type: ValueType::ProcessInstanceResult,
            intent: 0,
            value: Bytes::from_static(b"\x80"),
        };
        let with_result = CommandKind::CreateProcessInstanceWithResult;
        assert_eq!(read(with_result, &response()), Ok(expected));
        let error = read(CommandKind::CreateProcessInstance, &response()).unwrap_err();
        assert!(matches!(error, GatewayError::Internal(_)), "{error}");
    }

    #[test]
    fn rejections_name_the_intent_that_was_asked_for() {
        let rejection = ExecuteCommandResponse {
            record_type: RecordType::CommandRejection,
            rejection_type: RejectionType::NotFound,
            rejection_reason: "no such process".into(),
            ..response()
        };
        let error = read(CommandKind::CreateProcessInstanceWithResult, &rejection).unwrap_err();
        assert_eq!(
            error.to_string(),
            "Command 'CREATE_WITH_AWAITING_RESULT' rejected with code 'NOT_FOUND': no such process"
        );
    }

    #[test]
    fn error_replies_keep_code_and_text() {
        let code = ErrorCode::ResourceExhausted;
        let error = ErrorResponse { code, message: "too much".into() };
        let expected = GatewayError::Broker { code, message: "too much".into() };
        assert_eq!(read(CommandKind::CompleteJob, &error), Err(expected));
    }

    #[test]
    fn failures_of_the_transport_have_errors_of_their_own() {
        let read = |status, payload: &'static [u8]| {
            let address = Address::new("10.0.0.7", 26501);
            let payload = Bytes::from_static(payload);
            interpret(CommandKind::CompleteJob, "command-api-1", &address, status, &payload)
                .unwrap_err()
        };
        let stale = read(Status::NoHandler, b"command-api-1");
        assert_eq!(stale.to_string(), "no remote handler for command-api-1 at 10.0.0.7:26501");
        assert!(
            read(Status::HandlerException, b"Invalid TEMPLATE_ID: 401")
                .to_string()
                .ends_with("failed to handle message: Invalid TEMPLATE_ID: 401")
        );
        assert!(matches!(read(Status::ProtocolException, b""), GatewayError::Internal(_)));
        assert!(matches!(read(Status::Ok, b"garbage"), GatewayError::Internal(_)));
    }
}
