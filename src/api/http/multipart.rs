//! Parts of a `multipart/form-data` body.

use actix_multipart::{Multipart, MultipartError};
use actix_web::error::PayloadError;
use actix_web::http::header::HeaderMap;
use bytes::{Bytes, BytesMut};
use futures::{StreamExt, TryStreamExt, stream};

/// The parser takes its input in pieces of this size, below its own limit for a header.
pub(super) const PIECE: usize = 32 * 1024;

/// One part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Part {
    /// Its name.
    pub(super) name: String,
    /// The name of the file it holds; parts without one are form fields.
    pub(super) file_name: Option<String>,
    /// Its content.
    pub(super) content: Bytes,
}

/// The parts of `body`, in order.
///
/// # Errors
/// When the body is not what `headers` say.
pub(super) async fn parts(headers: &HeaderMap, body: Bytes) -> Result<Vec<Part>, MultipartError> {
    let mut rest = body;
    let pieces = stream::iter(std::iter::from_fn(move || {
        (!rest.is_empty()).then(|| Ok::<_, PayloadError>(rest.split_to(PIECE.min(rest.len()))))
    }));
    let mut multipart = Multipart::new(headers, pieces);
    let mut parts = Vec::new();
    while let Some(mut field) = multipart.try_next().await? {
        let disposition = field.content_disposition();
        let file_name = disposition.and_then(|d| d.get_filename()).map(str::to_owned);
        let name = field.name().unwrap_or_default().to_owned();
        let mut content = BytesMut::new();
        while let Some(chunk) = field.next().await {
            content.extend_from_slice(&chunk?);
        }
        parts.push(Part { name, file_name, content: content.freeze() });
    }
    Ok(parts)
}
