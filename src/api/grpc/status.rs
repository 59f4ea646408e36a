//! Failures as gRPC status.
//!
//! The text and `grpc-status-details-bin` travel as headers, of which clients accept 8 KiB: both
//! together stay below 4 KiB as they are on the wire, or the client would see no error at
//! all. Unless answers are to be exactly those of 8.6, RESOURCE_EXHAUSTED says in its details why,
//! as `google.rpc.ErrorInfo`, and when to try again, as `google.rpc.RetryInfo`.

use bytes::Bytes;
use prost::Message;
use prost_types::Any;
use tonic::{Code, Status};
use tonic_types::pb::{ErrorInfo, RetryInfo};

use crate::config::Compatibility;
use crate::error::GatewayError;

/// Most bytes of the two headers together.
const MAX_HEADERS: usize = 4 * 1024;

/// Most of them for the text, where there is nothing but the text.
const MAX_TEXT: usize = 3 * 1024;

const TRUNCATED: &str = "... (truncated)";

const STATUS_TYPE: &str = "type.googleapis.com/google.rpc.Status";
const ERROR_INFO_TYPE: &str = "type.googleapis.com/google.rpc.ErrorInfo";
const RETRY_INFO_TYPE: &str = "type.googleapis.com/google.rpc.RetryInfo";

/// Who gives the reasons.
const DOMAIN: &str = "beegate";

/// When to try again, in seconds; as Retry-After over REST.
const RETRY_SECONDS: i64 = 1;

/// The status of a failure, with the same code and text again in `grpc-status-details-bin`
/// (gateway-behaviour §2).
#[must_use]
pub fn status(error: &GatewayError, compatibility: Compatibility) -> Status {
    let attempts = match error {
        GatewayError::AllPartitionsFailed { attempts } => attempts.iter().map(attempt).collect(),
        _ => Vec::new(),
    };
    let mut reasons = Vec::new();
    if let Some(reason) = error.exhausted_reason().filter(|_| !compatibility.exact) {
        let limit = match error {
            GatewayError::Overloaded { limit, .. } => vec![("limit", (*limit).to_owned())],
            _ => Vec::new(),
        };
        reasons.push(error_info(reason, limit));
        if reason != "DISK_FULL" {
            reasons.push(retry_info());
        }
    }
    bounded(error.grpc_code(), error.grpc_message(), attempts, reasons)
}

/// The status of a message over the limit, of which the size may be known. The JVM gateway says it
/// without details (gateway-behaviour §2).
#[must_use]
pub fn too_large(limit: usize, size: Option<usize>, compatibility: Compatibility) -> Status {
    let text = match size {
        Some(size) => format!("gRPC message exceeds maximum size {limit}: {size}"),
        None => format!("Decompressed gRPC message exceeds maximum size {limit}"),
    };
    if compatibility.exact {
        return Status::resource_exhausted(text);
    }
    let limit = vec![("limit", "grpc.max_message_size".to_owned()), ("bytes", limit.to_string())];
    let reason = vec![error_info("MESSAGE_TOO_LARGE", limit)];
    bounded(Code::ResourceExhausted, text, Vec::new(), reason)
}

fn error_info(reason: &str, metadata: Vec<(&str, String)>) -> Any {
    let info = ErrorInfo {
        reason: reason.to_owned(),
        domain: DOMAIN.to_owned(),
        metadata: metadata.into_iter().map(|(name, value)| (name.to_owned(), value)).collect(),
    };
    Any { type_url: ERROR_INFO_TYPE.to_owned(), value: info.encode_to_vec() }
}

fn retry_info() -> Any {
    let delay = prost_types::Duration { seconds: RETRY_SECONDS, nanos: 0 };
    let info = RetryInfo { retry_delay: Some(delay) };
    Any { type_url: RETRY_INFO_TYPE.to_owned(), value: info.encode_to_vec() }
}

/// What one partition answered, mapped by the same table.
fn attempt(error: &GatewayError) -> Any {
    let status = tonic_types::Status {
        code: error.grpc_code() as i32,
        message: error.grpc_message(),
        details: Vec::new(),
    };
    Any { type_url: STATUS_TYPE.to_owned(), value: status.encode_to_vec() }
}

/// The status with as much of it as the headers may hold: all of `reasons`, and of `attempts` the
/// first. Text and details say the same or there are no details, for some clients refuse a status
/// whose parts differ.
fn bounded(code: Code, message: String, mut attempts: Vec<Any>, reasons: Vec<Any>) -> Status {
    let size = |details: &[Any]| details.iter().map(|one| one.encoded_len() + 8).sum::<usize>();
    while !attempts.is_empty() && in_base64(size(&attempts) + size(&reasons)) > MAX_HEADERS / 2 {
        attempts.pop();
    }
    attempts.extend(reasons);
    let mut rich = tonic_types::Status { code: code as i32, message, details: attempts };
    if in_base64(rich.encoded_len()) + on_wire(&rich.message) > MAX_HEADERS {
        if rich.details.is_empty() {
            return Status::new(code, truncated(rich.message, MAX_TEXT));
        }
        rich.message = truncated(rich.message, MAX_HEADERS / 5);
    }
    let message = rich.message.clone();
    Status::with_details(code, message, Bytes::from(rich.encode_to_vec()))
}

fn in_base64(bytes: usize) -> usize {
    bytes.div_ceil(3) * 4
}

/// Bytes of a text as it stands in `grpc-message`, where some are escaped as three.
fn on_wire(text: &str) -> usize {
    text.bytes().map(cost).sum()
}

fn cost(byte: u8) -> usize {
    let plain = byte.is_ascii_graphic() && !br##""#%<>`?{}"##.contains(&byte);
    if plain { 1 } else { 3 }
}

/// The text, or its beginning that takes at most `most` bytes on the wire and a note that it is one.
fn truncated(mut text: String, most: usize) -> String {
    let room = most.saturating_sub(on_wire(TRUNCATED));
    let (mut used, mut end) = (0, 0);
    for (at, char) in text.char_indices() {
        let mut bytes = [0; 4];
        used += on_wire(char.encode_utf8(&mut bytes));
        if used > most {
            text.truncate(end);
            text.push_str(TRUNCATED);
            return text;
        }
        if used <= room {
            end = at + char.len_utf8();
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ErrorCode;

    const EXACT: Compatibility = Compatibility { exact: true };
    const OURS: Compatibility = Compatibility { exact: false };

    fn details(status: &Status) -> Vec<Any> {
        tonic_types::Status::decode(status.details()).unwrap().details
    }

    /// Bytes of both headers on the wire.
    fn headers(status: &Status) -> usize {
        let mut headers = http::HeaderMap::new();
        status.add_header(&mut headers).unwrap();
        headers.values().map(http::HeaderValue::len).sum()
    }

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
        let status = status(&GatewayError::PartitionNotFound(0), OURS);
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
        let status = status(&error, EXACT);
        assert_eq!(status.code(), Code::ResourceExhausted);
        let details = details(&status);
        assert_eq!(details.len(), 2);
        assert_eq!(details[1].type_url, STATUS_TYPE);
        let second = tonic_types::Status::decode(details[1].value.as_slice()).unwrap();
        assert_eq!(second.code, 8);
        assert!(second.message.contains("partition '2'"));
    }

    #[test]
    fn what_is_exhausted_is_said_unless_answers_are_exact() {
        let disk = GatewayError::Broker {
            code: ErrorCode::ResourceExhausted,
            message: "Cannot accept requests for partition 1. Broker is out of disk space".into(),
        };
        let ours = GatewayError::Overloaded { limit: "limits.in_flight", detail: "full".into() };
        let polled = GatewayError::JobsExhausted { job_type: "t".into() };
        let all = GatewayError::AllPartitionsFailed { attempts: vec![disk.clone(), exhausted(1)] };
        for (error, reason, retried, attempts) in [
            (&disk, "DISK_FULL", false, 0),
            (&exhausted(1), "BACKPRESSURE", true, 0),
            (&polled, "BACKPRESSURE", true, 0),
            (&ours, "GATEWAY_LIMIT", true, 0),
            (&all, "BACKPRESSURE", true, 2),
        ] {
            let answer = details(&status(error, OURS));
            assert_eq!(answer[attempts].type_url, ERROR_INFO_TYPE);
            let info = ErrorInfo::decode(answer[attempts].value.as_slice()).unwrap();
            assert_eq!((info.reason.as_str(), info.domain.as_str()), (reason, DOMAIN));
            let limit = info.metadata.get("limit").map(String::as_str);
            assert_eq!(limit, (reason == "GATEWAY_LIMIT").then_some("limits.in_flight"));
            assert_eq!(answer.iter().any(|one| one.type_url == RETRY_INFO_TYPE), retried);
            assert_eq!(answer.len(), 1 + usize::from(retried) + attempts);
            assert_eq!(details(&status(error, EXACT)).len(), attempts, "{error}");
        }
        let large = details(&too_large(10, Some(11), OURS));
        let info = ErrorInfo::decode(large[0].value.as_slice()).unwrap();
        assert_eq!((info.reason.as_str(), &*info.metadata["bytes"]), ("MESSAGE_TOO_LARGE", "10"));
        assert!(too_large(10, None, EXACT).details().is_empty());
    }

    #[test]
    fn both_headers_stay_small_whatever_the_text() {
        for text in ["a", "ä", "{\"", "漢", "\u{1}"] {
            for length in [1, 500, 1000, 1300, 1700, 2000, 3000, 5000, 1 << 20] {
                let text = text.repeat(length);
                let bad = GatewayError::InvalidArgument(text.clone());
                let plain = status(&bad, OURS);
                assert!(headers(&plain) <= MAX_HEADERS + 2, "{}", headers(&plain));
                let whole = plain.message() == text;
                assert!(whole || plain.message().ends_with(TRUNCATED), "{length}");
                let reasons = GatewayError::Overloaded { limit: "l", detail: text };
                let reasons = status(&reasons, OURS);
                assert!(headers(&reasons) <= MAX_HEADERS + 2, "{}", headers(&reasons));
                let rich = tonic_types::Status::decode(reasons.details()).unwrap();
                assert_eq!((rich.message.as_str(), rich.details.len()), (reasons.message(), 2));
            }
        }
        let attempts = (1..=254).map(exhausted).collect();
        let all = status(&GatewayError::AllPartitionsFailed { attempts }, OURS);
        assert!(headers(&all) <= MAX_HEADERS + 2);
        assert!(details(&all).len() > 5);
    }
}
