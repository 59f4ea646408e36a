//! Outcomes and refusals as responses.

use actix_web::http::{StatusCode, header};
use actix_web::{HttpRequest, HttpResponse, HttpResponseBuilder};
use serde::Serialize;
use serde_json::json;

use super::{ACTUATOR, BODY_MAX, exporters};
use crate::actors::gateway::{ManagementError, Refusal};
use crate::api::http::Miss;
use crate::model::ErrorCode;
use crate::model::management::{ManagementOperation, ManagementOutcome};

const JSON: &str = "application/json";

/// How the endpoint words what came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ShownAs {
    /// As it is.
    Plain,
    /// Only the exporters of a configuration.
    Exporters,
    /// With the media type of Spring's own endpoints.
    Actuator,
}

impl ShownAs {
    fn media_type(self) -> &'static str {
        match self {
            Self::Plain | Self::Exporters => JSON,
            Self::Actuator => ACTUATOR,
        }
    }
}

/// Why a request has no outcome.
#[derive(Debug)]
pub(super) enum Refused {
    /// It reaches no endpoint.
    Miss(Miss),
    /// It is of the wrong shape; what is wrong.
    Bad(String),
    /// A message as the JVM gateway words it.
    Invalid(String),
    /// The same, from the backups.
    InvalidBackup(&'static str),
    /// The path exists, what it names does not.
    NoSuchThing,
    /// Something the endpoints are not for.
    NotSupported(&'static str),
    /// The body is too large.
    TooLarge,
    /// The body did not arrive in time.
    TooSlow,
    /// It comes from a page of another origin.
    Origin,
    /// The operation failed.
    Failed {
        /// Why.
        error: ManagementError,
        /// How the endpoint answers.
        shown_as: ShownAs,
    },
}

impl Refused {
    /// The request is of the wrong shape.
    pub(super) fn bad(what: impl Into<String>) -> Self {
        Self::Bad(what.into())
    }

    /// The response.
    pub(super) fn response(self, request: &HttpRequest) -> HttpResponse {
        match self {
            Self::Miss(miss) => miss.response(request),
            Self::Bad(what) => framework(request, StatusCode::BAD_REQUEST, &what),
            Self::TooLarge => {
                let what = format!("the body is larger than {BODY_MAX} bytes");
                framework(request, StatusCode::PAYLOAD_TOO_LARGE, &what)
            }
            Self::InvalidBackup(message) => failed(StatusCode::BAD_REQUEST, ACTUATOR, message),
            Self::TooSlow => {
                framework(request, StatusCode::REQUEST_TIMEOUT, "the body did not arrive in time")
            }
            Self::Invalid(message) => failed(StatusCode::BAD_REQUEST, JSON, &message),
            Self::NoSuchThing => HttpResponse::NotFound().finish(),
            Self::NotSupported(text) => build(StatusCode::NOT_IMPLEMENTED)
                .content_type("text/plain;charset=UTF-8")
                .body(text),
            Self::Origin => build(StatusCode::FORBIDDEN)
                .content_type("text/plain;charset=UTF-8")
                .body("Requests from pages of other origins are refused"),
            Self::Failed { error, shown_as } => {
                failed(status(&error), shown_as.media_type(), &error.to_string())
            }
        }
    }
}

/// The response to an operation that succeeded.
pub(super) fn outcome(
    operation: &ManagementOperation,
    shown_as: ShownAs,
    outcome: &ManagementOutcome,
) -> HttpResponse {
    let ok = |body: String| HttpResponse::Ok().content_type(shown_as.media_type()).body(body);
    match outcome {
        ManagementOutcome::Done => done(operation),
        ManagementOutcome::Configuration(configuration) => match shown_as {
            ShownAs::Exporters => ok(text(&exporters::of(configuration))),
            ShownAs::Plain | ShownAs::Actuator => ok(text(configuration)),
        },
        ManagementOutcome::Change(change) => {
            HttpResponse::Accepted().content_type(JSON).body(text(change))
        }
        ManagementOutcome::FlowControl(limits) => {
            // The brokers' JSON was read once already, so it is well-formed.
            let members = limits.iter().map(|(partition, json)| format!("\"{partition}\":{json}"));
            ok(format!("{{{}}}", members.collect::<Vec<_>>().join(",")))
        }
        ManagementOutcome::Backup(backup) => ok(text(backup)),
        ManagementOutcome::Backups(backups) => ok(text(backups)),
    }
}

fn done(operation: &ManagementOperation) -> HttpResponse {
    match operation {
        ManagementOperation::Exporting(_) => {
            let body = json!({ "body": null, "status": 204, "contentType": null });
            HttpResponse::Ok().content_type(JSON).body(body.to_string())
        }
        ManagementOperation::TakeBackup(id) => {
            let message = format!(
                "A backup with id {id} has been scheduled. Use GET actuator/backups/{id} to \
                 monitor the status."
            );
            let body = json!({ "message": message }).to_string();
            HttpResponse::Accepted().content_type(ACTUATOR).body(body)
        }
        ManagementOperation::BanInstance(_) | ManagementOperation::DeleteBackup(_) => {
            HttpResponse::NoContent().finish()
        }
        ManagementOperation::Rebalance
        | ManagementOperation::Configuration(_)
        | ManagementOperation::FlowControl
        | ManagementOperation::SetFlowControl(_)
        | ManagementOperation::BackupStatus(_)
        | ManagementOperation::ListBackups => HttpResponse::Ok().finish(),
    }
}

/// The status of a failure (command-api §8, monitoring §5).
fn status(error: &ManagementError) -> StatusCode {
    match error {
        ManagementError::IncompleteTopology(_)
        | ManagementError::UnknownMember(_)
        | ManagementError::NoLeader(_)
        | ManagementError::NoBroker { .. }
        | ManagementError::Unreachable(_) => StatusCode::BAD_GATEWAY,
        ManagementError::UnknownPartition(_) | ManagementError::NoBackup(_) => {
            StatusCode::NOT_FOUND
        }
        ManagementError::Timeout(_) => StatusCode::GATEWAY_TIMEOUT,
        ManagementError::BackupExists { .. } => StatusCode::CONFLICT,
        ManagementError::Busy(_) | ManagementError::Interrupted => StatusCode::SERVICE_UNAVAILABLE,
        ManagementError::Failed(_) | ManagementError::Unreadable(_) => {
            StatusCode::INTERNAL_SERVER_ERROR
        }
        ManagementError::Refused { refusal, .. } => match refusal {
            Refusal::Invalid | Refusal::NotAllowed => StatusCode::BAD_REQUEST,
            Refusal::Concurrent => StatusCode::CONFLICT,
            Refusal::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        },
        ManagementError::Broker { code, .. } => match code {
            ErrorCode::PartitionLeaderMismatch => StatusCode::BAD_GATEWAY,
            ErrorCode::ResourceExhausted => StatusCode::SERVICE_UNAVAILABLE,
            ErrorCode::UnsupportedMessage => StatusCode::BAD_REQUEST,
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        },
    }
}

fn failed(status: StatusCode, media_type: &str, message: &str) -> HttpResponse {
    let body = json!({ "message": message }).to_string();
    build(status).content_type(media_type).body(body)
}

/// What the JVM's web framework answers by itself, with a member that says what is wrong.
fn framework(request: &HttpRequest, status: StatusCode, what: &str) -> HttpResponse {
    let now = jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%S%.3f+00:00").to_string();
    let body = json!({
        "timestamp": now,
        "status": status.as_u16(),
        "error": status.canonical_reason().unwrap_or_default(),
        "message": what,
        "path": request.path(),
    });
    build(status).content_type(JSON).body(body.to_string())
}

/// The JVM closes the connection after these statuses (monitoring §1).
fn build(status: StatusCode) -> HttpResponseBuilder {
    let mut response = HttpResponse::build(status);
    if matches!(status.as_u16(), 400 | 500 | 501 | 503) {
        response.force_close();
    }
    response.insert_header((header::CACHE_CONTROL, "no-store"));
    response
}

fn text(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("maps with text keys are always writable")
}
