//! The monitoring port: the JVM gateway's `/actuator` paths, and short ones of our own.
//!
//! `/startup`, `/live` and `/health` answer like the groups and the whole of the JVM gateway.
//! `/ready` is stricter than its readiness: some partition must have a leader.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use actix_web::http::{Method, StatusCode, header};
use actix_web::web::{self, Data};
use actix_web::{App, HttpRequest, HttpResponse, HttpServer};
use serde::Serialize;
use serde_json::json;

use super::health::{Facts, Health};
use super::lifecycle::Lifecycle;
use super::{gateway_metrics, management, process};
use crate::actors::gateway::Gateway;
use crate::api::http::{Listening, Miss};
use crate::config::Config;
use crate::metrics::{Exposition, text};

/// How often the delayed health views look at the cluster (monitoring §2).
const OBSERVE_EVERY: Duration = Duration::from_secs(5);

#[derive(Debug)]
struct Monitoring {
    gateway: Gateway,
    lifecycle: Lifecycle,
    /// Whether the management operations are here too.
    management: bool,
    health: Mutex<Health>,
    started: Instant,
}

/// Binds the monitoring endpoints to `monitoring.host` and `monitoring.port`. Call it inside an
/// actix system.
///
/// # Errors
/// When an address cannot be bound.
pub fn serve(config: &Config, gateway: Gateway, lifecycle: Lifecycle) -> io::Result<Listening> {
    let monitoring = Arc::new(Monitoring {
        gateway,
        lifecycle,
        management: config.monitoring.management,
        health: Mutex::default(),
        started: Instant::now(),
    });
    let data = Data::from(monitoring.clone());
    let server =
        HttpServer::new(move || App::new().app_data(data.clone()).default_service(web::to(handle)))
            .workers(1)
            .disable_signals()
            .bind((config.monitoring.host.as_str(), config.monitoring.port))?;
    let addresses = server.addrs();
    let watched = Arc::downgrade(&monitoring);
    actix_web::rt::spawn(async move {
        let mut ticks = tokio::time::interval(OBSERVE_EVERY);
        loop {
            ticks.tick().await;
            // The server is gone: nobody asks any more.
            let Some(monitoring) = watched.upgrade() else { return };
            monitoring.observe();
        }
    });
    Ok(Listening { addresses, server: server.run() })
}

async fn handle(
    request: HttpRequest,
    payload: web::Payload,
    monitoring: Data<Monitoring>,
) -> HttpResponse {
    if monitoring.management
        && let Some(response) = management::handle(&request, payload, &monitoring.gateway).await
    {
        return response;
    }
    let Some(response) = monitoring.respond(&request) else {
        return Miss::NotFound.response(&request);
    };
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return Miss::Method { allowed: vec![Method::GET] }.response(&request);
    }
    response
}

impl Monitoring {
    fn observe(&self) {
        let view = self.gateway.view();
        let mut health = self.health.lock().unwrap_or_else(PoisonError::into_inner);
        health.observe(self.gateway.now(), &view);
    }

    /// The answer, if the path exists.
    fn respond(&self, request: &HttpRequest) -> Option<HttpResponse> {
        match request.path() {
            "/actuator" => Some(index(request, self.management)),
            "/actuator/info" => Some(info(request)),
            "/actuator/prometheus" | "/metrics" => Some(self.metrics()),
            "/health" | "/actuator/health" => {
                self.probe(request, |health, facts| health.whole(facts).answer())
            }
            "/ready" => self.probe(request, |health, facts| health.ready(facts).answer()),
            "/startup" => self.group(request, "startup"),
            "/live" => self.group(request, "liveness"),
            other => {
                let name = other.strip_prefix("/actuator/health/")?;
                self.group(request, name)
            }
        }
    }

    fn probe(
        &self,
        request: &HttpRequest,
        ask: impl FnOnce(&Health, &Facts<'_>) -> Option<(StatusCode, String)>,
    ) -> Option<HttpResponse> {
        // What is true now is known at once, not only at the next observation.
        self.observe();
        let view = self.gateway.view();
        let memory_free = process::resident_bytes().zip(process::memory_limit_bytes());
        let memory_free = memory_free.map(|(used, limit)| 1.0 - used as f64 / limit.max(1) as f64);
        let facts = Facts {
            now: self.gateway.now(),
            phase: self.lifecycle.phase(),
            view: &view,
            memory_free,
        };
        let health = self.health.lock().unwrap_or_else(PoisonError::into_inner);
        let answer = ask(&health, &facts);
        Some(match answer {
            Some((status, body)) => respond(request, status, body),
            None => HttpResponse::NotFound().finish(),
        })
    }

    /// A group or a component; an unknown name is a 404 without body.
    fn group(&self, request: &HttpRequest, name: &str) -> Option<HttpResponse> {
        self.probe(request, |health, facts| match health.group(name, facts) {
            Some(group) => group.answer(),
            None => {
                let component = health.component(name, facts)?;
                answer(component.status.is_ok(), &component)
            }
        })
    }

    fn metrics(&self) -> HttpResponse {
        let mut out = Exposition::default();
        self.gateway.metrics().expose(&mut out);
        gateway_metrics::expose(&self.gateway, &mut out);
        process::expose(&mut out, self.started.elapsed().as_secs_f64());
        HttpResponse::Ok().content_type(text::MEDIA_TYPE).body(out.finish())
    }
}

impl super::health::Report {
    fn answer(&self) -> Option<(StatusCode, String)> {
        answer(self.status.is_ok(), self)
    }
}

fn answer(is_ok: bool, body: &impl Serialize) -> Option<(StatusCode, String)> {
    let status = if is_ok { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    Some((status, serde_json::to_string(body).ok()?))
}

fn respond(request: &HttpRequest, status: StatusCode, body: String) -> HttpResponse {
    let accept = request.headers().get(header::ACCEPT).and_then(|value| value.to_str().ok());
    let plain = accept.is_some_and(|accept| accept.starts_with("application/json"));
    let media_type = if plain { "application/json" } else { management::ACTUATOR };
    HttpResponse::build(status).content_type(media_type).body(body)
}

fn index(request: &HttpRequest, management: bool) -> HttpResponse {
    let connection = request.connection_info();
    let base = format!("{}://{}/actuator", connection.scheme(), connection.host());
    let link = |path: &str, templated: bool| json!({ "href": format!("{base}{path}"), "templated": templated });
    let mut links = json!({
        "self": link("", false),
        "health": link("/health", false),
        "health-path": link("/health/{*path}", true),
        "info": link("/info", false),
        "prometheus": link("/prometheus", false),
    });
    if management {
        for (name, path, templated) in management::LINKS {
            links[name] = link(path, *templated);
        }
    }
    respond(request, StatusCode::OK, json!({ "_links": links }).to_string())
}

fn info(request: &HttpRequest) -> HttpResponse {
    let build = json!({ "build": {
        "artifact": env!("CARGO_PKG_NAME"),
        "name": env!("CARGO_PKG_NAME"),
        "version": env!("CARGO_PKG_VERSION"),
        "gatewayVersion": crate::api::GATEWAY_VERSION,
    }});
    respond(request, StatusCode::OK, build.to_string())
}
