//! Reads multipart uploads while they come: the content of a document goes from the socket to the
//! store piece by piece.

use std::io::{self, ErrorKind};
use std::time::Duration;

use actix_multipart::{Field, Multipart, MultipartError};
use actix_web::error::PayloadError;
use actix_web::http::header::{self, HeaderMap};
use actix_web::web::Payload;
use bytes::{Bytes, BytesMut};
use futures::{Stream, StreamExt, TryStreamExt, stream};

use super::super::json::FromJson;
use super::super::media;
use super::super::multipart::PIECE;
use super::metadata::{Given, Metadata};
use super::store::{Draft, Store, StoreError};
use super::{Failure, Problem};

/// How long a client may pause in the middle of an upload.
const PAUSE_MAX: Duration = Duration::from_secs(60);
/// How long an upload may take in all.
const TIME_MAX: Duration = Duration::from_secs(600);
/// Largest metadata of one document.
const METADATA_MAX: usize = 64 * 1024;
/// What may come beside the content of documents: heads of parts, metadata, parts nobody reads.
const BESIDE_MAX: u64 = 1024 * 1024;
/// Most files of one batch.
const FILES_MAX: usize = 256;

/// A file that was uploaded, not yet stored.
#[derive(Debug)]
pub(super) struct Uploaded {
    pub(super) draft: Result<Draft, StoreError>,
    pub(super) file_name: Option<String>,
    content_type: Option<String>,
    /// What 8.7 sends with each file of a batch.
    given: Option<Given>,
}

impl Uploaded {
    fn metadata(&mut self, given: Given) -> Result<Metadata, Problem> {
        given.check(self.file_name.clone(), self.content_type.take())
    }
}

/// The one file of an upload, and its metadata.
pub(super) async fn one(
    headers: &HeaderMap,
    payload: Payload,
    store: &Store,
) -> Result<(Draft, Metadata), Failure> {
    let body = body(payload, store.document_max() + BESIDE_MAX);
    let read = async {
        let mut parts = Multipart::new(headers, body);
        let (mut file, mut given) = (None, None);
        while let Some(mut part) = parts.try_next().await? {
            match part.name() {
                Some("file") if file.is_none() => {
                    let uploaded = receive(&mut part, store).await?;
                    if uploaded.draft.is_err() {
                        // There is nothing to store: the rest is not waited for.
                        uploaded.draft?;
                    } else {
                        file = Some(uploaded);
                    }
                }
                Some("metadata") => given = Some(json::<Given>(&mut part).await?),
                _ => skip(&mut part).await?,
            }
        }
        Ok::<_, Failure>((file, given))
    };
    let (file, given) = tokio::time::timeout(TIME_MAX, read).await.map_err(|_| too_slow())??;
    let Some(mut file) = file else {
        return Err(Problem::bad_request("Required part 'file' is not present.").into());
    };
    let metadata = file.metadata(given.unwrap_or_default())?;
    Ok((file.draft?, metadata))
}

/// All files of a batch with their metadata.
pub(super) async fn many(
    headers: &HeaderMap,
    payload: Payload,
    store: &Store,
) -> Result<Vec<(Uploaded, Metadata)>, Failure> {
    let body = body(payload, store.total_max().saturating_add(BESIDE_MAX));
    let read = async {
        let mut parts = Multipart::new(headers, body);
        let (mut files, mut list) = (Vec::new(), None);
        while let Some(mut part) = parts.try_next().await? {
            match part.name() {
                Some("files") if files.len() < FILES_MAX => {
                    files.push(receive(&mut part, store).await?);
                }
                Some("files") => {
                    let detail = format!("A batch may have {FILES_MAX} files at most");
                    return Err(Problem::invalid(detail).into());
                }
                Some("metadataList") => list = Some(json::<Vec<Given>>(&mut part).await?),
                _ => skip(&mut part).await?,
            }
        }
        Ok::<_, Failure>((files, list))
    };
    let (mut files, list) =
        tokio::time::timeout(TIME_MAX, read).await.map_err(|_| too_slow())??;
    if files.is_empty() {
        return Err(Problem::bad_request("Required part 'files' is not present.").into());
    }
    if let Some(list) = list {
        if list.len() != files.len() {
            let detail = "The metadata list must have as many entries as there are files.";
            return Err(Problem::invalid(detail).into());
        }
        files.iter_mut().zip(list).for_each(|(file, given)| file.given = Some(given));
    }
    let described = files.into_iter().map(|mut file| {
        let given = file.given.take().unwrap_or_default();
        let metadata = file.metadata(given)?;
        Ok((file, metadata))
    });
    described.collect()
}

/// The body in pieces that the parser takes, as far as it is allowed.
fn body(payload: Payload, limit: u64) -> impl Stream<Item = Result<Bytes, PayloadError>> {
    stream::unfold(Some((payload, Bytes::new(), limit)), |state| async {
        let (mut payload, mut rest, mut left) = state?;
        if rest.is_empty() {
            rest = match tokio::time::timeout(PAUSE_MAX, payload.next()).await {
                Ok(None) => return None,
                Ok(Some(Ok(piece))) => piece,
                Ok(Some(Err(error))) => return Some((Err(error), None)),
                Err(_) => {
                    let error = PayloadError::Io(io::Error::from(ErrorKind::TimedOut));
                    return Some((Err(error), None));
                }
            };
        }
        let piece = rest.split_to(PIECE.min(rest.len()));
        left = match left.checked_sub(piece.len() as u64) {
            Some(left) => left,
            None => return Some((Err(PayloadError::Overflow), None)),
        };
        Some((Ok(piece), Some((payload, rest, left))))
    })
    // The parser asks again after the end.
    .fuse()
    .boxed_local()
}

/// Writes a part into a draft. When that fails the rest of the part is skipped.
async fn receive(part: &mut Field, store: &Store) -> Result<Uploaded, Failure> {
    let disposition = part.content_disposition();
    let file_name = disposition.and_then(|d| d.get_filename()).filter(|name| !name.is_empty());
    let file_name = file_name.map(str::to_owned);
    let content_type = part.content_type().map(ToString::to_string);
    let given = match part.headers().get("x-document-metadata") {
        Some(text) => {
            let text = text.to_str().map_err(|_| Problem::bad_request("Failed to read request"))?;
            Some(Given::from_json(text).map_err(Problem::from)?)
        }
        None => None,
    };
    let mut draft = store.begin().await;
    while let Some(piece) = part.try_next().await? {
        if let Ok(open) = &mut draft
            && let Err(error) = store.write(open, piece).await
        {
            draft = Err(error);
        }
    }
    if let Ok(open) = &mut draft
        && let Err(error) = open.finish().await
    {
        draft = Err(error);
    }
    Ok(Uploaded { draft, file_name, content_type, given })
}

/// The content of a part that must be JSON.
async fn json<T: for<'a> FromJson<'a>>(part: &mut Field) -> Result<T, Failure> {
    let kind = part.content_type().map(|kind| kind.essence_str().to_owned());
    let kind = kind.unwrap_or_else(|| "application/octet-stream".to_owned());
    let mut text = BytesMut::new();
    while let Some(piece) = part.try_next().await? {
        if text.len() + piece.len() > METADATA_MAX {
            return Err(Problem::invalid("The metadata of a document is too large.").into());
        }
        text.extend_from_slice(&piece);
    }
    if kind != media::JSON {
        return Err(Failure::MediaType(kind));
    }
    let text =
        std::str::from_utf8(&text).map_err(|_| Problem::bad_request("Failed to read request"))?;
    Ok(T::from_json(text.trim()).map_err(Problem::from)?)
}

async fn skip(part: &mut Field) -> Result<(), MultipartError> {
    while part.try_next().await?.is_some() {}
    Ok(())
}

fn too_slow() -> Failure {
    Failure::Upload(MultipartError::Payload(PayloadError::Io(ErrorKind::TimedOut.into())))
}

/// What an upload that cannot be read is answered with.
pub(super) fn unreadable(error: &MultipartError, limit: u64) -> Problem {
    use actix_web::http::StatusCode;

    match error {
        MultipartError::Payload(PayloadError::Overflow) => Problem::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "Payload Too Large",
            format!("The upload is larger than documents.max_document_size, {limit}, allows"),
        ),
        MultipartError::Payload(PayloadError::Io(error)) if error.kind() == ErrorKind::TimedOut => {
            Problem::new(
                StatusCode::REQUEST_TIMEOUT,
                "Request Timeout",
                "The request body did not arrive in time",
            )
        }
        other => {
            Problem::bad_request(format!("Failed to parse multipart servlet request: {other}"))
        }
    }
}

/// Whether the client told that more will come than is allowed.
pub(super) fn announces_more_than(headers: &HeaderMap, limit: u64) -> bool {
    let length = headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok());
    length.and_then(|length| length.parse::<u64>().ok()).is_some_and(|l| l > limit + BESIDE_MAX)
}
