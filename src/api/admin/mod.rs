//! What operators look at: the admin port (9601) with the state of every actor and of the cluster,
//! and the monitoring port (9600) with health and metrics.
//!
//! What they show is what the actors published; it never waits for an actor. Only the management
//! operations under `/actuator` do, each by its own deadline. `docs/admin.md`
//! describes the JSON.

mod actors;
mod cluster;
mod gateway_metrics;
mod health;
mod lifecycle;
mod management;
mod monitoring;
mod process;

use std::io;

use actix_web::dev::Server;
use actix_web::http::{Method, StatusCode, header};
use actix_web::web::{self, Data};
use actix_web::{App, HttpRequest, HttpResponse, HttpServer};
use serde::Serialize;

pub use lifecycle::{Lifecycle, Phase};
pub use monitoring::serve as serve_monitoring;

use crate::actors::gateway::Gateway;
use crate::api::http::problem::Problem;
use crate::api::http::{Listening, Miss};
use crate::config::Config;

/// Binds the admin endpoints to `admin.host` and `admin.port`. Call it inside an actix system.
///
/// # Errors
/// When an address cannot be bound.
pub fn serve_admin(
    config: &Config,
    gateway: Gateway,
    observations: Vec<Observation>,
) -> io::Result<Listening> {
    let admin = Data::new(Admin { gateway, observations });
    let server = HttpServer::new(move || {
        App::new().app_data(admin.clone()).default_service(web::to(handle))
    })
    .workers(1)
    .disable_signals()
    .bind((config.admin.host.as_str(), config.admin.port))?;
    let addresses = server.addrs();
    let server: Server = server.run();
    Ok(Listening { addresses, server })
}

/// Something else in the process that can be looked at, under a path of its own.
pub struct Observation {
    path: &'static str,
    shows: &'static str,
    state: Box<dyn Fn() -> serde_json::Value + Send + Sync>,
}

impl Observation {
    /// Shows what `state` gives under `path`. It is called on the admin's own thread.
    pub fn new(
        path: &'static str,
        shows: &'static str,
        state: impl Fn() -> serde_json::Value + Send + Sync + 'static,
    ) -> Self {
        Self { path, shows, state: Box::new(state) }
    }
}

impl std::fmt::Debug for Observation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Observation").field("path", &self.path).finish_non_exhaustive()
    }
}

#[derive(Debug)]
struct Admin {
    gateway: Gateway,
    observations: Vec<Observation>,
}

/// What there is to see.
const INDEX: &[(&str, &str)] = &[
    ("/actors", "every actor with its state"),
    ("/actors/{name}", "one actor; its name percent-encoded"),
    ("/actuator/…", "management operations of the JVM gateway: see docs/admin.md"),
    ("/cluster", "members, partitions and leaders, each with the age and source of the fact"),
];

async fn handle(request: HttpRequest, payload: web::Payload, admin: Data<Admin>) -> HttpResponse {
    let Admin { gateway, observations } = admin.as_ref();
    if let Some(response) = management::handle(&request, payload, gateway).await {
        return response;
    }
    if request.path().starts_with("/actuator") {
        return Miss::NotFound.response(&request);
    }
    let path = request.path();
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        let detail =
            format!("{} {path} is not possible; here all is read with GET", request.method());
        let mut response =
            problem(path, StatusCode::METHOD_NOT_ALLOWED, "Method Not Allowed", detail);
        response.headers_mut().insert(header::ALLOW, header::HeaderValue::from_static("GET, HEAD"));
        return response;
    }
    if let Some(other) = observations.iter().find(|other| other.path == path) {
        return json(&(other.state)());
    }
    match path {
        "/" => {
            let entry = |(path, shows): &(&'static str, &'static str)| Entry { path, shows };
            let more = observations.iter().map(|o| Entry { path: o.path, shows: o.shows });
            json(&INDEX.iter().map(entry).chain(more).collect::<Vec<_>>())
        }
        "/actors" => json(&actors::all(gateway)),
        "/cluster" => json(&cluster::Cluster::new(&gateway.view(), gateway.now())),
        _ => match path.strip_prefix("/actors/").and_then(actors::decoded) {
            Some(name) => match actors::one(gateway, &name) {
                Some(actor) => json(&actor),
                None => missing(path, format!("no actor has the name '{name}'")),
            },
            None => missing(path, "see / for what is here".to_owned()),
        },
    }
}

#[derive(Serialize)]
struct Entry {
    path: &'static str,
    shows: &'static str,
}

fn missing(path: &str, detail: String) -> HttpResponse {
    problem(path, StatusCode::NOT_FOUND, "Not Found", detail)
}

fn problem(path: &str, status: StatusCode, title: &'static str, detail: String) -> HttpResponse {
    Problem::new(status, title, detail).response(path)
}

fn json(value: &impl Serialize) -> HttpResponse {
    HttpResponse::Ok().json(value)
}
