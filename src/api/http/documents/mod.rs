//! `/v2/documents`: files beside the processes, kept by this gateway (rest-v2 §5.7).
//!
//! Invariants: no document is held in memory as a whole unless the store is in memory; no file
//! operation blocks an arbiter; what a client sends is never part of a path.

mod files;
mod memory;
mod metadata;
mod store;
#[cfg(test)]
mod tests;
mod upload;

use std::io;

use actix_multipart::MultipartError;
use actix_web::body::SizedStream;
use actix_web::http::header::{self, ContentDisposition, DispositionParam, DispositionType};
use actix_web::http::{ConnectionType, StatusCode};
use actix_web::web::{Bytes, Payload, Query};
use actix_web::{HttpRequest, HttpResponse};
use futures::{Stream, stream};
use tokio::io::AsyncReadExt;

use super::body::{self, BodyError};
use super::endpoint::{DocumentAction, OCTETS};
use super::fallback::filter_issue;
use super::frontend::Frontend;
use super::json::{Object, Style, object, request};
use super::library;
use super::media;
use super::problem::{Problem, Violations};
use crate::actors::gateway::Purpose;
use metadata::{Expiry, Metadata};
use store::{Content, Document, Draft, Identity, StoreError};
use upload::Uploaded;

pub(super) use store::Store;

/// Longest id of a document.
const ID_MAX: usize = 512;
/// Largest body of a request that carries no document.
const BODY_MAX: usize = 64 * 1024;
/// A document is read from its file in pieces of this size.
const PIECE: usize = 64 * 1024;

const NOT_FOUND: &str = "io.camunda.document.api.DocumentError$DocumentNotFound";
const EXISTS: &str = "io.camunda.document.api.DocumentError$DocumentAlreadyExists";
const HASH_MISMATCH: &str = "io.camunda.document.api.DocumentError$DocumentHashMismatch";
const FETCH_FAILED: &str =
    "io.camunda.zeebe.gateway.rest.controller.DocumentController$DocumentContentFetchException";

request! {
    struct LinkRequest<'a> {
        expires_at: String = "expiresAt";
        // What 8.7 has instead, in milliseconds.
        time_to_live: i64 = "timeToLive";
    }
}

/// What the query of a request can say.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
struct Parameters {
    document_id: Option<String>,
    store_id: Option<String>,
    content_hash: Option<String>,
}

/// Why a request fails.
#[derive(Debug)]
enum Failure {
    Problem(Problem),
    Store(StoreError),
    /// The upload cannot be read.
    Upload(MultipartError),
    /// A part has a media type that is not read.
    MediaType(String),
}

impl From<Problem> for Failure {
    fn from(problem: Problem) -> Self {
        Self::Problem(problem)
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<MultipartError> for Failure {
    fn from(error: MultipartError) -> Self {
        Self::Upload(error)
    }
}

/// Answers a request for documents; `id` is the variable of its path.
pub(super) async fn answer(
    request: &HttpRequest,
    payload: Payload,
    frontend: &Frontend,
    action: DocumentAction,
    id: Option<&str>,
) -> HttpResponse {
    let call = Call { request, frontend, store: &frontend.documents };
    match call.run(payload, action, id).await {
        Ok(response) => response,
        Err(failure) => call.failed(failure, action),
    }
}

struct Call<'a> {
    request: &'a HttpRequest,
    frontend: &'a Frontend,
    store: &'a Store,
}

impl Call<'_> {
    async fn run(
        &self,
        payload: Payload,
        action: DocumentAction,
        id: Option<&str>,
    ) -> Result<HttpResponse, Failure> {
        let query = Query::<Parameters>::from_query(self.request.query_string());
        let given = query.map_err(|_| Problem::bad_request("Failed to read request"))?.into_inner();
        let id = id.map(decoded).transpose()?.unwrap_or_default();
        self.check_store(given.store_id.as_deref(), action)?;
        match action {
            DocumentAction::Create => self.create(payload, given.document_id).await,
            DocumentAction::CreateBatch => self.create_batch(payload).await,
            DocumentAction::Read => self.read(&id, given.content_hash.as_deref()).await,
            DocumentAction::Delete => {
                self.store.delete(&id).await?;
                Ok(HttpResponse::NoContent().finish())
            }
            DocumentAction::Link => Err(self.link(payload).await),
        }
    }

    /// The store must be the one there is. The JVM gateway calls it its own fault when somebody
    /// reads from an unknown one.
    fn check_store(&self, wanted: Option<&str>, action: DocumentAction) -> Result<(), Failure> {
        let Some(name) = self.store.name() else { return Err(StoreError::None.into()) };
        match wanted.filter(|wanted| !wanted.is_empty() && *wanted != name) {
            None => Ok(()),
            Some(_) if self.frontend.exact && action == DocumentAction::Read => {
                let detail = "Failed to get document content";
                Err(Problem::new(StatusCode::INTERNAL_SERVER_ERROR, FETCH_FAILED, detail).into())
            }
            Some(wanted) => {
                Err(Problem::bad_request(format!("No such document store: {wanted}")).into())
            }
        }
    }

    async fn create(&self, payload: Payload, id: Option<String>) -> Result<HttpResponse, Failure> {
        let id = id.filter(|id| !id.is_empty());
        if id.as_ref().is_some_and(|id| id.len() > ID_MAX) {
            let detail = format!("The value for documentId must be at most {ID_MAX} bytes long.");
            return Err(Problem::invalid(detail).into());
        }
        let headers = self.request.headers();
        if upload::announces_more_than(headers, self.store.document_max()) {
            return Err(StoreError::TooLarge(self.store.document_max()).into());
        }
        let (draft, metadata) = upload::one(headers, payload, self.store).await?;
        let stored = self.store(draft, id, metadata).await?;
        let mut out = String::with_capacity(256);
        object(&mut out, self.style(), |o| self.reference(o, &stored)).map_err(Problem::from)?;
        Ok(HttpResponse::Created().content_type(self.media_type()).body(out))
    }

    async fn store(
        &self,
        draft: Draft,
        id: Option<String>,
        metadata: Metadata,
    ) -> Result<Identity, StoreError> {
        let id = id.unwrap_or_else(|| uuid::Uuid::new_v4().to_string());
        self.store.commit(draft, id, metadata).await
    }

    async fn create_batch(&self, payload: Payload) -> Result<HttpResponse, Failure> {
        let files = upload::many(self.request.headers(), payload, self.store).await?;
        let (mut created, mut failed) = (Vec::new(), Vec::new());
        for (Uploaded { draft, file_name, .. }, metadata) in files {
            let name = metadata.file_name.clone().or(file_name);
            let stored = match draft {
                Ok(draft) => self.store(draft, None, metadata).await,
                Err(error) => Err(error),
            };
            match stored {
                Ok(stored) => created.push(stored),
                Err(error) => failed.push((name.unwrap_or_default(), problem_of(error))),
            }
        }
        let status = if failed.is_empty() { StatusCode::CREATED } else { StatusCode::MULTI_STATUS };
        let mut out = String::with_capacity(256);
        object(&mut out, self.style(), |o| {
            o.array("createdDocuments", |items| {
                created.iter().try_for_each(|stored| items.object(|o| self.reference(o, stored)))
            })?;
            o.array("failedDocuments", |items| {
                failed.iter().try_for_each(|(name, problem)| {
                    items.object(|o| {
                        o.text("fileName", name);
                        problem.summary(o);
                        Ok(())
                    })
                })
            })
        })
        .map_err(Problem::from)?;
        Ok(HttpResponse::build(status).content_type(self.media_type()).body(out))
    }

    /// What names a stored document. 8.7 has another name for its type, and its hash.
    fn reference(
        &self,
        o: &mut Object<'_>,
        stored: &Identity,
    ) -> Result<(), crate::wire::DecodeError> {
        o.text("documentType", "camunda");
        if !o.exact() {
            o.text("camunda.document.type", "camunda");
        }
        o.text("storeId", self.store.name().unwrap_or_default());
        o.text("documentId", &stored.id);
        if !o.exact() {
            o.text("contentHash", &stored.hash);
        }
        o.object("metadata", |o| {
            stored.metadata.write(o, stored.size);
            Ok(())
        })
    }

    fn style(&self) -> Style {
        let exact = self.frontend.exact || library::breaks_on_newer_members(self.request.headers());
        Style { keys: self.frontend.keys, exact }
    }

    fn media_type(&self) -> &'static str {
        media::answered(self.request.headers(), self.frontend.keys).media_type
    }

    async fn read(&self, id: &str, hash: Option<&str>) -> Result<HttpResponse, Failure> {
        let Document { identity, content } = self.store.read(id).await?;
        if hash.is_some_and(|hash| !hash.eq_ignore_ascii_case(&identity.hash)) {
            let detail = "The document does not have the content that its hash was given for";
            return Err(Problem::new(StatusCode::BAD_REQUEST, HASH_MISMATCH, detail).into());
        }
        let name = identity.metadata.file_name.unwrap_or_else(|| "document".to_owned());
        let disposition = ContentDisposition {
            disposition: DispositionType::Attachment,
            parameters: vec![DispositionParam::FilenameExt(header::ExtendedValue {
                charset: header::Charset::Ext("UTF-8".to_owned()),
                language_tag: None,
                value: name.into_bytes(),
            })],
        };
        let mut response = HttpResponse::Ok();
        response
            .content_type(OCTETS)
            .insert_header(disposition)
            .insert_header((header::X_CONTENT_TYPE_OPTIONS, "nosniff"));
        Ok(match content {
            Content::Memory(content) => response.body(content),
            Content::File(file) => {
                response.body(SizedStream::new(identity.size, pieces(file, identity.size)))
            }
        })
    }

    /// Neither store can make links; a request for one is checked all the same.
    async fn link(&self, payload: Payload) -> Failure {
        let bytes = self.frontend.gateway.request_bytes(Purpose::Ordinary);
        let read = body::read(self.request.headers(), payload, BODY_MAX, &bytes).await;
        let body = match read {
            Ok(body) => body,
            Err(BodyError::NoRoom(error)) => return Problem::from(error).into(),
            Err(error) => {
                let title = error.status().canonical_reason().unwrap_or_default();
                return Problem::new(error.status(), title, "Failed to read request").into();
            }
        };
        match self.check_link(&body) {
            Ok(()) => {
                Problem::bad_request("io.camunda.service.DocumentServices$DocumentException").into()
            }
            Err(problem) => problem.into(),
        }
    }

    fn check_link(&self, body: &[u8]) -> Result<(), Problem> {
        let unreadable = || Problem::bad_request("Failed to read request");
        let text = std::str::from_utf8(body).map_err(|_| unreadable())?.trim();
        if text.is_empty() || text == "null" {
            return Err(Problem::bad_request("Required request body is missing"));
        }
        let request: LinkRequest<'_> = super::json::FromJson::from_json(text)?;
        let mut violations = Violations::default();
        match (request.expires_at, request.time_to_live) {
            (Some(text), _)
                if Expiry::parse(&text)?.passed(crate::clock::Clock::system().now()) =>
            {
                violations.add("The expiration date must be in the future");
            }
            (None, Some(time)) if time < 1 => violations.value("timeToLive", time, "> 0"),
            (None, None) => return Err(Problem::null("expiresAt")),
            _ => {}
        }
        violations.check()
    }

    fn failed(&self, failure: Failure, action: DocumentAction) -> HttpResponse {
        let path = self.request.path();
        let exact = self.frontend.exact;
        let mut response =
            match failure {
                Failure::Problem(problem) => problem.response(path),
                Failure::Store(StoreError::TooLarge(_)) if exact => {
                    HttpResponse::PayloadTooLarge().finish()
                }
                Failure::Store(error) => problem_of(error).response(path),
                Failure::Upload(MultipartError::Payload(
                    actix_web::error::PayloadError::Overflow,
                )) if exact => HttpResponse::PayloadTooLarge().finish(),
                Failure::Upload(_) if exact => filter_issue(path),
                Failure::Upload(error) => {
                    upload::unreadable(&error, self.store.document_max()).response(path)
                }
                Failure::MediaType(kind) => {
                    let status = StatusCode::UNSUPPORTED_MEDIA_TYPE;
                    let detail = format!("Content-Type '{kind}' is not supported.");
                    let title = "Unsupported Media Type";
                    let mut response = Problem::new(status, title, detail).response(path);
                    let json = header::HeaderValue::from_static(media::JSON);
                    response.headers_mut().insert(header::ACCEPT, json);
                    response
                }
            };
        // The rest of an upload that failed is not read, so the connection cannot be used again.
        if matches!(action, DocumentAction::Create | DocumentAction::CreateBatch) {
            response.head_mut().set_connection_type(ConnectionType::Close);
        }
        response
    }
}

fn problem_of(error: StoreError) -> Problem {
    let text = error.to_string();
    let (status, title, detail) = match error {
        StoreError::NotFound => (StatusCode::NOT_FOUND, NOT_FOUND, String::new()),
        StoreError::Exists => (StatusCode::CONFLICT, EXISTS, text),
        StoreError::TooLarge(_) => (StatusCode::PAYLOAD_TOO_LARGE, "Payload Too Large", text),
        StoreError::Full(_) => (StatusCode::INSUFFICIENT_STORAGE, "Insufficient Storage", text),
        StoreError::None => (StatusCode::NOT_IMPLEMENTED, "Not Implemented", text),
        StoreError::Io(_) => {
            log::error!("event=document_store_failed error={text:?}");
            (StatusCode::INTERNAL_SERVER_ERROR, "INTERNAL", text)
        }
    };
    Problem::new(status, title, detail)
}

/// The text that a segment of a path stands for.
fn decoded(segment: &str) -> Result<String, Problem> {
    let wrong = || Problem::bad_request("Failed to read request");
    let mut bytes = Vec::with_capacity(segment.len());
    let mut rest = segment.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let mut digit = || char::from(rest.next()?).to_digit(16);
        let (Some(high), Some(low)) = (digit(), digit()) else { return Err(wrong()) };
        bytes.push((high * 16 + low) as u8);
    }
    String::from_utf8(bytes).map_err(|_| wrong())
}

/// A file in pieces, `size` bytes of it.
fn pieces(
    file: tokio::fs::File,
    size: u64,
) -> impl Stream<Item = Result<Bytes, io::Error>> + 'static {
    stream::try_unfold((file, size), |(mut file, left)| async move {
        if left == 0 {
            return Ok(None);
        }
        let mut piece = bytes::BytesMut::zeroed(PIECE.min(usize::try_from(left).unwrap_or(PIECE)));
        let read = file.read(&mut piece).await?;
        if read == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        piece.truncate(read);
        Ok(Some((piece.freeze(), (file, left - read as u64))))
    })
}
