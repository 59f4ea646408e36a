//! Reads request bodies within a limit of size and time, and pays for them from the budget in bytes
//! before they are in memory: for all of an announced length at once, else piece by piece.

use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderMap};
use actix_web::web::Payload;
use bytes::{Bytes, BytesMut};
use futures::StreamExt;

use crate::actors::gateway::RequestBytes;
use crate::error::GatewayError;

/// How long a client may take to send its body.
const TIME_MAX: Duration = Duration::from_secs(60);

/// Why a body could not be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum BodyError {
    /// It is larger than the limit.
    TooLarge,
    /// It did not arrive in time.
    TooSlow,
    /// The client went away, or broke the encoding of the body.
    Broken,
    /// There is no memory for it now.
    NoRoom(GatewayError),
}

impl BodyError {
    /// The HTTP status.
    pub(super) fn status(&self) -> StatusCode {
        match self {
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::TooSlow => StatusCode::REQUEST_TIMEOUT,
            Self::Broken => StatusCode::BAD_REQUEST,
            Self::NoRoom(_) => StatusCode::SERVICE_UNAVAILABLE,
        }
    }
}

/// The whole body, if it has at most `limit` bytes; they are held in `bytes`.
pub(super) async fn read(
    headers: &HeaderMap,
    payload: Payload,
    limit: usize,
    bytes: &RequestBytes,
) -> Result<Bytes, BodyError> {
    let announced = headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok());
    if let Some(length) = announced.and_then(|length| length.parse::<u64>().ok()) {
        let length = usize::try_from(length).ok().filter(|&length| length <= limit);
        bytes.hold(length.ok_or(BodyError::TooLarge)?).map_err(BodyError::NoRoom)?;
    }
    let collected = collect(payload, limit, bytes);
    tokio::time::timeout(TIME_MAX, collected).await.unwrap_or(Err(BodyError::TooSlow))
}

async fn collect(
    mut payload: Payload,
    limit: usize,
    bytes: &RequestBytes,
) -> Result<Bytes, BodyError> {
    // Most bodies come in one piece and need no copy.
    let mut whole = Bytes::new();
    let mut pieces = BytesMut::new();
    while let Some(piece) = payload.next().await {
        let piece = piece.map_err(|_| BodyError::Broken)?;
        let length = whole.len() + pieces.len() + piece.len();
        if length > limit {
            return Err(BodyError::TooLarge);
        }
        bytes.hold(length).map_err(BodyError::NoRoom)?;
        if whole.is_empty() && pieces.is_empty() {
            whole = piece;
            continue;
        }
        pieces.extend_from_slice(&std::mem::take(&mut whole));
        pieces.extend_from_slice(&piece);
    }
    Ok(if pieces.is_empty() { whole } else { pieces.freeze() })
}
