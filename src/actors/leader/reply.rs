//! What a broker's reply to a command means (command-api §1.5).

use bytes::Bytes;

use super::Target;
use crate::actors::ticket::Answer;
use crate::error::GatewayError;
use crate::model::{CommandKind, ErrorCode, PartitionId, RecordType, Reply};
use crate::wire::frame::Status;
use crate::wire::sbe::{CommandReply, ErrorResponse, ExecuteCommandResponse};

/// Turns a reply frame into the answer to a command of this kind that was sent to `subject` at the
/// target. Failures name the partition; the JVM gateway's texts come first.
pub(super) fn interpret(
    kind: CommandKind,
    subject: &str,
    target: &Target,
    status: Status,
    payload: &Bytes,
) -> Answer {
    let Target { partition, address, .. } = target;
    match status {
        Status::Ok => decode(kind, *partition, payload),
        Status::NoHandler => Err(GatewayError::NoRemoteHandler {
            partition: *partition,
            subject: subject.to_owned(),
            address: address.to_string(),
        }),
        Status::HandlerException => {
            let text = String::from_utf8_lossy(payload);
            let text = if text.is_empty() { "no reason given".into() } else { text };
            Err(GatewayError::Internal(format!(
                "remote handler failed to handle message: {text} (partition {partition})"
            )))
        }
        Status::ProtocolException => Err(GatewayError::Internal(format!(
            "{address} reports a protocol violation in a request to {subject} (partition \
             {partition})"
        ))),
    }
}

fn decode(kind: CommandKind, partition: PartitionId, payload: &Bytes) -> Answer {
    let unreadable = |cause| {
        GatewayError::Internal(format!("unreadable reply of partition {partition}: {cause}"))
    };
    match CommandReply::decode(payload).map_err(unreadable)? {
        CommandReply::Response(response) => accept(kind, response),
        CommandReply::Error(ErrorResponse { code, message }) => {
            let message = name_partition(code, message, partition);
            Err(GatewayError::Broker { code, message })
        }
    }
}

/// Most texts of brokers name the partition. An error about the request itself need not.
fn name_partition(code: ErrorCode, message: String, partition: PartitionId) -> String {
    let of_request = matches!(code, ErrorCode::MalformedRequest | ErrorCode::ProcessNotFound);
    if of_request || message.to_ascii_lowercase().contains("partition") {
        return message;
    }
    format!("{message} (partition {partition})")
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
            "expected a reply with value type {}, but that of partition {} has {}",
            kind.reply_value_type(),
            response.partition,
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
    use crate::model::{BrokerId, Key, RejectionType, ValueType, intent};
    use crate::wire::Address;
    use crate::wire::sbe::Message;

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

    fn target(partition: u16, host: &str) -> Target {
        Target {
            partition: PartitionId(partition),
            broker: BrokerId(0),
            address: Address::new(host, 26501),
            term: 1,
        }
    }

    fn read(kind: CommandKind, message: &impl Message) -> Answer {
        let mut payload = BytesMut::new();
        message.encode(&mut payload);
        let target = target(2, "127.0.0.1");
        interpret(kind, "command-api-2", &target, Status::Ok, &payload.freeze())
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
        for (code, text, expected) in [
            (code, "too much", "too much (partition 2)"),
            (code, "too much for partition '2'", "too much for partition '2'"),
            (ErrorCode::MalformedRequest, "what?", "what?"),
        ] {
            let error = ErrorResponse { code, message: text.into() };
            let expected = GatewayError::Broker { code, message: expected.into() };
            assert_eq!(read(CommandKind::CompleteJob, &error), Err(expected));
        }
    }

    #[test]
    fn failures_of_the_transport_have_errors_of_their_own() {
        let read = |status, payload: &'static [u8]| {
            let (target, payload) = (target(1, "10.0.0.7"), Bytes::from_static(payload));
            let kind = CommandKind::CompleteJob;
            let error = interpret(kind, "command-api-1", &target, status, &payload).unwrap_err();
            assert!(error.to_string().contains("partition 1"), "{error}");
            error
        };
        let stale = read(Status::NoHandler, b"command-api-1");
        let text = stale.to_string();
        assert!(
            text.starts_with("no remote handler for command-api-1 at 10.0.0.7:26501"),
            "{text}"
        );
        assert!(
            read(Status::HandlerException, b"Invalid TEMPLATE_ID: 401")
                .to_string()
                .contains("failed to handle message: Invalid TEMPLATE_ID: 401")
        );
        assert!(matches!(read(Status::ProtocolException, b""), GatewayError::Internal(_)));
        assert!(matches!(read(Status::Ok, b"garbage"), GatewayError::Internal(_)));
    }
}
