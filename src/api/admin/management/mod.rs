//! The JVM gateway's management endpoints under `/actuator`: the cluster configuration, exporters,
//! backups, flow control (monitoring §5).
//!
//! From an HTTP request to a [`ManagementOperation`](crate::model::management::ManagementOperation)
//! and from its outcome to a response. Whoever reaches them controls the cluster and needs no
//! password, so they are on the admin port, and on the monitoring port only where the configuration
//! says so.

mod answer;
mod exporters;
mod flow_control;
mod patch;
mod request;

use std::time::Duration;

use actix_web::http::{Method, header};
use actix_web::web::{Bytes, Payload};
use actix_web::{HttpRequest, HttpResponse};
use futures::StreamExt;

use answer::Refused;
use request::{Asked, Endpoint};

use crate::actors::gateway::Gateway;
use crate::api::http::Miss;

/// Media type of Spring's own endpoints.
pub(super) const ACTUATOR: &str = "application/vnd.spring-boot.actuator.v3+json";
/// Largest request body: lists of broker ids and limits are far smaller.
const BODY_MAX: usize = 64 * 1024;
/// How long a client may take to send it.
const BODY_TIME_MAX: Duration = Duration::from_secs(10);

/// The links to the endpoints, as `GET /actuator` names them.
pub(super) const LINKS: &[(&str, &str, bool)] = &[
    ("backups", "/backups", false),
    ("backups-id", "/backups/{id}", true),
    ("rebalance", "/rebalance", false),
    ("banning-processInstanceKey", "/banning/{processInstanceKey}", true),
    ("flowcontrol", "/flowControl", false),
    ("cluster", "/cluster", false),
    ("exporters", "/exporters", false),
    ("exporting", "/exporting", false),
];

/// Answers a request for a management endpoint; `None` for any other path.
pub(super) async fn handle(
    request: &HttpRequest,
    payload: Payload,
    gateway: &Gateway,
) -> Option<HttpResponse> {
    let endpoint = match Endpoint::find(request.path())? {
        Ok(endpoint) => endpoint,
        Err(refused) => return Some(refused.response(request)),
    };
    Some(match respond(request, payload, gateway, endpoint).await {
        Ok(response) => response,
        Err(refused) => refused.response(request),
    })
}

async fn respond(
    request: &HttpRequest,
    payload: Payload,
    gateway: &Gateway,
    endpoint: Endpoint,
) -> Result<HttpResponse, Refused> {
    let method = match *request.method() {
        Method::HEAD => &Method::GET,
        ref method => method,
    };
    let allowed = endpoint.methods();
    if !allowed.contains(method) {
        return Err(Refused::Miss(Miss::Method { allowed: allowed.to_vec() }));
    }
    if *method != Method::GET {
        same_origin(request)?;
    }
    let media_type = request.headers().get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok());
    if let Some(takes) = endpoint.takes(method)
        && !media_type.is_some_and(|given| endpoint.accepts(given))
    {
        return Err(Refused::Miss(Miss::MediaType { takes }));
    }
    let body = tokio::time::timeout(BODY_TIME_MAX, read(payload));
    let body = body.await.unwrap_or(Err(Refused::TooSlow))?;
    let Asked { operation, shown_as } = endpoint.asked(method, request.query_string(), &body)?;
    let peer = request.peer_addr().map_or_else(|| "unknown".to_owned(), |peer| peer.to_string());
    let result = gateway.manage(operation.clone(), peer).await;
    let outcome = result.map_err(|error| Refused::Failed { error, shown_as })?;
    Ok(answer::outcome(&operation, shown_as, &outcome))
}

/// A page of another origin must not change the cluster through an operator's browser, which
/// sends simple requests without asking.
fn same_origin(request: &HttpRequest) -> Result<(), Refused> {
    let text = |name| request.headers().get(name).and_then(|value| value.to_str().ok());
    let Some(origin) = request.headers().get(header::ORIGIN) else { return Ok(()) };
    let authority = origin.to_str().ok().and_then(|origin| origin.split_once("://"));
    let host = text(header::HOST);
    if authority.is_some_and(|(_, authority)| Some(authority) == host) {
        return Ok(());
    }
    Err(Refused::Origin)
}

async fn read(mut payload: Payload) -> Result<Bytes, Refused> {
    let mut body = Vec::new();
    while let Some(piece) = payload.next().await {
        let piece = piece.map_err(|error| Refused::bad(format!("unreadable body: {error}")))?;
        if body.len() + piece.len() > BODY_MAX {
            return Err(Refused::TooLarge);
        }
        body.extend_from_slice(&piece);
    }
    Ok(body.into())
}
