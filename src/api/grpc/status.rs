//! Failures as gRPC status.

use bytes::Bytes;
use prost::Message as _;
use prost_types::Any;
use tonic::Status;

use crate::error::GatewayError;

/// Longest status text, in bytes. The text and the details travel as headers, and clients accept
/// 8 or 16 KiB of those; the text of a JSON error holds the whole document.
const MAX_TEXT: usize = 3 * 1024;

/// Longest encoded `grpc-status-details-bin`, in bytes before base64.
const MAX_DETAILS: usize = 4 * 1024;

const STATUS_TYPE: &str = "type.googleapis.com/google.rpc.Status";

/// The status of a failure, with the same code and text again in `grpc-status-details-bin`
/// (gateway-behaviour §2).
#[must_use]
pub fn status(error: &GatewayError) -> Status {
    let rpc = rpc_status(error);
    let code = error.grpc_code();
    let message = rpc.message.clone();
    let encoded = rpc.encode_to_vec();
    if encoded.len() > MAX_DETAILS {
        return Status::new(code, message);
    }
    Status::with_details(code, message, Bytes::from(encoded))
}

fn rpc_status(error: &GatewayError) -> tonic_types::Status {
    let details = match error {
        GatewayError::AllPartitionsFailed { attempts } => attempts.iter().map(attempt).collect(),
        _ => Vec::new(),
    };
    tonic_types::Status {
        code: error.grpc_code() as i32,
        message: bounded(error.grpc_message()),
        details,
    }
}

/// What one partition answered, mapped by the same table.
fn attempt(error: &GatewayError) -> Any {
    Any { type_url: STATUS_TYPE.to_owned(), value: rpc_status(error).encode_to_vec() }
}

fn bounded(mut text: String) -> String {
    if text.len() > MAX_TEXT {
        let end = (0..=MAX_TEXT).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
        text.truncate(end);
        text.push_str("… (truncated)");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ErrorCode;
    use tonic::Code;

    fn exhausted(partition: u16) -> GatewayError {
        GatewayError::Broker {
            code: ErrorCode::ResourceExhausted,
            message: format!(
                "Failed to write client request to partition '{partition}', because the request \
                 limit is exhausted."
            ),
        }
    }

    #[test]
    fn details_repeat_code_and_text() {
        let status = status(&GatewayError::PartitionNotFound(0));
        assert_eq!(status.code(), Code::Unavailable);
        let details = tonic_types::Status::decode(status.details()).unwrap();
        assert_eq!(details.code, 14);
        assert_eq!(details.message, status.message());
        assert!(details.details.is_empty());
    }

    #[test]
    fn each_failed_partition_is_a_detail() {
        let error =
            GatewayError::AllPartitionsFailed { attempts: vec![exhausted(1), exhausted(2)] };
        let status = status(&error);
        assert_eq!(status.code(), Code::ResourceExhausted);
        let details = tonic_types::Status::decode(status.details()).unwrap().details;
        assert_eq!(details.len(), 2);
        assert_eq!(details[1].type_url, STATUS_TYPE);
        let second = tonic_types::Status::decode(details[1].value.as_slice()).unwrap();
        assert_eq!(second.code, 8);
        assert!(second.message.contains("partition '2'"));
    }

    #[test]
    fn long_texts_stay_within_the_header_limits() {
        let status = status(&GatewayError::InvalidArgument("ä".repeat(1 << 20)));
        assert!(status.message().len() <= MAX_TEXT + 20);
        assert!(status.message().ends_with("(truncated)"));
        assert!(status.details().len() <= MAX_DETAILS);
    }
}
