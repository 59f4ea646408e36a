//! JSON text ↔ MsgPack values in protobuf string fields.

use bytes::Bytes;

use crate::error::GatewayError;
use crate::wire::msgpack::json::{JsonDialect, document_from_json, msgpack_to_json};
use crate::wire::record::{Document, RawValue};

/// The document in a `variables` field. Blank text is the empty document (command-api §2.2).
///
/// # Errors
/// [`GatewayError::InvalidArgument`] for what is not JSON or not an object.
pub fn variables(text: &str) -> Result<Document, GatewayError> {
    document_from_json(text, JsonDialect::Lenient)
        .map_err(|e| GatewayError::InvalidArgument(e.to_string()))
}

/// A document as JSON text (command-api §2.3).
///
/// # Errors
/// [`GatewayError::Internal`] for values that JSON cannot express.
pub fn document_text(document: &Document) -> Result<String, GatewayError> {
    text(document.as_msgpack())
}

/// An inline value as JSON text.
///
/// # Errors
/// As [`document_text`].
pub fn raw_text(value: &RawValue) -> Result<String, GatewayError> {
    text(&value.0)
}

/// One MsgPack value as JSON text. No bytes at all are `null`.
///
/// # Errors
/// As [`document_text`].
pub fn text(value: &Bytes) -> Result<String, GatewayError> {
    if value.is_empty() {
        return Ok("null".to_owned());
    }
    msgpack_to_json(value)
        .map_err(|e| GatewayError::Internal(format!("the broker's value is not JSON: {e}")))
}
