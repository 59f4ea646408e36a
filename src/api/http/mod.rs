//! The REST frontend: `/v2` as the JVM gateway serves it, over HTTP/1.1 and h2c.
//!
//! Path of a request: `router` finds its row in the table `v2::ENDPOINTS`, `body` reads what
//! it carries, the row's translation turns that into a command, the connection's session executes
//! it, and the row's answer is written from the reply. `dispatch` is that sequence. Failures
//! before an endpoint is chosen look as `fallback` writes them, all later ones are a
//! `problem::Problem`.
//!
//! Differences from the JVM gateway. Each is harmless to clients: a JSON body has a limit
//! (`rest.max_body_size`, 413), explicit nulls are named in plain words, polls longer than 30 s are
//! allowed, jobs of a client that went away are given back, and documents can be read again. With
//! `compatibility.exact` those that a client can see in an answer are none any more: an error
//! closes the connection, back-pressure is 429 or 500 without Retry-After, a multipart body without
//! boundary is the server's fault (500), keys are numbers only, and what is newer than 8.6 is not
//! there.

mod body;
mod connection;
mod dispatch;
mod documents;
mod endpoint;
mod fallback;
mod frontend;
mod guard;
mod jobs_body;
mod json;
mod library;
mod media;
mod multipart;
mod openapi;
pub(in crate::api) mod problem;
mod router;
mod tenant;
mod v2;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use actix_web::dev::Server;
use actix_web::web::{self, Data};
use actix_web::{App, HttpServer};

pub(in crate::api) use fallback::Miss;

use crate::actors::gateway::Gateway;
use crate::auth::Authenticator;
use crate::config::Config;

/// More workers than this gain nothing: they only parse and translate.
const WORKERS_MAX: usize = 4;

/// How long an idle connection is kept. Clients pool connections; balancers close after 60 s.
const KEEP_ALIVE: Duration = Duration::from_secs(75);

/// How often expired documents are looked for. Nobody gets one in between, either.
const SWEEP_INTERVAL: Duration = Duration::from_secs(60);

/// A server that was bound: it answers while `server` is awaited or spawned.
#[allow(missing_debug_implementations, reason = "actix-web's server has no Debug")]
pub struct Listening {
    /// Where it listens.
    pub addresses: Vec<SocketAddr>,
    /// The server; its handle stops it.
    pub server: Server,
}

/// Serves with an authenticator of its own where the configuration asks for one.
///
/// # Errors
/// As [`serve_guarded`], and when authentication cannot start.
pub fn serve(config: &Config, gateway: Gateway) -> io::Result<Listening> {
    let authenticator = Authenticator::start(config).map_err(io::Error::other)?;
    serve_guarded(config, gateway, authenticator)
}

/// Binds the REST frontend to `rest.host` and `rest.port`, and adds its metrics to the gateway's.
/// Call it inside an actix system.
///
/// # Errors
/// When an address cannot be bound, or the document store cannot be opened.
pub fn serve_guarded(
    config: &Config,
    gateway: Gateway,
    authenticator: Option<Authenticator>,
) -> io::Result<Listening> {
    let sessions = gateway.clone();
    let frontend = Data::new(frontend::Frontend::new(config, gateway, authenticator)?);
    sweep(&frontend.documents);
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let workers = match config.threads.http {
        0 => cores.min(WORKERS_MAX),
        given => given,
    };
    let server = HttpServer::new(move || {
        App::new().app_data(frontend.clone()).default_service(web::to(dispatch::handle))
    })
    .on_connect(move |io, data| connection::open(&sessions, io, data))
    .workers(workers)
    .max_connections(config.limits.sessions)
    .keep_alive(KEEP_ALIVE)
    // A client that closes its connection is gone: what it waits for is given up.
    .h1_allow_half_closed(false)
    .shutdown_timeout(config.shutdown.grace.as_secs())
    .disable_signals()
    .bind_auto_h2c((config.rest.host.as_str(), config.rest.port))?;
    Ok(Listening { addresses: server.addrs(), server: server.run() })
}

/// Deletes expired documents now and then, as long as there is a store.
fn sweep(documents: &Arc<documents::Store>) {
    let documents = Arc::downgrade(documents);
    actix_web::rt::spawn(async move {
        loop {
            tokio::time::sleep(SWEEP_INTERVAL).await;
            let Some(documents) = documents.upgrade() else { return };
            if let Err(error) = documents.sweep().await {
                log::warn!("event=document_sweep_failed error={error}");
            }
        }
    });
}
