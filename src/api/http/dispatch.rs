//! From a request to its response: route, read, translate, execute, answer.

use std::panic::AssertUnwindSafe;

use actix_web::body::MessageBody as _;
use actix_web::http::{ConnectionType, Method, StatusCode};
use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use bytes::Bytes;
use futures::FutureExt;
use futures::future::join_all;

use super::body::{self, BodyError};
use super::connection::Connection;
use super::documents;
use super::endpoint::{Action, Answer, Body, Endpoint, Input, Translate};
use super::fallback::{filter_issue, options};
use super::frontend::Frontend;
use super::guard;
use super::jobs_body::JobsBody;
use super::json::{Object, Style, object};
use super::library;
use super::media::{self, Answered};
use super::multipart::{self, Part};
use super::openapi;
use super::problem::Problem;
use super::router::Found;
use super::tenant::Tenancy;
use super::v2;
use crate::actors::gateway::{Purpose, SessionHandle};
use crate::error::GatewayError;
use crate::model::{Command, Key, Route};
use crate::wire::DecodeError;

/// Answers a request, if its caller may make any.
pub(super) async fn handle(
    request: HttpRequest,
    payload: Payload,
    frontend: Data<Frontend>,
) -> HttpResponse {
    let Some(authenticator) = &frontend.authenticator else {
        return serve(&request, payload, &frontend, frontend.tenancy.clone()).await;
    };
    let mut response = match guard::tenancy(authenticator, &request, frontend.multi_tenancy).await {
        Ok(tenancy) => serve(&request, payload, &frontend, tenancy).await,
        Err(refusal) => {
            frontend.metrics.unrouted(refusal.status().as_u16());
            refusal
        }
    };
    guard::secure(&mut response);
    response
}

/// Answers a request. A panic on the way becomes a 500 and costs nobody else anything.
async fn serve(
    request: &HttpRequest,
    payload: Payload,
    frontend: &Frontend,
    tenancy: Tenancy,
) -> HttpResponse {
    let path = request.path();
    if request.method() == Method::OPTIONS {
        let methods = frontend.router.methods(path);
        if !methods.is_empty() {
            return options(request, &methods);
        }
    }
    let found = match frontend.router.find(request.method(), path, request.headers()) {
        Ok(found) => found,
        Err(miss) => {
            let response = miss.response(request);
            frontend.metrics.unrouted(response.status().as_u16());
            return response;
        }
    };
    let running = frontend.metrics.begin(found.index);
    let answered = AssertUnwindSafe(answer(request, payload, frontend, tenancy, found));
    let mut response = answered.catch_unwind().await.unwrap_or_else(|_| {
        log::error!("event=rest_handler_panicked path={path:?}");
        frontend.metrics.panicked();
        let detail = "the request made its handler fail; the gateway goes on";
        Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "INTERNAL", detail).response(path)
    });
    if let Some(running) = running {
        running.end(response.status().as_u16());
    }
    if frontend.exact && closes_in_8_6(response.status()) {
        close_after(&mut response);
    }
    // A connection whose session failed can do no more; the client's next one gets a new session.
    let connection = request.conn_data::<Connection>();
    if connection.and_then(|c| c.session.as_ref().ok()).is_some_and(|session| !session.is_open()) {
        close_after(&mut response);
    }
    response
}

async fn answer(
    request: &HttpRequest,
    payload: Payload,
    frontend: &Frontend,
    tenancy: Tenancy,
    found: Found<'_>,
) -> HttpResponse {
    let path = request.path();
    if let Action::Documents(action) = found.endpoint.action {
        let id = found.variable.map(|(_, text)| text);
        return documents::answer(request, payload, frontend, action, id).await;
    }
    let key = match found.variable {
        None => Key::NONE,
        Some((name, text)) => match text.parse() {
            Ok(key) => Key(key),
            Err(_) => {
                let detail = format!("Failed to convert '{name}' with value: '{text}'");
                return Problem::bad_request(detail).response(path);
            }
        },
    };
    let kind = found.endpoint.body;
    // Held until there is an answer.
    let bytes = frontend.gateway.request_bytes(purpose(found.endpoint));
    let body = match kind {
        Body::None => Bytes::new(),
        _ => match body::read(request.headers(), payload, frontend.body_max, &bytes).await {
            Ok(body) => body,
            Err(error) => return unreadable(error, kind, frontend, path),
        },
    };
    let parts = match kind {
        Body::Multipart => match multipart::parts(request.headers(), body.clone()).await {
            Ok(parts) => parts,
            Err(_) if frontend.exact => return filter_issue(path),
            Err(error) => {
                let detail = format!("Failed to parse multipart servlet request: {error}");
                return Problem::bad_request(detail).response(path);
            }
        },
        _ => Vec::new(),
    };
    let answered = media::answered(request.headers(), frontend.keys);
    let action = found.endpoint.action;
    let call = Call { request, frontend, tenancy, action, key, body, parts, answered };
    call.run().await.unwrap_or_else(|problem| failed(problem, frontend, path))
}

fn failed(problem: Problem, frontend: &Frontend, path: &str) -> HttpResponse {
    let problem = if frontend.exact { problem.exactly() } else { problem };
    problem.response(path)
}

/// What the memory of a request is for: a gateway that is full must still take the calls of its
/// workers.
fn purpose(endpoint: &Endpoint) -> Purpose {
    match endpoint.path.starts_with("/v2/jobs/") {
        true => Purpose::Relief,
        false => Purpose::Ordinary,
    }
}

fn unreadable(error: BodyError, kind: Body, frontend: &Frontend, path: &str) -> HttpResponse {
    let status = error.status();
    // The rest of the body is not read, so the connection cannot be used again.
    if error == BodyError::TooLarge && kind == Body::Multipart {
        return HttpResponse::PayloadTooLarge().force_close().finish();
    }
    let detail = match error {
        BodyError::NoRoom(error) => {
            let mut response = failed(error.into(), frontend, path);
            close_after(&mut response);
            return response;
        }
        BodyError::TooLarge => {
            format!("The request body is larger than rest.max_body_size, {}", frontend.body_max)
        }
        BodyError::TooSlow => "The request body did not arrive in time".to_owned(),
        BodyError::Broken => "Failed to read request".to_owned(),
    };
    let title = status.canonical_reason().unwrap_or_default();
    let mut response = Problem::new(status, title, detail).response(path);
    close_after(&mut response);
    response
}

/// Whether the JVM's server ends the connection after a response of this status (rest-v2 §1).
fn closes_in_8_6(status: StatusCode) -> bool {
    matches!(status.as_u16(), 400 | 408 | 411 | 413 | 414 | 500 | 501 | 503)
}

/// The connection ends with this response.
fn close_after(response: &mut HttpResponse) {
    response.head_mut().set_connection_type(ConnectionType::Close);
}

/// A request whose body was read.
struct Call<'a> {
    request: &'a HttpRequest,
    frontend: &'a Frontend,
    tenancy: Tenancy,
    action: Action,
    key: Key,
    body: Bytes,
    parts: Vec<Part>,
    answered: Answered,
}

impl Call<'_> {
    fn input(&self) -> Input<'_> {
        Input {
            key: self.key,
            body: &self.body,
            parts: &self.parts,
            tenancy: self.tenancy.clone(),
            exact: self.frontend.exact,
        }
    }

    fn style(&self) -> Style {
        let exact = self.frontend.exact || library::breaks_on_newer_members(self.request.headers());
        Style { keys: self.answered.keys, exact }
    }

    /// An answer in JSON.
    fn json(
        &self,
        members: impl FnOnce(&mut Object<'_>) -> Result<(), DecodeError>,
    ) -> Result<HttpResponse, Problem> {
        let mut body = String::with_capacity(256);
        object(&mut body, self.style(), members)?;
        Ok(HttpResponse::Ok().content_type(self.answered.media_type).body(body))
    }

    fn session(&self) -> Result<&SessionHandle, Problem> {
        let connection = self.request.conn_data::<Connection>();
        let session = connection.map_or(&Err(GatewayError::ShuttingDown), |c| &c.session);
        session.as_ref().map_err(|error| error.clone().into())
    }

    async fn run(self) -> Result<HttpResponse, Problem> {
        match self.action {
            Action::Command { translate, answer } => self.command(translate, answer).await,
            Action::CommandOf89 { translate, answer } => {
                let needed = library::needs_content_of_8_9(self.request.headers());
                let wanted = needed && !self.frontend.exact;
                self.command(translate, wanted.then_some(answer)).await
            }
            Action::EveryPartition { translate } => {
                self.everywhere(translate(&self.input())?).await?;
                Ok(HttpResponse::NoContent().finish())
            }
            Action::ActivateJobs => self.activate_jobs().await,
            Action::Documents(_) => Err(Problem::bad_request("Failed to read request")),
            Action::Topology => {
                let view = self.frontend.gateway.view();
                self.json(|members| v2::topology::topology(&view, members))
            }
            Action::License => self.json(v2::topology::license),
            Action::Myself => {
                self.json(|members| v2::authentication::myself(members, &self.tenancy))
            }
            Action::OpenApi => {
                Ok(HttpResponse::Ok().content_type(media::JSON).body(openapi::DOCUMENT))
            }
            Action::Status => {
                let healthy = v2::topology::any_healthy_leader(&self.frontend.gateway.view());
                let mut response = HttpResponse::NoContent();
                if !healthy {
                    response.status(StatusCode::SERVICE_UNAVAILABLE);
                }
                Ok(response.finish())
            }
            Action::Refuse(detail) => Err(Problem::bad_request(detail)),
        }
    }

    async fn command(
        &self,
        translate: Translate,
        answer: Option<Answer>,
    ) -> Result<HttpResponse, Problem> {
        let command = translate(&self.input())?;
        let reply = self.session()?.execute(command).await?;
        match answer {
            Some(answer) => self.json(|members| answer(&reply, members)),
            None => Ok(HttpResponse::NoContent().finish()),
        }
    }

    /// Has every partition do the same. Exactly as in 8.6 one of them does it.
    async fn everywhere(&self, command: Command) -> Result<(), Problem> {
        let view = self.frontend.gateway.view();
        if self.frontend.exact || view.partitions.is_empty() {
            self.session()?.execute(command).await?;
            return Ok(());
        }
        let session = self.session()?;
        let commands = view.partitions.iter().map(|partition| {
            let route = Route::Partition(partition.id);
            session.execute(Command { route, ..command.clone() })
        });
        // All are tried, whatever becomes of the others.
        for outcome in join_all(commands).await {
            outcome?;
        }
        Ok(())
    }

    /// Collects the jobs of one poll. The JVM gateway cuts every answer off after 30 s; here a
    /// poll lasts as long as it asks for, or until the answer has `grpc.max_message_size` of jobs.
    /// Jobs that come after that are given back.
    async fn activate_jobs(self) -> Result<HttpResponse, Problem> {
        let poll = v2::jobs::activation(&self.input())?;
        let mut coming = self.session()?.activate_jobs(poll);
        let (mut deliveries, mut room) = (Vec::new(), self.frontend.jobs_max);
        while room > 0
            && let Some(delivery) = coming.next().await
        {
            match delivery {
                Ok(mut delivery) => {
                    for job in &delivery.jobs {
                        room = room.saturating_sub(job.record.variables.as_msgpack().len());
                    }
                    // The answer is written when the poll is complete, which waits for this.
                    if room > 0 {
                        delivery.take();
                    }
                    deliveries.push(delivery);
                }
                // Jobs that are here already are worth more to the client than the error.
                Err(error) if deliveries.is_empty() => return Err(error.into()),
                Err(error) => log::debug!("event=poll_ended_early error={error:?}"),
            }
        }
        drop(coming);
        let mut out = String::new();
        object(&mut out, self.style(), |members| {
            members.array("jobs", |jobs| {
                let mut all = deliveries.iter().flat_map(|delivery| &delivery.jobs);
                all.try_for_each(|job| v2::jobs::activated(jobs, job))
            })
        })?;
        let media_type = self.answered.media_type;
        let body = JobsBody::new(out, deliveries, self.request.version()).boxed();
        Ok(HttpResponse::Ok().content_type(media_type).body(body))
    }
}
